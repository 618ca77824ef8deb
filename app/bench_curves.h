/*
 * bench_curves.h - `banter bench --plot`: curves of figures in the terminal
 *
 * Thread: the main thread.
 */
#ifndef APP_BENCH_CURVES_H
#define APP_BENCH_CURVES_H

#include "app/bench_model.h"

/* Cost of a pass over its rows, rate over sequences, rate over depth: those that were measured. */
void bench_curves_write(const struct model_bench *bench, struct output *output);

#endif
