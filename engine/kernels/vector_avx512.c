/*
 * vector_avx512.c - everything but the matrices, 16 floats at a time
 *
 * Each function repeats generic.c operation by operation; where generic.c writes 16 lanes, they are
 * the lanes of a vector here.
 */
#include <immintrin.h>

#include "engine/kernels/tile_avx512.h"

/* First n of 16 lanes */
INLINE __mmask16 first_lanes(size_t n)
{
    uint32_t mask = n >= 16 ? 0xffffu : (1u << n) - 1;

    return (__mmask16)mask;
}

/* Halves are added: 8, 4, 2, 1 lanes. */
INLINE float sum_lanes(__m512 v)
{
    __m256 a = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));

    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

INLINE __m512 abs_of(__m512 v)
{
    return _mm512_abs_ps(v);
}

/* Activations ------------------------------------------------------------ */

/* scale = largest / 127, and its inverse; false where the block counts as zero */
INLINE bool block_scale(__m512 largest, float *scale, __m512 *inverse)
{
    *scale = _mm512_reduce_max_ps(largest) / 127.0f;
    if (*scale < SMALLEST_SCALE)
        return false;
    *inverse = _mm512_set1_ps(1.0f / *scale);
    return true;
}

/* The low byte of x / scale + 1.5 * 2^23 is the rounded integer. */
INLINE __m128i quantize_16(__m512 x, __m512 inverse)
{
    __m512 shifted = _mm512_add_ps(_mm512_mul_ps(x, inverse), _mm512_set1_ps(0x1.8p23f));

    return _mm512_cvtepi32_epi8(_mm512_castps_si512(shifted));
}

INLINE void quantize_32(const float *x, struct activation_32 *out)
{
    __m512 a = _mm512_loadu_ps(x), b = _mm512_loadu_ps(x + 16), inverse;
    __m512 zero = _mm512_setzero_ps();
    float scale;

    /* max_ps gives its second operand for a NaN, so that NaN does not count. */
    if (!block_scale(_mm512_max_ps(abs_of(a), _mm512_max_ps(abs_of(b), zero)), &scale,
                     &inverse)) {
        memset(out, 0, sizeof *out);
        return;
    }
    __m128i low = quantize_16(a, inverse), high = quantize_16(b, inverse);
    __m256i q = _mm256_inserti128_si256(_mm256_castsi128_si256(low), high, 1);
    __m256i sums = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_set1_epi8(1), q);
    __m128i s = _mm_add_epi32(_mm256_castsi256_si128(sums), _mm256_extracti128_si256(sums, 1));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0x4e));
    s = _mm_add_epi32(s, _mm_shuffle_epi32(s, 0xb1));
    _mm256_storeu_si256((__m256i *)out->q, q);
    out->scale = scale;
    out->offset = -128 * _mm_cvtsi128_si32(s);
}

static void quantize_256(const float *x, struct activation_256 *out)
{
    __m512 largest = _mm512_setzero_ps(), inverse;
    float scale;

    for (int i = 0; i < 256; i += 16)
        largest = _mm512_max_ps(abs_of(_mm512_loadu_ps(x + i)), largest);
    memset(out, 0, sizeof *out);
    if (!block_scale(largest, &scale, &inverse))
        return;
    out->scale = scale;
    for (int i = 0; i < 256; i += 16)
        _mm_storeu_si128((__m128i *)(out->q + i), quantize_16(_mm512_loadu_ps(x + i), inverse));
    for (int i = 0; i < 4; i++) { /* 64 columns: four sums of 16, two of 32 */
        __m512i s = _mm512_dpbusd_epi32(_mm512_setzero_si512(), _mm512_set1_epi8(1),
                                        _mm512_loadu_si512(out->q + 64 * i));
        s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, _MM_PERM_BADC));
        s = _mm512_add_epi32(s, _mm512_shuffle_epi32(s, _MM_PERM_CDAB));
        __m128i four = _mm512_castsi512_si128(_mm512_maskz_compress_epi32(0x1111, s));
        __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0xb1)); /* a a b b */
        _mm_storeu_si128((__m128i *)(out->offset16 + 4 * i),
                         _mm_mullo_epi32(four, _mm_set1_epi32(-32)));
        int32_t a = _mm_cvtsi128_si32(two), b = _mm_extract_epi32(two, 2);
        out->sum32[2 * i] = (int16_t)a;
        out->sum32[2 * i + 1] = (int16_t)b;
        out->offset32[2 * i] = -128 * a;
        out->offset32[2 * i + 1] = -128 * b;
    }
}

