/*
 * generate.c - the plain policy: one pass, one choice, one token
 *
 * Invariant: between two steps the session has consumed all tokens that the sink was given but
 * the last one, which the next pass consumes first.
 */
#include "engine/model/model_internal.h"
#include "engine/state/session_internal.h"

struct step {
    struct session *session;
    const struct generation *generation;
    struct generation_result *result;
    struct error *error;
    int32_t pending;       /* chosen, given to the sink, not consumed */
    const int32_t *forced; /* follow it; borrowed from the sink */
    size_t n_forced;
};

static bool is_cancelled(const struct generation *generation)
{
    return generation->cancel && atomic_load_explicit(generation->cancel, memory_order_relaxed);
}

static bool is_full(const struct step *step)
{
    const struct generation *generation = step->generation;

    return generation->max_tokens > 0 && step->result->n_tokens >= generation->max_tokens;
}

/* Give a token to the sink; false: the generation ends, for the reason in the result. */
static bool give(struct step *step, int32_t id)
{
    const struct generation *generation = step->generation;
    bool more = true;

    sampler_accept(&step->session->sampler, id);
    step->pending = id;
    step->forced = NULL;
    step->n_forced = 0;
    step->result->n_tokens++;
    if (generation->sink)
        more = generation->sink(generation->context, id, &step->forced, &step->n_forced);
    if (!more)
        step->result->reason = STOP_SINK;
    else if (is_full(step))
        step->result->reason = STOP_LENGTH;
    return more && !is_full(step);
}

/* Consume the pending token; its logits are wanted unless a forced token follows. */
static enum status consume(struct step *step, bool wants_logits)
{
    struct session *session = step->session;

    return session_eval(session, &step->pending, 1, wants_logits, session->logits, NULL,
                        step->error);
}

/* Forced tokens take the place of choices.  *more: as give() says. */
static enum status follow_forced(struct step *step, bool *more)
{
    enum status status = STATUS_OK;

    while (*more && step->n_forced > 0 && status == STATUS_OK) {
        const int32_t id = step->forced[0];
        const int32_t *rest = step->forced + 1;
        const size_t n_rest = step->n_forced - 1;
        if (session_position(step->session) == session_context(step->session)) {
            step->result->reason = STOP_CONTEXT;
            *more = false;
            break;
        }
        status = consume(step, false);
        if (status != STATUS_OK)
            break;
        *more = give(step, id);
        if (step->n_forced == 0) { /* the sink has nothing new to say */
            step->forced = rest;
            step->n_forced = n_rest;
        }
    }
    return status;
}

/* Choose a token from the logits.  *more: false where the generation ends. */
static enum status choose(struct step *step, bool *more)
{
    struct session *session = step->session;
    const struct generation *generation = step->generation;
    const int32_t id = sampler_choose(&session->sampler, &generation->sampling, session->logits,
                                      generation->noise_seed, session_position(session));

    if (id < 0)
        return error_set(step->error, STATUS_FAILED,
                         "no token can be chosen at position %u: no logit is a number",
                         session_position(session));
    if (!generation->ignore_stop && model_is_stop_token(session->model, id)) {
        step->result->reason = STOP_TOKEN;
        step->result->stop_token = id;
        *more = false;
        return STATUS_OK;
    }
    *more = give(step, id);
    return STATUS_OK;
}

static enum status run(struct step *step)
{
    struct session *session = step->session;
    bool more = true;
    enum status status = choose(step, &more);

    while (status == STATUS_OK && more) {
        status = follow_forced(step, &more);
        if (status != STATUS_OK || !more)
            break;
        if (session_position(session) == session_context(session)) {
            step->result->reason = STOP_CONTEXT;
            break;
        }
        if (is_cancelled(step->generation)) {
            step->result->reason = STOP_CANCELLED;
            break;
        }
        status = consume(step, true);
        if (status == STATUS_OK)
            status = choose(step, &more);
    }
    return status;
}

enum status session_generate(struct session *session, const int32_t *prompt, size_t n_prompt,
                             const struct generation *generation,
                             const struct session_hooks *hooks,
                             struct generation_result *result, struct error *error)
{
    struct step step = {session, generation, result, error, -1, NULL, 0};
    enum status status;

    *result = (struct generation_result){.reason = STOP_LENGTH, .stop_token = -1};
    if (n_prompt == 0)
        return error_set(error, STATUS_USAGE, "nothing to continue: the prompt is empty");
    status = session_eval(session, prompt, n_prompt, 1, session->logits, hooks, error);
    if (status != STATUS_OK)
        return status;
    sampler_begin(&session->sampler);
    return run(&step);
}
