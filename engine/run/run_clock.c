/*
 * run_clock.c - monotonic time without the time that the process was stopped
 */
#include "engine/run/run_clock.h"

#include <string.h>
#include <time.h>

static const double NANOSECONDS = 1e9; /* in a second */
static const double LONGEST = 1e9;     /* seconds; keeps the conversion in range */

void run_clock_init(struct run_clock *clock)
{
    pthread_mutex_init(&clock->mutex, NULL);
    clock->n_stops = 0;
}

void run_clock_destroy(struct run_clock *clock)
{
    pthread_mutex_destroy(&clock->mutex);
}

int64_t run_clock_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

void run_clock_add_stop(struct run_clock *clock, int64_t now, double seconds)
{
    if (!(seconds > 0) || seconds > LONGEST)
        return;
    int64_t from = now - (int64_t)(seconds * NANOSECONDS);

    pthread_mutex_lock(&clock->mutex);
    if (clock->n_stops == RUN_CLOCK_STOPS) {
        memmove(&clock->stops[0], &clock->stops[1],
                (RUN_CLOCK_STOPS - 1) * sizeof clock->stops[0]);
        clock->n_stops--;
    }
    if (clock->n_stops > 0 && from < clock->stops[clock->n_stops - 1].to)
        from = clock->stops[clock->n_stops - 1].to;
    if (from < now) {
        clock->stops[clock->n_stops].from = from;
        clock->stops[clock->n_stops].to = now;
        clock->n_stops++;
    }
    pthread_mutex_unlock(&clock->mutex);
}

double run_clock_between(struct run_clock *clock, int64_t from, int64_t to)
{
    int64_t length = to - from;

    pthread_mutex_lock(&clock->mutex);
    for (unsigned i = clock->n_stops; i > 0; i--) {
        int64_t first = clock->stops[i - 1].from;
        int64_t last = clock->stops[i - 1].to;
        if (last <= from)
            break;
        first = first < from ? from : first;
        last = last > to ? to : last;
        if (first < last)
            length -= last - first;
    }
    pthread_mutex_unlock(&clock->mutex);
    return length > 0 ? (double)length / NANOSECONDS : 0;
}