static void quantize(enum activation_form form, const float *x, size_t x_stride,
                     uint32_t n_columns, uint32_t first_row, uint32_t n_rows, uint32_t n_total,
                     void *activation)
{
    if (form == ACTIVATION_F32) {
        generic_quantize(form, x, x_stride, n_columns, first_row, n_rows, n_total, activation);
        return;
    }
    for (uint32_t r = 0; r < n_rows; r++, x += x_stride) {
        size_t row = (size_t)first_row + r;
        if (form == ACTIVATION_Q8_32) {
            struct activation_32 *block = (struct activation_32 *)activation + row;
            for (uint32_t b = 0; b < n_columns / 32; b++, block += n_total)
                quantize_32(x + 32 * (size_t)b, block);
        } else {
            struct activation_256 *block = (struct activation_256 *)activation + row;
            for (uint32_t b = 0; b < n_columns / 256; b++, block += n_total)
                quantize_256(x + 256 * (size_t)b, block);
        }
    }
}

/* Norms ------------------------------------------------------------------ */

INLINE float sum_of_squares(const float *x, uint32_t n)
{
    __m512 lanes = _mm512_setzero_ps();

    for (uint32_t i = 0; i < n; i += 16) {
        __m512 v = _mm512_loadu_ps(x + i);
        lanes = _mm512_add_ps(lanes, _mm512_mul_ps(v, v));
    }
    return sum_lanes(lanes);
}

static void rms_norm(const float *x, const float *weight, uint32_t n, float eps, float *out)
{
    float inverse = 1.0f / math_sqrt(sum_of_squares(x, n) / (float)n + eps);
    __m512 factor = _mm512_set1_ps(inverse);

    for (uint32_t i = 0; i < n; i += 16)
        _mm512_storeu_ps(out + i, _mm512_mul_ps(_mm512_mul_ps(_mm512_loadu_ps(x + i), factor),
                                                _mm512_loadu_ps(weight + i)));
}

static void l2_norm(const float *x, uint32_t n, float eps, float scale, float *out)
{
    __m512 factor = _mm512_set1_ps(scale / math_sqrt(sum_of_squares(x, n) + eps));

    for (uint32_t i = 0; i < n; i += 16)
        _mm512_storeu_ps(out + i, _mm512_mul_ps(_mm512_loadu_ps(x + i), factor));
}

/* Element by element ----------------------------------------------------- */

/* math_exp(), lane by lane */
INLINE __m512 exp_of(__m512 x)
{
    const __m512 magic = _mm512_set1_ps(0x1.8p23f), one = _mm512_set1_ps(1.0f);
    __m512 shifted = _mm512_add_ps(_mm512_mul_ps(x, _mm512_set1_ps(MATH_LOG2_E)), magic);
    __m512i n = _mm512_sub_epi32(_mm512_castps_si512(shifted), _mm512_castps_si512(magic));
    __m512 whole = _mm512_sub_ps(shifted, magic);
    __m512 r = _mm512_sub_ps(x, _mm512_mul_ps(whole, _mm512_set1_ps(MATH_LN2_HIGH)));
    r = _mm512_sub_ps(r, _mm512_mul_ps(whole, _mm512_set1_ps(MATH_LN2_LOW)));
    __m512 p = _mm512_set1_ps(MATH_EXP_C6);
    p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(MATH_EXP_C5));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(MATH_EXP_C4));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(MATH_EXP_C3));
    p = _mm512_add_ps(_mm512_mul_ps(p, r), _mm512_set1_ps(0.5f));
    p = _mm512_add_ps(_mm512_add_ps(_mm512_mul_ps(p, _mm512_mul_ps(r, r)), r), one);

    const __m512i bias = _mm512_set1_epi32(127);
    __m512i half = _mm512_srai_epi32(n, 1);
    __m512i rest = _mm512_sub_epi32(n, half);
    __m512 scale = _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(half, bias), 23));
    __m512 scale_rest =
        _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(rest, bias), 23));
    __m512 value = _mm512_mul_ps(_mm512_mul_ps(p, scale), scale_rest);

    __mmask16 low = _mm512_cmp_ps_mask(x, _mm512_set1_ps(MATH_EXP_LOWEST), _CMP_LT_OQ);
    __mmask16 high = _mm512_cmp_ps_mask(x, _mm512_set1_ps(MATH_EXP_HIGHEST), _CMP_GT_OQ);
    __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    value = _mm512_mask_mov_ps(value, low, _mm512_setzero_ps());
    value = _mm512_mask_mov_ps(value, high, _mm512_set1_ps(math_float_of(0x7f800000u)));
    return _mm512_mask_mov_ps(value, nan, x);
}

