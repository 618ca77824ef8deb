/*
 * meter.h - when the tokens of an answer came: rates, percentiles, time of thinking
 *
 * Definitions: average = tokens after the first / time after the first; now = the same, weighted by
 * age with a time constant of 2 s; between_p50, between_p95 = nearest-rank percentiles of the times
 * between two tokens.  Suspended time is in none of them.
 *
 * Thread: the engine thread.
 */
#ifndef ENGINE_RUN_METER_H
#define ENGINE_RUN_METER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/engine.h"
#include "engine/run/run_clock.h"

struct meter {
    struct run_clock *clock; /* borrowed */
    int64_t submitted, first, last, thinking_end;
    size_t n_tokens, n_thinking;
    int64_t *times;            /* owned [n_times]; when each token came */
    size_t n_times, capacity;  /* n_times < n_tokens when memory ran out: fewer percentiles */
    double now_rate, now_mass; /* weighted sum of rates and the sum of its weights */
};

void meter_init(struct meter *meter, struct run_clock *clock, int64_t submitted);
void meter_release(struct meter *meter);
/* A token came at `now`. */
void meter_token(struct meter *meter, int64_t now, bool thinking);
double meter_rate_now(const struct meter *meter); /* 0 while unknown */
double meter_rate_average(const struct meter *meter);
/* Fill first_token, n_generated, n_thinking, decode, rate, between_*, thinking_seconds. */
void meter_statistics(const struct meter *meter, struct engine_statistics *statistics);

#endif
