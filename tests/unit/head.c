/*
 * head.c - what is kept of the logits is all that the sampler needs: every strategy chooses what
 * the whole row chooses
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/lanes.h"
#include "engine/model/logit_order.h"
#include "engine/model/model_internal.h"
#include "engine/state/session_internal.h"
#include "engine/state/verify.h"
#include "tests/unit/model_fixture.h"

static float uniform(uint64_t *random)
{
    return (float)next_random(random) / 0x1p31f;
}

/* In coarse steps at times, so that there are ties, also in all blocks at once. */
static void random_logits(float *logits, uint32_t n, uint64_t *random)
{
    const float spread = 0.5f + 8 * uniform(random);
    const uint64_t kind = next_random(random) % 4;

    for (uint32_t i = 0; i < n; i++) {
        float x = 0;
        for (int k = 0; k < 4; k++)
            x += uniform(random) - 0.5f;
        x *= spread;
        logits[i] = kind == 0 ? roundf(x * 8) / 8 : kind == 1 ? roundf(x / 4) : x;
        if (kind == 1 && logits[i] == 0 && next_random(random) % 2)
            logits[i] = -0.0f;
    }
    for (uint32_t i = 0; kind == 2 && i < 1 + n / 3; i++) {
        static const float odd[] = {NAN, -INFINITY, -NAN, -3e38f};
        logits[next_random(random) % n] = odd[next_random(random) % 4];
    }
    if (next_random(random) % 16 == 0)
        logits[next_random(random) % n] = INFINITY;
    if (next_random(random) % 32 == 0)
        for (uint32_t i = 0; i < n; i++)
            logits[i] = i % 2 ? NAN : -INFINITY;
}

static struct sampling random_sampling(uint32_t n_vocab, uint64_t *random)
{
    static const int32_t ks[] = {0, 1, 2, 20, 63, 64, 255, 256, 257, 1000};
    struct sampling s = {.temperature =
                             next_random(random) % 4 ? 0.1f + 2 * uniform(random) : 0,
                         .top_k = ks[next_random(random) % 10],
                         .top_p = 1,
                         .repetition_penalty = 1};

    if (next_random(random) % 8 == 0)
        s.top_k = (int32_t)(n_vocab - next_random(random) % 2);
    if (next_random(random) % 2)
        s.top_p = 0.05f + 0.94f * uniform(random);
    if (next_random(random) % 3 == 0)
        s.min_p = 0.3f * uniform(random);
    if (next_random(random) % 2)
        s.repetition_penalty = 0.5f + 2 * uniform(random);
    if (next_random(random) % 2)
        s.presence_penalty = 4 * uniform(random) - 2;
    if (next_random(random) % 2)
        s.frequency_penalty = 4 * uniform(random) - 2;
    return s;
}

static void rows_choose_what_all_logits_choose(void **state)
{
    static const uint32_t sizes[] = {1, 2, 16, 63, 64, 65, 300, 512, 513, 2000, 5000};
    enum { N_AHEAD = 12, ROUNDS = 4000 };
    uint64_t random = 11;
    uint32_t used[HEAD_STRATEGY_COUNT] = {0};

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        const uint32_t n = sizes[next_random(&random) % 11];
        const struct kernels *kernels =
            kernels_for(round % 2 ? kernel_level_best() : KERNEL_LEVEL_GENERIC);
        const struct sampling s = random_sampling(n, &random);
        const uint32_t n_ahead = next_random(&random) % 2 * (next_random(&random) % N_AHEAD);
        int32_t ahead[N_AHEAD];
        struct sampler sampler, other;
        struct head_rows head;
        struct error error = {0};
        float *logits = malloc(n * sizeof *logits), *copy = malloc(n * sizeof *copy);

        check(sampler_init(&sampler, n, &error), &error);
        check(sampler_init(&other, n, &error), &error);
        sampler.kernels = kernels;
        check(head_rows_init(&head, 1, n, &error), &error);
        random_logits(logits, n, &random);
        for (uint32_t i = next_random(&random) % 40; i-- > 0;) {
            const int32_t id = (int32_t)(next_random(&random) % n);
            sampler_accept(&sampler, id);
            if (next_random(&random) % 8 == 0)
                sampler_forget(&sampler, id);
        }
        sampler_copy_counts(&other, &sampler);
        for (uint32_t i = 0; i < n_ahead; i++) {
            ahead[i] = (int32_t)(next_random(&random) % (next_random(&random) % 2 ? n : 1));
            sampler_accept(&other, ahead[i]);
        }
        sampler_ask(&sampler, &s, ahead, n_ahead, head.rows);
        used[head.rows->strategy]++;
        if (head.rows->n_best < HEAD_BEST_MAX && next_random(&random) % 8 == 0)
            head.rows->n_best++; /* another reader may want more */
        head_take(kernels, head.rows, logits, n);
        for (uint32_t position = 0; position < 3; position++) {
            memcpy(copy, logits, n * sizeof *copy);
            assert_int_equal(sampler_choose(&other, &s, copy, 5, position),
                             sampler_choose_row(&sampler, &s, head.rows, 5, position));
        }
        head_rows_release(&head);
        sampler_release(&sampler), sampler_release(&other);
        free(logits), free(copy);
    }
    for (int i = 0; i < HEAD_STRATEGY_COUNT; i++)
        assert_true(used[i] > ROUNDS / 6);
}

