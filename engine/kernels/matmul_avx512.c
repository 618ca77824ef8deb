/*
 * matmul_avx512.c - weights times activations with AVX-512 VNNI: blocks of 32, and floats
 *
 * See tile_avx512.h for the plan; K-quants are in kquant_avx512.c.
 */
#include "engine/kernels/tile_avx512.h"

/* Q8_0 ------------------------------------------------------------------- */

#define Q8_START(t) __m512i dot##t = spread(&x[t].offset);
#define Q8_DOT(t)   dot##t = _mm512_dpbusd_epi32(dot##t, w, spread(x[t].q + 4 * k));
#define Q8_FOLD(t)                                                                             \
    sum##t = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot##t),                                       \
                             _mm512_mul_ps(d, _mm512_set1_ps(x[t].scale)), sum##t);

struct prefetch_from avx512_prefetch_from = {1, 1, 1};

/* x: [block][n_tokens] */
#define Q8_STREAM(name, N, fetches)                                                            \
    static void name(const uint8_t *group, uint32_t n_blocks, const struct activation_32 *x,   \
                     uint32_t n_tokens, float *out, size_t out_stride, __mmask16 rows)         \
    {                                                                                          \
        TILE_##N(SUM_DECLARE);                                                                 \
        for (uint32_t b = 0; b < n_blocks; b++, x += n_tokens) {                               \
            const uint8_t *pair = group + (size_t)(b / 2) * PACKED_Q8_PAIR;                    \
            const uint8_t *values = pair + 64 + 512 * (b % 2);                                 \
            TILE_##N(Q8_START);                                                                \
            _Pragma("GCC unroll 8") for (int k = 0; k < 8; k++)                                \
            {                                                                                  \
                __m512i w = line(values + 64 * k);                                             \
                if (fetches)                                                                   \
                    prefetch_stream(values + 64 * k);                                          \
                TILE_##N(Q8_DOT);                                                              \
            }                                                                                  \
            __m512 d = halves(pair + 32 * (b % 2));                                            \
            TILE_##N(Q8_FOLD);                                                                 \
        }                                                                                      \
        TILE_##N(SUM_STORE);                                                                   \
    }

Q8_STREAM(q8_stream_1, 1, true)
Q8_STREAM(q8_plain_1, 1, false)
Q8_STREAM(q8_stream_2, 2, true)
Q8_STREAM(q8_plain_2, 2, false)
Q8_STREAM(q8_stream_3, 3, true)
Q8_STREAM(q8_plain_3, 3, false)
Q8_STREAM(q8_stream_4, 4, true)
Q8_STREAM(q8_plain_4, 4, false)
Q8_STREAM(q8_stream_5, 5, true)
Q8_STREAM(q8_stream_6, 6, true)
Q8_STREAM(q8_stream_7, 7, true)
Q8_STREAM(q8_stream_8, 8, true)

typedef void (*q8_stream)(const uint8_t *group, uint32_t n_blocks,
                          const struct activation_32 *x, uint32_t n_tokens, float *out,
                          size_t out_stride, __mmask16 rows);
static const q8_stream q8_plain[] = {NULL, q8_plain_1, q8_plain_2, q8_plain_3, q8_plain_4};
static const q8_stream q8_streams[STREAM_TOKENS + 1] = {NULL,        q8_stream_1, q8_stream_2,
                                                        q8_stream_3, q8_stream_4, q8_stream_5,
                                                        q8_stream_6, q8_stream_7, q8_stream_8};

/* Two groups; sums: [token][2 * GROUP_ROWS] */
#define PAIR_SUM_LOAD(t)                                                                       \
    __m512 sum##t = _mm512_load_ps(sums + 32 * t);                                             \
    __m512 sum_b##t = _mm512_load_ps(sums + 32 * t + 16);
