/*
 * tile_avx512.h - what the matrix kernels of the AVX-512 level share; for *_avx512.c only
 *
 * 16 output rows are the 16 lanes; vpdpbusd multiplies 4 columns of each by one broadcast of 4
 * activations.  The int32 sums are exact, so only the short float steps at the end of a block have
 * an order, and it is that of generic.c.
 *
 * Few tokens: the weights stream from memory once, each group with all tokens (up to 8), and a far
 * prefetch keeps the memory busy while the sums are folded.  Without it, time is memory plus
 * computation from 2 tokens on.
 *
 * Many tokens: tiles of 2 groups x 6 or 8 tokens from pieces of weights that stay in L1, K-quants
 * unpacked to bytes there.  Float sums wait in a small tile of their own: rows of `out` may lie a
 * multiple of 4 KiB apart and would fight for one cache set.
 *
 * Accumulators are named variables made by macros: gcc 12 keeps arrays of them in memory.  Scalar
 * int8 products must stay out of these files: gcc 12 turns them into vpdpbusd without the sign.
 */
#ifndef ENGINE_KERNELS_TILE_AVX512_H
#define ENGINE_KERNELS_TILE_AVX512_H

#include <immintrin.h>

#include "engine/kernels/layout.h"

#define TILE_1(F) F(0)
#define TILE_2(F) TILE_1(F) F(1)
#define TILE_3(F) TILE_2(F) F(2)
#define TILE_4(F) TILE_3(F) F(3)
#define TILE_5(F) TILE_4(F) F(4)
#define TILE_6(F) TILE_5(F) F(5)
#define TILE_7(F) TILE_6(F) F(6)
#define TILE_8(F) TILE_7(F) F(7)

#define INLINE static inline __attribute__((always_inline))

enum {
    STREAM_TOKENS = 8,            /* most tokens of a streaming kernel */
    STREAMED_TOKENS = 16,         /* most that are streamed, in two rounds over a group */
    PREFETCH_NEAR = 3072,         /* bytes; to the first-level cache */
    PREFETCH_FAR = 16384,         /* bytes; to the second */
    ACTIVATION_CACHE = 512 << 10, /* bytes of activations that stay in L2 next to the weights */
    MOST_TOKENS = 192 /* of a pass over the weights: the tile of sums stays in L1/L2 */
};

INLINE __m512i line(const uint8_t *p)
{
    return _mm512_load_si512(p);
}

/* 4 bytes of activations, or one int32, to all lanes */
INLINE __m512i spread(const void *p)
{
    int32_t word;

    memcpy(&word, p, sizeof word);
    return _mm512_set1_epi32(word);
}

INLINE __m512 halves(const uint8_t *p)
{
    return _mm512_cvtph_ps(_mm256_load_si256((const __m256i *)p));
}

INLINE void prefetch(const uint8_t *p)
{
    _mm_prefetch((const char *)p, _MM_HINT_T1);
}

/* Rows of a group that exist. */
INLINE __mmask16 rows_of_group(const struct weight *weight, uint32_t group)
{
    uint32_t n = weight->n_rows - group * GROUP_ROWS;
    uint32_t mask = n >= GROUP_ROWS ? 0xffffu : (1u << n) - 1;

    return (__mmask16)mask;
}

/* Tokens of a round over a group: the second one finds the weights in a cache. */
INLINE uint32_t stream_step(uint32_t n_tokens)
{
    uint32_t n_rounds = (n_tokens + STREAM_TOKENS - 1) / STREAM_TOKENS;

    return (n_tokens + n_rounds - 1) / n_rounds;
}

/*
 * Of a stream that is read at p.  Both are needed: without the near one loads wait for the second
 * level (Q4_K 89 % of a plain read, 97 % with it), without the far one for memory.
 */
INLINE void prefetch_stream(const uint8_t *p)
{
    _mm_prefetch((const char *)p + PREFETCH_NEAR, _MM_HINT_T0);
    _mm_prefetch((const char *)p + PREFETCH_FAR, _MM_HINT_T1);
}

/* Sums of a streaming kernel, one vector for each token */
#define SUM_DECLARE(t) __m512 sum##t = _mm512_setzero_ps();
#define SUM_STORE(t)   _mm512_mask_storeu_ps(out + t * out_stride, rows, sum##t);

/* Tokens of one pass over the weights, so that their activations stay in L2. */
INLINE uint32_t pass_tokens(size_t bytes_per_token)
{
    size_t n = ACTIVATION_CACHE / bytes_per_token / 24 * 24; /* whole tiles of 6 and of 8 */

    return n < 48 ? 48 : n > MOST_TOKENS ? MOST_TOKENS : (uint32_t)n;
}

/* The tile of sums to the rows of out that exist. */
INLINE void store_sums(const struct weight *weight, uint32_t group, bool second,
                       const float *sums, uint32_t n_tokens, float *out, size_t out_stride)
{
    __mmask16 rows = rows_of_group(weight, group);
    __mmask16 rows_b = second ? rows_of_group(weight, group + 1) : 0;

    out += (size_t)group * GROUP_ROWS;
    for (uint32_t t = 0; t < n_tokens; t++) {
        _mm512_mask_storeu_ps(out + t * out_stride, rows, _mm512_load_ps(sums + 32 * t));
        if (second)
            _mm512_mask_storeu_ps(out + t * out_stride + GROUP_ROWS, rows_b,
                                  _mm512_load_ps(sums + 32 * t + 16));
    }
}

/* One part of n_parts of the lines [p, p + n_bytes) */
INLINE void prefetch_part(const uint8_t *p, size_t n_bytes, uint32_t part, uint32_t n_parts)
{
    size_t n_lines = n_bytes / 64;
    size_t end = n_lines * (part + 1) / n_parts;

    for (size_t i = n_lines * part / n_parts; i < end; i++)
        prefetch(p + 64 * i);
}

/*
 * From how many tokens on the weights are prefetched by software.  Measured: on Intel (Sapphire
 * Rapids) always better; on AMD (Zen 4) the hardware prefetchers alone do better while the time is
 * bound by memory, and a prefetch of each line costs a third.  No byte depends on it.
 */
struct prefetch_from {
    uint32_t q8, q4_k, others;
};
extern struct prefetch_from avx512_prefetch_from;

void kquant_matmul_avx512(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                          const struct activation_256 *x, uint32_t n_tokens, float *out,
                          size_t out_stride);

#endif