/* 1 + exp(-x) */
INLINE __m512 one_plus_exp_minus(__m512 x)
{
    return _mm512_add_ps(_mm512_set1_ps(1.0f), exp_of(_mm512_xor_ps(x, _mm512_set1_ps(-0.0f))));
}

INLINE __m512 silu(__m512 x)
{
    return _mm512_div_ps(x, one_plus_exp_minus(x));
}

static void add(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = first_lanes(n - i);
        _mm512_mask_storeu_ps(
            x + i, m,
            _mm512_add_ps(_mm512_maskz_loadu_ps(m, x + i), _mm512_maskz_loadu_ps(m, y + i)));
    }
}

static void silu_multiply(const float *gate, const float *up, size_t n, float *out)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = first_lanes(n - i);
        __m512 value = silu(_mm512_maskz_loadu_ps(m, gate + i));
        _mm512_mask_storeu_ps(out + i, m,
                              _mm512_mul_ps(value, _mm512_maskz_loadu_ps(m, up + i)));
    }
}

static void sigmoid_multiply(const float *x, const float *gate, size_t n, float *out)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = first_lanes(n - i);
        __m512 divisor = one_plus_exp_minus(_mm512_maskz_loadu_ps(m, gate + i));
        _mm512_mask_storeu_ps(out + i, m,
                              _mm512_div_ps(_mm512_maskz_loadu_ps(m, x + i), divisor));
    }
}

static void convolve(const float *window, size_t window_stride, const float *taps,
                     size_t taps_stride, uint32_t n_taps, uint32_t n, uint32_t n_tokens,
                     float *out, size_t out_stride)
{
    for (uint32_t t = 0; t < n_tokens; t++, window += window_stride, out += out_stride) {
        for (uint32_t c = 0; c < n; c += 16) {
            __mmask16 m = first_lanes(n - c);
            __m512 sum = _mm512_mul_ps(_mm512_maskz_loadu_ps(m, taps + c),
                                       _mm512_maskz_loadu_ps(m, window + c));
            for (size_t j = 1; j < n_taps; j++)
                sum = _mm512_add_ps(
                    sum,
                    _mm512_mul_ps(_mm512_maskz_loadu_ps(m, taps + j * taps_stride + c),
                                  _mm512_maskz_loadu_ps(m, window + j * window_stride + c)));
            _mm512_mask_storeu_ps(out + c, m, silu(sum));
        }
    }
}

static void rotate(float *x, const float *cosine, const float *sine, uint32_t n_pairs)
{
    for (uint32_t i = 0; i < n_pairs; i += 16) {
        __mmask16 m = first_lanes(n_pairs - i);
        __m512 a = _mm512_maskz_loadu_ps(m, x + i);
        __m512 b = _mm512_maskz_loadu_ps(m, x + n_pairs + i);
        __m512 c = _mm512_maskz_loadu_ps(m, cosine + i), s = _mm512_maskz_loadu_ps(m, sine + i);
        _mm512_mask_storeu_ps(x + i, m,
                              _mm512_sub_ps(_mm512_mul_ps(a, c), _mm512_mul_ps(b, s)));
        _mm512_mask_storeu_ps(x + n_pairs + i, m,
                              _mm512_add_ps(_mm512_mul_ps(a, s), _mm512_mul_ps(b, c)));
    }
}

