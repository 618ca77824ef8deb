/*
 * paired_statistics.c - medians by hand, and bootstrap intervals that are known
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/paired_statistics.h"

static void near(double a, double b)
{
    if (!(fabs(a - b) <= 1e-13 * fmax(fabs(a), fabs(b))))
        fail_msg("%.17g is not %.17g", a, b);
}

static void medians(void **state)
{
    const double odd[] = {3, 1, 2}, even[] = {4, 1, 3, 10}, one[] = {7};

    (void)state;
    near(median_of(odd, 3), 2);
    near(median_of(even, 4), 3.5);
    near(median_of(one, 1), 7);
    near(median_of(one, 0), 0);
}

static void ratios_and_their_inverses(void **state)
{
    const double ratios[] = {0.5, 2, 1.25, 0.9}, one[] = {7};
    double inverses[4];
    struct paired_statistics a, b;

    (void)state;
    near(median_ratio(ratios, 4), sqrt(1.25 * 0.9));
    near(median_ratio(ratios, 3), 1.25);
    near(median_ratio(one, 1), 7);
    near(median_ratio(one, 0), 0);
    for (size_t i = 0; i < 4; i++)
        inverses[i] = 1 / ratios[i];
    a = paired_statistics_of(ratios, 4, 1);
    b = paired_statistics_of(inverses, 4, 1);
    near(a.mean.value, pow(0.5 * 2 * 1.25 * 0.9, 0.25));
    near(a.median.value, sqrt(1.25 * 0.9));
    near(a.mean.value, 1 / b.mean.value);
    near(a.median.value, 1 / b.median.value);
}

static void logarithms(void **state)
{
    (void)state;
    for (double x = 1e-300; x < 1e300; x *= 1.618) {
        near(natural_logarithm(x), log(x));
        if (fabs(log(x)) < 690)
            assert_true(fabs(natural_exponential(log(x)) / x - 1) < 1e-12);
    }
    near(natural_logarithm(1), 0);
    near(natural_logarithm(1.0000001), log(1.0000001));
    near(natural_logarithm(0.9999999), log(0.9999999));
    near(natural_exponential(0), 1);
    near(natural_exponential(-1), exp(-1));
    near(natural_exponential(0.3465), exp(0.3465));
}

static void values_without_spread_have_none(void **state)
{
    double same[50];
    struct paired_statistics statistics;

    (void)state;
    for (size_t i = 0; i < 50; i++)
        same[i] = 1.25;
    statistics = paired_statistics_of(same, 50, 1);
    near(statistics.median.low, 1.25);
    near(statistics.median.high, 1.25);
    near(statistics.mean.low, 1.25);
    near(statistics.mean.high, 1.25);
    statistics = paired_statistics_of(same, 1, 1);
    near(statistics.mean.low, 1.25);
    near(statistics.median.high, 1.25);
    statistics = paired_statistics_of(same, 0, 1);
    assert_int_equal(statistics.n, 0);
    near(statistics.mean.value, 0);
}

/*
 * Of fifty ones and fifty twos the number of twos in a resample is binomial (100, 1/2): at most
 * 39 with 1.76 %, at most 40 with 2.84 %.  So the interval of the mean is 2^0.40 .. 2^0.60.
 */
static void interval_of_a_binomial_mean(void **state)
{
    double values[100];

    (void)state;
    for (size_t i = 0; i < 100; i++)
        values[i] = (double)(1 + i % 2);
    for (uint64_t seed = 0; seed < 5; seed++) {
        const struct paired_statistics statistics = paired_statistics_of(values, 100, seed);

        assert_int_equal(statistics.n, 100);
        near(statistics.mean.value, sqrt(2));
        near(statistics.mean.low, pow(2, 0.40));
        near(statistics.mean.high, pow(2, 0.60));
        near(statistics.least, 1);
        near(statistics.most, 2);
    }
}

/*
 * Three values: the median of a resample is the lowest where it is drawn at least twice of
 * three times, 7 of 27 resamples; so are the two others' shares 13 and 7.  2.5 % cuts none of
 * them.
 */
static void interval_of_a_median_of_three(void **state)
{
    const double values[] = {30, 10, 20};
    struct paired_statistics statistics;

    (void)state;
    statistics = paired_statistics_of(values, 3, 9);
    near(statistics.median.value, 20);
    near(statistics.median.low, 10);
    near(statistics.median.high, 30);
    near(statistics.mean.value, cbrt(6000));
    /* All three the same: 1 of 27, more than 2.5 %, for each end. */
    near(statistics.mean.low, 10);
    near(statistics.mean.high, 30);
}

/*
 * Of 1 .. 101 the median of a resample is at most m where at least 51 of 101 draws are at most
 * m: m = 40 with 1.71 %, 41 with 2.79 %; by symmetry 61 at the other end.
 */
static void interval_of_a_median(void **state)
{
    double values[101];
    struct paired_statistics statistics;

    (void)state;
    for (size_t i = 0; i < 101; i++)
        values[i] = (double)(101 - i);
    statistics = paired_statistics_of(values, 101, 3);
    near(statistics.median.value, 51);
    near(statistics.median.low, 41);
    near(statistics.median.high, 61);
}

static void seed_and_order(void **state)
{
    const double values[] = {1.1, 0.9, 1.3, 1.7, 1.2, 0.8, 1.05};
    const double turned[] = {1.05, 0.8, 1.2, 1.7, 1.3, 0.9, 1.1};
    const struct paired_statistics a = paired_statistics_of(values, 7, 5);
    const struct paired_statistics b = paired_statistics_of(turned, 7, 5);

    (void)state;
    near(a.mean.low, b.mean.low);
    near(a.mean.high, b.mean.high);
    near(a.median.low, b.median.low);
    assert_true(a.mean.low < a.mean.value && a.mean.value < a.mean.high);
    assert_true(a.mean.low > a.least && a.mean.high < a.most);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(medians),
        cmocka_unit_test(ratios_and_their_inverses),
        cmocka_unit_test(logarithms),
        cmocka_unit_test(values_without_spread_have_none),
        cmocka_unit_test(interval_of_a_binomial_mean),
        cmocka_unit_test(interval_of_a_median_of_three),
        cmocka_unit_test(interval_of_a_median),
        cmocka_unit_test(seed_and_order),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
