/*
 * measure.c - how fast the trainer's matrix products are, next to what the processor could do
 */
#include <stdlib.h>

#include "engine/file/checked.h"
#include "engine/run/pool.h"
#include "engine/run/run_clock.h"
#include "engine/train.h"
#include "engine/train/kernels_internal.h"

enum {
    PEAK_ROUNDS = 5,
    ROUNDS_LEAST = 1,
    ROUNDS_MOST = 15,
    PEAK_NANOSECONDS = 1000 * 1000,         /* of a round, at least */
    PRODUCT_NANOSECONDS = 30 * 1000 * 1000, /* of all rounds, after the first */
    SPIN_FLOATS = 12 * 16
};

/* Peak ------------------------------------------------------------------- */

struct spinning {
    const struct matrix_kernel *kernel;
    size_t n_steps;
};

static void spin_part(void *context, uint32_t part, uint32_t n_parts)
{
    const struct spinning *spinning = context;
    float values[SPIN_FLOATS] = {0.5f, 1.0f};

    (void)part;
    (void)n_parts;
    spinning->kernel->spin(spinning->n_steps, values);
}

static double spin_seconds(struct pool *pool, struct spinning *spinning)
{
    int64_t start = run_clock_now();

    pool_run(pool, spin_part, spinning, (uint32_t)pool_thread_count(pool));
    return (double)(run_clock_now() - start) * 1e-9;
}

/* The best of a few rounds: anything else that runs can only slow one down. */
static double measure_peak(struct pool *pool, const struct matrix_kernel *kernel)
{
    struct spinning spinning = {kernel, 1024};
    double best = spin_seconds(pool, &spinning);

    while (best * 1e9 < PEAK_NANOSECONDS) {
        spinning.n_steps *= 2;
        best = spin_seconds(pool, &spinning);
    }
    for (int round = 0; round < PEAK_ROUNDS; round++) {
        double seconds = spin_seconds(pool, &spinning);
        best = seconds < best ? seconds : best;
    }
    return 2e-9 * (double)spinning.n_steps * (double)kernel->spin_operations *
           (double)pool_thread_count(pool) / best;
}

/* Products --------------------------------------------------------------- */

struct operands {
    struct matrix a, b, c;
    size_t m, n, k;
};

static void operands_free(struct operands *operands)
{
    free(operands->a.data);
    free(operands->b.data);
    free(operands->c.data);
}

/* Values in [-1, 1). */
static float *new_values(size_t n_rows, size_t n_columns)
{
    uint64_t n;
    float *values = checked_multiply(n_rows, n_columns, &n) && n <= SIZE_MAX
                        ? checked_allocate((size_t)n, sizeof *values)
                        : NULL;
    uint32_t state = 1;

    for (uint64_t i = 0; values != NULL && i < n; i++) {
        state = state * 1664525u + 1013904223u;
        values[i] = (float)(state >> 8) * 0x1p-23f - 1.0f;
    }
    return values;
}

/* As the layers call it: activations [n_tokens][width], weights [n_out][n_in]. */
static bool operands_new(struct operands *operands, enum train_product product, size_t n_tokens,
                         size_t n_in, size_t n_out)
{
    switch (product) {
    case TRAIN_FORWARD:
        operands->m = n_tokens, operands->n = n_out, operands->k = n_in;
        operands->a = (struct matrix){new_values(n_tokens, n_in), n_in, 1};
        operands->b = (struct matrix){new_values(n_out, n_in), 1, n_in};
        break;
    case TRAIN_INPUT_GRADIENT:
        operands->m = n_tokens, operands->n = n_in, operands->k = n_out;
        operands->a = (struct matrix){new_values(n_tokens, n_out), n_out, 1};
        operands->b = (struct matrix){new_values(n_out, n_in), n_in, 1};
        break;
    case TRAIN_WEIGHT_GRADIENT:
        operands->m = n_out, operands->n = n_in, operands->k = n_tokens;
        operands->a = (struct matrix){new_values(n_tokens, n_out), 1, n_out};
        operands->b = (struct matrix){new_values(n_tokens, n_in), n_in, 1};
        break;
    }
    operands->c = (struct matrix){new_values(operands->m, operands->n), operands->n, 1};
    return operands->a.data != NULL && operands->b.data != NULL && operands->c.data != NULL;
}

static int compare_seconds(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* The first round, which brings memory in, is not counted.  false: no memory. */
static bool measure_product(struct pool *pool, const struct train_kernels *kernels,
                            const struct operands *operands, bool add, double *seconds)
{
    double rounds[ROUNDS_MOST];
    int n_rounds = -1;
    int64_t start = 0;

    while (n_rounds < ROUNDS_LEAST ||
           (n_rounds < ROUNDS_MOST && run_clock_now() - start < PRODUCT_NANOSECONDS)) {
        int64_t before = run_clock_now();
        if (matrix_multiply(pool, kernels, operands->m, operands->n, operands->k, operands->a,
                            operands->b, operands->c, add) != STATUS_OK)
            return false;
        int64_t after = run_clock_now();
        if (n_rounds < 0)
            start = after;
        else
            rounds[n_rounds] = (double)(after - before) * 1e-9;
        n_rounds++;
    }
    qsort(rounds, (size_t)n_rounds, sizeof *rounds, compare_seconds);
    *seconds = rounds[n_rounds / 2];
    return true;
}

enum status train_measure(enum train_product product, size_t n_tokens, size_t n_in,
                          size_t n_out, int n_threads, enum kernel_level level,
                          struct train_speed *speed, struct error *error)
{
    const struct train_kernels *kernels = train_kernels_for(level);
    struct operands operands = {.m = 0};
    struct pool *pool;
    double seconds;

    if (n_tokens == 0 || n_in == 0 || n_out == 0)
        return error_set(error, STATUS_USAGE, "a product of size 0 cannot be measured");
    enum status status = pool_new(&pool, n_threads, error);
    if (status != STATUS_OK)
        return status;
    if (operands_new(&operands, product, n_tokens, n_in, n_out) &&
        measure_product(pool, kernels, &operands, product == TRAIN_WEIGHT_GRADIENT, &seconds)) {
        double operations = 2.0 * (double)n_tokens * (double)n_in * (double)n_out;
        speed->peak = measure_peak(pool, kernels->matrix);
        speed->achieved = operations * 1e-9 / (seconds > 0 ? seconds : 1e-9);
        speed->n_threads = pool_thread_count(pool);
    } else {
        status = error_set(error, STATUS_NO_MEMORY,
                           "no memory for a product of %zu x %zu x %zu", n_tokens, n_in, n_out);
    }
    operands_free(&operands);
    pool_free(&pool);
    return status;
}
