/*
 * spark.h - the rate of the last half minute as a row of small columns
 *
 * Pure: the time is an argument.
 */
#ifndef UI_SPARK_H
#define UI_SPARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SPARK_SAMPLES 30
#define SPARK_MS      1000 /* between samples */
#define SPARK_BYTES   (SPARK_SAMPLES * 3 + 1)

struct spark {
    double samples[SPARK_SAMPLES]; /* the last n_samples, oldest first */
    int n_samples;
    int64_t next_ms; /* 0: at once */
};

void spark_clear(struct spark *spark);
/* The rate now; taken when a sample is due.  true: it was. */
bool spark_note(struct spark *spark, double rate, int64_t now_ms);
/* The last `columns` samples, at the right end of so many columns; the highest of them is the
 * full height. */
void spark_draw(const struct spark *spark, int columns, bool ascii, char out[SPARK_BYTES]);

#endif
