/*
 * gradient_check.h - an operation of the tape against a second one, written in double
 *
 * A case names the shapes of its inputs (random numbers fill them), a forward pass on the tape
 * and the same function in double, written independently.  gradient_check() compares the
 * values, and the gradients of a random weighted sum of the result with central differences of
 * the double function.  The other checks are for the same cases: bytes that do not depend on
 * threads and kernel level, and a tape that runs out of memory anywhere.
 */
#ifndef TESTS_UNIT_GRADIENT_CHECK_H
#define TESTS_UNIT_GRADIENT_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kernel_level.h"
#include "engine/run/pool.h"
#include "engine/train/kernels.h"
#include "engine/train/tensor.h"

enum { GRADIENT_INPUTS = 8, GRADIENT_NUMBERS = 8 };

struct gradient_input {
    uint32_t n_dimensions;
    size_t shape[TENSOR_DIMENSIONS];
    float scale, middle; /* uniform in middle +- scale; scale 0: 1 */
    bool constant;       /* no gradient wanted */
};

struct gradient_case {
    const char *name;
    struct tensor *(*forward)(struct tape *tape, const struct gradient_case *test,
                              struct tensor *const *inputs);
    /* Every element of the result, last dimension fastest. */
    void (*reference)(const struct gradient_case *test, const double *const *inputs,
                      double *out);
    size_t n_inputs;
    struct gradient_input inputs[GRADIENT_INPUTS];
    size_t number[GRADIENT_NUMBERS]; /* what forward and reference like */
    const void *context;
    double tolerance; /* of gradients, relative to their norm; 0: 2e-5 */
};

/* Whom gradient_run() computes with, and what it found. */
struct gradient_run {
    struct pool *pool;
    struct tape *tape;
    struct tensor *inputs[GRADIENT_INPUTS];
    float *out; /* dense copy of the result */
    size_t n_out;
};

static inline uint32_t gradient_random_bits(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(*state >> 32);
}

/* In [-1, 1), 24 bits. */
static inline float gradient_random(uint64_t *state)
{
    return (float)(gradient_random_bits(state) >> 8) * 0x1p-23f - 1.0f;
}

static inline size_t gradient_elements(const struct gradient_input *input)
{
    size_t n = 1;

    for (uint32_t i = 0; i < input->n_dimensions; i++)
        n *= input->shape[i];
    return n;
}

/* The place of element number index of any tensor. */
static inline size_t gradient_place(const struct tensor *x, size_t index)
{
    size_t place = 0;

    for (uint32_t i = x->n_dimensions; i-- > 0;) {
        place += index % x->shape[i] * x->stride[i];
        index /= x->shape[i];
    }
    return place;
}

static inline void gradient_run_open(struct gradient_run *run, const struct gradient_case *test,
                                     int n_threads, enum kernel_level level)
{
    uint64_t seed = 12345;

    memset(run, 0, sizeof *run);
    assert_int_equal(pool_new(&run->pool, n_threads, NULL), STATUS_OK);
    assert_int_equal(tape_new(&run->tape, run->pool, train_kernels_for(level), NULL),
                     STATUS_OK);
    for (size_t i = 0; i < test->n_inputs; i++) {
        const struct gradient_input *input = &test->inputs[i];
        float scale = input->scale > 0 ? input->scale : 1.0f;
        run->inputs[i] = tensor_new(input->n_dimensions, input->shape, !input->constant);
        assert_non_null(run->inputs[i]);
        for (size_t j = 0; j < gradient_elements(input); j++)
            run->inputs[i]->data[j] = input->middle + scale * gradient_random(&seed);
    }
}

static inline void gradient_run_close(struct gradient_run *run)
{
    for (size_t i = 0; i < GRADIENT_INPUTS; i++)
        tensor_free(&run->inputs[i]);
    tape_free(&run->tape);
    pool_free(&run->pool);
    free(run->out);
}

/* The weights of the loss, in -1 .. 1. */
static inline float gradient_weight(size_t index)
{
    uint64_t state = (uint64_t)index * 0x9e3779b97f4a7c15u + 99;

    gradient_random_bits(&state);
    return gradient_random(&state);
}

