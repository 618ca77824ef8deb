/*
 * vector_neon.c - everything but the matrices, 4 floats at a time
 *
 * Each function repeats generic.c operation by operation; its 16 lanes are four vectors here.
 * What is left over after whole vectors goes through the scalar functions of math.h, which are
 * the same steps.  A maximum is a comparison and a selection, as there: fmax would keep a NaN.
 */
#include <arm_neon.h>

#include "engine/kernels/layout.h"

#define INLINE static inline __attribute__((always_inline))

#define TIMES_4(F) F(0) F(1) F(2) F(3)

/* Halves are added: 8, 4, 2, 1 lanes. */
INLINE float sum_lanes(float32x4_t a, float32x4_t b, float32x4_t c, float32x4_t d)
{
    float32x4_t four = vaddq_f32(vaddq_f32(a, c), vaddq_f32(b, d));
    float32x2_t two = vadd_f32(vget_low_f32(four), vget_high_f32(four));

    return vget_lane_f32(two, 0) + vget_lane_f32(two, 1);
}

/* v > largest ? v : largest */
INLINE float32x4_t larger(float32x4_t v, float32x4_t largest)
{
    return vbslq_f32(vcgtq_f32(v, largest), v, largest);
}

INLINE float32x4_t infinity(void)
{
    return vreinterpretq_f32_u32(vdupq_n_u32(0x7f800000u));
}

/* Activations ------------------------------------------------------------ */

/* 8 integers in the low bytes; see quantize_block() in generic.c */
INLINE uint16x8_t rounded(const float *x, float inverse)
{
    const float32x4_t magic = vdupq_n_f32(0x1.8p23f);
    float32x4_t low = vaddq_f32(vmulq_n_f32(vld1q_f32(x), inverse), magic);
    float32x4_t high = vaddq_f32(vmulq_n_f32(vld1q_f32(x + 4), inverse), magic);

    return vuzp1q_u16(vreinterpretq_u16_f32(low), vreinterpretq_u16_f32(high));
}

/* n values (a multiple of 16) and their scale */
INLINE float quantize_block(const float *x, int n, int8_t *q)
{
    float32x4_t a = vdupq_n_f32(0), b = a;

    for (int i = 0; i < n; i += 8) {
        a = larger(vabsq_f32(vld1q_f32(x + i)), a);
        b = larger(vabsq_f32(vld1q_f32(x + i + 4)), b);
    }
    float scale = vmaxvq_f32(larger(a, b)) / 127.0f;
    if (scale < SMALLEST_SCALE) {
        memset(q, 0, (size_t)n);
        return 0;
    }
    float inverse = 1.0f / scale;
    for (int i = 0; i < n; i += 16) {
        uint8x16_t low = vreinterpretq_u8_u16(rounded(x + i, inverse));
        uint8x16_t high = vreinterpretq_u8_u16(rounded(x + i + 8, inverse));
        vst1q_s8(q + i, vreinterpretq_s8_u8(vuzp1q_u8(low, high)));
    }
    return scale;
}

static void quantize_32(const float *x, struct activation_32 *out)
{
    out->scale = quantize_block(x, 32, out->q);
    out->offset = -128 * (vaddlvq_s8(vld1q_s8(out->q)) + vaddlvq_s8(vld1q_s8(out->q + 16)));
}

