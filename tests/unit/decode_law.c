/*
 * decode_law.c - on models, every policy says and leaves what plain decoding does
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/chat.h"
#include "engine/policy.h"
#include "tests/unit/model_fixture.h"
#include "tests/unit/policy_proof.h"

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
            if (kind == POLICY_MTP) /* golden models have no block */
                continue;
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

/* A draft that is right but for one token: the pass is rejected at every row in turn. */
static void check_rejections(const struct model *model)
{
    struct session *session =
        open_session(model, &(struct session_options){.n_threads = 2, .n_context = 128});
    struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);
    struct answer plain, other;
    struct snapshot *wanted = NULL, *end = NULL;

    settings.speculative.gamma = settings.speculative.max_gamma = POLICY_MAX_CANDIDATES;
    settings.speculative.fallback = false;
    generate(session, NULL, SAMPLINGS[1], &plain, &wanted);
    for (uint32_t at = 1; at <= POLICY_MAX_CANDIDATES; at++) {
        int32_t script[N_TOKENS];
        const struct policy_script told = {.tokens = script,
                                           .n_tokens = N_TOKENS,
                                           .first_position = N_PROMPT,
                                           .acceptance = 1};
        const struct policy_parts parts = {.session = session, .script = &told};
        struct policy *policy = NULL;
        struct error error = {0};
        memcpy(script, plain.ids, sizeof script);
        script[at] ^= 1;
        check(policy_new(&policy, &settings, &parts, &error), &error);
        generate(session, policy, SAMPLINGS[1], &other, &end);
        assert_memory_equal(plain.ids, other.ids, plain.n * sizeof(int32_t));
        assert_true(snapshot_equal(wanted, end));
        assert_int_equal(policy_statistics(policy)->corrections, 1);
        assert_true(policy_statistics(policy)->lengths[at - 1] >= 1);
        snapshot_free(&end);
        policy_free(&policy);
    }
    snapshot_free(&wanted);
    session_free(&session);
}

static void a_rejection_at_any_row_leaves_no_trace(void **state)
{
    static const char *const names[] = {"tinyA-q8_0", "tinyB-q4_k_m"};

    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct model *model = open_model(names[i], kernel_level_best());
        check_rejections(model);
        model_close(&model);
    }
}

/* Every setting once, by all policies, each with what it measured before. */
static void prove(const struct model *model, const struct model *draft, size_t n_tokens,
                  bool stops, const struct chat_prompt *prompts, size_t n_prompts)
{
    static struct proof proof;
    struct error error = {0};
    uint64_t accepted = 0;

    check(proof_begin(&proof, model, draft, 512, &error), &error);
    proof.n_tokens = n_tokens;
    proof.stops = stops;
    for (size_t round = 0; round < PROOF_SETTINGS; round++)
        check(proof_round(&proof, round, prompts[round % n_prompts].ids,
                          prompts[round % n_prompts].n_ids, &error),
              &error);
    if (proof.difference[0])
        fail_msg("%s: %s", model_info(model)->name, proof.difference);
    for (int kind = POLICY_NGRAM; kind < POLICY_KIND_COUNT; kind++)
        for (int t = 0; t < PROOF_THREADS; t++)
            if (proof.policy[t][kind])
                accepted += policy_statistics(proof.policy[t][kind])->accepted;
    assert_true(accepted > 50);
    proof_end(&proof);
}

static void golden_models_agree(void **state)
{
    static const char *const names[] = {"tinyA-q8_0", "tinyB-q4_k_m"};
    int32_t ids[N_PROMPT];
    const struct chat_prompt prompt = {.ids = ids, .n_ids = N_PROMPT};

    (void)state;
    for (int i = 0; i < N_PROMPT; i++)
        ids[i] = 20 + i % 9;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct model *model = open_model(names[i], kernel_level_best());
        prove(model, model, IS_SANITIZED ? 8 : 14, false, &prompt, 1);
        model_close(&model);
    }
}

