/*
 * bench_limits.h - what this machine allows, as `banter bench` measures and shows it
 *
 * Thread: the main thread.
 */
#ifndef APP_BENCH_LIMITS_H
#define APP_BENCH_LIMITS_H

#include "app/bench.h"
#include "engine/machine.h"

enum { LIMIT_THREADS = 2, LIMIT_PAGES = 2 }; /* one and all; huge pages and small ones */

struct limits {
    enum kernel_level level;
    int n_threads[LIMIT_THREADS]; /* all first; one alone where that is the same */
    int n_runs;
    struct samples read[LIMIT_PAGES][LIMIT_THREADS]; /* bytes, operations a second */
    struct samples int8[LIMIT_THREADS], f32[LIMIT_THREADS];
    uint64_t buffer_bytes, huge_bytes;
    bool reads_ahead[LIMIT_PAGES];
};

/*
 * n_rounds readings in turns; *machine (its pages are huge, if the system gives them) is left for
 * readings beside other figures, to be freed by the caller.  CANCELLED: what was measured is in
 * *limits.
 */
enum status limits_measure(struct limits *limits, enum kernel_level level, int n_threads,
                           uint64_t n_rounds, struct machine **machine, struct error *error);
void limits_release(struct limits *limits);
void limits_write(const struct limits *limits, struct output *output);
json_t *limits_json(const struct limits *limits);

#endif
