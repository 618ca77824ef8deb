/*
 * lanes.c - a row beside others in a pass leaves the bytes of that row alone
 *
 * A course is a text and what one thread makes of it step by step: logits and a snapshot at
 * every position.  Lanes are sessions, each somewhere on a course.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/lanes.h"
#include "engine/state/session_internal.h"
#include "engine/state/verify.h"
#include "tests/unit/model_writer.h"

enum { N_TOKENS = 86, N_COURSES = 3, CHUNK = 16 };

struct course {
    int32_t tokens[N_TOKENS];
    float *logits; /* [N_TOKENS][n_vocab] */
    struct snapshot *snapshots[N_TOKENS + 1];
};

struct lane {
    const struct course *course;
    struct session *session;
    bool marked;
    uint32_t mark;
};

struct scene {
    struct model *model;
    uint32_t n_vocab, n_lanes;
    bool keep_hidden;
    struct course courses[N_COURSES];
    struct lane lanes[LANES_MAX];
    float *logits; /* [LANES_MAX][n_vocab] */
    uint64_t random;
};

static struct snapshot *save(const struct session *session)
{
    struct snapshot *snapshot = NULL;
    struct error error = {0};

    check(session_snapshot(session, &snapshot, &error), &error);
    return snapshot;
}

static struct session *open_lane(const struct scene *scene, int n_threads)
{
    const struct session_options options = {
        .n_threads = n_threads, .n_context = N_TOKENS, .chunk = CHUNK};
    struct session *session = open_session(scene->model, &options);
    struct error error = {0};

    if (scene->keep_hidden)
        check(session_keep_hidden(session, true, &error), &error);
    return session;
}

static void begin_course(const struct scene *scene, struct course *course, uint64_t random)
{
    struct session *session = open_lane(scene, 1);
    struct error error = {0};

    course->logits = malloc(N_TOKENS * scene->n_vocab * sizeof(float));
    for (int i = 0; i <= N_TOKENS; i++) {
        course->snapshots[i] = save(session);
        if (i == N_TOKENS)
            break;
        course->tokens[i] = (int32_t)(next_random(&random) % scene->n_vocab);
        check(session_eval(session, course->tokens + i, 1, 1,
                           course->logits + (size_t)i * scene->n_vocab, NULL, &error),
              &error);
    }
    session_free(&session);
}

static void open_lanes(struct scene *scene, uint32_t n_lanes, int n_threads)
{
    scene->n_lanes = n_lanes;
    for (uint32_t i = 0; i < n_lanes; i++)
        scene->lanes[i] =
            (struct lane){.course = &scene->courses[i % N_COURSES],
                          .session = open_lane(scene, i % 3 == 0 ? n_threads : 1)};
}

static void close_lanes(struct scene *scene)
{
    for (uint32_t i = 0; i < scene->n_lanes; i++)
        session_free(&scene->lanes[i].session);
}

static void begin_scene(struct scene *scene, struct model *model, bool keep_hidden)
{
    *scene = (struct scene){.model = model,
                            .n_vocab = vocabulary_of(model),
                            .keep_hidden = keep_hidden,
                            .random = 11};
    scene->logits = malloc(LANES_MAX * scene->n_vocab * sizeof(float));
    for (uint32_t i = 0; i < N_COURSES; i++)
        begin_course(scene, &scene->courses[i], i + 1);
}

static void end_scene(struct scene *scene)
{
    for (int c = 0; c < N_COURSES; c++) {
        for (int i = 0; i <= N_TOKENS; i++)
            snapshot_free(&scene->courses[c].snapshots[i]);
        free(scene->courses[c].logits);
    }
    free(scene->logits);
    model_close(&scene->model);
}

static uint32_t pick(struct scene *scene, uint32_t minimum, uint32_t maximum)
{
    return minimum + next_random(&scene->random) % (maximum - minimum + 1);
}

/* The session is where its course was at its position, in every byte. */
static void expect_here(const struct lane *lane, const char *after)
{
    const uint32_t position = session_position(lane->session);
    struct snapshot *now = save(lane->session);

    if (!snapshot_equal(now, lane->course->snapshots[position]))
        fail_msg("%s, at %u: another state", after, position);
    snapshot_free(&now);
}

static void expect_row(const struct scene *scene, const struct lane *lane, uint32_t position,
                       const float *row, const char *after)
{
    if (memcmp(row, lane->course->logits + (size_t)position * scene->n_vocab,
               scene->n_vocab * sizeof *row) != 0)
        fail_msg("%s: other logits at %u", after, position);
}