static void to_half(const float *x, size_t n, uint16_t *out)
{
    for (size_t i = 0; i < n; i += 16) {
        __mmask16 m = first_lanes(n - i);
        __m256i half = _mm512_cvtps_ph(_mm512_maskz_loadu_ps(m, x + i),
                                       _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
        _mm256_mask_storeu_epi16(out + i, m, half);
    }
}

/* Gated delta rule ------------------------------------------------------- */

/* One token on two slices (b may be a again): the slices' chains hide each other's latency. */
#define CHAINS(name) __m512 name##0 = zero, name##1 = zero, name##2 = zero, name##3 = zero;
#define CHAIN_SUM(name)                                                                        \
    _mm512_add_ps(_mm512_add_ps(name##0, name##1), _mm512_add_ps(name##2, name##3))

INLINE void state_read(const float *a, const float *b, const float *key, uint32_t n_key,
                       __m512 *read_a, __m512 *read_b)
{
    const __m512 zero = _mm512_setzero_ps();
    CHAINS(ra)
    CHAINS(rb)

#define READ(c)                                                                                \
    {                                                                                          \
        __m512 k = _mm512_set1_ps(key[i + c]);                                                 \
        ra##c = _mm512_fmadd_ps(k, _mm512_load_ps(a + (size_t)(i + c) * DELTA_SLICE), ra##c);  \
        rb##c = _mm512_fmadd_ps(k, _mm512_load_ps(b + (size_t)(i + c) * DELTA_SLICE), rb##c);  \
    }
    for (uint32_t i = 0; i < n_key; i += 4) {
        READ(0)
        READ(1)
        READ(2)
        READ(3)
    }
#undef READ
    *read_a = CHAIN_SUM(ra);
    *read_b = CHAIN_SUM(rb);
}

/* Of two slices: what the next token reads, what this one gives. */
struct slice_sums {
    __m512 read_a, read_b, out_a, out_b;
};

/*
 * S = fma(k, delta, S * decay), the new S^T q, and with `reads` the new S^T of the next token's
 * key as well: so a token passes over the state once.
 */
INLINE void state_write(float *a, float *b, const float *key, const float *query,
                        const float *next, uint32_t n_key, __m512 decay, __m512 delta_a,
                        __m512 delta_b, struct slice_sums *sums, const bool reads)
{
    const __m512 zero = _mm512_setzero_ps();
    CHAINS(oa)
    CHAINS(ob)
    CHAINS(ra)
    CHAINS(rb)

#define WRITE(c)                                                                               \
    {                                                                                          \
        __m512 k = _mm512_set1_ps(key[i + c]), q = _mm512_set1_ps(query[i + c]);               \
        float *at = a + (size_t)(i + c) * DELTA_SLICE,                                         \
              *at_b = b + (size_t)(i + c) * DELTA_SLICE;                                       \
        __m512 s = _mm512_mul_ps(_mm512_load_ps(at), decay);                                   \
        __m512 s_b = _mm512_mul_ps(_mm512_load_ps(at_b), decay);                               \
        s = _mm512_fmadd_ps(k, delta_a, s);                                                    \
        s_b = _mm512_fmadd_ps(k, delta_b, s_b);                                                \
        _mm512_store_ps(at, s);                                                                \
        _mm512_store_ps(at_b, s_b);                                                            \
        oa##c = _mm512_fmadd_ps(q, s, oa##c);                                                  \
        ob##c = _mm512_fmadd_ps(q, s_b, ob##c);                                                \
        if (reads) {                                                                           \
            __m512 n = _mm512_set1_ps(next[i + c]);                                            \
            ra##c = _mm512_fmadd_ps(n, s, ra##c);                                              \
            rb##c = _mm512_fmadd_ps(n, s_b, rb##c);                                            \
        }                                                                                      \
    }
    for (uint32_t i = 0; i < n_key; i += 4) {
        WRITE(0)
        WRITE(1)
        WRITE(2)
        WRITE(3)
    }
#undef WRITE
    sums->out_a = CHAIN_SUM(oa);
    sums->out_b = CHAIN_SUM(ob);
    if (reads) {
        sums->read_a = CHAIN_SUM(ra);
        sums->read_b = CHAIN_SUM(rb);
    }
}

/* All tokens on two slices, whose state stays in L1.  A lone last slice runs twice side by side:
 * both halves then store the same values in the same places. */
static void delta_slices(const struct delta_rule_job *job, uint32_t slice, uint32_t slice_b)
{
    float *a = job->state + (size_t)slice * job->n_key * DELTA_SLICE;
    float *b = job->state + (size_t)slice_b * job->n_key * DELTA_SLICE;
    size_t column = (size_t)slice * DELTA_SLICE, column_b = (size_t)slice_b * DELTA_SLICE;
    struct slice_sums sums;

    state_read(a, b, job->key, job->n_key, &sums.read_a, &sums.read_b);
    for (uint32_t t = 0; t < job->n_tokens; t++) {
        const float *key = job->key + t * job->key_stride, *next = key + job->key_stride;
        const float *query = job->query + t * job->query_stride;
        const float *value = job->value + t * job->value_stride;
        __m512 decay = _mm512_set1_ps(job->decay[t * job->gate_stride]);
        __m512 beta = _mm512_set1_ps(job->beta[t * job->gate_stride]);
        float *out = job->out + t * job->out_stride;
        __m512 delta = _mm512_mul_ps(beta, _mm512_sub_ps(_mm512_loadu_ps(value + column),
                                                         _mm512_mul_ps(sums.read_a, decay)));
        __m512 delta_b = _mm512_mul_ps(beta, _mm512_sub_ps(_mm512_loadu_ps(value + column_b),
                                                           _mm512_mul_ps(sums.read_b, decay)));

        if (t + 1 < job->n_tokens)
            state_write(a, b, key, query, next, job->n_key, decay, delta, delta_b, &sums, true);
        else
            state_write(a, b, key, query, key, job->n_key, decay, delta, delta_b, &sums, false);
        _mm512_storeu_ps(out + column, sums.out_a);
        _mm512_storeu_ps(out + column_b, sums.out_b);
        if (job->delta) {
            _mm512_storeu_ps(job->delta + t * job->delta_stride + column, delta);
            _mm512_storeu_ps(job->delta + t * job->delta_stride + column_b, delta_b);
        }
    }
}

static void delta_rule(const struct delta_rule_job *job)
{
    for (uint32_t s = 0; s < job->n_slices; s += 2)
        delta_slices(job, job->first_slice + s,
                     job->first_slice + (s + 1 < job->n_slices ? s + 1 : s));
}

static void delta_apply(const struct delta_rule_job *job)
{
    for (uint32_t s = job->first_slice; s < job->first_slice + job->n_slices; s++) {
        float *state = job->state + (size_t)s * job->n_key * DELTA_SLICE;
        for (uint32_t t = 0; t < job->n_tokens; t++) {
            const float *key = job->key + t * job->key_stride;
            __m512 decay = _mm512_set1_ps(job->decay[t * job->gate_stride]);
            __m512 delta =
                _mm512_loadu_ps(job->delta + t * job->delta_stride + (size_t)s * DELTA_SLICE);
            for (uint32_t i = 0; i < job->n_key; i++) {
                float *at = state + (size_t)i * DELTA_SLICE;
                __m512 v = _mm512_mul_ps(_mm512_load_ps(at), decay);
                _mm512_store_ps(at, _mm512_fmadd_ps(_mm512_set1_ps(key[i]), delta, v));
            }
        }
    }
}

/* Attention -------------------------------------------------------------- */

enum {
    TILE_QUERIES = 4,   /* queries that share a pass over a block of keys */
    CHUNK_QUERIES = 32, /* queries that share a block of keys and values in L2 */
    BLOCK = ATTENTION_BLOCK
};

INLINE __m512 load_16(const void *rows, size_t index, const bool half)
{
    if (half)
        return _mm512_cvtph_ps(
            _mm256_loadu_si256((const __m256i *)((const uint16_t *)rows + index)));
    return _mm512_loadu_ps((const float *)rows + index);
}

/* Sixteen vectors to the sums of their lanes, in four steps that add halves: v[key][query]; lane
 * 4 * query + key of the result. */
INLINE __m512 halve_16(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
}

INLINE __m512 halve_8(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x88), _mm512_shuffle_f32x4(a, b, 0xdd));
}

INLINE __m512 halve_4(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
}

INLINE __m512 halve_2(__m512 a, __m512 b)
{
    return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x88), _mm512_shuffle_ps(a, b, 0xdd));
}

