/*
 * kquant_avx512.c - K-quants and IQ4_XS times activations with AVX-512 VNNI
 *
 * See tile_avx512.h for the plan.
 */
#include "engine/kernels/tile_avx512.h"

/* Q4_K, streaming -------------------------------------------------------- */

/* Scales and minima of 16 rows as bytes: line words hold sub-blocks 0..3 (a) and 4..7 (b). */
struct k_scales {
    __m512i scale_a, scale_b, minimum_a, minimum_b;
    __m512 d, d_minimum;
};

INLINE struct k_scales k_scales_read(const uint8_t *block)
{
    const __m512i six = _mm512_set1_epi32(0x3f3f3f3f), four = _mm512_set1_epi32(0x0f0f0f0f);
    const __m512i top = _mm512_set1_epi32(0x30303030);
    __m512i head = line(block), w0 = line(block + 64), w1 = line(block + 128);
    __m512i w2 = line(block + 192);
    struct k_scales s;

    s.d = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(head));
    s.d_minimum = _mm512_cvtph_ps(_mm512_cvtepi32_epi16(_mm512_srli_epi32(head, 16)));
    s.scale_a = _mm512_and_si512(w0, six);
    s.minimum_a = _mm512_and_si512(w1, six);
    s.scale_b = _mm512_or_si512(_mm512_and_si512(w2, four),
                                _mm512_and_si512(_mm512_srli_epi32(w0, 2), top));
    s.minimum_b = _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(w2, 4), four),
                                  _mm512_and_si512(_mm512_srli_epi32(w1, 2), top));
    return s;
}

INLINE __m512i byte_of(__m512i words, unsigned i)
{
    return _mm512_and_si512(_mm512_srli_epi32(words, 8 * i), _mm512_set1_epi32(0xff));
}

/* Bytes 0, 1 (or 2, 3) of each word as two int16 */
INLINE __m512i low_pair(__m512i words)
{
    return _mm512_or_si512(byte_of(words, 0), _mm512_slli_epi32(byte_of(words, 1), 16));
}

INLINE __m512i high_pair(__m512i words)
{
    return _mm512_or_si512(byte_of(words, 2), _mm512_slli_epi32(byte_of(words, 3), 16));
}

/* sum over 8 sub-blocks of minimum * sum of activations, exact */
INLINE __m512i minima(const struct activation_256 *x, __m512i p0, __m512i p1, __m512i p2,
                      __m512i p3)
{
    __m512i m = _mm512_dpwssd_epi32(_mm512_setzero_si512(), p0, spread(x->sum32));

    m = _mm512_dpwssd_epi32(m, p1, spread(x->sum32 + 2));
    m = _mm512_dpwssd_epi32(m, p2, spread(x->sum32 + 4));
    return _mm512_dpwssd_epi32(m, p3, spread(x->sum32 + 6));
}

/*
 * sum of scale * dot over 8 sub-blocks, an exact int32, made by float fma, which is cheaper than an
 * integer multiplication: four sub-blocks are below 2^24 (63 * 15 * 127 * 32 * 4 = 15.4 million),
 * hence exact, and the sum of two such halves is rounded once, as the conversion of the integer
 * would.  The chains start from +0, so that no -0 can arise.  High nibbles are used where they lie,
 * 16 times too large, with scales / 16.
 */
#define Q4_DECLARE(t)  __m512 half##t = zero, other##t = zero;
#define Q4_START(t)    __m512i dot##t = _mm512_setzero_si512();
#define Q4_QUANTS(t)   const int8_t *q##t = x[t].q + 64 * c;
#define Q4_DOT_LOW(t)  dot##t = _mm512_dpbusd_epi32(dot##t, w, spread(q##t + 4 * k));
#define Q4_DOT_HIGH(t) dot##t = _mm512_dpbusd_epi32(dot##t, w, spread(q##t + 32 + 4 * k));
#define Q4_FOLD(t)     half##t = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot##t), scale, half##t);
#define Q4_KEEP(t)                                                                             \
    other##t = half##t;                                                                        \
    half##t = zero;