/* Some lanes that have room, in any order. */
struct party {
    uint32_t n;
    struct lane *lanes[LANES_MAX];
    struct session *sessions[LANES_MAX];
    int32_t tokens[LANES_MAX];
    uint32_t positions[LANES_MAX];
};

static struct party gather(struct scene *scene, uint32_t most)
{
    const uint32_t start = pick(scene, 0, scene->n_lanes - 1);
    struct party party = {0};

    for (uint32_t i = 0; i < scene->n_lanes && party.n < most; i++) {
        struct lane *lane = &scene->lanes[(start + i * 5) % scene->n_lanes];
        const uint32_t position = session_position(lane->session);
        bool is_in = position == N_TOKENS;
        for (uint32_t j = 0; j < party.n; j++)
            is_in = is_in || party.lanes[j] == lane;
        if (is_in)
            continue;
        party.lanes[party.n] = lane;
        party.sessions[party.n] = lane->session;
        party.tokens[party.n] = lane->course->tokens[position];
        party.positions[party.n++] = position;
    }
    return party;
}

static void note_rows(struct lane *lane, uint32_t from, uint32_t n)
{
    if (lane->marked && from - lane->mark + n > VERIFY_ROWS_MAX)
        lane->marked = false;
}

static void step(struct scene *scene, struct party *party, bool wanted, const char *after)
{
    struct error error = {0};

    check(lanes_step(party->sessions, party->n, party->tokens, wanted ? scene->logits : NULL,
                     NULL, &error),
          &error);
    for (uint32_t i = 0; i < party->n; i++) {
        assert_int_equal(session_position(party->sessions[i]), party->positions[i] + 1);
        note_rows(party->lanes[i], party->positions[i], 1);
        if (wanted)
            expect_row(scene, party->lanes[i], party->positions[i],
                       scene->logits + (size_t)i * scene->n_vocab, after);
    }
}

/* Sets the flag, or spoils a row, when the pass reaches its n-th stage. */
struct interruption {
    atomic_bool cancel;
    int stages_left;
    float *spoil; /* NULL: cancel */
};

static void interrupt(void *context, const char *stage, uint32_t layer, const float *rows,
                      size_t stride, uint32_t n_rows, uint32_t n_columns)
{
    struct interruption *interruption = context;

    (void)stage, (void)layer, (void)rows, (void)stride, (void)n_rows, (void)n_columns;
    if (interruption->stages_left-- != 0)
        return;
    if (interruption->spoil)
        *interruption->spoil = INFINITY;
    else
        atomic_store(&interruption->cancel, true);
}

static void interrupted_step(struct scene *scene, struct party *party, bool spoil)
{
    const size_t d = model_info(scene->model)->n_embd;
    struct session *first = party->sessions[0];
    struct interruption interruption = {.stages_left = (int)pick(scene, 0, 60)};
    const struct trace trace = {interrupt, &interruption};
    struct error error = {0};
    enum status status;

    if (spoil)
        interruption.spoil = first->scratch.hidden + pick(scene, 0, party->n - 1) * d;
    first->trace = &trace;
    status = lanes_step(party->sessions, party->n, party->tokens, scene->logits,
                        &interruption.cancel, &error);
    first->trace = NULL;
    if (spoil ? interruption.stages_left < -5 : status != STATUS_OK)
        assert_int_equal(status, spoil ? STATUS_FAILED : STATUS_CANCELLED);
    for (uint32_t i = 0; i < party->n; i++) {
        note_rows(party->lanes[i], party->positions[i], 1);
        assert_int_equal(session_position(party->sessions[i]),
                         party->positions[i] + (status == STATUS_OK));
    }
    if (status == STATUS_OK && spoil) /* nothing read it any more */
        for (uint32_t i = 0; i < party->n; i++)
            check(session_restore(party->sessions[i],
                                  party->lanes[i]->course->snapshots[party->positions[i]],
                                  &error),
                  &error);
    if (status == STATUS_OK && spoil)
        for (uint32_t i = 0; i < party->n; i++)
            party->lanes[i]->marked = false;
}

