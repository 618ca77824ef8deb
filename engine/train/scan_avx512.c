/*
 * scan_avx512.c - the scans with vectors of 16 floats
 */
#include <immintrin.h>
#include <string.h>

#include "engine/kernels/math.h"
#include "engine/train/kernels_internal.h"
#include "engine/train/scan_internal.h"

#define INLINE static inline __attribute__((always_inline))

enum { SCAN_WIDTH = 2, SCAN_TILE_ROWS = 8 };

typedef __m512 lanes;

INLINE lanes lanes_set(float x)
{
    return _mm512_set1_ps(x);
}

INLINE lanes lanes_zero(void)
{
    return _mm512_setzero_ps();
}

INLINE lanes lanes_load(const float *from)
{
    return _mm512_loadu_ps(from);
}

INLINE void lanes_store(float *to, lanes v)
{
    _mm512_storeu_ps(to, v);
}

INLINE __mmask16 first_lanes(size_t n)
{
    return (__mmask16)(0xffffu >> (SCAN_LANES - n));
}

/* The first n lanes, 1 .. 16; the others are zero. */
INLINE lanes lanes_load_first(const float *from, size_t n)
{
    return _mm512_maskz_loadu_ps(first_lanes(n), from);
}

INLINE void lanes_store_first(float *to, lanes v, size_t n)
{
    _mm512_mask_storeu_ps(to, first_lanes(n), v);
}

INLINE lanes lanes_add(lanes a, lanes b)
{
    return _mm512_add_ps(a, b);
}

INLINE lanes lanes_subtract(lanes a, lanes b)
{
    return _mm512_sub_ps(a, b);
}

INLINE lanes lanes_multiply(lanes a, lanes b)
{
    return _mm512_mul_ps(a, b);
}

/* a b + c, rounded once */
INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return _mm512_fmadd_ps(a, b, c);
}

/* max_ps(a, b): a > b ? a : b */
INLINE lanes lanes_larger(lanes a, lanes b)
{
    return _mm512_max_ps(a, b);
}

/* math_exp(), lane by lane */
INLINE lanes lanes_exp(lanes x)
{
    const __m512 magic = _mm512_set1_ps(0x1.8p23f), one = _mm512_set1_ps(1.0f);
    __m512 shifted = _mm512_add_ps(_mm512_mul_ps(x, _mm512_set1_ps(MATH_LOG2_E)), magic);
    __m512i n = _mm512_sub_epi32(_mm512_castps_si512(shifted), _mm512_castps_si512(magic));
    __m512 whole = _mm512_sub_ps(shifted, magic);
    __m512 r = _mm512_sub_ps(x, _mm512_mul_ps(whole, _mm512_set1_ps(MATH_LN2_HIGH)));
    r = _mm512_sub_ps(r, _mm512_mul_ps(whole, _mm512_set1_ps(MATH_LN2_LOW)));
    __m512 p = _mm512_set1_ps(MATH_EXP_C6);
    p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(MATH_EXP_C5));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(MATH_EXP_C4));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(MATH_EXP_C3));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(0.5f));
    p = _mm512_add_ps(_mm512_add_ps(_mm512_mul_ps(p, _mm512_mul_ps(r, r)), r), one);

    const __m512i bias = _mm512_set1_epi32(127);
    __m512i half = _mm512_srai_epi32(n, 1);
    __m512i rest = _mm512_sub_epi32(n, half);
    __m512 scale = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(half, bias), 23));
    __m512 scale_rest =
        _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(rest, bias), 23));
    __m512 value = _mm512_mul_ps(_mm512_mul_ps(p, scale), scale_rest);

    __mmask16 low = _mm512_cmp_ps_mask(x, _mm512_set1_ps(MATH_EXP_LOWEST), _CMP_LT_OQ);
    __mmask16 high = _mm512_cmp_ps_mask(x, _mm512_set1_ps(MATH_EXP_HIGHEST), _CMP_GT_OQ);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    value = _mm512_mask_mov_ps(value, low, _mm512_setzero_ps());
    value = _mm512_mask_mov_ps(value, high, _mm512_set1_ps(math_float_of(0x7f800000u)));
    return _mm512_mask_mov_ps(value, nan, x);
}

/* Pairwise: 8, 4, 2, 1 lanes */
INLINE float lanes_sum(lanes v)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));

    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

