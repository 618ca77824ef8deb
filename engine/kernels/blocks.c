/*
 * blocks.c - native blocks of the quantised types as integers and scales
 *
 * One reading of each format for the scalar kernels and for packing.  Formats: see
 * engine/file/tensor_type.h.
 */
#include "engine/kernels/layout.h"

const int8_t iq4_values[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                               1,    13,   25,  38,  53,  69,  89,  113};

/* 16 bytes: low nibbles are elements 0..15, high nibbles 16..31. */
static void read_nibbles(const uint8_t *bytes, int8_t *q)
{
    for (int i = 0; i < 16; i++) {
        q[i] = (int8_t)(bytes[i] & 15);
        q[i + 16] = (int8_t)(bytes[i] >> 4);
    }
}

/* A fifth bit for each of 32 elements. */
static void add_high_bits(const uint8_t *bytes, int8_t *q)
{
    for (int i = 0; i < 32; i++)
        q[i] = (int8_t)(q[i] | (bytes[i / 8] >> i % 8 & 1) << 4);
}

static void subtract(int8_t *q, int n, int value)
{
    for (int i = 0; i < n; i++)
        q[i] = (int8_t)(q[i] - value);
}

void block_32_read(enum tensor_type type, const uint8_t *block, struct block_32 *out)
{
    out->scale = layout_half(layout_u16(block));
    out->minimum = 0;
    switch (type) {
    case TENSOR_Q8_0: memcpy(out->q, block + 2, 32); break;
    case TENSOR_Q4_0:
        read_nibbles(block + 2, out->q);
        subtract(out->q, 32, 8);
        break;
    case TENSOR_Q4_1:
        out->minimum = layout_half(layout_u16(block + 2));
        read_nibbles(block + 4, out->q);
        break;
    case TENSOR_Q5_0:
        read_nibbles(block + 6, out->q);
        add_high_bits(block + 2, out->q);
        subtract(out->q, 32, 16);
        break;
    case TENSOR_Q5_1:
        out->minimum = layout_half(layout_u16(block + 2));
        read_nibbles(block + 8, out->q);
        add_high_bits(block + 4, out->q);
        break;
    default: /* IQ4_NL */
        read_nibbles(block + 2, out->q);
        for (int i = 0; i < 32; i++)
            out->q[i] = iq4_values[out->q[i]];
        break;
    }
}

/* Q4_K: 16 header bytes, nibbles.  Q5_K: 16 header bytes, 32 bytes of high bits, nibbles. */
static void read_q4_q5_k(const uint8_t *block, const uint8_t *high, const uint8_t *nibbles,
                         struct block_256 *out)
{
    out->d = layout_half(layout_u16(block));
    out->d_minimum = layout_half(layout_u16(block + 2));
    for (int b = 0; b < 8; b++) {
        k_scale_read(block + 4, b, &out->scale[b], &out->minimum[b]);
        for (int i = 0; i < 32; i++) {
            int value = nibbles[32 * (b / 2) + i] >> 4 * (b % 2) & 15;
            if (high)
                value |= (high[i] >> b & 1) << 4;
            out->q[32 * b + i] = (int8_t)value;
        }
    }
}

static void read_q6_k(const uint8_t *block, struct block_256 *out)
{
    out->d = layout_half(layout_u16(block + 208));
    for (int g = 0; g < 16; g++)
        out->scale[g] = (int8_t)block[192 + g];
    for (int i = 0; i < 256; i++) {
        int half = i / 128, quarter = i / 32 % 4, l = i % 32;
        int low = block[64 * half + 32 * (quarter % 2) + l] >> 4 * (quarter / 2) & 15;
        int high = block[128 + 32 * half + l] >> 2 * quarter & 3;
        out->q[i] = (int8_t)((low | high << 4) - 32);
    }
}

static void read_iq4_xs(const uint8_t *block, struct block_256 *out)
{
    uint16_t high = layout_u16(block + 2);

    out->d = layout_half(layout_u16(block));
    for (int b = 0; b < 8; b++) {
        int low = block[4 + b / 2] >> 4 * (b % 2) & 15;
        out->scale[b] = (low | (high >> 2 * b & 3) << 4) - 32;
        read_nibbles(block + 8 + 16 * b, out->q + 32 * b);
    }
    for (int i = 0; i < 256; i++)
        out->q[i] = iq4_values[out->q[i]];
}

void block_256_read(enum tensor_type type, const uint8_t *block, struct block_256 *out)
{
    out->d_minimum = 0;
    switch (type) {
    case TENSOR_Q4_K: read_q4_q5_k(block, NULL, block + 16, out); break;
    case TENSOR_Q5_K: read_q4_q5_k(block, block + 16, block + 48, out); break;
    case TENSOR_Q6_K: read_q6_k(block, out); break;
    default: read_iq4_xs(block, out); break;
    }
}
