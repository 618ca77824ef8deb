/*
 * measure.h - what the passes of decode policies cost here, for `banter bench`
 *
 * Each call begins with a copy of the same state and one step that warms it, and times what
 * follows; the caller repeats and takes medians.  Which tokens are consumed makes no difference
 * to the time, so they are made up.
 *
 * Thread: the session's.
 */
#ifndef ENGINE_MEASURE_H
#define ENGINE_MEASURE_H

#include "engine/head.h"
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

struct profile;
/* A pass over n_rows on trial, as measure_verify() times it, alone added to *profile. */
enum status measure_verify_profile(struct session *session, const struct snapshot *start,
                                   uint32_t n_rows, struct profile *profile,
                                   struct error *error);

/* A step of one token that asks for no logits, and one that has a head, by a strategy. */
struct measured_head {
    double without, with;
};

enum status measure_head(struct session *session, const struct snapshot *start,
                         enum head_strategy strategy, struct measured_head *out,
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

/*
 * Put the session behind `position` tokens that were never read: K and V rows hold finite values
 * that nobody computed, the recurrent state is that of the empty sequence.  What passes behind it
 * compute means nothing, and takes the time that it takes at that depth: no kernel's speed
 * depends on the values.  Errors: CONTEXT_FULL.
 */
enum status measure_depth(struct session *session, uint32_t position, struct error *error);

/*
 * Seconds of one choice by `sampling`, the mean of n_choices (at least 1), from what the head keeps
 * of logits [n_vocab]; one of these is raised a little each time.
 */
double measure_sampler(struct session *session, const struct sampling *sampling, float *logits,
                       uint32_t n_choices);

#endif
