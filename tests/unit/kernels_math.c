/*
 * kernels_math.c - our elementary functions against libm, and the same bytes at every level
 *
 * Errors are in units in the last place of the result (ulp); the bounds are those that math.h
 * promises.
 */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/math.h"

static uint32_t random_state = 7;

static uint32_t random_bits(void)
{
    uint32_t high = (random_state = random_state * 1664525u + 1013904223u) >> 16;
    uint32_t low = (random_state = random_state * 1664525u + 1013904223u) >> 16;

    return high << 16 | low;
}

static double float_ulps(float got, double wanted)
{
    float size = fabsf((float)wanted);

    return fabs((double)got - wanted) / (double)(nextafterf(size, INFINITY) - size);
}

static double double_ulps(double got, long double wanted)
{
    double size = fabs((double)wanted);

    return (double)(fabsl((long double)got - wanted) /
                    ((long double)nextafter(size, (double)INFINITY) - (long double)size));
}

static void check_bound(const char *what, double worst, double bound)
{
    if (!(worst <= bound))
        fail_msg("%s: %g, at most %g", what, worst, bound);
}

static void exp_is_near(void **state)
{
    double worst = 0;

    (void)state;
    for (float x = MATH_EXP_LOWEST; x <= MATH_EXP_HIGHEST; x += 3e-5f)
        worst = fmax(worst, float_ulps(math_exp(x), exp((double)x)));
    for (float x = 1e-30f; x < 1; x *= 1.001f) {
        worst = fmax(worst, float_ulps(math_exp(x), exp((double)x)));
        worst = fmax(worst, float_ulps(math_exp(-x), exp((double)-x)));
    }
    check_bound("exp", worst, 2);
    assert_true(math_exp(0.0f) == 1.0f);
    assert_true(math_exp(-0.0f) == 1.0f);
    assert_true(math_exp(-INFINITY) == 0);
    assert_true(math_exp(-88.0f) == 0);
    assert_true(isinf(math_exp(INFINITY)) && isinf(math_exp(89.0f)));
    assert_true(isnan(math_exp(NAN)));
}

static void doubles_are_near(void **state)
{
    double exp_worst = 0, log_worst = 0, sine_worst = 0, cosine_worst = 0;
    const double coarse = LDBL_MANT_DIG > 64 ? 40 : 1; /* long double computed in software */

    (void)state;
    for (double x = -707; x < 709; x += 1.7e-3 * coarse)
        exp_worst = fmax(exp_worst, double_ulps(math_exp64(x), expl((long double)x)));
    for (double x = 1e-310; x < 1e308; x *= 1 + 7e-4 * coarse)
        log_worst = fmax(log_worst, double_ulps(math_log64(x), logl((long double)x)));
    for (double x = 0.5; x < 2; x += 1.3e-6 * coarse)
        if (x != 1)
            log_worst = fmax(log_worst, double_ulps(math_log64(x), logl((long double)x)));
    for (double x = -1.6e6; x < 1.6e6; x += 1.37 * coarse) {
        long double at = (long double)x;
        sine_worst = fmax(sine_worst, fabs((double)((long double)math_sin64(x) - sinl(at))));
        cosine_worst =
            fmax(cosine_worst, fabs((double)((long double)math_cos64(x) - cosl(at))));
    }
    check_bound("exp64", exp_worst, 2);
    check_bound("log64", log_worst, 2);
    check_bound("sin64", sine_worst, 0x1p-52);
    check_bound("cos64", cosine_worst, 0x1p-52);
    assert_true(math_log64(1) == 0);
    assert_true(isinf(math_log64(0)) && math_log64(0) < 0);
    assert_true(isnan(math_log64(-1)) && isnan(math_log64((double)NAN)));
    assert_true(isinf(math_log64((double)INFINITY)));
    assert_true(math_exp64(0) == 1 && math_exp64(-800) == 0 && isinf(math_exp64(800)));
    assert_true(math_sin64(0) == 0 && math_cos64(0) == 1);
}

