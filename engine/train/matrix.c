/*
 * matrix.c - products of matrices
 */
#include "engine/kernels/math.h"
#include "engine/train/kernels_internal.h"

enum status matrix_multiply(struct pool *pool, const struct train_kernels *kernels, size_t m,
                            size_t n, size_t k, struct matrix a, struct matrix b,
                            struct matrix c, bool accumulate)
{
    (void)pool;
    (void)kernels;
    for (size_t i = 0; i < m; i++) {
        for (size_t j = 0; j < n; j++) {
            float *out = &c.data[i * c.row_stride + j * c.column_stride];
            float sum = accumulate ? *out : 0.0f;
            for (size_t l = 0; l < k; l++)
                sum = math_fma(a.data[i * a.row_stride + l * a.column_stride],
                               b.data[l * b.row_stride + j * b.column_stride], sum);
            *out = sum;
        }
    }
    return STATUS_OK;
}
