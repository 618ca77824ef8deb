/*
 * peak_avx512.c - vpdpbusd on 512 bits: 64 multiply-adds an instruction
 */
#include <immintrin.h>

#include "engine/kernels/peak_read.h"

enum { CHAINS = 12, MULTIPLY_ADDS = 64 };

static uint64_t int8(size_t n_steps)
{
    const __m512i bytes = _mm512_set1_epi8(3);
    __m512i chains[CHAINS], sum = _mm512_setzero_si512();

    for (int i = 0; i < CHAINS; i++)
        chains[i] = _mm512_set1_epi32(i);
    for (size_t step = 0; step < n_steps; step++)
        for (int i = 0; i < CHAINS; i++)
            chains[i] = _mm512_dpbusd_epi32(chains[i], bytes, bytes);
    for (int i = 0; i < CHAINS; i++)
        sum = _mm512_xor_si512(sum, chains[i]);
    return (uint64_t)_mm512_reduce_add_epi64(sum);
}

const struct peak_kernels peak_avx512 = {
    .read = peak_read,
    .int8 = int8,
    .int8_operations = (size_t)2 * CHAINS * MULTIPLY_ADDS,
};
