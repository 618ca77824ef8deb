/*
 * matmul_avx2.c - weights times activations with AVX2
 *
 * The 16 rows of a group are the lanes of two vectors.  Bytes are multiplied by vpmaddubsw, which
 * adds two products in 16 bits and saturates, so every format must keep its sums below 32768:
 *
 *   Q4_K          15 * 127 * 2 = 3810, eight of them: 30480
 *   Q5_K, Q4_1,   31 * 127 * 2 = 7874, four of them: 31496
 *   Q5_1
 *   Q6_K          signed, 32 * 127 * 2 = 8128, four of them: 32512
 *   Q8_0, IQ4_XS  signed, 128 * 127 * 2 = 32512, one
 *
 * For signed weights the sign moves to the activation (vpsignb; activations are never -128).  The
 * sum in 16 bits is then multiplied by the scale and widened in one step (vpmaddwd).  All of it is
 * exact; the float steps are those of generic.c.
 *
 * K-quants are unpacked to bytes in L1, 16 rows x 256 columns at a time, for all tokens of a pass.
 */
#include <immintrin.h>

#include "engine/kernels/layout.h"

#define TILE_1(F) F(0)
#define TILE_2(F) TILE_1(F) F(1)
#define TILE_3(F) TILE_2(F) F(2)
#define TILE_4(F) TILE_3(F) F(3)

#define INLINE static inline __attribute__((always_inline))

enum {
    TILE_TOKENS = 4,
    PASS_TOKENS = 64,     /* tokens of a pass over the weights */
    PREFETCH_AHEAD = 8192 /* bytes */
};

INLINE __m256i half_line(const uint8_t *p)
{
    return _mm256_load_si256((const __m256i *)p);
}

INLINE void store_half_line(void *p, __m256i value)
{
    _mm256_store_si256((__m256i *)p, value);
}

INLINE __m256i spread(const void *p)
{
    int32_t word;

    memcpy(&word, p, sizeof word);
    return _mm256_set1_epi32(word);
}

INLINE __m256 halves(const uint8_t *p)
{
    return _mm256_cvtph_ps(_mm_load_si128((const __m128i *)p));
}

INLINE void prefetch(const uint8_t *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T1);
}

/* Half h of a line of weights; the first half also asks for a line far ahead. */
INLINE __m256i stream_half(const uint8_t *line, int h)
{
    if (h == 0)
        prefetch(line + PREFETCH_AHEAD);
    return half_line(line + 32 * h);
}

/* sums: [token][16] to the rows of a group that exist */
static void store_sums(const struct weight *weight, uint32_t group, const float *sums,
                       uint32_t n_tokens, float *out, size_t out_stride)
{
    uint32_t n = weight->n_rows - group * GROUP_ROWS;

    n = n < GROUP_ROWS ? n : GROUP_ROWS;
    out += (size_t)group * GROUP_ROWS;
    for (uint32_t t = 0; t < n_tokens; t++)
        memcpy(out + t * out_stride, sums + GROUP_ROWS * t, n * sizeof *sums);
}

/* Blocks of 32 ----------------------------------------------------------- */

enum block_kind { KIND_Q8, KIND_MINIMUM };

#define BLOCK_START(t) __m256i low##t = zero, high##t = zero;
/* One half of the rows at a time: 8 sums, a weight and its size fit the 16 registers. */
#define BLOCK_DOT(t, sum)                                                                      \
    {                                                                                          \
        __m256i q = spread(x[t].q + 4 * k);                                                    \
        __m256i p = kind == KIND_Q8 ? _mm256_maddubs_epi16(size, _mm256_sign_epi8(q, w))       \
                                    : _mm256_maddubs_epi16(w, q);                              \
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(p, one));                                \
    }