/*
 * 64 elements of K or V that come soon.  The processor alone follows neither the change between
 * keys and values nor the end of a page, and would wait for memory half of the time; asked for
 * many at once it waits too.
 */
INLINE void prefetch_64(const void *rows, size_t element, const bool half)
{
    const uint8_t *p = (const uint8_t *)rows + element * (half ? 2 : 4);

    prefetch(p);
    prefetch(p + 64);
    if (!half) {
        prefetch(p + 128);
        prefetch(p + 192);
    }
}

/* Scores of four queries and the four keys from row `position` on; `fetches`: values of the same
 * rows come soon. */
INLINE void score_tile(const struct attention_job *job, const float *const *query,
                       size_t position, size_t n_keys, float score[][BLOCK], size_t at,
                       bool fetches, const bool half)
{
    size_t n = job->n_key;
    /* Fewer than four keys: the last one again, its extra scores are never read. */
    size_t r0 = position * n, r1 = (position + (n_keys > 1 ? 1 : 0)) * n;
    size_t r2 = n_keys > 2 ? (position + 2) * n : r1;
    size_t r3 = n_keys > 3 ? (position + 3) * n : r2;
    const __m512 zero = _mm512_setzero_ps();
    CHAINS(k0)
    CHAINS(k1)
    CHAINS(k2)
    CHAINS(k3)

#define SCORE(q)                                                                               \
    {                                                                                          \
        __m512 v = _mm512_loadu_ps(query[q] + i);                                              \
        k0##q = _mm512_fmadd_ps(v, a, k0##q);                                                  \
        k1##q = _mm512_fmadd_ps(v, b, k1##q);                                                  \
        k2##q = _mm512_fmadd_ps(v, c, k2##q);                                                  \
        k3##q = _mm512_fmadd_ps(v, d, k3##q);                                                  \
    }
    for (size_t i = 0; i < n; i += 16) {
        __m512 a = load_16(job->key, r0 + i, half), b = load_16(job->key, r1 + i, half);
        __m512 c = load_16(job->key, r2 + i, half), d = load_16(job->key, r3 + i, half);
        if (fetches)
            prefetch_64(job->value, r0 + 4 * i, half);
        SCORE(0)
        SCORE(1)
        SCORE(2)
        SCORE(3)
    }
#undef SCORE
    __m512 s0 = halve_8(halve_16(k00, k01), halve_16(k02, k03));
    __m512 s1 = halve_8(halve_16(k10, k11), halve_16(k12, k13));
    __m512 s2 = halve_8(halve_16(k20, k21), halve_16(k22, k23));
    __m512 s3 = halve_8(halve_16(k30, k31), halve_16(k32, k33));
    __m512 s = halve_2(halve_4(s0, s1), halve_4(s2, s3));

    s = _mm512_mul_ps(s, _mm512_set1_ps(job->scale));
    _mm_storeu_ps(score[0] + at, _mm512_castps512_ps128(s));
    _mm_storeu_ps(score[1] + at, _mm512_extractf32x4_ps(s, 1));
    _mm_storeu_ps(score[2] + at, _mm512_extractf32x4_ps(s, 2));
    _mm_storeu_ps(score[3] + at, _mm512_extractf32x4_ps(s, 3));
}

