/*
 * tile_neon.h - what the matrix kernels of the NEON level share; for *_neon.c only
 *
 * The 16 rows of a group are the lanes of four vectors, 4 rows in each.  A line of packed
 * weights has 4 columns of every row, and one sdot multiplies those of 4 rows by 4 activations
 * that it takes from a lane of a vector of 16.  sdot is signed times signed: values stored
 * + 128 get their sign bit flipped, the others are below 128.  Sums are int32 and exact; the
 * float steps are those of generic.c.
 *
 * A tile is up to 4 tokens: 16 sums, a line of weights and the activations fit the 32
 * registers.  Sums are named variables made by macros, as compilers like to keep arrays of them
 * in memory; the lane of an sdot must be a literal.
 */
#ifndef ENGINE_KERNELS_TILE_NEON_H
#define ENGINE_KERNELS_TILE_NEON_H

#include <arm_neon.h>

#include "engine/kernels/layout.h"

#define INLINE static inline __attribute__((always_inline))

#define TILE_1(F) F(0)
#define TILE_2(F) TILE_1(F) F(1)
#define TILE_3(F) TILE_2(F) F(2)
#define TILE_4(F) TILE_3(F) F(3)

enum {
    TILE_TOKENS = 4,
    PASS_TOKENS = 64 /* tokens of a pass over the weights */
};

/* One value of each of the 16 rows; a: rows 0 .. 3, and so on. */
struct rows_int {
    int32x4_t a, b, c, d;
};
struct rows_float {
    float32x4_t a, b, c, d;
};
/* A line: 4 columns of each of the 16 rows. */
struct rows_bytes {
    int8x16_t a, b, c, d;
};

#define DOT(t, lane)                                                                           \
    dot##t.a = vdotq_laneq_s32(dot##t.a, w.a, q##t, lane);                                     \
    dot##t.b = vdotq_laneq_s32(dot##t.b, w.b, q##t, lane);                                     \
    dot##t.c = vdotq_laneq_s32(dot##t.c, w.c, q##t, lane);                                     \
    dot##t.d = vdotq_laneq_s32(dot##t.d, w.d, q##t, lane);
#define DOT_0(t) DOT(t, 0)
#define DOT_1(t) DOT(t, 1)
#define DOT_2(t) DOT(t, 2)
#define DOT_3(t) DOT(t, 3)
/* One line of weights times 4 columns: lane `lane` of the activations q0, q1, ... */
#define LINE_DOTS(N, lane, line)                                                               \
    {                                                                                          \
        struct rows_bytes w = line;                                                            \
        TILE_##N(DOT_##lane)                                                                   \
    }

INLINE struct rows_int spread(int32_t value)
{
    int32x4_t all = vdupq_n_s32(value);

    return (struct rows_int){all, all, all, all};
}

INLINE struct rows_float load_rows(const float *p)
{
    return (struct rows_float){vld1q_f32(p), vld1q_f32(p + 4), vld1q_f32(p + 8),
                               vld1q_f32(p + 12)};
}

INLINE void store_rows(float *p, struct rows_float rows)
{
    vst1q_f32(p, rows.a);
    vst1q_f32(p + 4, rows.b);
    vst1q_f32(p + 8, rows.c);
    vst1q_f32(p + 12, rows.d);
}

/* Four halves; exact, and in every armv8 processor. */
INLINE float32x4_t halves(uint16x4_t bits)
{
    return vcvt_f32_f16(vreinterpret_f16_u16(bits));
}

/* sums: [token][16] to the rows of a group that exist */
static inline void store_sums(const struct weight *weight, uint32_t group, const float *sums,
                              uint32_t n_tokens, float *out, size_t out_stride)
{
    uint32_t n = weight->n_rows - group * GROUP_ROWS;

    n = n < GROUP_ROWS ? n : GROUP_ROWS;
    out += (size_t)group * GROUP_ROWS;
    for (uint32_t t = 0; t < n_tokens; t++)
        memcpy(out + t * out_stride, sums + GROUP_ROWS * t, n * sizeof *sums);
}

void kquant_matmul_neon(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                        const struct activation_256 *x, uint32_t n_tokens, float *out,
                        size_t out_stride);

#endif