#define PAIR_SUM_STORE(t)                                                                      \
    _mm512_store_ps(sums + 32 * t, sum##t);                                                    \
    _mm512_store_ps(sums + 32 * t + 16, sum_b##t);
#define PAIR_Q8_START(t) __m512i dot##t = spread(&x[t].offset), dot_b##t = dot##t;
#define PAIR_Q8_DOT(t)                                                                         \
    {                                                                                          \
        __m512i q = spread(x[t].q + 4 * k);                                                    \
        dot##t = _mm512_dpbusd_epi32(dot##t, w, q);                                            \
        dot_b##t = _mm512_dpbusd_epi32(dot_b##t, w_b, q);                                      \
    }
#define PAIR_Q8_FOLD(t)                                                                        \
    {                                                                                          \
        __m512 scale = _mm512_set1_ps(x[t].scale);                                             \
        sum##t = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot##t), _mm512_mul_ps(d, scale), sum##t); \
        sum_b##t = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot_b##t), _mm512_mul_ps(d_b, scale),    \
                                   sum_b##t);                                                  \
    }
#define Q8_TILE(N)                                                                             \
    static void q8_tile_##N(const uint8_t *group, const uint8_t *group_b, uint32_t n_blocks,   \
                            const struct activation_32 *x, uint32_t n_tokens, float *sums)     \
    {                                                                                          \
        TILE_##N(PAIR_SUM_LOAD);                                                               \
        for (uint32_t b = 0; b < n_blocks; b++, x += n_tokens) {                               \
            size_t pair = (size_t)(b / 2) * PACKED_Q8_PAIR;                                    \
            size_t values = pair + 64 + 512 * (b % 2);                                         \
            TILE_##N(PAIR_Q8_START);                                                           \
            _Pragma("GCC unroll 8") for (int k = 0; k < 8; k++)                                \
            {                                                                                  \
                __m512i w = line(group + values + 64 * k);                                     \
                __m512i w_b = line(group_b + values + 64 * k);                                 \
                TILE_##N(PAIR_Q8_DOT);                                                         \
            }                                                                                  \
            __m512 d = halves(group + pair + 32 * (b % 2));                                    \
            __m512 d_b = halves(group_b + pair + 32 * (b % 2));                                \
            TILE_##N(PAIR_Q8_FOLD);                                                            \
        }                                                                                      \
        TILE_##N(PAIR_SUM_STORE);                                                              \
    }

Q8_TILE(1)
Q8_TILE(2)
Q8_TILE(3)
Q8_TILE(4)
Q8_TILE(5)
Q8_TILE(6)

typedef void (*q8_tile)(const uint8_t *group, const uint8_t *group_b, uint32_t n_blocks,
                        const struct activation_32 *x, uint32_t n_tokens, float *sums);
enum { Q8_TILE_TOKENS = 6, Q8_PIECE = 16 /* blocks of 32: 17 KB of weights in L1 */ };
static const q8_tile q8_tiles[Q8_TILE_TOKENS + 1] = {NULL,      q8_tile_1, q8_tile_2, q8_tile_3,
                                                     q8_tile_4, q8_tile_5, q8_tile_6};

/*
 * n_now tokens from x on, of n_tokens, against two groups (group_b may be group); behind their last
 * piece come those that lie `next` bytes further (0: none).
 */
static void q8_pass(const uint8_t *group, const uint8_t *group_b, size_t next,
                    uint32_t n_blocks, const struct activation_32 *x, uint32_t n_now,
                    uint32_t n_tokens, float *sums)
{
    uint32_t n_tiles = (n_now + Q8_TILE_TOKENS - 1) / Q8_TILE_TOKENS;
    size_t piece_bytes = Q8_PIECE / 2 * PACKED_Q8_PAIR;

    memset(sums, 0, n_now * 32 * sizeof *sums);
    for (uint32_t b = 0; b < n_blocks; b += Q8_PIECE) {
        uint32_t n = n_blocks - b < Q8_PIECE ? n_blocks - b : Q8_PIECE;
        size_t at = (size_t)(b / 2) * PACKED_Q8_PAIR;
        size_t ahead = b + Q8_PIECE < n_blocks ? at + piece_bytes : next;
        for (uint32_t i = 0; i < n_tiles; i++) {
            uint32_t t = i * Q8_TILE_TOKENS;
            uint32_t count = n_now - t < Q8_TILE_TOKENS ? n_now - t : Q8_TILE_TOKENS;
            if (ahead > 0) {
                prefetch_part(group + ahead, piece_bytes, i, n_tiles);
                prefetch_part(group_b + ahead, piece_bytes, i, n_tiles);
            }
            q8_tiles[count](group + at, group_b + at, n, x + (size_t)b * n_tokens + t, n_tokens,
                            sums + 32 * t);
        }
    }
}

static void q8_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                      const struct activation_32 *x, uint32_t n_tokens, float *out,
                      size_t out_stride)
{
    size_t group_bytes = kernels_group_bytes(weight->type, weight->n_columns);
    const uint8_t *packed = weight->packed;
    uint32_t n_blocks = weight->n_columns / 32, end = first_group + n_groups;

    if (n_tokens <= STREAMED_TOKENS) {
        const uint32_t each = stream_step(n_tokens);
        for (uint32_t g = first_group; g < end; g++)
            for (uint32_t t = 0; t < n_tokens; t += each) {
                uint32_t n = n_tokens - t < each ? n_tokens - t : each;
                q8_stream multiply = n < avx512_prefetch_from.q8 ? q8_plain[n] : q8_streams[n];
                multiply(packed + g * group_bytes, n_blocks, x + t, n_tokens,
                         out + t * out_stride + (size_t)g * GROUP_ROWS, out_stride,
                         rows_of_group(weight, g));
            }
        return;
    }
    float sums[MOST_TOKENS * 32] __attribute__((aligned(64)));
    uint32_t step = pass_tokens(n_blocks * sizeof *x);
    for (uint32_t t = 0; t < n_tokens; t += step) {
        uint32_t n_now = n_tokens - t < step ? n_tokens - t : step;
        for (uint32_t g = first_group; g < end; g += 2) {
            bool second = g + 1 < end;
            const uint8_t *group = packed + g * group_bytes;
            q8_pass(group, second ? group + group_bytes : group,
                    g + 3 < end ? 2 * group_bytes : 0, n_blocks, x + t, n_now, n_tokens, sums);
            store_sums(weight, g, second, sums, n_now, out + t * out_stride, out_stride);
        }
    }
}

