/*
 * noise.h - sampling noise as a hash of (seed, position, token)
 *
 * The noise of a token is the upper 52 bits of scramble(base + (id + 1) * NOISE_STEP), where base
 * stands for seed and position.  engine/decode/sampler.c says what is made of it.
 *
 * Thread: any; functions of their arguments alone.
 */
#ifndef ENGINE_KERNELS_NOISE_H
#define ENGINE_KERNELS_NOISE_H

#include <stdint.h>

/* Odd factors: every bit of the result depends on every bit of x, and no two x give the same. */
#define NOISE_FACTOR_1 UINT64_C(0xbf58476d1ce4e5b9)
#define NOISE_FACTOR_2 UINT64_C(0x94d049bb133111eb)
/* Odd, bits without a pattern */
#define NOISE_STEP UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t noise_scramble(uint64_t x)
{
    x = (x ^ x >> 30) * NOISE_FACTOR_1;
    x = (x ^ x >> 27) * NOISE_FACTOR_2;
    return x ^ x >> 31;
}

static inline uint64_t noise_hash(uint64_t base, uint32_t id)
{
    return noise_scramble(base + ((uint64_t)id + 1) * NOISE_STEP);
}

#endif
