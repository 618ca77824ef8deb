/*
 * bench_passes.c - passes of the model: prefill, decode, verify, several sequences
 */
#include <stdio.h>

#include "app/bench_model.h"
#include "app/interrupt.h"
#include "engine/measure.h"

static const uint32_t prompt_lengths[] = {64, 512, 2048};
static const uint32_t depths[] = {0, 4096, 16384};
static const uint32_t row_counts[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};
static const uint32_t lane_counts[] = {1, 2, 4, 8, 16, 32};

enum {
    N_PROMPTS = sizeof prompt_lengths / sizeof *prompt_lengths,
    N_DEPTHS = sizeof depths / sizeof *depths,
    N_ROWS = sizeof row_counts / sizeof *row_counts,
    N_LANES = sizeof lane_counts / sizeof *lane_counts,
    LANE_STEPS_MOST = 16,
    WARM_STEPS = 1,
    WARM_STEPS_FRESH = 3 /* a state's two buffers, and what follows them */
};

/* What n_rows of a pass over `passes` readings of the weights take, n_logits of them with a head. */
static void set_needs(struct figure *figure, const struct model_bench *bench, double passes,
                      double n_rows, double n_logits)
{
    const struct model_info *info = model_info(bench->model);

    figure->bytes = passes * (double)info->trunk_bytes +
                    (n_logits > 0 ? passes * (double)info->head_bytes : 0);
    figure->operations =
        n_rows * (double)info->trunk_operations + n_logits * (double)info->head_operations;
}

enum status bench_time_prefill(struct model_bench *bench, uint32_t n, uint32_t depth,
                               double *seconds, struct error *error)
{
    const struct session_hooks hooks = {.cancel = interrupt_wanted()};
    enum status status = measure_depth(bench->session, depth, error);
    const double start = bench_seconds_now();

    if (status == STATUS_OK)
        status =
            session_eval(bench->session, bench->tokens, n, 1, bench->logits, &hooks, error);
    *seconds = bench_seconds_now() - start;
    return status;
}

enum status bench_time_decode(struct model_bench *bench, uint32_t n, uint32_t depth,
                              double *seconds, struct error *error)
{
    const struct generation generation = {
        .sampling = {.top_p = 1, .repetition_penalty = 1},
        .max_tokens = n,
        .ignore_stop = true,
        .cancel = interrupt_wanted(),
    };
    struct generation_result result = {0};
    enum status status = measure_depth(bench->session, depth, error);

    if (status == STATUS_OK)
        status = session_eval(bench->session, bench->tokens, WARM_STEPS, 0, NULL, NULL, error);
    const double start = bench_seconds_now();
    if (status == STATUS_OK)
        status = session_generate(bench->session, bench->tokens, 1, &generation, NULL, &result,
                                  error);
    *seconds = bench_seconds_now() - start;
    if (status == STATUS_OK && result.reason == STOP_CANCELLED)
        return error_set(error, STATUS_CANCELLED, "stopped");
    return status;
}

static enum status measure_prefill(void *context, struct figure *figure, double *seconds,
                                   struct error *error)
{
    return bench_time_prefill(context, figure->n, 0, seconds, error);
}

static enum status measure_decode(void *context, struct figure *figure, double *seconds,
                                  struct error *error)
{
    struct model_bench *bench = context;
    const enum status status =
        bench_time_decode(bench, figure->n, figure->depth, seconds, error);

    if (status != STATUS_OK)
        return status;
    if (figure->depth == 0) {
        bench->decode_seconds = *seconds;
    } else if (bench->decode_seconds > 0 && *seconds > bench->decode_seconds) {
        /* What the keys and values add to a step, against the time to read them. */
        const double bytes = (double)bench->kv_bytes * figure->depth * figure->n;

        samples_add(&figure->ratio,
                    bytes / bench->moment.read / (*seconds - bench->decode_seconds));
    }
    return STATUS_OK;
}

static enum status measure_rows(void *context, struct figure *figure, double *seconds,
                                struct error *error)
{
    struct model_bench *bench = context;
    struct measured_verify measured;
    const enum status status =
        measure_verify(bench->session, bench->start, figure->n, 1, &measured, error);

    *seconds = measured.verify;
    if (status == STATUS_OK && measured.step > 0)
        samples_add(&figure->ratio, measured.verify / measured.step);
    return status;
}

static uint32_t lane_steps(const struct model_bench *bench)
{
    const double wanted = 0.3 / (bench->step_seconds > 1e-6 ? bench->step_seconds : 1e-6);

    return wanted < 2 ? 2 : wanted > LANE_STEPS_MOST ? LANE_STEPS_MOST : (uint32_t)wanted;
}

/* *fresh: some are new, and have not touched their memory yet. */
static enum status open_lanes(struct model_bench *bench, uint32_t n_lanes, bool *fresh,
                              struct error *error)
{
    const uint32_t trained = model_info(bench->model)->n_context;
    const struct session_options options = {
        .n_context = trained < 256 ? trained : 256,
        .chunk = 1,
        .kv = bench->kv_bytes > model_info(bench->model)->kv_bytes_per_token ? KV_F32 : KV_F16,
        .workers_of = bench->session,
    };
    enum status status = STATUS_OK;

