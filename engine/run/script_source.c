/*
 * script_source.c - answers from a script, with the events and statistics of a model
 *
 * A prompt's tokens are counted as its bytes / 4 with four for each message; what the last request
 * left in the state counts as cached when a conversation goes on.  The script itself is described
 * in script.c.
 */
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "engine/run/script.h"
#include "engine/run/source.h"

enum {
    BYTES_OF_TOKEN = 4,
    TOKENS_OF_MESSAGE = 4,
    SLICE_NANOSECONDS = 4 * 1000 * 1000, /* of waiting: a cancel is seen so soon */
    PROGRESS_NANOSECONDS = 50 * 1000 * 1000
};

struct script_source {
    struct engine_source base;
    struct script script; /* owned */
    char *path;           /* owned; info.path */
    struct model_info info;
    size_t next_answer; /* the engine thread's, as all below */
    uint32_t position;  /* tokens that the state would hold */
};

/* One answer while it is told; the engine thread's. */
struct telling {
    struct script_source *source;
    const struct run_link *link;
    const struct run_request *request;
    struct meter meter;
    struct engine_statistics *statistics;
    uint32_t rate, split;
    int64_t due; /* when the next token may come */
    bool prefilled;
    enum stop_reason reason;
    bool ended; /* reason is set */
};

static bool stopped(const struct telling *telling)
{
    return atomic_load(&telling->request->cancel) || atomic_load(telling->link->closing);
}

static void sleep_until(int64_t due)
{
    int64_t left = due - run_clock_now();

    if (left > SLICE_NANOSECONDS)
        left = SLICE_NANOSECONDS;
    if (left > 0)
        nanosleep(&(struct timespec){0, (long)left}, NULL);
}

/* false: cancelled. */
static bool wait_until(const struct telling *telling, int64_t due)
{
    while (!stopped(telling) && run_clock_now() < due)
        sleep_until(due);
    return !stopped(telling);
}

static void end(struct telling *telling, enum stop_reason reason)
{
    telling->reason = reason;
    telling->ended = true;
}

static uint32_t count_prompt(const struct engine_request *request)
{
    uint64_t n = 0;

    for (size_t i = 0; i < request->n_messages; i++)
        n += TOKENS_OF_MESSAGE + request->messages[i].n_bytes / BYTES_OF_TOKEN;
    return n > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)n;
}

static enum status tell_prefill(struct telling *telling, uint32_t milliseconds)
{
    struct engine_statistics *statistics = telling->statistics;
    uint32_t total = statistics->n_prompt - statistics->n_cached;
    int64_t begin = run_clock_now();
    int64_t length = (int64_t)milliseconds * 1000000;
    int64_t progress = begin + PROGRESS_NANOSECONDS;

    telling->prefilled = true;
    run_push_prefill(telling->link, telling->request, 0, total, statistics->n_cached, 0, false);
    while (wait_until(telling, progress < begin + length ? progress : begin + length)) {
        int64_t now = run_clock_now();
        if (now >= begin + length)
            break;
        progress = now + PROGRESS_NANOSECONDS;
        statistics->n_prefilled =
            (uint32_t)((double)total * (double)(now - begin) / (double)length);
        run_push_prefill(telling->link, telling->request, statistics->n_prefilled, total,
                         statistics->n_cached,
                         run_clock_between(telling->link->clock, begin, now), false);
    }
    statistics->prefill = run_clock_between(telling->link->clock, begin, run_clock_now());
    telling->due = run_clock_now();
    if (stopped(telling)) {
        telling->source->position = statistics->n_cached + statistics->n_prefilled;
        end(telling, STOP_CANCELLED);
        return STATUS_OK;
    }
    statistics->n_prefilled = total;
    telling->source->position = statistics->n_prompt;
    run_push_prefill(telling->link, telling->request, total, total, statistics->n_cached,
                     statistics->prefill, false);
    return STATUS_OK;
}

