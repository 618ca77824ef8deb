/*
 * kquant_neon.c - Q4_K, Q5_K, Q6_K and IQ4_XS with NEON; see tile_neon.h
 *
 * k_line() is the one reading of each packed format: a line of 4 columns of the 16 rows as
 * bytes.  Up to 4 tokens take their lines from it as they are needed, so that nothing but the
 * weights passes through memory; for more, a block of 256 columns is unpacked once, to 4 KiB
 * that stay in L1, and every tile of the pass reads it there.
 *
 * Values are below 64, or come signed from the table of IQ4_XS, so sdot takes them as they are;
 * that those of Q6_K are stored + 32 is given back by where their sums start.
 */
#include "engine/kernels/tile_neon.h"

enum k_kind { KIND_Q4_K, KIND_Q5_K, KIND_Q6_K, KIND_IQ4_XS };

/* What the 16 rows of a block have besides their values. */
struct k_header {
    int32_t scale[16][16];  /* [run of 16 (Q6_K) or 32 columns][row] */
    int16_t minimum[8][16]; /* Q4_K, Q5_K */
    float d[16];
    float d_minimum[16];
};

/* Headers ---------------------------------------------------------------- */

INLINE uint32x4_t load_words(const uint8_t *p)
{
    return vreinterpretq_u32_u8(vld1q_u8(p));
}

/* words >> n, n from 0 to 31, then the bits of the mask */
INLINE uint32x4_t bits_of(uint32x4_t words, int n, uint32_t mask)
{
    return vandq_u32(vshlq_u32(words, vdupq_n_s32(-n)), vdupq_n_u32(mask));
}

/* Rows row .. row + 3 of the header that Q4_K and Q5_K share */
INLINE void read_k_header(const uint8_t *block, int row, struct k_header *header)
{
    const uint32x4_t six = vdupq_n_u32(0x3f3f3f3f), four = vdupq_n_u32(0x0f0f0f0f);
    const uint32x4_t top = vdupq_n_u32(0x30303030);
    const uint8_t *p = block + 4 * row;
    uint32x4_t head = load_words(p), w0 = load_words(p + 64), w1 = load_words(p + 128);
    uint32x4_t w2 = load_words(p + 192);
    uint32x4_t scale[2] = {
        vandq_u32(w0, six),
        vorrq_u32(vandq_u32(w2, four), vandq_u32(vshrq_n_u32(w0, 2), top)),
    };
    uint32x4_t minimum[2] = {
        vandq_u32(w1, six),
        vorrq_u32(vandq_u32(vshrq_n_u32(w2, 4), four), vandq_u32(vshrq_n_u32(w1, 2), top)),
    };

    vst1q_f32(header->d + row, halves(vmovn_u32(head)));
    vst1q_f32(header->d_minimum + row, halves(vshrn_n_u32(head, 16)));
    for (int b = 0; b < 8; b++) {
        uint32x4_t s = bits_of(scale[b / 4], 8 * (b % 4), 0xff);
        uint32x4_t m = bits_of(minimum[b / 4], 8 * (b % 4), 0xff);
        vst1q_s32(header->scale[b] + row, vreinterpretq_s32_u32(s));
        vst1_s16(header->minimum[b] + row, vreinterpret_s16_u16(vmovn_u32(m)));
    }
}

/* d: the half scales of the block, which are at the end of the group */
INLINE void read_q6_k_header(const uint8_t *block, const uint8_t *d, int row,
                             struct k_header *header)
{
    for (int w = 0; w < 4; w++) {
        int32x4_t words = vreinterpretq_s32_u32(load_words(block + 64 * w + 4 * row));
        for (int i = 0; i < 4; i++) {
            int32x4_t top = vshlq_s32(words, vdupq_n_s32(24 - 8 * i));
            vst1q_s32(header->scale[4 * w + i] + row, vshrq_n_s32(top, 24));
        }
    }
    vst1q_f32(header->d + row, halves(vreinterpret_u16_u8(vld1_u8(d + 2 * row))));
}

INLINE void read_iq4_xs_header(const uint8_t *block, int row, struct k_header *header)
{
    uint32x4_t head = load_words(block + 4 * row), low = load_words(block + 64 + 4 * row);
    uint32x4_t high = vshrq_n_u32(head, 16);

    vst1q_f32(header->d + row, halves(vmovn_u32(head)));
    for (int b = 0; b < 8; b++) {
        uint32x4_t scale =
            vorrq_u32(bits_of(low, 4 * b, 15), vshlq_n_u32(bits_of(high, 2 * b, 3), 4));
        vst1q_s32(header->scale[b] + row,
                  vsubq_s32(vreinterpretq_s32_u32(scale), vdupq_n_s32(32)));
    }
}

