/*
 * math.h - our own elementary functions
 *
 * glibc picks variants of exp or sinf by processor, so a sum that calls libm differs between
 * machines.  Everything between a token and its logits and between logits and a token uses these
 * definitions instead: plain IEEE add, multiply, divide and integer steps in a written order,
 * which every compiler and processor must compute alike (contraction is off, no fast-math).  The
 * vector kernels repeat math_exp() step by step, lane by lane, and give the same bytes.
 *
 * Bounds, checked by tests/unit/kernels_math.c:
 *   math_exp          2 units in the last place; below 2^-126 the result is 0, above FLT_MAX inf
 *   math_fma          the correctly rounded a * b + c
 *   math_sqrt         correctly rounded
 *   math_exp64, math_log64, math_sin64, math_cos64    2 units in the last place of a double
 *                     (sine and cosine: 2^-52 absolute, |x| <= 1.6e6)
 *   math_log, math_log1p, math_softplus               1 unit in the last place of a float
 *
 * All functions are static and pure, so that an object built with ISA flags keeps its own copy.
 */
#ifndef ENGINE_KERNELS_MATH_H
#define ENGINE_KERNELS_MATH_H

#include <stdint.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

static inline float math_float_of(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t math_bits_of(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double math_double_of(uint64_t bits)
{
    double value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint64_t math_bits64_of(double value)
{
    uint64_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* a * b + c, rounded once to nearest even.  Without a processor instruction: in double, where the
 * product is exact, with the sum rounded to odd where rounding twice could differ. */
static inline float math_fma(float a, float b, float c)
{
#ifdef __FP_FAST_FMAF
    return __builtin_fmaf(a, b, c);
#else
    double product = (double)a * (double)b;
    double sum = product + (double)c;
    uint64_t bits = math_bits64_of(sum);
    uint64_t exponent = bits >> 52 & 0x7ff;

    /* Only a sum that lies exactly between two floats can go astray; the place of that bit is
     * fixed for normal floats (exponent of 2^-126 and above). */
    if ((bits & 0x1fffffff) != 0x10000000 && exponent >= 1023 - 126)
        return (float)sum;
    double second = sum - product;
    double error = (product - (sum - second)) + ((double)c - second);
    if ((error > 0 || error < 0) && !(bits & 1))
        bits = (error > 0) == (sum > 0) ? bits + 1 : bits - 1;
    return (float)math_double_of(bits);
#endif
}

/* The square root, rounded to nearest even; NaN below zero. */
static inline float math_sqrt(float x)
{
#if defined(__SSE2__)
    return _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)));
#elif defined(__aarch64__)
    return vget_lane_f32(vsqrt_f32(vdup_n_f32(x)), 0);
#else
    uint32_t bits = math_bits_of(x);
    int shift = 0;

    if (!(x > 0) || bits >= 0x7f800000u) /* zero, negative, infinite, NaN */
        return x < 0 ? math_float_of(0x7fc00000u) : x;
    if (bits < 0x00800000u) { /* subnormal */
        bits = math_bits_of(x * 0x1p24f);
        shift = 12;
    }
    int exponent = (int)(bits >> 23) - 127;
    uint64_t fraction = (bits & 0x7fffffu) | 0x800000u;
    uint64_t root = 0, rest;

    if (exponent & 1)
        fraction <<= 1;
    exponent = (exponent - (exponent & 1)) / 2;
    rest = fraction << 25; /* root gets 24 + 1 bits; a root is never exactly half way */
    for (int bit = 24; bit >= 0; bit--) {
        uint64_t trial = root | (uint64_t)1 << bit;
        if (trial * trial <= rest)
            root = trial;
    }
    root = (root + 1) >> 1;
    return (float)root * math_float_of((uint32_t)(exponent + 127 - 23 - shift) << 23);
#endif
}

/* To the nearest integer, ties to even; |x| <= 2^22. */
static inline float math_round(float x)
{
    return (x + 0x1.8p23f) - 0x1.8p23f;
}

/* Constants of math_exp(); the vector kernels use the same. */
#define MATH_EXP_LOWEST  -0x1.5d589ep+6f /* ln(2^-126): below it the result is 0 */
#define MATH_EXP_HIGHEST 0x1.62e42ep+6f  /* ln(FLT_MAX): above it the result is infinite */
#define MATH_LOG2_E      0x1.715476p+0f
#define MATH_LN2_HIGH    0x1.63p-1f /* few bits, so that n times it is exact */
#define MATH_LN2_LOW     -0x1.bd0106p-13f
#define MATH_EXP_C3      0x1.5554dcp-3f
#define MATH_EXP_C4      0x1.55551ap-5f
#define MATH_EXP_C5      0x1.120b6cp-7f
#define MATH_EXP_C6      0x1.6d1106p-10f

/*
 * exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= 0.3466, with a polynomial of degree 6 fitted at
 * Chebyshev points (relative error 1.1e-8).  2^n is applied in two factors: n reaches 128.
 */
static inline float math_exp(float x)
{
    if (!(x >= MATH_EXP_LOWEST)) /* also NaN, which comes back as NaN */
        return x < MATH_EXP_LOWEST ? 0.0f : x;
    if (x > MATH_EXP_HIGHEST)
        return math_float_of(0x7f800000u);

    float shifted = x * MATH_LOG2_E + 0x1.8p23f;
    int32_t n = (int32_t)(math_bits_of(shifted) - math_bits_of(0x1.8p23f));
    float whole = shifted - 0x1.8p23f;
    float r = (x - whole * MATH_LN2_HIGH) - whole * MATH_LN2_LOW;
    float p = MATH_EXP_C6;

    p = p * r + MATH_EXP_C5;
    p = p * r + MATH_EXP_C4;
    p = p * r + MATH_EXP_C3;
    p = p * r + 0.5f;
    p = (p * (r * r) + r) + 1.0f;

    int32_t half = n >= 0 ? n / 2 : -((1 - n) / 2); /* floor(n / 2) */
    return (p * math_float_of((uint32_t)(half + 127) << 23)) *
           math_float_of((uint32_t)(n - half + 127) << 23);
}

static inline float math_sigmoid(float x)
{
    return 1.0f / (1.0f + math_exp(-x));
}

static inline float math_silu(float x)
{
    return x / (1.0f + math_exp(-x));
}

/* Double precision, for what is computed once: tables, gates of a head, sampling noise. */

#define MATH_LN2_HIGH64 0x1.62e42feep-1
#define MATH_LN2_LOW64  0x1.a39ef35793c76p-33

static inline double math_exp64(double x)
{
    if (!(x >= -708.0))
        return x < -708.0 ? 0.0 : x;
    if (x > 0x1.62e42fefa39efp+9) /* ln(DBL_MAX) */
        return math_double_of((uint64_t)0x7ff << 52);

    double whole = (x * 0x1.71547652b82fep+0 + 0x1.8p52) - 0x1.8p52;
    double r = (x - whole * MATH_LN2_HIGH64) - whole * MATH_LN2_LOW64;
    double p = 1.0;
    int n = (int)whole;
    int half = n / 2;

    for (int i = 14; i >= 2; i--) /* 1 + r/2 (1 + r/3 (1 + ...)) */
        p = p * (r / i) + 1.0;
    p = p * r + 1.0;
    return (p * math_double_of((uint64_t)(half + 1023) << 52)) *
           math_double_of((uint64_t)(n - half + 1023) << 52);
}

/* Natural logarithm; -inf at 0, NaN below. */
static inline double math_log64(double x)
{
    uint64_t bits = math_bits64_of(x);
    int exponent = 0;

    if (!(x > 0)) {
        if (x < 0)
            return math_double_of((uint64_t)0x7ff8 << 48);
        return x == 0 ? math_double_of((uint64_t)0xfff << 52) : x;
    }
    if (bits >> 52 == 0x7ff)
        return x;
    if (bits >> 52 == 0) { /* subnormal */
        bits = math_bits64_of(x * 0x1p54);
        exponent = -54;
    }
    exponent += (int)(bits >> 52) - 1023;
    double m = math_double_of((bits & 0xfffffffffffff) | (uint64_t)1023 << 52);
    if (m > 0x1.6a09e667f3bcdp+0) { /* sqrt(2): keep m within [0.71, 1.41] */
        m *= 0.5;
        exponent++;
    }
    /* log m = 2 atanh(s), s = (m - 1) / (m + 1) = f / (2 + f); written as f - f^2/2 + small, so
     * that the large terms are exact. */
    double f = m - 1.0;
    double s = f / (2.0 + f);
    double z = s * s;
    double series = 0.0;
    for (int i = 25; i >= 3; i -= 2)
        series = (series + 2.0 / i) * z;
    double square = 0.5 * f * f;
    double whole = exponent;
    return whole * MATH_LN2_HIGH64 -
           ((square - (s * (square + series) + whole * MATH_LN2_LOW64)) - f);
}

/* x = n pi/2 + r, |r| <= pi/4 and a little; returns n mod 4.  n has at most 20 bits, the first two
 * parts of pi/2 have 33, so their products are exact. */
static inline int math_reduce64(double x, double *r)
{
    double n = (x * 0x1.45f306dc9c883p-1 + 0x1.8p52) - 0x1.8p52;

    *r = ((x - n * 0x1.921fb544p+0) - n * 0x1.0b4611a6p-34) - n * 0x1.3198a2e037073p-69;
    return (int)((int64_t)n & 3);
}

static inline double math_sin_series(double r)
{
    double z = r * r, p = 1.0;

    for (int i = 18; i >= 2; i -= 2)
        p = 1.0 - p * z / (i * (i + 1));
    return r * p;
}

static inline double math_cos_series(double r)
{
    double z = r * r, p = 1.0;

    for (int i = 19; i >= 3; i -= 2)
        p = 1.0 - p * z / (i * (i + 1));
    return 1.0 - 0.5 * z * p;
}

/* |x| <= 1.6e6 */
static inline double math_sin64(double x)
{
    double r;
    int quadrant = math_reduce64(x, &r);
    double value = quadrant & 1 ? math_cos_series(r) : math_sin_series(r);

    return quadrant & 2 ? -value : value;
}

/* |x| <= 1.6e6 */
static inline double math_cos64(double x)
{
    double r;
    int quadrant = math_reduce64(x, &r);
    double value = quadrant & 1 ? math_sin_series(r) : math_cos_series(r);

    return (quadrant + 1) & 2 ? -value : value;
}

static inline float math_log(float x)
{
    return (float)math_log64((double)x);
}

/* log(1 + x), x > -1; the quotient undoes the rounding of 1 + x. */
static inline double math_log1p64(double x)
{
    double u = 1.0 + x;

    return u - 1.0 == 0.0 ? x : math_log64(u) * (x / (u - 1.0));
}

static inline float math_log1p(float x)
{
    return (float)math_log1p64((double)x);
}

/* log(1 + exp(x)); the identity above 20, as the models were trained. */
static inline float math_softplus(float x)
{
    return x > 20.0f ? x : (float)math_log1p64(math_exp64((double)x));
}

#endif