#define Q4_FINISH(t)                                                                           \
    {                                                                                          \
        __m512 m = _mm512_cvtepi32_ps(minima(&x[t], p0, p1, p2, p3));                          \
        __m512 value = _mm512_mul_ps(_mm512_add_ps(other##t, half##t), s.d);                   \
        value = _mm512_fnmadd_ps(m, s.d_minimum, value);                                       \
        sum##t = _mm512_fmadd_ps(value, _mm512_set1_ps(x[t].scale), sum##t);                   \
    }
/* Sub-blocks 2c and 2c + 1 lie in the low and high nibbles of the same 8 lines. */
#define Q4_STREAM(name, N, fetches)                                                            \
    static void name(const uint8_t *group, uint32_t n_blocks, const struct activation_256 *x,  \
                     uint32_t n_tokens, float *out, size_t out_stride, __mmask16 rows)         \
    {                                                                                          \
        const __m512i nibble = _mm512_set1_epi32(0x0f0f0f0f);                                  \
        const __m512 zero = _mm512_setzero_ps(), sixteenth = _mm512_set1_ps(0.0625f);          \
        TILE_##N(SUM_DECLARE);                                                                 \
        for (uint32_t b = 0; b < n_blocks; b++, x += n_tokens) {                               \
            const uint8_t *block = group + (size_t)b * PACKED_Q4_K;                            \
            struct k_scales s = k_scales_read(block);                                          \
            __m512i scales = s.scale_a;                                                        \
            TILE_##N(Q4_DECLARE);                                                              \
            _Pragma("GCC unroll 1") for (int c = 0; c < 4; c++)                                \
            {                                                                                  \
                const uint8_t *values = block + 256 + 512 * c;                                 \
                const uint8_t *ahead = block + 576 * c;                                        \
                __m512 scale = _mm512_cvtepi32_ps(byte_of(scales, 0));                         \
                TILE_##N(Q4_QUANTS);                                                           \
                if (c == 2) {                                                                  \
                    TILE_##N(Q4_KEEP);                                                         \
                }                                                                              \
                {                                                                              \
                    TILE_##N(Q4_START);                                                        \
                    _Pragma("GCC unroll 8") for (int k = 0; k < 8; k++)                        \
                    {                                                                          \
                        __m512i w = _mm512_and_si512(line(values + 64 * k), nibble);           \
                        if (fetches)                                                           \
                            prefetch_stream(ahead + 64 * k);                                   \
                        TILE_##N(Q4_DOT_LOW);                                                  \
                    }                                                                          \
                    TILE_##N(Q4_FOLD);                                                         \
                }                                                                              \
                if (fetches)                                                                   \
                    prefetch_stream(ahead + 512);                                              \
                scale = _mm512_mul_ps(_mm512_cvtepi32_ps(byte_of(scales, 1)), sixteenth);      \
                {                                                                              \
                    TILE_##N(Q4_START);                                                        \
                    _Pragma("GCC unroll 8") for (int k = 0; k < 8; k++)                        \
                    {                                                                          \
                        __m512i w = _mm512_andnot_si512(nibble, line(values + 64 * k));        \
                        TILE_##N(Q4_DOT_HIGH);                                                 \
                    }                                                                          \
                    TILE_##N(Q4_FOLD);                                                         \
                }                                                                              \
                scales = c == 1 ? s.scale_b : _mm512_srli_epi32(scales, 16);                   \
            }                                                                                  \
            __m512i p0 = low_pair(s.minimum_a), p1 = high_pair(s.minimum_a);                   \
            __m512i p2 = low_pair(s.minimum_b), p3 = high_pair(s.minimum_b);                   \
            TILE_##N(Q4_FINISH);                                                               \
        }                                                                                      \
        TILE_##N(SUM_STORE);                                                                   \
    }

Q4_STREAM(q4_stream_1, 1, true)
Q4_STREAM(q4_plain_1, 1, false)
Q4_STREAM(q4_stream_2, 2, true)
Q4_STREAM(q4_stream_3, 3, true)
Q4_STREAM(q4_stream_4, 4, true)
Q4_STREAM(q4_stream_5, 5, true)
Q4_STREAM(q4_stream_6, 6, true)
Q4_STREAM(q4_stream_7, 7, true)
Q4_STREAM(q4_stream_8, 8, true)

typedef void (*k_stream)(const uint8_t *group, uint32_t n_blocks,
                         const struct activation_256 *x, uint32_t n_tokens, float *out,
                         size_t out_stride, __mmask16 rows);
static const k_stream q4_streams[STREAM_TOKENS + 1] = {NULL,        q4_stream_1, q4_stream_2,
                                                       q4_stream_3, q4_stream_4, q4_stream_5,
                                                       q4_stream_6, q4_stream_7, q4_stream_8};

/* Q6_K, streaming -------------------------------------------------------- */

/*
 * Quarter c of a block: 4 x (two lines of low bits, one of high bits) are 4 lines each of four
 * sub-blocks of 16 columns, 8 (c / 2) + c % 2 + 2 r.  One accumulator for each of these.
 */
#define Q6_DECLARE(t) __m512i total##t = _mm512_setzero_si512();
#define Q6_START(t)                                                                            \
    const int8_t *q##t = x[t].q + 16 * first;                                                  \
    __m512i a##t = spread(&x[t].offset16[first]), b##t = spread(&x[t].offset16[first + 2]);    \
    __m512i c##t = spread(&x[t].offset16[first + 4]), d##t = spread(&x[t].offset16[first + 6]);
#define Q6_DOT(t)                                                                              \
    a##t = _mm512_dpbusd_epi32(a##t, w0, spread(q##t + 4 * k));                                \
    b##t = _mm512_dpbusd_epi32(b##t, w1, spread(q##t + 32 + 4 * k));                           \
    c##t = _mm512_dpbusd_epi32(c##t, w2, spread(q##t + 64 + 4 * k));                           \
    d##t = _mm512_dpbusd_epi32(d##t, w3, spread(q##t + 96 + 4 * k));
#define Q6_FOLD(t)                                                                             \
    a##t = _mm512_add_epi32(_mm512_mullo_epi32(a##t, s0), _mm512_mullo_epi32(b##t, s1));       \
    c##t = _mm512_add_epi32(_mm512_mullo_epi32(c##t, s2), _mm512_mullo_epi32(d##t, s3));       \
    total##t = _mm512_add_epi32(total##t, _mm512_add_epi32(a##t, c##t));
#define Q6_FINISH(t)                                                                           \
    sum##t = _mm512_fmadd_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(total##t), d),                   \
                             _mm512_set1_ps(x[t].scale), sum##t);
/* The signed scale of sub-block g for each row */
INLINE __m512i q6_scale(const uint8_t *block, unsigned g)
{
    const __m512i words = line(block + 64 * (g / 4));

    return _mm512_srai_epi32(
        _mm512_sllv_epi32(words, _mm512_set1_epi32((int)(24 - 8 * (g % 4)))), 24);
}
#define Q6_STREAM(name, N, fetches)                                                            \
    static void name(const uint8_t *group, uint32_t n_blocks, const struct activation_256 *x,  \
                     uint32_t n_tokens, float *out, size_t out_stride, __mmask16 rows)         \
    {                                                                                          \
        const __m512i nibble = _mm512_set1_epi32(0x0f0f0f0f);                                  \
        const __m512i top = _mm512_set1_epi32(0x30303030);                                     \
        const uint8_t *scales = group + (size_t)n_blocks * PACKED_Q6_K;                        \
        TILE_##N(SUM_DECLARE);                                                                 \
        for (uint32_t b = 0; b < n_blocks; b++, x += n_tokens) {                               \
            const uint8_t *block = group + (size_t)b * PACKED_Q6_K;                            \
            TILE_##N(Q6_DECLARE);                                                              \
            _Pragma("GCC unroll 1") for (unsigned c = 0; c < 4; c++)                           \
            {                                                                                  \
                const unsigned first = 8 * (c / 2) + c % 2;                                    \
                const uint8_t *values = block + 256 + 768 * c;                                 \
                TILE_##N(Q6_START);                                                            \
                if (fetches)                                                                   \
                    prefetch_stream(block + 64 * c);                                           \
                _Pragma("GCC unroll 4") for (int k = 0; k < 4; k++)                            \
                {                                                                              \
                    const uint8_t *at = values + 192 * k;                                      \
                    __m512i low = line(at), next = line(at + 64), high = line(at + 128);       \
                    if (fetches) {                                                             \
                        prefetch_stream(at);                                                   \
                        prefetch_stream(at + 64);                                              \
                        prefetch_stream(at + 128);                                             \
                    }                                                                          \
                    __m512i w0 =                                                               \
                        _mm512_or_si512(_mm512_and_si512(low, nibble),                         \
                                        _mm512_and_si512(_mm512_slli_epi32(high, 4), top));    \
                    __m512i w1 =                                                               \
                        _mm512_or_si512(_mm512_and_si512(next, nibble),                        \
                                        _mm512_and_si512(_mm512_slli_epi32(high, 2), top));    \
                    __m512i w2 =                                                               \
                        _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(low, 4), nibble),   \
                                        _mm512_and_si512(high, top));                          \
                    __m512i w3 =                                                               \
                        _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(next, 4), nibble),  \
                                        _mm512_and_si512(_mm512_srli_epi32(high, 2), top));    \
                    TILE_##N(Q6_DOT);                                                          \
                }                                                                              \
                __m512i s0 = q6_scale(block, first), s1 = q6_scale(block, first + 2);          \
                __m512i s2 = q6_scale(block, first + 4), s3 = q6_scale(block, first + 6);      \
                TILE_##N(Q6_FOLD);                                                             \
            }                                                                                  \
            __m512 d = halves(scales + (size_t)b * PACKED_Q6_K_SCALES);                        \
            TILE_##N(Q6_FINISH);                                                               \
        }                                                                                      \
        TILE_##N(SUM_STORE);                                                                   \
    }

