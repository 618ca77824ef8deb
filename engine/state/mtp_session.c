/*
 * mtp_session.c - the multi-token-prediction block beside the trunk of a session
 *
 * Hidden rows wait until the block has been run on their pairs.  Pairs are filled many at once
 * where that can be: when the room for rows is used up, when a policy asks, before a snapshot.
 */
#include "engine/state/session_internal.h"
#include "engine/state/verify.h"

#include "engine/file/checked.h"
#include "engine/model/model_internal.h"
#include "engine/model/mtp.h"

#include <stdlib.h>
#include <string.h>

static size_t row_floats(const struct session *session)
{
    return model_hyperparameters(session->model)->n_embd;
}

enum status session_keep_hidden(struct session *session, bool keep, struct error *error)
{
    struct hidden_rows *hidden = &session->state.hidden;

    if (keep && model_hyperparameters(session->model)->n_mtp == 0)
        return error_set(error, STATUS_UNSUPPORTED,
                         "the model has no multi-token-prediction block");
    if (keep == (hidden->rows != NULL))
        return STATUS_OK;
    if (keep) {
        hidden->capacity = session->scratch.max_tokens + VERIFY_ROWS_MAX + 1;
        hidden->rows =
            checked_allocate(hidden->capacity * row_floats(session), sizeof *hidden->rows);
        hidden->drafted = checked_allocate(row_floats(session), sizeof *hidden->drafted);
        if (hidden->rows && hidden->drafted)
            return STATUS_OK;
    }
    free(hidden->rows);
    free(hidden->drafted);
    memset(hidden, 0, sizeof *hidden);
    return keep ? error_set(error, STATUS_NO_MEMORY, "no memory for hidden rows") : STATUS_OK;
}

const float *session_hidden(const struct session *session, uint32_t position)
{
    const struct hidden_rows *hidden = &session->state.hidden;

    if (!hidden->rows || position < hidden->first || position - hidden->first >= hidden->n)
        return NULL;
    return hidden->rows + (position - hidden->first) * row_floats(session);
}

/* Rows behind the position are void. */
void session_cut_hidden(struct session *session)
{
    struct hidden_rows *hidden = &session->state.hidden;
    const uint32_t position = session->state.position;

    if (hidden->first + hidden->n > position)
        hidden->n = position > hidden->first ? position - hidden->first : 0;
}

/* Keep what may be asked for again: the row before the position, or before a mark on. */
static void drop_old_rows(struct session *session)
{
    struct hidden_rows *hidden = &session->state.hidden;
    const uint32_t position = session->state.position;
    uint32_t from = session->state.marked ? session->state.mark_position : position;

    from = from > hidden->first ? from - 1 : hidden->first;
    if (position == 0 || !session_hidden(session, position - 1)) {
        hidden->n = 0;
        hidden->first = position;
        return;
    }
    hidden->n -= from - hidden->first;
    memmove(hidden->rows, hidden->rows + (from - hidden->first) * row_floats(session),
            hidden->n * row_floats(session) * sizeof *hidden->rows);
    hidden->first = from;
}

enum status session_make_room(struct session *session, struct pass *pass, struct error *error)
{
    struct hidden_rows *hidden = &session->state.hidden;
    enum status status = STATUS_OK;

    if (!hidden->rows)
        return STATUS_OK;
    hidden->n_drafted = 0;
    session_cut_hidden(session);
    if (hidden->first + hidden->n != session->state.position)
        drop_old_rows(session);
    if (hidden->n + pass->n_tokens > hidden->capacity) {
        /* Where the block cannot follow, the trunk goes on alone. */
        status = session_mtp_fill(session, pass->cancel, error);
        status = status == STATUS_CANCELLED ? status : STATUS_OK;
        if (status == STATUS_OK)
            drop_old_rows(session);
    }
    pass->kept = hidden->rows + hidden->n * row_floats(session);
    return status;
}