static inline void gradient_loss_back(struct tape *tape, void *context)
{
    struct tensor **pair = context; /* loss, out */

    (void)tape;
    for (size_t i = 0; i < tensor_elements(pair[1]); i++)
        pair[1]->gradient[gradient_place(pair[1], i)] +=
            pair[0]->gradient[0] * gradient_weight(i);
}

/* Forward, loss and backward; gradients of the inputs are added to. */
static inline enum status gradient_step(struct gradient_run *run,
                                        const struct gradient_case *test)
{
    struct tape *tape = run->tape;
    struct tensor *out, *loss, **pair;

    out = test->forward(tape, test, run->inputs);
    loss = tape_tensor(tape, 1, (size_t[]){1}, true);
    pair = tape_allocate(tape, 2 * sizeof *pair);
    if (!out || !pair) {
        assert_int_not_equal(tape_status(tape, NULL), STATUS_OK); /* no NULL without a reason */
        return tape_status(tape, NULL);
    }
    if (out->gradient) {
        pair[0] = loss;
        pair[1] = out;
        tape_record_step(tape, gradient_loss_back, pair);
    }
    run->n_out = tensor_elements(out);
    free(run->out);
    run->out = calloc(run->n_out + 1, sizeof *run->out);
    assert_non_null(run->out);
    for (size_t i = 0; i < run->n_out; i++)
        run->out[i] = out->data[gradient_place(out, i)];
    return tape_backward(tape, loss, NULL);
}

static inline double gradient_reference_loss(const struct gradient_case *test,
                                             double *const *inputs, double *out, size_t n_out)
{
    double loss = 0;

    test->reference(test, (const double *const *)inputs, out);
    for (size_t i = 0; i < n_out; i++)
        loss += out[i] * (double)gradient_weight(i);
    return loss;
}

static inline void gradient_compare_values(const struct gradient_case *test,
                                           const struct gradient_run *run,
                                           double *const *inputs, double *out)
{
    double error = 0, size = 0;

    gradient_reference_loss(test, inputs, out, run->n_out);
    for (size_t i = 0; i < run->n_out; i++) {
        error += pow((double)run->out[i] - out[i], 2);
        size += out[i] * out[i];
    }
    if (!(sqrt(error) <= 2e-6 * sqrt(size) + 1e-9))
        fail_msg("%s: values differ by %g of norm %g", test->name, sqrt(error), sqrt(size));
}

static inline void gradient_compare_gradient(const struct gradient_case *test,
                                             const struct gradient_run *run,
                                             double *const *inputs, double *out, size_t which)
{
    double tolerance = test->tolerance > 0 ? test->tolerance : 2e-5;
    double error = 0, size = 0;

    for (size_t i = 0; i < gradient_elements(&test->inputs[which]); i++) {
        double x = inputs[which][i];
        double step = 1e-5 * (1 + fabs(x));
        inputs[which][i] = x + step;
        double above = gradient_reference_loss(test, inputs, out, run->n_out);
        inputs[which][i] = x - step;
        double below = gradient_reference_loss(test, inputs, out, run->n_out);
        inputs[which][i] = x;
        double wanted = (above - below) / (2 * step);
        error += pow((double)run->inputs[which]->gradient[i] - wanted, 2);
        size += wanted * wanted;
    }
    if (!(sqrt(error) <= tolerance * sqrt(size) + 1e-7))
        fail_msg("%s: gradient of input %zu differs by %g of norm %g", test->name, which,
                 sqrt(error), sqrt(size));
}

/* A second step on the same tape doubles the gradients: every backward step adds. */
static inline void gradient_check_adds(const struct gradient_case *test,
                                       struct gradient_run *run)
{
    float *first[GRADIENT_INPUTS] = {NULL};
    size_t held = tape_bytes(run->tape);

    for (size_t i = 0; i < test->n_inputs; i++) {
        size_t n = gradient_elements(&test->inputs[i]);
        first[i] = calloc(n + 1, sizeof(float));
        assert_non_null(first[i]);
        if (run->inputs[i]->gradient)
            memcpy(first[i], run->inputs[i]->gradient, n * sizeof(float));
    }
    tape_reset(run->tape);
    assert_int_equal(gradient_step(run, test), STATUS_OK);
    assert_int_equal(tape_bytes(run->tape), held);
    for (size_t i = 0; i < test->n_inputs; i++) {
        double error = 0, size = 0;
        for (size_t j = 0; j < gradient_elements(&test->inputs[i]); j++) {
            if (test->inputs[i].constant)
                break;
            error += pow((double)run->inputs[i]->gradient[j] - 2 * (double)first[i][j], 2);
            size += pow((double)first[i][j], 2);
        }
        if (!(sqrt(error) <= 1e-5 * sqrt(size)))
            fail_msg("%s: gradient of input %zu is not added to: %g of %g", test->name, i,
                     sqrt(error), sqrt(size));
        free(first[i]);
    }
}

