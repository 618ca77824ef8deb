/*
 * train_scans.c - the delta rule and attention along a sequence: values and gradients against
 * plain loops in double, and the same bytes at every level
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/train/kernels.h"

enum { MOST_INPUTS = 5, PROBES = 24 };
#define GUARD 12345.0f /* between rows, which no scan may touch */

static uint32_t random_state = 11;

/* -1 .. 1 */
static double random_number(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (double)(random_state >> 8) / (double)(1 << 23) - 1;
}

static void *line_memory(size_t n_floats)
{
    void *memory = NULL;

    assert_int_equal(posix_memalign(&memory, 64, (n_floats + 16) * sizeof(float)), 0);
    return memory;
}

/* An input [n_tokens][n] with a stride, its gradient, and the same in double without a stride. */
struct input {
    size_t n, stride;
    float *data, *gradient;
    double *exact;
};

/* A scan over a sequence: inputs in the order of its reference function. */
struct problem {
    size_t n_tokens, n_inputs, n_out, out_stride;
    struct input inputs[MOST_INPUTS];
    float *out, *d_out, *kept, *scratch;
    size_t n_kept;
    double *exact_out;
    double scale;
    void (*reference)(const struct problem *problem);
};

static void add_input(struct problem *problem, size_t n, double middle, double range)
{
    struct input *input = &problem->inputs[problem->n_inputs++];
    size_t n_tokens = problem->n_tokens;

    *input = (struct input){.n = n, .stride = n + 3};
    input->data = line_memory(n_tokens * input->stride);
    input->gradient = line_memory(n_tokens * input->stride);
    input->exact = calloc(n_tokens * n, sizeof(double));
    assert_non_null(input->exact);
    for (size_t i = 0; i < n_tokens * input->stride; i++)
        input->data[i] = input->gradient[i] = GUARD;
    for (size_t t = 0; t < n_tokens; t++)
        for (size_t i = 0; i < n; i++) {
            float value = (float)(middle + range * random_number());
            input->data[t * input->stride + i] = value;
            input->exact[t * n + i] = (double)value;
        }
}

static void problem_free(struct problem *problem)
{
    for (size_t i = 0; i < problem->n_inputs; i++) {
        free(problem->inputs[i].data);
        free(problem->inputs[i].gradient);
        free(problem->inputs[i].exact);
    }
    free(problem->out);
    free(problem->d_out);
    free(problem->kept);
    free(problem->scratch);
    free(problem->exact_out);
}

static void add_output(struct problem *problem, size_t n, size_t n_kept, size_t n_scratch)
{
    problem->n_out = n;
    problem->out_stride = n + 5;
    problem->n_kept = n_kept;
    problem->out = line_memory(problem->n_tokens * problem->out_stride);
    problem->d_out = line_memory(problem->n_tokens * problem->out_stride);
    problem->kept = line_memory(n_kept);
    problem->scratch = line_memory(n_scratch);
    problem->exact_out = calloc(problem->n_tokens * n, sizeof(double));
    assert_non_null(problem->exact_out);
    for (size_t i = 0; i < problem->n_tokens * problem->out_stride; i++) {
        problem->out[i] = GUARD;
        problem->d_out[i] = (float)random_number();
    }
    memset(problem->scratch, 0x7f, n_scratch * sizeof(float)); /* must not matter */
}

/* The plain loops ------------------------------------------------------------------------------ */

/* query, key [n_key]; value [n_value]; decay, beta [1] */
static void delta_reference(const struct problem *problem)
{
    const struct input *in = problem->inputs;
    size_t n_key = in[0].n, n_value = in[2].n;
    double *state = calloc(n_key * n_value, sizeof *state);

    assert_non_null(state);
    for (size_t t = 0; t < problem->n_tokens; t++) {
        const double *query = in[0].exact + t * n_key, *key = in[1].exact + t * n_key;
        for (size_t j = 0; j < n_value; j++) {
            double read = 0, out = 0;
            for (size_t i = 0; i < n_key; i++) {
                state[i * n_value + j] *= in[3].exact[t];
                read += state[i * n_value + j] * key[i];
            }
            double delta = in[4].exact[t] * (in[2].exact[t * n_value + j] - read);
            for (size_t i = 0; i < n_key; i++) {
                state[i * n_value + j] += key[i] * delta;
                out += state[i * n_value + j] * query[i];
            }
            problem->exact_out[t * n_value + j] = out;
        }
    }
    free(state);
}

/* query, key, value [n_dim] */
static void attention_reference(const struct problem *problem)
{
    const struct input *in = problem->inputs;
    size_t n = in[0].n;

    for (size_t t = 0; t < problem->n_tokens; t++) {
        double total = 0, *out = problem->exact_out + t * n;
        memset(out, 0, n * sizeof *out);
        for (size_t j = 0; j <= t; j++) {
            double score = 0;
            for (size_t i = 0; i < n; i++)
                score += in[0].exact[t * n + i] * in[1].exact[j * n + i];
            double weight = exp(score * problem->scale);
            total += weight;
            for (size_t i = 0; i < n; i++)
                out[i] += weight * in[2].exact[j * n + i];
        }
        for (size_t i = 0; i < n; i++)
            out[i] /= total;
    }
}