/* Q4_1, Q5_1: a scale and a minimum per block of 32 ---------------------- */

#define MIN_START(t) __m512i dot##t = _mm512_setzero_si512();
#define MIN_FOLD(t)                                                                            \
    {                                                                                          \
        __m512 scale = _mm512_set1_ps(x[t].scale);                                             \
        __m512 total = _mm512_set1_ps((float)(x[t].offset / -128));                            \
        sum##t = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot##t), _mm512_mul_ps(d, scale), sum##t); \
        sum##t = _mm512_fmadd_ps(total, _mm512_mul_ps(minimum, scale), sum##t);                \
    }
#define MIN_STREAM(N)                                                                          \
    static void min_stream_##N(const uint8_t *group, uint32_t n_blocks,                        \
                               const struct activation_32 *x, uint32_t n_tokens, float *out,   \
                               size_t out_stride, __mmask16 rows)                              \
    {                                                                                          \
        TILE_##N(SUM_DECLARE);                                                                 \
        for (uint32_t b = 0; b < n_blocks; b++, x += n_tokens, group += PACKED_MIN_BLOCK) {    \
            TILE_##N(MIN_START);                                                               \
            _Pragma("GCC unroll 8") for (int k = 0; k < 8; k++)                                \
            {                                                                                  \
                __m512i w = line(group + 64 + 64 * k);                                         \
                prefetch_stream(group + 64 + 64 * k);                                          \
                TILE_##N(Q8_DOT);                                                              \
            }                                                                                  \
            __m512 d = halves(group), minimum = halves(group + 32);                            \
            TILE_##N(MIN_FOLD);                                                                \
        }                                                                                      \
        TILE_##N(SUM_STORE);                                                                   \
    }

