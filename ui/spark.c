/*
 * spark.c - the rate of the last half minute as a row of small columns (spark.h)
 */
#include "ui/spark.h"

#include <string.h>

#define N_LEVELS 8

void spark_clear(struct spark *spark)
{
    *spark = (struct spark){.n_samples = 0};
}

bool spark_note(struct spark *spark, double rate, int64_t now_ms)
{
    if (!(rate > 0 && rate < 1e9) || now_ms < spark->next_ms)
        return false;
    /* A beat is kept as long as the calls are in time. */
    bool in_time = now_ms - spark->next_ms < SPARK_MS;
    spark->next_ms = (in_time ? spark->next_ms : now_ms) + SPARK_MS;
    if (spark->n_samples == SPARK_SAMPLES)
        memmove(spark->samples, spark->samples + 1, sizeof(double) * --spark->n_samples);
    spark->samples[spark->n_samples++] = rate;
    return true;
}

void spark_draw(const struct spark *spark, int columns, bool ascii, char out[SPARK_BYTES])
{
    static const char signs[] = "_.:-=+*#";
    int n = columns < spark->n_samples ? columns : spark->n_samples;
    const double *samples = spark->samples + spark->n_samples - (n > 0 ? n : 0);
    double highest = 0;
    for (int i = 0; i < n; i++)
        highest = samples[i] > highest ? samples[i] : highest;
    if (columns > SPARK_SAMPLES)
        columns = SPARK_SAMPLES;
    for (int i = n; i < columns; i++)
        *out++ = ' ';
    for (int i = 0; i < n; i++) {
        int level = (int)(samples[i] / highest * (N_LEVELS - 1) + 0.5);
        if (ascii) {
            *out++ = signs[level];
            continue;
        }
        memcpy(out, "\u2581", 3); /* one eighth; the others follow */
        out[2] = (char)(out[2] + level);
        out += 3;
    }
    *out = '\0';
}