/* What a lane does when it is alone. */
static void act_alone(struct scene *scene, struct lane *lane)
{
    const uint32_t at = session_position(lane->session), left = N_TOKENS - at;
    uint32_t n = pick(scene, 1, 6), to;
    struct error error = {0};

    n = n < left ? n : left;
    switch (n == 0 ? 0 : pick(scene, 0, 6)) {
    case 0:
        to = pick(scene, 0, 20);
        check(session_restore(lane->session, lane->course->snapshots[to], &error), &error);
        lane->marked = false;
        break;
    case 1:
    case 2:
        check(session_eval(lane->session, lane->course->tokens + at, n, n, scene->logits, NULL,
                           &error),
              &error);
        note_rows(lane, at, n);
        for (uint32_t i = 0; i < n; i++)
            expect_row(scene, lane, at + i, scene->logits + (size_t)i * scene->n_vocab,
                       "evaluated alone");
        break;
    case 3:
    case 4:
        check(session_verify(lane->session, lane->course->tokens + at, n, scene->logits, NULL,
                             &error),
              &error);
        note_rows(lane, at, n);
        check(session_accept(lane->session, pick(scene, 0, n), &error), &error);
        break;
    case 5:
        if (lane->marked) {
            check(session_rewind(lane->session, pick(scene, lane->mark, at), &error), &error);
            break;
        }
        session_mark(lane->session);
        lane->marked = true;
        lane->mark = at;
        break;
    default: expect_here(lane, "alone"); break;
    }
}

static void wander(struct scene *scene, int n_rounds)
{
    char after[60];

    for (int round = 0; round < n_rounds; round++) {
        const uint32_t what = pick(scene, 0, 9), most = pick(scene, 1, scene->n_lanes);
        struct party party = gather(scene, what < 2 ? scene->n_lanes : most);
        snprintf(after, sizeof after, "round %d, %u lanes", round, party.n);
        if (party.n > 0 && what < 6)
            step(scene, &party, what != 1, after);
        else if (party.n > 0 && what < 7)
            interrupted_step(scene, &party, round % 3 == 0);
        else
            for (uint32_t i = pick(scene, 1, 4); i > 0; i--)
                act_alone(scene, &scene->lanes[pick(scene, 0, scene->n_lanes - 1)]);
    }
    for (uint32_t i = 0; i < scene->n_lanes; i++)
        expect_here(&scene->lanes[i], "in the end");
}

/* From nothing to a full context, together all the time. */
static void march(struct scene *scene)
{
    for (uint32_t i = 0; i < N_TOKENS; i++) {
        struct party party = gather(scene, scene->n_lanes);
        assert_int_equal(party.n, scene->n_lanes);
        step(scene, &party, true, "marching");
    }
    for (uint32_t i = 0; i < scene->n_lanes; i++)
        expect_here(&scene->lanes[i], "marched");
}

static void check_model(struct model *model, bool keep_hidden)
{
    static const uint32_t counts[] = {1, 7, LANES_MAX};
    static struct scene scene;
    const bool is_slow = model_info(model)->level <= KERNEL_LEVEL_GENERIC; /* plain C */

    begin_scene(&scene, model, keep_hidden);
    for (int i = 0; i < 3; i++)
        for (int n_threads = is_slow ? 2 : 1; n_threads <= 2; n_threads++) {
            open_lanes(&scene, counts[i], n_threads);
            if (n_threads == 2 && counts[i] == 7)
                march(&scene);
            wander(&scene, is_slow || IS_SANITIZED ? 12 : 35);
            close_lanes(&scene);
        }
    end_scene(&scene);
}

static void golden_models_hold(void **state)
{
    (void)state;
    check_model(open_model("tinyA-q4_k_m", kernel_level_best()), false);
    check_model(open_model("tinyB-q8_0", kernel_level_best()), false);
    check_model(open_model("tinyA-q8_0", KERNEL_LEVEL_GENERIC), false);
}

static struct model *odd_model(uint32_t n_taps, enum kernel_level level)
{
    char path[] = "/tmp/banter-lanes-XXXXXX";
    const int fd = mkstemp(path);
    const struct shape shape = uneven_shape(n_taps);
    struct model *model;

    assert_true(fd >= 0);
    close(fd);
    write_model(path, &shape);
    model = open_path(path, level);
    remove(path);
    return model;
}

static void hidden_rows_are_kept(void **state)
{
    (void)state;
    check_model(odd_model(2, kernel_level_best()), true);
    check_model(odd_model(6, KERNEL_LEVEL_GENERIC), true);
    check_model(odd_model(4, KERNEL_LEVEL_REFERENCE), false);
}

