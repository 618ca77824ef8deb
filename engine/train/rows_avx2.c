/*
 * rows_avx2.c - the row kernels with AVX2
 */
#include <immintrin.h>

#define ROWS_TABLE train_rows_avx2
#define ROWS_SQRT  square_roots

static inline void square_roots(const float *x, float *out)
{
    _mm256_storeu_ps(out, _mm256_sqrt_ps(_mm256_loadu_ps(x)));
    _mm256_storeu_ps(out + 8, _mm256_sqrt_ps(_mm256_loadu_ps(x + 8)));
}

#include "engine/train/rows_body.h"