static void read_header(enum tensor_type type, const uint8_t *block, const uint8_t *d,
                        struct k_header *header)
{
    for (int row = 0; row < GROUP_ROWS; row += 4) {
        switch (type) {
        case TENSOR_Q6_K: read_q6_k_header(block, d, row, header); break;
        case TENSOR_IQ4_XS: read_iq4_xs_header(block, row, header); break;
        default: read_k_header(block, row, header); break;
        }
    }
}

/* Values ----------------------------------------------------------------- */

/* The bits of v moved by n places, to the left if n is positive */
INLINE uint8x16_t moved(uint8x16_t v, int n, uint8_t mask)
{
    return vandq_u8(vshlq_u8(v, vdupq_n_s8((int8_t)n)), vdupq_n_u8(mask));
}

INLINE uint8x16_t nibbles(uint8x16_t v, const bool high)
{
    return high ? vshrq_n_u8(v, 4) : vandq_u8(v, vdupq_n_u8(15));
}

/*
 * 4 rows of line k, 0 .. 7, of a run of 32 columns: the even or odd one of pair number `pair`.
 * block: the packed block, at the first of the 4 rows.
 */
INLINE int8x16_t k_rows(const uint8_t *block, int pair, const bool odd, const int k,
                        const enum k_kind kind)
{
    uint8x16_t value, high;

    switch (kind) {
    case KIND_Q4_K: value = nibbles(vld1q_u8(block + 256 + 512 * pair + 64 * k), odd); break;
    case KIND_Q5_K:
        high = vld1q_u8(block + 256 + 64 * k);
        value = nibbles(vld1q_u8(block + 768 + 512 * pair + 64 * k), odd);
        value = vorrq_u8(value, moved(high, 4 - (2 * pair + odd), 0x10));
        break;
    case KIND_Q6_K: /* pairs 0 and 1 share their bytes, and so do 2 and 3 */
        block += 256 + 192 * (8 * (pair / 2) + k);
        high = vld1q_u8(block + 128);
        value = moved(vld1q_u8(block + 64 * odd), -4 * (pair % 2), 0x0f);
        value = vorrq_u8(value, moved(high, 4 - 2 * (2 * (pair % 2) + odd), 0x30));
        break;
    default: /* IQ4_XS */
        value = vld1q_u8(block + 128 + 256 * (2 * pair + odd) + 64 * (k % 4));
        return vqtbl1q_s8(vld1q_s8(iq4_values), nibbles(value, k / 4));
    }
    return vreinterpretq_s8_u8(value);
}

/* unpacked: [64 lines][64 bytes]; NULL: the line comes from the packed block */
INLINE struct rows_bytes k_line(const uint8_t *block, const int8_t *unpacked, int pair,
                                const bool odd, const int k, const enum k_kind kind)
{
    if (unpacked) {
        const int8_t *line = unpacked + 64 * (16 * pair + 8 * odd + k);
        return (struct rows_bytes){vld1q_s8(line), vld1q_s8(line + 16), vld1q_s8(line + 32),
                                   vld1q_s8(line + 48)};
    }
    return (struct rows_bytes){
        k_rows(block, pair, odd, k, kind),
        k_rows(block + 16, pair, odd, k, kind),
        k_rows(block + 32, pair, odd, k, kind),
        k_rows(block + 48, pair, odd, k, kind),
    };
}

INLINE void unpack(const uint8_t *block, int8_t *unpacked, const enum k_kind kind)
{
    for (int pair = 0; pair < 4; pair++) {
        _Pragma("GCC unroll 16") for (int i = 0; i < 16; i++)
        {
            struct rows_bytes w = k_line(block, NULL, pair, i / 8, i % 8, kind);
            int8_t *line = unpacked + 64 * (16 * pair + i);
            vst1q_s8(line, w.a);
            vst1q_s8(line + 16, w.b);
            vst1q_s8(line + 32, w.c);
            vst1q_s8(line + 48, w.d);
        }
    }
}

/* Tiles ------------------------------------------------------------------ */

/* sum of minimum * sum of activations over the 8 runs of 32 columns, for 4 rows */
INLINE int32x4_t minima(const struct k_header *header, int row, const struct activation_256 *x)
{
    int16x8_t sums = vld1q_s16(x->sum32);
    int32x4_t total = vmull_laneq_s16(vld1_s16(header->minimum[0] + row), sums, 0);

#define ADD_MINIMUM(b)                                                                         \
    total = vmlal_laneq_s16(total, vld1_s16(header->minimum[b] + row), sums, b)
    ADD_MINIMUM(1);
    ADD_MINIMUM(2);
    ADD_MINIMUM(3);
    ADD_MINIMUM(4);
    ADD_MINIMUM(5);
    ADD_MINIMUM(6);
    ADD_MINIMUM(7);
#undef ADD_MINIMUM
    return total;
}