/* Every stage of a pass is a place to stop at. */
static void all_or_none(void **state)
{
    static struct scene scene;
    struct error error = {0};

    (void)state;
    begin_scene(&scene, odd_model(4, kernel_level_best()), true);
    open_lanes(&scene, 3, 2);
    for (uint32_t i = 0; i < 3; i++)
        check(session_eval(scene.lanes[i].session, scene.lanes[i].course->tokens, 3 + i, 0,
                           NULL, NULL, &error),
              &error);
    for (int stage = 0, n_stopped = 1; n_stopped > 0; stage++) {
        struct interruption interruption = {.stages_left = stage};
        const struct trace trace = {interrupt, &interruption};
        struct party party;
        n_stopped = 0;
        for (uint32_t i = 0; i < 3; i++)
            check(session_restore(scene.lanes[i].session,
                                  scene.lanes[i].course->snapshots[20 + i], &error),
                  &error);
        party = gather(&scene, 3);
        step(&scene, &party, true, "before a stop");
        party = gather(&scene, 3);
        party.sessions[0]->trace = &trace;
        if (lanes_step(party.sessions, 3, party.tokens, NULL, &interruption.cancel, &error) !=
            STATUS_OK)
            n_stopped = 1;
        party.sessions[0]->trace = NULL;
        assert_true(n_stopped || stage > 20);
        if (!n_stopped)
            break;
        for (uint32_t i = 0; i < 3; i++)
            assert_int_equal(session_position(party.sessions[i]), party.positions[i]);
        if (stage % 2)
            expect_here(&scene.lanes[stage % 3], "stopped");
        step(&scene, &party, true, "behind a stop");
    }
    close_lanes(&scene);
    end_scene(&scene);
}

static void refusals_change_nothing(void **state)
{
    static struct scene scene;
    struct party party;
    struct session *full, *other;
    struct model *model;
    struct error error = {0};
    const atomic_bool cancel = true;

    (void)state;
    begin_scene(&scene, open_model("tinyA-q8_0", kernel_level_best()), false);
    model = open_model("tinyA-q4_k_m", kernel_level_best());
    open_lanes(&scene, 4, 1);
    party = gather(&scene, 3);
    step(&scene, &party, true, "first");
    party = gather(&scene, 3);

    assert_int_equal(lanes_step(party.sessions, 0, party.tokens, NULL, NULL, &error),
                     STATUS_USAGE);
    assert_int_equal(
        lanes_step(party.sessions, LANES_MAX + 1, party.tokens, NULL, NULL, &error),
        STATUS_USAGE);
    party.tokens[2] = (int32_t)scene.n_vocab;
    assert_int_equal(lanes_step(party.sessions, 3, party.tokens, NULL, NULL, &error),
                     STATUS_USAGE);
    party = gather(&scene, 3);
    other = party.sessions[2];
    party.sessions[2] = party.sessions[0];
    assert_int_equal(lanes_step(party.sessions, 3, party.tokens, NULL, NULL, &error),
                     STATUS_USAGE);
    party.sessions[2] = open_session(model, &(struct session_options){.n_threads = 1});
    assert_int_equal(lanes_step(party.sessions, 3, party.tokens, NULL, NULL, &error),
                     STATUS_USAGE);
    session_free(&party.sessions[2]);
    party.sessions[2] =
        open_session(scene.model, &(struct session_options){.n_threads = 1, .kv = KV_F32});
    assert_int_equal(lanes_step(party.sessions, 3, party.tokens, NULL, NULL, &error),
                     STATUS_USAGE);
    session_free(&party.sessions[2]);
    party.sessions[2] = other;
    assert_int_equal(lanes_step(party.sessions, 3, party.tokens, NULL, &cancel, &error),
                     STATUS_CANCELLED);
    full = party.sessions[1];
    check(session_restore(full, party.lanes[1]->course->snapshots[N_TOKENS], &error), &error);
    assert_int_equal(lanes_step(party.sessions, 3, party.tokens, NULL, NULL, &error),
                     STATUS_CONTEXT_FULL);
    for (uint32_t i = 0; i < 4; i++)
        expect_here(&scene.lanes[i], "refused");
    close_lanes(&scene);
    end_scene(&scene);
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_models_hold),
        cmocka_unit_test(hidden_rows_are_kept),
        cmocka_unit_test(all_or_none),
        cmocka_unit_test(refusals_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