Q6_STREAM(q6_stream_1, 1, true)
Q6_STREAM(q6_plain_1, 1, false)
Q6_STREAM(q6_stream_2, 2, true)
Q6_STREAM(q6_plain_2, 2, false)
Q6_STREAM(q6_stream_3, 3, true)
Q6_STREAM(q6_plain_3, 3, false)
Q6_STREAM(q6_stream_4, 4, true)
Q6_STREAM(q6_plain_4, 4, false)

enum { Q6_STREAM_TOKENS = 4 };
static const k_stream q6_streams[] = {NULL, q6_stream_1, q6_stream_2, q6_stream_3, q6_stream_4};
static const k_stream q6_plain[] = {NULL, q6_plain_1, q6_plain_2, q6_plain_3, q6_plain_4};

/* K-quants and IQ4_XS, unpacked to bytes in L1 --------------------------- */

/* 16 rows x 256 columns: line i holds columns 4 i .. 4 i + 3 of each row, unsigned. */
struct unpacked {
    uint8_t q[64][64];
    union {
        int32_t integer[16][16];
        float real[16][16];
    } scale;                /* [16 or 32 columns][row] */
    int32_t minimum[4][16]; /* pairs of int16 */
    float d[16];
    float d_minimum[16];
} __attribute__((aligned(64)));