#define BLOCK_DOT_LOW(t)  BLOCK_DOT(t, low##t)
#define BLOCK_DOT_HIGH(t) BLOCK_DOT(t, high##t)
#define BLOCK_FOLD(t)                                                                          \
    {                                                                                          \
        __m256 scale = _mm256_set1_ps(x[t].scale);                                             \
        float *sum = sums + GROUP_ROWS * t;                                                    \
        __m256 sum_low = _mm256_fmadd_ps(_mm256_cvtepi32_ps(low##t), _mm256_mul_ps(d, scale),  \
                                         _mm256_load_ps(sum));                                 \
        __m256 sum_high = _mm256_fmadd_ps(_mm256_cvtepi32_ps(high##t),                         \
                                          _mm256_mul_ps(d_b, scale), _mm256_load_ps(sum + 8)); \
        if (kind == KIND_MINIMUM) {                                                            \
            __m256 total = _mm256_set1_ps((float)(x[t].offset / -128));                        \
            sum_low = _mm256_fmadd_ps(total, _mm256_mul_ps(m, scale), sum_low);                \
            sum_high = _mm256_fmadd_ps(total, _mm256_mul_ps(m_b, scale), sum_high);            \
        }                                                                                      \
        _mm256_store_ps(sum, sum_low);                                                         \
        _mm256_store_ps(sum + 8, sum_high);                                                    \
    }
/* sums: [N][16]; x: [block][n_tokens] */
#define BLOCK_TILE(N)                                                                          \
    INLINE void block_tile_##N(const uint8_t *group, uint32_t n_blocks,                        \
                               const struct activation_32 *x, uint32_t n_tokens, float *sums,  \
                               const enum block_kind kind)                                     \
    {                                                                                          \
        const __m256i zero = _mm256_setzero_si256(), one = _mm256_set1_epi16(1);               \
        const __m256i flip = _mm256_set1_epi8((char)0x80);                                     \
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
            for (int k = 0; k < 8; k++) {                                                      \
                __m256i w = half_line(values + 64 * k), size = w;                              \
                prefetch(values + 64 * k + PREFETCH_AHEAD);                                    \
                if (kind == KIND_Q8) {                                                         \
                    w = _mm256_xor_si256(w, flip);                                             \
                    size = _mm256_abs_epi8(w);                                                 \
                }                                                                              \
                TILE_##N(BLOCK_DOT_LOW);                                                       \
                w = size = half_line(values + 64 * k + 32);                                    \
                if (kind == KIND_Q8) {                                                         \
                    w = _mm256_xor_si256(w, flip);                                             \
                    size = _mm256_abs_epi8(w);                                                 \
                }                                                                              \
                TILE_##N(BLOCK_DOT_HIGH);                                                      \
                (void)size;                                                                    \
            }                                                                                  \
            __m256 d = halves(scales), d_b = halves(scales + 16);                              \
            __m256 m = d, m_b = d_b;                                                           \
            if (kind == KIND_MINIMUM) {                                                        \
                m = halves(scales + 32);                                                       \
                m_b = halves(scales + 48);                                                     \
            }                                                                                  \
            TILE_##N(BLOCK_FOLD);                                                              \
        }                                                                                      \
    }

BLOCK_TILE(1)
BLOCK_TILE(2)
BLOCK_TILE(3)
BLOCK_TILE(4)

INLINE void block_tiles(const uint8_t *group, uint32_t n_blocks, const struct activation_32 *x,
                        uint32_t n_now, uint32_t n_tokens, float *sums,
                        const enum block_kind kind)
{
    switch (n_now) {
    case 1: block_tile_1(group, n_blocks, x, n_tokens, sums, kind); break;
    case 2: block_tile_2(group, n_blocks, x, n_tokens, sums, kind); break;
    case 3: block_tile_3(group, n_blocks, x, n_tokens, sums, kind); break;
    default: block_tile_4(group, n_blocks, x, n_tokens, sums, kind); break;
    }
}

static void q8_tile(const uint8_t *group, uint32_t n_blocks, const struct activation_32 *x,
                    uint32_t n_now, uint32_t n_tokens, float *sums)
{
    block_tiles(group, n_blocks, x, n_now, n_tokens, sums, KIND_Q8);
}

