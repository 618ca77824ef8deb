/*
 * target_session.c - a session as a target of decoding
 */
#include "engine/decode/target.h"

#include "engine/model/model_internal.h"
#include "engine/state/session_internal.h"

static uint32_t position(void *context)
{
    const struct session_target *target = context;

    return target->before ? snapshot_position(target->before)
                          : session_position(target->session);
}

static uint32_t room(void *context)
{
    const struct session_target *target = context;

    return session_context(target->session) - position(context);
}

static const int32_t *tokens_of(void *context)
{
    const struct session_target *target = context;

    return session_tokens(target->session);
}

static bool is_stop(void *context, int32_t id)
{
    const struct session_target *target = context;

    return model_is_stop_token(target->session->model, id);
}

static enum status consume(void *context, const int32_t *tokens, uint32_t n_tokens,
                           float *logits, struct error *error)
{
    struct session_target *target = context;

    return session_eval(target->session, tokens, n_tokens, logits ? 1 : 0, logits, NULL, error);
}

static enum status take_back(struct session_target *target, struct error *error)
{
    enum status status = session_restore(target->session, target->before, error);

    snapshot_free(&target->before);
    return status;
}

static enum status verify(void *context, const int32_t *tokens, uint32_t n_tokens,
                          float *logits, const atomic_bool *cancel, struct error *error)
{
    struct session_target *target = context;
    const struct session_hooks hooks = {.cancel = cancel};
    enum status status = session_snapshot(target->session, &target->before, error), restored;

    if (status != STATUS_OK)
        return status;
    target->n_verified = n_tokens;
    status = session_eval(target->session, tokens, n_tokens, n_tokens, logits, &hooks, error);
    if (status == STATUS_OK)
        return status;
    restored = take_back(target, error);
    return restored == STATUS_OK ? status : restored;
}

static enum status accept(void *context, uint32_t n_tokens, struct error *error)
{
    struct session_target *target = context;
    const int32_t *tokens = session_tokens(target->session) + position(context);
    int32_t kept[256];
    enum status status;

    if (n_tokens == target->n_verified) {
        snapshot_free(&target->before);
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < n_tokens; i++)
        kept[i] = tokens[i];
    status = take_back(target, error);
    if (status == STATUS_OK)
        status = session_eval(target->session, kept, n_tokens, 0, NULL, NULL, error);
    return status;
}

static enum status mark(void *context, struct error *error)
{
    struct session_target *target = context;

    snapshot_free(&target->marked);
    return session_snapshot(target->session, &target->marked, error);
}

static enum status rewind_to_mark(void *context, struct error *error)
{
    struct session_target *target = context;

    return session_restore(target->session, target->marked, error);
}

static void reset(void *context)
{
    struct session_target *target = context;

    session_reset(target->session);
}

struct decode_target session_target(struct session_target *out, struct session *session)
{
    *out = (struct session_target){.session = session};
    return (struct decode_target){
        .context = out,
        .n_vocab = model_hyperparameters(session->model)->n_vocab,
        .position = position,
        .room = room,
        .tokens = tokens_of,
        .is_stop = is_stop,
        .consume = consume,
        .verify = verify,
        .accept = accept,
        .mark = mark,
        .rewind = rewind_to_mark,
        .reset = reset,
    };
}

void session_target_release(struct session_target *target)
{
    snapshot_free(&target->before);
    snapshot_free(&target->marked);
}
