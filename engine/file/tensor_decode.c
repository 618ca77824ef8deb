/*
 * tensor_decode.c - from blocks to f32: the values that a file defines
 *
 * Every other form of the weights (packed, multiplied with int8 activations) is measured
 * against these values, so the order of roundings is part of the definition and is written at
 * each type. In short: scales are halves (11 significant bits), so that scale * integer is
 * exact in f32 in every format here; a type rounds once for each element if it adds a minimum,
 * never otherwise.
 *
 * Source of the layouts: GGUF specification; qwen35 fact sheet, section 5.
 */
#include "engine/file/tensor_type.h"

#include <string.h>

static uint16_t load_u16(const uint8_t *bytes)
{
    return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static uint32_t load_u32(const uint8_t *bytes)
{
    return load_u16(bytes) | (uint32_t)load_u16(bytes + 2) << 16;
}

static void decode_f16(const uint8_t *row, float *out, size_t n_elements)
{
    for (size_t i = 0; i < n_elements; i++)
        out[i] = half_to_float(load_u16(row + 2 * i));
}

static void decode_bf16(const uint8_t *row, float *out, size_t n_elements)
{
    for (size_t i = 0; i < n_elements; i++)
        out[i] = bfloat16_to_float(load_u16(row + 2 * i));
}

/* half d; i8 q[32].  x = d * q, exact (11 + 8 bits). */
static void decode_q8_0(const uint8_t *block, float *out)
{
    float scale = half_to_float(load_u16(block));

    for (size_t i = 0; i < 32; i++)
        out[i] = scale * (float)(int8_t)block[2 + i];
}

/* half d; nibbles[16]: low half of the block in the low nibbles.  x = d * (n - 8), exact. */
static void decode_q4_0(const uint8_t *block, float *out)
{
    float scale = half_to_float(load_u16(block));

    for (size_t i = 0; i < 16; i++) {
        out[i] = scale * (float)((block[2 + i] & 15) - 8);
        out[i + 16] = scale * (float)((block[2 + i] >> 4) - 8);
    }
}

/* half d, m; nibbles[16].  x = d * n + m: the product is exact, the sum rounds. */
static void decode_q4_1(const uint8_t *block, float *out)
{
    float scale = half_to_float(load_u16(block));
    float minimum = half_to_float(load_u16(block + 2));

    for (size_t i = 0; i < 16; i++) {
        out[i] = scale * (float)(block[4 + i] & 15) + minimum;
        out[i + 16] = scale * (float)(block[4 + i] >> 4) + minimum;
    }
}

/* half d; u32 fifth bits, bit i of element i; nibbles[16].  x = d * (n - 16), exact. */
static void decode_q5_0(const uint8_t *block, float *out)
{
    float scale = half_to_float(load_u16(block));
    uint32_t high = load_u32(block + 2);

    for (size_t i = 0; i < 16; i++) {
        int low = (block[6 + i] & 15) | (int)((high >> i & 1u) << 4);
        int upper = block[6 + i] >> 4 | (int)((high >> (i + 16) & 1u) << 4);
        out[i] = scale * (float)(low - 16);
        out[i + 16] = scale * (float)(upper - 16);
    }
}

/* half d, m; u32 fifth bits; nibbles[16].  x = d * n + m: exact product, the sum rounds. */
static void decode_q5_1(const uint8_t *block, float *out)
{
    float scale = half_to_float(load_u16(block));
    float minimum = half_to_float(load_u16(block + 2));
    uint32_t high = load_u32(block + 4);

    for (size_t i = 0; i < 16; i++) {
        int low = (block[8 + i] & 15) | (int)((high >> i & 1u) << 4);
        int upper = block[8 + i] >> 4 | (int)((high >> (i + 16) & 1u) << 4);
        out[i] = scale * (float)low + minimum;
        out[i + 16] = scale * (float)upper + minimum;
    }
}

/* The 6-bit scale s and minimum m of sub-block index of Q4_K and Q5_K, from their 12 bytes. */
static void k_scale_and_minimum(const uint8_t *packed, size_t index, int *scale, int *minimum)
{
    if (index < 4) {
        *scale = packed[index] & 63;
        *minimum = packed[index + 4] & 63;
    } else {
        *scale = (packed[index + 4] & 15) | (packed[index - 4] >> 6) << 4;
        *minimum = packed[index + 4] >> 4 | (packed[index] >> 6) << 4;
    }
}

/*
 * half d, dmin; 12 bytes of scales; nibbles[128]: 8 sub-blocks of 32 in pairs, the first of a
 * pair in the low nibbles.  x = (d * s) * n - (dmin * m): d * s * n has 11 + 6 + 4 bits and
 * dmin * m 17, both exact; the difference rounds once.
 */
static void decode_q4_k(const uint8_t *block, float *out)
{
    float d = half_to_float(load_u16(block));
    float d_minimum = half_to_float(load_u16(block + 2));
    const uint8_t *nibbles = block + 16;

    for (size_t b = 0; b < 8; b++) {
        int scale, minimum;
        unsigned shift = b % 2 ? 4 : 0;
        k_scale_and_minimum(block + 4, b, &scale, &minimum);
        float factor = d * (float)scale;
        float offset = d_minimum * (float)minimum;
        for (size_t i = 0; i < 32; i++) {
            int n = nibbles[32 * (b / 2) + i] >> shift & 15;
            out[32 * b + i] = factor * (float)n - offset;
        }
    }
}

/*
 * As Q4_K with a fifth bit: bit b of high[i] belongs to element i of sub-block b.
 * x = (d * s) * n - (dmin * m): 11 + 6 + 5 bits, exact; the difference rounds once.
 */
static void decode_q5_k(const uint8_t *block, float *out)
{
    float d = half_to_float(load_u16(block));
    float d_minimum = half_to_float(load_u16(block + 2));
    const uint8_t *high = block + 16;
    const uint8_t *nibbles = block + 48;

    for (size_t b = 0; b < 8; b++) {
        int scale, minimum;
        unsigned shift = b % 2 ? 4 : 0;
        k_scale_and_minimum(block + 4, b, &scale, &minimum);
        float factor = d * (float)scale;
        float offset = d_minimum * (float)minimum;
        for (size_t i = 0; i < 32; i++) {
            int n = (nibbles[32 * (b / 2) + i] >> shift & 15) | (high[i] >> b & 1) << 4;
            out[32 * b + i] = factor * (float)n - offset;
        }
    }
}

/*
 * low[128], high[64], i8 scale[16], half d at the end.  Each half of 128 elements has four runs
 * of 32: run r takes its low nibble from low[32 * (r % 2) + i], the lower one for r < 2, and
 * its two high bits from bits 2r of high[i].  x = (d * s) * (v - 32): 11 + 7 + 6 bits, exact.
 */
static void decode_q6_k(const uint8_t *block, float *out)
{
    float d = half_to_float(load_u16(block + 208));

    for (size_t half = 0; half < 2; half++) {
        const uint8_t *low = block + 64 * half;
        const uint8_t *high = block + 128 + 32 * half;
        const uint8_t *scales = block + 192 + 8 * half;
        for (size_t run = 0; run < 4; run++) {
            for (size_t i = 0; i < 32; i++) {
                int v = (low[32 * (run % 2) + i] >> (run < 2 ? 0 : 4) & 15) |
                        (high[i] >> 2 * run & 3) << 4;
                float factor = d * (float)(int8_t)scales[2 * run + i / 16];
                out[128 * half + 32 * run + i] = factor * (float)(v - 32);
            }
        }
    }
}

/* The sixteen levels of IQ4_NL and IQ4_XS; part of the format. */
static const int8_t iq4_levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                                      1,    13,   25,  38,  53,  69,  89,  113};