/* The loss is the sum of out times d_out. */
static double reference_loss(const struct problem *problem)
{
    double loss = 0;

    problem->reference(problem);
    for (size_t t = 0; t < problem->n_tokens; t++)
        for (size_t i = 0; i < problem->n_out; i++)
            loss += problem->exact_out[t * problem->n_out + i] *
                    (double)problem->d_out[t * problem->out_stride + i];
    return loss;
}

/* Running a level ------------------------------------------------------------------------------ */

static void run_delta(const struct problem *problem, const struct scan_kernels *kernels)
{
    const struct input *in = problem->inputs;
    struct delta_scan scan = {
        .n_key = (uint32_t)in[0].n,
        .n_value = (uint32_t)in[2].n,
        .n_tokens = (uint32_t)problem->n_tokens,
        .query = in[0].data,
        .key = in[1].data,
        .value = in[2].data,
        .decay = in[3].data,
        .beta = in[4].data,
        .query_stride = in[0].stride,
        .key_stride = in[1].stride,
        .value_stride = in[2].stride,
        .decay_stride = in[3].stride,
        .beta_stride = in[4].stride,
        .chunk = 32,
        .checkpoints = problem->kept,
        .out = problem->out,
        .out_stride = problem->out_stride,
        .scratch = problem->scratch,
    };

    kernels->delta_forward(&scan);
    memset(problem->scratch, 0x7f, sizeof(float));
    scan.d_out = problem->d_out;
    scan.d_query = in[0].gradient;
    scan.d_key = in[1].gradient;
    scan.d_value = in[2].gradient;
    scan.d_decay = in[3].gradient;
    scan.d_beta = in[4].gradient;
    kernels->delta_backward(&scan);
}

static void run_attention(const struct problem *problem, const struct scan_kernels *kernels)
{
    const struct input *in = problem->inputs;
    struct attention_scan scan = {
        .n_dim = (uint32_t)in[0].n,
        .n_tokens = (uint32_t)problem->n_tokens,
        .query = in[0].data,
        .key = in[1].data,
        .value = in[2].data,
        .query_stride = in[0].stride,
        .key_stride = in[1].stride,
        .value_stride = in[2].stride,
        .out_stride = problem->out_stride,
        .scale = (float)problem->scale,
        .out = problem->out,
        .log_totals = problem->kept,
        .scratch = problem->scratch,
    };

    kernels->attention_forward(&scan);
    scan.d_out = problem->d_out;
    scan.d_query = in[0].gradient;
    scan.d_key = in[1].gradient;
    scan.d_value = in[2].gradient;
    kernels->attention_backward(&scan);
}

static void run_level(struct problem *problem, enum kernel_level level)
{
    const struct scan_kernels *kernels = train_kernels_for(level)->scan;

    for (size_t k = 0; k < problem->n_inputs; k++) {
        struct input *input = &problem->inputs[k];
        for (size_t t = 0; t < problem->n_tokens; t++)
            memset(input->gradient + t * input->stride, 0, input->n * sizeof(float));
    }
    if (problem->reference == delta_reference)
        run_delta(problem, kernels);
    else
        run_attention(problem, kernels);
}

/* Comparing ------------------------------------------------------------------------------------ */

static void check_out(const struct problem *problem)
{
    problem->reference(problem);
    for (size_t t = 0; t < problem->n_tokens; t++)
        for (size_t i = 0; i < problem->n_out; i++) {
            double exact = problem->exact_out[t * problem->n_out + i];
            double got = (double)problem->out[t * problem->out_stride + i];
            if (!(fabs(got - exact) <= 1e-5 * (1 + fabs(exact))))
                fail_msg("out of token %zu, %zu: %g, not %g", t, i, got, exact);
        }
    for (size_t t = 0; t < problem->n_tokens; t++)
        for (size_t i = problem->n_out; i < problem->out_stride; i++)
            assert_true(problem->out[t * problem->out_stride + i] == GUARD);
}

static void check_gradient(const struct problem *problem, size_t k)
{
    const struct input *input = &problem->inputs[k];
    const size_t n = problem->n_tokens * input->n;
    const double step = 1e-5;
    const size_t n_probes = n < PROBES ? n : PROBES;

    for (size_t probe = 0; probe < n_probes; probe++) {
        size_t at = probe * (n - 1) / (n_probes > 1 ? n_probes - 1 : 1);
        double before = input->exact[at], high, low;
        input->exact[at] = before + step;
        high = reference_loss(problem);
        input->exact[at] = before - step;
        low = reference_loss(problem);
        input->exact[at] = before;
        double exact = (high - low) / (2 * step);
        double got = (double)input->gradient[at / input->n * input->stride + at % input->n];
        if (!(fabs(got - exact) <= 3e-5 * (1 + fabs(exact))))
            fail_msg("input %zu, element %zu of %zu: gradient %g, not %g", k, at, n, got,
                     exact);
    }
    for (size_t t = 0; t < problem->n_tokens; t++)
        for (size_t i = input->n; i < input->stride; i++)
            assert_true(input->gradient[t * input->stride + i] == GUARD);
}