static void minimum_tile(const uint8_t *group, uint32_t n_blocks, const struct activation_32 *x,
                         uint32_t n_now, uint32_t n_tokens, float *sums)
{
    block_tiles(group, n_blocks, x, n_now, n_tokens, sums, KIND_MINIMUM);
}

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
    float sums[PASS_TOKENS * GROUP_ROWS] __attribute__((aligned(64)));
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

/* K-quants and IQ4_XS ---------------------------------------------------- */

/* 16 rows x 256 columns: line i holds columns 4 i .. 4 i + 3 of each row; Q4_K and Q5_K unsigned,
 * Q6_K and IQ4_XS signed. */
struct unpacked {
    uint8_t q[64][64];
    int32_t scale[16][16];  /* [16 or 32 columns][row]: the int16 twice */
    int32_t minimum[4][16]; /* pairs of int16 */
    float d[16];
    float d_minimum[16];
} __attribute__((aligned(64)));

enum k_kind { KIND_Q4_K, KIND_Q5_K, KIND_Q6_K, KIND_IQ4_XS };

INLINE __m256i byte_of(__m256i words, int i)
{
    return _mm256_and_si256(_mm256_srli_epi32(words, 8 * i), _mm256_set1_epi32(0xff));
}

/* a in the low and b in the high int16 of each word; a, b within int16, a not negative */
INLINE __m256i pair_of(__m256i a, __m256i b)
{
    return _mm256_or_si256(a, _mm256_slli_epi32(b, 16));
}

/* The low int16 of each word twice */
INLINE __m256i twice(__m256i words)
{
    return pair_of(_mm256_and_si256(words, _mm256_set1_epi32(0xffff)), words);
}

/* The halves in the low 16 bits of each word */
INLINE __m256 halves_of_words(__m256i words)
{
    __m256i low = _mm256_and_si256(words, _mm256_set1_epi32(0xffff));
    __m256i packed = _mm256_permute4x64_epi64(_mm256_packus_epi32(low, low), 0x08);

    return _mm256_cvtph_ps(_mm256_castsi256_si128(packed));
}

/* Rows 8 h .. 8 h + 7 of the header that Q4_K and Q5_K share */
INLINE void unpack_k_header(const uint8_t *block, int h, struct unpacked *u)
{
    const __m256i six = _mm256_set1_epi32(0x3f3f3f3f), four = _mm256_set1_epi32(0x0f0f0f0f);
    const __m256i top = _mm256_set1_epi32(0x30303030);
    const uint8_t *p = block + 32 * h;
    __m256i head = half_line(p), w0 = half_line(p + 64), w1 = half_line(p + 128);
    __m256i w2 = half_line(p + 192);
    __m256i scale[2] = {_mm256_and_si256(w0, six),
                        _mm256_or_si256(_mm256_and_si256(w2, four),
                                        _mm256_and_si256(_mm256_srli_epi32(w0, 2), top))};
    __m256i minimum[2] = {_mm256_and_si256(w1, six),
                          _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi32(w2, 4), four),
                                          _mm256_and_si256(_mm256_srli_epi32(w1, 2), top))};

    _mm256_store_ps(u->d + 8 * h, halves_of_words(head));
    _mm256_store_ps(u->d_minimum + 8 * h, halves_of_words(_mm256_srli_epi32(head, 16)));
    for (int i = 0; i < 2; i++) {
        _Pragma("GCC unroll 4") for (int b = 0; b < 4; b++)
            store_half_line(u->scale[4 * i + b] + 8 * h, twice(byte_of(scale[i], b)));
        _Pragma("GCC unroll 2") for (int b = 0; b < 2; b++) store_half_line(
            u->minimum[2 * i + b] + 8 * h,
            pair_of(byte_of(minimum[i], 2 * b), byte_of(minimum[i], 2 * b + 1)));
    }
}