INLINE float lanes_largest(lanes v)
{
    __m256 a = _mm256_max_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));

    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}

/* Sums of lanes half a group apart, for the groups of a and of b: theirs side by side. */
INLINE lanes add_halves_8(lanes a, lanes b)
{
    return lanes_add(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}

INLINE lanes add_halves_4(lanes a, lanes b)
{
    return lanes_add(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

INLINE lanes add_halves_2(lanes a, lanes b)
{
    return lanes_add(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
}

INLINE lanes add_halves_1(lanes a, lanes b)
{
    return lanes_add(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}

/* Rows i, i + 4, i + 8, i + 12 to 4 lanes each. */
INLINE lanes four_rows(const float *rows, size_t i)
{
    const float *row = rows + i * SCAN_LANES;

    return add_halves_4(
        add_halves_8(lanes_load(row), lanes_load(row + 4 * SCAN_LANES)),
        add_halves_8(lanes_load(row + 8 * SCAN_LANES), lanes_load(row + 12 * SCAN_LANES)));
}

/* The sums of 16 rows of 16 lanes: lanes_sum() of all at once */
INLINE lanes lanes_sums(const float *rows)
{
    return add_halves_1(add_halves_2(four_rows(rows, 0), four_rows(rows, 1)),
                        add_halves_2(four_rows(rows, 2), four_rows(rows, 3)));
}

/* columns[4 b + k] from the k-th vectors of the 4 groups of rows, whose block b is column 4 b + k */
INLINE void gather_blocks(const lanes *groups, lanes *columns)
{
    lanes low = _mm512_shuffle_f32x4(groups[0], groups[4], 0x44);
    lanes high = _mm512_shuffle_f32x4(groups[0], groups[4], 0xee);
    lanes low_rest = _mm512_shuffle_f32x4(groups[8], groups[12], 0x44);
    lanes high_rest = _mm512_shuffle_f32x4(groups[8], groups[12], 0xee);

    columns[0] = _mm512_shuffle_f32x4(low, low_rest, 0x88);
    columns[4] = _mm512_shuffle_f32x4(low, low_rest, 0xdd);
    columns[8] = _mm512_shuffle_f32x4(high, high_rest, 0x88);
    columns[12] = _mm512_shuffle_f32x4(high, high_rest, 0xdd);
}

INLINE void transpose_16(const lanes *rows, lanes *columns)
{
    lanes groups[SCAN_LANES];

    for (int g = 0; g < SCAN_LANES; g += 4) {
        lanes even = _mm512_unpacklo_ps(rows[g], rows[g + 1]);
        lanes odd = _mm512_unpackhi_ps(rows[g], rows[g + 1]);
        lanes even_rest = _mm512_unpacklo_ps(rows[g + 2], rows[g + 3]);
        lanes odd_rest = _mm512_unpackhi_ps(rows[g + 2], rows[g + 3]);
        groups[g] = _mm512_shuffle_ps(even, even_rest, 0x44);
        groups[g + 1] = _mm512_shuffle_ps(even, even_rest, 0xee);
        groups[g + 2] = _mm512_shuffle_ps(odd, odd_rest, 0x44);
        groups[g + 3] = _mm512_shuffle_ps(odd, odd_rest, 0xee);
    }
    for (int k = 0; k < 4; k++)
        gather_blocks(groups + k, columns + k);
}

/* to[i][row] = from[row][i] for up to 16 rows of n elements; to has 16 columns, padded with zeros */
INLINE void transpose_rows(const float *from, size_t stride, size_t n_rows, size_t n, float *to,
                           size_t to_stride)
{
    lanes rows[SCAN_LANES], columns[SCAN_LANES];

    for (size_t i = 0; i < n; i += SCAN_LANES) {
        const size_t count = n - i < SCAN_LANES ? n - i : SCAN_LANES;
        for (size_t row = 0; row < SCAN_LANES; row++)
            rows[row] =
                row < n_rows ? lanes_load_first(from + row * stride + i, count) : lanes_zero();
        transpose_16(rows, columns);
        for (size_t k = 0; k < count; k++)
            lanes_store(to + (i + k) * to_stride, columns[k]);
    }
}

#include "engine/train/scan_body.h"

const struct scan_kernels train_scans_avx512 = {delta_forward, delta_backward,
                                                attention_forward, attention_backward};
