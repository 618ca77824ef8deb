/*
 * compare_runs.c - two decode policies on the same prompts, in turns
 */
#include "app/compare_runs.h"

#include <stdlib.h>
#include <string.h>

#include "app/text_buffer.h"

enum { WARM_UP_TOKENS = 16 };

/* What the rounds of one prompt gave. */
struct rounds {
    double *rates[SIDE_COUNT]; /* owned; [n] */
    double *ratios;            /* owned; [n_ratios] */
    size_t n, n_ratios;
};

struct first_difference difference_of(const int32_t *a, size_t n_a, const int32_t *b,
                                      size_t n_b)
{
    size_t at = 0;

    while (at < n_a && at < n_b && a[at] == b[at])
        at++;
    return (struct first_difference){
        .identical = at == n_a && at == n_b,
        .at = at,
        .ids = {at < n_a ? a[at] : -1, at < n_b ? b[at] : -1},
    };
}

enum status difference_weigh(struct first_difference *difference,
                             const struct answer_start *start, const struct model *model,
                             const int32_t *answer, struct error *error)
{
    float *logits;
    enum status status;

    if (difference->ids[SIDE_A] < 0 || difference->ids[SIDE_B] < 0)
        return STATUS_OK;
    logits = app_resize(NULL, model_info(model)->n_vocab, sizeof *logits);
    status = session_restore(start->session, start->snapshot, error);
    if (status == STATUS_OK)
        status = session_eval(start->session, &start->last, 1, 1, logits, NULL, error);
    for (size_t i = 0; i < difference->at && status == STATUS_OK; i++)
        status = session_eval(start->session, &answer[i], 1, 1, logits, NULL, error);
    if (status == STATUS_OK) {
        difference->margin =
            (double)logits[difference->ids[SIDE_A]] - (double)logits[difference->ids[SIDE_B]];
        difference->has_margin = true;
    }
    free(logits);
    return status;
}

static void add_to_side(struct compared_side *side, const struct timed_answer *answer)
{
    side->n_tokens += answer->n_tokens;
    side->seconds += answer->seconds;
    side->n_timed += answer->n_tokens > 1 ? answer->n_tokens - 1 : 0;
    policy_statistics_add(&side->statistics, &answer->statistics);
}

/* Both answers of a round are there. */
static enum status compare_round(struct comparison *comparison, size_t index,
                                 struct rounds *rounds, const struct answer_start *start,
                                 const struct comparison_plan *plan,
                                 const struct timed_answer *answers, struct error *error)
{
    struct compared_prompt *prompt = &comparison->prompts[index];
    const struct timed_answer *a = &answers[SIDE_A], *b = &answers[SIDE_B];
    struct first_difference difference = difference_of(a->ids, a->n_ids, b->ids, b->n_ids);
    enum status status = STATUS_OK;

    if (prompt->n_rounds == 0) {
        prompt->n_tokens = a->n_tokens;
        prompt->reason = a->result.reason;
        prompt->difference = difference;
        comparison->n_compared++;
    }
    if (!difference.identical)
        status = difference_weigh(&difference, start, plan->prompts->model, a->ids, error);
    if (!difference.identical && (prompt->n_rounds == 0 || prompt->difference.identical))
        prompt->difference = difference;
    prompt->n_rounds++;
    comparison->n_answers++;
    comparison->n_identical += difference.identical;
    for (int side = 0; side < SIDE_COUNT; side++) {
        add_to_side(&comparison->sides[side], &answers[side]);
        rounds->rates[side][rounds->n] = answers[side].rate;
    }
    rounds->n++;
    if (a->rate > 0 && b->rate > 0)
        rounds->ratios[rounds->n_ratios++] = b->rate / a->rate;
    return status;
}

static enum status answer_round(struct comparison *comparison, size_t index, size_t round,
                                struct rounds *rounds, const struct comparison_plan *plan,
                                const struct answer_start *start, struct error *error)
{
    const struct prompt *prompt = &plan->prompts->prompts[index];
    const struct generation generation = {
        .sampling = sampling_for_model(plan->prompts->model, prompt->thinking, plan->sampling),
        .noise_seed = sampling_noise_seed(plan->seed, (uint32_t)index, 0),
        .max_tokens = plan->max_tokens,
        .ignore_stop = plan->ignore_stop,
        .cancel = plan->cancel,
    };
    struct timed_answer answers[SIDE_COUNT] = {0};
    enum status status = STATUS_OK;

    for (int i = 0; i < SIDE_COUNT && status == STATUS_OK; i++) {
        const int side = (index + round) % 2 == 0 ? i : SIDE_COUNT - 1 - i;

        status =
            timed_answer_run(&answers[side], start, plan->policies[side], &generation, error);
    }
    if (status == STATUS_OK)
        status = compare_round(comparison, index, rounds, start, plan, answers, error);
    for (int side = 0; side < SIDE_COUNT; side++)
        timed_answer_release(&answers[side]);
    return status;
}

