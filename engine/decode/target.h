/*
 * target.h - what decoding needs of a model with its state, and nothing else
 *
 * A session is one; so is a draft model, and the scripted one of the tests.  `position` counts
 * tokens consumed for good.
 *
 * Thread: one at a time.
 */
#ifndef ENGINE_DECODE_TARGET_H
#define ENGINE_DECODE_TARGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/model/head.h"

struct decode_target {
    void *context;
    uint32_t n_vocab;
    const struct kernels *kernels; /* of samplers; NULL: the definition */
    uint32_t (*position)(void *context);
    uint32_t (*room)(void *context); /* positions that are left */
    const int32_t *(*tokens)(void *context);
    bool (*is_stop)(void *context, int32_t id);
    /*
     * Consume tokens for good.  row: what is wanted of the logits of the last; NULL: nothing.  Of
     * several tokens some may have been consumed when it fails or is cancelled (cancel may be
     * NULL).
     */
    enum status (*consume)(void *context, const int32_t *tokens, uint32_t n_tokens,
                           struct head_row *row, const atomic_bool *cancel,
                           struct error *error);
    /*
     * What rows [n_tokens] want of the logits of each; nothing is committed, also when it fails.
     * CANCELLED: the flag was set.
     */
    enum status (*verify)(void *context, const int32_t *tokens, uint32_t n_tokens,
                          struct head_row *rows, const atomic_bool *cancel,
                          struct error *error);
    /* Commit the first n_tokens (at least 1) of the last verify. */
    enum status (*accept)(void *context, uint32_t n_tokens, struct error *error);
    /*
     * What a draft needs besides: remember this position; the first one that it can go back to
     * (the present one, if there is no other); go to one of these; to the empty state.
     */
    void (*mark)(void *context);
    uint32_t (*reach)(void *context);
    enum status (*rewind)(void *context, uint32_t position, struct error *error);
    void (*reset)(void *context);
};

/* A session as a target.  Borrows it. */
struct session;
struct decode_target session_target(struct session *session);

#endif
