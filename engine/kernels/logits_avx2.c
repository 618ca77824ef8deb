/*
 * logits_avx2.c - logits.c, 8 floats or 4 hashes at a time
 */
#include <immintrin.h>

#include "engine/kernels/layout.h"
#include "engine/kernels/noise.h"

#define INLINE static inline __attribute__((always_inline))

INLINE float largest_of(__m256 v)
{
    __m128 a = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)));
}

/* All bits of a lane: its value is infinite or NaN. */
INLINE __m256i not_finite(__m256 v)
{
    const __m256i exponent = _mm256_set1_epi32(0x7f800000);

    return _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_castps_si256(v), exponent), exponent);
}

static bool block_maxima(const float *x, uint32_t n, float *maxima)
{
    const __m256 nothing = _mm256_set1_ps(-__builtin_inff());
    __m256i bad = _mm256_setzero_si256();

    for (uint32_t at = 0; at < n; at += LOGIT_BLOCK) {
        const uint32_t end = n - at < LOGIT_BLOCK ? n : at + LOGIT_BLOCK;
        __m256 a = nothing, b = nothing;
        uint32_t i = at;
        /* max_ps gives its second operand for a NaN, so that NaN does not count. */
        for (; i + 16 <= end; i += 16) {
            const __m256 v = _mm256_loadu_ps(x + i), w = _mm256_loadu_ps(x + i + 8);
            a = _mm256_max_ps(v, a);
            b = _mm256_max_ps(w, b);
            bad = _mm256_or_si256(bad, _mm256_or_si256(not_finite(v), not_finite(w)));
        }
        for (; i < end; i++) {
            const __m256 v = _mm256_set1_ps(x[i]);
            a = _mm256_max_ps(v, a);
            bad = _mm256_or_si256(bad, not_finite(v));
        }
        maxima[at / LOGIT_BLOCK] = largest_of(_mm256_max_ps(a, b)) + 0.0f;
    }
    return _mm256_testz_si256(bad, bad);
}

static void gap_steps(const float *x, uint32_t n, float largest, double inverse_temperature,
                      double factor, uint32_t most, uint32_t *out)
{
    const __m256d top = _mm256_set1_pd((double)largest), f = _mm256_set1_pd(factor);
    const __m256d inverse = _mm256_set1_pd(inverse_temperature);
    const __m256d limit = _mm256_set1_pd((double)most);
    uint32_t i = 0;

    for (; i + 4 <= n; i += 4) {
        __m256d steps = _mm256_sub_pd(_mm256_cvtps_pd(_mm_loadu_ps(x + i)), top);
        steps = _mm256_mul_pd(_mm256_mul_pd(steps, inverse), f);
        steps = _mm256_min_pd(steps, limit); /* the second operand for a NaN */
        _mm_storeu_si128((__m128i *)(void *)(out + i), _mm256_cvttpd_epi32(steps));
    }
    for (; i < n; i++) {
        const double steps = ((double)x[i] - (double)largest) * inverse_temperature * factor;
        out[i] = steps < (double)most ? (uint32_t)(int32_t)steps : most;
    }
}

/* The low 64 bits of a product, of 32-bit halves. */
INLINE __m256i multiply(__m256i x, uint64_t factor)
{
    const __m256i f = _mm256_set1_epi64x((long long)factor);
    const __m256i g = _mm256_set1_epi64x((long long)(factor >> 32));
    const __m256i cross =
        _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(x, 32), f), _mm256_mul_epu32(x, g));

    return _mm256_add_epi64(_mm256_mul_epu32(x, f), _mm256_slli_epi64(cross, 32));
}

static uint64_t noise_above(uint64_t base, uint32_t first, uint64_t limit)
{
    const uint64_t at = base + ((uint64_t)first + 1) * NOISE_STEP;
    const __m256i sign = _mm256_set1_epi64x(INT64_MIN);
    const __m256i bound = _mm256_xor_si256(_mm256_set1_epi64x((long long)limit), sign);
    const __m256i step = _mm256_set1_epi64x((long long)(4 * NOISE_STEP));
    __m256i input = _mm256_add_epi64(_mm256_set1_epi64x((long long)at),
                                     _mm256_set_epi64x((long long)(3 * NOISE_STEP),
                                                       (long long)(2 * NOISE_STEP),
                                                       (long long)NOISE_STEP, 0));
    uint64_t below = 0;

    for (uint32_t i = 0; i < LOGIT_BLOCK; i += 4) {
        __m256i x = input;
        x = multiply(_mm256_xor_si256(x, _mm256_srli_epi64(x, 30)), NOISE_FACTOR_1);
        x = multiply(_mm256_xor_si256(x, _mm256_srli_epi64(x, 27)), NOISE_FACTOR_2);
        x = _mm256_xor_si256(_mm256_xor_si256(x, _mm256_srli_epi64(x, 31)), sign);
        below |= (uint64_t)(unsigned)_mm256_movemask_pd(
                     _mm256_castsi256_pd(_mm256_cmpgt_epi64(bound, x)))
                 << i;
        input = _mm256_add_epi64(input, step);
    }
    return ~below;
}

void logits_avx2_kernels(struct kernels *table)
{
    table->block_maxima = block_maxima;
    table->gap_steps = gap_steps;
    table->noise_above = noise_above;
}