    bench->lanes[0] = bench->session;
    for (uint32_t i = 1; i < n_lanes && status == STATUS_OK; i++) {
        if (bench->lanes[i] == NULL) {
            status = session_new(&bench->lanes[i], bench->model, &options, error);
            *fresh = true;
        } else if (session_position(bench->lanes[i]) + LANE_STEPS_MOST + WARM_STEPS_FRESH >
                   session_context(bench->lanes[i])) {
            session_reset(bench->lanes[i]);
        }
    }
    session_reset(bench->session);
    return status;
}

static bool take(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    (void)context;
    (void)id;
    (void)forced;
    (void)n_forced;
    return true;
}

static enum status step_lanes(struct model_bench *bench, uint32_t n_lanes, uint32_t n_steps,
                              struct error *error)
{
    struct lane_generation lanes[LANES_MAX] = {0};

    for (uint32_t i = 0; i < n_lanes; i++)
        lanes[i].generation = (struct generation){
            .sampling = {.top_p = 1, .repetition_penalty = 1},
            .max_tokens = n_steps,
            .ignore_stop = true,
            .cancel = interrupt_wanted(),
            .sink = take,
        };
    const enum status status =
        lanes_generate(bench->lanes, n_lanes, bench->tokens, lanes, error);
    return status == STATUS_OK && *interrupt_wanted()
               ? error_set(error, STATUS_CANCELLED, "stopped")
               : status;
}

static enum status measure_lanes(void *context, struct figure *figure, double *seconds,
                                 struct error *error)
{
    struct model_bench *bench = context;
    bool fresh = false;
    enum status status = open_lanes(bench, figure->n, &fresh, error);

    if (status == STATUS_OK) /* does not count */
        status = step_lanes(bench, figure->n, fresh ? WARM_STEPS_FRESH : WARM_STEPS, error);
    const double start = bench_seconds_now();
    if (status == STATUS_OK)
        status = step_lanes(bench, figure->n, lane_steps(bench), error);
    *seconds = bench_seconds_now() - start;
    if (figure->n == 1)
        bench->lane_seconds = *seconds;
    if (status == STATUS_OK && bench->lane_seconds > 0)
        samples_add(&figure->ratio, figure->n * bench->lane_seconds / *seconds);
    return status;
}

/* A quick bench takes every other one, the first and the last always. */
static bool leaves_out(const struct model_bench *bench, int i, int n)
{
    return bench->quick && i % 2 == 1 && i + 1 < n;
}

static void add_prefill(struct model_bench *bench)
{
    for (int i = 0; i < N_PROMPTS; i++) {
        const uint32_t n = prompt_lengths[i];
        struct figure *figure;

        if (!bench_has_room(bench, n) || (bench->quick && i == N_PROMPTS - 1))
            continue;
        figure = figures_add(&bench->figures, "prefill", measure_prefill, "prefill %u", n);
        figure->n = n;
        figure->tokens = n;
        set_needs(figure, bench, 1, n, 1);
    }
}

static void add_decode(struct model_bench *bench)
{
    const uint32_t n = (uint32_t)bench->n_tokens;

    for (int i = 0; i < N_DEPTHS; i++) {
        struct figure *figure;

        if (!bench_has_room(bench, depths[i] + n + WARM_STEPS) ||
            (bench->quick && i == N_DEPTHS - 1))
            continue;
        figure = figures_add(&bench->figures, "decode", measure_decode, "decode %u, depth %u",
                             n, depths[i]);
        figure->n = n;
        figure->depth = depths[i];
        figure->tokens = n;
        set_needs(figure, bench, n, n, n);
        figure->bytes += (double)bench->kv_bytes * n * (depths[i] + WARM_STEPS + n / 2.0);
        if (depths[i] > 0)
            figure->ratio_name = "of what the added K/V allow";
    }
}

void bench_add_passes(struct model_bench *bench)
{
    if (bench->parts[PART_PREFILL])
        add_prefill(bench);
    if (bench->parts[PART_DECODE])
        add_decode(bench);
    for (int i = 0; bench->parts[PART_VERIFY] && i < N_ROWS; i++) {
        struct figure *figure;

        if (leaves_out(bench, i, N_ROWS) || bench->start == NULL)
            continue;
        figure = figures_add(&bench->figures, "verify", measure_rows, "verify %u row%s",
                             row_counts[i], row_counts[i] == 1 ? "" : "s");
        figure->n = row_counts[i];
        figure->depth = snapshot_position(bench->start);
        figure->ratio_name = "of a step";
        set_needs(figure, bench, 1, row_counts[i], row_counts[i]);
        figure->bytes += (double)bench->kv_bytes * figure->depth;
    }
    for (int i = 0; bench->parts[PART_LANES] && i < N_LANES; i++) {
        const double rows = (double)lane_counts[i] * lane_steps(bench);
        struct figure *figure;

        if (leaves_out(bench, i, N_LANES))
            continue;
        figure = figures_add(&bench->figures, "lanes", measure_lanes, "%u sequence%s",
                             lane_counts[i], lane_counts[i] == 1 ? "" : "s");
        figure->n = lane_counts[i];
        figure->tokens = rows;
        figure->ratio_name = "of one";
        set_needs(figure, bench, lane_steps(bench), rows, rows);
    }
}