static void guide_agrees(void **state)
{
    static const char *const texts[] = {"How do I quit?", "List all commands and what they do.",
                                        "Count from one to twenty.", "Spell banana",
                                        "What does /regen do?"};
    enum { N_TEXTS = sizeof texts / sizeof *texts };
    struct model *model = open_path("config/models/guide.gguf", kernel_level_best());
    struct model *draft = open_path("config/models/guide-draft.gguf", kernel_level_best());
    struct chat_prompt prompts[N_TEXTS];
    struct error error = {0};

    (void)state;
    for (size_t i = 0; i < N_TEXTS; i++) {
        const struct chat_message message = {
            .role = CHAT_USER, .text = texts[i], .n_bytes = strlen(texts[i])};
        check(chat_render(model, &message, 1, THINKING_OFF, true, &prompts[i], &error), &error);
    }
    prove(model, draft, IS_SANITIZED ? 12 : 40, false, prompts, N_TEXTS);
    prove(model, draft, IS_SANITIZED ? 12 : 40, true, prompts, N_TEXTS);
    for (size_t i = 0; i < N_TEXTS; i++)
        chat_prompt_release(&prompts[i]);
    model_close(&draft);
    model_close(&model);
}

/* Another policy every few tokens, from inside the sink: mtp and the draft join where they are. */
struct switching {
    struct answer answer;
    struct policy *policy;
    uint64_t by_source[POLICY_SOURCE_COUNT];
};

static bool collect_and_switch(void *context, int32_t id, const int32_t **forced,
                               size_t *n_forced)
{
    static const enum policy_kind kinds[] = {POLICY_GREEDY, POLICY_MTP, POLICY_SPECULATIVE,
                                             POLICY_NGRAM,  POLICY_MTP, POLICY_AUTO};
    struct switching *switching = context;
    struct policy_settings settings;
    struct error error = {0};

    collect(&switching->answer, id, forced, n_forced);
    switching->by_source[policy_token_source(switching->policy)]++;
    if (switching->answer.n % 6 == 0) {
        settings = policy_defaults(kinds[switching->answer.n / 6 % 6]);
        settings.mtp.min_margin = 0;
        check(policy_set(switching->policy, &settings, &error), &error);
    }
    return true;
}

static void switches_change_nothing(void **state)
{
    const struct session_options options = {.n_threads = 2, .n_context = 256};
    struct model *model = open_path("config/models/guide.gguf", kernel_level_best());
    struct model *draft_model =
        open_path("config/models/guide-draft.gguf", kernel_level_best());
    struct session *session = open_session(model, &options);
    struct session *draft = open_session(draft_model, &options);
    const struct policy_settings settings = policy_defaults(POLICY_GREEDY);
    const struct policy_parts parts = {.session = session, .draft = draft};
    uint64_t by_source[POLICY_SOURCE_COUNT] = {0};

    (void)state;
    for (size_t s = 0; s < N_SAMPLINGS; s++) {
        struct switching switching = {.answer = {.n = 0}};
        struct snapshot *wanted = NULL, *end = NULL;
        struct generation generation = {.sampling = SAMPLINGS[s],
                                        .noise_seed = 6,
                                        .max_tokens = N_TOKENS,
                                        .ignore_stop = true,
                                        .sink = collect_and_switch,
                                        .context = &switching};
        struct generation_result result;
        struct error error = {0};
        struct answer plain;
        int32_t prompt[N_PROMPT];

        for (int i = 0; i < N_PROMPT; i++)
            prompt[i] = 20 + i % 9;
        generate(session, NULL, SAMPLINGS[s], &plain, &wanted);
        session_reset(session);
        check(policy_new(&switching.policy, &settings, &parts, &error), &error);
        generation.policy = switching.policy;
        check(session_generate(session, prompt, N_PROMPT, &generation, NULL, &result, &error),
              &error);
        check(session_snapshot(session, &end, &error), &error);
        assert_memory_equal(plain.ids, switching.answer.ids, sizeof plain.ids);
        assert_true(snapshot_equal(wanted, end));
        for (int i = 0; i < POLICY_SOURCE_COUNT; i++)
            by_source[i] += switching.by_source[i];
        snapshot_free(&wanted);
        snapshot_free(&end);
        policy_free(&switching.policy);
    }
    assert_true(by_source[POLICY_SOURCE_MTP] > 0 && by_source[POLICY_SOURCE_DRAFT] > 0);
    session_free(&draft);
    session_free(&session);
    model_close(&draft_model);
    model_close(&model);
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
    assert_non_null(strstr(error.what, "draft"));
    settings = policy_defaults(POLICY_MTP);
    assert_int_equal(
        policy_new(&policy, &settings, &(struct policy_parts){.session = session}, &error),
        STATUS_USAGE);
    assert_non_null(strstr(error.what, "block"));
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
        cmocka_unit_test(a_rejection_at_any_row_leaves_no_trace),
        cmocka_unit_test(golden_models_agree),
        cmocka_unit_test(guide_agrees),
        cmocka_unit_test(switches_change_nothing),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests_name("decode_law", tests, NULL, NULL);
}
