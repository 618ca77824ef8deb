/*
 * kept_states.h - a few snapshots of earlier states, newest first
 *
 * A hybrid model's state cannot be cut back: a prompt can only continue from a position at which a
 * copy was taken.  Copies are taken where conversations fork: before the opening of each answer.
 *
 * Thread: the engine thread.
 */
#ifndef ENGINE_RUN_KEPT_STATES_H
#define ENGINE_RUN_KEPT_STATES_H

#include <stddef.h>
#include <stdint.h>

#include "engine/session.h"

enum { KEPT_STATES = 4 };

struct kept_states {
    struct snapshot *states[KEPT_STATES]; /* owned; newest first */
    size_t n_states;
    uint64_t most_bytes; /* the newest stays even if it is larger */
};

/* A share of the machine's memory. */
void kept_states_init(struct kept_states *kept);
void kept_states_release(struct kept_states *kept);

/*
 * Keep a copy of the session's state, unless there is one of the same tokens (it becomes the
 * newest).  Out of memory: older copies are given up, then the new one; never an error.
 */
void kept_states_add(struct kept_states *kept, const struct session *session);

/*
 * Bring the session to the longest known state that is a prefix of ids, at most `most` tokens
 * long: its own, a kept one, or the empty one.  Returns the session's position.
 */
uint32_t kept_states_resume(struct kept_states *kept, struct session *session,
                            const int32_t *ids, size_t most);

#endif
