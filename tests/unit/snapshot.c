/*
 * snapshot.c - a session that was saved, restored, cancelled or failed is as if it had not been
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <pthread.h>
#include <unistd.h>

#include <cmocka.h>

#include "engine/file/gguf.h"
#include "engine/state/session_internal.h"
#include "tests/unit/model_fixture.h"

enum { N_TOKENS = 90, ROUNDS = IS_SANITIZED ? 8 : 24 };

static const char *const MODELS[] = {"tinyA-q8_0", "tinyB-q4_k_m"};
enum { N_MODELS = sizeof MODELS / sizeof *MODELS };

/* A model, the tokens, and what an uninterrupted session makes of them. */
struct course {
    struct model *model;
    uint32_t n_vocab;
    int32_t tokens[N_TOKENS];
    float *logits;                            /* [N_TOKENS][n_vocab] */
    struct snapshot *snapshots[N_TOKENS + 1]; /* after so many tokens */
};

static void step(struct session *session, const int32_t *tokens, size_t n, float *logits)
{
    struct error error = {0};

    check(session_eval(session, tokens, n, n, logits, NULL, &error), &error);
}

static struct snapshot *save(const struct session *session)
{
    struct snapshot *snapshot = NULL;
    struct error error = {0};

    check(session_snapshot(session, &snapshot, &error), &error);
    return snapshot;
}

