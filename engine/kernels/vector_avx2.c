/*
 * vector_avx2.c - everything but the matrices, 8 floats at a time
 *
 * Each function repeats generic.c operation by operation; its 16 lanes are two vectors here.  What
 * is left over after whole vectors goes through the scalar functions of math.h, which are the same
 * steps.
 */
#include <immintrin.h>

#include "engine/kernels/layout.h"

#define INLINE static inline __attribute__((always_inline))

/* Halves are added: 8, 4, 2, 1 lanes. */
INLINE float sum_lanes(__m256 low, __m256 high)
{
    __m256 a = _mm256_add_ps(low, high);
    __m128 b = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    __m128 c = _mm_add_ps(b, _mm_movehl_ps(b, b));

    return _mm_cvtss_f32(_mm_add_ss(c, _mm_movehdup_ps(c)));
}

INLINE float largest_of(__m256 v)
{
    __m128 a = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));

    a = _mm_max_ps(a, _mm_movehl_ps(a, a));
    return _mm_cvtss_f32(_mm_max_ss(a, _mm_movehdup_ps(a)));
}

INLINE __m256 abs_of(__m256 v)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), v);
}

/* Activations ------------------------------------------------------------ */

/* n values (a multiple of 32) and their scale; see quantize_block() in generic.c */
INLINE float quantize_block(const float *x, int n, int8_t *q)
{
    __m256 largest = _mm256_setzero_ps();

    for (int i = 0; i < n; i += 8) /* max_ps gives its second operand for a NaN */
        largest = _mm256_max_ps(abs_of(_mm256_loadu_ps(x + i)), largest);
    float scale = largest_of(largest) / 127.0f;
    if (scale < SMALLEST_SCALE) {
        memset(q, 0, (size_t)n);
        return 0;
    }
    const __m256 inverse = _mm256_set1_ps(1.0f / scale), magic = _mm256_set1_ps(0x1.8p23f);
    const __m256i byte = _mm256_set1_epi32(0xff);
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (int i = 0; i < n; i += 32) {
        __m256i v[4];
        for (int j = 0; j < 4; j++) {
            __m256 shifted =
                _mm256_add_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i + 8 * j), inverse), magic);
            v[j] = _mm256_and_si256(_mm256_castps_si256(shifted), byte);
        }
        __m256i bytes = _mm256_packus_epi16(_mm256_packus_epi32(v[0], v[1]),
                                            _mm256_packus_epi32(v[2], v[3]));
        _mm256_storeu_si256((__m256i *)(q + i), _mm256_permutevar8x32_epi32(bytes, order));
    }
    return scale;
}

/* Sums of 16 bytes: [0] and [1] of two int32 */
INLINE __m128i sums_of_16(const int8_t *q)
{
    __m256i v = _mm256_loadu_si256((const __m256i *)q);
    __m256i pairs = _mm256_maddubs_epi16(_mm256_set1_epi8(1), v);
    __m256i s = _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));

    s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0x4e));
    s = _mm256_add_epi32(s, _mm256_shuffle_epi32(s, 0xb1));
    return _mm_unpacklo_epi32(_mm256_castsi256_si128(s), _mm256_extracti128_si256(s, 1));
}

static void quantize_32(const float *x, struct activation_32 *out)
{
    out->scale = quantize_block(x, 32, out->q);
    __m128i s = sums_of_16(out->q);
    out->offset = -128 * (_mm_cvtsi128_si32(s) + _mm_extract_epi32(s, 1));
}

