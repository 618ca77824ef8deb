/*
 * model_source.c - answers from a model: loading, idle work, self-check; model_answer.c does the rest
 *
 * After an answer, the messages with it are rendered as history and what is new in that is
 * evaluated in idle time; abandoned half-way it is a prefix all the same, so nothing is undone.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/run/model_source.h"
#include "engine/selfcheck.h"
#include "engine/state/verify.h"

/* Loading ----------------------------------------------------------------------------------- */

static void push_loading(void *context, enum model_load_phase phase, uint64_t done,
                         uint64_t total)
{
    const struct run_link *link = context;
    struct engine_event event = {.type = ENGINE_LOADING};

    event.load.phase = phase;
    event.load.done = done;
    event.load.total = total;
    event_ring_push(link->ring, &event);
}

/*
 * The session's one policy.  A model with a block for the token after next keeps what that needs
 * from the first token on, so that a policy that uses it may come at any time.
 */
static enum status make_session(struct model_source *source,
                                const struct session_options *options, struct error *error)
{
    const struct policy_settings greedy = policy_defaults(POLICY_GREEDY);
    struct policy_parts parts = {.session = NULL};
    enum status status = session_new(&source->session, source->model, options, error);

    if (status == STATUS_OK && model_info(source->model)->n_mtp_layers > 0)
        status = session_keep_hidden(source->session, true, error);
    parts.session = source->session;
    return status == STATUS_OK ? policy_new(&source->policy, &greedy, &parts, error) : status;
}

static enum status model_load(struct engine_source *base, const struct run_link *link,
                              struct error *error)
{
    struct model_source *source = (struct model_source *)base;
    struct model_options options = {.level = source->options.level,
                                    .n_threads = source->options.n_threads,
                                    .template_name = source->template_name,
                                    .weights_cache = source->options.weights_cache,
                                    .weights_cache_folder = source->weights_cache_folder,
                                    .progress = push_loading,
                                    .progress_context = (void *)link,
                                    .cancel = link->closing};
    struct session_options session = {.n_threads = source->options.n_threads,
                                      .n_context = source->options.n_context,
                                      .kv = source->options.kv,
                                      .chunk = source->options.chunk};
    enum status status = model_open(&source->model, source->path, &options, error);

    if (status == STATUS_OK)
        status = make_session(source, &session, error);
    return status;
}

/* Self-check -------------------------------------------------------------------------------- */

struct check_report {
    const struct run_link *link;
    const struct run_request *request;
};

static void push_check(void *context, const struct selfcheck_step *step)
{
    const struct check_report *report = context;
    struct engine_event event = {.type = ENGINE_CHECK, .request = report->request->id};

    memcpy(event.check.what, step->what, sizeof event.check.what);
    memcpy(event.check.found, step->found, sizeof event.check.found);
    event.check.done = step->done;
    event.check.total = step->total;
    event.check.passed = step->passed;
    event_ring_push(report->link->ring, &event);
}

/* It makes sessions of its own: the conversation's state is not touched. */
static enum status model_check(struct engine_source *base, const struct run_link *link,
                               const struct run_request *request, struct run_outcome *outcome,
                               struct error *error)
{
    struct model_source *source = (struct model_source *)base;
    struct check_report report = {link, request};
    const struct selfcheck_options options = {.draft = source->draft.model,
                                              .kv = source->options.kv,
                                              .n_threads = source->options.n_threads,
                                              .cancel = &request->cancel,
                                              .report = push_check,
                                              .context = &report};
    const enum status status = selfcheck_run(source->model, &options, error);

    outcome->reason = status == STATUS_CANCELLED ? STOP_CANCELLED : STOP_TOKEN;
    outcome->statistics.position = session_position(source->session);
    outcome->statistics.n_context = session_context(source->session);
    return status == STATUS_CANCELLED ? STATUS_OK : status;
}

/* Idle work --------------------------------------------------------------------------------- */

