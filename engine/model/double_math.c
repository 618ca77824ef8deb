/*
 * double_math.c - reduce the argument, then sum a Taylor series
 *
 * The series are long enough that the first term left out is below half a unit in the last place of
 * the result; constants split in a high part with few bits and the rest keep the reduction exact.
 */
#include "engine/model/double_math.h"

#include <stdint.h>
#include <string.h>

/* ln 2 and pi / 2 in parts; the high parts have at most 33 bits, so that integer multiples up to
 * 2^20 are exact. */
static const double LOG2_E = 1.44269504088896338700;
static const double LN2_HIGH = 6.93147180369123816490e-01;
static const double LN2_LOW = 1.90821492927058770002e-10;
static const double TWO_OVER_PI = 6.36619772367581382433e-01;
static const double HALF_PI_1 = 1.57079632673412561417e+00;
static const double HALF_PI_2 = 6.07710050630396597660e-11;
static const double HALF_PI_3 = 2.02226624879595063154e-21;

static uint64_t bits_of(double x)
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

static double of_bits(uint64_t bits)
{
    double x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* Nearest integer, ties to even, |x| < 2^51: the addition rounds away what is below 1. */
static double nearest(double x)
{
    const double shift = 6755399441055744.0; /* 1.5 * 2^52 */
    return (x + shift) - shift;
}

/* 2^n for n in [-1022, 1023] */
static double power_of_two(int n)
{
    return of_bits((uint64_t)(1023 + n) << 52);
}

double double_exp(double x)
{
    double n, r, sum = 1;

    if (x != x)
        return x;
    if (x > 709.7)
        return of_bits(UINT64_C(0x7ff0000000000000));
    if (x < -745.0)
        return 0;
    n = nearest(x * LOG2_E);
    r = (x - n * LN2_HIGH) - n * LN2_LOW;
    for (int k = 14; k >= 1; k--) /* sum r^k / k!, |r| <= 0.35 */
        sum = 1 + sum * r / k;
    if (n < -1000) /* the result may be subnormal: scale in two steps */
        return sum * power_of_two((int)n + 200) * power_of_two(-200);
    return sum * power_of_two((int)n - 1) * 2;
}

double double_log(double x)
{
    uint64_t bits = bits_of(x);
    int n = (int)(bits >> 52) - 1023;
    double m = of_bits((bits & UINT64_C(0xfffffffffffff)) | UINT64_C(0x3ff0000000000000));
    double f, s, square, sum = 0;

    if (m > 1.41421356237309504880) {
        m *= 0.5;
        n++;
    }
    /* log m = 2 atanh(s), s = (m - 1) / (m + 1), |s| < 0.172; m - 1 is exact. */
    f = m - 1;
    s = f / (2 + f);
    square = s * s;
    for (int k = 23; k >= 3; k -= 2)
        sum = square * (1.0 / k + sum);
    return n * LN2_HIGH + (2 * s + (2 * s * sum + n * LN2_LOW));
}

void double_sine_cosine(double x, double *sine, double *cosine)
{
    double n = nearest(x * TWO_OVER_PI);
    double r = ((x - n * HALF_PI_1) - n * HALF_PI_2) - n * HALF_PI_3;
    double square = r * r, s = 0, c = 0;

    for (int k = 20; k >= 2; k -= 2) { /* |r| <= pi / 4 */
        s = -square / (k * (k + 1)) * (1 + s);
        c = -square / (k * (k - 1)) * (1 + c);
    }
    s = r + r * s;
    c = 1 + c;
    switch ((int)n & 3) {
    case 0: *sine = s, *cosine = c; break;
    case 1: *sine = c, *cosine = -s; break;
    case 2: *sine = -s, *cosine = -c; break;
    default: *sine = -c, *cosine = s; break;
    }
}

double double_inverse_square_root(double x)
{
    /* Halving the exponent gives a first guess within a few percent; Newton squares the error. */
    double y = of_bits(UINT64_C(0x5fe6eb50c7b537a9) - (bits_of(x) >> 1));

    for (int i = 0; i < 5; i++)
        y = y * (1.5 - 0.5 * x * y * y);
    return y;
}