static enum status answer_prompt(struct comparison *comparison, size_t index,
                                 struct rounds *rounds, const struct comparison_plan *plan,
                                 struct error *error)
{
    const struct prompt *prompt = &plan->prompts->prompts[index];
    const struct session_hooks hooks = {.cancel = plan->cancel};
    struct answer_start start;
    enum status status = answer_start_read(&start, plan->session, plan->draft, prompt->ids,
                                           prompt->n_ids, &hooks, error);

    for (size_t round = 0; round < plan->n_rounds && status == STATUS_OK; round++) {
        if (plan->progress != NULL)
            plan->progress(plan->context, comparison, index, round);
        status = answer_round(comparison, index, round, rounds, plan, &start, error);
    }
    answer_start_release(&start);
    return status;
}

/* Medians of each prompt, then what all of them say. */
static void finish(struct comparison *comparison, const struct rounds *rounds, uint64_t seed)
{
    double *ratios = app_resize(NULL, comparison->n_prompts, sizeof *ratios);
    size_t n_ratios = 0;

    for (size_t i = 0; i < comparison->n_prompts; i++) {
        struct compared_prompt *prompt = &comparison->prompts[i];

        for (int side = 0; side < SIDE_COUNT; side++)
            prompt->rate[side] = median_of(rounds[i].rates[side], rounds[i].n);
        prompt->ratio = median_ratio(rounds[i].ratios, rounds[i].n_ratios);
        if (prompt->ratio > 0)
            ratios[n_ratios++] = prompt->ratio;
    }
    comparison->over_rounds = comparison->n_prompts == 1;
    if (comparison->over_rounds)
        comparison->ratio = paired_statistics_of(rounds[0].ratios, rounds[0].n_ratios, seed);
    else
        comparison->ratio = paired_statistics_of(ratios, n_ratios, seed);
    free(ratios);
}

static struct rounds *rounds_new(size_t n_prompts, size_t n_rounds)
{
    struct rounds *rounds = app_resize(NULL, n_prompts, sizeof *rounds);

    for (size_t i = 0; i < n_prompts; i++) {
        rounds[i] = (struct rounds){0};
        for (int side = 0; side < SIDE_COUNT; side++)
            rounds[i].rates[side] = app_resize(NULL, n_rounds, sizeof(double));
        rounds[i].ratios = app_resize(NULL, n_rounds, sizeof(double));
    }
    return rounds;
}

static void rounds_free(struct rounds *rounds, size_t n_prompts)
{
    for (size_t i = 0; i < n_prompts; i++) {
        for (int side = 0; side < SIDE_COUNT; side++)
            free(rounds[i].rates[side]);
        free(rounds[i].ratios);
    }
    free(rounds);
}

/* An answer that does not count: the first one meets cold caches and sleeping threads. */
static enum status warm_up(const struct comparison_plan *plan, struct error *error)
{
    const struct prompt *prompt = &plan->prompts->prompts[0];
    const struct session_hooks hooks = {.cancel = plan->cancel};
    const struct generation generation = {
        .sampling = sampling_for_model(plan->prompts->model, prompt->thinking, plan->sampling),
        .max_tokens = WARM_UP_TOKENS < plan->max_tokens ? WARM_UP_TOKENS : plan->max_tokens,
        .ignore_stop = true,
        .cancel = plan->cancel,
    };
    struct answer_start start;
    struct timed_answer answer = {0};
    enum status status = answer_start_read(&start, plan->session, plan->draft, prompt->ids,
                                           prompt->n_ids, &hooks, error);

    if (status == STATUS_OK)
        status = timed_answer_run(&answer, &start, NULL, &generation, error);
    timed_answer_release(&answer);
    answer_start_release(&start);
    return status;
}

enum status comparison_run(struct comparison *out, const struct comparison_plan *plan,
                           struct error *error)
{
    const size_t n_prompts = plan->prompts->n_prompts;
    struct rounds *rounds = rounds_new(n_prompts, plan->n_rounds);
    enum status status = STATUS_OK;

    *out = (struct comparison){
        .prompts = app_resize(NULL, n_prompts, sizeof *out->prompts),
        .n_prompts = n_prompts,
        .n_rounds = plan->n_rounds,
    };
    for (size_t i = 0; i < n_prompts; i++)
        out->prompts[i] = (struct compared_prompt){.prompt = &plan->prompts->prompts[i]};
    status = warm_up(plan, error);
    for (size_t i = 0; i < n_prompts && status == STATUS_OK; i++)
        status = answer_prompt(out, i, &rounds[i], plan, error);
    out->cancelled = status == STATUS_CANCELLED;
    finish(out, rounds, plan->seed);
    rounds_free(rounds, n_prompts);
    return out->cancelled ? STATUS_OK : status;
}

void comparison_release(struct comparison *comparison)
{
    free(comparison->prompts);
    *comparison = (struct comparison){0};
}
