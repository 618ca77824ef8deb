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

enum { N_PROMPT = 20, N_TOKENS = 900, MOST_ANSWERS = 40 };

struct world {
    double row_seconds;           /* of a verify, in plain steps */
    double draft_step, draft_row; /* of the draft */
    uint32_t miss_from, miss_every, period;
    uint32_t dear_from, dear_for; /* stretches in which rows cost more */
    double dear_rows;
    uint32_t n_answers, n_tokens; /* 0: one of N_TOKENS */
    uint32_t good_answers;        /* the draft is always right in the first ones */
};

struct watch {
    const struct fake_clock *clock;
    double begin; /* of this answer */
    uint64_t n_emitted, n_answer;
    double spent;            /* seconds of the answers before */
    double worst, of_answer; /* seconds above the budget: of all, of an answer */
    double dearest;          /* a cycle that speculated */
};

static double larger(double a, double b)
{
    return a > b ? a : b;
}

static void watch_cycle(void *context, const struct policy_cycle *cycle)
{
    struct watch *watch = context;
    const double seconds = watch->clock->seconds - watch->begin;

    watch->n_emitted += cycle->emitted;
    watch->n_answer += cycle->emitted;
    watch->worst =
        larger(watch->worst, watch->spent + seconds - 1.03 * (double)watch->n_emitted);
    watch->of_answer =
        larger(watch->of_answer,
               seconds - (double)watch->n_answer - 0.03 * larger(128, (double)watch->n_answer));
    watch->dearest = larger(watch->dearest, cycle->draft_seconds + cycle->verify_seconds);
    assert_true(strlen(cycle->reason) > 0);
}

struct scenery {
    struct fake target, draft;
    struct fake_clock clock;
    struct sampler sampler;
    struct decode decode;
    struct fake_row row;
};

static void open_scenery(struct scenery *scenery, const struct world *world,
                         const struct policy_settings *settings)
{
    struct decode_target trunk, small;
    struct error error = {0};

    memset(scenery, 0, sizeof *scenery);
    scenery->target = (struct fake){.clock = &scenery->clock,
                                    .step_seconds = 1,
                                    .row_seconds = world->row_seconds,
                                    .dear_from = world->dear_from,
                                    .dear_for = world->dear_for,
                                    .dear_rows = world->dear_rows};
    scenery->draft = (struct fake){.clock = &scenery->clock,
                                   .step_seconds = world->draft_step,
                                   .row_seconds = world->draft_row,
                                   .miss_from = world->miss_from,
                                   .period = world->period};
    trunk = fake_target(&scenery->target);
    small = fake_target(&scenery->draft);
    check(sampler_init(&scenery->sampler, N_FAKE_VOCAB, &error), &error);
    check(decode_init(&scenery->decode, settings,
                      &(struct decode_parts){.target = &trunk,
                                             .sampler = &scenery->sampler,
                                             .row = fake_row(&scenery->row),
                                             .draft = &small,
                                             .clock = fake_time,
                                             .clock_context = &scenery->clock},
                      FAKE_CONTEXT, &error),
          &error);
}

static void say_answer(struct scenery *scenery, const struct world *world, struct watch *watch,
                       uint32_t answer, uint64_t noise_seed)
{
    const struct generation generation = {
        .sampling = {.temperature = 0.7f, .top_p = 1, .repetition_penalty = 1},
        .noise_seed = noise_seed,
        .max_tokens = world->n_tokens ? world->n_tokens : N_TOKENS,
        .ignore_stop = true};
    struct generation_result result;
    struct error error = {0};
    int32_t prompt[N_PROMPT];

    for (int i = 0; i < N_PROMPT; i++)
        prompt[i] = 1 + (i + (int)answer) % 5;
    scenery->draft.miss_every = answer < world->good_answers ? 0 : world->miss_every;
    fake_reset(&scenery->target);
    check(fake_consume(&scenery->target, prompt, N_PROMPT, &scenery->row.row, NULL, &error),
          &error);
    watch->begin = scenery->clock.seconds;
    watch->n_answer = 0;
    check(decode_run(&scenery->decode, &generation, &result, &error), &error);
    assert_int_equal(result.n_tokens, generation.max_tokens);
    watch->spent += scenery->clock.seconds - watch->begin;
}

/* Seconds of all answers, where a plain step takes one. */
static double answer_seconds(const struct world *world, const struct policy_settings *settings,
                             uint64_t noise_seed, struct watch *watch)
{
    static struct scenery scenery;

    open_scenery(&scenery, world, settings);
    *watch = (struct watch){.clock = &scenery.clock};
    scenery.decode.trace = watch_cycle;
    scenery.decode.trace_context = watch;
    for (uint32_t i = 0; i < (world->n_answers ? world->n_answers : 1); i++)
        say_answer(&scenery, world, watch, i, noise_seed + i);
    decode_release(&scenery.decode);
    sampler_release(&scenery.sampler);
    return watch->spent;
}

static const struct {
    uint32_t from, every, period;
} MISSES[] = {{0, 100, 0}, {0, 50, 0}, {0, 0, 0}, {150, 100, 0}, {0, 100, 60}, {0, 100, 7}};
enum { N_MISSES = sizeof MISSES / sizeof *MISSES };

