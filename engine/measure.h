/*
 * measure.h - what the passes of decode policies cost here, for `banter bench verify`
 *
 * Each call begins with a copy of the same state and one step that warms it, and times what
 * follows; the caller repeats and takes medians.  Which tokens are consumed makes no difference
 * to the time, so they are made up.
 *
 * Thread: the session's.
 */
#ifndef ENGINE_MEASURE_H
#define ENGINE_MEASURE_H

#include "engine/session.h"

enum { MEASURE_ROWS_MAX = 33 };

/* Seconds. */
struct measured_verify {
    double step;   /* a plain step from here */
    double verify; /* n_rows on trial instead */
    double accept; /* keeping n_accepted of them */
    double next;   /* a plain step behind these: it applies what was accepted */
};

/* n_rows 1 .. MEASURE_ROWS_MAX, n_accepted 0 .. n_rows.  Errors: as session_verify(). */
enum status measure_verify(struct session *session, const struct snapshot *start,
                           uint32_t n_rows, uint32_t n_accepted, struct measured_verify *out,
                           struct error *error);

struct measured_rewind {
    double mark;
    double first,
        second; /* two plain steps behind the mark; the first keeps the marked state */
    double rewind;
    double next; /* a plain step from the mark again */
};

enum status measure_rewind(struct session *session, const struct snapshot *start,
                           struct measured_rewind *out, struct error *error);

struct measured_copy {
    double snapshot, restore;
    uint64_t bytes;
};

/* A copy of the whole state and back: what a rejection would cost without trial rows. */
enum status measure_copy(struct session *session, const struct snapshot *start,
                         struct measured_copy *out, struct error *error);

#endif