static void strategies_follow_the_settings(void **state)
{
    struct sampling s = {.temperature = 0, .top_k = 20, .top_p = 1, .repetition_penalty = 1.5f};

    (void)state;
    assert_int_equal(head_strategy_for(&s, 1000), HEAD_ARG_MAX);
    s.temperature = 0.6f;
    assert_int_equal(head_strategy_for(&s, 1000), HEAD_TOP_K);
    assert_int_equal(head_strategy_for(&s, 20), HEAD_FULL); /* nothing is cut */
    s.top_k = 256;
    assert_int_equal(head_strategy_for(&s, 1000), HEAD_TOP_K);
    s.top_k = 257;
    assert_int_equal(head_strategy_for(&s, 1000), HEAD_FULL);
    s.top_k = 0;
    s.min_p = 0.1f;
    assert_int_equal(head_strategy_for(&s, 1000), HEAD_FULL);
    assert_string_equal(head_strategy_name(HEAD_FULL), "full");
    assert_string_equal(head_strategy_name(HEAD_ARG_MAX), "tiled arg-max");
    assert_string_equal(head_strategy_name(HEAD_TOP_K), "tiled top-k");
}

/* Sections ------------------------------------------------------------------------------- */

static int descending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return x < y ? 1 : x > y ? -1 : 0;
}

/* Row i asks for all, the best or some number of the best. */
static void ask(struct head_row *row, uint32_t i, uint64_t *random)
{
    row->strategy = (enum head_strategy)((i + next_random(random) % 2) % HEAD_STRATEGY_COUNT);
    row->n_best = row->strategy == HEAD_TOP_K ? 1 + next_random(random) % HEAD_BEST_MAX : 1;
    row->adjust = NULL;
}

static void check_row(const struct head_row *row, const float *wanted, uint32_t n_vocab)
{
    uint64_t *keys = malloc(n_vocab * sizeof *keys);
    const uint32_t n = row->n_best < n_vocab ? row->n_best : n_vocab;

    if (row->strategy == HEAD_FULL) {
        assert_memory_equal(row->logits, wanted, n_vocab * sizeof *wanted);
        for (uint32_t i = 0; i < n_vocab; i++)
            assert_true(row->maxima[i / HEAD_BLOCK] >= wanted[i]);
    } else {
        for (uint32_t i = 0; i < n_vocab; i++)
            keys[i] = key_of(wanted[i], i);
        qsort(keys, n_vocab, sizeof *keys, descending);
        assert_int_equal(row->n_keys, n);
        assert_memory_equal(row->keys, keys, n * sizeof *keys);
    }
    free(keys);
}

/* N: more rows than a section has.  What is slow takes fewer. */
enum { N = 300, N_FEW = 74 };

