/*
 * kernels_internal.h - what the files of kernels.h share
 *
 * Thread: constants.
 */
#ifndef ENGINE_TRAIN_KERNELS_INTERNAL_H
#define ENGINE_TRAIN_KERNELS_INTERNAL_H

#include "engine/train/kernels.h"

extern const struct row_kernels train_rows_generic;
extern const struct scan_kernels train_scans_generic;
extern const struct matrix_kernel train_matrix_generic;
#if defined(__x86_64__)
extern const struct row_kernels train_rows_avx2, train_rows_avx512;
extern const struct scan_kernels train_scans_avx2, train_scans_avx512;
extern const struct matrix_kernel train_matrix_avx2, train_matrix_avx512;
#endif

enum { MATRIX_TILE_ROWS_MAX = 14, MATRIX_TILE_COLUMNS_MAX = 32 };

/*
 * A tile of c: n_rows x columns elements, each a chain of n_inner steps c = fma(a, b, c) that starts
 * from zero or from c.  a: row r of step i at a[r * a_row + i * a_step]; b: step i's columns lie
 * together at b[i * b_step]; c: rows c_row apart.
 */
typedef void (*matrix_tile)(size_t n_inner, const float *a, size_t a_row, size_t a_step,
                            const float *b, size_t b_step, float *c, size_t c_row,
                            bool accumulate);

struct matrix_kernel {
    size_t rows, columns;                     /* of the largest tile; columns is even */
    matrix_tile whole[MATRIX_TILE_ROWS_MAX];  /* [n_rows - 1]: columns wide */
    matrix_tile narrow[MATRIX_TILE_ROWS_MAX]; /* [n_rows - 1]: columns / 2 wide */
    /* Multiply-adds on registers alone, spin_operations of them in a step: the peak. */
    void (*spin)(size_t n_steps, float *out);
    size_t spin_operations;
};

#endif