MIN_STREAM(1)
MIN_STREAM(2)
MIN_STREAM(4)
MIN_STREAM(8)

static void min_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                       const struct activation_32 *x, uint32_t n_tokens, float *out,
                       size_t out_stride)
{
    size_t group_bytes = kernels_group_bytes(weight->type, weight->n_columns);
    uint32_t n_blocks = weight->n_columns / 32;

    for (uint32_t g = first_group; g < first_group + n_groups; g++) {
        const uint8_t *group = (const uint8_t *)weight->packed + g * group_bytes;
        __mmask16 rows = rows_of_group(weight, g);
        for (uint32_t t = 0, step; t < n_tokens; t += step) {
            uint32_t left = n_tokens - t;
            float *to = out + t * out_stride + (size_t)g * GROUP_ROWS;
            step = left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1;
            q8_stream multiply = step == 8   ? min_stream_8
                                 : step == 4 ? min_stream_4
                                 : step == 2 ? min_stream_2
                                             : min_stream_1;
            multiply(group, n_blocks, x + t, n_tokens, to, out_stride, rows);
        }
    }
}

/* F32, F16, BF16: four chains over the columns modulo 4 ------------------- */

INLINE __m512 values_read(const uint8_t *group, size_t column, const enum tensor_type type)
{
    if (type == TENSOR_F32)
        return _mm512_load_ps(group + 64 * column);
    __m256i bits = _mm256_load_si256((const __m256i *)(group + 32 * column));
    if (type == TENSOR_F16)
        return _mm512_cvtph_ps(bits);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16));
}

#define CHAIN_DECLARE(t)                                                                       \
    __m512 a##t = zero, b##t = zero, c##t = zero, d##t = zero;                                 \
    const float *x##t = x + t * stride;
#define CHAIN_4(t)                                                                             \
    a##t = _mm512_fmadd_ps(w0, _mm512_set1_ps(x##t[k]), a##t);                                 \
    b##t = _mm512_fmadd_ps(w1, _mm512_set1_ps(x##t[k + 1]), b##t);                             \
    c##t = _mm512_fmadd_ps(w2, _mm512_set1_ps(x##t[k + 2]), c##t);                             \
    d##t = _mm512_fmadd_ps(w3, _mm512_set1_ps(x##t[k + 3]), d##t);
