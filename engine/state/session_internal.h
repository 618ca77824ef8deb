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
    struct pool *pool;         /* owns, unless it borrows it */
    bool borrows_pool;
    struct state state;
    struct scratch scratch;
    struct sampler sampler;
    float *logits; /* owns; [n_vocab], of the last token while generating */
    uint32_t chunk;
    const struct trace *trace; /* NULL, or borrows: tests look at every stage */
    struct profile *profile;   /* NULL, or borrows */
};

/* A pass over n_tokens rows behind the position, ready for forward(). */
struct pass session_pass(struct session *session, uint32_t n_tokens, const atomic_bool *cancel);
/* forward(), with the hidden rows kept where the session was told to. */
enum status session_forward(struct session *session, struct pass *pass, const int32_t *tokens,
                            uint32_t n_logits, float *logits, struct error *error);
/* pass->kept: room for the hidden rows of the pass, if the session keeps them. */
enum status session_make_room(struct session *session, struct pass *pass, struct error *error);
/* Hidden rows behind the position are void. */
void session_cut_hidden(struct session *session);
/* Ids in range, room in the context, a state that is not lost?  Errors: as session_eval(). */
enum status session_check_tokens(const struct session *session, const int32_t *tokens,
                                 size_t n_tokens, struct error *error);

#endif
