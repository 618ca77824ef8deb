/*
 * layout.h - how the kernels store activations and packed weights; private to engine/kernels
 *
 * Activations.  Blocks of one column range are neighbours over the rows: element
 * [block][row], so that a tile of rows reads one contiguous piece per block whatever their number.
 *
 * Packed weights.  A group holds GROUP_ROWS = 16 output rows, transposed so that a 64-byte line has
 * 4 bytes of each row: the rows are the lanes of a vector, and one broadcast of 4 activations
 * feeds 16 dot products.  Values are stored unsigned where the instruction wants them so; the
 * offset is given back through precomputed sums of the activations, in exact integers.
 *
 *   Q8_0 (also Q4_0, Q5_0, IQ4_NL, exactly): two blocks of 32 columns at a time, PACKED_Q8_PAIR
 *     bytes: a line of 2 x 16 half scales, then 2 x 8 lines of values + 128.
 *   Q4_1, Q5_1: per block of 32: a line of 16 half scales and 16 half minima, 8 lines of values.
 *   Q4_K: per 256 columns the 36 words of the block of each row, transposed: d and dmin, 3 words of
 *     scales, 32 words of nibbles.
 *   Q5_K: the same, 44 words: d and dmin, 3 scales, 8 words of high bits, 32 of nibbles.
 *   Q6_K: per 256 columns: 4 lines of int8 scales, 16 x (two lines of low nibbles, one of high
 *     bits) in the order of use; at the end of the group half a line of half scales per block.
 *   IQ4_XS: per 256 columns 34 words: d and high scales, low scales, 32 words of nibbles.
 *   F32, F16, BF16: per column the 16 values of the rows.
 */
#ifndef ENGINE_KERNELS_LAYOUT_H
#define ENGINE_KERNELS_LAYOUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/math.h"

/* Raise it with every change of a packed layout: packed weights are kept on disk. */
enum { PACKED_LAYOUT_VERSION = 1 };

/* 32 columns of an activation row: x = scale * q. */
struct activation_32 {
    int8_t q[32];
    float scale;
    int32_t offset; /* -128 * sum of q: what values stored + 128 add too much */
};

/* 256 columns of an activation row. */
struct activation_256 {
    int8_t q[256];
    float scale;
    int32_t unused[3];
    int16_t sum32[8];     /* sums of q over 32 columns: minima of Q4_K, Q5_K */
    int32_t offset16[16]; /* -32 * sum over 16 columns: Q6_K values stored + 32 */
    int32_t offset32[8];  /* -128 * sum over 32 columns: IQ4_XS values stored + 128 */
};

enum {
    PACKED_Q8_PAIR = 64 + 2 * 512, /* 16 rows x 64 columns */
    PACKED_MIN_BLOCK = 64 + 512,   /* 16 rows x 32 columns of Q4_1, Q5_1 */
    PACKED_Q4_K = 36 * 64,         /* 16 rows x 256 columns each */
    PACKED_Q5_K = 44 * 64,
    PACKED_Q6_K = 4 * 64 + 16 * 192, /* and, after all blocks of the group: */
    PACKED_Q6_K_SCALES = 32,
    PACKED_IQ4_XS = 34 * 64
};

/* A smaller scale counts as zero: its inverse would overflow. */
#define SMALLEST_SCALE 0x1p-120f

/* The integers of one native block; what every int8 level multiplies, in whatever layout. */
struct block_32 {
    int8_t q[32];
    float scale;
    float minimum; /* x = scale * q + minimum */
};

struct block_256 {
    int8_t q[256];
    int32_t scale[16];  /* of 16 (Q6_K) or 32 (others, 8 used) columns */
    int32_t minimum[8]; /* Q4_K, Q5_K */
    float d;
    float d_minimum;
};

/* Types with blocks of 32: Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, IQ4_NL. */
void block_32_read(enum tensor_type type, const uint8_t *block, struct block_32 *out);
/* Q4_K, Q5_K, Q6_K, IQ4_XS. */
void block_256_read(enum tensor_type type, const uint8_t *block, struct block_256 *out);

/* Scale and minimum of sub-block b of the 12 bytes that Q4_K and Q5_K share. */
static inline void k_scale_read(const uint8_t *packed, int b, int32_t *scale, int32_t *minimum)
{
    if (b < 4) {
        *scale = packed[b] & 63;
        *minimum = packed[b + 4] & 63;
    } else {
        *scale = (packed[b + 4] & 15) | packed[b - 4] >> 6 << 4;
        *minimum = packed[b + 4] >> 4 | packed[b] >> 6 << 4;
    }
}

extern const int8_t iq4_values[16];

/* As half_to_float() of engine/file, but in line and without a branch for subnormals. */
static inline float layout_half(uint16_t half)
{
    float magnitude = math_float_of((uint32_t)(half & 0x7fff) << 13) * 0x1p112f;
    uint32_t bits = math_bits_of(magnitude);

    if ((half & 0x7c00) == 0x7c00)
        bits = 0x7f800000u | (uint32_t)(half & 0x3ff) << 13;
    return math_float_of(bits | (uint32_t)(half & 0x8000) << 16);
}

static inline uint16_t layout_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

/* Activation row strides: F32 rows are padded to whole lines. */
static inline size_t activation_f32_stride(uint32_t n_columns)
{
    return ((size_t)n_columns + 15) / 16 * 16;
}

/* Multiplies rows of native blocks; the definition.  See generic.c. */
void generic_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                    const void *activation, uint32_t n_tokens, float *out, size_t out_stride);
void generic_quantize(enum activation_form form, const float *x, size_t x_stride,
                      uint32_t n_columns, uint32_t first_row, uint32_t n_rows, uint32_t n_total,
                      void *activation);
/* The definition of the packed layouts; see pack.c. */
void generic_pack(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                  void *packed);
/* Writes every entry of the table; a level then replaces those that it does better. */
void generic_kernels(struct kernels *table);
/* The same with a matmul on F32 activations, in double. */
void reference_kernels(struct kernels *table);

/* The entries of logits.c, for every level. */
void logits_kernels(struct kernels *table);

#if defined(__x86_64__)
void avx2_kernels(struct kernels *table);
void avx2_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                 const void *x, uint32_t n_tokens, float *out, size_t out_stride);
void avx2_pack(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
               void *packed);
void avx512_kernels(struct kernels *table);
/* The entries of logits_avx2.c and logits_avx512.c, as those of logits.c. */
void logits_avx2_kernels(struct kernels *table);
void logits_avx512_kernels(struct kernels *table);
void avx512_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                   const void *x, uint32_t n_tokens, float *out, size_t out_stride);
#elif defined(__aarch64__)
void neon_kernels(struct kernels *table);
void neon_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                 const void *x, uint32_t n_tokens, float *out, size_t out_stride);
#endif

#endif