static void check_sections(const struct model *model, int n_threads, uint32_t n)
{
    const uint32_t n_vocab = vocabulary_of(model);
    const uint32_t n_trunk = 40, counts[] = {1, 2, 5, 16, VERIFY_ROWS_MAX};
    const struct session_options options = {
        .n_threads = n_threads, .n_context = 512, .chunk = 400};
    struct session *session = open_session(model, &options);
    struct error error = {0};
    struct head_rows head;
    uint64_t random = 5 + (uint64_t)n_threads;
    int32_t tokens[N];
    float *logits;

    for (uint32_t i = 0; i < n; i++)
        tokens[i] = (int32_t)(next_random(&random) % n_vocab);
    logits = all_logits(session, n_vocab, tokens, n);
    check(head_rows_init(&head, n, n_vocab, &error), &error);
    for (uint32_t i = 0; i < n; i++)
        ask(&head.rows[i], i, &random);
    session_reset(session);
    check(session_eval_rows(session, tokens, n, n, head.rows, NULL, &error), &error);
    for (uint32_t i = 0; i < n; i++)
        check_row(&head.rows[i], logits + (size_t)i * n_vocab, n_vocab);
    session_reset(session);
    check(session_eval(session, tokens, n_trunk, 0, NULL, NULL, &error), &error);
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        for (uint32_t i = 0; i < counts[c]; i++)
            ask(&head.rows[i], i + (uint32_t)c, &random);
        check(
            session_verify_rows(session, tokens + n_trunk, counts[c], head.rows, NULL, &error),
            &error);
        for (uint32_t i = 0; i < counts[c]; i++)
            check_row(&head.rows[i], logits + (size_t)(n_trunk + i) * n_vocab, n_vocab);
    }
    head_rows_release(&head);
    free(logits);
    session_free(&session);
}

static void sections_keep_the_best(void **state)
{
    static const char *const names[] = {"tinyA-q8_0", "tinyB-q4_k_m", "tinyA-f32"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        for (enum kernel_level level = 0; level < KERNEL_LEVEL_COUNT; level++) {
            struct model *model;
            if (!kernel_level_supported(level) ||
                (IS_SANITIZED && level < kernel_level_best() && level != KERNEL_LEVEL_GENERIC))
                continue;
            model = open_model(names[i], level);
            if (level < kernel_level_best())
                check_sections(model, 2, N_FEW);
            for (int n_threads = 1; level == kernel_level_best() && n_threads <= 3; n_threads++)
                check_sections(model, n_threads, IS_SANITIZED ? N_FEW : N);
            model_close(&model);
        }
}

/* Generation ----------------------------------------------------------------------------- */

enum { N_PROMPT = 12, N_ANSWER = 48 };

struct answer {
    int32_t ids[N_ANSWER];
    size_t n;
};

static bool collect(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct answer *answer = context;

    (void)forced, (void)n_forced;
    answer->ids[answer->n++] = id;
    return true;
}

/* The plainest loop that there is: all logits, one sampler. */
static void choose_from_all(struct session *session, const int32_t *prompt,
                            const struct sampling *sampling, int32_t *ids)
{
    const uint32_t n_vocab = vocabulary_of(session->model);
    float *logits = malloc(n_vocab * sizeof *logits);
    struct sampler sampler;
    struct error error = {0};

    check(sampler_init(&sampler, n_vocab, &error), &error);
    session_reset(session);
    check(session_eval(session, prompt, N_PROMPT, 1, logits, NULL, &error), &error);
    for (int i = 0; i < N_ANSWER; i++) {
        ids[i] = sampler_choose(&sampler, sampling, logits, 8, session_position(session));
        sampler_accept(&sampler, ids[i]);
        check(session_eval(session, &ids[i], 1, 1, logits, NULL, &error), &error);
    }
    sampler_release(&sampler);
    free(logits);
}

static void answers_are_those_of_all_logits(void **state)
{
    static const struct sampling settings[] = {
        {.temperature = 0, .top_p = 1, .repetition_penalty = 1},
        {.temperature = 0, .top_p = 1, .presence_penalty = 1, .repetition_penalty = 1.3f},
        {.temperature = 0, .top_p = 1, .frequency_penalty = -1, .repetition_penalty = 0.8f},
        {.temperature = 0.6f, .top_k = 20, .top_p = 0.95f, .repetition_penalty = 1},
        {.temperature = 1, .top_k = 100, .top_p = 1, .min_p = 0.05f, .repetition_penalty = 1},
        {.temperature = 0.9f,
         .top_k = 40,
         .top_p = 0.9f,
         .presence_penalty = 1.5f,
         .frequency_penalty = 0.2f,
         .repetition_penalty = 1.1f},
        {.temperature = 0.8f, .top_p = 0.9f, .presence_penalty = 1, .repetition_penalty = 1},
        {.temperature = 1.2f, .top_p = 1, .repetition_penalty = 1.2f},
    };
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    int32_t prompt[N_PROMPT], wanted[N_ANSWER];

    (void)state;
    for (int i = 0; i < N_PROMPT; i++)
        prompt[i] = 40 + i * 7;
    for (size_t s = 0; s < sizeof settings / sizeof *settings; s++)
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            struct session *session = open_session(
                model, &(struct session_options){.n_threads = n_threads, .n_context = 128});
            struct answer answer = {.n = 0};
            const struct generation generation = {.sampling = settings[s],
                                                  .noise_seed = 8,
                                                  .max_tokens = N_ANSWER,
                                                  .ignore_stop = true,
                                                  .sink = collect,
                                                  .context = &answer};
            struct generation_result result;
            struct error error = {0};
            choose_from_all(session, prompt, &settings[s], wanted);
            session_reset(session);
            check(
                session_generate(session, prompt, N_PROMPT, &generation, NULL, &result, &error),
                &error);
            assert_int_equal(answer.n, N_ANSWER);
            assert_memory_equal(answer.ids, wanted, sizeof wanted);
            session_free(&session);
        }
    model_close(&model);
}