/* What one query has gathered so far; the unnormalised sum of values is in its row of out. */
struct gathered {
    float largest, total;
};

/* Scores of n keys to weights exp(score - largest) in place; returns what to multiply the sums of
 * the blocks before by. */
INLINE float weigh(float *score, size_t n, struct gathered *g)
{
    const __m512 lowest = _mm512_set1_ps(math_float_of(0xff800000u));
    __m512 v[4], largest = _mm512_set1_ps(g->largest);
    float before = g->largest;

    for (size_t i = 0; i < 4; i++) {
        __mmask16 m = 16 * i < n ? first_lanes(n - 16 * i) : 0;
        v[i] = _mm512_mask_loadu_ps(lowest, m, score + 16 * i);
        largest = _mm512_max_ps(v[i], largest);
    }
    g->largest = _mm512_reduce_max_ps(largest);
    largest = _mm512_set1_ps(g->largest);
    for (size_t i = 0; i < 4; i++) {
        __mmask16 m = 16 * i < n ? first_lanes(n - 16 * i) : 0;
        v[i] = _mm512_maskz_mov_ps(m, exp_of(_mm512_sub_ps(v[i], largest)));
        _mm512_storeu_ps(score + 16 * i, v[i]);
    }
    float sum = sum_lanes(_mm512_add_ps(_mm512_add_ps(_mm512_add_ps(v[0], v[1]), v[2]), v[3]));
    float kept = math_exp(before - g->largest);
    g->total = g->total * kept + sum;
    return kept;
}