/* The prompt's tokens; a script's prefill line says how many of them are new. */
static enum status begin(struct telling *telling, const struct script_step *step,
                         struct error *error)
{
    struct script_source *source = telling->source;
    const struct engine_request *wanted = &telling->request->wanted;
    struct engine_statistics *statistics = telling->statistics;
    uint32_t n_prompt = count_prompt(wanted);
    uint32_t n_cached = 0;

    if (wanted->n_messages > 2 && n_prompt > 0)
        n_cached = source->position < n_prompt ? source->position : n_prompt - 1;
    if (step != NULL)
        n_prompt = n_cached + step->number;
    statistics->n_prompt = n_prompt;
    statistics->n_cached = n_cached;
    statistics->warm = n_cached > 0;
    if (n_prompt >= source->script.n_context) {
        enum status status = error_set(error, STATUS_CONTEXT_FULL,
                                       "the prompt has %u tokens, the context has room for %u",
                                       n_prompt, source->script.n_context);
        error_action(error, "start a new conversation, or raise the context");
        return status;
    }
    return tell_prefill(telling, step == NULL ? 0 : step->milliseconds);
}

/* Bytes of the next token. */
static size_t next_token(const struct telling *telling, const char *bytes, size_t n_bytes)
{
    size_t n = telling->split > 0 ? telling->split : BYTES_OF_TOKEN;

    if (n >= n_bytes)
        return n_bytes;
    for (int more = 0; telling->split == 0 && more < 3 && n < n_bytes; more++, n++)
        if (((unsigned char)bytes[n] & 0xC0) != 0x80)
            break;
    return n;
}

/* false: no memory for the event. */
static bool tell_token(struct telling *telling, enum chat_part part, const char *bytes,
                       size_t n_bytes)
{
    struct script_source *source = telling->source;
    const struct engine_request *wanted = &telling->request->wanted;
    bool thinking = part == CHAT_PART_THINKING;

    if (!wait_until(telling, telling->due)) {
        end(telling, STOP_CANCELLED);
        return true;
    }
    if (source->position >= source->script.n_context) {
        end(telling, STOP_CONTEXT);
        return true;
    }
    int64_t now = run_clock_now();
    meter_token(&telling->meter, now, thinking);
    source->position++;
    telling->due = now;
    if (telling->rate > 0)
        telling->due += 1000000000 / telling->rate;
    int32_t id = (int32_t)telling->meter.n_tokens;
    const struct run_text text = {.part = part,
                                  .bytes = bytes,
                                  .n_bytes = n_bytes,
                                  .ids = &id,
                                  .n_ids = thinking ? 0 : 1};
    if (!run_push_text(telling->link, telling->request, &telling->meter, &text))
        return false;
    if (wanted->max_tokens > 0 && telling->meter.n_tokens >= wanted->max_tokens)
        end(telling, STOP_LENGTH);
    return true;
}

static bool may_think(const struct telling *telling)
{
    const struct engine_request *wanted = &telling->request->wanted;

    return wanted->thinking != THINKING_OFF &&
           (wanted->thinking_budget == 0 ||
            telling->meter.n_thinking < wanted->thinking_budget);
}

static enum status tell_spoken(struct telling *telling, const struct script_step *step,
                               struct error *error)
{
    bool thinking = step->kind == SCRIPT_THINK;

    for (uint32_t i = 0; i < step->repeat && step->n_bytes > 0; i++)
        for (size_t at = 0; at < step->n_bytes && !telling->ended;) {
            if (thinking && !may_think(telling))
                return STATUS_OK;
            size_t n = next_token(telling, step->bytes + at, step->n_bytes - at);
            if (!tell_token(telling, thinking ? CHAT_PART_THINKING : CHAT_PART_ANSWER,
                            step->bytes + at, n))
                return error_set(error, STATUS_NO_MEMORY, "no memory for the answer's text");
            at += n;
        }
    return STATUS_OK;
}

