/*
 * verify_law.c - rows on trial, accepted, rewound or drafted, leave the bytes of plain steps
 *
 * A course is a text and what one thread makes of it step by step: logits and a snapshot at
 * every position.  Everything else is compared with it by bytes.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/state/session_internal.h"
#include "engine/state/verify.h"
#include "tests/unit/model_writer.h"

enum { N_TOKENS = 90, WALK_CHUNK = 40 };

struct course {
    struct model *model;
    uint32_t n_vocab;
    int32_t tokens[N_TOKENS];
    float *logits;                            /* [N_TOKENS][n_vocab] */
    struct snapshot *snapshots[N_TOKENS + 1]; /* after so many tokens */
};

/* A session that walks along a course, and what it should know. */
struct walk {
    const struct course *course;
    struct session *session;
    float *logits; /* [N_TOKENS][n_vocab] */
    uint64_t random;
    bool marked;
    uint32_t mark;
};

static struct snapshot *save(const struct session *session)
{
    struct snapshot *snapshot = NULL;
    struct error error = {0};

    check(session_snapshot(session, &snapshot, &error), &error);
    return snapshot;
}

static void begin_course(struct course *course, struct model *model)
{
    struct session *session = open_session(model, &(struct session_options){.n_threads = 1});
    struct error error = {0};
    uint64_t random = 3;

    course->model = model;
    course->n_vocab = vocabulary_of(model);
    course->logits = malloc(N_TOKENS * course->n_vocab * sizeof(float));
    for (int i = 0; i <= N_TOKENS; i++) {
        course->snapshots[i] = save(session);
        if (i == N_TOKENS)
            break;
        course->tokens[i] = (int32_t)(next_random(&random) % course->n_vocab);
        check(session_eval(session, course->tokens + i, 1, 1,
                           course->logits + (size_t)i * course->n_vocab, NULL, &error),
              &error);
    }
    session_free(&session);
}

static void end_course(struct course *course)
{
    for (int i = 0; i <= N_TOKENS; i++)
        snapshot_free(&course->snapshots[i]);
    free(course->logits);
    model_close(&course->model);
}

static struct walk begin_walk(const struct course *course, int n_threads)
{
    const struct session_options options = {
        .n_threads = n_threads, .n_context = N_TOKENS, .chunk = WALK_CHUNK};

    return (struct walk){.course = course,
                         .session = open_session(course->model, &options),
                         .logits = malloc(N_TOKENS * course->n_vocab * sizeof(float)),
                         .random = 7};
}

static void end_walk(struct walk *walk)
{
    session_free(&walk->session);
    free(walk->logits);
}

static uint32_t pick(struct walk *walk, uint32_t minimum, uint32_t maximum)
{
    return minimum + next_random(&walk->random) % (maximum - minimum + 1);
}

/* The session is where the course was at its position, in every byte. */
static void expect_here(const struct walk *walk, const char *after)
{
    const uint32_t position = session_position(walk->session);
    struct snapshot *now = save(walk->session);

    assert_memory_equal(session_tokens(walk->session), walk->course->tokens,
                        position * sizeof(int32_t));
    if (!snapshot_equal(now, walk->course->snapshots[position]))
        fail_msg("%s, at %u: another state", after, position);
    snapshot_free(&now);
}

static void expect_logits(const struct walk *walk, uint32_t from, uint32_t n, const char *after)
{
    const size_t n_vocab = walk->course->n_vocab;

    for (uint32_t i = 0; i < n; i++)
        if (memcmp(walk->logits + i * n_vocab, walk->course->logits + (from + i) * n_vocab,
                   n_vocab * sizeof(float)) != 0)
            fail_msg("%s: other logits at %u, row %u of %u", after, from + i, i, n);
}

static void go_to(struct walk *walk, uint32_t position)
{
    struct error error = {0};

    check(session_restore(walk->session, walk->course->snapshots[position], &error), &error);
    walk->marked = false;
}

static void note_rows(struct walk *walk, uint32_t from, uint32_t n)
{
    if (walk->marked && from - walk->mark + n > VERIFY_ROWS_MAX)
        walk->marked = false;
}

static void eval(struct walk *walk, uint32_t n, const char *after)
{
    const uint32_t from = session_position(walk->session);
    struct error error = {0};

    check(session_eval(walk->session, walk->course->tokens + from, n, n, walk->logits, NULL,
                       &error),
          &error);
    expect_logits(walk, from, n, after);
    note_rows(walk, from, n);
}

