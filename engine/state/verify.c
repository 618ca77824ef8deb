/*
 * verify.c - rows on trial, and positions to go back to
 */
#include "engine/state/verify.h"

#include "engine/model/model_internal.h"
#include "engine/state/session_internal.h"

enum status session_verify_rows(struct session *session, const int32_t *tokens, size_t n_tokens,
                                struct head_row *rows, const atomic_bool *cancel,
                                struct error *error)
{
    enum status status = session_check_tokens(session, tokens, n_tokens, error);
    struct pass pass;

    if (status != STATUS_OK)
        return status;
    if (n_tokens == 0 || n_tokens > VERIFY_ROWS_MAX)
        return error_set(error, STATUS_USAGE, "%zu rows to verify: 1 .. %d", n_tokens,
                         VERIFY_ROWS_MAX);
    if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
        return error_set(error, STATUS_CANCELLED, "stopped");
    pass = session_pass(session, (uint32_t)n_tokens, cancel);
    pass.sequences[0].recurrence = state_plan(&session->state, pass.n_tokens, true);
    status = session_forward(session, &pass, tokens, pass.n_tokens, rows, error);
    if (status == STATUS_OK)
        state_keep(&session->state, tokens, pass.n_tokens, &pass.sequences[0].recurrence);
    return status;
}

enum status session_verify(struct session *session, const int32_t *tokens, size_t n_tokens,
                           float *logits, const atomic_bool *cancel, struct error *error)
{
    struct head_row *rows = session->scratch.rows;
    const size_t n_rows = n_tokens < VERIFY_ROWS_MAX ? n_tokens : VERIFY_ROWS_MAX;

    head_ask_full(rows, (uint32_t)n_rows, logits,
                  model_hyperparameters(session->model)->n_vocab);
    return session_verify_rows(session, tokens, n_tokens, rows, cancel, error);
}

enum status session_accept(struct session *session, size_t n_rows, struct error *error)
{
    if (n_rows > session->state.n_verified)
        return error_set(error, STATUS_USAGE, "%zu rows to accept: %u were verified", n_rows,
                         session->state.n_verified);
    state_accept(&session->state, (uint32_t)n_rows);
    session_cut_hidden(session);
    return STATUS_OK;
}

void session_mark(struct session *session)
{
    state_mark(&session->state);
}

enum status session_rewind(struct session *session, uint32_t position, struct error *error)
{
    struct state *state = &session->state;

    if (state->lost || !state->marked)
        return error_set(error, STATUS_USAGE, "no marked position to go back to");
    if (position < state->mark_position || position > state->position)
        return error_set(error, STATUS_USAGE, "position %u is not among %u .. %u", position,
                         state->mark_position, state->position);
    state_rewind(state, position);
    session_cut_hidden(session);
    session_mtp_cut(session, position > 0 ? position - 1 : 0);
    return STATUS_OK;
}
