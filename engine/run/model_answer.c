/*
 * model_answer.c - one request to a model: prompt, reuse of state, prefill, generation
 *
 * A request's prompt is rendered whole.  The longest known state that is a proper prefix of it is
 * resumed and only the rest is evaluated.  The prefill stops once before the tags that open the
 * answer, for a copy of the state: /regen and the history form, which has no thinking, go on from
 * there.
 *
 * By the law (session.h) none of this changes a logit: where a state came from cannot be told.
 */
#include "engine/run/model_source.h"

/* Prefill ----------------------------------------------------------------------------------- */

double answering_since(const struct answering *answering, int64_t begin)
{
    return run_clock_between(answering->link->clock, begin, run_clock_now());
}

static void push_prefill(const struct answering *answering, uint32_t done)
{
    run_push_prefill(answering->link, answering->request, done, answering->prefill_total,
                     answering->statistics->n_cached,
                     answering_since(answering, answering->prefill_begin), false);
}

static void prefill_progress(void *context, size_t done, size_t total)
{
    const struct answering *answering = context;
    uint32_t all = answering->prefill_base + (uint32_t)done;

    (void)total;
    push_prefill(answering, all < answering->prefill_total ? all : answering->prefill_total);
}

struct session_hooks answering_hooks(struct answering *answering)
{
    return (struct session_hooks){.cancel = &answering->request->cancel,
                                  .progress = prefill_progress,
                                  .context = answering};
}

static enum status render_prompt(struct answering *answering, struct error *error)
{
    const struct engine_request *wanted = &answering->request->wanted;
    struct session *session = answering->source->session;
    int64_t begin = run_clock_now();
    enum status status =
        chat_render(answering->source->model, wanted->messages, wanted->n_messages,
                    wanted->thinking, true, &answering->prompt, error);

    answering->statistics->tokenise = answering_since(answering, begin);
    if (status != STATUS_OK)
        return status;
    answering->statistics->n_prompt = (uint32_t)answering->prompt.n_ids;
    if (answering->prompt.n_ids == 0)
        return error_set(error, STATUS_USAGE, "the prompt is empty");
    if (answering->prompt.n_ids < session_context(session))
        return STATUS_OK;
    status = error_set(error, STATUS_CONTEXT_FULL,
                       "the prompt has %zu tokens, the context has room for %u",
                       answering->prompt.n_ids, session_context(session));
    error_action(error, "start a new conversation, or raise the context");
    return status;
}

enum status answering_prefill(struct answering *answering, struct error *error)
{
    struct model_source *source = answering->source;
    const struct chat_prompt *prompt = &answering->prompt;
    size_t last = prompt->n_ids - 1;
    size_t stable = prompt->n_stable < last ? prompt->n_stable : last;
    struct session_hooks hooks = answering_hooks(answering);
    enum status status = STATUS_OK;

    answering->prefill_begin = run_clock_now();
    uint32_t cached = kept_states_resume(&source->kept, source->session, prompt->ids, last);
    answering->prefill_total = (uint32_t)prompt->n_ids - cached;
    answering->statistics->n_cached = cached;
    answering->statistics->warm = cached > 0;
    push_prefill(answering, 0);
    if (atomic_load(&answering->request->cancel))
        return STATUS_CANCELLED;
    if (cached < stable)
        status = session_eval(source->session, prompt->ids + cached, stable - cached, 0, NULL,
                              &hooks, error);
    answering->prefill_base = session_position(source->session) - cached;
    if (status == STATUS_OK && session_position(source->session) == stable)
        kept_states_add(&source->kept, source->session);
    return status;
}

/* Generation -------------------------------------------------------------------------------- */

void answering_prefilled(struct answering *answering, int64_t now)
{
    struct engine_statistics *statistics = answering->statistics;

    if (answering->prefilled)
        return;
    answering->prefilled = true;
    statistics->prefill =
        run_clock_between(answering->link->clock, answering->prefill_begin, now);
    statistics->n_prefilled = answering->prefill_total;
    push_prefill(answering, answering->prefill_total);
}

/* session_generate()'s sink. */
static bool take_token(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct speaker *speaker = context;

    answering_prefilled(speaker->answering, run_clock_now());
    if (!speaker_take(speaker, id, forced, n_forced))
        return false;
    model_policy_follow_switch(speaker);
    return true;
}