/* n rows, of which n_right are the course's. */
static void verify(struct walk *walk, uint32_t n, uint32_t n_right, const char *after)
{
    const uint32_t from = session_position(walk->session);
    int32_t tokens[VERIFY_ROWS_MAX];
    struct error error = {0};

    for (uint32_t i = 0; i < n; i++)
        tokens[i] = i < n_right
                        ? walk->course->tokens[from + i]
                        : (walk->course->tokens[from + i] + 1) % (int32_t)walk->course->n_vocab;
    note_rows(walk, from, n);
    check(session_verify(walk->session, tokens, n, walk->logits, NULL, &error), &error);
    assert_int_equal(session_position(walk->session), from);
    expect_logits(walk, from, n_right, after);
}

static void accept(struct walk *walk, uint32_t n)
{
    const uint32_t from = session_position(walk->session);
    struct error error = {0};

    check(session_accept(walk->session, n, &error), &error);
    assert_int_equal(session_position(walk->session), from + n);
}

/* Sets the flag when the pass reaches its n-th stage. */
struct interruption {
    atomic_bool cancel;
    int stages_left;
};

static void interrupt(void *context, const char *stage, uint32_t layer, const float *rows,
                      size_t stride, uint32_t n_rows, uint32_t n_columns)
{
    struct interruption *interruption = context;

    (void)stage, (void)layer, (void)rows, (void)stride, (void)n_rows, (void)n_columns;
    if (interruption->stages_left-- == 0)
        atomic_store(&interruption->cancel, true);
}

/* A pass of n rows that is cancelled somewhere, or is not; true: it was. */
static bool cancel_pass(struct walk *walk, uint32_t n, bool is_verify)
{
    const uint32_t from = session_position(walk->session);
    struct interruption interruption = {.stages_left = (int)pick(walk, 0, 80)};
    const struct trace trace = {interrupt, &interruption};
    const struct session_hooks hooks = {.cancel = &interruption.cancel};
    struct error error = {0};
    enum status status;

    note_rows(walk, from, n);
    walk->session->trace = &trace;
    if (is_verify)
        status = session_verify(walk->session, walk->course->tokens + from, n, walk->logits,
                                &interruption.cancel, &error);
    else
        status = session_eval(walk->session, walk->course->tokens + from, n, 0, NULL, &hooks,
                              &error);
    walk->session->trace = NULL;
    assert_true(status == STATUS_OK || status == STATUS_CANCELLED);
    if (is_verify || status == STATUS_CANCELLED)
        assert_int_equal(session_position(walk->session), from);
    return status == STATUS_CANCELLED;
}

/* What comes behind an accept; each of these must find the rows that wait. */
static void go_on(struct walk *walk, int how, const char *after)
{
    switch (how % 6) {
    case 0: break;
    case 1: eval(walk, 1, after); break;
    case 2: eval(walk, 5, after); break;
    case 3:
        verify(walk, 4, 3, after);
        accept(walk, 2);
        eval(walk, 1, after);
        break;
    case 4:
        cancel_pass(walk, 4, true);
        eval(walk, 1, after);
        break;
    default:
        cancel_pass(walk, 3, true);
        cancel_pass(walk, 2, false);
        eval(walk, session_position(walk->session) % 2 ? 1 : 3, after);
        break;
    }
}

static void accept_counts(struct walk *walk, const uint32_t *counts, size_t n_counts)
{
    char after[60];
    int how = 0;

    for (size_t i = 0; i < n_counts; i++)
        for (uint32_t k = counts[i], a = 0; a <= k; a += k > 8 && a > 1 && a + 7 < k ? 6 : 1) {
            const uint32_t from = pick(walk, 0, N_TOKENS - k - 12);
            snprintf(after, sizeof after, "%u of %u accepted at %u, then %d", a, k, from,
                     how % 6);
            go_to(walk, from);
            verify(walk, k, a, after);
            accept(walk, a);
            go_on(walk, how++, after);
            expect_here(walk, after);
        }
}

