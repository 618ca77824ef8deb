/*
 * verify.h - what decode policies do with a session: try rows, keep some, go back
 *
 * Law: whatever is verified, accepted, marked, rewound or drafted, the logits and the state are
 * those of a session that consumed the accepted tokens one by one.
 *
 * Thread: the session's.
 */
#ifndef ENGINE_STATE_VERIFY_H
#define ENGINE_STATE_VERIFY_H

#include "engine/session.h"
#include "engine/state/state.h" /* VERIFY_ROWS_MAX */

/*
 * Run 1 .. VERIFY_ROWS_MAX tokens behind the position; logits of each, [n_tokens][n_vocab].
 * Commits nothing: the next call may be session_accept(), or anything else, which drops the
 * rows.  cancel: NULL, or read between layers.
 * Errors: as session_eval(); the state is what it was, in every case.
 */
enum status session_verify(struct session *session, const int32_t *tokens, size_t n_tokens,
                           float *logits, const atomic_bool *cancel, struct error *error);
/*
 * Consume the first n_rows (0: none) of the pass before.  The recurrent state follows with the
 * next pass.  Errors: USAGE: there is no such pass, or it has fewer rows.
 */
enum status session_accept(struct session *session, size_t n_rows, struct error *error);

/*
 * Remember this position, until another mark, a reset or a restore.  A mark reaches over
 * VERIFY_ROWS_MAX tokens: a pass that goes further drops it.
 */
void session_mark(struct session *session);
/*
 * Back to a position from the mark to the present one; the mark stays.
 * Errors: USAGE: the position is not among these, or the mark was dropped: restore a snapshot.
 */
enum status session_rewind(struct session *session, uint32_t position, struct error *error);

/* The multi-token-prediction block --------------------------------------------------------- */

/*
 * Row s of the block's K and V is the pair of the trunk's hidden row at position s (behind the
 * output norm) and the token at s + 1; see engine/model/mtp.h.  While a session keeps hidden
 * rows, its passes keep what pairs need that are not filled yet, and fill pairs where room runs
 * out, so that session_mtp_fill() always has little to do.  A session of a model with a block
 * keeps them from the start, and its snapshots have the block's rows.
 * Errors: NO_MEMORY; UNSUPPORTED: the model has no such block.
 */
enum status session_keep_hidden(struct session *session, bool keep, struct error *error);
/* The trunk's hidden row at a position; NULL: not kept. */
const float *session_hidden(const struct session *session, uint32_t position);
/*
 * Fill the block's K and V for all pairs of consumed tokens; drafted rows are dropped.
 * Errors: USAGE: hidden rows were not kept from the start on (or since a restored snapshot that
 * had them); CANCELLED, FAILED: what was filled is good.
 */
enum status session_mtp_fill(struct session *session, const atomic_bool *cancel,
                             struct error *error);
uint32_t session_mtp_rows(const struct session *session); /* filled pairs */
/* Keep the first n_rows filled pairs at most; drafted rows are dropped. */
void session_mtp_cut(struct session *session, uint32_t n_rows);
/*
 * The block's logits [n_vocab] for the token behind `token`, which follows the consumed tokens
 * and those drafted since.  hidden: the row to pair with it, or NULL: the block's own row of the
 * draft before, and for the first draft the trunk's row of the last token.
 * Errors: USAGE: pairs are not filled, or the hidden row is not there; CONTEXT_FULL; FAILED.
 */
enum status session_mtp_step(struct session *session, int32_t token, const float *hidden,
                             float *logits, struct error *error);

#endif
