/*
 * run_clock.h - monotonic time without the time that the process was stopped
 *
 * The notice of a stop comes late: the process runs again, tokens may already have been timed, then
 * the screen's thread says how long the stop was.  So moments are kept as they were read, stops are
 * kept as intervals, and the difference of two moments leaves out what stops cover of it.
 *
 * Thread: any; a mutex guards the stops.
 */
#ifndef ENGINE_RUN_RUN_CLOCK_H
#define ENGINE_RUN_RUN_CLOCK_H

#include <pthread.h>
#include <stdint.h>

enum { RUN_CLOCK_STOPS = 64 };

struct run_clock {
    pthread_mutex_t mutex;
    struct {
        int64_t from, to;
    } stops[RUN_CLOCK_STOPS]; /* ascending, disjoint; the oldest are forgotten */
    unsigned n_stops;
};

void run_clock_init(struct run_clock *clock);
void run_clock_destroy(struct run_clock *clock);
/* Nanoseconds of CLOCK_MONOTONIC. */
int64_t run_clock_now(void);
/* The process was stopped for `seconds` until `now`. */
void run_clock_add_stop(struct run_clock *clock, int64_t now, double seconds);
/* Seconds from one moment to a later one, stops left out; never negative. */
double run_clock_between(struct run_clock *clock, int64_t from, int64_t to);

#endif