/* out = out * kept, then fma over rows first .. end - 1 of the block */
INLINE void add_values_1(const struct attention_job *job, size_t position, const float *weight,
                         size_t first, size_t end, float kept, float *out, const bool half)
{
    for (size_t i = 0; i < job->n_value; i += 16) {
        __m512 sum = _mm512_mul_ps(_mm512_loadu_ps(out + i), _mm512_set1_ps(kept));
        for (size_t j = first; j < end; j++)
            sum = _mm512_fmadd_ps(_mm512_set1_ps(weight[j]),
                                  load_16(job->value, (position + j) * job->n_value + i, half),
                                  sum);
        _mm512_storeu_ps(out + i, sum);
    }
}

/* The same for four queries over the rows that all of them see, 64 dimensions at a time. */
INLINE void add_values_4(const struct attention_job *job, size_t position,
                         float weight[][BLOCK], size_t n, const float *kept, float *const *out,
                         size_t i, const bool ahead, const bool half)
{
#define VALUE_LOAD(q)                                                                          \
    __m512 k##q = _mm512_set1_ps(kept[q]);                                                     \
    __m512 a##q = _mm512_mul_ps(_mm512_loadu_ps(out[q] + i), k##q);                            \
    __m512 b##q = _mm512_mul_ps(_mm512_loadu_ps(out[q] + i + 16), k##q);                       \
    __m512 c##q = _mm512_mul_ps(_mm512_loadu_ps(out[q] + i + 32), k##q);                       \
    __m512 d##q = _mm512_mul_ps(_mm512_loadu_ps(out[q] + i + 48), k##q);
#define VALUE_ADD(q)                                                                           \
    {                                                                                          \
        __m512 w = _mm512_set1_ps(weight[q][j]);                                               \
        a##q = _mm512_fmadd_ps(w, va, a##q);                                                   \
        b##q = _mm512_fmadd_ps(w, vb, b##q);                                                   \
        c##q = _mm512_fmadd_ps(w, vc, c##q);                                                   \
        d##q = _mm512_fmadd_ps(w, vd, d##q);                                                   \
    }
#define VALUE_STORE(q)                                                                         \
    _mm512_storeu_ps(out[q] + i, a##q);                                                        \
    _mm512_storeu_ps(out[q] + i + 16, b##q);                                                   \
    _mm512_storeu_ps(out[q] + i + 32, c##q);                                                   \
    _mm512_storeu_ps(out[q] + i + 48, d##q);
    VALUE_LOAD(0)
    VALUE_LOAD(1)
    VALUE_LOAD(2)
    VALUE_LOAD(3)
    for (size_t j = 0; j < n; j++) {
        size_t row = (position + j) * job->n_value + i;
        __m512 va = load_16(job->value, row, half), vb = load_16(job->value, row + 16, half);
        __m512 vc = load_16(job->value, row + 32, half);
        __m512 vd = load_16(job->value, row + 48, half);
        if (ahead)
            prefetch_64(job->key, (position + BLOCK) * job->n_key + (i / 64 * BLOCK + j) * 64,
                        half);
        VALUE_ADD(0)
        VALUE_ADD(1)
        VALUE_ADD(2)
        VALUE_ADD(3)
    }
    VALUE_STORE(0)
    VALUE_STORE(1)
    VALUE_STORE(2)
    VALUE_STORE(3)
#undef VALUE_LOAD
#undef VALUE_ADD
#undef VALUE_STORE
}

/* Query number i of a job: rows, then heads. */
INLINE const float *query_at(const struct attention_job *job, uint32_t i)
{
    return job->query + i / job->n_heads * job->query_row_stride +
           i % job->n_heads * job->query_head_stride;
}

INLINE float *out_at(const struct attention_job *job, uint32_t i)
{
    return job->out + i / job->n_heads * job->out_row_stride +
           i % job->n_heads * job->out_head_stride;
}

/* Keys of the block that starts at `position` which query i sees */
INLINE uint32_t keys_seen(const struct attention_job *job, uint32_t i, uint32_t position)
{
    uint32_t end = job->first_position + i / job->n_heads + 1;

    return end <= position ? 0 : end - position < BLOCK ? end - position : BLOCK;
}

/* Up to four queries, one block.  The first tile fetches its values, and the next keys if there
 * are any, for all. */
INLINE void attend_tile(const struct attention_job *job, uint32_t first, uint32_t n_queries,
                        uint32_t position, bool fetches, bool more, struct gathered *g,
                        const bool half)
{
    float score[TILE_QUERIES][BLOCK], kept[TILE_QUERIES];
    const float *query[TILE_QUERIES];
    float *out[TILE_QUERIES];
    uint32_t last = first + n_queries - 1;
    uint32_t n_all = keys_seen(job, first, position); /* rows ascend: the first sees least */
    uint32_t n_most = keys_seen(job, last, position);
    size_t done = 0;

    for (uint32_t q = 0; q < TILE_QUERIES; q++)
        query[q] = query_at(job, q < n_queries ? first + q : last);
    for (uint32_t j = 0; j < n_most; j += 4)
        score_tile(job, query, (size_t)position + j, n_most - j, score, j, fetches, half);
    for (uint32_t q = 0; q < n_queries; q++) {
        uint32_t n = keys_seen(job, first + q, position);
        out[q] = out_at(job, first + q);
        kept[q] = n > 0 ? weigh(score[q], n, &g[q]) : 1.0f;
    }
    if (n_queries == TILE_QUERIES && n_all > 0 && job->n_value % 64 == 0) {
        for (size_t i = 0; i < job->n_value; i += 64)
            add_values_4(job, position, score, n_all, kept, out, i, fetches && more, half);
        done = n_all;
        for (uint32_t q = 0; q < TILE_QUERIES; q++)
            kept[q] = 1.0f;
    }
    for (uint32_t q = 0; q < n_queries; q++) {
        uint32_t n = keys_seen(job, first + q, position);
        if (n > done)
            add_values_1(job, position, score[q], done, n, kept[q], out[q], half);
    }
}

INLINE void attend(const struct attention_job *job, const bool half)
{
    uint32_t n_queries = job->n_rows * job->n_heads;
    struct gathered g[CHUNK_QUERIES];

    for (uint32_t first = 0; first < n_queries; first += CHUNK_QUERIES) {
        uint32_t n = n_queries - first < CHUNK_QUERIES ? n_queries - first : CHUNK_QUERIES;
        uint32_t end = job->first_position + (first + n - 1) / job->n_heads + 1;
        for (uint32_t i = 0; i < n; i++) {
            g[i] = (struct gathered){math_float_of(0xff800000u), 0};
            memset(out_at(job, first + i), 0, job->n_value * sizeof(float));
        }
        for (uint32_t position = 0; position < end; position += BLOCK)
            for (uint32_t i = 0; i < n; i += TILE_QUERIES)
                attend_tile(job, first + i, n - i < TILE_QUERIES ? n - i : TILE_QUERIES,
                            position, i == 0, position + BLOCK < end, g + i, half);
        for (uint32_t i = 0; i < n; i++) {
            float *out = out_at(job, first + i);
            __m512 inverse = _mm512_set1_ps(1.0f / g[i].total);
            for (size_t k = 0; k < job->n_value; k += 16)
                _mm512_storeu_ps(out + k, _mm512_mul_ps(_mm512_loadu_ps(out + k), inverse));
        }
    }
}

static void attend_half(const struct attention_job *job)
{
    attend(job, true);
}

static void attend_float(const struct attention_job *job)
{
    attend(job, false);
}

static void attention(const struct attention_job *job)
{
    if (job->half)
        attend_half(job);
    else
        attend_float(job);
}

void avx512_kernels(struct kernels *table)
{
    __builtin_cpu_init();
    if (__builtin_cpu_is("amd"))
        avx512_prefetch_from = (struct prefetch_from){.q8 = 5, .q4_k = 2, .others = 4};
    table->quantize = quantize;
    table->matmul = avx512_matmul;
    table->rms_norm = rms_norm;
    table->l2_norm = l2_norm;
    table->add = add;
    table->silu_multiply = silu_multiply;
    table->sigmoid_multiply = sigmoid_multiply;
    table->convolve = convolve;
    table->rotate = rotate;
    table->delta_rule = delta_rule;
    table->delta_apply = delta_apply;
    table->attention = attention;
    table->to_half = to_half;
}