enum status session_forward(struct session *session, struct pass *pass, const int32_t *tokens,
                            uint32_t n_rows, struct head_row *rows, struct error *error)
{
    struct hidden_rows *hidden = &session->state.hidden;
    enum status status = session_make_room(session, pass, error);

    if (status == STATUS_OK)
        status = forward(pass, tokens, n_rows, rows, error);
    if (status == STATUS_OK && hidden->rows)
        hidden->n += pass->n_tokens;
    return status;
}

uint32_t session_mtp_rows(const struct session *session)
{
    return session->state.n_mtp_rows;
}

void session_mtp_cut(struct session *session, uint32_t n_rows)
{
    session->state.hidden.n_drafted = 0;
    if (session->state.n_mtp_rows > n_rows)
        session->state.n_mtp_rows = n_rows;
}

enum status session_mtp_fill(struct session *session, const atomic_bool *cancel,
                             struct error *error)
{
    struct state *state = &session->state;
    const uint32_t n_pairs = state->position > 0 ? state->position - 1 : 0;
    enum status status = STATUS_OK;

    state->hidden.n_drafted = 0;
    if (state->n_mtp_rows < n_pairs &&
        (!session_hidden(session, state->n_mtp_rows) || !session_hidden(session, n_pairs - 1)))
        return error_set(error, STATUS_USAGE,
                         "the hidden rows of positions %u .. %u were not kept",
                         state->n_mtp_rows, n_pairs - 1);
    while (state->n_mtp_rows < n_pairs && status == STATUS_OK) {
        const uint32_t from = state->n_mtp_rows, most = session->scratch.max_tokens;
        const uint32_t n = n_pairs - from < most ? n_pairs - from : most;
        struct pass pass = session_pass(session, n, cancel);
        pass.sequences[0].first_position = from;
        status =
            mtp_fill(&pass, 0, state->tokens + from + 1, session_hidden(session, from), error);
        if (status == STATUS_OK)
            state->n_mtp_rows += n;
    }
    return status;
}

/* Is there a row that the next draft can start from? */
static const float *find_hidden(const struct session *session, struct error *error)
{
    const struct state *state = &session->state;
    const float *row = NULL;

    if (state->position == 0 || state->n_mtp_rows + 1 != state->position)
        error_set(error, STATUS_USAGE, "%u of %u pairs are filled", state->n_mtp_rows,
                  state->position > 0 ? state->position - 1 : 0);
    else if (state->hidden.n_drafted > 0)
        row = state->hidden.drafted;
    else if (!(row = session_hidden(session, state->position - 1)))
        error_set(error, STATUS_USAGE, "the hidden row of position %u was not kept",
                  state->position - 1);
    return row;
}

enum status session_mtp_step_row(struct session *session, int32_t token, const float *hidden,
                                 struct head_row *row, struct error *error)
{
    struct state *state = &session->state;
    const uint32_t pair = state->n_mtp_rows + state->hidden.n_drafted;
    const float *found;
    struct pass pass;
    enum status status;

    if (!state->hidden.rows)
        return error_set(error, STATUS_USAGE, "the session keeps no hidden rows");
    if (token < 0 || (uint32_t)token >= model_hyperparameters(session->model)->n_vocab)
        return error_set(error, STATUS_USAGE, "token id %d is out of range", token);
    found = find_hidden(session, error);
    if (!found)
        return STATUS_USAGE;
    if (pair + 1 >= state->n_context)
        return error_set(error, STATUS_CONTEXT_FULL, "no room for a further draft");
    pass = session_pass(session, 1, NULL);
    pass.sequences[0].first_position = pair;
    status = mtp_forward(&pass, 0, &token, hidden ? hidden : found, state->hidden.drafted, 1,
                         row, error);
    if (status == STATUS_OK)
        state->hidden.n_drafted++;
    return status;
}

enum status session_mtp_step(struct session *session, int32_t token, const float *hidden,
                             float *logits, struct error *error)
{
    struct head_row row = {.strategy = HEAD_FULL, .logits = logits};

    return session_mtp_step_row(session, token, hidden, &row, error);
}