static void quantize_256(const float *x, struct activation_256 *out)
{
    memset(out, 0, sizeof *out);
    out->scale = quantize_block(x, 256, out->q);
    for (int g = 0; g < 8; g++) {
        __m128i s = sums_of_16(out->q + 32 * g);
        int32_t a = _mm_cvtsi128_si32(s), b = _mm_extract_epi32(s, 1);
        out->offset16[2 * g] = -32 * a;
        out->offset16[2 * g + 1] = -32 * b;
        out->sum32[g] = (int16_t)(a + b);
        out->offset32[g] = -128 * (a + b);
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
    __m256 low = _mm256_setzero_ps(), high = low;

    for (uint32_t i = 0; i < n; i += 16) {
        __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + i + 8);
        low = _mm256_add_ps(low, _mm256_mul_ps(a, a));
        high = _mm256_add_ps(high, _mm256_mul_ps(b, b));
    }
    return sum_lanes(low, high);
}

static void rms_norm(const float *x, const float *weight, uint32_t n, float eps, float *out)
{
    float inverse = 1.0f / math_sqrt(sum_of_squares(x, n) / (float)n + eps);
    __m256 factor = _mm256_set1_ps(inverse);

    for (uint32_t i = 0; i < n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_mul_ps(_mm256_loadu_ps(x + i), factor),
                                                _mm256_loadu_ps(weight + i)));
}

static void l2_norm(const float *x, uint32_t n, float eps, float scale, float *out)
{
    __m256 factor = _mm256_set1_ps(scale / math_sqrt(sum_of_squares(x, n) + eps));

    for (uint32_t i = 0; i < n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_loadu_ps(x + i), factor));
}

/* Element by element ----------------------------------------------------- */

/* math_exp(), lane by lane */
INLINE __m256 exp_of(__m256 x)
{
    const __m256 magic = _mm256_set1_ps(0x1.8p23f), one = _mm256_set1_ps(1.0f);
    __m256 shifted = _mm256_add_ps(_mm256_mul_ps(x, _mm256_set1_ps(MATH_LOG2_E)), magic);
    __m256i n = _mm256_sub_epi32(_mm256_castps_si256(shifted), _mm256_castps_si256(magic));
    __m256 whole = _mm256_sub_ps(shifted, magic);
    __m256 r = _mm256_sub_ps(x, _mm256_mul_ps(whole, _mm256_set1_ps(MATH_LN2_HIGH)));
    r = _mm256_sub_ps(r, _mm256_mul_ps(whole, _mm256_set1_ps(MATH_LN2_LOW)));
    __m256 p = _mm256_set1_ps(MATH_EXP_C6);
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(MATH_EXP_C5));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(MATH_EXP_C4));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(MATH_EXP_C3));
    p = _mm256_add_ps(_mm256_mul_ps(p, r), _mm256_set1_ps(0.5f));
    p = _mm256_add_ps(_mm256_add_ps(_mm256_mul_ps(p, _mm256_mul_ps(r, r)), r), one);

    const __m256i bias = _mm256_set1_epi32(127);
    __m256i half = _mm256_srai_epi32(n, 1);
    __m256i rest = _mm256_sub_epi32(n, half);
    __m256 scale = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    __m256 scale_rest =
        _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    __m256 value = _mm256_mul_ps(_mm256_mul_ps(p, scale), scale_rest);

    __m256 low = _mm256_cmp_ps(x, _mm256_set1_ps(MATH_EXP_LOWEST), _CMP_LT_OQ);
    __m256 high = _mm256_cmp_ps(x, _mm256_set1_ps(MATH_EXP_HIGHEST), _CMP_GT_OQ);
    __m256 nan = _mm256_cmp_ps(x, x, _CMP_UNORD_Q);
    value = _mm256_andnot_ps(low, value);
    value = _mm256_blendv_ps(value, _mm256_set1_ps(math_float_of(0x7f800000u)), high);
    return _mm256_blendv_ps(value, x, nan);
}

/* 1 + exp(-x) */
INLINE __m256 one_plus_exp_minus(__m256 x)
{
    return _mm256_add_ps(_mm256_set1_ps(1.0f), exp_of(_mm256_xor_ps(x, _mm256_set1_ps(-0.0f))));
}

INLINE __m256 silu(__m256 x)
{
    return _mm256_div_ps(x, one_plus_exp_minus(x));
}