enum k_kind { KIND_Q4_K, KIND_Q5_K, KIND_Q6_K, KIND_IQ4_XS };

INLINE void store_line(void *to, __m512i value)
{
    _mm512_store_si512(to, value);
}

INLINE void unpack_scales(const struct k_scales *s, bool real, struct unpacked *u)
{
    for (unsigned i = 0; i < 4; i++) {
        __m512i a = byte_of(s->scale_a, i), b = byte_of(s->scale_b, i);
        if (real) {
            _mm512_store_ps(u->scale.real[i], _mm512_cvtepi32_ps(a));
            _mm512_store_ps(u->scale.real[i + 4], _mm512_cvtepi32_ps(b));
        } else {
            store_line(u->scale.integer[i], a);
            store_line(u->scale.integer[i + 4], b);
        }
    }
    store_line(u->minimum[0], low_pair(s->minimum_a));
    store_line(u->minimum[1], high_pair(s->minimum_a));
    store_line(u->minimum[2], low_pair(s->minimum_b));
    store_line(u->minimum[3], high_pair(s->minimum_b));
    _mm512_store_ps(u->d, s->d);
    _mm512_store_ps(u->d_minimum, s->d_minimum);
}

static void unpack_q4_k(const uint8_t *block, struct unpacked *u)
{
    const __m512i nibble = _mm512_set1_epi32(0x0f0f0f0f);
    struct k_scales s = k_scales_read(block);

    for (int c = 0; c < 4; c++) {
        for (int k = 0; k < 8; k++) {
            __m512i w = line(block + 256 + 512 * c + 64 * k);
            store_line(u->q[16 * c + k], _mm512_and_si512(w, nibble));
            store_line(u->q[16 * c + 8 + k], _mm512_and_si512(_mm512_srli_epi32(w, 4), nibble));
        }
    }
    unpack_scales(&s, true, u);
}