static enum status tell_step(struct telling *telling, const struct script_step *step,
                             struct error *error)
{
    enum status status = STATUS_OK;

    if (step->kind == SCRIPT_RATE) {
        telling->rate = step->number;
        return STATUS_OK;
    }
    if (step->kind == SCRIPT_SPLIT) {
        telling->split = step->number;
        return STATUS_OK;
    }
    if (!telling->prefilled)
        status = begin(telling, step->kind == SCRIPT_PREFILL ? step : NULL, error);
    if (status != STATUS_OK || telling->ended)
        return status;
    switch (step->kind) {
    case SCRIPT_THINK:
    case SCRIPT_TEXT: return tell_spoken(telling, step, error);
    case SCRIPT_DELAY:
        if (!wait_until(telling, run_clock_now() + (int64_t)step->number * 1000000))
            end(telling, STOP_CANCELLED);
        return STATUS_OK;
    case SCRIPT_STOP: end(telling, (enum stop_reason)step->number); return STATUS_OK;
    case SCRIPT_FAIL: return error_set(error, STATUS_FAILED, "%s", step->bytes);
    case SCRIPT_PREFILL:
    case SCRIPT_RATE:
    case SCRIPT_SPLIT: break;
    }
    return STATUS_OK;
}

static enum status script_answer(struct engine_source *base, const struct run_link *link,
                                 const struct run_request *request, struct run_outcome *outcome,
                                 struct error *error)
{
    struct script_source *source = (struct script_source *)base;
    const struct script_answer *answer = &source->script.answers[source->next_answer];
    struct telling telling = {.source = source,
                              .link = link,
                              .request = request,
                              .statistics = &outcome->statistics,
                              .due = run_clock_now()};
    enum status status = STATUS_OK;

    if (source->next_answer + 1 < source->script.n_answers)
        source->next_answer++;
    meter_init(&telling.meter, link->clock, request->submitted);
    outcome->statistics.n_context = source->script.n_context;
    outcome->statistics.noise_seed = sampling_noise_seed(
        request->wanted.conversation_seed, request->wanted.message, request->wanted.variant);
    for (size_t i = 0; i < answer->count && status == STATUS_OK && !telling.ended; i++)
        status = tell_step(&telling, &source->script.steps[answer->first + i], error);
    if (status == STATUS_OK && !telling.prefilled)
        status = begin(&telling, NULL, error);
    meter_statistics(&telling.meter, &outcome->statistics);
    meter_release(&telling.meter);
    outcome->statistics.position = source->position;
    outcome->reason = telling.ended ? telling.reason : STOP_TOKEN;
    return status;
}

static enum status script_load(struct engine_source *base, const struct run_link *link,
                               struct error *error)
{
    struct script_source *source = (struct script_source *)base;
    struct engine_event event = {.type = ENGINE_LOADING};
    int64_t length = (int64_t)source->script.load_milliseconds * 1000000;
    int64_t begin = run_clock_now();

    event.load.total = (uint64_t)source->script.load_milliseconds;
    for (int phase = MODEL_LOAD_READ; phase < MODEL_LOAD_PHASE_COUNT; phase++) {
        event.load.phase = (enum model_load_phase)phase;
        event.load.done = 0;
        event_ring_push(link->ring, &event);
    }
    int64_t progress = begin;
    while (!atomic_load(link->closing) && run_clock_now() < begin + length) {
        sleep_until(begin + length);
        if (run_clock_now() < progress)
            continue;
        progress = run_clock_now() + PROGRESS_NANOSECONDS;
        event.load.done = (uint64_t)(run_clock_now() - begin) / 1000000;
        if (event.load.done < event.load.total)
            event_ring_push(link->ring, &event);
    }
    if (atomic_load(link->closing))
        return error_set(error, STATUS_CANCELLED, "loading was stopped");
    if (source->script.load_failure != NULL)
        return error_set(error, STATUS_FAILED, "%s", source->script.load_failure);
    event.load.done = event.load.total;
    event_ring_push(link->ring, &event);
    return STATUS_OK;
}

