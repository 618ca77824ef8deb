/*
 * logits.c - what is looked for in rows of logits: the definition
 */
#include "engine/kernels/layout.h"
#include "engine/kernels/math.h"
#include "engine/kernels/noise.h"

enum { LANES = 16 };

static bool block_maxima(const float *x, uint32_t n, float *maxima)
{
    uint32_t bad = 0;

    for (uint32_t at = 0; at < n; at += LOGIT_BLOCK) {
        const uint32_t end = n - at < LOGIT_BLOCK ? n : at + LOGIT_BLOCK;
        float lanes[LANES], most = -__builtin_inff();
        uint32_t i = at;
        for (int lane = 0; lane < LANES; lane++)
            lanes[lane] = most;
        for (; i + LANES <= end; i += LANES)
            for (int lane = 0; lane < LANES; lane++) {
                lanes[lane] = x[i + lane] > lanes[lane] ? x[i + lane] : lanes[lane];
                bad |= (math_bits_of(x[i + lane]) & 0x7f800000u) == 0x7f800000u;
            }
        for (; i < end; i++) {
            lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
            bad |= (math_bits_of(x[i]) & 0x7f800000u) == 0x7f800000u;
        }
        for (int lane = 0; lane < LANES; lane++)
            most = lanes[lane] > most ? lanes[lane] : most;
        maxima[at / LOGIT_BLOCK] = most + 0.0f;
    }
    return !bad;
}

static void gap_steps(const float *x, uint32_t n, float largest, double inverse_temperature,
                      double factor, uint32_t most, uint32_t *out)
{
    for (uint32_t i = 0; i < n; i++) {
        const double steps = ((double)x[i] - (double)largest) * inverse_temperature * factor;
        out[i] = steps < (double)most ? (uint32_t)(int32_t)steps : most;
    }
}

static uint64_t noise_above(uint64_t base, uint32_t first, uint64_t limit)
{
    uint64_t mask = 0;

    for (uint32_t i = 0; i < LOGIT_BLOCK; i++)
        mask |= (uint64_t)(noise_hash(base, first + i) >= limit) << i;
    return mask;
}

void logits_kernels(struct kernels *table)
{
    table->block_maxima = block_maxima;
    table->gap_steps = gap_steps;
    table->noise_above = noise_above;
}