/* The ids of the conversation with the answer in it, as the next prompt will begin. */
static enum status render_history(struct model_source *source,
                                  const struct engine_request *wanted,
                                  struct chat_prompt *history)
{
    size_t n = wanted->n_messages;
    struct chat_message *messages = calloc(n + 1, sizeof *messages);

    if (messages == NULL)
        return STATUS_NO_MEMORY;
    memcpy(messages, wanted->messages, n * sizeof *messages);
    messages[n] = (struct chat_message){.role = CHAT_ASSISTANT,
                                        .text = source->answer.bytes,
                                        .n_bytes = source->answer.n_bytes,
                                        .ids = (const int32_t *)source->answer_ids.bytes,
                                        .n_ids = source->answer_ids.n_bytes / sizeof(int32_t),
                                        .thinking = ""}; /* the splitter has parted it */
    if (messages[n].text == NULL)
        messages[n].text = "";
    enum status status =
        chat_render(source->model, messages, n + 1, wanted->thinking, false, history, NULL);
    free(messages);
    return status;
}

/*
 * A failure here is no one's: the next request meets it, or not.  A prefill that was cancelled is
 * not taken up again unasked.
 */
static void model_settle(struct engine_source *base, const struct run_request *request,
                         const atomic_bool *interrupt)
{
    struct model_source *source = (struct model_source *)base;
    struct session_hooks hooks = {.cancel = interrupt};
    struct chat_prompt history = {0};

    if (!source->answered || atomic_load(interrupt) ||
        render_history(source, &request->wanted, &history) != STATUS_OK)
        return;
    if (history.n_ids <= session_context(source->session) && !atomic_load(interrupt)) {
        uint32_t known =
            kept_states_resume(&source->kept, source->session, history.ids, history.n_ids);
        if (known < history.n_ids)
            session_eval(source->session, history.ids + known, history.n_ids - known, 0, NULL,
                         &hooks, NULL);
        model_policy_settle_draft(source, &history, interrupt);
    }
    chat_prompt_release(&history);
}

/* ------------------------------------------------------------------------------------------- */

static enum status model_render(const struct engine_source *base,
                                const struct engine_request *request, struct chat_prompt *out,
                                struct error *error)
{
    const struct model_source *source = (const struct model_source *)base;

    return chat_render(source->model, request->messages, request->n_messages, request->thinking,
                       true, out, error);
}

static const struct model *model_model(const struct engine_source *base)
{
    return ((const struct model_source *)base)->model;
}

static const struct model_info *model_source_info(const struct engine_source *base)
{
    return model_info(((const struct model_source *)base)->model);
}

static void model_source_free(struct engine_source *base)
{
    struct model_source *source = (struct model_source *)base;

    policy_free(&source->policy);
    draft_model_release(&source->draft);
    kept_states_release(&source->kept);
    session_free(&source->session);
    model_close(&source->model);
    byte_buffer_release(&source->answer);
    byte_buffer_release(&source->answer_ids);
    free(source->path);
    free(source->template_name);
    free(source->weights_cache_folder);
    free(source);
}

enum status model_source_new(struct engine_source **out, const struct engine_options *options,
                             struct error *error)
{
    static const struct engine_source_functions functions = {
        model_load,   model_answer, model_check,       model_settle,
        model_render, model_model,  model_source_info, model_source_free,
    };
    bool named = options->template_name != NULL, kept = options->weights_cache_folder != NULL;
    struct model_source *source = calloc(1, sizeof *source);

    *out = NULL;
    if (source == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the engine");
    source->base.functions = &functions;
    source->options = *options;
    kept_states_init(&source->kept);
    source->path = strdup(options->model_path == NULL ? "" : options->model_path);
    source->template_name = named ? strdup(options->template_name) : NULL;
    source->weights_cache_folder = kept ? strdup(options->weights_cache_folder) : NULL;
    if (source->path == NULL || (named && source->template_name == NULL) ||
        (kept && source->weights_cache_folder == NULL)) {
        model_source_free(&source->base);
        return error_set(error, STATUS_NO_MEMORY, "no memory for the engine");
    }
    *out = &source->base;
    return STATUS_OK;
}