static void logs_of_floats_are_near(void **state)
{
    double soft = 0, plain = 0, one_plus = 0;

    (void)state;
    for (float x = -90; x < 30; x += 3e-4f) {
        double wanted = x > 20 ? (double)x : log1p(exp((double)x));
        soft = fmax(soft, float_ulps(math_softplus(x), wanted));
    }
    for (float x = 1e-37f; x < 1e37f; x *= 1.003f) {
        plain = fmax(plain, float_ulps(math_log(x), log((double)x)));
        one_plus = fmax(one_plus, float_ulps(math_log1p(x), log1p((double)x)));
    }
    check_bound("softplus", soft, 1);
    check_bound("log", plain, 1);
    check_bound("log1p", one_plus, 1);
}

static void same_float(float got, float wanted, float a, float b, float c)
{
    if (math_bits_of(got) != math_bits_of(wanted) && !(isnan(got) && isnan(wanted)))
        fail_msg("of %a %a %a: %a, not %a", (double)a, (double)b, (double)c, (double)got,
                 (double)wanted);
}

/* Random bit patterns, results near halves between floats, and subnormal results. */
static void fma_and_sqrt_are_exact(void **state)
{
    (void)state;
    for (int i = 0; i < 2000000; i++) {
        uint32_t a = random_bits(), b = random_bits(), c = random_bits();
        if (i % 4 == 1) { /* few bits: products end half way */
            a = (a & 0x807ff000u) | 0x3f800000u;
            b = (b & 0x807ff000u) | 0x3f800000u;
            c = (c & 0x80ffffffu) | 0x3f000000u;
            c -= (c & 0x1fu) << 23;
        } else if (i % 4 == 2) { /* subnormal results */
            a = (a & 0x80ffffffu) | 0x20000000u;
            b = (b & 0x80ff0000u) | 0x1f000000u;
            c &= 0x80ffffffu;
        } else if (i % 4 == 3) { /* nearly cancelling */
            a = (a & 0x807fffffu) | 0x3f000000u;
            b = (b & 0x807fffffu) | 0x3f000000u;
            float product = math_float_of(a) * math_float_of(b);
            c = (math_bits_of(product) ^ 0x80000000u) + (c & 3u);
        }
        float x = math_float_of(a), y = math_float_of(b), z = math_float_of(c);
        same_float(math_fma(x, y, z), fmaf(x, y, z), x, y, z);
        same_float(math_sqrt(x), sqrtf(x), x, 0, 0);
    }
}

static void round_goes_to_even(void **state)
{
    (void)state;
    for (float x = -1000; x <= 1000; x += 0.125f)
        assert_true(math_round(x) == rintf(x));
}

/* Dense sweep of the vector exp through silu and sigmoid; every level, and the scalar functions. */
static void levels_agree_on_exp(void **state)
{
    enum { N = 4096 };
    static float x[N], ones[N], silu[N], sigmoid[N];

    (void)state;
    for (int i = 0; i < N; i++)
        ones[i] = 1.0f;
    for (int level = KERNEL_LEVEL_GENERIC; level < KERNEL_LEVEL_COUNT; level++) {
        if (!kernel_level_supported((enum kernel_level)level))
            continue;
        const struct kernels *kernels = kernels_for((enum kernel_level)level);
        for (uint32_t high = 0; high < 0x10000; high += N / 4) {
            /* every sign, exponent and top of the fraction, with four random tails each */
            for (int i = 0; i < N; i++)
                x[i] = math_float_of((high + (uint32_t)i / 4) << 16 | (random_bits() & 0xffff));
            kernels->silu_multiply(x, ones, N, silu);
            kernels->sigmoid_multiply(ones, x, N, sigmoid);
            for (int i = 0; i < N; i++) {
                same_float(silu[i], math_silu(x[i]), x[i], 0, 0);
                same_float(sigmoid[i], math_sigmoid(x[i]), x[i], 0, 0);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(exp_is_near),
        cmocka_unit_test(doubles_are_near),
        cmocka_unit_test(logs_of_floats_are_near),
        cmocka_unit_test(fma_and_sqrt_are_exact),
        cmocka_unit_test(round_goes_to_even),
        cmocka_unit_test(levels_agree_on_exp),
    };

    return cmocka_run_group_tests_name("kernels_math", tests, NULL, NULL);
}
