/*
 * peak_neon.c - sdot on 128 bits: 16 multiply-adds an instruction
 */
#include <arm_neon.h>

#include "engine/kernels/peak_read.h"

enum { CHAINS = 16, MULTIPLY_ADDS = 16 };

static uint64_t int8(size_t n_steps)
{
    const int8x16_t bytes = vdupq_n_s8(3);
    int32x4_t chains[CHAINS], sum = vdupq_n_s32(0);

    for (int i = 0; i < CHAINS; i++)
        chains[i] = vdupq_n_s32(i);
    for (size_t step = 0; step < n_steps; step++)
        for (int i = 0; i < CHAINS; i++)
            chains[i] = vdotq_s32(chains[i], bytes, bytes);
    for (int i = 0; i < CHAINS; i++)
        sum = veorq_s32(sum, chains[i]);
    return (uint64_t)(uint32_t)vaddvq_s32(sum);
}

const struct peak_kernels peak_neon = {
    .read = peak_read,
    .int8 = int8,
    .int8_operations = (size_t)2 * CHAINS * MULTIPLY_ADDS,
};
