/*
 * token_loop.c - from its first token on, an answer allocates nothing: by every policy, in lanes,
 * with every way to choose
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/head.h"
#include "engine/lanes.h"
#include "engine/policy.h"
#include "tests/unit/allocation_count.h"
#include "tests/unit/model_fixture.h"

enum { N_PROMPT = 20, N_ANSWER = 60, N_LANES = 5 };

static const struct sampling SAMPLINGS[] = {
    {.temperature = 0, .top_p = 1, .repetition_penalty = 1},
    {.temperature = 0, .top_p = 1, .presence_penalty = 1, .repetition_penalty = 1.1f},
    {.temperature = 0.6f, .top_k = 20, .top_p = 0.95f, .repetition_penalty = 1},
    {.temperature = 0.8f, .top_p = 0.9f, .min_p = 0.01f, .repetition_penalty = 1.1f},
    {.temperature = 1, .top_p = 1, .repetition_penalty = 1},
};
enum { N_SAMPLINGS = sizeof SAMPLINGS / sizeof *SAMPLINGS };

struct answer {
    size_t n;
    long at_first, at_last; /* allocations when the first and the last token came */
};

static bool collect(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    static const int32_t ids[] = {7, 11};
    struct answer *answer = context;

    (void)id;
    if (answer->n++ == 0)
        answer->at_first = allocation_count();
    answer->at_last = allocation_count();
    if (answer->n == 30) {
        *forced = ids;
        *n_forced = 2;
    }
    return true;
}

static struct generation generation_of(size_t s, struct answer *answer)
{
    return (struct generation){.sampling = SAMPLINGS[s],
                               .noise_seed = 6,
                               .max_tokens = N_ANSWER,
                               .ignore_stop = true,
                               .sink = collect,
                               .context = answer};
}

static void make_prompt(int32_t prompt[N_PROMPT])
{
    for (int i = 0; i < N_PROMPT; i++)
        prompt[i] = 20 + i % 9;
}

static void generate(struct session *session, struct policy *policy, size_t s)
{
    struct answer answer = {.n = 0};
    struct generation generation = generation_of(s, &answer);
    struct generation_result result;
    struct error error = {0};
    int32_t prompt[N_PROMPT];

    make_prompt(prompt);
    generation.policy = policy;
    session_reset(session);
    check(session_generate(session, prompt, N_PROMPT, &generation, NULL, &result, &error),
          &error);
    assert_int_equal(answer.n, N_ANSWER);
    assert_true(answer.at_first > 0);
    assert_int_equal(answer.at_first, answer.at_last);
}

static void policies_allocate_nothing(void **state)
{
    const struct session_options options = {.n_threads = 2, .n_context = 128};
    struct policy_parts parts = {0};
    struct model *model, *small;
    struct session *session, *draft;

    (void)state;
    skip_uncounted();
    model = open_path("config/models/guide.gguf", kernel_level_best());
    small = open_path("config/models/guide-draft.gguf", kernel_level_best());
    parts.session = session = open_session(model, &options);
    parts.draft = draft = open_session(small, &options);
    for (size_t s = 0; s < N_SAMPLINGS; s++) {
        generate(session, NULL, s);
        for (enum policy_kind kind = POLICY_GREEDY; kind < POLICY_KIND_COUNT; kind++) {
            struct policy_settings settings = policy_defaults(kind);
            struct policy *policy = NULL;
            struct error error = {0};
            settings.ngram.min = 2;
            check(policy_new(&policy, &settings, &parts, &error), &error);
            generate(session, policy, s);
            if (kind == POLICY_SPECULATIVE || kind == POLICY_MTP)
                assert_true(policy_statistics(policy)->passes > 0);
            policy_free(&policy);
        }
    }
    session_free(&draft);
    session_free(&session);
    model_close(&small);
    model_close(&model);
}

static void lanes_allocate_nothing(void **state)
{
    struct model *model;
    struct session *sessions[N_LANES];
    struct lane_generation lanes[N_LANES];
    struct answer answers[N_LANES] = {{.n = 0}};
    struct error error = {0};
    int32_t prompt[N_PROMPT], last[N_LANES];

    (void)state;
    skip_uncounted();
    model = open_model("tinyA-q8_0", kernel_level_best());
    make_prompt(prompt);
    for (size_t i = 0; i < N_LANES; i++) {
        sessions[i] =
            open_session(model, &(struct session_options){.n_threads = 2, .n_context = 128});
        check(session_eval(sessions[i], prompt, N_PROMPT, 0, NULL, NULL, &error), &error);
        last[i] = (int32_t)(30 + i);
        lanes[i].generation = generation_of(i % N_SAMPLINGS, &answers[i]);
    }
    check(lanes_generate(sessions, N_LANES, last, lanes, &error), &error);
    for (size_t i = 0; i < N_LANES; i++) {
        assert_int_equal(answers[i].n, N_ANSWER);
        assert_int_equal(answers[i].at_first, answers[i].at_last);
        session_free(&sessions[i]);
    }
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_allocate_nothing),
        cmocka_unit_test(lanes_allocate_nothing),
    };
    return cmocka_run_group_tests_name("token_loop", tests, NULL, NULL);
}
