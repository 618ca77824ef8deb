/*
 * logits_avx512.c - logits.c, 16 floats or 8 hashes at a time
 */
#include <immintrin.h>

#include "engine/kernels/layout.h"
#include "engine/kernels/noise.h"

enum { NOT_FINITE = 0x99 }; /* classes of fpclass: both NaNs, both infinities */

static bool block_maxima(const float *x, uint32_t n, float *maxima)
{
    const __m512 nothing = _mm512_set1_ps(-__builtin_inff());
    __mmask16 bad = 0;

    for (uint32_t at = 0; at < n; at += LOGIT_BLOCK) {
        const uint32_t end = n - at < LOGIT_BLOCK ? n : at + LOGIT_BLOCK;
        __m512 most = nothing;
        /* max_ps gives its second operand for a NaN, so that NaN does not count. */
        for (uint32_t i = at; i < end; i += 16) {
            const __mmask16 lanes =
                end - i < 16 ? (__mmask16)((1u << (end - i)) - 1) : (__mmask16)0xffff;
            const __m512 v = _mm512_maskz_loadu_ps(lanes, x + i);
            most = _mm512_mask_max_ps(most, lanes, v, most);
            bad |= _mm512_fpclass_ps_mask(v, NOT_FINITE);
        }
        maxima[at / LOGIT_BLOCK] = _mm512_reduce_max_ps(most) + 0.0f;
    }
    return bad == 0;
}

static void gap_steps(const float *x, uint32_t n, float largest, double inverse_temperature,
                      double factor, uint32_t most, uint32_t *out)
{
    const __m512d top = _mm512_set1_pd((double)largest), f = _mm512_set1_pd(factor);
    const __m512d inverse = _mm512_set1_pd(inverse_temperature);
    const __m512d limit = _mm512_set1_pd((double)most);

    for (uint32_t i = 0; i < n; i += 8) {
        const __mmask8 lanes = n - i < 8 ? (__mmask8)((1u << (n - i)) - 1) : (__mmask8)0xff;
        __m512d steps =
            _mm512_sub_pd(_mm512_cvtps_pd(_mm256_maskz_loadu_ps(lanes, x + i)), top);
        steps = _mm512_mul_pd(_mm512_mul_pd(steps, inverse), f);
        steps = _mm512_min_pd(steps, limit); /* the second operand for a NaN */
        _mm256_mask_storeu_epi32(out + i, lanes, _mm512_cvttpd_epi32(steps));
    }
}

static uint64_t noise_above(uint64_t base, uint32_t first, uint64_t limit)
{
    const uint64_t at = base + ((uint64_t)first + 1) * NOISE_STEP;
    const __m512i factor_1 = _mm512_set1_epi64((long long)NOISE_FACTOR_1);
    const __m512i factor_2 = _mm512_set1_epi64((long long)NOISE_FACTOR_2);
    const __m512i bound = _mm512_set1_epi64((long long)limit);
    const __m512i step = _mm512_set1_epi64((long long)(8 * NOISE_STEP));
    __m512i input =
        _mm512_add_epi64(_mm512_set1_epi64((long long)at),
                         _mm512_mullo_epi64(_mm512_set_epi64(7, 6, 5, 4, 3, 2, 1, 0),
                                            _mm512_set1_epi64((long long)NOISE_STEP)));
    uint64_t mask = 0;

    for (uint32_t i = 0; i < LOGIT_BLOCK; i += 8) {
        __m512i x = input;
        x = _mm512_mullo_epi64(_mm512_xor_si512(x, _mm512_srli_epi64(x, 30)), factor_1);
        x = _mm512_mullo_epi64(_mm512_xor_si512(x, _mm512_srli_epi64(x, 27)), factor_2);
        x = _mm512_xor_si512(x, _mm512_srli_epi64(x, 31));
        mask |= (uint64_t)_mm512_cmpge_epu64_mask(x, bound) << i;
        input = _mm512_add_epi64(input, step);
    }
    return mask;
}

void logits_avx512_kernels(struct kernels *table)
{
    table->block_maxima = block_maxima;
    table->gap_steps = gap_steps;
    table->noise_above = noise_above;
}
