/*
 * matmul_neon.c - weights times activations with NEON: blocks of 32, and floats
 *
 * See tile_neon.h for the idea and kquant_neon.c for blocks of 256.
 */
#include "engine/kernels/tile_neon.h"

/* Blocks of 32 ----------------------------------------------------------- */

enum block_kind { KIND_Q8, KIND_MINIMUM };

INLINE struct rows_bytes block_line(const uint8_t *p, const enum block_kind kind)
{
    uint8x16_t flip = vdupq_n_u8(kind == KIND_Q8 ? 0x80 : 0);

    return (struct rows_bytes){vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p), flip)),
                               vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p + 16), flip)),
                               vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p + 32), flip)),
                               vreinterpretq_s8_u8(veorq_u8(vld1q_u8(p + 48), flip))};
}

INLINE struct rows_float block_scales(const uint8_t *p)
{
    const uint16_t *bits = (const uint16_t *)(const void *)p;

    return (struct rows_float){halves(vld1_u16(bits)), halves(vld1_u16(bits + 4)),
                               halves(vld1_u16(bits + 8)), halves(vld1_u16(bits + 12))};
}

/* The float steps of one block for four rows */
INLINE float32x4_t fold(float32x4_t sum, int32x4_t dot, float32x4_t d, float32x4_t m,
                        const struct activation_32 *x, const enum block_kind kind)
{
    sum = vfmaq_f32(sum, vcvtq_f32_s32(dot), vmulq_n_f32(d, x->scale));
    if (kind == KIND_MINIMUM)
        sum = vfmaq_f32(sum, vdupq_n_f32((float)(x->offset / -128)), vmulq_n_f32(m, x->scale));
    return sum;
}

