/*
 * rows_body.h - the row kernels, compiled once for each level
 *
 * rows_LEVEL.c defines ROWS_TABLE (the table's name) and ROWS_SQRT (16 square roots) and includes
 * this file.  Elementwise loops are plain C without branches, which the compiler turns into vectors
 * as wide as the level has; an element's steps are the same in all of them.  Sums are written with
 * 16 lanes, in vectors as wide as the level has: gcc 12 keeps wider ones in memory.
 */
#include <string.h>

#include "engine/kernels/math.h"
#include "engine/train/kernels_internal.h"

enum { LANES = 16 };

#if defined(__AVX512F__)
enum { PARTS = 1 };
#elif defined(__AVX__)
enum { PARTS = 2 };
#else
enum { PARTS = 4 };
#endif

typedef float lane_part __attribute__((vector_size(64 / PARTS)));
typedef int32_t lane_part_bits __attribute__((vector_size(64 / PARTS)));
struct lanes {
    lane_part part[PARTS];
};

/* Rows are the same or apart: no element depends on another one's result. */
#if defined(__clang__)
#define ROWS_LOOP _Pragma("clang loop vectorize(assume_safety)")
#else
#define ROWS_LOOP _Pragma("GCC ivdep")
#endif
#define INLINE static inline __attribute__((always_inline))

/* All bits where it holds: choices by bits are what every compiler turns into vectors. */
INLINE uint32_t row_mask(int holds)
{
    return 0u - (uint32_t)holds;
}

/* math_exp() without branches, and with the same bytes. */
INLINE float row_exp(float x)
{
    uint32_t low = row_mask(x < MATH_EXP_LOWEST), high = row_mask(x > MATH_EXP_HIGHEST);
    float inside = math_float_of(math_bits_of(x) & ~(low | high)); /* a NaN goes through */

    float shifted = inside * MATH_LOG2_E + 0x1.8p23f;
    uint32_t n = math_bits_of(shifted) - math_bits_of(0x1.8p23f);
    float whole = shifted - 0x1.8p23f;
    float r = (inside - whole * MATH_LN2_HIGH) - whole * MATH_LN2_LOW;
    float p = MATH_EXP_C6;

    p = p * r + MATH_EXP_C5;
    p = p * r + MATH_EXP_C4;
    p = p * r + MATH_EXP_C3;
    p = p * r + 0.5f;
    p = (p * (r * r) + r) + 1.0f;

    uint32_t half = ((n + 256) >> 1) - 128; /* floor(n / 2), n >= -126 */
    p = (p * math_float_of((half + 127) << 23)) * math_float_of((n - half + 127) << 23);
    return math_float_of((math_bits_of(p) & ~(low | high)) | (0x7f800000u & high));
}

INLINE float row_sigmoid(float x)
{
    return 1.0f / (1.0f + row_exp(-x));
}

/* d silu(x) / dx = s (1 + x (1 - s)), s = sigmoid(x) */
INLINE float row_silu_slope(float x, float s)
{
    return s * (1.0f + x * (1.0f - s));
}

/* gelu(x) = x (1 + tanh u) / 2 = x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3) */
#define GELU_LINEAR 0x1.988454p+0f /* 2 sqrt(2 / pi) */
#define GELU_CUBIC  0.044715f

INLINE float row_gelu_gate(float x)
{
    return row_sigmoid(GELU_LINEAR * (x + GELU_CUBIC * (x * x * x)));
}

/* Sums ------------------------------------------------------------------- */

INLINE void lanes_load(struct lanes *to, const float *from)
{
    for (int i = 0; i < PARTS; i++)
        memcpy(&to->part[i], from + i * (LANES / PARTS), sizeof to->part[i]);
}

/* The last n < 16 elements, zeros behind them: a zero changes no lane. */
INLINE void lanes_load_rest(struct lanes *to, const float *from, size_t n)
{
    float rest[LANES] = {0};

    memcpy(rest, from, n * sizeof *from);
    lanes_load(to, rest);
}

/* sums += a; sums += a b; sums += a b c */
INLINE void lanes_add(struct lanes *sums, const struct lanes *a)
{
    for (int i = 0; i < PARTS; i++)
        sums->part[i] += a->part[i];
}

