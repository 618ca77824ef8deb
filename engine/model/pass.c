/*
 * pass.c - parallel sections of a pass: norms and projections
 */
#include "engine/model/forward.h"

#include "engine/run/pool.h"
#include "engine/run/run_clock.h"

#include <string.h>

/*
 * More parts than threads let a thread that was held up by another program fall behind without
 * the others waiting; with one token a part would be too short for that.
 */
enum { PARTS_PER_THREAD = 4 };

struct section {
    struct pass *pass;
    pass_job job;
    const void *context;
    uint32_t n_items;
};

/*
 * Was the pass cancelled?  Long sections are left between their parts.  What a part has seen is
 * kept: the flag may be taken back before the section ends.
 */
static bool is_cancelled(struct pass *pass)
{
    if (!pass->cancel || !atomic_load_explicit(pass->cancel, memory_order_relaxed))
        return false;
    atomic_store_explicit(&pass->abandoned, true, memory_order_relaxed);
    return true;
}

static void run_part(void *context, uint32_t part, uint32_t n_parts)
{
    const struct section *section = context;
    uint32_t first, count;

    if (is_cancelled(section->pass))
        return;
    pool_range(section->n_items, part, n_parts, &first, &count);
    if (count > 0)
        section->job(section->pass, section->context, first, count);
}

static uint32_t part_count(const struct pass *pass, uint32_t n_items)
{
    uint32_t n_parts = (uint32_t)pool_thread_count(pass->pool);

    if (pass->n_tokens > 1 && n_parts > 1)
        n_parts *= PARTS_PER_THREAD;
    return n_parts < n_items ? n_parts : n_items;
}

/* All parts of a section, with what it takes added to the profile. */
static void run_section(struct pass *pass, enum profile_stage stage, pool_job job,
                        struct section *section, uint32_t n_parts)
{
    struct profile *profile = pass->profile;
    const enum profile_layer kind =
        stage == PROFILE_EMBEDDING || stage >= PROFILE_HEAD ? PROFILE_MODEL : pass->kind;
    int64_t begin, waited = 0;

    if (!profile) {
        pool_run(pass->pool, job, section, n_parts);
        return;
    }
    begin = run_clock_now();
    pool_run_timed(pass->pool, job, section, n_parts, &waited);
    profile->seconds[kind][stage] += (double)(run_clock_now() - begin) * 1e-9;
    profile->waiting[kind][stage] += (double)waited * 1e-9;
    profile->sections[kind][stage] += n_parts > 1;
}

void pass_run(struct pass *pass, enum profile_stage stage, uint32_t n_items, pass_job job,
              const void *context)
{
    struct section section = {pass, job, context, n_items};

    if (n_items > 0 && !pass_stopped(pass))
        run_section(pass, stage, run_part, &section, part_count(pass, n_items));
}

bool pass_stopped(struct pass *pass)
{
    if (atomic_load_explicit(&pass->bad_row, memory_order_relaxed) != NOTHING_BAD ||
        atomic_load_explicit(&pass->abandoned, memory_order_relaxed) || is_cancelled(pass))
        pass->stopped = true;
    return pass->stopped;
}

void pass_trace(struct pass *pass, const char *stage, const float *rows, size_t stride,
                uint32_t n_rows, uint32_t n_columns)
{
    if (pass->trace && !pass->stopped)
        pass->trace->rows(pass->trace->context, stage, pass->layer, rows, stride, n_rows,
                          n_columns);
}

void pass_bad_row(struct pass *pass, uint32_t row)
{
    uint32_t lowest = atomic_load(&pass->bad_row);

    while (row < lowest && !atomic_compare_exchange_weak(&pass->bad_row, &lowest, row))
        continue;
}

static void check_row(struct pass *pass, uint32_t row, const float *x, uint32_t n)
{
    uint32_t bad = 0, bits;

    for (uint32_t i = 0; i < n; i++) {
        memcpy(&bits, &x[i], sizeof bits);
        bad |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    if (bad)
        pass_bad_row(pass, row);
}

/* Norms --------------------------------------------------------------------------------- */

struct norm_job {
    const float *x, *weight;
    float *out;
    size_t x_stride, out_stride;
    uint32_t first_row;
};

static void norm_row(struct pass *pass, uint32_t row, const float *x, const float *weight,
                     float *out)
{
    const struct hyperparameters *p = pass->parameters;

    check_row(pass, row, x, p->n_embd);
    pass->kernels->rms_norm(x, weight, p->n_embd, p->eps, out);
}

static void norm_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct norm_job *job = context;

    for (uint32_t t = first; t < first + count; t++)
        norm_row(pass, job->first_row + t, job->x + (job->first_row + t) * job->x_stride,
                 job->weight, job->out + t * job->out_stride);
}