static enum status generate(struct speaker *speaker, enum stop_reason *reason,
                            struct error *error)
{
    struct answering *answering = speaker->answering;
    struct model_source *source = answering->source;
    const struct engine_request *wanted = &answering->request->wanted;
    const struct chat_prompt *prompt = &answering->prompt;
    struct session_hooks hooks = answering_hooks(answering);
    struct generation_result result = {0};
    uint32_t position = session_position(source->session);
    struct generation generation = {
        .sampling = sampling_for_model(source->model, prompt->thinking, &wanted->sampling),
        .noise_seed = answering->statistics->noise_seed,
        .max_tokens = wanted->max_tokens,
        .cancel = &answering->request->cancel,
        .sink = take_token,
        .context = speaker,
        .policy = source->policy,
    };

    speaker->policy = source->policy;
    model_policy_begin(answering);
    enum status status =
        session_generate(source->session, prompt->ids + position, prompt->n_ids - position,
                         &generation, &hooks, &result, error);
    model_policy_end(source);
    answering->statistics->speculation = *policy_statistics(source->policy);
    *reason = result.reason;
    if (status == STATUS_OK || status == STATUS_CANCELLED) {
        const enum status finished = speaker_finish(speaker, error);
        status = finished == STATUS_OK ? status : finished;
    }
    return status;
}

static void fill_statistics(struct answering *answering, const struct meter *meter)
{
    struct model_source *source = answering->source;
    struct engine_statistics *statistics = answering->statistics;

    statistics->position = session_position(source->session);
    statistics->n_context = session_context(source->session);
    meter_statistics(meter, statistics);
    if (!answering->prefilled && statistics->position > statistics->n_cached) {
        statistics->n_prefilled = statistics->position - statistics->n_cached;
        statistics->prefill = answering_since(answering, answering->prefill_begin);
    }
}

/* One answer, by the request's own fields. */
static enum status answer_one(struct answering *answering, struct run_outcome *outcome,
                              struct error *error)
{
    struct model_source *source = answering->source;
    const struct engine_request *wanted = &answering->request->wanted;
    struct speaker speaker;
    enum status status =
        speaker_init(&speaker, answering, answering->request->submitted, error);

    if (status == STATUS_OK)
        status = model_policy_set(answering, wanted->policy, wanted->draft_path, error);
    if (status == STATUS_OK)
        status = answering_prefill(answering, error);
    if (status == STATUS_OK) {
        model_policy_resume_draft(source, &answering->prompt);
        status = generate(&speaker, &outcome->reason, error);
    }
    fill_statistics(answering, &speaker.meter);
    if (status == STATUS_CANCELLED)
        outcome->reason = STOP_CANCELLED;
    source->answered = (status == STATUS_OK || status == STATUS_CANCELLED) &&
                       (speaker.meter.n_tokens > 0 || outcome->reason != STOP_CANCELLED);
    speaker_release(&speaker);
    return status;
}

enum status model_answer(struct engine_source *base, const struct run_link *link,
                         const struct run_request *request, struct run_outcome *outcome,
                         struct error *error)
{
    const struct engine_request *wanted = &request->wanted;
    struct answering answering = {.source = (struct model_source *)base,
                                  .link = link,
                                  .request = request,
                                  .statistics = &outcome->statistics};
    enum status status;

    answering.source->answer.n_bytes = 0;
    answering.source->answer_ids.n_bytes = 0;
    answering.source->answered = false;
    outcome->statistics.noise_seed =
        sampling_noise_seed(wanted->conversation_seed, wanted->message, wanted->variant);
    outcome->statistics.n_context = session_context(answering.source->session);
    status = render_prompt(&answering, error);
    answering.source->n_stable = answering.prompt.n_stable;
    if (status == STATUS_OK && wanted->n_lanes > 0)
        status = model_lanes_answer(&answering, outcome, error);
    else if (status == STATUS_OK)
        status = answer_one(&answering, outcome, error);
    if (status == STATUS_CANCELLED) {
        outcome->reason = STOP_CANCELLED;
        status = STATUS_OK;
    }
    chat_prompt_release(&answering.prompt);
    return status;
}