static void add(float *x, const float *y, size_t n)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(x + i, _mm256_add_ps(_mm256_loadu_ps(x + i), _mm256_loadu_ps(y + i)));
    for (; i < n; i++)
        x[i] += y[i];
}

static void silu_multiply(const float *gate, const float *up, size_t n, float *out)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(
            out + i, _mm256_mul_ps(silu(_mm256_loadu_ps(gate + i)), _mm256_loadu_ps(up + i)));
    for (; i < n; i++)
        out[i] = math_silu(gate[i]) * up[i];
}

static void sigmoid_multiply(const float *x, const float *gate, size_t n, float *out)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm256_storeu_ps(out + i, _mm256_div_ps(_mm256_loadu_ps(x + i),
                                                one_plus_exp_minus(_mm256_loadu_ps(gate + i))));
    for (; i < n; i++)
        out[i] = x[i] / (1.0f + math_exp(-gate[i]));
}

static void convolve(const float *window, const float *taps, uint32_t n_taps,
                     uint32_t n_channels, uint32_t first, uint32_t n, uint32_t n_tokens,
                     float *out, size_t out_stride)
{
    for (uint32_t t = 0; t < n_tokens; t++) {
        const float *in = window + (size_t)t * n_channels;
        float *result = out + t * out_stride;
        size_t c = first, end = (size_t)first + n;
        for (; c + 8 <= end; c += 8) {
            __m256 sum = _mm256_mul_ps(_mm256_loadu_ps(taps + c), _mm256_loadu_ps(in + c));
            for (uint32_t j = 1; j < n_taps; j++) {
                size_t tap = (size_t)j * n_channels + c;
                sum = _mm256_add_ps(
                    sum, _mm256_mul_ps(_mm256_loadu_ps(taps + tap), _mm256_loadu_ps(in + tap)));
            }
            _mm256_storeu_ps(result + c - first, silu(sum));
        }
        for (; c < end; c++) {
            float sum = taps[c] * in[c];
            for (uint32_t j = 1; j < n_taps; j++)
                sum += taps[(size_t)j * n_channels + c] * in[(size_t)j * n_channels + c];
            result[c - first] = math_silu(sum);
        }
    }
}

static void rotate(float *x, const float *cosine, const float *sine, uint32_t n_pairs)
{
    uint32_t i = 0;

    for (; i + 8 <= n_pairs; i += 8) {
        __m256 a = _mm256_loadu_ps(x + i), b = _mm256_loadu_ps(x + n_pairs + i);
        __m256 c = _mm256_loadu_ps(cosine + i), s = _mm256_loadu_ps(sine + i);
        _mm256_storeu_ps(x + i, _mm256_sub_ps(_mm256_mul_ps(a, c), _mm256_mul_ps(b, s)));
        _mm256_storeu_ps(x + n_pairs + i,
                         _mm256_add_ps(_mm256_mul_ps(a, s), _mm256_mul_ps(b, c)));
    }
    for (; i < n_pairs; i++) {
        float a = x[i], b = x[i + n_pairs];
        x[i] = a * cosine[i] - b * sine[i];
        x[i + n_pairs] = a * sine[i] + b * cosine[i];
    }
}

