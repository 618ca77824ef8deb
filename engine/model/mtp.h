/*
 * mtp.h - the multi-token-prediction block: what comes after the next token
 *
 * Row s pairs the token at position s + 1 with the trunk's hidden row of position s (behind the
 * output norm), and predicts the token at position s + 2.  The block has K and V rows of its
 * own, one for each pair, s = 0 .. state->n_mtp_rows - 1; angles are those of position s + 1.
 */
#ifndef ENGINE_MODEL_MTP_H
#define ENGINE_MODEL_MTP_H

#include "engine/model/forward.h"

/*
 * pass->n_tokens pairs behind the ones consumed (their first position is state->n_mtp_rows).
 * hidden: [n_tokens][n_embd].  out_hidden: NULL, or [n_tokens][n_embd], the block's own hidden
 * rows, which take the trunk's place where it drafts further.  rows [n_rows]: what is wanted of
 * the logits of the last ones.  Commits nothing.  Errors as forward().
 */
enum status mtp_forward(struct pass *pass, uint32_t block, const int32_t *tokens,
                        const float *hidden, float *out_hidden, uint32_t n_rows,
                        struct head_row *rows, struct error *error);
/* K and V of pass->n_tokens pairs, as mtp_forward() leaves them, and nothing else. */
enum status mtp_fill(struct pass *pass, uint32_t block, const int32_t *tokens,
                     const float *hidden, struct error *error);

#endif
