/*
 * paired_statistics.c - median, mean and bootstrap
 */
#include "app/paired_statistics.h"

#include <stdlib.h>
#include <string.h>

#include "app/text_buffer.h"

static const double LOG_2 = 0.69314718055994530942;

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double *sorted(const double *values, size_t n)
{
    double *copy = app_resize(NULL, n, sizeof *copy);

    memcpy(copy, values, n * sizeof *copy);
    qsort(copy, n, sizeof *copy, compare);
    return copy;
}

double median_of(const double *values, size_t n)
{
    if (n == 0)
        return 0;
    double *copy = sorted(values, n);
    const double median = (copy[(n - 1) / 2] + copy[n / 2]) / 2;

    free(copy);
    return median;
}

/* x = m 2^e with m in [sqrt(1/2), sqrt(2)]; log m = 2 atanh((m - 1) / (m + 1)) as a series. */
double natural_logarithm(double x)
{
    uint64_t bits;
    double m, sum = 0;

    memcpy(&bits, &x, sizeof bits);
    int e = (int)(bits >> 52) - 1023;
    bits = (bits & 0xfffffffffffffu) | (uint64_t)1023 << 52;
    memcpy(&m, &bits, sizeof m);
    if (m > 1.4142135623730951) {
        m /= 2;
        e++;
    }
    const double s = (m - 1) / (m + 1);
    for (int i = 23; i > 0; i -= 2) /* |s| < 0.172: the next term is below 1e-19 */
        sum = sum * s * s + 2.0 / i;
    return e * LOG_2 + s * sum;
}

/* x = k log 2 + r with |r| <= log(2) / 2; e^r as a series. */
double natural_exponential(double x)
{
    const int k = (int)(x / LOG_2 + (x < 0 ? -0.5 : 0.5));
    const double r = x - k * LOG_2;
    const uint64_t bits = (uint64_t)(1023 + k) << 52;
    double scale, sum = 1;

    for (int i = 16; i > 0; i--)
        sum = sum * r / i + 1;
    memcpy(&scale, &bits, sizeof scale);
    return sum * scale;
}

double median_ratio(const double *ratios, size_t n)
{
    if (n == 0)
        return 0;
    double *copy = sorted(ratios, n);
    const double low = copy[(n - 1) / 2], high = copy[n / 2];

    free(copy);
    return natural_exponential((natural_logarithm(low) + natural_logarithm(high)) / 2);
}

/* SplitMix64 (Steele, Lea, Flood: Fast splittable pseudorandom number generators, 2014). */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* One resample of sorted values; counts [n] is scratch. */
static void resample(const double *values, size_t n, uint64_t *random, uint32_t *counts,
                     double *median, double *mean)
{
    const size_t low = (n - 1) / 2, high = n / 2; /* ranks of the middle */
    size_t n_seen = 0;
    double sum = 0, middle = 0;

    memset(counts, 0, n * sizeof *counts);
    for (size_t i = 0; i < n; i++)
        counts[(next_random(random) >> 32) * n >> 32]++;
    for (size_t i = 0; i < n; i++) {
        const size_t before = n_seen;

        n_seen += counts[i];
        sum += counts[i] * values[i];
        middle += (before <= low && low < n_seen) ? values[i] / 2 : 0;
        middle += (before <= high && high < n_seen) ? values[i] / 2 : 0;
    }
    *median = middle;
    *mean = sum / (double)n;
}

static double clamp(double value, double least, double most)
{
    return value < least ? least : value > most ? most : value;
}

/* From logarithms back; rounding may not leave the range of the values. */
static struct estimate interval(double value, double *resampled, double least, double most)
{
    qsort(resampled, BOOTSTRAP_RESAMPLES, sizeof *resampled, compare);
    const double low = resampled[BOOTSTRAP_RESAMPLES / 40];
    const double high = resampled[BOOTSTRAP_RESAMPLES - 1 - BOOTSTRAP_RESAMPLES / 40];

    return (struct estimate){
        .value = clamp(natural_exponential(value), least, most),
        .low = clamp(natural_exponential(low < value ? low : value), least, most),
        .high = clamp(natural_exponential(high > value ? high : value), least, most),
    };
}

struct paired_statistics paired_statistics_of(const double *ratios, size_t n, uint64_t seed)
{
    if (n == 0)
        return (struct paired_statistics){0};
    double *logarithms = sorted(ratios, n);
    double *medians = app_resize(NULL, BOOTSTRAP_RESAMPLES, sizeof *medians);
    double *means = app_resize(NULL, BOOTSTRAP_RESAMPLES, sizeof *means);
    uint32_t *counts = app_resize(NULL, n, sizeof *counts);
    const double least = logarithms[0], most = logarithms[n - 1];
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        logarithms[i] = natural_logarithm(logarithms[i]);
        sum += logarithms[i];
    }
    for (size_t i = 0; i < BOOTSTRAP_RESAMPLES; i++)
        resample(logarithms, n, &seed, counts, &medians[i], &means[i]);
    const struct paired_statistics statistics = {
        .n = n,
        .median = interval(median_of(logarithms, n), medians, least, most),
        .mean = interval(sum / (double)n, means, least, most),
        .least = least,
        .most = most,
    };
    free(logarithms);
    free(medians);
    free(means);
    free(counts);
    return statistics;
}