void norm_rows(struct pass *pass, const float *x, size_t x_stride, const float *weight,
               uint32_t first_row, uint32_t n_rows, float *out, size_t out_stride)
{
    const struct norm_job job = {x, weight, out, x_stride, out_stride, first_row};

    pass_run(pass, PROFILE_NORM, n_rows, norm_part, &job);
    pass_stopped(pass);
}

/* Projections --------------------------------------------------------------------------- */

struct preparing {
    struct input_rows input;
    uint32_t n_columns;
    bool wanted[ACTIVATION_FORM_COUNT];
};

/* Norm and quantise rows one by one, while they are in the first-level cache. */
static void prepare_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct preparing *job = context;
    const struct input_rows *input = &job->input;

    for (uint32_t t = first; t < first + count; t++) {
        const float *x = input->x + t * input->stride;
        if (input->norm) {
            float *normed = input->normed + (size_t)t * job->n_columns;
            norm_row(pass, t, x, input->norm, normed);
            x = normed;
        }
        for (int form = 0; form < ACTIVATION_FORM_COUNT; form++)
            if (job->wanted[form])
                pass->kernels->quantize((enum activation_form)form, x, 0, job->n_columns, t, 1,
                                        input->n_rows, pass->scratch->activation[form]);
    }
}

void quantize_rows(struct pass *pass, enum activation_form form, const float *x,
                   size_t x_stride, uint32_t n_columns, uint32_t n_rows)
{
    struct preparing preparing = {.input = {x, x_stride, n_rows, NULL, NULL},
                                  .n_columns = n_columns};

    preparing.wanted[form] = true;
    pass_run(pass, PROFILE_NORM, n_rows, prepare_part, &preparing);
}

struct projection_job {
    const struct projection *projections;
    uint32_t n_projections;
    uint32_t n_rows;
    enum projection_then then;
};

static uint32_t group_count(const struct weight *weight)
{
    return (weight->n_rows + GROUP_ROWS - 1) / GROUP_ROWS;
}

/* What follows a matmul, on outputs first .. first + count - 1 of every row. */
static void follow(struct pass *pass, const struct projection_job *job, uint32_t first,
                   uint32_t count)
{
    const struct kernels *kernels = pass->kernels;
    const struct projection *a = &job->projections[0], *b = &job->projections[1];

    for (uint32_t t = 0; t < job->n_rows; t++) {
        float *out = a->out + t * a->out_stride + first;
        if (job->then == PROJECTION_ADD_HIDDEN)
            kernels->add(pass->scratch->hidden + (size_t)t * pass->parameters->n_embd + first,
                         out, count);
        else if (job->then == PROJECTION_GATED)
            kernels->silu_multiply(out, b->out + t * b->out_stride + first, count, out);
    }
}

/* Part of the groups of every matrix, so that each part reads its share of each. */
static void project_part(void *context, uint32_t part, uint32_t n_parts)
{
    const struct section *section = context;
    const struct projection_job *job = section->context;
    struct pass *pass = section->pass;
    uint32_t first = 0, count = 0;

    if (is_cancelled(pass))
        return;
    for (uint32_t i = 0; i < job->n_projections; i++) {
        const struct projection *projection = &job->projections[i];
        const struct weight *weight = projection->weight;
        const enum activation_form form =
            kernels_activation_form(pass->kernels->level, weight->type);
        pool_range(group_count(weight), part, n_parts, &first, &count);
        if (count > 0)
            pass->kernels->matmul(weight, first, count, pass->scratch->activation[form],
                                  job->n_rows, projection->out, projection->out_stride);
    }
    if (job->then != PROJECTION_STORE && count > 0) {
        const uint32_t n_rows = job->projections[0].weight->n_rows;
        const uint32_t end = (first + count) * GROUP_ROWS;
        follow(pass, job, first * GROUP_ROWS,
               (end < n_rows ? end : n_rows) - first * GROUP_ROWS);
    }
}

void project(struct pass *pass, enum profile_stage stage, const struct input_rows *input,
             const struct projection *projections, uint32_t n_projections,
             enum projection_then then)
{
    struct projection_job job = {projections, n_projections, input->n_rows, then};
    struct section section = {pass, NULL, &job, 0};
    struct preparing preparing = {.input = *input,
                                  .n_columns = projections[0].weight->n_columns};

    for (uint32_t i = 0; i < n_projections; i++) {
        const struct weight *weight = projections[i].weight;
        preparing.wanted[kernels_activation_form(pass->kernels->level, weight->type)] = true;
        if (section.n_items < group_count(weight))
            section.n_items = group_count(weight);
    }
    pass_run(pass, PROFILE_NORM, input->n_rows, prepare_part, &preparing);
    if (pass_stopped(pass))
        return;
    run_section(pass, stage, project_part, &section, part_count(pass, section.n_items));
    pass_stopped(pass);
}
