/*
 * sequence_work.h - work along sequences, shared among the threads of a tape's pool
 *
 * A unit is one head of one sequence; units write disjoint places, so that who does which changes
 * no byte.  Threads take the next unit when they are free, as sequences differ in length.
 */
#ifndef ENGINE_TRAIN_SEQUENCE_WORK_H
#define ENGINE_TRAIN_SEQUENCE_WORK_H

#include "engine/train/operations.h"

struct sequence_unit {
    uint32_t sequence, head;
    size_t first;      /* token */
    uint32_t n_tokens; /* at least 1: empty sequences have no units */
};

/* scratch: 64-byte aligned, of the thread that does the unit, not initialised. */
typedef void (*sequence_job)(const void *context, const struct sequence_unit *unit,
                             float *scratch);

/* Do the borders cover n_tokens tokens in ascending order?  If not, the tape fails. */
bool sequences_fit(struct tape *tape, const char *operation, const struct sequences *sequences,
                   size_t n_tokens);
uint32_t sequences_longest(const struct sequences *sequences);
/* All heads of all sequences; nothing is done without memory for the scratch (the tape fails). */
void sequences_run(struct tape *tape, const struct sequences *sequences, uint32_t n_heads,
                   size_t n_scratch, sequence_job job, const void *context);

/* Address of (token, head) in [n][heads][dim] or [n][heads]; NULL stays NULL. */
static inline float *sequence_place(const struct tensor *x, float *base, size_t token,
                                    size_t head)
{
    return base ? base + token * x->stride[0] + head * x->stride[1] : NULL;
}

#endif
