/*
 * lanes.c - one row of each of several sessions through one pass
 *
 * Rows run on trial, as those of a verify pass do, so that nothing is committed before all have
 * succeeded; being accepted, they wait for the next pass of their session, of whatever kind.
 */
#include "engine/lanes.h"

#include "engine/model/model_internal.h"
#include "engine/state/session_internal.h"

#include <string.h>

_Static_assert((int)LANES_MAX <= (int)PASS_SEQUENCES_MAX, "a pass has room for all lanes");
_Static_assert((int)LANES_MAX <= (int)VERIFY_ROWS_MAX, "so has the scratch of a session");

static enum status check_lanes(struct session *const *sessions, uint32_t n_lanes,
                               const int32_t *tokens, struct error *error)
{
    enum status status = STATUS_OK;

    if (n_lanes == 0 || n_lanes > LANES_MAX)
        return error_set(error, STATUS_USAGE, "%u sequences in a pass: 1 .. %d", n_lanes,
                         LANES_MAX);
    for (uint32_t i = 0; i < n_lanes && status == STATUS_OK; i++) {
        if (sessions[i]->model != sessions[0]->model ||
            sessions[i]->state.half != sessions[0]->state.half)
            return error_set(error, STATUS_USAGE,
                             "sequences %u and 0 have another model or another K/V type", i);
        for (uint32_t j = 0; j < i; j++)
            if (sessions[i] == sessions[j])
                return error_set(error, STATUS_USAGE, "sequences %u and %u are the same", j, i);
        status = session_check_tokens(sessions[i], tokens + i, 1, error);
    }
    return status;
}

/* Row i of the pass is the session's.  *kept: NULL, or where its hidden row is to go. */
static enum status add_lane(struct pass *pass, uint32_t i, struct session *session,
                            float **kept, struct error *error)
{
    struct pass alone = session_pass(session, 1, pass->cancel);
    enum status status = session_make_room(session, &alone, error);

    *kept = alone.kept;
    pass->sequences[i] = alone.sequences[0];
    if (status == STATUS_OK)
        pass->sequences[i].recurrence = state_plan(&session->state, 1, true);
    return status;
}

static void commit_lane(const struct pass *pass, uint32_t i, struct session *session,
                        int32_t token, float *kept)
{
    const size_t d = pass->parameters->n_embd;

    if (kept) {
        memcpy(kept, pass->scratch->normed + i * d, d * sizeof *kept);
        session->state.hidden.n++;
    }
    state_keep(&session->state, &token, 1, &pass->sequences[i].recurrence);
    state_accept(&session->state, 1);
}

enum status lanes_step_rows(struct session *const *sessions, uint32_t n_lanes,
                            const int32_t *tokens, struct head_row *rows,
                            const atomic_bool *cancel, struct error *error)
{
    enum status status = check_lanes(sessions, n_lanes, tokens, error);
    float *kept[LANES_MAX];
    struct pass pass;

    if (status != STATUS_OK)
        return status;
    if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
        return error_set(error, STATUS_CANCELLED, "stopped");
    pass = session_pass(sessions[0], n_lanes, cancel);
    pass.n_sequences = n_lanes;
    for (uint32_t i = 0; i < n_lanes && status == STATUS_OK; i++)
        status = add_lane(&pass, i, sessions[i], &kept[i], error);
    if (status == STATUS_OK)
        status = forward(&pass, tokens, rows ? n_lanes : 0, rows, error);
    for (uint32_t i = 0; i < n_lanes && status == STATUS_OK; i++)
        commit_lane(&pass, i, sessions[i], tokens[i], kept[i]);
    return status;
}

enum status lanes_step(struct session *const *sessions, uint32_t n_lanes, const int32_t *tokens,
                       float *logits, const atomic_bool *cancel, struct error *error)
{
    struct head_row rows[LANES_MAX];

    if (logits && n_lanes > 0 && n_lanes <= LANES_MAX)
        head_ask_full(rows, n_lanes, logits,
                      model_hyperparameters(sessions[0]->model)->n_vocab);
    return lanes_step_rows(sessions, n_lanes, tokens, logits ? rows : NULL, cancel, error);
}