static void unpack_q4_k(const uint8_t *block, struct unpacked *u)
{
    const __m256i nibble = _mm256_set1_epi32(0x0f0f0f0f);

    for (int h = 0; h < 2; h++)
        unpack_k_header(block, h, u);
    for (int c = 0; c < 4; c++) {
        const uint8_t *lines = block + 256 + 512 * c;
        uint8_t(*low)[64] = u->q + 16 * c, (*high)[64] = low + 8;
        for (int k = 0; k < 8; k++) {
            for (int h = 0; h < 2; h++) {
                __m256i w = stream_half(lines + 64 * k, h);
                store_half_line(low[k] + 32 * h, _mm256_and_si256(w, nibble));
                store_half_line(high[k] + 32 * h,
                                _mm256_and_si256(_mm256_srli_epi32(w, 4), nibble));
            }
        }
    }
}

static void unpack_q5_k(const uint8_t *block, struct unpacked *u)
{
    const __m256i nibble = _mm256_set1_epi32(0x0f0f0f0f), top = _mm256_set1_epi32(0x10101010);

    for (int h = 0; h < 2; h++) {
        unpack_k_header(block, h, u);
        for (int k = 0; k < 8; k++) {
            __m256i high = stream_half(block + 256 + 64 * k, h);
            for (int c = 0; c < 4; c++) {
                __m256i w = stream_half(block + 768 + 512 * c + 64 * k, h);
                /* bits 2 c and 2 c + 1 to bit 4 */
                __m256i a = c < 2 ? _mm256_slli_epi32(high, 4 - 2 * c)
                                  : _mm256_srli_epi32(high, 2 * c - 4);
                __m256i b = c < 2 ? _mm256_slli_epi32(high, 3 - 2 * c)
                                  : _mm256_srli_epi32(high, 2 * c - 3);
                store_half_line(
                    u->q[16 * c + k] + 32 * h,
                    _mm256_or_si256(_mm256_and_si256(w, nibble), _mm256_and_si256(a, top)));
                store_half_line(
                    u->q[16 * c + 8 + k] + 32 * h,
                    _mm256_or_si256(_mm256_and_si256(_mm256_srli_epi32(w, 4), nibble),
                                    _mm256_and_si256(b, top)));
            }
        }
    }
}

static void unpack_q6_k(const uint8_t *block, const uint8_t *d, struct unpacked *u)
{
    const __m256i nibble = _mm256_set1_epi32(0x0f0f0f0f), top = _mm256_set1_epi32(0x30303030);
    const __m256i middle = _mm256_set1_epi8(32);

    for (int h = 0; h < 2; h++) {
        for (int i = 0; i < 16; i++) {
            const uint8_t *lines = block + 256 + 192 * i;
            __m256i low = stream_half(lines, h), next = stream_half(lines + 64, h);
            __m256i high = stream_half(lines + 128, h);
            __m256i bits[4] = {_mm256_slli_epi32(high, 4), _mm256_slli_epi32(high, 2), high,
                               _mm256_srli_epi32(high, 2)};
            __m256i nibbles[4] = {low, next, _mm256_srli_epi32(low, 4),
                                  _mm256_srli_epi32(next, 4)};
            for (int j = 0; j < 4; j++) {
                __m256i value = _mm256_or_si256(_mm256_and_si256(nibbles[j], nibble),
                                                _mm256_and_si256(bits[j], top));
                store_half_line(u->q[32 * (i / 8) + i % 8 + 8 * j] + 32 * h,
                                _mm256_sub_epi8(value, middle));
            }
        }
        for (int w = 0; w < 4; w++) {
            __m256i bytes = half_line(block + 64 * w + 32 * h);
            for (int i = 0; i < 4; i++) {
                __m256i scale = _mm256_srai_epi32(_mm256_slli_epi32(bytes, 24 - 8 * i), 24);
                store_half_line(u->scale[4 * w + i] + 8 * h, twice(scale));
            }
        }
        _mm256_store_ps(u->d + 8 * h, halves(d + 16 * h));
    }
}

