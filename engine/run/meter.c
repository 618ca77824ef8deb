/*
 * meter.c - when the tokens of an answer came
 */
#include "engine/run/meter.h"

#include <stdlib.h>
#include <string.h>

static const double NOW_SECONDS = 2; /* time constant of the rate "now" */

void meter_init(struct meter *meter, struct run_clock *clock, int64_t submitted)
{
    memset(meter, 0, sizeof *meter);
    meter->clock = clock;
    meter->submitted = submitted;
}

void meter_release(struct meter *meter)
{
    free(meter->times);
    meter->times = NULL;
    meter->n_times = meter->capacity = 0;
}

static void remember(struct meter *meter, int64_t now)
{
    if (meter->n_times == meter->capacity) {
        size_t capacity = meter->capacity == 0 ? 1024 : meter->capacity * 2;
        int64_t *times = realloc(meter->times, capacity * sizeof *times);
        if (times == NULL)
            return;
        meter->times = times;
        meter->capacity = capacity;
    }
    meter->times[meter->n_times++] = now;
}

/*
 * A gap of g seconds holds one token: its rate 1 / g counts with weight w = g / (T + g).  Written
 * so that g = 0 needs no division by it.
 */
static void weigh_gap(struct meter *meter, double gap)
{
    double weight = gap / (NOW_SECONDS + gap);

    meter->now_rate += 1 / (NOW_SECONDS + gap) - weight * meter->now_rate;
    meter->now_mass += weight * (1 - meter->now_mass);
}

void meter_token(struct meter *meter, int64_t now, bool thinking)
{
    if (meter->n_tokens == 0)
        meter->first = now;
    else
        weigh_gap(meter, run_clock_between(meter->clock, meter->last, now));
    meter->last = now;
    meter->n_tokens++;
    if (thinking) {
        meter->n_thinking++;
        meter->thinking_end = now;
    }
    remember(meter, now);
}

double meter_rate_now(const struct meter *meter)
{
    return meter->now_mass > 0 ? meter->now_rate / meter->now_mass : 0;
}

double meter_rate_average(const struct meter *meter)
{
    if (meter->n_tokens < 2)
        return 0;
    double seconds = run_clock_between(meter->clock, meter->first, meter->last);
    return seconds > 0 ? (double)(meter->n_tokens - 1) / seconds : 0;
}

static int compare_gaps(const void *a, const void *b)
{
    double left = *(const double *)a;
    double right = *(const double *)b;

    return (left > right) - (left < right);
}

static double percentile(const double *sorted, size_t n, size_t percent)
{
    size_t rank = (n * percent + 99) / 100; /* nearest rank, from 1 */

    return sorted[rank == 0 ? 0 : rank - 1];
}

static void fill_gaps(const struct meter *meter, struct engine_statistics *statistics)
{
    statistics->between_p50 = statistics->between_p95 = 0;
    if (meter->n_times < 2)
        return;
    size_t n = meter->n_times - 1;
    double *gaps = malloc(n * sizeof *gaps);
    if (gaps == NULL)
        return;
    for (size_t i = 0; i < n; i++)
        gaps[i] = run_clock_between(meter->clock, meter->times[i], meter->times[i + 1]);
    qsort(gaps, n, sizeof *gaps, compare_gaps);
    statistics->between_p50 = percentile(gaps, n, 50);
    statistics->between_p95 = percentile(gaps, n, 95);
    free(gaps);
}

void meter_statistics(const struct meter *meter, struct engine_statistics *statistics)
{
    statistics->n_generated = (uint32_t)meter->n_tokens;
    statistics->n_thinking = (uint32_t)meter->n_thinking;
    statistics->rate = meter_rate_average(meter);
    if (meter->n_tokens > 0) {
        statistics->first_token =
            run_clock_between(meter->clock, meter->submitted, meter->first);
        statistics->decode = run_clock_between(meter->clock, meter->first, meter->last);
    }
    if (meter->n_thinking > 0)
        statistics->thinking_seconds =
            run_clock_between(meter->clock, meter->first, meter->thinking_end);
    fill_gaps(meter, statistics);
}