static void quantize_256(const float *x, struct activation_256 *out)
{
    memset(out, 0, sizeof *out);
    out->scale = quantize_block(x, 256, out->q);
    for (int g = 0; g < 8; g++) {
        int a = vaddlvq_s8(vld1q_s8(out->q + 32 * g));
        int b = vaddlvq_s8(vld1q_s8(out->q + 32 * g + 16));
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
    float32x4_t sum0 = vdupq_n_f32(0), sum1 = sum0, sum2 = sum0, sum3 = sum0;

    for (uint32_t i = 0; i < n; i += 16) {
#define ADD_SQUARE(v)                                                                          \
    {                                                                                          \
        float32x4_t value = vld1q_f32(x + i + 4 * v);                                          \
        sum##v = vaddq_f32(sum##v, vmulq_f32(value, value));                                   \
    }
        TIMES_4(ADD_SQUARE)
#undef ADD_SQUARE
    }
    return sum_lanes(sum0, sum1, sum2, sum3);
}

static void rms_norm(const float *x, const float *weight, uint32_t n, float eps, float *out)
{
    float inverse = 1.0f / math_sqrt(sum_of_squares(x, n) / (float)n + eps);

    for (uint32_t i = 0; i < n; i += 4)
        vst1q_f32(out + i,
                  vmulq_f32(vmulq_n_f32(vld1q_f32(x + i), inverse), vld1q_f32(weight + i)));
}

static void l2_norm(const float *x, uint32_t n, float eps, float scale, float *out)
{
    float inverse = scale / math_sqrt(sum_of_squares(x, n) + eps);

    for (uint32_t i = 0; i < n; i += 4)
        vst1q_f32(out + i, vmulq_n_f32(vld1q_f32(x + i), inverse));
}

/* Element by element ----------------------------------------------------- */

/* math_exp(), lane by lane */
INLINE float32x4_t exp_of(float32x4_t x)
{
    const float32x4_t magic = vdupq_n_f32(0x1.8p23f);
    float32x4_t shifted = vaddq_f32(vmulq_n_f32(x, MATH_LOG2_E), magic);
    int32x4_t n = vsubq_s32(vreinterpretq_s32_f32(shifted), vreinterpretq_s32_f32(magic));
    float32x4_t whole = vsubq_f32(shifted, magic);
    float32x4_t r = vsubq_f32(x, vmulq_n_f32(whole, MATH_LN2_HIGH));
    r = vsubq_f32(r, vmulq_n_f32(whole, MATH_LN2_LOW));
    float32x4_t p = vdupq_n_f32(MATH_EXP_C6);
    p = vaddq_f32(vmulq_f32(p, r), vdupq_n_f32(MATH_EXP_C5));
    p = vaddq_f32(vmulq_f32(p, r), vdupq_n_f32(MATH_EXP_C4));
    p = vaddq_f32(vmulq_f32(p, r), vdupq_n_f32(MATH_EXP_C3));
    p = vaddq_f32(vmulq_f32(p, r), vdupq_n_f32(0.5f));
    p = vaddq_f32(vaddq_f32(vmulq_f32(p, vmulq_f32(r, r)), r), vdupq_n_f32(1.0f));

    const int32x4_t bias = vdupq_n_s32(127);
    int32x4_t half = vshrq_n_s32(n, 1);
    int32x4_t rest = vsubq_s32(n, half);
    float32x4_t scale = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
    float32x4_t scale_rest = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23));
    float32x4_t value = vmulq_f32(vmulq_f32(p, scale), scale_rest);

    value = vbslq_f32(vcltq_f32(x, vdupq_n_f32(MATH_EXP_LOWEST)), vdupq_n_f32(0), value);
    value = vbslq_f32(vcgtq_f32(x, vdupq_n_f32(MATH_EXP_HIGHEST)), infinity(), value);
    return vbslq_f32(vceqq_f32(x, x), value, x); /* a NaN comes back */
}

/* 1 + exp(-x) */
INLINE float32x4_t one_plus_exp_minus(float32x4_t x)
{
    return vaddq_f32(vdupq_n_f32(1.0f), exp_of(vnegq_f32(x)));
}

INLINE float32x4_t silu(float32x4_t x)
{
    return vdivq_f32(x, one_plus_exp_minus(x));
}

static void add(float *x, const float *y, size_t n)
{
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        vst1q_f32(x + i, vaddq_f32(vld1q_f32(x + i), vld1q_f32(y + i)));
    for (; i < n; i++)
        x[i] += y[i];
}

static void silu_multiply(const float *gate, const float *up, size_t n, float *out)
{
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        vst1q_f32(out + i, vmulq_f32(silu(vld1q_f32(gate + i)), vld1q_f32(up + i)));
    for (; i < n; i++)
        out[i] = math_silu(gate[i]) * up[i];
}

static void sigmoid_multiply(const float *x, const float *gate, size_t n, float *out)
{
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        vst1q_f32(out + i,
                  vdivq_f32(vld1q_f32(x + i), one_plus_exp_minus(vld1q_f32(gate + i))));
    for (; i < n; i++)
        out[i] = x[i] / (1.0f + math_exp(-gate[i]));
}