/* The float steps of a block; scaled, sums: [16] */
INLINE void finish(const struct k_header *header, const int32_t *scaled,
                   const struct activation_256 *x, float *sums, const bool has_minimum)
{
    for (int row = 0; row < GROUP_ROWS; row += 4) {
        float32x4_t value =
            vmulq_f32(vcvtq_f32_s32(vld1q_s32(scaled + row)), vld1q_f32(header->d + row));
        if (has_minimum)
            value = vfmsq_f32(value, vcvtq_f32_s32(minima(header, row, x)),
                              vld1q_f32(header->d_minimum + row));
        vst1q_f32(sums + row, vfmaq_n_f32(vld1q_f32(sums + row), value, x->scale));
    }
}

INLINE void add_scaled(int32_t *scaled, struct rows_int dot, const int32_t *scale)
{
    vst1q_s32(scaled, vmlaq_s32(vld1q_s32(scaled), dot.a, vld1q_s32(scale)));
    vst1q_s32(scaled + 4, vmlaq_s32(vld1q_s32(scaled + 4), dot.b, vld1q_s32(scale + 4)));
    vst1q_s32(scaled + 8, vmlaq_s32(vld1q_s32(scaled + 8), dot.c, vld1q_s32(scale + 8)));
    vst1q_s32(scaled + 12, vmlaq_s32(vld1q_s32(scaled + 12), dot.d, vld1q_s32(scale + 12)));
}

/* Sums start at what the + 32 of stored values adds too much. */
#define K_START(t)  struct rows_int dot##t = spread(kind == KIND_Q6_K ? x[t].offset16[run] : 0);
#define K_LOAD(t)   int8x16_t q##t = vld1q_s8(x[t].q + 64 * pair + 32 * odd + 16 * half);
#define K_SCALE(t)  add_scaled(scaled[t], dot##t, header->scale[run]);
#define K_FINISH(t) finish(header, scaled[t], &x[t], sums + GROUP_ROWS * t, has_minimum);
/* 16 columns: half of a run of 32 */
#define K_DOTS(N, half_of_run)                                                                 \
    {                                                                                          \
        const int half = half_of_run;                                                          \
        TILE_##N(K_LOAD);                                                                      \
        LINE_DOTS(N, 0, k_line(block, unpacked, pair, odd, 4 * half, kind))                    \
        LINE_DOTS(N, 1, k_line(block, unpacked, pair, odd, 4 * half + 1, kind))                \
        LINE_DOTS(N, 2, k_line(block, unpacked, pair, odd, 4 * half + 2, kind))                \
        LINE_DOTS(N, 3, k_line(block, unpacked, pair, odd, 4 * half + 3, kind))                \
    }
/* 32 columns; each half of them has a scale of its own in Q6_K */
#define K_RUN(N, is_odd)                                                                       \
    {                                                                                          \
        const bool odd = is_odd;                                                               \
        if (kind == KIND_Q6_K) {                                                               \
            int run = 4 * pair + 2 * odd;                                                      \
            {                                                                                  \
                TILE_##N(K_START);                                                             \
                K_DOTS(N, 0)                                                                   \
                TILE_##N(K_SCALE);                                                             \
            }                                                                                  \
            run++;                                                                             \
            TILE_##N(K_START);                                                                 \
            K_DOTS(N, 1)                                                                       \
            TILE_##N(K_SCALE);                                                                 \
        } else {                                                                               \
            int run = 2 * pair + odd;                                                          \
            TILE_##N(K_START);                                                                 \
            K_DOTS(N, 0)                                                                       \
            K_DOTS(N, 1)                                                                       \
            TILE_##N(K_SCALE);                                                                 \
        }                                                                                      \
    }
/* One block of one group times N tokens; sums: [N][16] */
#define K_TILE(N)                                                                              \
    INLINE void k_tile_##N(const struct k_header *header, const uint8_t *block,                \
                           const int8_t *unpacked, const struct activation_256 *x,             \
                           float *sums, const enum k_kind kind)                                \
    {                                                                                          \
        const bool has_minimum = kind == KIND_Q4_K || kind == KIND_Q5_K;                       \
        int32_t scaled[N][GROUP_ROWS] = {{0}};                                                 \
        for (int pair = 0; pair < 4; pair++) {                                                 \
            K_RUN(N, false)                                                                    \
            K_RUN(N, true)                                                                     \
        }                                                                                      \
        TILE_##N(K_FINISH);                                                                    \
    }

