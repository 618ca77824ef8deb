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
    struct head_rows head; /* a row: of the last token while generating */
    uint32_t chunk;
    const struct trace *trace; /* NULL, or borrows: tests look at every stage */
    struct profile *profile;   /* NULL, or borrows */
};

/* A pass over n_tokens rows behind the position, ready for forward(). */
struct pass session_pass(struct session *session, uint32_t n_tokens, const atomic_bool *cancel);
/* forward(), with the hidden rows kept where the session was told to. */
enum status session_forward(struct session *session, struct pass *pass, const int32_t *tokens,
                            uint32_t n_rows, struct head_row *rows, struct error *error);
/*
 * session_eval(), session_verify(), lanes_step() and session_mtp_step(), for what rows ask of the
 * logits of the last n_rows tokens; of each token; of each session (rows NULL: not wanted); of
 * the draft.
 */
enum status session_eval_rows(struct session *session, const int32_t *tokens, size_t n_tokens,
                              size_t n_rows, struct head_row *rows,
                              const struct session_hooks *hooks, struct error *error);
enum status session_verify_rows(struct session *session, const int32_t *tokens, size_t n_tokens,
                                struct head_row *rows, const atomic_bool *cancel,
                                struct error *error);
enum status lanes_step_rows(struct session *const *sessions, uint32_t n_lanes,
                            const int32_t *tokens, struct head_row *rows,
                            const atomic_bool *cancel, struct error *error);
enum status session_mtp_step_row(struct session *session, int32_t token, const float *hidden,
                                 struct head_row *row, struct error *error);
/* pass->kept: room for the hidden rows of the pass, if the session keeps them. */
enum status session_make_room(struct session *session, struct pass *pass, struct error *error);
/* Hidden rows behind the position are void. */
void session_cut_hidden(struct session *session);
/* Ids in range, room in the context, a state that is not lost?  Errors: as session_eval(). */
enum status session_check_tokens(const struct session *session, const int32_t *tokens,
                                 size_t n_tokens, struct error *error);

#endif
