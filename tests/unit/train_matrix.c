/*
 * train_matrix.c - matrix products: one chain of fused multiply-adds for each element, whatever the
 * level, the threads, the blocks and the strides
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/run/pool.h"
#include "engine/train/kernels.h"

static uint32_t random_state = 11;

static float random_float(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(random_state >> 8) * 0x1p-23f - 1.0f;
}

/* Exactly as many floats as the strides reach, so that a sanitizer sees a step too far. */
struct operand {
    struct matrix matrix;
    size_t n;
};

enum layout { ROWS, COLUMNS, WIDE_ROWS, SPREAD, LAYOUTS };

static struct operand operand_new(size_t rows, size_t columns, enum layout layout)
{
    struct operand operand = {.matrix = {NULL, columns, 1}};

    if (layout == COLUMNS)
        operand.matrix = (struct matrix){NULL, 1, rows};
    else if (layout == WIDE_ROWS)
        operand.matrix = (struct matrix){NULL, columns + 5, 1};
    else if (layout == SPREAD)
        operand.matrix = (struct matrix){NULL, 2 * columns + 1, 2};
    operand.n = rows == 0 || columns == 0
                    ? 1
                    : (rows - 1) * operand.matrix.row_stride +
                          (columns - 1) * operand.matrix.column_stride + 1;
    operand.matrix.data = malloc(operand.n * sizeof(float));
    assert_non_null(operand.matrix.data);
    for (size_t i = 0; i < operand.n; i++)
        operand.matrix.data[i] = random_float();
    return operand;
}

static float *at(const struct matrix *matrix, size_t row, size_t column)
{
    return &matrix->data[row * matrix->row_stride + column * matrix->column_stride];
}

struct shape {
    size_t m, n, k;
};

/* The definition, into `chain`; and each element within the bound of its chain of the exact sum. */
static void define(const struct shape *shape, const struct operand *a, const struct operand *b,
                   const struct operand *c, bool accumulate, float *chain)
{
    memcpy(chain, c->matrix.data, c->n * sizeof *chain);
    struct matrix out = c->matrix;
    out.data = chain;
    for (size_t i = 0; i < shape->m; i++) {
        for (size_t j = 0; j < shape->n; j++) {
            float sum = accumulate ? *at(&c->matrix, i, j) : 0.0f;
            double exact = (double)sum, size = fabs(exact);
            for (size_t l = 0; l < shape->k; l++) {
                float x = *at(&a->matrix, i, l), y = *at(&b->matrix, l, j);
                sum = fmaf(x, y, sum);
                exact += (double)x * (double)y;
                size += fabs((double)x * (double)y);
            }
            assert_true(fabs((double)sum - exact) <= size * (double)(shape->k + 1) * 0x1p-24);
            *at(&out, i, j) = sum;
        }
    }
}

static void check_product(const struct shape *shape, enum layout a_layout, enum layout b_layout,
                          enum layout c_layout, bool accumulate, struct pool *const *pools)
{
    struct operand a = operand_new(shape->m, shape->k, a_layout);
    struct operand b = operand_new(shape->k, shape->n, b_layout);
    struct operand c = operand_new(shape->m, shape->n, c_layout);
    size_t n_bytes = c.n * sizeof(float);
    float *before = malloc(n_bytes), *wanted = malloc(n_bytes);

    assert_true(before != NULL && wanted != NULL);
    memcpy(before, c.matrix.data, n_bytes);
    define(shape, &a, &b, &c, accumulate, wanted);
    for (int level = KERNEL_LEVEL_GENERIC; level < KERNEL_LEVEL_COUNT; level++) {
        if (!kernel_level_supported((enum kernel_level)level))
            continue;
        for (int p = 0; pools[p] != NULL; p++) {
            memcpy(c.matrix.data, before, n_bytes);
            assert_int_equal(
                matrix_multiply(pools[p], train_kernels_for((enum kernel_level)level), shape->m,
                                shape->n, shape->k, a.matrix, b.matrix, c.matrix, accumulate),
                STATUS_OK);
            if (memcmp(c.matrix.data, wanted, n_bytes) != 0)
                fail_msg("%zu x %zu x %zu, layouts %d %d %d, add %d: level %d, pool %d",
                         shape->m, shape->n, shape->k, (int)a_layout, (int)b_layout,
                         (int)c_layout, accumulate, level, p);
        }
    }
    free(before);
    free(wanted);
    free(a.matrix.data);
    free(b.matrix.data);
    free(c.matrix.data);
}

static struct pool *pools[4]; /* of 1, 2 and 5 threads; NULL */

static int start_pools(void **state)
{
    static const int threads[] = {1, 2, 5};

    (void)state;
    for (int i = 0; i < 3; i++)
        if (pool_new(&pools[i], threads[i], NULL) != STATUS_OK)
            return -1;
    return 0;
}

static int stop_pools(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++)
        pool_free(&pools[i]);
    return 0;
}

/* Every height and width of a tile, every layout of every operand. */
static void small_products_are_chains(void **state)
{
    static const struct shape shapes[] = {{1, 1, 1},   {2, 31, 3},  {3, 16, 7},
                                          {15, 33, 5}, {17, 40, 1}, {29, 64, 9}};

    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
        for (int a = 0; a < LAYOUTS; a++)
            for (int b = 0; b < LAYOUTS; b++)
                for (int c = 0; c < LAYOUTS; c++)
                    check_product(&shapes[s], (enum layout)a, (enum layout)b, (enum layout)c,
                                  (a + b + c) % 2 == 0, pools);
    for (size_t m = 1; m <= 30; m++) {
        check_product(&(struct shape){m, 65 - 2 * m, m}, ROWS, ROWS, ROWS, m % 2, pools);
        check_product(&(struct shape){m, m + 1, 9}, COLUMNS, COLUMNS, ROWS, m % 2, pools);
    }
}

/* Several ranges of the inner index, several blocks; rows that are a multiple of 4 KiB apart. */
static void large_products_are_chains(void **state)
{
    static const struct shape shapes[] = {{257, 70, 300}, {40, 333, 530}, {8, 256, 600},
                                          {500, 8, 256},  {1, 300, 513},  {300, 1, 513},
                                          {30, 34, 1024}, {100, 130, 257}};

    (void)state;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        check_product(&shapes[s], ROWS, COLUMNS, ROWS, false, pools); /* a layer, forward */
        check_product(&shapes[s], ROWS, ROWS, ROWS, true, pools);     /* its input's gradient */
        check_product(&shapes[s], COLUMNS, ROWS, ROWS, true, pools);  /* its weight's */
        check_product(&shapes[s], ROWS, COLUMNS, COLUMNS, s % 2, pools);
    }
}

static void nothing_to_add_is_zero(void **state)
{
    (void)state;
    check_product(&(struct shape){5, 40, 0}, ROWS, ROWS, ROWS, false, pools);
    check_product(&(struct shape){5, 40, 0}, ROWS, ROWS, SPREAD, true, pools);
    check_product(&(struct shape){0, 40, 3}, ROWS, ROWS, ROWS, false, pools);
    check_product(&(struct shape){5, 0, 3}, ROWS, ROWS, ROWS, false, pools);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_products_are_chains),
        cmocka_unit_test(large_products_are_chains),
        cmocka_unit_test(nothing_to_add_is_zero),
    };

    return cmocka_run_group_tests(tests, start_pools, stop_pools);
}
