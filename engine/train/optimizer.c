/*
 * optimizer.c - SGD, Adam and AdamW over ranges of elements
 *
 * All parameters are cut in ranges of at most RANGE_ELEMENTS, whatever the number of threads: a
 * range is what one part of a parallel section works on, and its sum of squares is one term of
 * the norm.
 */
#include "engine/train/optimizer.h"

#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"
#include "engine/kernels/math.h"
#include "engine/run/pool.h"
#include "engine/train/kernels.h"

enum { RANGE_ELEMENTS = 16384, LANES = 8, PIECE = 1024 };

struct range {
    size_t parameter, first, count;
};

struct moments {
    float *first, *second; /* owned; second NULL with SGD */
};

struct optimizer {
    struct optimizer_settings settings;
    struct parameter *parameters; /* borrowed */
    size_t n_parameters;
    struct moments *moments; /* owned */
    struct range *ranges;    /* owned */
    size_t n_ranges;
    double *squares; /* owned; of each range */
    uint64_t n_steps;
};

/* What one parallel section knows. */
struct step {
    struct optimizer *optimizer;
    const struct train_kernels *kernels;
    float scale, rate, correction1, correction2;
};

static size_t ranges_of(const struct parameter *parameter)
{
    return (tensor_elements(parameter->tensor) + RANGE_ELEMENTS - 1) / RANGE_ELEMENTS;
}

static enum status make_moments(struct optimizer *optimizer, struct error *error)
{
    for (size_t i = 0; i < optimizer->n_parameters; i++) {
        struct moments *moments = &optimizer->moments[i];
        size_t n = tensor_elements(optimizer->parameters[i].tensor);

        moments->first = checked_allocate_zeroed(n, sizeof *moments->first);
        if (moments->first != NULL && optimizer->settings.kind != OPTIMIZER_SGD)
            moments->second = checked_allocate_zeroed(n, sizeof *moments->second);
        if (moments->first == NULL ||
            (moments->second == NULL && optimizer->settings.kind != OPTIMIZER_SGD)) {
            error_set(error, STATUS_NO_MEMORY, "no memory for the moments of %zu numbers", n);
            error_where(error, "%s", optimizer->parameters[i].name);
            return STATUS_NO_MEMORY;
        }
    }
    return STATUS_OK;
}

static void fill_ranges(struct optimizer *optimizer)
{
    size_t n = 0;

    for (size_t i = 0; i < optimizer->n_parameters; i++) {
        size_t n_elements = tensor_elements(optimizer->parameters[i].tensor);

        for (size_t first = 0; first < n_elements; first += RANGE_ELEMENTS) {
            size_t left = n_elements - first;
            optimizer->ranges[n++] =
                (struct range){i, first, left < RANGE_ELEMENTS ? left : RANGE_ELEMENTS};
        }
    }
}

enum status optimizer_new(struct optimizer **out, const struct optimizer_settings *settings,
                          struct parameter *parameters, size_t n_parameters,
                          struct error *error)
{
    struct optimizer *optimizer = calloc(1, sizeof *optimizer);
    enum status status = STATUS_OK;