static void unpack_iq4_xs(const uint8_t *block, struct unpacked *u)
{
    const __m256i nibble = _mm256_set1_epi32(0x0f0f0f0f);
    const __m256i table =
        _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)iq4_values));

    for (int h = 0; h < 2; h++) {
        __m256i head = half_line(block + 32 * h), low = half_line(block + 64 + 32 * h);
        __m256i high = _mm256_srli_epi32(head, 16);
        for (int b = 0; b < 8; b++) {
            __m256i bits =
                _mm256_and_si256(_mm256_srli_epi32(low, 4 * b), _mm256_set1_epi32(15));
            __m256i top =
                _mm256_and_si256(_mm256_srli_epi32(high, 2 * b), _mm256_set1_epi32(3));
            __m256i scale = _mm256_sub_epi32(_mm256_or_si256(bits, _mm256_slli_epi32(top, 4)),
                                             _mm256_set1_epi32(32));
            store_half_line(u->scale[b] + 8 * h, twice(scale));
            for (int k = 0; k < 4; k++) {
                __m256i w = stream_half(block + 128 + 256 * b + 64 * k, h);
                store_half_line(u->q[8 * b + k] + 32 * h,
                                _mm256_shuffle_epi8(table, _mm256_and_si256(w, nibble)));
                store_half_line(u->q[8 * b + 4 + k] + 32 * h,
                                _mm256_shuffle_epi8(
                                    table, _mm256_and_si256(_mm256_srli_epi32(w, 4), nibble)));
            }
        }
        _mm256_store_ps(u->d + 8 * h, halves_of_words(head));
    }
}

/* sum over 8 sub-blocks of minimum * sum of activations, for 8 rows */
INLINE __m256i minima(const struct unpacked *u, int row, const struct activation_256 *x)
{
    __m256i sum = _mm256_setzero_si256();

    for (int i = 0; i < 4; i++)
        sum = _mm256_add_epi32(
            sum, _mm256_madd_epi16(half_line((const uint8_t *)(u->minimum[i] + row)),
                                   spread(x->sum32 + 2 * i)));
    return sum;
}

#define K_DECLARE(t) __m256i low##t = zero, high##t = zero;
#define K_DOT(t, sum)                                                                          \
    {                                                                                          \
        __m256i q = spread(x[t].q + 4 * (c * n_lines + k));                                    \
        __m256i p = is_signed ? _mm256_maddubs_epi16(size, _mm256_sign_epi8(q, w))             \
                              : _mm256_maddubs_epi16(w, q);                                    \
        sum = k > 0 ? _mm256_add_epi16(sum, p) : p;                                            \
    }
