/*
 * model_source.c - answers from a model: prompt, reuse of state, prefill, generation, idle work
 *
 * A request's prompt is rendered whole.  The longest known state that is a proper prefix of it is
 * resumed and only the rest is evaluated.  The prefill stops once before the tags that open the
 * answer, for a copy of the state: /regen and the history form, which has no thinking, go on from
 * there.  After an answer, the messages with it are rendered as history and what is new in that is
 * evaluated in idle time; abandoned half-way it is a prefix all the same, so nothing is undone.
 *
 * By the law (session.h) none of this changes a logit: where a state came from cannot be told.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/run/kept_states.h"
#include "engine/run/source.h"

/* Bytes or ids that grow; owned by the engine thread. */
struct buffer {
    char *bytes; /* owned */
    size_t n_bytes, capacity;
};

/* Of the engine thread after loading, but for model, which the screen's reads too. */
struct model_source {
    struct engine_source base;
    char *path, *template_name; /* owned; template_name may be NULL */
    struct engine_options options;
    struct model *model;     /* owned */
    struct session *session; /* owned; borrows model */
    struct kept_states kept;
    struct buffer answer, answer_ids; /* of the last request */
    bool answered;                    /* the last request got as far as a token */
};

/* One request while it is answered. */
struct answering {
    struct model_source *source;
    const struct run_link *link;
    const struct run_request *request;
    struct engine_statistics *statistics;
    struct chat_prompt prompt;
    struct chat_splitter *splitter;
    struct meter meter;
    int64_t prefill_begin;
    uint32_t prefill_base; /* new tokens that earlier evaluations have consumed */
    uint32_t prefill_total;
    int32_t end_thinking; /* the token that ends a thinking block, or -1 */
    bool thinking;        /* the next token belongs to the thinking block */
    bool ended_by_budget;
    bool no_memory;
};

static bool append(struct buffer *buffer, const void *bytes, size_t n_bytes)
{
    if (n_bytes > buffer->capacity - buffer->n_bytes) {
        size_t capacity = buffer->capacity == 0 ? 4096 : buffer->capacity * 2;
        while (capacity < buffer->n_bytes + n_bytes)
            capacity *= 2;
        char *moved = realloc(buffer->bytes, capacity);
        if (moved == NULL)
            return false;
        buffer->bytes = moved;
        buffer->capacity = capacity;
    }
    if (n_bytes > 0)
        memcpy(buffer->bytes + buffer->n_bytes, bytes, n_bytes);
    buffer->n_bytes += n_bytes;
    return true;
}

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

static enum status model_load(struct engine_source *base, const struct run_link *link,
                              struct error *error)
{
    struct model_source *source = (struct model_source *)base;
    struct model_options options = {.level = source->options.level,
                                    .n_threads = source->options.n_threads,
                                    .template_name = source->template_name,
                                    .progress = push_loading,
                                    .progress_context = (void *)link,
                                    .cancel = link->closing};
    struct session_options session = {.n_threads = source->options.n_threads,
                                      .n_context = source->options.n_context,
                                      .kv = source->options.kv,
                                      .chunk = source->options.chunk};
    enum status status = model_open(&source->model, source->path, &options, error);

    if (status == STATUS_OK)
        status = session_new(&source->session, source->model, &session, error);
    return status;
}

/* Prefill ----------------------------------------------------------------------------------- */

static double since(const struct answering *answering, int64_t begin)
{
    return run_clock_between(answering->link->clock, begin, run_clock_now());
}

static void push_prefill(const struct answering *answering, uint32_t done)
{
    run_push_prefill(answering->link, answering->request, done, answering->prefill_total,
                     answering->statistics->n_cached,
                     since(answering, answering->prefill_begin));
}

static void prefill_progress(void *context, size_t done, size_t total)
{
    const struct answering *answering = context;
    uint32_t all = answering->prefill_base + (uint32_t)done;

    (void)total;
    push_prefill(answering, all < answering->prefill_total ? all : answering->prefill_total);
}

static struct session_hooks hooks_of(struct answering *answering)
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

    answering->statistics->tokenise = since(answering, begin);
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

/*
 * Resume what is known and evaluate up to the tags that open the answer; at least one token is left
 * for generation, which wants its logits.
 */
