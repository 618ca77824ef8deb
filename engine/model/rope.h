/*
 * rope.h - angles of the rotary position embedding
 *
 * Pair i of n_rotary / 2 turns by position * base^(-2 i / n_rotary) / factor.  Text uses one
 * position for all sections of the interleaved multi-axis form, which makes it the plain one.
 * Angles are computed in double from the position itself, so that they depend on nothing else.
 */
#ifndef ENGINE_MODEL_ROPE_H
#define ENGINE_MODEL_ROPE_H

#include <stdint.h>

/* frequencies: [n_rotary / 2] */
void rope_frequencies(uint32_t n_rotary, double base, double factor, double *frequencies);
/* cosine, sine: [n_positions][n_pairs] for positions first .. first + n_positions - 1 */
void rope_table(const double *frequencies, uint32_t n_pairs, uint32_t first,
                uint32_t n_positions, float *cosine, float *sine);

#endif