/* Everything that a level has written, in one piece. */
static float *written(const struct problem *problem, size_t *n_floats)
{
    size_t n = problem->n_tokens * problem->out_stride + problem->n_kept;

    for (size_t k = 0; k < problem->n_inputs; k++)
        n += problem->n_tokens * problem->inputs[k].stride;
    float *all = line_memory(n), *next = all;
    for (size_t k = 0; k < problem->n_inputs; k++) {
        size_t count = problem->n_tokens * problem->inputs[k].stride;
        memcpy(next, problem->inputs[k].gradient, count * sizeof *next);
        next += count;
    }
    memcpy(next, problem->out, problem->n_tokens * problem->out_stride * sizeof *next);
    next += problem->n_tokens * problem->out_stride;
    memcpy(next, problem->kept, problem->n_kept * sizeof *next);
    *n_floats = n;
    return all;
}

static void check_problem(struct problem *problem)
{
    static const enum kernel_level levels[] = {KERNEL_LEVEL_AVX2, KERNEL_LEVEL_AVX512};
    size_t n_floats;

    run_level(problem, KERNEL_LEVEL_GENERIC);
    check_out(problem);
    for (size_t k = 0; k < problem->n_inputs; k++)
        check_gradient(problem, k);
    float *generic = written(problem, &n_floats);
    for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
        if (!kernel_level_supported(levels[i]))
            continue;
        run_level(problem, levels[i]);
        float *other = written(problem, &n_floats);
        for (size_t at = 0; at < n_floats; at++)
            if (memcmp(&generic[at], &other[at], sizeof(float)) != 0)
                fail_msg("%s: float %zu of %zu differs: %a, not %a",
                         kernel_level_name(levels[i]), at, n_floats, (double)other[at],
                         (double)generic[at]);
        free(other);
    }
    free(generic);
    problem_free(problem);
}

static void delta_rule(void **state)
{
    static const struct {
        size_t n_tokens, n_key, n_value;
    } sizes[] = {{1, 16, 16}, {2, 32, 32}, {7, 1, 1},    {7, 24, 40},
                 {33, 5, 3},  {64, 7, 33}, {70, 32, 32}, {33, 64, 64}};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct problem problem = {.n_tokens = sizes[i].n_tokens, .reference = delta_reference};
        uint32_t n_key = (uint32_t)sizes[i].n_key, n_value = (uint32_t)sizes[i].n_value;
        double range = sqrt(2.0 / (double)n_key); /* keys of about unit length */

        add_input(&problem, n_key, 0, range);
        add_input(&problem, n_key, 0, range);
        add_input(&problem, n_value, 0, 1);
        add_input(&problem, 1, 0.8, 0.19);
        add_input(&problem, 1, 0.5, 0.45);
        add_output(&problem, n_value,
                   (problem.n_tokens + 31) / 32 * delta_scan_state(n_key, n_value),
                   delta_scan_scratch(n_key, n_value, 32));
        check_problem(&problem);
    }
}

static void attention(void **state)
{
    static const struct {
        size_t n_tokens, n_dim;
    } sizes[] = {{1, 16}, {2, 1}, {7, 32}, {16, 24}, {17, 5}, {33, 33}, {70, 64}, {130, 40}};

    (void)state;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct problem problem = {.n_tokens = sizes[i].n_tokens,
                                  .reference = attention_reference};
        uint32_t n_dim = (uint32_t)sizes[i].n_dim;

        problem.scale = (double)(float)(1 / sqrt((double)n_dim));
        for (int k = 0; k < 3; k++)
            add_input(&problem, n_dim, 0, 2);
        add_output(&problem, n_dim, problem.n_tokens,
                   attention_scan_scratch(n_dim, (uint32_t)problem.n_tokens));
        check_problem(&problem);
    }
}

/* Scores far beyond the range of exp() are no trouble: the largest is subtracted first. */
static void attention_large_scores(void **state)
{
    struct problem problem = {.n_tokens = 20, .reference = attention_reference};

    (void)state;
    problem.scale = 1;
    for (int k = 0; k < 3; k++)
        add_input(&problem, 8, 0, 40);
    add_output(&problem, 8, problem.n_tokens, attention_scan_scratch(8, 20));
    run_level(&problem, KERNEL_LEVEL_GENERIC);
    for (size_t t = 0; t < problem.n_tokens; t++)
        for (size_t i = 0; i < problem.n_out; i++)
            assert_true(fabsf(problem.out[t * problem.out_stride + i]) <= 40);
    for (size_t k = 0; k < 3; k++)
        for (size_t i = 0; i < problem.n_tokens * problem.inputs[k].stride; i++)
            assert_true(isfinite(problem.inputs[k].gradient[i]));
    problem_free(&problem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delta_rule),
        cmocka_unit_test(attention),
        cmocka_unit_test(attention_large_scores),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
