/*
 * paired_statistics.h - ratios of two measurements of the same moment, and how sure they are
 *
 * Thread: pure functions; any thread.
 */
#ifndef APP_PAIRED_STATISTICS_H
#define APP_PAIRED_STATISTICS_H

#include <stddef.h>
#include <stdint.h>

enum { BOOTSTRAP_RESAMPLES = 10000 };

struct estimate {
    double value, low, high; /* low .. high: 95 %; equal to value where n < 2 */
};

struct paired_statistics {
    size_t n;
    struct estimate median, mean;
    double least, most;
};

/* The middle one, or half-way between the two in the middle; 0 of none. */
double median_of(const double *values, size_t n);
double mean_of(const double *values, size_t n);

/*
 * Median and mean of values[n], n < 2^32, each with its bootstrap interval: BOOTSTRAP_RESAMPLES
 * times n values are drawn with replacement; 2.5 % of the medians (means) are below the interval
 * and 2.5 % above it (percentile method; Efron, Tibshirani: An Introduction to the Bootstrap,
 * chapter 13).  The same values in any order and the same seed give the same interval.
 */
struct paired_statistics paired_statistics_of(const double *values, size_t n, uint64_t seed);

#endif