    *out = NULL;
    if (optimizer == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the optimiser");
    optimizer->settings = *settings;
    optimizer->parameters = parameters;
    optimizer->n_parameters = n_parameters;
    for (size_t i = 0; i < n_parameters; i++)
        optimizer->n_ranges += ranges_of(&parameters[i]);
    optimizer->moments = checked_allocate_zeroed(n_parameters, sizeof *optimizer->moments);
    optimizer->ranges = checked_allocate(optimizer->n_ranges, sizeof *optimizer->ranges);
    optimizer->squares = checked_allocate(optimizer->n_ranges, sizeof *optimizer->squares);
    if (optimizer->moments == NULL || optimizer->ranges == NULL || optimizer->squares == NULL)
        status = error_set(error, STATUS_NO_MEMORY, "no memory for the optimiser");
    if (status == STATUS_OK)
        status = make_moments(optimizer, error);
    if (status != STATUS_OK) {
        optimizer_free(&optimizer);
        return status;
    }
    fill_ranges(optimizer);
    *out = optimizer;
    return STATUS_OK;
}

void optimizer_free(struct optimizer **optimizer)
{
    struct optimizer *freed = *optimizer;

    *optimizer = NULL;
    if (freed == NULL)
        return;
    for (size_t i = 0; freed->moments != NULL && i < freed->n_parameters; i++) {
        free(freed->moments[i].first);
        free(freed->moments[i].second);
    }
    free(freed->moments);
    free(freed->ranges);
    free(freed->squares);
    free(freed);
}

/* LANES sums side by side, which are added in ascending order. */
static double sum_of_squares(const float *values, size_t n)
{
    double sums[LANES] = {0}, total = 0;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        for (size_t lane = 0; lane < LANES; lane++)
            sums[lane] += (double)values[i + lane] * (double)values[i + lane];
    }
    for (; i < n; i++)
        sums[i % LANES] += (double)values[i] * (double)values[i];
    for (size_t lane = 0; lane < LANES; lane++)
        total += sums[lane];
    return total;
}

static void square_part(void *context, uint32_t part, uint32_t n_parts)
{
    struct optimizer *optimizer = context;
    const struct range *range = &optimizer->ranges[part];
    const float *gradient = optimizer->parameters[range->parameter].tensor->gradient;

    (void)n_parts;
    optimizer->squares[part] =
        gradient != NULL ? sum_of_squares(gradient + range->first, range->count) : 0;
}

static bool is_finite(double number)
{
    return number - number == 0;
}

/* By Newton's steps from the root of the float: the same on every machine. */
static double square_root(double x)
{
    double root;

    if (!(x > 0))
        return 0;
    /* The float range is smaller than the double's: scale by an even power of two. */
    double scaled = x, factor = 1;
    while (scaled > 0x1p64) {
        scaled *= 0x1p-64;
        factor *= 0x1p32;
    }
    while (scaled < 0x1p-64) {
        scaled *= 0x1p64;
        factor *= 0x1p-32;
    }
    root = (double)math_sqrt((float)scaled);
    for (int i = 0; i < 3; i++)
        root = 0.5 * (root + scaled / root);
    return root * factor;
}

static enum status measure(struct optimizer *optimizer, struct pool *pool, double *norm,
                           struct error *error)
{
    double total = 0;

    pool_run(pool, square_part, optimizer, (uint32_t)optimizer->n_ranges);
    for (size_t i = 0; i < optimizer->n_ranges; i++) {
        total += optimizer->squares[i];
        if (is_finite(total))
            continue;
        return error_set(error, STATUS_FAILED, "the gradient of %s is not finite",
                         optimizer->parameters[optimizer->ranges[i].parameter].name);
    }
    *norm = square_root(total);
    return STATUS_OK;
}

static void sgd_range(const struct step *step, const struct range *range, float decay)
{
    const struct tensor *tensor = step->optimizer->parameters[range->parameter].tensor;
    float *w = tensor->data + range->first;
    float *m = step->optimizer->moments[range->parameter].first + range->first;
    const float *g = tensor->gradient + range->first;
    const float momentum = step->optimizer->settings.beta1;

    for (size_t i = 0; i < range->count; i++) {
        m[i] = momentum * m[i] + (g[i] * step->scale + decay * w[i]);
        w[i] -= step->rate * m[i];
    }
}

/* Adam is AdamW without decay, on a gradient that the decay was added to. */
static void adam_range(const struct step *step, const struct range *range, float decay)
{
    const struct optimizer_settings *settings = &step->optimizer->settings;
    const struct tensor *tensor = step->optimizer->parameters[range->parameter].tensor;
    const struct moments *moments = &step->optimizer->moments[range->parameter];
    float gradient[PIECE];

    for (size_t first = 0; first < range->count; first += PIECE) {
        size_t at = range->first + first;
        size_t n = range->count - first < PIECE ? range->count - first : PIECE;

        for (size_t i = 0; i < n; i++)
            gradient[i] = tensor->gradient[at + i] * step->scale + decay * tensor->data[at + i];
        step->kernels->row->adamw(tensor->data + at, moments->first + at, moments->second + at,
                                  gradient, n, 1, settings->beta1, settings->beta2,
                                  step->correction1, step->correction2, settings->eps,
                                  step->rate, 0);
    }
}