static enum status script_check(struct engine_source *base, const struct run_link *link,
                                const struct run_request *request, struct run_outcome *outcome,
                                struct error *error)
{
    (void)base;
    (void)link;
    (void)request;
    (void)error;
    outcome->reason = STOP_TOKEN;
    return STATUS_OK;
}

static void script_settle(struct engine_source *base, const struct run_request *request,
                          const atomic_bool *interrupt)
{
    (void)base;
    (void)request;
    (void)interrupt;
}

/* Every message as "role: text"; ids are numbers of tokens, for want of a vocabulary. */
static enum status script_render(const struct engine_source *base,
                                 const struct engine_request *request, struct chat_prompt *out,
                                 struct error *error)
{
    static const char *const roles[] = {"system: ", "user: ", "assistant: "};
    size_t n_bytes = 0;

    (void)base;
    memset(out, 0, sizeof *out);
    for (size_t i = 0; i < request->n_messages; i++)
        n_bytes += strlen(roles[request->messages[i].role]) + request->messages[i].n_bytes + 1;
    out->n_ids = count_prompt(request);
    out->text = malloc(n_bytes + 1);
    out->ids = malloc((out->n_ids + 1) * sizeof *out->ids);
    if (out->text == NULL || out->ids == NULL) {
        free(out->text);
        free(out->ids);
        memset(out, 0, sizeof *out);
        return error_set(error, STATUS_NO_MEMORY, "no memory for the prompt");
    }
    for (size_t i = 0; i < request->n_messages; i++) {
        const struct chat_message *message = &request->messages[i];
        size_t n_role = strlen(roles[message->role]);
        memcpy(out->text + out->n_bytes, roles[message->role], n_role);
        out->n_bytes += n_role;
        if (message->n_bytes > 0)
            memcpy(out->text + out->n_bytes, message->text, message->n_bytes);
        out->n_bytes += message->n_bytes;
        out->text[out->n_bytes++] = '\n';
    }
    out->text[out->n_bytes] = '\0';
    for (size_t i = 0; i < out->n_ids; i++)
        out->ids[i] = (int32_t)i;
    out->n_stable = out->n_ids;
    out->thinking = request->thinking != THINKING_OFF;
    return STATUS_OK;
}

static const struct model *script_model(const struct engine_source *base)
{
    (void)base;
    return NULL;
}

static const struct model_info *script_info(const struct engine_source *base)
{
    return &((const struct script_source *)base)->info;
}

static void script_free(struct engine_source *base)
{
    struct script_source *source = (struct script_source *)base;

    script_release(&source->script);
    free(source->path);
    free(source);
}

enum status script_source_new(struct engine_source **out, const struct engine_options *options,
                              struct error *error)
{
    static const struct engine_source_functions functions = {
        script_load,   script_answer, script_check, script_settle,
        script_render, script_model,  script_info,  script_free,
    };
    struct script_source *source = calloc(1, sizeof *source);
    char *path = strdup(options->script_path);
    enum status status;

    *out = NULL;
    if (source == NULL || path == NULL) {
        free(source);
        free(path);
        return error_set(error, STATUS_NO_MEMORY, "no memory for the script");
    }
    source->base.functions = &functions;
    source->path = path;
    status = script_read(&source->script, path, error);
    if (status != STATUS_OK) {
        script_free(&source->base);
        return status;
    }
    source->info.path = path;
    snprintf(source->info.name, sizeof source->info.name, "%s", source->script.name);
    snprintf(source->info.architecture, sizeof source->info.architecture, "script");
    source->info.n_context = source->script.n_context;
    source->info.template_name = "script";
    source->info.level = options->level;
    *out = &source->base;
    return STATUS_OK;
}
