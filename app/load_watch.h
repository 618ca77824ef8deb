/*
 * load_watch.h - how much of the processors others use
 *
 * From /proc/stat: the share of all processors' time, since the last look, that neither was idle nor
 * was this process's or that of children which have ended.  Time that a host takes from a virtual
 * machine counts as others'.  The system counts in ticks of 10 ms: a look over less than a quarter
 * of a second says little.
 *
 * Thread: the main thread.
 */
#ifndef APP_LOAD_WATCH_H
#define APP_LOAD_WATCH_H

#include <stdbool.h>

struct load_watch {
    bool known;              /* the system says */
    double total, busy, own; /* seconds of processors, at the last look */
    double at;               /* of the monotonic clock */
};

/* A look of its own; the next load_watch_share() counts from here. */
void load_watch_begin(struct load_watch *watch);
/* The share (0 .. 1) since the last look, which this one becomes; negative: unknown. */
double load_watch_share(struct load_watch *watch);
/* Seconds since the last look. */
double load_watch_age(const struct load_watch *watch);

/* The first line of /proc/stat as seconds; ticks: of a second.  false: it is none. */
bool load_watch_parse(const char *line, double ticks, double *total, double *busy);

#endif