/* `most`: steps above the budget; 0: what the dearest pass took. */
static void stays_within(const struct world *world, uint64_t seed, double most,
                         const char *what)
{
    const struct policy_settings settings = policy_defaults(POLICY_AUTO);
    struct watch watch;
    const double seconds = answer_seconds(world, &settings, seed, &watch);

    if (most == 0)
        most =
            larger(1, 2 * watch.dearest); /* one estimate that was wrong, one excess forgiven */
    if (watch.worst > most + 1e-6 || watch.of_answer > most + 1e-6)
        fail_msg("%s, row %.2f, draft %.2f, seed %u: %.2f steps above the budget, %.2f in an "
                 "answer, %.2f are allowed (%.0f steps in all)",
                 what, world->row_seconds, world->draft_step, (unsigned)seed, watch.worst,
                 watch.of_answer, most, seconds);
}

/* At no moment is an answer longer than 1.03 of plain and one step. */
static void never_beyond_the_budget(void **state)
{
    static const double rows[] = {0.02, 0.3, 1.0, 1.1};
    static const double drafts[] = {0.05, 0.4, 1.0};

    (void)state;
    for (size_t r = 0; r < sizeof rows / sizeof *rows; r++)
        for (size_t d = 0; d < sizeof drafts / sizeof *drafts; d++)
            for (size_t m = 0; m < N_MISSES; m++)
                stays_within(&(struct world){.row_seconds = rows[r],
                                             .draft_step = drafts[d],
                                             .draft_row = drafts[d] / 2,
                                             .miss_from = MISSES[m].from,
                                             .miss_every = MISSES[m].every,
                                             .period = MISSES[m].period},
                             m, 1, "one answer");
}

/* A draft dearer than the model, rows that get dear in the middle, again and again. */
static void never_by_more_than_one_estimate(void **state)
{
    static const double drafts[] = {0.1, 2, 6};
    static const uint32_t stretches[] = {2000, 100, 9};

    (void)state;
    for (size_t d = 0; d < sizeof drafts / sizeof *drafts; d++)
        for (size_t c = 0; c < sizeof stretches / sizeof *stretches; c++)
            for (size_t m = 0; m < N_MISSES; m++)
                stays_within(&(struct world){.row_seconds = 0.05,
                                             .draft_step = drafts[d],
                                             .draft_row = drafts[d] / 2,
                                             .dear_from = 300,
                                             .dear_for = stretches[c],
                                             .dear_rows = 2,
                                             .miss_from = MISSES[m].from,
                                             .miss_every = MISSES[m].every,
                                             .period = MISSES[m].period},
                             m, 0, "costs that change");
}

/* What good answers earned is not lost by a bad one. */
static void no_answer_pays_for_another(void **state)
{
    static const uint32_t lengths[] = {12, 60, 200};

    (void)state;
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++)
        for (uint32_t good = 0; good <= 10; good += 5)
            for (size_t m = 0; m < N_MISSES; m++)
                stays_within(&(struct world){.row_seconds = 0.1,
                                             .draft_step = 0.15,
                                             .draft_row = 0.03,
                                             .miss_from = MISSES[m].from,
                                             .miss_every = MISSES[m].every,
                                             .period = MISSES[m].period,
                                             .n_answers = 20,
                                             .n_tokens = lengths[l],
                                             .good_answers = good},
                             m, 1, "many answers");
}

static void takes_the_gain(void **state)
{
    struct policy_settings settings = policy_defaults(POLICY_AUTO);
    struct world world = {.row_seconds = 0.05, .draft_step = 0.1, .draft_row = 0.02};
    struct watch watch;
    double seconds = answer_seconds(&world, &settings, 1, &watch);

    (void)state;
    if (seconds > 0.6 * N_TOKENS)
        fail_msg("a good draft: %.0f steps", seconds);
    world.miss_every = 20;
    seconds = answer_seconds(&world, &settings, 1, &watch);
    if (seconds > 0.85 * N_TOKENS)
        fail_msg("a fair draft: %.0f steps", seconds);
    settings.automatic.budget = 0; /* nothing may be lost: nothing is tried */
    assert_true(answer_seconds(&world, &settings, 1, &watch) <= N_TOKENS);
}

/* An answer too short to earn a trial by itself gains by those before it. */
static void short_answers_gain_as_well(void **state)
{
    const struct policy_settings settings = policy_defaults(POLICY_AUTO);
    const struct world world = {.row_seconds = 0.05,
                                .draft_step = 0.05,
                                .draft_row = 0.01,
                                .n_answers = MOST_ANSWERS,
                                .n_tokens = 20};
    struct watch watch;
    const double seconds = answer_seconds(&world, &settings, 1, &watch);

    (void)state;
    if (seconds > 0.75 * 20 * MOST_ANSWERS)
        fail_msg("%.0f steps for %d tokens", seconds, 20 * MOST_ANSWERS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(never_beyond_the_budget),
        cmocka_unit_test(never_by_more_than_one_estimate),
        cmocka_unit_test(no_answer_pays_for_another),
        cmocka_unit_test(takes_the_gain),
        cmocka_unit_test(short_answers_gain_as_well),
    };
    return cmocka_run_group_tests_name("decode_auto", tests, NULL, NULL);
}
