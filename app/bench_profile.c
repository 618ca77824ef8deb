/*
 * bench_profile.c - passes taken apart: kinds of layers, stages, sections, waiting
 */
#include "app/bench_profile.h"

#include <stdio.h>
#include <stdlib.h>

#include "app/interrupt.h"
#include "engine/head.h"
#include "engine/measure.h"

enum {
    VERIFY_ROWS = 4,
    VERIFY_PASSES = 8,
    PREFILL_TOKENS = 512,
    CHOICES = 8,
    N_KINDS = 3,
    PREFILL = 2
};

/* What the passes were for, in the order of bench->profiles. */
static const char *const kind_names[N_KINDS] = {"decode", "verify", "prefill"};

static enum status profile_decode(struct model_bench *bench, struct profile *profile,
                                  struct error *error)
{
    const struct generation generation = {
        .sampling = {.top_p = 1, .repetition_penalty = 1},
        .max_tokens = (size_t)bench->n_tokens,
        .ignore_stop = true,
        .cancel = interrupt_wanted(),
    };
    struct generation_result result = {0};
    enum status status = measure_depth(bench->session, 0, error);

    if (status == STATUS_OK)
        status = session_eval(bench->session, bench->tokens, 1, 0, NULL, NULL, error);
    session_set_profile(bench->session, profile);
    if (status == STATUS_OK)
        status = session_generate(bench->session, bench->tokens, 1, &generation, NULL, &result,
                                  error);
    session_set_profile(bench->session, NULL);
    /* What the passes do not tell: a choice, timed apart. */
    if (profile->seconds[PROFILE_MODEL][PROFILE_SAMPLER] <= 0)
        profile->seconds[PROFILE_MODEL][PROFILE_SAMPLER] =
            (double)profile->passes *
            measure_sampler(bench->session, &generation.sampling, bench->logits, CHOICES);
    if (status == STATUS_OK && result.reason == STOP_CANCELLED)
        status = error_set(error, STATUS_CANCELLED, "stopped");
    return status;
}

static enum status profile_verify(struct model_bench *bench, struct profile *profile,
                                  struct error *error)
{
    enum status status = STATUS_OK;

    for (int i = 0; i < VERIFY_PASSES && bench->start != NULL && status == STATUS_OK; i++)
        status = *interrupt_wanted() ? error_set(error, STATUS_CANCELLED, "stopped")
                                     : measure_verify_profile(bench->session, bench->start,
                                                              VERIFY_ROWS, profile, error);
    return status;
}

static enum status profile_prefill(struct model_bench *bench, struct profile *profile,
                                   struct error *error)
{
    const struct session_hooks hooks = {.cancel = interrupt_wanted()};
    const uint32_t n = bench_has_room(bench, PREFILL_TOKENS) ? PREFILL_TOKENS
                                                             : session_context(bench->session);
    enum status status;

    session_reset(bench->session);
    session_set_profile(bench->session, profile);
    status = session_eval(bench->session, bench->tokens, n, 1, bench->logits, &hooks, error);
    session_set_profile(bench->session, NULL);
    return status;
}

enum status bench_profile(struct model_bench *bench, struct error *error)
{
    enum status status;

    bench->profiles = app_resize(NULL, N_KINDS, sizeof *bench->profiles);
    for (int kind = 0; kind < N_KINDS; kind++)
        bench->profiles[kind] = (struct profile){0};
    bench_progress("taking passes apart");
    status = profile_decode(bench, &bench->profiles[0], error);
    if (status == STATUS_OK)
        status = profile_verify(bench, &bench->profiles[1], error);
    if (status == STATUS_OK)
        status = profile_prefill(bench, &bench->profiles[2], error);
    return status;
}

void bench_profile_release(struct model_bench *bench)
{
    free(bench->profiles);
    bench->profiles = NULL;
}

/* All stages of all layers together. */
static double sum_of(const double values[PROFILE_LAYER_COUNT][PROFILE_STAGE_COUNT])
{
    double sum = 0;

    for (int layer = 0; layer < PROFILE_LAYER_COUNT; layer++)
        for (int stage = 0; stage < PROFILE_STAGE_COUNT; stage++)
            sum += values[layer][stage];
    return sum;
}

/* The time of the passes, and of what runs between them. */
static double whole(const struct profile *profile)
{
    const double sum = sum_of(profile->seconds);
    const double sampler = profile->seconds[PROFILE_MODEL][PROFILE_SAMPLER];

    return profile->pass_seconds + sampler > sum ? profile->pass_seconds + sampler : sum;
}

