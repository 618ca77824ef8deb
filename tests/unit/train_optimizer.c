/*
 * train_optimizer.c - each optimiser against its formula in double; bytes equal for all threads
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "engine/run/pool.h"
#include "engine/train/kernels.h"
#include "engine/train/optimizer.h"
#include "tests/unit/train_parameters.h"

enum { STEPS = 7 };

static const struct optimizer_settings plain = {
    .kind = OPTIMIZER_ADAMW,
    .beta1 = 0.9f,
    .beta2 = 0.95f,
    .eps = 1e-8f,
    .weight_decay = 0.1f,
    .clip_norm = 3,
};

/* One parameter in double. */
struct model {
    double *w, *m, *v;
    size_t n;
};

static void fill_gradients(struct parameter *parameters, int step)
{
    for (size_t i = 0; i < N_PARAMETERS; i++) {
        struct tensor *tensor = parameters[i].tensor;

        fill_noise(tensor->gradient, tensor_elements(tensor), 100 + 10 * (uint64_t)step + i);
        for (size_t j = 0; j < tensor_elements(tensor); j++)
            tensor->gradient[j] *= step % 2 ? 0.001f : 1;
    }
}

static double norm_of(const struct parameter *parameters)
{
    double sum = 0;

    for (size_t i = 0; i < N_PARAMETERS; i++) {
        const struct tensor *tensor = parameters[i].tensor;

        for (size_t j = 0; j < tensor_elements(tensor); j++)
            sum += (double)tensor->gradient[j] * (double)tensor->gradient[j];
    }
    return sqrt(sum);
}

static void model_step(struct model *model, const struct parameter *parameter,
                       const struct optimizer_settings *s, int t, double scale, double rate)
{
    double decay = parameter->kind == PARAMETER_MATRIX ? (double)s->weight_decay : 0;
    double b1 = (double)s->beta1, b2 = (double)s->beta2;

    for (size_t i = 0; i < model->n; i++) {
        double g = (double)parameter->tensor->gradient[i] * scale;

        if (s->kind != OPTIMIZER_ADAMW)
            g += decay * model->w[i];
        if (s->kind == OPTIMIZER_SGD) {
            model->m[i] = b1 * model->m[i] + g;
            model->w[i] -= rate * model->m[i];
            continue;
        }
        model->m[i] = b1 * model->m[i] + (1 - b1) * g;
        model->v[i] = b2 * model->v[i] + (1 - b2) * g * g;
        double step = model->m[i] / (1 - pow(b1, t)) /
                      (sqrt(model->v[i] / (1 - pow(b2, t))) + (double)s->eps);
        if (s->kind == OPTIMIZER_ADAMW)
            step += decay * model->w[i];
        model->w[i] -= rate * step;
    }
}

static void models_make(struct model *models, const struct parameter *parameters)
{
    for (size_t i = 0; i < N_PARAMETERS; i++) {
        models[i].n = tensor_elements(parameters[i].tensor);
        models[i].w = calloc(models[i].n, sizeof(double));
        models[i].m = calloc(models[i].n, sizeof(double));
        models[i].v = calloc(models[i].n, sizeof(double));
        for (size_t j = 0; j < models[i].n; j++)
            models[i].w[j] = (double)parameters[i].tensor->data[j];
    }
}

static void models_free(struct model *models)
{
    for (size_t i = 0; i < N_PARAMETERS; i++) {
        free(models[i].w);
        free(models[i].m);
        free(models[i].v);
    }
}

static void compare(const struct model *models, const struct parameter *parameters)
{
    for (size_t i = 0; i < N_PARAMETERS; i++) {
        for (size_t j = 0; j < models[i].n; j++)
            assert_float_equal((float)models[i].w[j], parameters[i].tensor->data[j], 2e-6);
    }
}

static void follows_the_formula(void **state)
{
    static const enum optimizer_kind kinds[] = {OPTIMIZER_SGD, OPTIMIZER_ADAM, OPTIMIZER_ADAMW};
    const struct train_kernels *kernels = train_kernels_for(KERNEL_LEVEL_GENERIC);
    struct pool *pool;

    (void)state;
    assert_int_equal(pool_new(&pool, 2, NULL), STATUS_OK);
    for (size_t k = 0; k < 3; k++) {
        struct optimizer_settings settings = plain;
        struct parameter parameters[N_PARAMETERS];
        struct model models[N_PARAMETERS];
        struct optimizer *optimizer;

        settings.kind = kinds[k];
        parameters_make(parameters);
        models_make(models, parameters);
        assert_int_equal(optimizer_new(&optimizer, &settings, parameters, N_PARAMETERS, NULL),
                         STATUS_OK);
        for (int t = 1; t <= STEPS; t++) {
            double rate = 0.01 / t, norm;

            fill_gradients(parameters, t);
            double expected = norm_of(parameters);
            double scale = expected > 3 ? 3 / expected : 1;
            for (size_t i = 0; i < N_PARAMETERS; i++)
                model_step(&models[i], &parameters[i], &settings, t, scale, rate);
            assert_int_equal(optimizer_step(optimizer, pool, kernels, rate, &norm, NULL),
                             STATUS_OK);
            assert_true(fabs(norm - expected) <= 1e-12 * expected);
            assert_true(norm_of(parameters) <= 0); /* gradients are zeroed */
        }
        assert_int_equal(optimizer_steps(optimizer), STEPS);
        compare(models, parameters);
        optimizer_free(&optimizer);
        assert_null(optimizer);
        models_free(models);
        parameters_free(parameters);
    }
    pool_free(&pool);
}