#define K_DOT_LOW(t)  K_DOT(t, low##t)
#define K_DOT_HIGH(t) K_DOT(t, high##t)
#define K_SCALE(t)                                                                             \
    {                                                                                          \
        uint8_t *part = (uint8_t *)scaled + 64 * t;                                            \
        store_half_line(part,                                                                  \
                        _mm256_add_epi32(half_line(part), _mm256_madd_epi16(low##t, scale)));  \
        store_half_line(part + 32, _mm256_add_epi32(half_line(part + 32),                      \
                                                    _mm256_madd_epi16(high##t, scale_b)));     \
    }
#define K_FINISH(t)                                                                            \
    for (int row = 0; row < GROUP_ROWS; row += 8) {                                            \
        __m256i part = half_line((const uint8_t *)(scaled + GROUP_ROWS * t + row));            \
        __m256 value = _mm256_mul_ps(_mm256_cvtepi32_ps(part), _mm256_load_ps(u->d + row));    \
        if (kind == KIND_Q4_K || kind == KIND_Q5_K)                                            \
            value = _mm256_fnmadd_ps(_mm256_cvtepi32_ps(minima(u, row, &x[t])),                \
                                     _mm256_load_ps(u->d_minimum + row), value);               \
        float *sum = sums + GROUP_ROWS * t + row;                                              \
        _mm256_store_ps(                                                                       \
            sum, _mm256_fmadd_ps(value, _mm256_set1_ps(x[t].scale), _mm256_load_ps(sum)));     \
    }
/* n_lines lines (4 columns each) may be added in 16 bits; per_scale lines share a scale. */
#define K_TILE(N)                                                                              \
    INLINE void k_tile_##N(const struct unpacked *u, const struct activation_256 *x,           \
                           float *sums, const enum k_kind kind)                                \
    {                                                                                          \
        const bool is_signed = kind == KIND_Q6_K || kind == KIND_IQ4_XS;                       \
        const int n_lines = kind == KIND_Q4_K ? 8 : kind == KIND_IQ4_XS ? 1 : 4;               \
        const int per_scale = kind == KIND_Q6_K ? 4 : 8;                                       \
        const __m256i zero = _mm256_setzero_si256();                                           \
        int32_t scaled[N * GROUP_ROWS] __attribute__((aligned(64))) = {0};                     \
        for (int c = 0; c < 64 / n_lines; c++) {                                               \
            TILE_##N(K_DECLARE);                                                               \
            _Pragma("GCC unroll 8") for (int k = 0; k < n_lines; k++)                          \
            {                                                                                  \
                const uint8_t *values = u->q[c * n_lines + k];                                 \
                __m256i w = half_line(values), size = _mm256_abs_epi8(w);                      \
                TILE_##N(K_DOT_LOW);                                                           \
                w = half_line(values + 32);                                                    \
                size = _mm256_abs_epi8(w);                                                     \
                TILE_##N(K_DOT_HIGH);                                                          \
                (void)size;                                                                    \
            }                                                                                  \
            const int32_t *at = u->scale[c * n_lines / per_scale];                             \
            __m256i scale = half_line((const uint8_t *)at);                                    \
            __m256i scale_b = half_line((const uint8_t *)(at + 8));                            \
            TILE_##N(K_SCALE);                                                                 \
        }                                                                                      \
        TILE_##N(K_FINISH);                                                                    \
    }

K_TILE(1)
K_TILE(2)
K_TILE(3)
K_TILE(4)

#define K_TILES(name, kind)                                                                    \
    static void name(const struct unpacked *u, const struct activation_256 *x, uint32_t n,     \
                     float *sums)                                                              \
    {                                                                                          \
        switch (n) {                                                                           \
        case 1: k_tile_1(u, x, sums, kind); break;                                             \
        case 2: k_tile_2(u, x, sums, kind); break;                                             \
        case 3: k_tile_3(u, x, sums, kind); break;                                             \
        default: k_tile_4(u, x, sums, kind); break;                                            \
        }                                                                                      \
    }

K_TILES(q4_k_tile, KIND_Q4_K)
K_TILES(q5_k_tile, KIND_Q5_K)
K_TILES(q6_k_tile, KIND_Q6_K)
K_TILES(iq4_xs_tile, KIND_IQ4_XS)

static void unpack_block(enum tensor_type type, const uint8_t *group, uint32_t b,
                         uint32_t n_blocks, struct unpacked *u)
{
    size_t n_bytes = type == TENSOR_Q4_K   ? PACKED_Q4_K
                     : type == TENSOR_Q5_K ? PACKED_Q5_K
                     : type == TENSOR_Q6_K ? PACKED_Q6_K
                                           : PACKED_IQ4_XS;
    const uint8_t *block = group + b * n_bytes;

    switch (type) {
    case TENSOR_Q4_K: unpack_q4_k(block, u); break;
    case TENSOR_Q5_K: unpack_q5_k(block, u); break;
    case TENSOR_Q6_K:
        unpack_q6_k(block, group + n_blocks * n_bytes + (size_t)b * PACKED_Q6_K_SCALES, u);
        break;
    default: unpack_iq4_xs(block, u); break;
    }
}

/* n_now tokens from x on, of n_tokens, against one group */
static void k_pass(enum tensor_type type, const uint8_t *group, uint32_t n_blocks,
                   const struct activation_256 *x, uint32_t n_now, uint32_t n_tokens,
                   float *sums)
{
    struct unpacked u;

    memset(sums, 0, n_now * GROUP_ROWS * sizeof *sums);
    for (uint32_t b = 0; b < n_blocks; b++) {
        unpack_block(type, group, b, n_blocks, &u);
        for (uint32_t t = 0; t < n_now; t += TILE_TOKENS) {
            uint32_t n = n_now - t < TILE_TOKENS ? n_now - t : TILE_TOKENS;
            const struct activation_256 *at = x + (size_t)b * n_tokens + t;
            float *to = sums + GROUP_ROWS * t;
            switch (type) {
            case TENSOR_Q4_K: q4_k_tile(&u, at, n, to); break;
            case TENSOR_Q5_K: q5_k_tile(&u, at, n, to); break;
            case TENSOR_Q6_K: q6_k_tile(&u, at, n, to); break;
            default: iq4_xs_tile(&u, at, n, to); break;
            }
        }
    }
}

static void k_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                     const struct activation_256 *x, uint32_t n_tokens, float *out,
                     size_t out_stride)
{
    float sums[PASS_TOKENS * GROUP_ROWS] __attribute__((aligned(64)));
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

/* F32, F16, BF16: four chains over the columns modulo 4 ------------------- */

/* 8 rows of a column; p: the first of them */
INLINE __m256 values_read(const uint8_t *p, const enum tensor_type type)
{
    if (type == TENSOR_F32)
        return _mm256_load_ps((const float *)(const void *)p);
    __m128i bits = _mm_load_si128((const __m128i *)p);
    if (type == TENSOR_F16)
        return _mm256_cvtph_ps(bits);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
}

/* 8 rows of a group times one or two tokens; sums: [token][16] */
INLINE void float_tile(const uint8_t *rows, uint32_t n_columns, const float *x,
                       const float *x_b, float *sums, float *sums_b,
                       const enum tensor_type type)
{
    const size_t step = type == TENSOR_F32 ? 64 : 32; /* bytes between columns */
    __m256 a[4], b[4];
    uint32_t k = 0;

    for (int c = 0; c < 4; c++)
        a[c] = b[c] = _mm256_setzero_ps();
    for (; k + 4 <= n_columns; k += 4) {
        _Pragma("GCC unroll 4") for (uint32_t c = 0; c < 4; c++)
        {
            __m256 w = values_read(rows + (k + c) * step, type);
            a[c] = _mm256_fmadd_ps(w, _mm256_set1_ps(x[k + c]), a[c]);
            b[c] = _mm256_fmadd_ps(w, _mm256_set1_ps(x_b[k + c]), b[c]);
        }
    }
    _Pragma("GCC unroll 3") for (uint32_t c = 0; c < 3; c++)
    {
        if (k + c < n_columns) {
            __m256 w = values_read(rows + (k + c) * step, type);
            a[c] = _mm256_fmadd_ps(w, _mm256_set1_ps(x[k + c]), a[c]);
            b[c] = _mm256_fmadd_ps(w, _mm256_set1_ps(x_b[k + c]), b[c]);
        }
    }
    _mm256_store_ps(sums, _mm256_add_ps(_mm256_add_ps(a[0], a[1]), _mm256_add_ps(a[2], a[3])));
    _mm256_store_ps(sums_b,
                    _mm256_add_ps(_mm256_add_ps(b[0], b[1]), _mm256_add_ps(b[2], b[3])));
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
    float sums[2 * GROUP_ROWS] __attribute__((aligned(32)));
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

void avx2_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
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
    default: k_matmul(weight, first_group, n_groups, x, n_tokens, out, out_stride); break;
    }
}
