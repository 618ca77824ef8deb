/*
 * session_law.c - logits depend on the file, the numeric settings and the tokens, on nothing
 * else
 *
 * Everything here is compared by memcmp.  tinyB has a head for each kind of layout mistake:
 * three value heads for each key head, one K/V head for four query heads.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/model_fixture.h"

enum { N_TOKENS = 72 }; /* more than one block of attention */

static const char *const MODELS[] = {"tinyA-q8_0", "tinyA-q4_k_m", "tinyB-q8_0",
                                     "tinyB-q4_k_m"};
enum { N_MODELS = sizeof MODELS / sizeof *MODELS };

static void make_tokens(int32_t tokens[N_TOKENS], uint32_t n_vocab)
{
    uint64_t random = 1;

    for (int i = 0; i < N_TOKENS; i++)
        tokens[i] = (int32_t)(next_random(&random) % n_vocab);
}

struct run {
    uint32_t chunk;
    int n_threads;
    enum kv_type kv;
};

/* Logits of all tokens, and the state they lead to. */
static float *evaluate(const struct model *model, struct run run, struct snapshot **end)
{
    struct session *session =
        open_session(model, &(struct session_options){
                                .n_threads = run.n_threads, .kv = run.kv, .chunk = run.chunk});
    int32_t tokens[N_TOKENS];
    struct error error = {0};
    float *logits;

    make_tokens(tokens, vocabulary_of(model));
    logits = all_logits(session, vocabulary_of(model), tokens, N_TOKENS);
    check(session_snapshot(session, end, &error), &error);
    session_free(&session);
    return logits;
}

/* The first position whose logits differ, for the message. */
static void expect_equal(const float *a, const float *b, uint32_t n_vocab, const char *name,
                         const struct model *model, struct run run)
{
    for (size_t t = 0; t < N_TOKENS; t++)
        if (memcmp(a + t * n_vocab, b + t * n_vocab, n_vocab * sizeof *a) != 0)
            fail_msg("%s %s: chunk %u, %d threads, %s: position %zu differs", name,
                     kernel_level_name(model_info(model)->level), run.chunk, run.n_threads,
                     run.kv == KV_F16 ? "f16" : "f32", t);
}

/*
 * Every level computes the int8 definition with the bytes of generic; the exact one is
 * apart.
 */
static void check_model(const char *name, enum kernel_level level, const float *const wanted[2])
{
    static const struct run runs[] = {
        {3, 2, KV_F16}, {7, 3, KV_F32}, {64, 3, KV_F16}, {1, 2, KV_F16},
        {2, 1, KV_F16}, {7, 1, KV_F16}, {64, 2, KV_F32}, {N_TOKENS, 2, KV_F32},
    };
    /* Plain C takes its time on the larger model; the smaller one has every run. */
    const bool is_slow = level <= KERNEL_LEVEL_GENERIC && strncmp(name, "tinyB", 5) == 0;
    const size_t n_runs = is_slow ? 3 : sizeof runs / sizeof *runs;
    struct model *model = open_model(name, level);
    const uint32_t n_vocab = vocabulary_of(model);
    struct snapshot *first[2] = {NULL, NULL};
    float *mine[2];

    for (enum kv_type kv = KV_F16; kv <= KV_F32; kv++) {
        const struct run run = {N_TOKENS, 1, kv};
        mine[kv] = evaluate(model, run, &first[kv]);
        if (wanted[kv])
            expect_equal(mine[kv], wanted[kv], n_vocab, name, model, run);
    }
    for (size_t i = 0; i < n_runs; i++) {
        struct snapshot *end = NULL;
        float *logits = evaluate(model, runs[i], &end);
        expect_equal(logits, mine[runs[i].kv], n_vocab, name, model, runs[i]);
        if (!snapshot_equal(end, first[runs[i].kv]))
            fail_msg("%s: chunk %u, %d threads: another state", name, runs[i].chunk,
                     runs[i].n_threads);
        snapshot_free(&end);
        free(logits);
    }
    for (int kv = 0; kv < 2; kv++) {
        free(mine[kv]);
        snapshot_free(&first[kv]);
    }
    model_close(&model);
}