#define CHAIN_A(t) a##t = _mm512_fmadd_ps(w0, _mm512_set1_ps(x##t[k]), a##t);
#define CHAIN_B(t) b##t = _mm512_fmadd_ps(w0, _mm512_set1_ps(x##t[k]), b##t);
#define CHAIN_C(t) c##t = _mm512_fmadd_ps(w0, _mm512_set1_ps(x##t[k]), c##t);
#define CHAIN_STORE(t)                                                                         \
    _mm512_mask_storeu_ps(                                                                     \
        out + t * out_stride, rows,                                                            \
        _mm512_add_ps(_mm512_add_ps(a##t, b##t), _mm512_add_ps(c##t, d##t)));
#define FLOAT_TILE(N)                                                                          \
    INLINE void float_tile_##N(const uint8_t *group, uint32_t n_columns, const float *x,       \
                               size_t stride, float *out, size_t out_stride, __mmask16 rows,   \
                               const enum tensor_type type)                                    \
    {                                                                                          \
        const __m512 zero = _mm512_setzero_ps();                                               \
        uint32_t k = 0;                                                                        \
        TILE_##N(CHAIN_DECLARE);                                                               \
        for (; k + 4 <= n_columns; k += 4) {                                                   \
            __m512 w0 = values_read(group, k, type), w1 = values_read(group, k + 1, type);     \
            __m512 w2 = values_read(group, k + 2, type), w3 = values_read(group, k + 3, type); \
            TILE_##N(CHAIN_4);                                                                 \
        }                                                                                      \
        if (k < n_columns) {                                                                   \
            __m512 w0 = values_read(group, k, type);                                           \
            TILE_##N(CHAIN_A);                                                                 \
            k++;                                                                               \
        }                                                                                      \
        if (k < n_columns) {                                                                   \
            __m512 w0 = values_read(group, k, type);                                           \
            TILE_##N(CHAIN_B);                                                                 \
            k++;                                                                               \
        }                                                                                      \
        if (k < n_columns) {                                                                   \
            __m512 w0 = values_read(group, k, type);                                           \
            TILE_##N(CHAIN_C);                                                                 \
        }                                                                                      \
        TILE_##N(CHAIN_STORE);                                                                 \
    }

FLOAT_TILE(1)
FLOAT_TILE(2)
FLOAT_TILE(3)
FLOAT_TILE(4)

INLINE void float_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                         const float *x, uint32_t n_tokens, float *out, size_t out_stride,
                         const enum tensor_type type)
{
    size_t group_bytes = kernels_group_bytes(type, weight->n_columns);
    size_t stride = activation_f32_stride(weight->n_columns);
    uint32_t n = weight->n_columns;

    for (uint32_t g = first_group; g < first_group + n_groups; g++) {
        const uint8_t *group = (const uint8_t *)weight->packed + g * group_bytes;
        __mmask16 rows = rows_of_group(weight, g);
        for (uint32_t t = 0; t < n_tokens; t += 4) {
            const float *at = x + t * stride;
            float *to = out + t * out_stride + (size_t)g * GROUP_ROWS;
            switch (n_tokens - t) {
            case 1: float_tile_1(group, n, at, stride, to, out_stride, rows, type); break;
            case 2: float_tile_2(group, n, at, stride, to, out_stride, rows, type); break;
            case 3: float_tile_3(group, n, at, stride, to, out_stride, rows, type); break;
            default: float_tile_4(group, n, at, stride, to, out_stride, rows, type); break;
            }
        }
    }
}

static void f32_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                       const float *x, uint32_t n_tokens, float *out, size_t out_stride)
{
    float_matmul(weight, first_group, n_groups, x, n_tokens, out, out_stride, TENSOR_F32);
}

static void f16_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                       const float *x, uint32_t n_tokens, float *out, size_t out_stride)
{
    float_matmul(weight, first_group, n_groups, x, n_tokens, out, out_stride, TENSOR_F16);
}

static void bf16_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                        const float *x, uint32_t n_tokens, float *out, size_t out_stride)
{
    float_matmul(weight, first_group, n_groups, x, n_tokens, out, out_stride, TENSOR_BF16);
}

void avx512_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                   const void *x, uint32_t n_tokens, float *out, size_t out_stride)
{
    switch (weight->type) {
    case TENSOR_Q8_0:
    case TENSOR_Q4_0:
    case TENSOR_Q5_0:
    case TENSOR_IQ4_NL:
        q8_matmul(weight, first_group, n_groups, x, n_tokens, out, out_stride);
        break;
    case TENSOR_Q4_1:
    case TENSOR_Q5_1:
        min_matmul(weight, first_group, n_groups, x, n_tokens, out, out_stride);
        break;
    case TENSOR_F32:
        f32_matmul(weight, first_group, n_groups, x, n_tokens, out, out_stride);
        break;
    case TENSOR_F16:
        f16_matmul(weight, first_group, n_groups, x, n_tokens, out, out_stride);
        break;
    case TENSOR_BF16:
        bf16_matmul(weight, first_group, n_groups, x, n_tokens, out, out_stride);
        break;
    default:
        kquant_matmul_avx512(weight, first_group, n_groups, x, n_tokens, out, out_stride);
        break;
    }
}