/* Anything in any order. */
static void wander(struct walk *walk, int n_rounds)
{
    char after[60] = "start";
    struct error error = {0};

    for (int round = 0; round < n_rounds; round++) {
        const uint32_t at = session_position(walk->session), what = pick(walk, 0, 15);
        uint32_t n = what < 8 ? pick(walk, 1, 6) : pick(walk, 1, VERIFY_ROWS_MAX), accepted;
        if (at + n > N_TOKENS || what == 15) {
            go_to(walk, pick(walk, 0, 20));
            continue;
        }
        snprintf(after, sizeof after, "round %d, %u at %u, %u rows", round, what, at, n);
        if (what < 3) {
            eval(walk, 1, after);
        } else if (what < 4) {
            eval(walk, n, after);
        } else if (what < 9) {
            accepted = pick(walk, 0, n);
            verify(walk, n, accepted, after);
            if (what == 4)
                verify(walk, n, accepted, after);
            accept(walk, accepted);
        } else if (what < 10) {
            verify(walk, n, n / 2, after);
        } else if (what < 11) {
            cancel_pass(walk, n, pick(walk, 0, 1));
        } else if (what < 13) {
            if (walk->marked) {
                check(session_rewind(walk->session, pick(walk, walk->mark, at), &error),
                      &error);
            } else {
                session_mark(walk->session);
                walk->marked = true;
                walk->mark = at;
            }
        } else if (what < 14) {
            session_mark(walk->session);
            walk->marked = true;
            walk->mark = at;
        } else {
            expect_here(walk, after);
        }
    }
    expect_here(walk, after);
}

/* A mark holds for all rows that it reaches, whatever they came by. */
static void rewind_everywhere(struct walk *walk)
{
    struct error error = {0};

    for (uint32_t to = 0; to <= VERIFY_ROWS_MAX; to++) {
        const uint32_t from = 7;
        go_to(walk, from - 3);
        verify(walk, 5, 3, "before a mark");
        accept(walk, 3);
        session_mark(walk->session);
        for (uint32_t i = 0; i < VERIFY_ROWS_MAX; i++)
            eval(walk, 1, "behind a mark");
        check(session_rewind(walk->session, from + to, &error), &error);
        if (to % 3 == 0)
            expect_here(walk, "rewound");
        if (to < VERIFY_ROWS_MAX)
            eval(walk, to % 2 || to + 2 > VERIFY_ROWS_MAX ? 1 : 2, "rewound");
        check(session_rewind(walk->session, from, &error), &error);
        expect_here(walk, "rewound twice");
    }
    for (uint32_t i = 0; i < VERIFY_ROWS_MAX; i++)
        eval(walk, 1, "behind a mark");
    check(session_rewind(walk->session, 7 + 20, &error), &error);
    eval(walk, VERIFY_ROWS_MAX - 19, "beyond the log");
    assert_int_equal(session_rewind(walk->session, 7, &error), STATUS_USAGE);
    expect_here(walk, "a mark that was dropped");
}

static const uint32_t MANY[] = {1, 2, 3, 4, 5, 8, 16, 32, 33};
static const uint32_t FEW[] = {1, 3, 33};

/* n_threads: 0: 1, 2 and 3, everything. */
static void check_model(struct model *model, int n_threads)
{
    struct course course;
    const bool thorough = n_threads == 0;

    begin_course(&course, model);
    for (int i = thorough ? 1 : n_threads; i <= (thorough ? 3 : n_threads); i++) {
        struct walk walk = begin_walk(&course, i);
        if (thorough && i == 2)
            accept_counts(&walk, MANY, sizeof MANY / sizeof *MANY);
        else
            accept_counts(&walk, FEW, sizeof FEW / sizeof *FEW);
        walk.random = (uint64_t)i;
        wander(&walk, IS_SANITIZED ? 60 : thorough ? 200 : 80);
        if (i == 2)
            rewind_everywhere(&walk);
        end_walk(&walk);
    }
    end_course(&course);
}

static void golden_models_hold(void **state)
{
    static const char *const names[] = {"tinyA-q8_0", "tinyA-q4_k_m", "tinyB-q8_0",
                                        "tinyB-q4_k_m"};
    (void)state;
    for (int i = 0; i < 4; i++)
        check_model(open_model(names[i], kernel_level_best()), i == 0 ? 0 : 1 + i % 3);
}