static void convolve(const float *window, size_t window_stride, const float *taps,
                     size_t taps_stride, uint32_t n_taps, uint32_t n, uint32_t n_tokens,
                     float *out, size_t out_stride)
{
    for (uint32_t t = 0; t < n_tokens; t++, window += window_stride, out += out_stride) {
        uint32_t c = 0;
        for (; c + 4 <= n; c += 4) {
            float32x4_t sum = vmulq_f32(vld1q_f32(taps + c), vld1q_f32(window + c));
            for (size_t j = 1; j < n_taps; j++)
                sum = vaddq_f32(sum, vmulq_f32(vld1q_f32(taps + j * taps_stride + c),
                                               vld1q_f32(window + j * window_stride + c)));
            vst1q_f32(out + c, silu(sum));
        }
        for (; c < n; c++) {
            float sum = taps[c] * window[c];
            for (size_t j = 1; j < n_taps; j++)
                sum += taps[j * taps_stride + c] * window[j * window_stride + c];
            out[c] = math_silu(sum);
        }
    }
}

static void rotate(float *x, const float *cosine, const float *sine, uint32_t n_pairs)
{
    uint32_t i = 0;

    for (; i + 4 <= n_pairs; i += 4) {
        float32x4_t a = vld1q_f32(x + i), b = vld1q_f32(x + n_pairs + i);
        float32x4_t c = vld1q_f32(cosine + i), s = vld1q_f32(sine + i);
        vst1q_f32(x + i, vsubq_f32(vmulq_f32(a, c), vmulq_f32(b, s)));
        vst1q_f32(x + n_pairs + i, vaddq_f32(vmulq_f32(a, s), vmulq_f32(b, c)));
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

    for (; i + 4 <= n; i += 4)
        vst1_u16(out + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(x + i))));
    for (; i < n; i++)
        out[i] = float_to_half(x[i]);
}

/* Gated delta rule ------------------------------------------------------- */

/* A slice of 16 columns is four vectors v, each with four chains over the keys. */
#define CHAINS(v)                                                                              \
    float32x4_t sum##v##0 = zero, sum##v##1 = zero, sum##v##2 = zero, sum##v##3 = zero;
#define CHAIN_SUM(v) vaddq_f32(vaddq_f32(sum##v##0, sum##v##1), vaddq_f32(sum##v##2, sum##v##3))

/* delta [16] of one token; state: a slice */
INLINE void delta_read(const float *state, const float *key, uint32_t n_key, const float *value,
                       float decay, float beta, float *delta)
{
    const float32x4_t zero = vdupq_n_f32(0);

    TIMES_4(CHAINS)
    for (uint32_t i = 0; i < n_key; i += 4, state += 4 * DELTA_SLICE) {
        float32x4_t k = vld1q_f32(key + i);
#define READ(v, c)                                                                             \
    sum##v##c = vfmaq_laneq_f32(sum##v##c, vld1q_f32(state + DELTA_SLICE * c + 4 * v), k, c);
#define READ_KEYS(v) READ(v, 0) READ(v, 1) READ(v, 2) READ(v, 3)
        TIMES_4(READ_KEYS)
#undef READ_KEYS
#undef READ
    }
#define STORE_DELTA(v)                                                                         \
    vst1q_f32(delta + 4 * v, vmulq_n_f32(vsubq_f32(vld1q_f32(value + 4 * v),                   \
                                                   vmulq_n_f32(CHAIN_SUM(v), decay)),          \
                                         beta));
    TIMES_4(STORE_DELTA)
#undef STORE_DELTA
}