/* An output row that is no number stops the pass, whatever is wanted of it. */
static void rows_that_are_not_finite_are_found(void **state)
{
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    const struct weight *output = &model_weights(model)->output;
    const size_t n_group = kernels_group_bytes(output->type, output->n_columns);
    struct session *session =
        open_session(model, &(struct session_options){.n_threads = 2, .n_context = 64});
    const int32_t tokens[] = {3, 4, 5, 6};
    struct head_rows head;
    struct error error = {0}, wanted = {0};
    char *packed = (char *)(uintptr_t)output->packed;
    char *before = malloc(n_group);
    float *logits = malloc(4 * output->n_rows * sizeof *logits);

    (void)state;
    assert_non_null(packed);
    check(head_rows_init(&head, 4, output->n_rows, &error), &error);
    memcpy(before, packed + n_group, n_group);
    memset(packed + n_group, 0xff, n_group); /* scales that are no numbers */
    assert_int_equal(session_verify(session, tokens, 4, logits, NULL, &wanted), STATUS_FAILED);
    for (int strategy = 0; strategy < HEAD_STRATEGY_COUNT; strategy++) {
        for (int i = 0; i < 4; i++) {
            head.rows[i].strategy = (enum head_strategy)strategy;
            head.rows[i].n_best = 1 + strategy;
        }
        assert_int_equal(session_verify_rows(session, tokens, 4, head.rows, NULL, &error),
                         STATUS_FAILED);
        assert_string_equal(error.what, wanted.what);
    }
    memcpy(packed + n_group, before, n_group);
    check(session_verify_rows(session, tokens, 4, head.rows, NULL, &error), &error);
    head_rows_release(&head);
    free(before), free(logits);
    session_free(&session);
    model_close(&model);
}

/* A vocabulary of full size, in parts that meet at a row. */
static void full_table(void **state)
{
    enum { N_FULL = 248320 };
    float *logits = malloc(N_FULL * sizeof *logits);
    struct head_rows head;
    struct error error = {0};
    uint64_t random = 3;

    (void)state;
    check(head_rows_init(&head, 1, N_FULL, &error), &error);
    for (uint32_t k = 1; k <= HEAD_BEST_MAX; k += 51) {
        for (uint32_t i = 0; i < N_FULL; i++)
            logits[i] = roundf(uniform(&random) * (k % 2 ? 100.0f : 1e6f));
        head.rows->strategy = HEAD_TOP_K;
        head.rows->n_best = k;
        head_take(kernels_for(kernel_level_best()), head.rows, logits, N_FULL);
        check_row(head.rows, logits, N_FULL);
    }
    head_rows_release(&head);
    free(logits);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_choose_what_all_logits_choose),
        cmocka_unit_test(strategies_follow_the_settings),
        cmocka_unit_test(sections_keep_the_best),
        cmocka_unit_test(answers_are_those_of_all_logits),
        cmocka_unit_test(rows_that_are_not_finite_are_found),
        cmocka_unit_test(full_table),
    };
    return cmocka_run_group_tests_name("head", tests, NULL, NULL);
}
