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
/*
 * The same of ratios above 0, with the geometric mean of the two in the middle: exchanging what
 * is compared gives the inverse, so noise favours neither.
 */
double median_ratio(const double *ratios, size_t n);

/*
 * Median and geometric mean of ratios[n] above 0, n < 2^32, each with its bootstrap interval:
 * BOOTSTRAP_RESAMPLES times n ratios are drawn with replacement; 2.5 % of the medians (means)
 * are below the interval and 2.5 % above it (percentile method; Efron, Tibshirani: An
 * Introduction to the Bootstrap, chapter 13).  The same ratios in any order and the same seed
 * give the same.
 */
struct paired_statistics paired_statistics_of(const double *ratios, size_t n, uint64_t seed);

/* Natural logarithm of a normal number above 0, and e^x for |x| < 700, within some ulps: the
 * program does without libm, so that the engine cannot use it by mistake. */
double natural_logarithm(double x);
double natural_exponential(double x);

#endif
