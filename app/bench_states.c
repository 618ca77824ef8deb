/*
 * bench_states.c - states copied and rolled back, the head, the sampler, ways to a first token
 */
#include "app/bench_model.h"
#include "app/interrupt.h"
#include "engine/measure.h"

enum { MESSAGE_TOKENS = 32, ROLLED_BACK_ROWS = 8, CHOICES = 8 };

static enum status measure_snapshot(void *context, struct figure *figure, double *seconds,
                                    struct error *error)
{
    struct model_bench *bench = context;
    struct measured_copy copy = {0};
    const enum status status = measure_copy(bench->session, bench->start, &copy, error);

    *seconds = copy.snapshot;
    figure->bytes = (double)copy.bytes;
    return status;
}

static enum status measure_restore(void *context, struct figure *figure, double *seconds,
                                   struct error *error)
{
    struct model_bench *bench = context;
    struct measured_copy copy = {0};
    const enum status status = measure_copy(bench->session, bench->start, &copy, error);

    *seconds = copy.restore;
    figure->bytes = (double)copy.bytes;
    return status;
}

/* What costs next to nothing may come out as less. */
static double least(double seconds)
{
    return seconds > 1e-9 ? seconds : 1e-9;
}

/* Of some rows on trial one is kept: what that costs, with what the next step has to make up. */
static enum status measure_rollback(void *context, struct figure *figure, double *seconds,
                                    struct error *error)
{
    struct model_bench *bench = context;
    struct measured_verify measured = {0};
    const enum status status =
        measure_verify(bench->session, bench->start, figure->n, 1, &measured, error);

    *seconds = least(measured.accept + measured.next - measured.step);
    return status;
}

static enum status measure_rewinding(void *context, struct figure *figure, double *seconds,
                                     struct error *error)
{
    struct model_bench *bench = context;
    struct measured_rewind measured = {0};
    const enum status status = measure_rewind(bench->session, bench->start, &measured, error);

    (void)figure;
    *seconds = least(measured.mark + measured.rewind + measured.next - measured.second);
    return status;
}

/* A step with a head less one without, at the same depth; figure->n is the strategy. */
static enum status measure_head_alone(void *context, struct figure *figure, double *seconds,
                                      struct error *error)
{
    const struct model_bench *bench = context;
    struct measured_head measured = {0};
    const enum status status = measure_head(bench->session, bench->start,
                                            (enum head_strategy)figure->n, &measured, error);

    *seconds = measured.with - measured.without;
    return status;
}

static enum status measure_greedy(void *context, struct figure *figure, double *seconds,
                                  struct error *error)
{
    const struct model_bench *bench = context;
    const struct sampling greedy = {.top_p = 1, .repetition_penalty = 1};

    (void)figure;
    (void)error;
    *seconds = measure_sampler(bench->session, &greedy, bench->logits, CHOICES);
    return STATUS_OK;
}

static enum status measure_drawn(void *context, struct figure *figure, double *seconds,
                                 struct error *error)
{
    const struct model_bench *bench = context;
    const struct sampling drawn = {
        .temperature = 0.8f, .top_k = 20, .top_p = 0.95f, .repetition_penalty = 1};

    (void)figure;
    (void)error;
    *seconds = measure_sampler(bench->session, &drawn, bench->logits, CHOICES);
    return STATUS_OK;
}

/* Ways to a first token -------------------------------------------------------------------- */

static uint32_t system_tokens(const struct model_bench *bench)
{
    const uint32_t wanted = bench->quick ? 64 : 256;

    return bench_has_room(bench, wanted + MESSAGE_TOKENS + 2) ? wanted : 8;
}

/* Read n_tokens and choose one. */
static enum status first_token(struct model_bench *bench, const int32_t *tokens,
                               uint32_t n_tokens, struct error *error)
{
    const struct generation generation = {
        .sampling = {.top_p = 1, .repetition_penalty = 1},
        .max_tokens = 1,
        .ignore_stop = true,
        .cancel = interrupt_wanted(),
    };
    const struct session_hooks hooks = {.cancel = interrupt_wanted()};
    struct generation_result result;

    return session_generate(bench->session, tokens, n_tokens, &generation, &hooks, &result,
                            error);
}

static enum status measure_fresh(void *context, struct figure *figure, double *seconds,
                                 struct error *error)
{
    struct model_bench *bench = context;

    session_reset(bench->session);
    const double start = bench_seconds_now();
    const enum status status = first_token(bench, bench->tokens, figure->n, error);
    *seconds = bench_seconds_now() - start;
    bench->fresh_seconds = *seconds;
    return status;
}

