/*
 * rows_generic.c - the row kernels for any processor
 */
#define ROWS_TABLE train_rows_generic
#define ROWS_SQRT  square_roots

#include "engine/kernels/math.h"

static inline void square_roots(const float *x, float *out)
{
    for (int l = 0; l < 16; l++)
        out[l] = math_sqrt(x[l]);
}

#include "engine/train/rows_body.h"
