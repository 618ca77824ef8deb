/*
 * paired_statistics.c - median, mean and bootstrap
 */
#include "app/paired_statistics.h"

#include <stdlib.h>
#include <string.h>

#include "app/text_buffer.h"

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

double mean_of(const double *values, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += values[i];
    return n > 0 ? sum / (double)n : 0;
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

static struct estimate interval(double value, double *resampled)
{
    qsort(resampled, BOOTSTRAP_RESAMPLES, sizeof *resampled, compare);
    return (struct estimate){
        .value = value,
        .low = resampled[BOOTSTRAP_RESAMPLES / 40],
        .high = resampled[BOOTSTRAP_RESAMPLES - 1 - BOOTSTRAP_RESAMPLES / 40],
    };
}

struct paired_statistics paired_statistics_of(const double *values, size_t n, uint64_t seed)
{
    if (n == 0)
        return (struct paired_statistics){0};
    double *ordered = sorted(values, n);
    double *medians = app_resize(NULL, BOOTSTRAP_RESAMPLES, sizeof *medians);
    double *means = app_resize(NULL, BOOTSTRAP_RESAMPLES, sizeof *means);
    uint32_t *counts = app_resize(NULL, n, sizeof *counts);

    for (size_t i = 0; i < BOOTSTRAP_RESAMPLES; i++)
        resample(ordered, n, &seed, counts, &medians[i], &means[i]);
    const struct paired_statistics statistics = {
        .n = n,
        .median = interval(median_of(values, n), medians),
        .mean = interval(mean_of(ordered, n), means),
        .least = ordered[0],
        .most = ordered[n - 1],
    };
    free(ordered);
    free(medians);
    free(means);
    free(counts);
    return statistics;
}
