/*
 * model_policy.c - the policy of the model's session, and the draft model that it may want
 *
 * One policy lives as long as the session: requests change its settings, and what it has measured
 * stays.  A draft model is opened when settings first want it and stays until another is wanted.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/run/model_source.h"

/* The draft model ----------------------------------------------------------------------------- */

static void push_loading(void *context, enum model_load_phase phase, uint64_t done,
                         uint64_t total)
{
    const struct answering *answering = context;
    struct engine_event event = {.type = ENGINE_LOADING, .request = answering->request->id};

    event.load.phase = phase;
    event.load.done = done;
    event.load.total = total;
    event.load.draft = true;
    event_ring_push(answering->link->ring, &event);
}

static enum status open_draft(const struct answering *answering, const char *path,
                              struct error *error)
{
    struct model_source *source = answering->source;
    struct draft_model draft = {.path = NULL};
    const struct draft_options options = {
        .path = path,
        .level = source->options.level,
        .weights_cache = source->options.weights_cache,
        .weights_cache_folder = source->weights_cache_folder,
        .session = {.workers_of = source->session,
                    .n_context = session_context(source->session),
                    .kv = source->options.kv,
                    .chunk = source->options.chunk},
        .progress = push_loading,
        .context = (void *)answering,
        .cancel = &answering->request->cancel,
    };
    enum status status = draft_model_open(&draft, &options, error);

    if (status == STATUS_OK)
        status = policy_set_draft(source->policy, draft.session, error);
    if (status != STATUS_OK) {
        if (error != NULL && status != STATUS_CANCELLED)
            error_path(error, path);
        draft_model_release(&draft);
        return status;
    }
    draft_model_release(&source->draft);
    source->draft = draft;
    source->drafts = true;
    return STATUS_OK;
}

static enum status have_draft(const struct answering *answering, const char *path,
                              struct error *error)
{
    struct model_source *source = answering->source;
    enum status status;

    if (path == NULL)
        return run_no_draft(error);
    if (!draft_model_is(&source->draft, path))
        return open_draft(answering, path, error);
    if (source->drafts)
        return STATUS_OK;
    status = policy_set_draft(source->policy, source->draft.session, error);
    source->drafts = status == STATUS_OK;
    return status;
}

enum status model_policy_set(const struct answering *answering,
                             const struct policy_settings *settings, const char *draft_path,
                             struct error *error)
{
    struct model_source *source = answering->source;
    const bool wants = run_wants_draft(settings, draft_path);
    enum status status = wants ? have_draft(answering, draft_path, error) : STATUS_OK;

    if (status == STATUS_OK)
        status = policy_set(source->policy, settings, error);
    if (status == STATUS_OK && !wants && source->drafts) {
        status = policy_set_draft(source->policy, NULL, error);
        source->drafts = status != STATUS_OK;
    }
    if (status == STATUS_OK)
        answering->statistics->policy = settings->kind;
    return status;
}

void model_policy_follow_switch(struct speaker *speaker)
{
    const struct answering *answering = speaker->answering;
    struct policy_settings settings;
    struct error error = {0};
    char *draft_path;

    if (!run_request_take_switch(answering->request, &settings, &draft_path))
        return;
    const struct model *before = answering->source->draft.model;
    const int64_t begin = run_clock_now();
    const enum status status = model_policy_set(answering, &settings, draft_path, &error);
    if (answering->source->draft.model != before) /* that was loading, not decoding */
        run_clock_add_stop(answering->link->clock, run_clock_now(),
                           answering_since(answering, begin));
    if (status != STATUS_OK && status != STATUS_CANCELLED)
        run_push_refused(answering->link, answering->request,
                         policy_statistics(speaker->policy), &error);
    free(draft_path);
}

/* An answer --------------------------------------------------------------------------------- */

/* A draft that joined late reads what the model has read. */
static void draft_progress(void *context, size_t done, size_t total)
{
    struct answering *answering = context;

    if (answering->draft_begin == 0)
        answering->draft_begin = run_clock_now();
    run_push_prefill(answering->link, answering->request, (uint32_t)done, (uint32_t)total, 0,
                     answering_since(answering, answering->draft_begin), true);
    if (done == total)
        answering->draft_begin = 0;
}