static void to_half(const float *x, size_t n, uint16_t *out)
{
    size_t i = 0;

    for (; i + 8 <= n; i += 8)
        _mm_storeu_si128((__m128i *)(out + i),
                         _mm256_cvtps_ph(_mm256_loadu_ps(x + i),
                                         _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
    for (; i < n; i++)
        out[i] = float_to_half(x[i]);
}

/* Gated delta rule ------------------------------------------------------- */

/* A slice of 16 columns is two vectors; four chains over the keys of each. */
#define CHAINS(name) __m256 name##0 = zero, name##1 = zero, name##2 = zero, name##3 = zero;
#define CHAIN_SUM(name)                                                                        \
    _mm256_add_ps(_mm256_add_ps(name##0, name##1), _mm256_add_ps(name##2, name##3))

static void delta_slice(const struct delta_rule_job *job, uint32_t slice)
{
    const __m256 zero = _mm256_setzero_ps();
    float *state = job->state + (size_t)slice * job->n_key * DELTA_SLICE;
    size_t column = (size_t)slice * DELTA_SLICE;

    for (uint32_t t = 0; t < job->n_tokens; t++) {
        const float *key = job->key + t * job->key_stride;
        const float *query = job->query + t * job->query_stride;
        const float *value = job->value + t * job->value_stride + column;
        const __m256 decay = _mm256_set1_ps(job->decay[t * job->gate_stride]);
        const __m256 beta = _mm256_set1_ps(job->beta[t * job->gate_stride]);
        float *out = job->out + t * job->out_stride + column;
        CHAINS(ra)
        CHAINS(rb)

#define READ(c)                                                                                \
    {                                                                                          \
        __m256 k = _mm256_set1_ps(key[i + c]);                                                 \
        const float *at = state + (size_t)(i + c) * DELTA_SLICE;                               \
        ra##c = _mm256_fmadd_ps(k, _mm256_load_ps(at), ra##c);                                 \
        rb##c = _mm256_fmadd_ps(k, _mm256_load_ps(at + 8), rb##c);                             \
    }
        for (uint32_t i = 0; i < job->n_key; i += 4) {
            READ(0)
            READ(1)
            READ(2)
            READ(3)
        }
#undef READ
        const __m256 delta = _mm256_mul_ps(
            beta, _mm256_sub_ps(_mm256_loadu_ps(value), _mm256_mul_ps(CHAIN_SUM(ra), decay)));
        const __m256 delta_b =
            _mm256_mul_ps(beta, _mm256_sub_ps(_mm256_loadu_ps(value + 8),
                                              _mm256_mul_ps(CHAIN_SUM(rb), decay)));
        CHAINS(oa)
        CHAINS(ob)

#define WRITE(c)                                                                               \
    {                                                                                          \
        __m256 k = _mm256_set1_ps(key[i + c]), q = _mm256_set1_ps(query[i + c]);               \
        float *at = state + (size_t)(i + c) * DELTA_SLICE;                                     \
        __m256 s = _mm256_fmadd_ps(k, delta, _mm256_mul_ps(_mm256_load_ps(at), decay));        \
        __m256 s_b =                                                                           \
            _mm256_fmadd_ps(k, delta_b, _mm256_mul_ps(_mm256_load_ps(at + 8), decay));         \
        _mm256_store_ps(at, s);                                                                \
        _mm256_store_ps(at + 8, s_b);                                                          \
        oa##c = _mm256_fmadd_ps(q, s, oa##c);                                                  \
        ob##c = _mm256_fmadd_ps(q, s_b, ob##c);                                                \
    }
        for (uint32_t i = 0; i < job->n_key; i += 4) {
            WRITE(0)
            WRITE(1)
            WRITE(2)
            WRITE(3)
        }
#undef WRITE
        _mm256_storeu_ps(out, CHAIN_SUM(oa));
        _mm256_storeu_ps(out + 8, CHAIN_SUM(ob));
        if (job->delta) {
            _mm256_storeu_ps(job->delta + t * job->delta_stride + column, delta);
            _mm256_storeu_ps(job->delta + t * job->delta_stride + column + 8, delta_b);
        }
    }
}

static void delta_rule(const struct delta_rule_job *job)
{
    for (uint32_t s = 0; s < job->n_slices; s++)
        delta_slice(job, job->first_slice + s);
}

static void delta_apply(const struct delta_rule_job *job)
{
    for (uint32_t s = job->first_slice; s < job->first_slice + job->n_slices; s++) {
        float *state = job->state + (size_t)s * job->n_key * DELTA_SLICE;
        for (uint32_t t = 0; t < job->n_tokens; t++) {
            const float *key = job->key + t * job->key_stride;
            const float *from = job->delta + t * job->delta_stride + (size_t)s * DELTA_SLICE;
            __m256 decay = _mm256_set1_ps(job->decay[t * job->gate_stride]);
            __m256 delta = _mm256_loadu_ps(from), delta_b = _mm256_loadu_ps(from + 8);
            for (uint32_t i = 0; i < job->n_key; i++) {
                float *at = state + (size_t)i * DELTA_SLICE;
                __m256 k = _mm256_set1_ps(key[i]);
                __m256 a = _mm256_mul_ps(_mm256_load_ps(at), decay);
                __m256 b = _mm256_mul_ps(_mm256_load_ps(at + 8), decay);
                _mm256_store_ps(at, _mm256_fmadd_ps(k, delta, a));
                _mm256_store_ps(at + 8, _mm256_fmadd_ps(k, delta_b, b));
            }
        }
    }
}

/* Attention -------------------------------------------------------------- */

enum {
    TILE_QUERIES = 4,   /* queries that share a pass over a block of values */
    CHUNK_QUERIES = 32, /* queries that share a block of keys and values in L2 */
    BLOCK = ATTENTION_BLOCK
};

INLINE __m256 load_8(const void *rows, size_t index, const bool half)
{
    if (half)
        return _mm256_cvtph_ps(
            _mm_loadu_si128((const __m128i *)((const uint16_t *)rows + index)));
    return _mm256_loadu_ps((const float *)rows + index);
}

/* Scores of two queries (b may be a again) for keys 0 .. n - 1 of the block */
INLINE void score_pair(const struct attention_job *job, const float *a, const float *b,
                       size_t position, size_t n, float *score_a, float *score_b,
                       const bool half)
{
    for (size_t j = 0; j < n; j++) {
        size_t row = (position + j) * job->n_key;
        __m256 a_low = _mm256_setzero_ps(), a_high = a_low, b_low = a_low, b_high = a_low;
        for (size_t i = 0; i < job->n_key; i += 16) {
            __m256 k = load_8(job->key, row + i, half),
                   k_b = load_8(job->key, row + i + 8, half);
            a_low = _mm256_fmadd_ps(_mm256_loadu_ps(a + i), k, a_low);
            a_high = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8), k_b, a_high);
            b_low = _mm256_fmadd_ps(_mm256_loadu_ps(b + i), k, b_low);
            b_high = _mm256_fmadd_ps(_mm256_loadu_ps(b + i + 8), k_b, b_high);
        }
        score_a[j] = sum_lanes(a_low, a_high) * job->scale;
        score_b[j] = sum_lanes(b_low, b_high) * job->scale;
    }
}

/* What one query has gathered so far; the unnormalised sum of values is in its row of out. */
struct gathered {
    float largest, total;
};

/* Scores of n keys to weights exp(score - largest) in place; returns what to multiply the sums of
 * the blocks before by. */
INLINE float weigh(float *score, size_t n, struct gathered *g)
{
    float before = g->largest;
    __m256 largest = _mm256_set1_ps(before), v[8];

    for (size_t i = n; i < BLOCK; i++)
        score[i] = math_float_of(0xff800000u); /* -inf: weight 0 */
    for (int i = 0; i < 8; i++)
        largest = _mm256_max_ps(_mm256_loadu_ps(score + 8 * i), largest);
    g->largest = largest_of(largest);
    largest = _mm256_set1_ps(g->largest);
    for (int i = 0; i < 8; i++) {
        v[i] = exp_of(_mm256_sub_ps(_mm256_loadu_ps(score + 8 * i), largest));
        _mm256_storeu_ps(score + 8 * i, v[i]);
    }
    float sum = sum_lanes(_mm256_add_ps(_mm256_add_ps(_mm256_add_ps(v[0], v[2]), v[4]), v[6]),
                          _mm256_add_ps(_mm256_add_ps(_mm256_add_ps(v[1], v[3]), v[5]), v[7]));
    float kept = math_exp(before - g->largest);
    g->total = g->total * kept + sum;
    return kept;
}

/* out = out * kept, then fma over rows first .. end - 1 of the block */
INLINE void add_values_1(const struct attention_job *job, size_t position, const float *weight,
                         size_t first, size_t end, float kept, float *out, const bool half)
{
    for (size_t i = 0; i < job->n_value; i += 8) {
        __m256 sum = _mm256_mul_ps(_mm256_loadu_ps(out + i), _mm256_set1_ps(kept));
        for (size_t j = first; j < end; j++)
            sum = _mm256_fmadd_ps(_mm256_set1_ps(weight[j]),
                                  load_8(job->value, (position + j) * job->n_value + i, half),
                                  sum);
        _mm256_storeu_ps(out + i, sum);
    }
}

/* The same for four queries over the rows that all of them see, 16 dimensions at a time. */
INLINE void add_values_4(const struct attention_job *job, size_t position,
                         float weight[][BLOCK], size_t n, const float *kept, float *const *out,
                         size_t i, const bool half)
{
#define VALUE_LOAD(q)                                                                          \
    __m256 a##q = _mm256_mul_ps(_mm256_loadu_ps(out[q] + i), _mm256_set1_ps(kept[q]));         \
    __m256 b##q = _mm256_mul_ps(_mm256_loadu_ps(out[q] + i + 8), _mm256_set1_ps(kept[q]));
#define VALUE_ADD(q)                                                                           \
    {                                                                                          \
        __m256 w = _mm256_set1_ps(weight[q][j]);                                               \
        a##q = _mm256_fmadd_ps(w, va, a##q);                                                   \
        b##q = _mm256_fmadd_ps(w, vb, b##q);                                                   \
    }
#define VALUE_STORE(q)                                                                         \
    _mm256_storeu_ps(out[q] + i, a##q);                                                        \
    _mm256_storeu_ps(out[q] + i + 8, b##q);
    VALUE_LOAD(0)
    VALUE_LOAD(1)
    VALUE_LOAD(2)
    VALUE_LOAD(3)
    for (size_t j = 0; j < n; j++) {
        size_t row = (position + j) * job->n_value + i;
        __m256 va = load_8(job->value, row, half), vb = load_8(job->value, row + 8, half);
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

/* Up to four queries, one block */
INLINE void attend_tile(const struct attention_job *job, uint32_t first, uint32_t n_queries,
                        uint32_t position, struct gathered *g, const bool half)
{
    float score[TILE_QUERIES][BLOCK], kept[TILE_QUERIES];
    float *out[TILE_QUERIES];
    uint32_t n_all = keys_seen(job, first, position); /* rows ascend: the first sees least */
    uint32_t n_most = keys_seen(job, first + n_queries - 1, position);
    size_t done = 0;

    for (uint32_t q = 0; q < n_queries; q += 2) {
        uint32_t other = q + 1 < n_queries ? q + 1 : q;
        score_pair(job, query_at(job, first + q), query_at(job, first + other), position,
                   n_most, score[q], score[other], half);
    }
    for (uint32_t q = 0; q < n_queries; q++) {
        uint32_t n = keys_seen(job, first + q, position);
        out[q] = out_at(job, first + q);
        kept[q] = n > 0 ? weigh(score[q], n, &g[q]) : 1.0f;
    }
    if (n_queries == TILE_QUERIES && n_all > 0) {
        for (size_t i = 0; i < job->n_value; i += 16)
            add_values_4(job, position, score, n_all, kept, out, i, half);
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
                            position, g + i, half);
        for (uint32_t i = 0; i < n; i++) {
            float *out = out_at(job, first + i);
            __m256 inverse = _mm256_set1_ps(1.0f / g[i].total);
            for (size_t k = 0; k < job->n_value; k += 8)
                _mm256_storeu_ps(out + k, _mm256_mul_ps(_mm256_loadu_ps(out + k), inverse));
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

void avx2_kernels(struct kernels *table)
{
    table->quantize = quantize;
    table->matmul = avx2_matmul;
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
