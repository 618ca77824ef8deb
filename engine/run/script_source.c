/*
 * script_source.c - answers from a script, with the events of a model: loading, requests, lanes
 *
 * A prompt's tokens are counted as its bytes / 4 with four for each message; what the last request
 * left in the state counts as cached when a conversation goes on.  The script itself is described
 * in script.c, the telling of one answer is in script_teller.c.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/run/script_teller.h"

enum {
    TOKENS_OF_MESSAGE = 4,
    BYTES_OF_TOKEN = 4,
    CHECK_NANOSECONDS = 20 * 1000 * 1000, /* a comparison of the self-check */
    PROGRESS_NANOSECONDS = 50 * 1000 * 1000
};

struct script_source {
    struct engine_source base;
    struct script script; /* owned */
    char *path;           /* owned; info.path */
    struct model_info info;
    size_t next_answer; /* the engine thread's, as all below */
    uint32_t position;  /* tokens that the state would hold */
    char *draft_path;   /* owned; the draft model that would be open, or NULL */
};

/* The prompt -------------------------------------------------------------------------------- */

static uint32_t count_prompt(const struct engine_request *request)
{
    uint64_t n = 0;

    for (size_t i = 0; i < request->n_messages; i++)
        n += TOKENS_OF_MESSAGE + request->messages[i].n_bytes / BYTES_OF_TOKEN;
    return n > UINT32_MAX / 2 ? UINT32_MAX / 2 : (uint32_t)n;
}

/* CANCELLED: while it was read. */
static enum status read_prompt(struct script_source *source, const struct script_scene *scene,
                               struct engine_statistics *statistics, uint32_t milliseconds)
{
    const uint32_t total = statistics->n_prompt - statistics->n_cached;
    const int64_t begin = run_clock_now();
    const int64_t length = (int64_t)milliseconds * 1000000;
    int64_t progress = begin + PROGRESS_NANOSECONDS;

    run_push_prefill(scene->link, scene->request, 0, total, statistics->n_cached, 0, false);
    while (script_wait(scene, progress < begin + length ? progress : begin + length)) {
        int64_t now = run_clock_now();
        if (now >= begin + length)
            break;
        progress = now + PROGRESS_NANOSECONDS;
        statistics->n_prefilled =
            (uint32_t)((double)total * (double)(now - begin) / (double)length);
        run_push_prefill(scene->link, scene->request, statistics->n_prefilled, total,
                         statistics->n_cached,
                         run_clock_between(scene->link->clock, begin, now), false);
    }
    statistics->prefill = run_clock_between(scene->link->clock, begin, run_clock_now());
    if (script_stopped(scene)) {
        source->position = statistics->n_cached + statistics->n_prefilled;
        return STATUS_CANCELLED;
    }
    statistics->n_prefilled = total;
    source->position = statistics->n_prompt;
    run_push_prefill(scene->link, scene->request, total, total, statistics->n_cached,
                     statistics->prefill, false);
    return STATUS_OK;
}

/* The prefill line that opens an answer; NULL: it has none. */
static const struct script_step *opening(const struct script_scene *scene)
{
    for (size_t i = 0; i < scene->n_steps; i++)
        if (scene->steps[i].kind == SCRIPT_PREFILL)
            return &scene->steps[i];
        else if (!script_is_setting(scene->steps[i].kind))
            break;
    return NULL;
}

/* The prompt's tokens; a script's prefill line says how many of them are new. */
static enum status begin(struct script_source *source, const struct script_scene *scene,
                         struct engine_statistics *statistics, struct error *error)
{
    const struct engine_request *wanted = &scene->request->wanted;
    const struct script_step *step = opening(scene);
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
    return read_prompt(source, scene, statistics, step == NULL ? 0 : step->milliseconds);
}

/* A draft model that settings want; opened at once, or not at all. */
static enum status have_draft(void *context, const struct script_scene *scene,
                              const struct policy_settings *settings, const char *path,
                              struct error *error)
{
    struct script_source *source = context;
    struct engine_event event = {.type = ENGINE_LOADING, .request = scene->request->id};