/* Hash-free: all weights after some steps, joined. */
static float *run(int n_threads, enum kernel_level level, size_t *n)
{
    struct parameter parameters[N_PARAMETERS];
    struct optimizer *optimizer;
    struct pool *pool;
    float *all;

    parameters_make(parameters);
    assert_int_equal(pool_new(&pool, n_threads, NULL), STATUS_OK);
    assert_int_equal(optimizer_new(&optimizer, &plain, parameters, N_PARAMETERS, NULL),
                     STATUS_OK);
    for (int t = 1; t <= STEPS; t++) {
        fill_gradients(parameters, t);
        assert_int_equal(
            optimizer_step(optimizer, pool, train_kernels_for(level), 0.01, NULL, NULL),
            STATUS_OK);
    }
    *n = 0;
    for (size_t i = 0; i < N_PARAMETERS; i++)
        *n += tensor_elements(parameters[i].tensor);
    all = malloc(*n * sizeof *all);
    *n = 0;
    for (size_t i = 0; i < N_PARAMETERS; i++) {
        size_t more = tensor_elements(parameters[i].tensor);

        memcpy(all + *n, parameters[i].tensor->data, more * sizeof *all);
        *n += more;
    }
    optimizer_free(&optimizer);
    pool_free(&pool);
    parameters_free(parameters);
    return all;
}

static void same_bytes_for_all_threads_and_levels(void **state)
{
    size_t n, n_other;
    float *first = run(1, KERNEL_LEVEL_GENERIC, &n);

    (void)state;
    for (int level = KERNEL_LEVEL_GENERIC; level <= (int)KERNEL_LEVEL_AVX512; level++) {
        if (!kernel_level_supported((enum kernel_level)level))
            continue;
        for (int n_threads = 1; n_threads <= 3; n_threads++) {
            float *other = run(n_threads, (enum kernel_level)level, &n_other);

            assert_int_equal(n, n_other);
            assert_memory_equal(first, other, n * sizeof *first);
            free(other);
        }
    }
    free(first);
}

static void gradients_that_are_not_finite_change_nothing(void **state)
{
    struct parameter parameters[N_PARAMETERS];
    struct optimizer *optimizer;
    struct error error = {0};
    struct pool *pool;
    float before[17];

    (void)state;
    parameters_make(parameters);
    assert_int_equal(pool_new(&pool, 1, NULL), STATUS_OK);
    assert_int_equal(optimizer_new(&optimizer, &plain, parameters, N_PARAMETERS, NULL),
                     STATUS_OK);
    fill_gradients(parameters, 2);
    parameters[2].tensor->gradient[9] = INFINITY;
    memcpy(before, parameters[2].tensor->data, sizeof before);
    assert_int_equal(optimizer_step(optimizer, pool, train_kernels_for(KERNEL_LEVEL_GENERIC),
                                    0.1, NULL, &error),
                     STATUS_FAILED);
    assert_non_null(strstr(error.what, "blk.2.test.weight"));
    assert_memory_equal(before, parameters[2].tensor->data, sizeof before);
    assert_int_equal(optimizer_steps(optimizer), 0);
    optimizer_zero_gradients(optimizer);
    assert_true(norm_of(parameters) <= 0);
    optimizer_free(&optimizer);
    pool_free(&pool);
    parameters_free(parameters);
}

static void rate_rises_and_falls(void **state)
{
    const struct schedule schedule = {2, 0.1, 10, 110};
    const double pi = 3.14159265358979323846;

    (void)state;
    assert_true(fabs(schedule_rate(&schedule, 0) - 0.2) < 1e-12);
    assert_true(fabs(schedule_rate(&schedule, 9) - 2) < 1e-12);
    for (uint64_t step = 10; step <= 110; step++) {
        double share = (double)(step - 10) / 100;
        double expected = 2 * (0.1 + 0.9 * 0.5 * (1 + cos(pi * share)));

        assert_true(fabs(schedule_rate(&schedule, step) - expected) < 1e-12);
    }
    assert_true(fabs(schedule_rate(&schedule, 5000) - 0.2) < 1e-12);
    const struct schedule none = {2, 0.1, 0, 10};
    assert_true(fabs(schedule_rate(&none, 0) - 2) < 1e-12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_the_formula),
        cmocka_unit_test(same_bytes_for_all_threads_and_levels),
        cmocka_unit_test(gradients_that_are_not_finite_change_nothing),
        cmocka_unit_test(rate_rises_and_falls),
    };
    return cmocka_run_group_tests_name("train_optimizer", tests, NULL, NULL);
}
