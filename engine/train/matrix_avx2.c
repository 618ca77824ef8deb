/*
 * matrix_avx2.c - tiles of a matrix product with AVX2: 6 rows x 16 columns
 *
 * 12 sums, 2 vectors of b and one element of a fill 15 of the 16 registers.
 */
#include <immintrin.h>

#define VECTOR       __m256
#define LOAD(p)      _mm256_loadu_ps(p)
#define STORE(p, x)  _mm256_storeu_ps(p, x)
#define SPREAD(x)    _mm256_set1_ps(x)
#define FMA(x, y, z) _mm256_fmadd_ps(x, y, z)
#define ZERO         _mm256_setzero_ps()

#include "engine/train/matrix_tile.h"

TILE(1)
TILE(2)
TILE(3)
TILE(4)
TILE(5)
TILE(6)

const struct matrix_kernel train_matrix_avx2 = {
    .rows = 6,
    .columns = 2 * WIDTH,
    .whole = {whole_1, whole_2, whole_3, whole_4, whole_5, whole_6},
    .narrow = {narrow_1, narrow_2, narrow_3, narrow_4, narrow_5, narrow_6},
    .spin = spin,
    .spin_operations = SPIN_OPERATIONS,
};
