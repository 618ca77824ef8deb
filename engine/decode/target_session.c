/*
 * target_session.c - a session as a target of decoding
 */
#include "engine/decode/target.h"

#include "engine/model/model_internal.h"
#include "engine/state/session_internal.h"
#include "engine/state/verify.h"

static uint32_t position(void *context)
{
    return session_position(context);
}

static uint32_t room(void *context)
{
    return session_context(context) - session_position(context);
}

static const int32_t *tokens_of(void *context)
{
    return session_tokens(context);
}

static bool is_stop(void *context, int32_t id)
{
    const struct session *session = context;

    return model_is_stop_token(session->model, id);
}

static enum status consume(void *context, const int32_t *tokens, uint32_t n_tokens,
                           struct head_row *row, const atomic_bool *cancel, struct error *error)
{
    const struct session_hooks hooks = {.cancel = cancel};

    return session_eval_rows(context, tokens, n_tokens, row ? 1 : 0, row, &hooks, error);
}

static enum status verify(void *context, const int32_t *tokens, uint32_t n_tokens,
                          struct head_row *rows, const atomic_bool *cancel, struct error *error)
{
    return session_verify_rows(context, tokens, n_tokens, rows, cancel, error);
}

static enum status accept(void *context, uint32_t n_tokens, struct error *error)
{
    return session_accept(context, n_tokens, error);
}

static void mark(void *context)
{
    session_mark(context);
}

static uint32_t reach(void *context)
{
    const struct state *state = &((const struct session *)context)->state;

    return state->marked && !state->lost ? state->mark_position : state->position;
}

static enum status rewind_to(void *context, uint32_t to, struct error *error)
{
    return session_rewind(context, to, error);
}

static void reset(void *context)
{
    session_reset(context);
}

struct decode_target session_target(struct session *session)
{
    return (struct decode_target){
        .context = session,
        .kernels = model_kernels(session->model),
        .n_vocab = model_hyperparameters(session->model)->n_vocab,
        .position = position,
        .room = room,
        .tokens = tokens_of,
        .is_stop = is_stop,
        .consume = consume,
        .verify = verify,
        .accept = accept,
        .mark = mark,
        .reach = reach,
        .rewind = rewind_to,
        .reset = reset,
    };
}
