/*
 * scan_avx2.c - the scans with two vectors of 8 floats
 */
#include <immintrin.h>
#include <string.h>

#include "engine/kernels/math.h"
#include "engine/train/kernels_internal.h"
#include "engine/train/scan_internal.h"

#define INLINE static inline __attribute__((always_inline))

enum { SCAN_WIDTH = 1, SCAN_TILE_ROWS = 4 };

typedef struct lanes {
    __m256 low, high;
} lanes;

INLINE lanes lanes_set(float x)
{
    return (lanes){_mm256_set1_ps(x), _mm256_set1_ps(x)};
}

INLINE lanes lanes_zero(void)
{
    return (lanes){_mm256_setzero_ps(), _mm256_setzero_ps()};
}

INLINE lanes lanes_load(const float *from)
{
    return (lanes){_mm256_loadu_ps(from), _mm256_loadu_ps(from + 8)};
}

INLINE void lanes_store(float *to, lanes v)
{
    _mm256_storeu_ps(to, v.low);
    _mm256_storeu_ps(to + 8, v.high);
}

/* All ones in the first n of 8 lanes, n counted from `before` on */
INLINE __m256i first_lanes(size_t n, int before)
{
    const __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);

    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n - before), index);
}

/* The first n lanes, 1 .. 16; the others are zero. */
INLINE lanes lanes_load_first(const float *from, size_t n)
{
    if (n == SCAN_LANES)
        return lanes_load(from);
    lanes v = {_mm256_maskload_ps(from, first_lanes(n, 0)), _mm256_setzero_ps()};
    if (n > 8)
        v.high = _mm256_maskload_ps(from + 8, first_lanes(n, 8));
    return v;
}

INLINE void lanes_store_first(float *to, lanes v, size_t n)
{
    if (n == SCAN_LANES) {
        lanes_store(to, v);
        return;
    }
    _mm256_maskstore_ps(to, first_lanes(n, 0), v.low);
    if (n > 8)
        _mm256_maskstore_ps(to + 8, first_lanes(n, 8), v.high);
}

INLINE lanes lanes_add(lanes a, lanes b)
{
    return (lanes){_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)};
}

INLINE lanes lanes_subtract(lanes a, lanes b)
{
    return (lanes){_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)};
}

INLINE lanes lanes_multiply(lanes a, lanes b)
{
    return (lanes){_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)};
}

/* a b + c, rounded once */
INLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    return (lanes){_mm256_fmadd_ps(a.low, b.low, c.low),
                   _mm256_fmadd_ps(a.high, b.high, c.high)};
}

/* max_ps(a, b): a > b ? a : b */
INLINE lanes lanes_larger(lanes a, lanes b)
{
    return (lanes){_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)};
}

/* math_exp(), lane by lane */
INLINE __m256 exp_of(__m256 x)
{
    const __m256 magic = _mm256_set1_ps(0x1.8p23f), one = _mm256_set1_ps(1.0f);
    __m256 shifted = _mm256_add_ps(_mm256_mul_ps(x, _mm256_set1_ps(MATH_LOG2_E)), magic);
    __m256i n = _mm256_sub_epi32(_mm256_castps_si256(shifted), _mm256_castps_si256(magic));
    __m256 whole = _mm256_sub_ps(shifted, magic);
    __m256 r = _mm256_sub_ps(x, _mm256_mul_ps(whole, _mm256_set1_ps(MATH_LN2_HIGH)));
    r = _mm256_sub_ps(r, _mm256_mul_ps(whole, _mm256_set1_ps(MATH_LN2_LOW)));
    __m256 p = _mm256_set1_ps(MATH_EXP_C6);
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(MATH_EXP_C5));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(MATH_EXP_C4));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(MATH_EXP_C3));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(0.5f));
    p = _mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(p, _mm256_mul_ps(r, r)), r), one);

    const __m256i bias = _mm256_set1_epi32(127);
    __m256i half = _mm256_srai_epi32(n, 1);
    __m256i rest = _mm256_sub_epi32(n, half);
    __m256 scale = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    __m256 scale_rest =
        _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    __m256 value = _mm256_mul_ps(_mm256_mul_ps(p, scale), scale_rest);

    __m256 low = _mm256_cmp_ps(x, _mm256_set1_ps(MATH_EXP_LOWEST), _CMP_LT_OQ);
    __m256 high = _mm256_cmp_ps(x, _mm256_set1_ps(MATH_EXP_HIGHEST), _CMP_GT_OQ);
    __m256 nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    value = _mm256_andnot_ps(low, value);
    value = _mm256_blendv_ps(value, _mm256_set1_ps(math_float_of(0x7f800000u)), high);
    return _mm256_blendv_ps(value, x, nan);
}

INLINE lanes lanes_exp(lanes a)
{
    return (lanes){exp_of(a.low), exp_of(a.high)};
}

/* Pairwise: 8, 4, 2, 1 lanes */
INLINE float lanes_sum(lanes v)
{
    __m256 a = _mm256_add_ps(v.low, v.high);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));

    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

INLINE float lanes_largest(lanes v)
{
    __m256 a = _mm256_max_ps(v.low, v.high);
    __m128 b = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_max_ps(b, _mm_movehl_ps(b, b));

    return _mm_cvtss_f32(_mm_max_ss(c, _mm_movehdup_ps(c)));
}

/* The sums of 16 rows of 16 lanes */
INLINE lanes lanes_sums(const float *rows)
{
    float sums[SCAN_LANES];

    for (size_t row = 0; row < SCAN_LANES; row++)
        sums[row] = lanes_sum(lanes_load(rows + row * SCAN_LANES));
    return lanes_load(sums);
}

/* to[i][row] = from[row][i] for up to 16 rows of n elements; to has 16 columns, padded with zeros */
INLINE void transpose_rows(const float *from, size_t stride, size_t n_rows, size_t n, float *to,
                           size_t to_stride)
{
    for (size_t i = 0; i < n; i++)
        for (size_t row = 0; row < SCAN_LANES; row++)
            to[i * to_stride + row] = row < n_rows ? from[row * stride + i] : 0;
}

#include "engine/train/scan_body.h"

const struct scan_kernels train_scans_avx2 = {delta_forward, delta_backward, attention_forward,
                                              attention_backward};