#define BLOCK_START(t) struct rows_int dot##t = spread(0);
#define BLOCK_LOAD(t)  int8x16_t q##t = vld1q_s8(x[t].q + 16 * half);
#define BLOCK_FOLD(t)                                                                          \
    {                                                                                          \
        struct rows_float sum = load_rows(sums + GROUP_ROWS * t);                              \
        sum.a = fold(sum.a, dot##t.a, d.a, m.a, &x[t], kind);                                  \
        sum.b = fold(sum.b, dot##t.b, d.b, m.b, &x[t], kind);                                  \
        sum.c = fold(sum.c, dot##t.c, d.c, m.c, &x[t], kind);                                  \
        sum.d = fold(sum.d, dot##t.d, d.d, m.d, &x[t], kind);                                  \
        store_rows(sums + GROUP_ROWS * t, sum);                                                \
    }
/* sums: [N][16]; x: [block][n_tokens] */
#define BLOCK_TILE(N)                                                                          \
    INLINE void block_tile_##N(const uint8_t *group, uint32_t n_blocks,                        \
                               const struct activation_32 *x, uint32_t n_tokens, float *sums,  \
                               const enum block_kind kind)                                     \
    {                                                                                          \
        for (uint32_t b = 0; b < n_blocks; b++, x += n_tokens) {                               \
            const uint8_t *scales, *values;                                                    \
            if (kind == KIND_Q8) {                                                             \
                const uint8_t *pair = group + (size_t)(b / 2) * PACKED_Q8_PAIR;                \
                scales = pair + 32 * (b % 2);                                                  \
                values = pair + 64 + 512 * (b % 2);                                            \
            } else {                                                                           \
                scales = group + (size_t)b * PACKED_MIN_BLOCK;                                 \
                values = scales + 64;                                                          \
            }                                                                                  \
            TILE_##N(BLOCK_START);                                                             \
            for (int half = 0; half < 2; half++, values += 256) {                              \
                TILE_##N(BLOCK_LOAD);                                                          \
                LINE_DOTS(N, 0, block_line(values, kind))                                      \
                LINE_DOTS(N, 1, block_line(values + 64, kind))                                 \
                LINE_DOTS(N, 2, block_line(values + 128, kind))                                \
                LINE_DOTS(N, 3, block_line(values + 192, kind))                                \
            }                                                                                  \
            struct rows_float d = block_scales(scales), m = d;                                 \
            if (kind == KIND_MINIMUM)                                                          \
                m = block_scales(scales + 32);                                                 \
            TILE_##N(BLOCK_FOLD);                                                              \
        }                                                                                      \
    }

BLOCK_TILE(1)
BLOCK_TILE(2)
BLOCK_TILE(3)
BLOCK_TILE(4)

#define BLOCK_TILES(name, kind)                                                                \
    static void name(const uint8_t *group, uint32_t n_blocks, const struct activation_32 *x,   \
                     uint32_t n_now, uint32_t n_tokens, float *sums)                           \
    {                                                                                          \
        switch (n_now) {                                                                       \
        case 1: block_tile_1(group, n_blocks, x, n_tokens, sums, kind); break;                 \
        case 2: block_tile_2(group, n_blocks, x, n_tokens, sums, kind); break;                 \
        case 3: block_tile_3(group, n_blocks, x, n_tokens, sums, kind); break;                 \
        default: block_tile_4(group, n_blocks, x, n_tokens, sums, kind); break;                \
        }                                                                                      \
    }

BLOCK_TILES(q8_tile, KIND_Q8)
BLOCK_TILES(minimum_tile, KIND_MINIMUM)

/* n_now tokens from x on, of n_tokens, against one group, in pieces that stay in L1 */
static void block_pass(const struct weight *weight, const uint8_t *group,
                       const struct activation_32 *x, uint32_t n_now, uint32_t n_tokens,
                       float *sums)
{
    enum { PIECE = 16 /* blocks */ };
    bool minimum = weight->type == TENSOR_Q4_1 || weight->type == TENSOR_Q5_1;
    uint32_t n_blocks = weight->n_columns / 32;

    memset(sums, 0, n_now * GROUP_ROWS * sizeof *sums);
    for (uint32_t b = 0; b < n_blocks; b += PIECE) {
        uint32_t count = n_blocks - b < PIECE ? n_blocks - b : PIECE;
        for (uint32_t t = 0; t < n_now; t += TILE_TOKENS) {
            uint32_t n = n_now - t < TILE_TOKENS ? n_now - t : TILE_TOKENS;
            const struct activation_32 *at = x + (size_t)b * n_tokens + t;
            float *to = sums + GROUP_ROWS * t;
            if (minimum)
                minimum_tile(group + (size_t)b * PACKED_MIN_BLOCK, count, at, n, n_tokens, to);
            else
                q8_tile(group + (size_t)(b / 2) * PACKED_Q8_PAIR, count, at, n, n_tokens, to);
        }
    }
}

static void block_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                         const struct activation_32 *x, uint32_t n_tokens, float *out,
                         size_t out_stride)
{
    float sums[PASS_TOKENS * GROUP_ROWS];
    size_t group_bytes = kernels_group_bytes(weight->type, weight->n_columns);

    for (uint32_t t = 0; t < n_tokens; t += PASS_TOKENS) {
        uint32_t n = n_tokens - t < PASS_TOKENS ? n_tokens - t : PASS_TOKENS;
        for (uint32_t g = first_group; g < first_group + n_groups; g++) {
            block_pass(weight, (const uint8_t *)weight->packed + g * group_bytes, x + t, n,
                       n_tokens, sums);
            store_sums(weight, g, sums, n, out + t * out_stride, out_stride);
        }
    }
}

/* F32, F16, BF16: four chains over the columns modulo 4 ------------------- */

/* 4 rows of a column; p: the first of them */
INLINE float32x4_t values_read(const uint8_t *p, const enum tensor_type type)
{
    if (type == TENSOR_F32)
        return vld1q_f32((const float *)(const void *)p);
    uint16x4_t bits = vld1_u16((const uint16_t *)(const void *)p);
    if (type == TENSOR_F16)
        return halves(bits);
    return vreinterpretq_f32_u32(vshll_n_u16(bits, 16));
}

/* 8 rows, `low` and `high`, of two tokens, a and b; chain c takes the columns c modulo 4 */
#define CHAIN_START(c)                                                                         \
    float32x4_t a_low##c = zero, a_high##c = zero, b_low##c = zero, b_high##c = zero;
#define CHAIN_STEP(c)                                                                          \
    {                                                                                          \
        const uint8_t *p = rows + (k + c) * step;                                              \
        float32x4_t low = values_read(p, type), high = values_read(p + step / 4, type);        \
        a_low##c = vfmaq_n_f32(a_low##c, low, x[k + c]);                                       \
        a_high##c = vfmaq_n_f32(a_high##c, high, x[k + c]);                                    \
        b_low##c = vfmaq_n_f32(b_low##c, low, x_b[k + c]);                                     \
        b_high##c = vfmaq_n_f32(b_high##c, high, x_b[k + c]);                                  \
    }
#define CHAIN_REST(c)                                                                          \
    if (k + c < n_columns)                                                                     \
    CHAIN_STEP(c)
#define CHAIN_SUM(name) vaddq_f32(vaddq_f32(name##0, name##1), vaddq_f32(name##2, name##3))

/* 8 rows of a group times one or two tokens; sums: [token][16] */
INLINE void float_tile(const uint8_t *rows, uint32_t n_columns, const float *x,
                       const float *x_b, float *sums, float *sums_b,
                       const enum tensor_type type)
{
    const size_t step = type == TENSOR_F32 ? 64 : 32; /* bytes between columns */
    const float32x4_t zero = vdupq_n_f32(0);
    uint32_t k = 0;

    TILE_4(CHAIN_START);
    for (; k + 4 <= n_columns; k += 4) {
        TILE_4(CHAIN_STEP);
    }
    TILE_3(CHAIN_REST);
    vst1q_f32(sums, CHAIN_SUM(a_low));
    vst1q_f32(sums + 4, CHAIN_SUM(a_high));
    vst1q_f32(sums_b, CHAIN_SUM(b_low));
    vst1q_f32(sums_b + 4, CHAIN_SUM(b_high));
}

static void float_group(const struct weight *weight, const uint8_t *group, const float *x,
                        const float *x_b, float *sums, float *sums_b)
{
    uint32_t n = weight->n_columns;

    for (uint32_t row = 0; row < GROUP_ROWS; row += 8, sums += 8, sums_b += 8) {
        switch (weight->type) {
        case TENSOR_F32:
            float_tile(group + 4 * row, n, x, x_b, sums, sums_b, TENSOR_F32);
            break;
        case TENSOR_F16:
            float_tile(group + 2 * row, n, x, x_b, sums, sums_b, TENSOR_F16);
            break;
        default: float_tile(group + 2 * row, n, x, x_b, sums, sums_b, TENSOR_BF16); break;
        }
    }
}

static void float_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                         const float *x, uint32_t n_tokens, float *out, size_t out_stride)
{
    float sums[2 * GROUP_ROWS];
    size_t group_bytes = kernels_group_bytes(weight->type, weight->n_columns);
    size_t stride = activation_f32_stride(weight->n_columns);

    for (uint32_t g = first_group; g < first_group + n_groups; g++) {
        const uint8_t *group = (const uint8_t *)weight->packed + g * group_bytes;
        for (uint32_t t = 0; t < n_tokens; t += 2) {
            uint32_t n = n_tokens - t < 2 ? 1 : 2;
            const float *at = x + t * stride;
            /* a lone token is computed twice, into the same place */
            float_group(weight, group, at, n == 2 ? at + stride : at, sums,
                        n == 2 ? sums + GROUP_ROWS : sums);
            store_sums(weight, g, sums, n, out + t * out_stride, out_stride);
        }
    }
}

void neon_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                 const void *x, uint32_t n_tokens, float *out, size_t out_stride)
{
    switch (weight->type) {
    case TENSOR_Q8_0:
    case TENSOR_Q4_0:
    case TENSOR_Q5_0:
    case TENSOR_IQ4_NL:
    case TENSOR_Q4_1:
    case TENSOR_Q5_1:
        block_matmul(weight, first_group, n_groups, x, n_tokens, out, out_stride);
        break;
    case TENSOR_F32:
    case TENSOR_F16:
    case TENSOR_BF16:
        float_matmul(weight, first_group, n_groups, x, n_tokens, out, out_stride);
        break;
    default:
        kquant_matmul_neon(weight, first_group, n_groups, x, n_tokens, out, out_stride);
        break;
    }
}