static void unpack_q5_k(const uint8_t *block, struct unpacked *u)
{
    const __m512i nibble = _mm512_set1_epi32(0x0f0f0f0f), one = _mm512_set1_epi32(0x01010101);
    struct k_scales s = k_scales_read(block);

    for (int k = 0; k < 8; k++) {
        __m512i high = line(block + 256 + 64 * k);
        for (int c = 0; c < 4; c++) {
            __m512i w = line(block + 768 + 512 * c + 64 * k);
            __m512i bit = _mm512_and_si512(high, one);
            store_line(u->q[16 * c + k],
                       _mm512_or_si512(_mm512_and_si512(w, nibble), _mm512_slli_epi32(bit, 4)));
            high = _mm512_srli_epi32(high, 1);
            bit = _mm512_and_si512(high, one);
            store_line(u->q[16 * c + 8 + k],
                       _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(w, 4), nibble),
                                       _mm512_slli_epi32(bit, 4)));
            high = _mm512_srli_epi32(high, 1);
        }
    }
    unpack_scales(&s, false, u);
}

static void unpack_q6_k(const uint8_t *block, const uint8_t *d, struct unpacked *u)
{
    const __m512i nibble = _mm512_set1_epi32(0x0f0f0f0f), top = _mm512_set1_epi32(0x30303030);

    for (int i = 0; i < 16; i++) {
        const uint8_t *lines = block + 256 + 192 * i;
        __m512i low = line(lines), next = line(lines + 64), high = line(lines + 128);
        int at = 32 * (i / 8) + i % 8; /* line of the first of four runs of 32 columns */
        store_line(u->q[at],
                   _mm512_or_si512(_mm512_and_si512(low, nibble),
                                   _mm512_and_si512(_mm512_slli_epi32(high, 4), top)));
        store_line(u->q[at + 8],
                   _mm512_or_si512(_mm512_and_si512(next, nibble),
                                   _mm512_and_si512(_mm512_slli_epi32(high, 2), top)));
        store_line(u->q[at + 16],
                   _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(low, 4), nibble),
                                   _mm512_and_si512(high, top)));
        store_line(u->q[at + 24],
                   _mm512_or_si512(_mm512_and_si512(_mm512_srli_epi32(next, 4), nibble),
                                   _mm512_and_si512(_mm512_srli_epi32(high, 2), top)));
    }
    for (int w = 0; w < 4; w++) {
        __m512i bytes = line(block + 64 * w);
        for (unsigned i = 0; i < 4; i++)
            store_line(u->scale.integer[4 * w + (int)i],
                       _mm512_srai_epi32(_mm512_slli_epi32(bytes, 24 - 8 * i), 24));
    }
    _mm512_store_ps(u->d, halves(d));
}

/* Nibbles are looked up in the table of 16 values, stored + 128. */
static void unpack_iq4_xs(const uint8_t *block, struct unpacked *u)
{
    const __m512i nibble = _mm512_set1_epi32(0x0f0f0f0f);
    const __m512i table =
        _mm512_xor_si512(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i *)iq4_values)),
                         _mm512_set1_epi8((char)0x80));
    __m512i head = line(block), low = line(block + 64);
    __m512i high = _mm512_srli_epi32(head, 16);

    for (unsigned b = 0; b < 8; b++) {
        __m512i scale = _mm512_or_si512(
            _mm512_and_si512(_mm512_srli_epi32(low, 4 * b), _mm512_set1_epi32(15)),
            _mm512_slli_epi32(
                _mm512_and_si512(_mm512_srli_epi32(high, 2 * b), _mm512_set1_epi32(3)), 4));
        store_line(u->scale.integer[b], _mm512_sub_epi32(scale, _mm512_set1_epi32(32)));
        for (int k = 0; k < 4; k++) {
            __m512i w = line(block + 128 + 256 * b + 64 * k);
            store_line(u->q[8 * (int)b + k],
                       _mm512_shuffle_epi8(table, _mm512_and_si512(w, nibble)));
            store_line(
                u->q[8 * (int)b + 4 + k],
                _mm512_shuffle_epi8(table, _mm512_and_si512(_mm512_srli_epi32(w, 4), nibble)));
        }
    }
    _mm512_store_ps(u->d, _mm512_cvtph_ps(_mm512_cvtepi32_epi16(head)));
}

/* A tile of two groups (u[0], u[1]) and N tokens over 256 columns. */
#define K_DECLARE(t) __m512i dot##t, dot_b##t;
#define K_START(t)                                                                             \
    dot##t = kind == KIND_Q6_K     ? spread(&x[t].offset16[g])                                 \
             : kind == KIND_IQ4_XS ? spread(&x[t].offset32[g])                                 \
                                   : _mm512_setzero_si512();                                   \
    dot_b##t = dot##t;