INLINE void lanes_add_2(struct lanes *sums, const struct lanes *a, const struct lanes *b)
{
    for (int i = 0; i < PARTS; i++)
        sums->part[i] += a->part[i] * b->part[i];
}

INLINE void lanes_add_3(struct lanes *sums, const struct lanes *a, const struct lanes *b,
                        const struct lanes *c)
{
    for (int i = 0; i < PARTS; i++)
        sums->part[i] += a->part[i] * b->part[i] * c->part[i];
}

INLINE void lanes_raise(struct lanes *most, const struct lanes *a)
{
    for (int i = 0; i < PARTS; i++) {
        lane_part_bits more = a->part[i] > most->part[i];
        most->part[i] = (lane_part)(((lane_part_bits)a->part[i] & more) |
                                    ((lane_part_bits)most->part[i] & ~more));
    }
}

INLINE float lanes_sum(const struct lanes *sums)
{
    float lane[LANES];

    memcpy(lane, sums, sizeof lane);
    for (int apart = LANES / 2; apart > 0; apart /= 2)
        for (int l = 0; l < apart; l++)
            lane[l] += lane[l + apart];
    return lane[0];
}

static float row_sum(const float *a, size_t n)
{
    struct lanes sums = {0}, x;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        lanes_load(&x, a + i);
        lanes_add(&sums, &x);
    }
    if (i < n) {
        lanes_load_rest(&x, a + i, n - i);
        lanes_add(&sums, &x);
    }
    return lanes_sum(&sums);
}

static float row_dot(const float *a, const float *b, size_t n)
{
    struct lanes sums = {0}, x, y;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        lanes_load(&x, a + i);
        lanes_load(&y, b + i);
        lanes_add_2(&sums, &x, &y);
    }
    if (i < n) {
        lanes_load_rest(&x, a + i, n - i);
        lanes_load_rest(&y, b + i, n - i);
        lanes_add_2(&sums, &x, &y);
    }
    return lanes_sum(&sums);
}

/* sum of a b c */
static float row_triple(const float *a, const float *b, const float *c, size_t n)
{
    struct lanes sums = {0}, x, y, z;
    size_t i = 0;

    for (; i + LANES <= n; i += LANES) {
        lanes_load(&x, a + i);
        lanes_load(&y, b + i);
        lanes_load(&z, c + i);
        lanes_add_3(&sums, &x, &y, &z);
    }
    if (i < n) {
        lanes_load_rest(&x, a + i, n - i);
        lanes_load_rest(&y, b + i, n - i);
        lanes_load_rest(&z, c + i, n - i);
        lanes_add_3(&sums, &x, &y, &z);
    }
    return lanes_sum(&sums);
}

/* n >= 1 */
static float row_maximum(const float *a, size_t n)
{
    float most = a[0], lane[LANES];
    size_t i = 0;

    if (n >= LANES) {
        struct lanes maxima, x;

        lanes_load(&maxima, a);
        for (i = LANES; i + LANES <= n; i += LANES) {
            lanes_load(&x, a + i);
            lanes_raise(&maxima, &x);
        }
        memcpy(lane, &maxima, sizeof lane);
        for (int l = 0; l < LANES; l++)
            most = lane[l] > most ? lane[l] : most;
    }
    for (; i < n; i++)
        most = a[i] > most ? a[i] : most;
    return most;
}

/* Elementwise ------------------------------------------------------------ */

static void row_fill(float *out, float value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = value;
}

static void row_add(const float *a, const float *b, float *out, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] + b[i];
}

static void row_accumulate(const float *a, float *out, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] += a[i];
}

static void row_multiply(const float *a, const float *b, float *out, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = a[i] * b[i];
}

static void row_multiply_add(const float *a, const float *b, float *out, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] += a[i] * b[i];
}

static void row_scale_add(const float *a, float factor, float *out, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] += a[i] * factor;
}

static void row_exponential(const float *x, float *out, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = row_exp(x[i]);
}

static void row_sigmoids(const float *x, float *out, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = row_sigmoid(x[i]);
}

static void row_silu(const float *x, float *out, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] / (1.0f + row_exp(-x[i]));
}

static void row_silu_back(const float *x, const float *d_out, float *d_x, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        d_x[i] += d_out[i] * row_silu_slope(x[i], row_sigmoid(x[i]));
}