static struct model *odd_model(uint32_t n_taps, enum kernel_level level)
{
    char path[] = "/tmp/banter-verify-XXXXXX";
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

static void odd_shapes_hold_at_every_level(void **state)
{
    enum kernel_level levels[KERNEL_LEVEL_COUNT];
    size_t n_levels = int8_levels(levels);

    (void)state;
    levels[n_levels++] = KERNEL_LEVEL_REFERENCE;
    for (size_t i = 0; i < n_levels; i++)
        check_model(odd_model(i % 2 ? 6 : 2, levels[i]),
                    levels[i] == kernel_level_best() ? 0 : 2);
}

struct answer {
    int32_t ids[8];
    size_t n;
};

static bool collect(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct answer *answer = context;

    (void)forced, (void)n_forced;
    answer->ids[answer->n++] = id;
    return true;
}

static struct answer generate(struct session *session, const int32_t *prompt)
{
    struct answer answer = {.n = 0};
    const struct generation generation = {
        .max_tokens = 8,
        .noise_seed = 5,
        .ignore_stop = true,
        .sink = collect,
        .context = &answer,
        .sampling = {.temperature = 0.8f, .top_p = 1, .repetition_penalty = 1}};
    struct generation_result result;
    struct error error = {0};

    check(session_generate(session, prompt, 1, &generation, NULL, &result, &error), &error);
    return answer;
}

static void generation_follows_an_accept(void **state)
{
    struct course course;
    struct walk walk;
    struct snapshot *ends[2];
    struct answer wanted, answer;

    (void)state;
    begin_course(&course, open_model("tinyA-q8_0", kernel_level_best()));
    walk = begin_walk(&course, 2);
    go_to(&walk, 25);
    wanted = generate(walk.session, course.tokens + 25);
    ends[0] = save(walk.session);
    go_to(&walk, 20);
    verify(&walk, 9, 5, "before an answer");
    accept(&walk, 5);
    answer = generate(walk.session, course.tokens + 25);
    ends[1] = save(walk.session);
    assert_memory_equal(answer.ids, wanted.ids, sizeof wanted.ids);
    assert_true(snapshot_equal(ends[0], ends[1]));
    snapshot_free(&ends[0]), snapshot_free(&ends[1]);
    end_walk(&walk);
    end_course(&course);
}

static void refusals_change_nothing(void **state)
{
    struct course course;
    struct walk walk;
    struct error error = {0};
    const int32_t bad[] = {1, -2};

    (void)state;
    begin_course(&course, open_model("tinyA-q8_0", kernel_level_best()));
    walk = begin_walk(&course, 2);
    go_to(&walk, N_TOKENS - 5);
    assert_int_equal(session_verify(walk.session, course.tokens, 6, walk.logits, NULL, &error),
                     STATUS_CONTEXT_FULL);
    assert_int_equal(session_verify(walk.session, bad, 2, walk.logits, NULL, &error),
                     STATUS_USAGE);
    assert_int_equal(session_verify(walk.session, bad, 0, walk.logits, NULL, &error),
                     STATUS_USAGE);
    assert_int_equal(session_accept(walk.session, 1, &error), STATUS_USAGE);
    assert_int_equal(session_rewind(walk.session, 1, &error), STATUS_USAGE);
    expect_here(&walk, "refusals");
    verify(&walk, 5, 5, "the end");
    assert_int_equal(session_accept(walk.session, 6, &error), STATUS_USAGE);
    accept(&walk, 5);
    assert_int_equal(session_accept(walk.session, 1, &error), STATUS_USAGE);
    assert_int_equal(session_verify(walk.session, course.tokens, 1, walk.logits, NULL, &error),
                     STATUS_CONTEXT_FULL);
    expect_here(&walk, "the end");
    go_to(&walk, 0);
    assert_int_equal(session_verify(walk.session, course.tokens, VERIFY_ROWS_MAX + 1,
                                    walk.logits, NULL, &error),
                     STATUS_USAGE);
    verify(&walk, 3, 3, "dropped");
    eval(&walk, 1, "dropped");
    assert_int_equal(session_accept(walk.session, 1, &error), STATUS_USAGE);
    end_walk(&walk);
    end_course(&course);
}

/* Logs count where they were used. */
static void the_log_is_counted(void **state)
{
    struct course course;
    struct walk walk;
    uint64_t before, one, many;

    (void)state;
    begin_course(&course, open_model("tinyA-q8_0", kernel_level_best()));
    walk = begin_walk(&course, 1);
    before = session_state_bytes(walk.session);
    verify(&walk, 1, 1, "one row");
    one = session_state_bytes(walk.session);
    verify(&walk, 9, 9, "nine rows");
    many = session_state_bytes(walk.session);
    assert_true(one > before);
    assert_int_equal(many - before, 9 * (one - before));
    end_walk(&walk);
    end_course(&course);
}

/* The block ------------------------------------------------------------------------------- */

/* Drafts of three tokens behind the position, [3][n_vocab]. */
static void draft(struct session *session, const int32_t *tokens, size_t n_vocab, float *out)
{
    struct error error = {0};

    check(session_mtp_fill(session, NULL, &error), &error);
    assert_int_equal(session_mtp_rows(session), session_position(session) - 1);
    for (int i = 0; i < 3; i++)
        check(session_mtp_step(session, tokens[i], NULL, out + i * n_vocab, &error), &error);
}

static void expect_drafts(struct walk *walk, const char *after)
{
    const struct course *course = walk->course;
    const uint32_t at = session_position(walk->session);
    const size_t n_bytes = 3 * course->n_vocab * sizeof(float);
    struct session *fresh =
        open_session(course->model, &(struct session_options){.n_threads = 1});
    float *wanted = malloc(n_bytes), *got = malloc(n_bytes);
    struct snapshot *a, *b;
    struct error error = {0};

    check(session_keep_hidden(fresh, true, &error), &error);
    check(session_eval(fresh, course->tokens, at, 0, NULL, NULL, &error), &error);
    draft(fresh, course->tokens + at, course->n_vocab, wanted);
    draft(walk->session, course->tokens + at, course->n_vocab, got);
    if (memcmp(got, wanted, n_bytes) != 0)
        fail_msg("%s: other drafts at %u", after, at);
    a = save(fresh), b = save(walk->session);
    if (!snapshot_equal(a, b))
        fail_msg("%s: other rows of the block at %u", after, at);
    snapshot_free(&a), snapshot_free(&b);
    session_free(&fresh);
    free(wanted), free(got);
}

static void the_block_follows(void **state)
{
    struct course course;
    struct walk walk;
    struct snapshot *kept;
    struct error error = {0};

    (void)state;
    begin_course(&course, odd_model(4, kernel_level_best()));
    walk = begin_walk(&course, 2);
    assert_int_equal(session_mtp_step(walk.session, 1, NULL, walk.logits, &error),
                     STATUS_USAGE);
    check(session_keep_hidden(walk.session, true, &error), &error);
    eval(&walk, 1, "kept");
    expect_drafts(&walk, "one token");
    eval(&walk, 11, "kept");
    expect_drafts(&walk, "a chunk");
    verify(&walk, 6, 4, "kept");
    assert_non_null(session_hidden(walk.session, 12 + 5));
    accept(&walk, 3);
    assert_null(session_hidden(walk.session, 12 + 3));
    expect_drafts(&walk, "an accept");
    session_mark(walk.session);
    for (int i = 0; i < 9; i++)
        eval(&walk, 1, "kept");
    expect_drafts(&walk, "steps");
    check(session_rewind(walk.session, 18, &error), &error);
    assert_int_equal(session_mtp_rows(walk.session), 17);
    eval(&walk, 4, "rewound");
    expect_drafts(&walk, "rewound");
    kept = save(walk.session);
    while (session_position(walk.session) < N_TOKENS - 4) /* more rows than are kept */
        eval(&walk, 1, "kept");
    expect_drafts(&walk, "many steps");
    check(session_restore(walk.session, kept, &error), &error);
    expect_drafts(&walk, "restored");
    session_mtp_cut(walk.session, 5);
    assert_int_equal(session_mtp_fill(walk.session, NULL, &error), STATUS_USAGE);
    session_reset(walk.session);
    eval(&walk, N_TOKENS - 5, "anew");
    expect_drafts(&walk, "anew");
    session_mtp_cut(walk.session, N_TOKENS - 9);
    expect_drafts(&walk, "cut");
    snapshot_free(&kept);
    end_walk(&walk);
    end_course(&course);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(golden_models_hold),
        cmocka_unit_test(odd_shapes_hold_at_every_level),
        cmocka_unit_test(generation_follows_an_accept),
        cmocka_unit_test(refusals_change_nothing),
        cmocka_unit_test(the_log_is_counted),
        cmocka_unit_test(the_block_follows),
    };
    return cmocka_run_group_tests_name("verify_law", tests, NULL, NULL);
}
