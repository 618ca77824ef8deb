/*
 * rope.c - angles of the rotary position embedding
 */
#include "engine/model/rope.h"

#include "engine/model/double_math.h"

#include <stddef.h>

void rope_frequencies(uint32_t n_rotary, double base, double factor, double *frequencies)
{
    double log_base = double_log(base);

    for (uint32_t i = 0; i < n_rotary / 2; i++)
        frequencies[i] = double_exp(-2.0 * i / n_rotary * log_base) / factor;
}

void rope_table(const double *frequencies, uint32_t n_pairs, uint32_t first,
                uint32_t n_positions, float *cosine, float *sine)
{
    for (uint32_t row = 0; row < n_positions; row++) {
        for (uint32_t i = 0; i < n_pairs; i++) {
            double s, c;
            double_sine_cosine((double)(first + row) * frequencies[i], &s, &c);
            cosine[(size_t)row * n_pairs + i] = (float)c;
            sine[(size_t)row * n_pairs + i] = (float)s;
        }
    }
}
