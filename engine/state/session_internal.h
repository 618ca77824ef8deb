/*
 * session_internal.h - the inside of a session, for the engine and its tests
 */
#ifndef ENGINE_STATE_SESSION_INTERNAL_H
#define ENGINE_STATE_SESSION_INTERNAL_H

#include "engine/decode/sampler.h"
#include "engine/model/forward.h"
#include "engine/session.h"

struct session {
    const struct model *model; /* borrows */
    struct pool *pool;         /* owns */
    struct state state;
    struct scratch scratch;
    struct sampler sampler;
    float *logits; /* owns; [n_vocab], of the last token while generating */
    uint32_t chunk;
    const struct trace *trace; /* NULL, or borrows: tests look at every stage */
};

/* A pass over n_tokens rows behind the position, ready for forward(). */
struct pass session_pass(struct session *session, uint32_t n_tokens, const atomic_bool *cancel);

#endif