static void write_row(const struct profile *profile, const char *layer, const char *stage,
                      double seconds, double sections, double waiting, struct output *output)
{
    const double passes = (double)profile->passes;

    output_printf(output, "%-10s %-17s %11.1f %7.2f %9.1f %11.1f\n", layer, stage,
                  1e6 * seconds / passes, 100 * seconds / whole(profile), sections / passes,
                  1e6 * waiting / passes);
}

static void write_profile(const struct profile *profile, const char *kind, const char *head,
                          struct output *output)
{
    const double sum = sum_of(profile->seconds);
    double sections = 0;

    output_printf(
        output,
        "\n%s: %llu pass%s of %.4g row%s, %.3f ms each, the head: %s\n%-10s %-17s %11s %7s %9s "
        "%11s\n",
        kind, (unsigned long long)profile->passes, profile->passes == 1 ? "" : "es",
        (double)profile->rows / (double)profile->passes,
        profile->rows == profile->passes ? "" : "s",
        1e3 * whole(profile) / (double)profile->passes, head, "layers", "stage", "us a pass",
        "%", "sections", "waiting us");
    for (int layer = 0; layer < PROFILE_LAYER_COUNT; layer++) {
        for (int stage = 0; stage < PROFILE_STAGE_COUNT; stage++) {
            const uint64_t n = profile->sections[layer][stage];

            sections += (double)n;
            if (n > 0 || profile->seconds[layer][stage] > 0)
                write_row(profile, profile_layer_name((enum profile_layer)layer),
                          profile_stage_name((enum profile_stage)stage),
                          profile->seconds[layer][stage], (double)n,
                          profile->waiting[layer][stage], output);
        }
    }
    write_row(profile, "all", "stages", sum, sections, sum_of(profile->waiting), output);
    write_row(profile, "", "between", whole(profile) - sum, 0, 0, output);
}

/* What greedy decoding and a verify ask for; a prompt asks for all logits of its last row. */
static const char *head_of(const struct model_bench *bench, int kind)
{
    const struct sampling greedy = {.top_p = 1, .repetition_penalty = 1};

    return head_strategy_name(
        kind == PREFILL ? HEAD_FULL
                        : head_strategy_for(&greedy, model_info(bench->model)->n_vocab));
}

void bench_profile_write(const struct model_bench *bench, struct output *output)
{
    for (int kind = 0; bench->profiles != NULL && kind < N_KINDS; kind++) {
        if (bench->profiles[kind].passes > 0)
            write_profile(&bench->profiles[kind], kind_names[kind], head_of(bench, kind),
                          output);
    }
}

static json_t *json_profile(const struct profile *profile, const char *kind, const char *head)
{
    const double passes = (double)profile->passes;
    json_t *object = json_object(), *stages = json_array();

    for (int layer = 0; layer < PROFILE_LAYER_COUNT; layer++) {
        for (int stage = 0; stage < PROFILE_STAGE_COUNT; stage++) {
            json_t *row;

            if (profile->sections[layer][stage] == 0 && profile->seconds[layer][stage] <= 0)
                continue;
            row = json_object();
            json_put(row, "layers", json_string(profile_layer_name((enum profile_layer)layer)));
            json_put(row, "stage", json_string(profile_stage_name((enum profile_stage)stage)));
            json_put(row, "seconds", json_real(profile->seconds[layer][stage] / passes));
            json_put(row, "waiting_seconds",
                     json_real(profile->waiting[layer][stage] / passes));
            json_put(row, "sections",
                     json_real((double)profile->sections[layer][stage] / passes));
            json_put(row, "share", json_real(profile->seconds[layer][stage] / whole(profile)));
            json_add(stages, row);
        }
    }
    json_put(object, "kind", json_string(kind));
    json_put(object, "head_strategy", json_string(head));
    json_put(object, "passes", json_integer((json_int_t)profile->passes));
    json_put(object, "rows", json_integer((json_int_t)profile->rows));
    json_put(object, "seconds", json_real(whole(profile) / passes));
    json_put(object, "between_seconds",
             json_real((whole(profile) - sum_of(profile->seconds)) / passes));
    json_put(object, "stages", stages);
    return object;
}

json_t *bench_profile_json(const struct model_bench *bench)
{
    json_t *array;

    if (bench->profiles == NULL)
        return json_null();
    array = json_array();
    for (int kind = 0; kind < N_KINDS; kind++) {
        if (bench->profiles[kind].passes > 0)
            json_add(array, json_profile(&bench->profiles[kind], kind_names[kind],
                                         head_of(bench, kind)));
    }
    return array;
}