static void begin_course(struct course *course, const char *name)
{
    uint64_t random = 3;
    struct session *session;

    course->model = open_model(name, kernel_level_best());
    course->n_vocab = vocabulary_of(course->model);
    course->logits = malloc(N_TOKENS * course->n_vocab * sizeof(float));
    for (int i = 0; i < N_TOKENS; i++)
        course->tokens[i] = (int32_t)(next_random(&random) % course->n_vocab);
    session = open_session(course->model, &(struct session_options){.n_threads = 2});
    for (int i = 0; i <= N_TOKENS; i++) {
        course->snapshots[i] = save(session);
        if (i < N_TOKENS)
            step(session, course->tokens + i, 1, course->logits + i * course->n_vocab);
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

/* The session is at `position` of the course, in every byte. */
static void expect_at(const struct course *course, const struct session *session,
                      uint32_t position)
{
    struct snapshot *now = save(session);

    assert_int_equal(session_position(session), position);
    assert_int_equal(snapshot_position(now), position);
    assert_memory_equal(snapshot_tokens(now), course->tokens, position * sizeof(int32_t));
    assert_true(snapshot_equal(now, course->snapshots[position]));
    if (position > 0)
        assert_false(snapshot_equal(now, course->snapshots[position - 1]));
    snapshot_free(&now);
}

/*
 * Run to `end` from where the session is, in random pieces; the logits are those of the
 * course.
 */
static void follow(const struct course *course, struct session *session, uint32_t end,
                   uint64_t *random)
{
    float *logits = malloc(N_TOKENS * course->n_vocab * sizeof *logits);

    while (session_position(session) < end) {
        const uint32_t at = session_position(session);
        uint32_t n = 1 + next_random(random) % 20;
        n = n < end - at ? n : end - at;
        step(session, course->tokens + at, n, logits);
        assert_memory_equal(logits, course->logits + (size_t)at * course->n_vocab,
                            n * course->n_vocab * sizeof *logits);
    }
    free(logits);
}

static void restored_equals_uninterrupted(void **state)
{
    (void)state;
    for (int i = 0; i < N_MODELS; i++) {
        struct course course;
        struct session *session;
        struct error error = {0};
        uint64_t random = 11;
        begin_course(&course, MODELS[i]);
        session =
            open_session(course.model, &(struct session_options){.n_threads = 3, .chunk = 7});
        for (int round = 0; round < ROUNDS; round++) {
            const uint32_t from = next_random(&random) % (N_TOKENS + 1);
            const uint32_t to = from + next_random(&random) % (N_TOKENS + 1 - from);
            check(session_restore(session, course.snapshots[from], &error), &error);
            expect_at(&course, session, from);
            follow(&course, session, to, &random);
            expect_at(&course, session, to);
            if (round % 5 == 0) {
                session_reset(session);
                expect_at(&course, session, 0);
                follow(&course, session, 30, &random);
                expect_at(&course, session, 30);
            }
        }
        session_free(&session);
        end_course(&course);
    }
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

static void cancelled_pass_leaves_no_trace(void **state)
{
    enum { CHUNK = 16, BEFORE = 5 };
    (void)state;
    for (int i = 0; i < N_MODELS; i++) {
        struct course course;
        struct interruption interruption;
        const struct trace trace = {interrupt, &interruption};
        const struct session_hooks hooks = {.cancel = &interruption.cancel};
        uint64_t random = 17;
        int n_cancelled = 0;
        begin_course(&course, MODELS[i]);
        for (int round = 0; round < ROUNDS; round++) {
            struct session *session = open_session(
                course.model, &(struct session_options){.n_threads = 2, .chunk = CHUNK});
            struct error error = {0};
            enum status status;
            follow(&course, session, BEFORE, &random);
            atomic_init(&interruption.cancel, false);
            interruption.stages_left = (int)(next_random(&random) % 300);
            session->trace = &trace;
            status = session_eval(session, course.tokens + BEFORE, N_TOKENS - BEFORE, 0, NULL,
                                  &hooks, &error);
            session->trace = NULL;
            assert_true(status == STATUS_OK || status == STATUS_CANCELLED);
            if (status == STATUS_CANCELLED) {
                n_cancelled++;
                assert_int_equal((session_position(session) - BEFORE) % CHUNK, 0);
                assert_true(session_position(session) < N_TOKENS);
            }
            expect_at(&course, session, session_position(session));
            follow(&course, session, N_TOKENS, &random);
            expect_at(&course, session, N_TOKENS);
            session_free(&session);
        }
        assert_true(n_cancelled > ROUNDS / 4);
        end_course(&course);
    }
}

/* The flag comes from another thread, at any moment, and is taken back at once. */
static void *flash_flag(void *context)
{
    struct interruption *interruption = context;

    usleep((useconds_t)interruption->stages_left);
    atomic_store(&interruption->cancel, true);
    usleep(20);
    atomic_store(&interruption->cancel, false);
    return NULL;
}

static void a_cancel_at_any_moment_leaves_no_trace(void **state)
{
    struct course course;
    struct session *session;
    uint64_t random = 23;

    (void)state;
    begin_course(&course, MODELS[1]);
    session =
        open_session(course.model, &(struct session_options){.n_threads = 3, .chunk = 12});
    for (int round = 0; round < 2 * ROUNDS; round++) {
        struct interruption interruption = {.stages_left = (int)(next_random(&random) % 30000)};
        const struct session_hooks hooks = {.cancel = &interruption.cancel};
        struct error error = {0};
        enum status status;
        pthread_t thread;
        session_reset(session);
        assert_int_equal(pthread_create(&thread, NULL, flash_flag, &interruption), 0);
        status = session_eval(session, course.tokens, N_TOKENS, 0, NULL, &hooks, &error);
        pthread_join(thread, NULL);
        assert_true(status == STATUS_OK || status == STATUS_CANCELLED);
        expect_at(&course, session, session_position(session));
        follow(&course, session, N_TOKENS, &random);
        expect_at(&course, session, N_TOKENS);
    }
    session_free(&session);
    end_course(&course);
}

static void refusals_consume_nothing(void **state)
{
    struct course course;
    struct session *session, *small, *exact;
    struct error error = {0};
    const int32_t bad[] = {1, 2, 512}, negative[] = {-1};
    uint64_t random = 1;

    (void)state;
    begin_course(&course, MODELS[0]);
    session = open_session(course.model,
                           &(struct session_options){.n_threads = 1, .n_context = N_TOKENS});
    follow(&course, session, 80, &random);
    assert_int_equal(session_eval(session, bad, 3, 0, NULL, NULL, &error), STATUS_USAGE);
    assert_int_equal(session_eval(session, negative, 1, 0, NULL, NULL, &error), STATUS_USAGE);
    assert_int_equal(session_eval(session, course.tokens, 11, 0, NULL, NULL, &error),
                     STATUS_CONTEXT_FULL);
    assert_non_null(strstr(error.what, "10 of 90 positions are left"));
    expect_at(&course, session, 80);
    follow(&course, session, N_TOKENS, &random);
    assert_int_equal(session_eval(session, course.tokens, 1, 0, NULL, NULL, &error),
                     STATUS_CONTEXT_FULL);
    expect_at(&course, session, N_TOKENS);
    small =
        open_session(course.model, &(struct session_options){.n_threads = 1, .n_context = 50});
    assert_int_equal(session_restore(small, course.snapshots[51], &error), STATUS_CONTEXT_FULL);
    check(session_restore(small, course.snapshots[50], &error), &error);
    expect_at(&course, small, 50);
    exact = open_session(course.model, &(struct session_options){.n_threads = 1, .kv = KV_F32});
    assert_int_equal(session_restore(exact, course.snapshots[1], &error), STATUS_USAGE);
    session_free(&session);
    session_free(&small);
    session_free(&exact);
    end_course(&course);
}

/* A model whose embedding of one token holds a NaN. */
static void write_broken_model(const char *path, uint32_t token)
{
    struct gguf *file = NULL;
    struct error error = {0};
    const struct gguf_tensor *embedding;
    const uint32_t nan = 0x7fc00000;
    char source[300];
    size_t n_bytes;
    char *bytes = read_whole(model_path("tinyA-f32", source), &n_bytes);
    FILE *out = fopen(path, "wb");

    assert_non_null(out);
    check(gguf_open(&file, source, &error), &error);
    embedding = gguf_find_tensor(file, "token_embd.weight");
    memcpy(bytes + embedding->file_offset + (token * embedding->ne[0] + 9) * sizeof nan, &nan,
           sizeof nan);
    assert_int_equal(fwrite(bytes, 1, n_bytes, out), n_bytes);
    fclose(out);
    free(bytes);
    gguf_close(&file);
}

static void a_value_that_is_no_number_is_reported(void **state)
{
    char path[] = "/tmp/banter-broken-XXXXXX";
    const int fd = mkstemp(path);
    int32_t tokens[40];
    struct model *model;
    struct session *session;
    struct snapshot *before;
    struct error error = {0};

    (void)state;
    assert_true(fd >= 0);
    write_broken_model(path, 77);
    for (int i = 0; i < 40; i++)
        tokens[i] = i + 1;
    tokens[33] = 77;
    model = open_path(path, kernel_level_best());
    session = open_session(
        model, &(struct session_options){.n_threads = 2, .chunk = 10, .kv = KV_F32});
    /* In a chunk: the state is that of the chunks before. */
    assert_int_equal(session_eval(session, tokens, 40, 0, NULL, NULL, &error), STATUS_FAILED);
    assert_non_null(strstr(error.what, "position 33"));
    assert_int_equal(session_position(session), 30);
    before = save(session);
    /* In a pass of one token the state is lost, until it is restored. */
    check(session_eval(session, tokens + 30, 3, 0, NULL, NULL, &error), &error);
    assert_int_equal(session_eval(session, tokens + 33, 1, 0, NULL, NULL, &error),
                     STATUS_FAILED);
    assert_non_null(strstr(error.what, "position 33"));
    assert_int_equal(session_eval(session, tokens, 1, 0, NULL, NULL, &error), STATUS_FAILED);
    assert_non_null(strstr(error.what, "lost"));
    check(session_restore(session, before, &error), &error);
    check(session_eval(session, tokens, 5, 0, NULL, NULL, &error), &error);
    snapshot_free(&before);
    session_free(&session);
    model_close(&model);
    remove(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(restored_equals_uninterrupted),
        cmocka_unit_test(cancelled_pass_leaves_no_trace),
        cmocka_unit_test(a_cancel_at_any_moment_leaves_no_trace),
        cmocka_unit_test(refusals_consume_nothing),
        cmocka_unit_test(a_value_that_is_no_number_is_reported),
    };
    return cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
}