/* The system prompt is in the state already. */
static enum status measure_prepared(void *context, struct figure *figure, double *seconds,
                                    struct error *error)
{
    struct model_bench *bench = context;
    const uint32_t n_system = system_tokens(bench);
    enum status status = STATUS_OK;

    if (bench->system == NULL) {
        session_reset(bench->session);
        status = session_eval(bench->session, bench->tokens, n_system, 0, NULL, NULL, error);
        if (status == STATUS_OK)
            status = session_snapshot(bench->session, &bench->system, error);
    }
    if (status == STATUS_OK)
        status = session_restore(bench->session, bench->system, error);
    const double start = bench_seconds_now();
    if (status == STATUS_OK)
        status = first_token(bench, bench->tokens + n_system, MESSAGE_TOKENS, error);
    *seconds = bench_seconds_now() - start;
    if (status == STATUS_OK && bench->fresh_seconds > 0)
        samples_add(&figure->ratio, *seconds / bench->fresh_seconds);
    return status;
}

/* All of the prompt was read once and lies in a copy. */
static enum status measure_restored(void *context, struct figure *figure, double *seconds,
                                    struct error *error)
{
    struct model_bench *bench = context;
    const uint32_t n = system_tokens(bench) + MESSAGE_TOKENS;
    enum status status = STATUS_OK;

    if (bench->prompt == NULL) {
        session_reset(bench->session);
        status = session_eval(bench->session, bench->tokens, n - 1, 0, NULL, NULL, error);
        if (status == STATUS_OK)
            status = session_snapshot(bench->session, &bench->prompt, error);
        session_reset(bench->session);
    }
    const double start = bench_seconds_now();
    if (status == STATUS_OK)
        status = session_restore(bench->session, bench->prompt, error);
    if (status == STATUS_OK)
        status = first_token(bench, bench->tokens + n - 1, 1, error);
    *seconds = bench_seconds_now() - start;
    if (status == STATUS_OK && bench->fresh_seconds > 0)
        samples_add(&figure->ratio, *seconds / bench->fresh_seconds);
    return status;
}

static struct figure *add_mode(struct model_bench *bench, figure_measure measure,
                               const char *name, uint32_t n_read)
{
    const struct model_info *info = model_info(bench->model);
    struct figure *figure = figures_add(&bench->figures, "modes", measure, "%s", name);

    figure->n = n_read;
    figure->bytes = (double)(info->trunk_bytes + info->head_bytes);
    figure->operations =
        (double)n_read * (double)info->trunk_operations + (double)info->head_operations;
    return figure;
}

static void add_modes(struct model_bench *bench)
{
    const uint32_t n = system_tokens(bench) + MESSAGE_TOKENS;

    if (!bench_has_room(bench, n + 2))
        return;
    add_mode(bench, measure_fresh, "first token, fresh", n);
    add_mode(bench, measure_prepared, "first token, prepared", MESSAGE_TOKENS)->ratio_name =
        "of fresh";
    add_mode(bench, measure_restored, "first token, restored", 1)->ratio_name = "of fresh";
}

void bench_add_states(struct model_bench *bench)
{
    const struct model_info *info = model_info(bench->model);
    struct figures *figures = &bench->figures;

    if (bench->parts[PART_STATE] && bench->start != NULL) {
        figures_add(figures, "state", measure_snapshot, "state, a copy");
        figures_add(figures, "state", measure_restore, "state, back from a copy");
        figures_add(figures, "state", measure_rollback, "rollback, 1 of %d rows kept",
                    ROLLED_BACK_ROWS)
            ->n = ROLLED_BACK_ROWS;
        figures_add(figures, "state", measure_rewinding, "mark and rewind");
    }
    if (bench->parts[PART_HEAD] && bench->start != NULL) {
        for (uint32_t strategy = 0; strategy < HEAD_STRATEGY_COUNT; strategy++) {
            struct figure *head = figures_add(figures, "head", measure_head_alone, "head, %s",
                                              head_strategy_name((enum head_strategy)strategy));

            head->n = strategy;
            head->bytes = (double)info->head_bytes;
            head->operations = (double)info->head_operations;
        }
        figures_add(figures, "head", measure_greedy, "sampler, greedy");
        figures_add(figures, "head", measure_drawn, "sampler, 0.8, top 20, 0.95");
    }
    if (bench->parts[PART_MODES])
        add_modes(bench);
}
