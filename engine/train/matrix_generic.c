/*
 * matrix_generic.c - tiles of a matrix product for any processor
 */
#include "engine/kernels/math.h"
#include "engine/train/kernels_internal.h"

enum { ROWS = 4, COLUMNS = 16 };

static inline __attribute__((always_inline)) void tile(size_t n_rows, size_t n_columns,
                                                       size_t n_inner, const float *a,
                                                       size_t a_row, size_t a_step,
                                                       const float *b, size_t b_step, float *c,
                                                       size_t c_row, bool accumulate)
{
    float sums[ROWS][COLUMNS];

    for (size_t r = 0; r < n_rows; r++)
        for (size_t j = 0; j < n_columns; j++)
            sums[r][j] = accumulate ? c[r * c_row + j] : 0.0f;
    for (size_t i = 0; i < n_inner; i++) {
        for (size_t r = 0; r < n_rows; r++) {
            float x = a[r * a_row + i * a_step];
            for (size_t j = 0; j < n_columns; j++)
                sums[r][j] = math_fma(x, b[i * b_step + j], sums[r][j]);
        }
    }
    for (size_t r = 0; r < n_rows; r++)
        for (size_t j = 0; j < n_columns; j++)
            c[r * c_row + j] = sums[r][j];
}

#define TILE(name, n_rows, n_columns)                                                          \
    static void name(size_t n_inner, const float *a, size_t a_row, size_t a_step,              \
                     const float *b, size_t b_step, float *c, size_t c_row, bool accumulate)   \
    {                                                                                          \
        tile(n_rows, n_columns, n_inner, a, a_row, a_step, b, b_step, c, c_row, accumulate);   \
    }

TILE(whole_1, 1, COLUMNS)
TILE(whole_2, 2, COLUMNS)
TILE(whole_3, 3, COLUMNS)
TILE(whole_4, 4, COLUMNS)
TILE(narrow_1, 1, COLUMNS / 2)
TILE(narrow_2, 2, COLUMNS / 2)
TILE(narrow_3, 3, COLUMNS / 2)
TILE(narrow_4, 4, COLUMNS / 2)

static void spin(size_t n_steps, float *out)
{
    float sums[COLUMNS] = {0};

    for (size_t i = 0; i < n_steps; i++)
        for (size_t j = 0; j < COLUMNS; j++)
            sums[j] = math_fma(sums[j], out[0], out[1]);
    for (size_t j = 0; j < COLUMNS; j++)
        out[j] = sums[j];
}

const struct matrix_kernel train_matrix_generic = {
    .rows = ROWS,
    .columns = COLUMNS,
    .whole = {whole_1, whole_2, whole_3, whole_4},
    .narrow = {narrow_1, narrow_2, narrow_3, narrow_4},
    .spin = spin,
    .spin_operations = COLUMNS,
};
