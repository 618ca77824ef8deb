/*
 * bench_profile.h - `banter bench --profile`: where the time of passes goes
 *
 * Thread: the main thread.
 */
#ifndef APP_BENCH_PROFILE_H
#define APP_BENCH_PROFILE_H

#include "app/bench_model.h"

enum status bench_profile(struct model_bench *bench, struct error *error);
void bench_profile_release(struct model_bench *bench);
/* Nothing, or null, where it was not measured. */
void bench_profile_write(const struct model_bench *bench, struct output *output);
json_t *bench_profile_json(const struct model_bench *bench);

#endif