static void chunks_and_threads_change_nothing_at_reference(void **state)
{
    const float *const nothing[2] = {NULL, NULL};

    (void)state;
    if (IS_SANITIZED) {
        print_message("skip: plain C under a sanitizer takes minutes\n");
        skip();
    }
    /* tinyA: what is above the kernels is the same at every level. */
    for (int i = 0; i < 2; i++)
        check_model(MODELS[i], KERNEL_LEVEL_REFERENCE, nothing);
}

static void chunks_threads_and_levels_change_nothing(void **state)
{
    enum kernel_level levels[KERNEL_LEVEL_COUNT];
    size_t n_levels = int8_levels(levels);

    (void)state;
    assert_int_equal(levels[0], KERNEL_LEVEL_GENERIC);
    if (IS_SANITIZED) { /* what is checked there is above the kernels */
        levels[0] = kernel_level_best();
        n_levels = 1;
    }
    for (int i = 0; i < N_MODELS; i++) {
        struct model *model = open_model(MODELS[i], levels[0]);
        const float *generic[2] = {NULL, NULL};
        for (enum kv_type kv = KV_F16; kv <= KV_F32; kv++) {
            struct snapshot *end = NULL;
            generic[kv] = evaluate(model, (struct run){N_TOKENS, 2, kv}, &end);
            snapshot_free(&end);
        }
        /* K/V types are two numeric settings: they must not be the same by accident. */
        assert_memory_not_equal(generic[0] + (N_TOKENS - 1) * vocabulary_of(model),
                                generic[1] + (N_TOKENS - 1) * vocabulary_of(model),
                                vocabulary_of(model) * sizeof(float));
        model_close(&model);
        for (size_t level = 0; level < n_levels; level++)
            check_model(MODELS[i], levels[level], generic);
        free((float *)generic[0]);
        free((float *)generic[1]);
    }
}

/* Only some rows wanted, in pieces that end anywhere: the same rows. */
static void wanted_rows_change_nothing(void **state)
{
    struct model *model = open_model("tinyA-q4_k_m", kernel_level_best());
    const uint32_t n_vocab = vocabulary_of(model);
    struct session *session =
        open_session(model, &(struct session_options){.n_threads = 2, .chunk = 16});
    float *rows = malloc(N_TOKENS * n_vocab * sizeof *rows), *all;
    int32_t tokens[N_TOKENS];
    struct error error = {0};
    uint64_t random = 5;

    (void)state;
    make_tokens(tokens, n_vocab);
    all = all_logits(session, n_vocab, tokens, N_TOKENS);
    for (int round = 0; round < 20; round++) {
        session_reset(session);
        for (size_t done = 0, n; done < N_TOKENS; done += n) {
            const size_t n_logits = next_random(&random) % 30;
            n = 1 + next_random(&random) % 40;
            n = n < N_TOKENS - done ? n : N_TOKENS - done;
            const size_t wanted = n_logits < n ? n_logits : n;
            check(session_eval(session, tokens + done, n, wanted, rows, NULL, &error), &error);
            assert_memory_equal(rows, all + (done + n - wanted) * n_vocab,
                                wanted * n_vocab * sizeof *rows);
        }
        assert_memory_equal(session_tokens(session), tokens, sizeof tokens);
    }
    free(rows), free(all);
    session_free(&session);
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_and_threads_change_nothing_at_reference),
        cmocka_unit_test(chunks_threads_and_levels_change_nothing),
        cmocka_unit_test(wanted_rows_change_nothing),
    };
    return cmocka_run_group_tests_name("session_law", tests, NULL, NULL);
}