/* The new state, and out [16] = its product with the query */
INLINE void delta_write(float *state, const float *key, const float *query, uint32_t n_key,
                        float decay, const float *delta, float *out)
{
    const float32x4_t zero = vdupq_n_f32(0);
    const float32x4_t delta0 = vld1q_f32(delta), delta1 = vld1q_f32(delta + 4);
    const float32x4_t delta2 = vld1q_f32(delta + 8), delta3 = vld1q_f32(delta + 12);

    TIMES_4(CHAINS)
    for (uint32_t i = 0; i < n_key; i += 4, state += 4 * DELTA_SLICE) {
        float32x4_t k = vld1q_f32(key + i), q = vld1q_f32(query + i);
#define WRITE(v, c)                                                                            \
    {                                                                                          \
        float *at = state + DELTA_SLICE * c + 4 * v;                                           \
        float32x4_t kept = vmulq_n_f32(vld1q_f32(at), decay);                                  \
        float32x4_t s = vfmaq_laneq_f32(kept, delta##v, k, c);                                 \
        vst1q_f32(at, s);                                                                      \
        sum##v##c = vfmaq_laneq_f32(sum##v##c, s, q, c);                                       \
    }
#define WRITE_KEYS(v) WRITE(v, 0) WRITE(v, 1) WRITE(v, 2) WRITE(v, 3)
        TIMES_4(WRITE_KEYS)
#undef WRITE_KEYS
#undef WRITE
    }
#define STORE_OUT(v) vst1q_f32(out + 4 * v, CHAIN_SUM(v));
    TIMES_4(STORE_OUT)
#undef STORE_OUT
}

static void delta_rule(const struct delta_rule_job *job)
{
    for (uint32_t s = job->first_slice; s < job->first_slice + job->n_slices; s++) {
        float *state = job->state + (size_t)s * job->n_key * DELTA_SLICE;
        size_t column = (size_t)s * DELTA_SLICE;
        for (uint32_t t = 0; t < job->n_tokens; t++) {
            const float *key = job->key + t * job->key_stride;
            float decay = job->decay[t * job->gate_stride];
            float delta[DELTA_SLICE];
            delta_read(state, key, job->n_key, job->value + t * job->value_stride + column,
                       decay, job->beta[t * job->gate_stride], delta);
            delta_write(state, key, job->query + t * job->query_stride, job->n_key, decay,
                        delta, job->out + t * job->out_stride + column);
            if (job->delta)
                memcpy(job->delta + t * job->delta_stride + column, delta, sizeof delta);
        }
    }
}

static void delta_apply(const struct delta_rule_job *job)
{
    for (uint32_t s = job->first_slice; s < job->first_slice + job->n_slices; s++) {
        float *state = job->state + (size_t)s * job->n_key * DELTA_SLICE;
        for (uint32_t t = 0; t < job->n_tokens; t++) {
            const float *key = job->key + t * job->key_stride;
            const float *from = job->delta + t * job->delta_stride + (size_t)s * DELTA_SLICE;
            const float decay = job->decay[t * job->gate_stride];
            const float32x4_t delta0 = vld1q_f32(from), delta1 = vld1q_f32(from + 4);
            const float32x4_t delta2 = vld1q_f32(from + 8), delta3 = vld1q_f32(from + 12);
            for (uint32_t i = 0; i < job->n_key; i++) {
                float *at = state + (size_t)i * DELTA_SLICE;
#define APPLY(v)                                                                               \
    {                                                                                          \
        float32x4_t kept = vmulq_n_f32(vld1q_f32(at + 4 * v), decay);                          \
        vst1q_f32(at + 4 * v, vfmaq_n_f32(kept, delta##v, key[i]));                            \
    }
                TIMES_4(APPLY)
#undef APPLY
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

INLINE float32x4_t load_4(const void *rows, size_t index, const bool half)
{
    if (half)
        return vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16((const uint16_t *)rows + index)));
    return vld1q_f32((const float *)rows + index);
}

/* Scores of two queries (b may be a again) for keys 0 .. n - 1 of the block */
INLINE void score_pair(const struct attention_job *job, const float *a, const float *b,
                       size_t position, size_t n, float *score_a, float *score_b,
                       const bool half)
{
    const float32x4_t zero = vdupq_n_f32(0);

    for (size_t j = 0; j < n; j++) {
        size_t row = (position + j) * job->n_key;
        float32x4_t a0 = zero, a1 = zero, a2 = zero, a3 = zero;
        float32x4_t b0 = zero, b1 = zero, b2 = zero, b3 = zero;
        for (size_t i = 0; i < job->n_key; i += 16) {
#define SCORE(v)                                                                               \
    {                                                                                          \
        float32x4_t k = load_4(job->key, row + i + 4 * v, half);                               \
        a##v = vfmaq_f32(a##v, vld1q_f32(a + i + 4 * v), k);                                   \
        b##v = vfmaq_f32(b##v, vld1q_f32(b + i + 4 * v), k);                                   \
    }
            TIMES_4(SCORE)
#undef SCORE
        }
        score_a[j] = sum_lanes(a0, a1, a2, a3) * job->scale;
        score_b[j] = sum_lanes(b0, b1, b2, b3) * job->scale;
    }
}

/* What one query has gathered so far; the unnormalised sum of values is in its row of out. */
struct gathered {
    float largest, total;
};

/* Scores of n keys to weights exp(score - largest) in place; returns what to multiply the sums
 * of the blocks before by. */
INLINE float weigh(float *score, size_t n, struct gathered *g)
{
    float before = g->largest;
    float32x4_t largest = vdupq_n_f32(before), lane[4];

    for (size_t i = n; i < BLOCK; i++)
        score[i] = math_float_of(0xff800000u); /* -inf: weight 0 */
    for (int i = 0; i < BLOCK; i += 4)
        largest = larger(vld1q_f32(score + i), largest);
    g->largest = vmaxvq_f32(largest);
    largest = vdupq_n_f32(g->largest);
    for (int i = 0; i < BLOCK; i += 4)
        vst1q_f32(score + i, exp_of(vsubq_f32(vld1q_f32(score + i), largest)));
    for (int v = 0; v < 4; v++) {
        lane[v] = vaddq_f32(vld1q_f32(score + 4 * v), vld1q_f32(score + 4 * v + 16));
        lane[v] = vaddq_f32(lane[v], vld1q_f32(score + 4 * v + 32));
        lane[v] = vaddq_f32(lane[v], vld1q_f32(score + 4 * v + 48));
    }
    float kept = math_exp(before - g->largest);
    g->total = g->total * kept + sum_lanes(lane[0], lane[1], lane[2], lane[3]);
    return kept;
}

/* out = out * kept, then fma over rows first .. end - 1 of the block */
INLINE void add_values_1(const struct attention_job *job, size_t position, const float *weight,
                         size_t first, size_t end, float kept, float *out, const bool half)
{
    for (size_t i = 0; i < job->n_value; i += 16) {
#define VALUE_LOAD(v) float32x4_t sum##v = vmulq_n_f32(vld1q_f32(out + i + 4 * v), kept);
#define VALUE_ADD(v)                                                                           \
    sum##v = vfmaq_n_f32(sum##v, load_4(job->value, row + 4 * v, half), weight[j]);
#define VALUE_STORE(v) vst1q_f32(out + i + 4 * v, sum##v);
        TIMES_4(VALUE_LOAD)
        for (size_t j = first; j < end; j++) {
            size_t row = (position + j) * job->n_value + i;
            TIMES_4(VALUE_ADD)
        }
        TIMES_4(VALUE_STORE)
#undef VALUE_LOAD
#undef VALUE_ADD
#undef VALUE_STORE
    }
}

/* The same for four queries over the rows that all of them see, 16 dimensions at a time. */
INLINE void add_values_4(const struct attention_job *job, size_t position,
                         float weight[][BLOCK], size_t n, const float *kept, float *const *out,
                         size_t i, const bool half)
{
#define VALUE_LOAD(q)                                                                          \
    float32x4_t a##q = vmulq_n_f32(vld1q_f32(out[q] + i), kept[q]);                            \
    float32x4_t b##q = vmulq_n_f32(vld1q_f32(out[q] + i + 4), kept[q]);                        \
    float32x4_t c##q = vmulq_n_f32(vld1q_f32(out[q] + i + 8), kept[q]);                        \
    float32x4_t d##q = vmulq_n_f32(vld1q_f32(out[q] + i + 12), kept[q]);
#define VALUE_ADD(q)                                                                           \
    {                                                                                          \
        float32x4_t w = vld1q_dup_f32(&weight[q][j]);                                          \
        a##q = vfmaq_f32(a##q, va, w);                                                         \
        b##q = vfmaq_f32(b##q, vb, w);                                                         \
        c##q = vfmaq_f32(c##q, vc, w);                                                         \
        d##q = vfmaq_f32(d##q, vd, w);                                                         \
    }
#define VALUE_STORE(q)                                                                         \
    vst1q_f32(out[q] + i, a##q);                                                               \
    vst1q_f32(out[q] + i + 4, b##q);                                                           \
    vst1q_f32(out[q] + i + 8, c##q);                                                           \
    vst1q_f32(out[q] + i + 12, d##q);
    TIMES_4(VALUE_LOAD)
    for (size_t j = 0; j < n; j++) {
        size_t row = (position + j) * job->n_value + i;
        float32x4_t va = load_4(job->value, row, half), vb = load_4(job->value, row + 4, half);
        float32x4_t vc = load_4(job->value, row + 8, half);
        float32x4_t vd = load_4(job->value, row + 12, half);
        TIMES_4(VALUE_ADD)
    }
    TIMES_4(VALUE_STORE)
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
            float *out = out_at(job, first + i), inverse = 1.0f / g[i].total;
            for (size_t k = 0; k < job->n_value; k += 4)
                vst1q_f32(out + k, vmulq_n_f32(vld1q_f32(out + k), inverse));
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

void neon_kernels(struct kernels *table)
{
    table->quantize = quantize;
    table->matmul = neon_matmul;
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
