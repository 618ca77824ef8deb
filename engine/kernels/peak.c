/*
 * peak.c - the loops of every level, and those of plain C
 *
 * A chain is a sum that waits for its own last step; there are as many as hide the latency of the
 * instruction and fit the registers.
 */
#include "engine/kernels/peak.h"

#include "engine/kernels/peak_read.h"

enum { CHAINS = 12, LANES = 8 };

/* Plain C has no multiply-add of bytes: the best that a compiler makes of it is one of 16 bits. */
typedef uint16_t lanes16 __attribute__((vector_size(2 * LANES)));

static uint64_t generic_int8(size_t n_steps)
{
    const lanes16 factor = {3, 5, 7, 9, 11, 13, 15, 17}, term = {1, 2, 3, 4, 5, 6, 7, 8};
    lanes16 chains[CHAINS];
    lanes16 sum = {0};
    uint64_t result = 0;

    for (int i = 0; i < CHAINS; i++)
        chains[i] = term + (uint16_t)i;
    for (size_t step = 0; step < n_steps; step++)
        for (int i = 0; i < CHAINS; i++)
            chains[i] = chains[i] * factor + term;
    for (int i = 0; i < CHAINS; i++)
        sum ^= chains[i];
    for (int i = 0; i < LANES; i++)
        result += sum[i];
    return result;
}

static const struct peak_kernels peak_generic = {
    .read = peak_read,
    .int8 = generic_int8,
    .int8_operations = (size_t)2 * CHAINS * LANES,
};

const struct peak_kernels *peak_kernels_for(enum kernel_level level)
{
    switch (level) {
#if defined(__x86_64__)
    case KERNEL_LEVEL_AVX2: return &peak_avx2;
    case KERNEL_LEVEL_AVX512: return &peak_avx512;
#elif defined(__aarch64__)
    case KERNEL_LEVEL_NEON: return &peak_neon;
#endif
    default: return &peak_generic;
    }
}