/* Of a few gates for each token: exact rather than fast. */
static void row_softplus(const float *x, float *out, size_t n)
{
    for (size_t i = 0; i < n; i++)
        out[i] = math_softplus(x[i]);
}

static void row_gelu(const float *x, float *out, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] * row_gelu_gate(x[i]);
}

static void row_gelu_back(const float *x, const float *d_out, float *d_x, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++) {
        float s = row_gelu_gate(x[i]);
        float slope = GELU_LINEAR * (1.0f + 3.0f * GELU_CUBIC * (x[i] * x[i]));
        d_x[i] += d_out[i] * (s + x[i] * (s * (1.0f - s)) * slope);
    }
}

static void row_swiglu(const float *gate, const float *up, float *out, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = gate[i] / (1.0f + row_exp(-gate[i])) * up[i];
}

static void row_swiglu_back(const float *gate, const float *up, const float *d_out,
                            float *d_gate, float *d_up, size_t n)
{
    ROWS_LOOP
    for (size_t i = 0; i < n; i++) {
        float s = row_sigmoid(gate[i]);
        float d = d_out[i];
        d_gate[i] += d * up[i] * row_silu_slope(gate[i], s);
        d_up[i] += d * (gate[i] * s);
    }
}

/* Rows with a sum -------------------------------------------------------- */

static float row_rms_norm(const float *x, const float *weight, float eps, float *out, size_t n)
{
    float inverse = 1.0f / math_sqrt(row_dot(x, x, n) / (float)n + eps);

    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] * inverse * weight[i];
    return inverse;
}

/* d_x = r (w d - x r^2 mean(x w d)), r = 1 / sqrt(mean(x^2) + eps) */
static void row_rms_norm_back(const float *x, const float *weight, float inverse,
                              const float *d_out, float *d_x, size_t n)
{
    float along = inverse * inverse * (row_triple(d_out, weight, x, n) / (float)n);

    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        d_x[i] += inverse * (d_out[i] * weight[i] - x[i] * along);
}

static float row_softmax(const float *x, float *out, size_t n)
{
    if (n == 0)
        return -math_float_of(0x7f800000u);
    float most = row_maximum(x, n);

    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] = row_exp(x[i] - most);
    float total = row_sum(out, n), inverse = 1.0f / total;
    ROWS_LOOP
    for (size_t i = 0; i < n; i++)
        out[i] *= inverse;
    return (float)((double)most + math_log64((double)total));
}

/* In stretches, because the square roots are the level's own vectors. */
static void row_adamw(float *w, float *m, float *v, const float *g, size_t n, float scale,
                      float b1, float b2, float c1, float c2, float eps, float rate,
                      float decay)
{
    enum { STRETCH = 256 };
    float first = 1.0f - b1, second = 1.0f - b2;
    float roots[STRETCH] = {0};

    while (n > 0) {
        size_t count = n < STRETCH ? n : STRETCH;

        ROWS_LOOP
        for (size_t i = 0; i < count; i++) {
            float gradient = g[i] * scale;
            m[i] = b1 * m[i] + first * gradient;
            v[i] = b2 * v[i] + second * (gradient * gradient);
            roots[i] = v[i] * c2;
        }
        for (size_t i = 0; i < count; i += LANES)
            ROWS_SQRT(roots + i, roots + i);
        ROWS_LOOP
        for (size_t i = 0; i < count; i++)
            w[i] -= rate * (m[i] * c1 / (roots[i] + eps) + decay * w[i]);
        w += count, m += count, v += count, g += count;
        n -= count;
    }
}

const struct row_kernels ROWS_TABLE = {
    .fill = row_fill,
    .add = row_add,
    .accumulate = row_accumulate,
    .multiply = row_multiply,
    .multiply_add = row_multiply_add,
    .scale_add = row_scale_add,
    .sum = row_sum,
    .dot = row_dot,
    .rms_norm = row_rms_norm,
    .rms_norm_back = row_rms_norm_back,
    .exponential = row_exponential,
    .sigmoid = row_sigmoids,
    .silu = row_silu,
    .silu_back = row_silu_back,
    .softplus = row_softplus,
    .gelu = row_gelu,
    .gelu_back = row_gelu_back,
    .swiglu = row_swiglu,
    .swiglu_back = row_swiglu_back,
    .softmax = row_softmax,
    .adamw = row_adamw,
};
