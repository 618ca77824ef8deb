/*
 * peak_avx2.c - vpmaddubsw, eight products summed in 16 bits, then widened by vpmaddwd
 *
 * Eight products of 4-bit weights fit 16 bits, so that this is the fastest a level without a dot
 * product can be.
 */
#include <immintrin.h>

#include "engine/kernels/peak_read.h"

enum { CHAINS = 4, PRODUCTS = 8, MULTIPLY_ADDS = 32 };

/* The same product would be computed once for all. */
#define CHANGED(x) __asm__ volatile("" : "+x"(x))

static uint64_t int8(size_t n_steps)
{
    const __m256i ones = _mm256_set1_epi16(1);
    __m256i weights = _mm256_set1_epi8(3), values = _mm256_set1_epi8(5);
    __m256i chains[CHAINS], sum = _mm256_setzero_si256();
    uint64_t lanes[4];

    for (int i = 0; i < CHAINS; i++)
        chains[i] = _mm256_set1_epi32(i);
    for (size_t step = 0; step < n_steps; step++) {
        for (int i = 0; i < CHAINS; i++) {
            __m256i short_sum = _mm256_maddubs_epi16(weights, values);

            for (int product = 1; product < PRODUCTS; product++) {
                CHANGED(weights);
                short_sum = _mm256_add_epi16(short_sum, _mm256_maddubs_epi16(weights, values));
            }
            CHANGED(values);
            chains[i] = _mm256_add_epi32(chains[i], _mm256_madd_epi16(short_sum, ones));
        }
    }
    for (int i = 0; i < CHAINS; i++)
        sum = _mm256_xor_si256(sum, chains[i]);
    _mm256_storeu_si256((__m256i *)(void *)lanes, sum);
    return lanes[0] ^ lanes[1] ^ lanes[2] ^ lanes[3];
}

const struct peak_kernels peak_avx2 = {
    .read = peak_read,
    .int8 = int8,
    .int8_operations = (size_t)2 * CHAINS * PRODUCTS * MULTIPLY_ADDS,
};