/* half d; nibbles[16] as in Q4_0.  x = d * level[n], exact (11 + 7 bits). */
static void decode_iq4_nl(const uint8_t *block, float *out)
{
    float scale = half_to_float(load_u16(block));

    for (size_t i = 0; i < 16; i++) {
        out[i] = scale * (float)iq4_levels[block[2 + i] & 15];
        out[i + 16] = scale * (float)iq4_levels[block[2 + i] >> 4];
    }
}

/*
 * half d; u16 high bits of the scales; u8 low bits [4]; nibbles[128], 16 bytes for each
 * sub-block. x = (d * (s - 32)) * level[n]: 11 + 6 + 7 bits, exact.
 */
static void decode_iq4_xs(const uint8_t *block, float *out)
{
    float d = half_to_float(load_u16(block));
    unsigned scales_high = load_u16(block + 2);

    for (size_t b = 0; b < 8; b++) {
        unsigned low = block[4 + b / 2] >> 4 * (b % 2) & 15u;
        int scale = (int)(low | (scales_high >> 2 * b & 3u) << 4) - 32;
        float factor = d * (float)scale;
        const uint8_t *nibbles = block + 8 + 16 * b;
        for (size_t i = 0; i < 16; i++) {
            out[32 * b + i] = factor * (float)iq4_levels[nibbles[i] & 15];
            out[32 * b + i + 16] = factor * (float)iq4_levels[nibbles[i] >> 4];
        }
    }
}

static void decode_blocks(enum tensor_type type, void (*decode)(const uint8_t *, float *),
                          const uint8_t *row, float *out, size_t n_elements)
{
    const struct tensor_type_info *info = tensor_type_info(type);

    for (size_t done = 0; done < n_elements; done += info->block_elements) {
        decode(row, out + done);
        row += info->block_bytes;
    }
}

void tensor_row_decode(enum tensor_type type, const void *row, float *out, size_t n_elements)
{
    switch (type) {
    case TENSOR_F32: memcpy(out, row, n_elements * sizeof *out); break;
    case TENSOR_F16: decode_f16(row, out, n_elements); break;
    case TENSOR_BF16: decode_bf16(row, out, n_elements); break;
    case TENSOR_Q8_0: decode_blocks(type, decode_q8_0, row, out, n_elements); break;
    case TENSOR_Q4_0: decode_blocks(type, decode_q4_0, row, out, n_elements); break;
    case TENSOR_Q4_1: decode_blocks(type, decode_q4_1, row, out, n_elements); break;
    case TENSOR_Q5_0: decode_blocks(type, decode_q5_0, row, out, n_elements); break;
    case TENSOR_Q5_1: decode_blocks(type, decode_q5_1, row, out, n_elements); break;
    case TENSOR_Q4_K: decode_blocks(type, decode_q4_k, row, out, n_elements); break;
    case TENSOR_Q5_K: decode_blocks(type, decode_q5_k, row, out, n_elements); break;
    case TENSOR_Q6_K: decode_blocks(type, decode_q6_k, row, out, n_elements); break;
    case TENSOR_IQ4_NL: decode_blocks(type, decode_iq4_nl, row, out, n_elements); break;
    case TENSOR_IQ4_XS: decode_blocks(type, decode_iq4_xs, row, out, n_elements); break;
    default: break; /* not computable: the caller has asked tensor_type_info() */
    }
}