static void adamw_range(const struct step *step, const struct range *range, float decay)
{
    const struct optimizer_settings *settings = &step->optimizer->settings;
    const struct tensor *tensor = step->optimizer->parameters[range->parameter].tensor;
    const struct moments *moments = &step->optimizer->moments[range->parameter];
    size_t at = range->first;

    step->kernels->row->adamw(tensor->data + at, moments->first + at, moments->second + at,
                              tensor->gradient + at, range->count, step->scale, settings->beta1,
                              settings->beta2, step->correction1, step->correction2,
                              settings->eps, step->rate, decay);
}

static void step_part(void *context, uint32_t part, uint32_t n_parts)
{
    const struct step *step = context;
    const struct optimizer *optimizer = step->optimizer;
    const struct range *range = &optimizer->ranges[part];
    const struct parameter *parameter = &optimizer->parameters[range->parameter];
    float decay = parameter->kind == PARAMETER_MATRIX ? optimizer->settings.weight_decay : 0.0f;

    (void)n_parts;
    if (parameter->tensor->gradient == NULL)
        return;
    switch (optimizer->settings.kind) {
    case OPTIMIZER_SGD: sgd_range(step, range, decay); break;
    case OPTIMIZER_ADAM: adam_range(step, range, decay); break;
    case OPTIMIZER_ADAMW: adamw_range(step, range, decay); break;
    }
    memset(parameter->tensor->gradient + range->first, 0, range->count * sizeof(float));
}

/* base^exponent by squaring: the same on every machine. */
static double power(double base, uint64_t exponent)
{
    double result = 1;

    for (; exponent > 0; exponent >>= 1) {
        if (exponent & 1)
            result *= base;
        base *= base;
    }
    return result;
}

enum status optimizer_step(struct optimizer *optimizer, struct pool *pool,
                           const struct train_kernels *kernels, double rate, double *norm,
                           struct error *error)
{
    const struct optimizer_settings *settings = &optimizer->settings;
    double measured = 0;
    enum status status = measure(optimizer, pool, &measured, error);

    if (status != STATUS_OK)
        return status;
    optimizer->n_steps++;
    bool clipped = settings->clip_norm > 0 && measured > (double)settings->clip_norm;
    struct step step = {
        .optimizer = optimizer,
        .kernels = kernels,
        .scale = clipped ? (float)((double)settings->clip_norm / measured) : 1,
        .rate = (float)rate,
        .correction1 = (float)(1 / (1 - power((double)settings->beta1, optimizer->n_steps))),
        .correction2 = (float)(1 / (1 - power((double)settings->beta2, optimizer->n_steps))),
    };
    pool_run(pool, step_part, &step, (uint32_t)optimizer->n_ranges);
    if (norm != NULL)
        *norm = measured;
    return STATUS_OK;
}

void optimizer_zero_gradients(struct optimizer *optimizer)
{
    for (size_t i = 0; i < optimizer->n_parameters; i++) {
        struct tensor *tensor = optimizer->parameters[i].tensor;

        if (tensor->gradient != NULL)
            memset(tensor->gradient, 0, tensor_elements(tensor) * sizeof(float));
    }
}

void optimizer_moments(struct optimizer *optimizer, size_t parameter, float **first,
                       float **second)
{
    *first = optimizer->moments[parameter].first;
    *second = optimizer->moments[parameter].second;
}

uint64_t optimizer_steps(const struct optimizer *optimizer)
{
    return optimizer->n_steps;
}

void optimizer_set_steps(struct optimizer *optimizer, uint64_t n_steps)
{
    optimizer->n_steps = n_steps;
}