static enum status prefill(struct answering *answering, struct error *error)
{
    struct model_source *source = answering->source;
    const struct chat_prompt *prompt = &answering->prompt;
    size_t last = prompt->n_ids - 1;
    size_t stable = prompt->n_stable < last ? prompt->n_stable : last;
    struct session_hooks hooks = hooks_of(answering);
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

static bool say(struct answering *answering, enum chat_part part, const char *bytes,
                size_t n_bytes, const int32_t *ids, size_t n_ids)
{
    struct model_source *source = answering->source;
    bool good = true;

    if (part == CHAT_PART_ANSWER)
        good = append(&source->answer, bytes, n_bytes);
    good = good && append(&source->answer_ids, ids, n_ids * sizeof *ids) &&
           run_push_text(answering->link, answering->request, &answering->meter, part, bytes,
                         n_bytes, ids, n_ids);
    answering->no_memory = answering->no_memory || !good;
    return good;
}

static void first_token(struct answering *answering, int64_t now)
{
    struct engine_statistics *statistics = answering->statistics;

    statistics->prefill =
        run_clock_between(answering->link->clock, answering->prefill_begin, now);
    statistics->n_prefilled = answering->prefill_total;
    push_prefill(answering, answering->prefill_total);
}

/* session_generate()'s sink: one token of the answer, chosen or forced. */
static bool take_token(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct answering *answering = context;
    uint32_t budget = answering->request->wanted.thinking_budget;
    bool thinking = answering->thinking;
    int64_t now = run_clock_now();
    enum chat_part part;
    const char *bytes;
    size_t n_bytes;
    bool counts;

    if (answering->meter.n_tokens == 0)
        first_token(answering, now);
    chat_splitter_token(answering->splitter, id, &part, &bytes, &n_bytes, &counts);
    if (id == answering->end_thinking)
        answering->thinking = false;
    meter_token(&answering->meter, now, thinking);
    if (!say(answering, part, bytes, n_bytes, &id, counts ? 1 : 0))
        return false;
    if (answering->thinking && budget > 0 && !answering->ended_by_budget &&
        answering->meter.n_thinking >= budget) {
        *forced = chat_end_thinking_ids(answering->source->model, n_forced);
        answering->ended_by_budget = true;
    }
    return true;
}

/* The token that spells </think>, out of the sequence that closes a block. */
static int32_t end_thinking_token(const struct model *model)
{
    static const char spelled[] = "</think>";
    size_t n_ids = 0;
    const int32_t *ids = chat_end_thinking_ids(model, &n_ids);

    for (size_t i = 0; i < n_ids; i++) {
        size_t n_bytes;
        const char *text = model_token_text(model, ids[i], &n_bytes);
        if (text != NULL && n_bytes == sizeof spelled - 1 &&
            memcmp(text, spelled, n_bytes) == 0)
            return ids[i];
    }
    return -1;
}

static enum status generate(struct answering *answering, enum stop_reason *reason,
                            struct error *error)
{
    struct model_source *source = answering->source;
    const struct engine_request *wanted = &answering->request->wanted;
    const struct chat_prompt *prompt = &answering->prompt;
    struct session_hooks hooks = hooks_of(answering);
    struct generation_result result = {0};
    uint32_t position = session_position(source->session);
    struct generation generation = {
        .sampling = sampling_for_model(source->model, prompt->thinking, &wanted->sampling),
        .noise_seed = answering->statistics->noise_seed,
        .max_tokens = wanted->max_tokens,
        .cancel = &answering->request->cancel,
        .sink = take_token,
        .context = answering,
    };
    enum status status =
        chat_splitter_new(&answering->splitter, source->model, prompt->thinking, error);

    if (status != STATUS_OK)
        return status;
    answering->thinking = prompt->thinking;
    answering->end_thinking = end_thinking_token(source->model);
    status = session_generate(source->session, prompt->ids + position, prompt->n_ids - position,
                              &generation, &hooks, &result, error);
    if (status == STATUS_OK || status == STATUS_CANCELLED) {
        enum chat_part part;
        const char *bytes;
        size_t n_bytes;
        chat_splitter_finish(answering->splitter, &part, &bytes, &n_bytes);
        if (n_bytes > 0)
            say(answering, part, bytes, n_bytes, NULL, 0);
    }
    if (answering->no_memory)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the answer's text");
    *reason = result.reason;
    return status;
}

static void fill_statistics(struct answering *answering)
{
    struct model_source *source = answering->source;
    struct engine_statistics *statistics = answering->statistics;

    statistics->position = session_position(source->session);
    statistics->n_context = session_context(source->session);
    meter_statistics(&answering->meter, statistics);
    if (answering->meter.n_tokens == 0 && statistics->position > statistics->n_cached) {
        statistics->n_prefilled = statistics->position - statistics->n_cached;
        statistics->prefill = since(answering, answering->prefill_begin);
    }
}

static enum status model_answer(struct engine_source *base, const struct run_link *link,
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
    outcome->statistics.noise_seed =
        sampling_noise_seed(wanted->conversation_seed, wanted->message, wanted->variant);
    meter_init(&answering.meter, link->clock, request->submitted);
    status = render_prompt(&answering, error);
    if (status == STATUS_OK)
        status = prefill(&answering, error);
    if (status == STATUS_OK)
        status = generate(&answering, &outcome->reason, error);
    if (status == STATUS_CANCELLED) {
        outcome->reason = STOP_CANCELLED;
        status = STATUS_OK;
    }
    fill_statistics(&answering);
    answering.source->answered = status == STATUS_OK && (answering.meter.n_tokens > 0 ||
                                                         outcome->reason != STOP_CANCELLED);
    meter_release(&answering.meter);
    chat_splitter_free(&answering.splitter);
    chat_prompt_release(&answering.prompt);
    return status;
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

    kept_states_release(&source->kept);
    session_free(&source->session);
    model_close(&source->model);
    free(source->answer.bytes);
    free(source->answer_ids.bytes);
    free(source->path);
    free(source->template_name);
    free(source);
}

enum status model_source_new(struct engine_source **out, const struct engine_options *options,
                             struct error *error)
{
    static const struct engine_source_functions functions = {
        model_load,  model_answer,      model_settle,      model_render,
        model_model, model_source_info, model_source_free,
    };
    bool named = options->template_name != NULL;
    struct model_source *source = calloc(1, sizeof *source);

    *out = NULL;
    if (source == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the engine");
    source->base.functions = &functions;
    source->options = *options;
    kept_states_init(&source->kept);
    source->path = strdup(options->model_path == NULL ? "" : options->model_path);
    source->template_name = named ? strdup(options->template_name) : NULL;
    if (source->path == NULL || (named && source->template_name == NULL)) {
        model_source_free(&source->base);
        return error_set(error, STATUS_NO_MEMORY, "no memory for the engine");
    }
    *out = &source->base;
    return STATUS_OK;
}
