/*
 * rows_avx512.c - the row kernels with AVX-512
 */
#include <immintrin.h>

#define ROWS_TABLE train_rows_avx512
#define ROWS_SQRT  square_roots

static inline void square_roots(const float *x, float *out)
{
    _mm512_storeu_ps(out, _mm512_sqrt_ps(_mm512_loadu_ps(x)));
}

#include "engine/train/rows_body.h"
