/*
 * matrix_avx512.c - tiles of a matrix product with AVX-512: 14 rows x 32 columns
 *
 * 28 sums, 2 vectors of b and one element of a fill 31 of the 32 registers.
 */
#include <immintrin.h>

#define VECTOR       __m512
#define LOAD(p)      _mm512_loadu_ps(p)
#define STORE(p, x)  _mm512_storeu_ps(p, x)
#define SPREAD(x)    _mm512_set1_ps(x)
#define FMA(x, y, z) _mm512_fmadd_ps(x, y, z)
#define ZERO         _mm512_setzero_ps()

#include "engine/train/matrix_tile.h"

TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)
TILE(7)
TILE(8)
TILE(9)
TILE(10)
TILE(11)
TILE(12)
TILE(13)
TILE(14)

const struct matrix_kernel train_matrix_avx512 = {
    .rows = 14,
    .columns = 2 * WIDTH,
    .whole = {whole_1, whole_2, whole_3, whole_4, whole_5, whole_6, whole_7, whole_8, whole_9,
              whole_10, whole_11, whole_12, whole_13, whole_14},
    .narrow = {narrow_1, narrow_2, narrow_3, narrow_4, narrow_5, narrow_6, narrow_7, narrow_8,
               narrow_9, narrow_10, narrow_11, narrow_12, narrow_13, narrow_14},
    .spin = spin,
    .spin_operations = SPIN_OPERATIONS,
};