K_TILE(1)
K_TILE(2)
K_TILE(3)
K_TILE(4)

/* n tokens, at most TILE_TOKENS */
INLINE void k_tiles(const struct k_header *header, const uint8_t *block, const int8_t *unpacked,
                    const struct activation_256 *x, uint32_t n, float *sums,
                    const enum k_kind kind)
{
    switch (n) {
    case 1: k_tile_1(header, block, unpacked, x, sums, kind); break;
    case 2: k_tile_2(header, block, unpacked, x, sums, kind); break;
    case 3: k_tile_3(header, block, unpacked, x, sums, kind); break;
    default: k_tile_4(header, block, unpacked, x, sums, kind); break;
    }
}

/* n tokens of one block of one group; sums: [n][16] */
INLINE void k_block(const struct k_header *header, const uint8_t *block,
                    const struct activation_256 *x, uint32_t n, float *sums,
                    const enum k_kind kind)
{
    int8_t unpacked[64 * 64];

    if (n <= TILE_TOKENS) {
        k_tiles(header, block, NULL, x, n, sums, kind);
        return;
    }
    unpack(block, unpacked, kind);
    for (uint32_t t = 0; t < n; t += TILE_TOKENS)
        k_tiles(header, NULL, unpacked, x + t, n - t < TILE_TOKENS ? n - t : TILE_TOKENS,
                sums + GROUP_ROWS * t, kind);
}

#define K_BLOCK(name, kind)                                                                    \
    static void name(const struct k_header *header, const uint8_t *block,                      \
                     const struct activation_256 *x, uint32_t n, float *sums)                  \
    {                                                                                          \
        k_block(header, block, x, n, sums, kind);                                              \
    }

K_BLOCK(q4_k_block, KIND_Q4_K)
K_BLOCK(q5_k_block, KIND_Q5_K)
K_BLOCK(q6_k_block, KIND_Q6_K)
K_BLOCK(iq4_xs_block, KIND_IQ4_XS)

/* n_now tokens from x on, of n_tokens, against one group */
static void k_pass(enum tensor_type type, const uint8_t *group, uint32_t n_blocks,
                   const struct activation_256 *x, uint32_t n_now, uint32_t n_tokens,
                   float *sums)
{
    size_t n_bytes = type == TENSOR_Q4_K   ? PACKED_Q4_K
                     : type == TENSOR_Q5_K ? PACKED_Q5_K
                     : type == TENSOR_Q6_K ? PACKED_Q6_K
                                           : PACKED_IQ4_XS;
    const uint8_t *scales = group + n_blocks * n_bytes; /* of Q6_K */
    struct k_header header;

    memset(sums, 0, n_now * GROUP_ROWS * sizeof *sums);
    for (uint32_t b = 0; b < n_blocks; b++, x += n_tokens) {
        const uint8_t *block = group + b * n_bytes;
        const uint8_t *d = type == TENSOR_Q6_K ? scales + (size_t)b * PACKED_Q6_K_SCALES : NULL;
        read_header(type, block, d, &header);
        switch (type) {
        case TENSOR_Q4_K: q4_k_block(&header, block, x, n_now, sums); break;
        case TENSOR_Q5_K: q5_k_block(&header, block, x, n_now, sums); break;
        case TENSOR_Q6_K: q6_k_block(&header, block, x, n_now, sums); break;
        default: iq4_xs_block(&header, block, x, n_now, sums); break;
        }
    }
}

void kquant_matmul_neon(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                        const struct activation_256 *x, uint32_t n_tokens, float *out,
                        size_t out_stride)
{
    float sums[PASS_TOKENS * GROUP_ROWS];
    size_t group_bytes = kernels_group_bytes(weight->type, weight->n_columns);
    uint32_t n_blocks = weight->n_columns / 256;

    for (uint32_t t = 0; t < n_tokens; t += PASS_TOKENS) {
        uint32_t n = n_tokens - t < PASS_TOKENS ? n_tokens - t : PASS_TOKENS;
        for (uint32_t g = first_group; g < first_group + n_groups; g++) {
            k_pass(weight->type, (const uint8_t *)weight->packed + g * group_bytes, n_blocks,
                   x + t, n, n_tokens, sums);
            store_sums(weight, g, sums, n, out + t * out_stride, out_stride);
        }
    }
}
