/*
 * decode_law.c - on models, every policy says and leaves what plain decoding does
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/policy.h"
#include "tests/unit/model_fixture.h"

enum { N_TOKENS = 40, N_PROMPT = 24 };

struct answer {
    int32_t ids[N_TOKENS];
    size_t n;
};

static bool collect(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct answer *answer = context;

    (void)forced;
    (void)n_forced;
    assert_true(answer->n < N_TOKENS);
    answer->ids[answer->n++] = id;
    return true;
}

static void generate(struct session *session, struct policy *policy, struct sampling sampling,
                     struct answer *answer, struct snapshot **end)
{
    const struct generation generation = {.sampling = sampling,
                                          .noise_seed = 6,
                                          .max_tokens = N_TOKENS,
                                          .ignore_stop = true,
                                          .sink = collect,
                                          .context = answer,
                                          .policy = policy};
    struct generation_result result;
    struct error error = {0};
    int32_t prompt[N_PROMPT];

    for (int i = 0; i < N_PROMPT; i++)
        prompt[i] = 20 + i % 9;
    answer->n = 0;
    session_reset(session);
    check(session_generate(session, prompt, N_PROMPT, &generation, NULL, &result, &error),
          &error);
    check(session_snapshot(session, end, &error), &error);
}

static const struct sampling SAMPLINGS[] = {
    {.temperature = 0, .top_p = 1, .repetition_penalty = 1},
    {.temperature = 0.7f, .top_k = 40, .top_p = 0.95f, .repetition_penalty = 1.1f},
    {.temperature = 1.3f, .top_p = 1, .presence_penalty = 0.5f, .repetition_penalty = 1},
};
enum { N_SAMPLINGS = sizeof SAMPLINGS / sizeof *SAMPLINGS };

/* Its own file as draft: what it proposes is always right. */
static void check_threads(const struct model *model, int n_threads)
{
    const struct session_options options = {.n_threads = n_threads, .n_context = 128};
    struct session *session = open_session(model, &options);
    struct session *draft = open_session(model, &options);
    const struct policy_parts parts = {.session = session, .draft = draft};

    for (size_t s = 0; s < N_SAMPLINGS; s++) {
        struct answer plain, other;
        struct snapshot *wanted = NULL, *end = NULL;
        generate(session, NULL, SAMPLINGS[s], &plain, &wanted);
        for (enum policy_kind kind = POLICY_GREEDY; kind < POLICY_KIND_COUNT; kind++) {
            struct policy_settings settings = policy_defaults(kind);
            struct policy *policy = NULL;
            struct error error = {0};
            settings.ngram.min = 2;
            check(policy_new(&policy, &settings, &parts, &error), &error);
            generate(session, policy, SAMPLINGS[s], &other, &end);
            assert_int_equal(plain.n, other.n);
            assert_memory_equal(plain.ids, other.ids, plain.n * sizeof(int32_t));
            assert_true(snapshot_equal(wanted, end));
            if (kind == POLICY_SPECULATIVE) {
                assert_true(policy_statistics(policy)->accepted > 20);
                assert_int_equal(policy_statistics(policy)->rejected, 0);
            }
            snapshot_free(&end);
            policy_free(&policy);
        }
        snapshot_free(&wanted);
    }
    session_free(&session);
    session_free(&draft);
}

static void policies_change_nothing(void **state)
{
    static const char *const names[] = {"tinyA-q8_0", "tinyB-q4_k_m"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct model *model = open_model(names[i], kernel_level_best());
        for (int n_threads = 1; n_threads <= 2; n_threads++)
            check_threads(model, n_threads);
        model_close(&model);
    }
}

static void what_does_not_fit_is_refused(void **state)
{
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    struct session *session =
        open_session(model, &(struct session_options){.n_threads = 1, .n_context = 64});
    struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);
    struct policy *policy = NULL;
    struct error error = {0};

    (void)state;
    assert_int_equal(
        policy_new(&policy, &settings, &(struct policy_parts){.session = session}, &error),
        STATUS_USAGE);
    assert_null(policy);
    settings.mtp.stage = 0;
    assert_int_equal(
        policy_new(&policy, &settings, &(struct policy_parts){.session = session}, &error),
        STATUS_USAGE);
    assert_non_null(strstr(error.what, "mtp.stage"));
    session_free(&session);
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_change_nothing),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("decode_law", tests, NULL, NULL);
}
