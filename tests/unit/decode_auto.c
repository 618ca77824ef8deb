/*
 * decode_auto.c - auto's account under costs and acceptances that mean it harm
 *
 * The clock is the scripted target's, so every run is the same.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/decode_fixture.h"
#include "tests/unit/model_fixture.h"

enum { N_PROMPT = 20, N_TOKENS = 900 };

struct world {
    double row_seconds;           /* of a verify, in plain steps */
    double draft_step, draft_row; /* of the draft */
    uint32_t miss_from, miss_every, period;
};

struct watch {
    const struct fake_clock *clock;
    uint64_t n_emitted;
    double worst; /* seconds above the budget */
};

static void watch_cycle(void *context, const struct policy_cycle *cycle)
{
    struct watch *watch = context;
    double excess;

    watch->n_emitted += cycle->emitted;
    excess = watch->clock->seconds - 1.03 * (double)watch->n_emitted;
    watch->worst = excess > watch->worst ? excess : watch->worst;
}

/* Seconds of an answer, where a plain step takes one. */
static double answer_seconds(const struct world *world, const struct policy_settings *settings,
                             uint64_t noise_seed, double *worst)
{
    static struct fake target, draft;
    struct fake_clock clock = {0};
    struct watch watch = {.clock = &clock};
    const struct generation generation = {
        .sampling = {.temperature = 0.7f, .top_p = 1, .repetition_penalty = 1},
        .noise_seed = noise_seed,
        .max_tokens = N_TOKENS,
        .ignore_stop = true};
    struct generation_result result;
    struct decode_target trunk, small;
    struct sampler sampler;
    struct decode decode;
    struct error error = {0};
    float logits[N_FAKE_VOCAB];
    int32_t prompt[N_PROMPT];

    target =
        (struct fake){.clock = &clock, .step_seconds = 1, .row_seconds = world->row_seconds};
    draft = (struct fake){.clock = &clock,
                          .step_seconds = world->draft_step,
                          .row_seconds = world->draft_row,
                          .miss_from = world->miss_from,
                          .miss_every = world->miss_every,
                          .period = world->period};
    trunk = fake_target(&target);
    small = fake_target(&draft);
    for (int i = 0; i < N_PROMPT; i++)
        prompt[i] = 1 + i % 5;
    check(sampler_init(&sampler, N_FAKE_VOCAB, &error), &error);
    check(decode_init(&decode, settings,
                      &(struct decode_parts){.target = &trunk,
                                             .sampler = &sampler,
                                             .logits = logits,
                                             .draft = &small,
                                             .clock = fake_time,
                                             .clock_context = &clock},
                      FAKE_CONTEXT, &error),
          &error);
    check(trunk.consume(&target, prompt, N_PROMPT, logits, NULL, &error), &error);
    clock.seconds = 0;
    decode.trace = watch_cycle;
    decode.trace_context = &watch;
    check(decode_run(&decode, &generation, &result, &error), &error);
    assert_int_equal(result.n_tokens, N_TOKENS);
    *worst = watch.worst;
    decode_release(&decode);
    sampler_release(&sampler);
    return clock.seconds;
}

/* At no moment is an answer longer than 1.03 of plain and one step. */
static void never_beyond_the_budget(void **state)
{
    static const double rows[] = {0.02, 0.3, 1.0, 1.1};
    static const double drafts[] = {0.05, 0.4, 1.0};
    static const struct {
        uint32_t from, every, period;
    } misses[] = {{0, 100, 0}, {0, 50, 0}, {0, 0, 0}, {150, 100, 0}, {0, 100, 60}, {0, 100, 7}};
    const struct policy_settings settings = policy_defaults(POLICY_AUTO);

    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (size_t d = 0; d < sizeof drafts / sizeof *drafts; d++)
            for (size_t m = 0; m < sizeof misses / sizeof *misses; m++) {
                const struct world world = {rows[r],        drafts[d],       drafts[d] / 2,
                                            misses[m].from, misses[m].every, misses[m].period};
                double worst;
                const double seconds = answer_seconds(&world, &settings, m, &worst);
                if (worst > 1 + 1e-6)
                    fail_msg("row %.2f, draft %.2f, misses %zu: %.2f steps above the budget "
                             "(%.0f steps in all)",
                             rows[r], drafts[d], m, worst, seconds);
            }
}

static void takes_the_gain(void **state)
{
    struct policy_settings settings = policy_defaults(POLICY_AUTO);
    struct world world = {.row_seconds = 0.05, .draft_step = 0.1, .draft_row = 0.02};
    double worst;

    (void)state;
    if (answer_seconds(&world, &settings, 1, &worst) > 0.6 * N_TOKENS)
        fail_msg("a good draft: %.0f steps", answer_seconds(&world, &settings, 1, &worst));
    world.miss_every = 20;
    if (answer_seconds(&world, &settings, 1, &worst) > 0.85 * N_TOKENS)
        fail_msg("a fair draft: %.0f steps", answer_seconds(&world, &settings, 1, &worst));
    settings.automatic.budget = 0; /* nothing may be lost: nothing is tried */
    assert_true(answer_seconds(&world, &settings, 1, &worst) <= N_TOKENS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_beyond_the_budget),
        cmocka_unit_test(takes_the_gain),
    };
    return cmocka_run_group_tests_name("decode_auto", tests, NULL, NULL);
}