/* Values and gradients against the function in double. */
static inline void gradient_check(const struct gradient_case *test)
{
    struct gradient_run run;
    double *inputs[GRADIENT_INPUTS] = {NULL};
    double *out;

    gradient_run_open(&run, test, 2, kernel_level_best());
    if (gradient_step(&run, test) != STATUS_OK) {
        struct error error;
        tape_status(run.tape, &error);
        fail_msg("%s: %s", test->name, error.what);
    }
    out = calloc(run.n_out + 1, sizeof *out);
    assert_non_null(out);
    for (size_t i = 0; i < test->n_inputs; i++) {
        size_t n = gradient_elements(&test->inputs[i]);
        inputs[i] = calloc(n + 1, sizeof(double));
        assert_non_null(inputs[i]);
        for (size_t j = 0; j < n; j++)
            inputs[i][j] = (double)run.inputs[i]->data[j];
    }
    gradient_compare_values(test, &run, inputs, out);
    for (size_t i = 0; i < test->n_inputs; i++)
        if (!test->inputs[i].constant)
            gradient_compare_gradient(test, &run, inputs, out, i);
    gradient_check_adds(test, &run);
    for (size_t i = 0; i < test->n_inputs; i++)
        free(inputs[i]);
    free(out);
    gradient_run_close(&run);
}

static inline void gradient_same_bytes(const struct gradient_case *test,
                                       const struct gradient_run *a,
                                       const struct gradient_run *b, const char *what)
{
    assert_int_equal(a->n_out, b->n_out);
    if (memcmp(a->out, b->out, a->n_out * sizeof(float)) != 0)
        fail_msg("%s: values depend on %s", test->name, what);
    for (size_t i = 0; i < test->n_inputs; i++)
        if (a->inputs[i]->gradient &&
            memcmp(a->inputs[i]->gradient, b->inputs[i]->gradient,
                   gradient_elements(&test->inputs[i]) * sizeof(float)) != 0)
            fail_msg("%s: gradients of input %zu depend on %s", test->name, i, what);
}

/*
 * The same bytes with 1, 2 and 3 threads and at every kernel level; for sizes that are split.
 */
static inline void gradient_check_bytes(const struct gradient_case *test)
{
    static const enum kernel_level levels[] = {KERNEL_LEVEL_GENERIC, KERNEL_LEVEL_AVX2,
                                               KERNEL_LEVEL_AVX512};
    struct gradient_run first, run;

    gradient_run_open(&first, test, 1, kernel_level_best());
    assert_int_equal(gradient_step(&first, test), STATUS_OK);
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        gradient_run_open(&run, test, n_threads, kernel_level_best());
        assert_int_equal(gradient_step(&run, test), STATUS_OK);
        gradient_same_bytes(test, &first, &run, "threads");
        gradient_run_close(&run);
    }
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (!kernel_level_supported(levels[i]))
            continue;
        gradient_run_open(&run, test, 2, levels[i]);
        assert_int_equal(gradient_step(&run, test), STATUS_OK);
        gradient_same_bytes(test, &first, &run, "kernel level");
        gradient_run_close(&run);
    }
    gradient_run_close(&first);
}

/* A tape that may hold 0, 64, 128 .. bytes: NO_MEMORY until it is enough, and never a crash. */
static inline void gradient_check_memory(const struct gradient_case *test)
{
    struct gradient_run run;
    size_t n_failures = 0, limit = 0;
    enum status status;

    do {
        gradient_run_open(&run, test, 1, kernel_level_best());
        tape_limit(run.tape, limit);
        status = gradient_step(&run, test);
        gradient_run_close(&run);
        n_failures += status == STATUS_NO_MEMORY;
        limit += 64;
    } while (status == STATUS_NO_MEMORY && limit < (1u << 20));
    assert_int_equal(status, STATUS_OK);
    assert_true(n_failures > 3);
}

#endif
