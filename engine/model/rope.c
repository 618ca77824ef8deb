/*
 * rope.c - angles of the rotary position embedding
 */
#include "engine/model/rope.h"

#include "engine/kernels/math.h"

#include <stddef.h>

void rope_frequencies(uint32_t n_rotary, double base, double factor, double *frequencies)
{
    double log_base = math_log64(base);

    for (uint32_t i = 0; i < n_rotary / 2; i++)
        frequencies[i] = math_exp64(-2.0 * i / n_rotary * log_base) / factor;
}

void rope_table(const double *frequencies, uint32_t n_pairs, uint32_t first,
                uint32_t n_positions, float *cosine, float *sine)
{
    for (uint32_t row = 0; row < n_positions; row++) {
        for (uint32_t i = 0; i < n_pairs; i++) {
            const double angle = (double)(first + row) * frequencies[i];
            cosine[(size_t)row * n_pairs + i] = (float)math_cos64(angle);
            sine[(size_t)row * n_pairs + i] = (float)math_sin64(angle);
        }
    }
}