    if (!run_wants_draft(settings, path))
        return STATUS_OK;
    if (path == NULL)
        return run_no_draft(error);
    if (source->draft_path != NULL && strcmp(source->draft_path, path) == 0)
        return STATUS_OK;
    event.load.draft = true;
    event.load.total = 1;
    for (int phase = MODEL_LOAD_READ; phase < MODEL_LOAD_PHASE_COUNT; phase++) {
        event.load.phase = (enum model_load_phase)phase;
        event_ring_push(scene->link->ring, &event);
    }
    if (source->script.draft_failure != NULL)
        return error_set(error, STATUS_NOT_FOUND, "%s", source->script.draft_failure);
    char *copied = strdup(path);
    if (copied == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the draft model");
    free(source->draft_path);
    source->draft_path = copied;
    return STATUS_OK;
}

/* Answers ----------------------------------------------------------------------------------- */

static enum status answer_one(struct script_source *source, const struct script_scene *scene,
                              struct run_outcome *outcome, struct error *error)
{
    const struct engine_lane lane = {.policy = *scene->request->wanted.policy};
    struct script_teller teller;
    enum status status = STATUS_OK;

    script_teller_init(&teller, scene, &lane, scene->request->submitted);
    while (status == STATUS_OK && !teller.ended)
        status = script_teller_go_on(&teller, error);
    source->position = teller.position;
    script_teller_statistics(&teller, &outcome->statistics);
    outcome->reason = teller.reason;
    script_teller_release(&teller);
    return status;
}

static enum status script_answer(struct engine_source *base, const struct run_link *link,
                                 const struct run_request *request, struct run_outcome *outcome,
                                 struct error *error)
{
    struct script_source *source = (struct script_source *)base;
    const struct script_answer *answer = &source->script.answers[source->next_answer];
    const struct engine_request *wanted = &request->wanted;
    struct script_scene scene = {.link = link,
                                 .request = request,
                                 .steps = source->script.steps + answer->first,
                                 .n_steps = answer->count,
                                 .script = &source->script,
                                 .have_draft = have_draft,
                                 .context = source};
    enum status status;

    if (source->next_answer + 1 < source->script.n_answers)
        source->next_answer++;
    outcome->statistics.n_context = source->script.n_context;
    outcome->statistics.noise_seed =
        sampling_noise_seed(wanted->conversation_seed, wanted->message, wanted->variant);
    status = have_draft(source, &scene, wanted->policy, wanted->draft_path, error);
    if (status == STATUS_OK)
        status = begin(source, &scene, &outcome->statistics, error);
    scene.position = source->position;
    if (status == STATUS_OK && wanted->n_lanes > 0)
        status = script_lanes_answer(&scene, outcome, error);
    else if (status == STATUS_OK)
        status = answer_one(source, &scene, outcome, error);
    outcome->statistics.position = source->position;
    if (status == STATUS_CANCELLED) {
        outcome->reason = STOP_CANCELLED;
        status = STATUS_OK;
    }
    return status;
}

/* Self-check -------------------------------------------------------------------------------- */

static void push_check(const struct script_scene *scene, const struct script_check *check,
                       uint32_t done, uint32_t total)
{
    struct engine_event event = {.type = ENGINE_CHECK, .request = scene->request->id};
    const char *found = strstr(check->text, ": ");
    const int n = found == NULL ? (int)strlen(check->text) : (int)(found - check->text);

    snprintf(event.check.what, sizeof event.check.what, "%.*s", n, check->text);
    snprintf(event.check.found, sizeof event.check.found, "%s", found == NULL ? "" : found + 2);
    event.check.done = done;
    event.check.total = total;
    event.check.passed = check->passed;
    event_ring_push(scene->link->ring, &event);
}

static enum status script_check(struct engine_source *base, const struct run_link *link,
                                const struct run_request *request, struct run_outcome *outcome,
                                struct error *error)
{
    static char text[] = "chunks of 1, 7, 64 against steps: 512 positions, all equal";
    const struct script_check usual = {text, true};
    const struct script *script = &((struct script_source *)base)->script;
    const struct script_scene scene = {.link = link, .request = request};
    const size_t n = script->n_checks > 0 ? script->n_checks : 1;
    enum status status = STATUS_OK;

    outcome->reason = STOP_TOKEN;
    for (size_t i = 0; i < n; i++) {
        const struct script_check *check = script->n_checks > 0 ? &script->checks[i] : &usual;
        if (!script_wait(&scene, run_clock_now() + CHECK_NANOSECONDS)) {
            outcome->reason = STOP_CANCELLED;
            return STATUS_OK;
        }
        push_check(&scene, check, (uint32_t)i + 1, (uint32_t)n);
        if (!check->passed && status == STATUS_OK)
            status = error_set(error, STATUS_FAILED, "%s", check->text);
    }
    return status;
}

/* ------------------------------------------------------------------------------------------- */

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
        script_sleep(begin + length);
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
    free(source->draft_path);
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