#define K_DOT(t)                                                                               \
    {                                                                                          \
        __m512i q = spread(x[t].q + 4 * (g * n_lines + k));                                    \
        dot##t = _mm512_dpbusd_epi32(dot##t, w, q);                                            \
        dot_b##t = _mm512_dpbusd_epi32(dot_b##t, w_b, q);                                      \
    }
/* Q4_K as in the streaming kernel; the lower half waits in part[0], the upper in part[1]. */
#define K_FOLD_REAL(t)                                                                         \
    real = part + 32 * (t + N_TOKENS * (g / 4));                                               \
    _mm512_store_ps(real, _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot##t), scale_real,              \
                                          g % 4 ? _mm512_load_ps(real) : zero));               \
    _mm512_store_ps(real + 16, _mm512_fmadd_ps(_mm512_cvtepi32_ps(dot_b##t), scale_real_b,     \
                                               g % 4 ? _mm512_load_ps(real + 16) : zero));
#define K_FOLD_INTEGER(t)                                                                      \
    integer = (int32_t *)(void *)part + 32 * t;                                                \
    dot##t = _mm512_mullo_epi32(dot##t, scale);                                                \
    dot_b##t = _mm512_mullo_epi32(dot_b##t, scale_b);                                          \
    if (g > 0) {                                                                               \
        dot##t = _mm512_add_epi32(dot##t, _mm512_load_si512(integer));                         \
        dot_b##t = _mm512_add_epi32(dot_b##t, _mm512_load_si512(integer + 16));                \
    }                                                                                          \
    store_line(integer, dot##t);                                                               \
    store_line(integer + 16, dot_b##t);
#define K_FINISH(t)                                                                            \
    for (int j = 0; j < 2; j++) {                                                              \
        __m512 value;                                                                          \
        real = part + 32 * t + 16 * j;                                                         \
        if (kind == KIND_Q4_K)                                                                 \
            value = _mm512_add_ps(_mm512_load_ps(real), _mm512_load_ps(real + 32 * N_TOKENS)); \
        else                                                                                   \
            value = _mm512_cvtepi32_ps(_mm512_load_si512(real));                               \
        value = _mm512_mul_ps(value, _mm512_load_ps(u[j].d));                                  \
        if (kind == KIND_Q4_K || kind == KIND_Q5_K) {                                          \
            __m512i m = minima(&x[t], line((const uint8_t *)u[j].minimum[0]),                  \
                               line((const uint8_t *)u[j].minimum[1]),                         \
                               line((const uint8_t *)u[j].minimum[2]),                         \
                               line((const uint8_t *)u[j].minimum[3]));                        \
            value = _mm512_fnmadd_ps(_mm512_cvtepi32_ps(m), _mm512_load_ps(u[j].d_minimum),    \
                                     value);                                                   \
        }                                                                                      \
        real = sums + 32 * t + 16 * j;                                                         \
        _mm512_store_ps(                                                                       \
            real, _mm512_fmadd_ps(value, _mm512_set1_ps(x[t].scale), _mm512_load_ps(real)));   \
    }
#define K_TILE(N)                                                                              \
    INLINE void k_tile_##N(const struct unpacked *u, const struct activation_256 *x,           \
                           float *sums, const enum k_kind kind)                                \
    {                                                                                          \
        enum { N_TOKENS = N };                                                                 \
        const int n_lines = kind == KIND_Q6_K ? 4 : 8;                                         \
        const __m512 zero = _mm512_setzero_ps();                                               \
        float part[2 * 32 * N] __attribute__((aligned(64)));                                   \
        float *real;                                                                           \
        int32_t *integer;                                                                      \
        TILE_##N(K_DECLARE);                                                                   \
        for (int g = 0; g < 64 / n_lines; g++) {                                               \
            TILE_##N(K_START);                                                                 \
            _Pragma("GCC unroll 8") for (int k = 0; k < n_lines; k++)                          \
            {                                                                                  \
                __m512i w = line(u[0].q[g * n_lines + k]);                                     \
                __m512i w_b = line(u[1].q[g * n_lines + k]);                                   \
                TILE_##N(K_DOT);                                                               \
            }                                                                                  \
            if (kind == KIND_Q4_K) {                                                           \
                __m512 scale_real = _mm512_load_ps(u[0].scale.real[g]);                        \
                __m512 scale_real_b = _mm512_load_ps(u[1].scale.real[g]);                      \
                TILE_##N(K_FOLD_REAL);                                                         \
            } else {                                                                           \
                __m512i scale = _mm512_load_si512(u[0].scale.integer[g]);                      \
                __m512i scale_b = _mm512_load_si512(u[1].scale.integer[g]);                    \
                TILE_##N(K_FOLD_INTEGER);                                                      \
            }                                                                                  \
        }                                                                                      \
        (void)integer;                                                                         \
        (void)zero;                                                                            \
        TILE_##N(K_FINISH);                                                                    \
    }

K_TILE(1)
K_TILE(2)
K_TILE(3)
K_TILE(4)
K_TILE(5)
K_TILE(6)
K_TILE(7)
K_TILE(8)

enum { K_TILE_TOKENS = 8 };

#define K_TILES(name, kind)                                                                    \
    static void name(const struct unpacked *u, const struct activation_256 *x, uint32_t n,     \
                     float *sums)                                                              \
    {                                                                                          \
        switch (n) {                                                                           \
        case 1: k_tile_1(u, x, sums, kind); break;                                             \
        case 2: k_tile_2(u, x, sums, kind); break;                                             \
        case 3: k_tile_3(u, x, sums, kind); break;                                             \
        case 4: k_tile_4(u, x, sums, kind); break;                                             \
        case 5: k_tile_5(u, x, sums, kind); break;                                             \
        case 6: k_tile_6(u, x, sums, kind); break;                                             \
        case 7: k_tile_7(u, x, sums, kind); break;                                             \
        default: k_tile_8(u, x, sums, kind); break;                                            \
        }                                                                                      \
    }

/* Types that are rare: fewer copies of the code, odd tails in steps. */
#define K_TILES_FEW(name, kind)                                                                \
    static void name(const struct unpacked *u, const struct activation_256 *x, uint32_t n,     \
                     float *sums)                                                              \
    {                                                                                          \
        for (uint32_t step; n > 0; n -= step, x += step, sums += 32 * step) {                  \
            step = n >= 8 ? 8 : n >= 4 ? 4 : n >= 2 ? 2 : 1;                                   \
            if (step == 8)                                                                     \
                k_tile_8(u, x, sums, kind);                                                    \
            else if (step == 4)                                                                \
                k_tile_4(u, x, sums, kind);                                                    \
            else if (step == 2)                                                                \
                k_tile_2(u, x, sums, kind);                                                    \
            else                                                                               \
                k_tile_1(u, x, sums, kind);                                                    \
        }                                                                                      \
    }

K_TILES(q4_k_tile, KIND_Q4_K)
K_TILES(q6_k_tile, KIND_Q6_K)
K_TILES_FEW(q5_k_tile, KIND_Q5_K)
K_TILES_FEW(iq4_xs_tile, KIND_IQ4_XS)

/* Block b of a group; the bytes of the block are also what the next one is prefetched by. */
static size_t unpack_block(enum tensor_type type, const uint8_t *group, uint32_t b,
                           uint32_t n_blocks, struct unpacked *u)
{
    switch (type) {
    case TENSOR_Q4_K: unpack_q4_k(group + (size_t)b * PACKED_Q4_K, u); return PACKED_Q4_K;
    case TENSOR_Q5_K: unpack_q5_k(group + (size_t)b * PACKED_Q5_K, u); return PACKED_Q5_K;
    case TENSOR_Q6_K:
        unpack_q6_k(group + (size_t)b * PACKED_Q6_K,
                    group + (size_t)n_blocks * PACKED_Q6_K + (size_t)b * PACKED_Q6_K_SCALES, u);
        return PACKED_Q6_K;
    default: unpack_iq4_xs(group + (size_t)b * PACKED_IQ4_XS, u); return PACKED_IQ4_XS;
    }
}

/* As q8_pass() of matmul_avx512.c. */
static void k_pass(enum tensor_type type, const uint8_t *group, const uint8_t *group_b,
                   size_t next, uint32_t n_blocks, const struct activation_256 *x,
                   uint32_t n_now, uint32_t n_tokens, float *sums)
{
    uint32_t n_tiles = (n_now + K_TILE_TOKENS - 1) / K_TILE_TOKENS;
    struct unpacked u[2];

    memset(sums, 0, n_now * 32 * sizeof *sums);
    for (uint32_t b = 0; b < n_blocks; b++) {
        size_t n_bytes = unpack_block(type, group, b, n_blocks, &u[0]);
        size_t ahead = b + 1 < n_blocks ? (b + 1) * n_bytes : next;
        unpack_block(type, group_b, b, n_blocks, &u[1]);
        for (uint32_t i = 0; i < n_tiles; i++) {
            uint32_t t = i * K_TILE_TOKENS;
            uint32_t n = n_now - t < K_TILE_TOKENS ? n_now - t : K_TILE_TOKENS;
            const struct activation_256 *at = x + (size_t)b * n_tokens + t;
            if (ahead > 0 && n_tokens >= avx512_prefetch_from.others) {
                prefetch_part(group + ahead, n_bytes, i, n_tiles);
                prefetch_part(group_b + ahead, n_bytes, i, n_tiles);
            }
            switch (type) {
            case TENSOR_Q4_K: q4_k_tile(u, at, n, sums + 32 * t); break;
            case TENSOR_Q5_K: q5_k_tile(u, at, n, sums + 32 * t); break;
            case TENSOR_Q6_K: q6_k_tile(u, at, n, sums + 32 * t); break;
            default: iq4_xs_tile(u, at, n, sums + 32 * t); break;
            }
        }
    }
}

/* Up to eight tokens: half of them, and the others while the group is in a cache. */
static void q6_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                      const struct activation_256 *x, uint32_t n_tokens, float *out,
                      size_t out_stride)
{
    const size_t group_bytes = kernels_group_bytes(weight->type, weight->n_columns);
    const uint32_t n_blocks = weight->n_columns / 256;
    const uint32_t first = n_tokens > Q6_STREAM_TOKENS ? (n_tokens + 1) / 2 : n_tokens;
    const k_stream *streams = n_tokens < avx512_prefetch_from.others ? q6_plain : q6_streams;

    for (uint32_t g = first_group; g < first_group + n_groups; g++) {
        const uint8_t *group = (const uint8_t *)weight->packed + g * group_bytes;
        const __mmask16 rows = rows_of_group(weight, g);
        float *to = out + (size_t)g * GROUP_ROWS;
        streams[first](group, n_blocks, x, n_tokens, to, out_stride, rows);
        if (n_tokens > first)
            q6_plain[n_tokens - first](group, n_blocks, x + first, n_tokens,
                                       to + first * out_stride, out_stride, rows);
    }
}

void kquant_matmul_avx512(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                          const struct activation_256 *x, uint32_t n_tokens, float *out,
                          size_t out_stride)
{
    size_t group_bytes = kernels_group_bytes(weight->type, weight->n_columns);
    const uint8_t *packed = weight->packed;
    uint32_t n_blocks = weight->n_columns / 256, end = first_group + n_groups;

    if (weight->type == TENSOR_Q4_K && n_tokens <= STREAMED_TOKENS) {
        const uint32_t each = stream_step(n_tokens);
        for (uint32_t g = first_group; g < end; g++)
            for (uint32_t t = 0; t < n_tokens; t += each) {
                uint32_t n = n_tokens - t < each ? n_tokens - t : each;
                k_stream multiply = n < avx512_prefetch_from.q4_k ? q4_plain_1 : q4_streams[n];
                multiply(packed + g * group_bytes, n_blocks, x + t, n_tokens,
                         out + t * out_stride + (size_t)g * GROUP_ROWS, out_stride,
                         rows_of_group(weight, g));
            }
        return;
    }
    if (weight->type == TENSOR_Q6_K && n_tokens <= STREAM_TOKENS) {
        q6_matmul(weight, first_group, n_groups, x, n_tokens, out, out_stride);
        return;
    }
    float sums[MOST_TOKENS * 32] __attribute__((aligned(64)));
    uint32_t step = pass_tokens(n_blocks * sizeof *x);
    for (uint32_t t = 0; t < n_tokens; t += step) {
        uint32_t n_now = n_tokens - t < step ? n_tokens - t : step;
        for (uint32_t g = first_group; g < end; g += 2) {
            bool second = g + 1 < end;
            const uint8_t *group = packed + g * group_bytes;
            k_pass(weight->type, group, second ? group + group_bytes : group,
                   g + 3 < end ? 2 * group_bytes : 0, n_blocks, x + t, n_now, n_tokens, sums);
            store_sums(weight, g, second, sums, n_now, out + t * out_stride, out_stride);
        }
    }
}