void model_policy_begin(struct answering *answering)
{
    struct model_source *source = answering->source;
    const struct engine_request *wanted = &answering->request->wanted;

    policy_reset_statistics(source->policy);
    policy_set_trace(source->policy, wanted->trace, wanted->trace_context);
    policy_set_progress(source->policy, draft_progress, answering);
}

void model_policy_end(struct model_source *source)
{
    policy_set_trace(source->policy, NULL, NULL);
    policy_set_progress(source->policy, NULL, NULL);
}

/* The draft's state --------------------------------------------------------------------------- */

static bool fits_draft(const struct model_source *source, size_t n_ids)
{
    return source->drafts && n_ids > 0 && n_ids <= session_context(source->draft.session);
}

void model_policy_resume_draft(struct model_source *source, const struct chat_prompt *prompt)
{
    if (fits_draft(source, prompt->n_ids))
        kept_states_resume(&source->draft.kept, source->draft.session, prompt->ids,
                           prompt->n_ids - 1);
}

/* Read up to a border, if it is not behind that, and keep a copy there. */
static enum status read_and_keep(struct draft_model *draft, const int32_t *ids, size_t n_ids,
                                 const struct session_hooks *hooks, struct error *error)
{
    const uint32_t known = session_position(draft->session);
    enum status status = STATUS_OK;

    if (atomic_load(hooks->cancel))
        return STATUS_CANCELLED;
    if (known < n_ids)
        status =
            session_eval(draft->session, ids + known, n_ids - known, 0, NULL, hooks, error);
    if (status == STATUS_OK && session_position(draft->session) == n_ids)
        kept_states_add(&draft->kept, draft->session);
    return status;
}

/* Progress of one evaluation; answering->prefill_base of prefill_total came before it. */
static void read_progress(void *context, size_t done, size_t total)
{
    const struct answering *answering = context;

    (void)total;
    run_push_prefill(answering->link, answering->request,
                     answering->prefill_base + (uint32_t)done, answering->prefill_total, 0,
                     answering_since(answering, answering->draft_begin), true);
}

enum status model_policy_read_draft(struct answering *answering, struct error *error)
{
    const struct chat_prompt *prompt = &answering->prompt;
    struct draft_model *draft = &answering->source->draft;
    const struct session_hooks hooks = {
        .cancel = &answering->request->cancel, .progress = read_progress, .context = answering};
    const size_t last = prompt->n_ids - 1;
    const size_t stable = prompt->n_stable < last ? prompt->n_stable : last;

    if (!fits_draft(answering->source, prompt->n_ids))
        return STATUS_OK;
    model_policy_resume_draft(answering->source, prompt);
    const uint32_t known = session_position(draft->session);
    answering->draft_begin = run_clock_now();
    answering->prefill_base = 0;
    answering->prefill_total = (uint32_t)last - known;
    enum status status = read_and_keep(draft, prompt->ids, stable, &hooks, error);
    const uint32_t at = session_position(draft->session);
    answering->prefill_base = at - known;
    if (status == STATUS_OK && at < last)
        status =
            session_eval(draft->session, prompt->ids + at, last - at, 0, NULL, &hooks, error);
    answering->statistics->draft_prefill = answering_since(answering, answering->draft_begin);
    answering->draft_begin = 0;
    return status;
}

void model_policy_settle_draft(struct model_source *source, const struct chat_prompt *history,
                               const atomic_bool *interrupt)
{
    const struct session_hooks hooks = {.cancel = interrupt};
    struct draft_model *draft = &source->draft;

    if (!fits_draft(source, history->n_ids))
        return;
    kept_states_resume(&draft->kept, draft->session, history->ids, history->n_ids);
    if (source->n_stable <= history->n_ids &&
        session_position(draft->session) < source->n_stable &&
        read_and_keep(draft, history->ids, source->n_stable, &hooks, NULL) != STATUS_OK)
        return;
    read_and_keep(draft, history->ids, history->n_ids, &hooks, NULL);
}
