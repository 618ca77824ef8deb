/*
 * engine.c - the engine thread: its life, its queue, the order of its events
 *
 *     load -> READY | LOAD_FAILED
 *     request -> (LOADING, PREFILL, TEXT, POLICY, LANE_DONE, CHECK)* -> DONE | FAILED
 *     after DONE: idle work -> SETTLED
 *
 * Idle work is interrupted by the next request; SETTLED comes before that request's events.  The
 * model or the script is behind struct engine_source; nothing here knows which.
 */
#include "engine/engine.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "engine/run/quiet_thread.h"
#include "engine/run/source.h"

enum { QUEUE_REQUESTS = 64 };

struct engine {
    struct engine_source *source; /* owned */
    struct event_ring *ring;      /* owned */
    struct run_clock clock;
    pthread_t thread;
    double load_seconds; /* the engine thread's, before `ready` */
    uint64_t last_id;    /* the screen thread's */

    atomic_bool ready;     /* release after load: info and model may be read */
    atomic_bool closing;   /* stops everything */
    atomic_bool interrupt; /* stops idle work */

    pthread_mutex_t mutex;            /* guards the rest */
    pthread_cond_t work;              /* a request came, or the end */
    struct run_request *first, *last; /* owned queue */
    unsigned n_queued;
    struct run_request *current; /* owned by the engine thread; NULL between requests */
};

static void push_load_failure(struct engine *engine, const struct error *failure)
{
    struct engine_event event = {.type = ENGINE_LOAD_FAILED};

    event.failure = *failure;
    event_ring_push(engine->ring, &event);
}

static void push_plain(struct engine *engine, enum engine_event_type type, uint64_t request)
{
    struct engine_event event = {.type = type, .request = request};

    event_ring_push(engine->ring, &event);
}

/* false: nothing to answer with. */
static bool load(struct engine *engine, const struct run_link *link)
{
    struct error error = {0};
    int64_t begin = run_clock_now();

    if (engine->source->functions->load(engine->source, link, &error) != STATUS_OK) {
        if (!atomic_load(&engine->closing))
            push_load_failure(engine, &error);
        return false;
    }
    engine->load_seconds = run_clock_between(&engine->clock, begin, run_clock_now());
    atomic_store(&engine->ready, true);
    push_plain(engine, ENGINE_READY, 0);
    return true;
}

/*
 * The event that ends the current request.  Who has seen it means the next one with a cancel or a
 * switch, who has not means this one: so both happen at once.
 */
static void end_request(struct engine *engine, const struct engine_event *event)
{
    pthread_mutex_lock(&engine->mutex);
    event_ring_push(engine->ring, event);
    engine->current = NULL;
    atomic_store(&engine->interrupt, engine->first != NULL || atomic_load(&engine->closing));
    pthread_mutex_unlock(&engine->mutex);
}

static void answer(struct engine *engine, const struct run_link *link,
                   const struct run_request *request)
{
    struct run_outcome outcome = {0};
    struct error error = {0};
    const struct engine_source_functions *functions = engine->source->functions;
    struct engine_event event = {.type = ENGINE_DONE, .request = request->id};
    enum status status = (request->is_selfcheck ? functions->check : functions->answer)(
        engine->source, link, request, &outcome, &error);

    if (status != STATUS_OK) {
        event.type = ENGINE_FAILED;
        event.failure = error;
        end_request(engine, &event);
        return;
    }
    event.done.reason = outcome.reason;
    event.done.statistics = outcome.statistics;
    event.done.statistics.load = engine->load_seconds;
    end_request(engine, &event);
    if (!request->is_selfcheck)
        functions->settle(engine->source, request, &engine->interrupt);
    push_plain(engine, ENGINE_SETTLED, request->id);
}

/* The next request; NULL: the end.  Waits. */
static struct run_request *take(struct engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    while (engine->first == NULL && !atomic_load(&engine->closing))
        pthread_cond_wait(&engine->work, &engine->mutex);
    struct run_request *request = atomic_load(&engine->closing) ? NULL : engine->first;
    if (request != NULL) {
        engine->first = request->next;
        if (engine->first == NULL)
            engine->last = NULL;
        engine->n_queued--;
        engine->current = request;
    }
    pthread_mutex_unlock(&engine->mutex);
    return request;
}

static void *engine_main(void *argument)
{
    struct engine *engine = argument;
    struct run_link link = {engine->ring, &engine->clock, &engine->closing};
    struct run_request *request;

    if (!load(engine, &link))
        return NULL;
    while ((request = take(engine)) != NULL) {
        answer(engine, &link, request);
        run_request_free(&request);
    }
    return NULL;
}

static enum status start_thread(struct engine *engine, struct error *error)
{
    int problem = quiet_thread_start(&engine->thread, "banter-engine", engine_main, engine);

    if (problem != 0)
        return error_set(error, STATUS_FAILED, "cannot start the engine thread: %s",
                         strerror(problem));
    return STATUS_OK;
}

static void release(struct engine *engine)
{
    while (engine->first != NULL) {
        struct run_request *request = engine->first;
        engine->first = request->next;
        run_request_free(&request);
    }
    if (engine->source != NULL)
        engine->source->functions->free(engine->source);
    event_ring_free(&engine->ring);
    run_clock_destroy(&engine->clock);
    pthread_cond_destroy(&engine->work);
    pthread_mutex_destroy(&engine->mutex);
    free(engine);
}

enum status engine_open(struct engine **out, const struct engine_options *options,
                        struct error *error)
{
    struct engine *engine = calloc(1, sizeof *engine);

    *out = NULL;
    if (engine == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the engine");
    run_clock_init(&engine->clock);
    pthread_mutex_init(&engine->mutex, NULL);
    pthread_cond_init(&engine->work, NULL);
    atomic_init(&engine->ready, false);
    atomic_init(&engine->closing, false);
    atomic_init(&engine->interrupt, false);
    enum status status = event_ring_new(&engine->ring, error);
    if (status == STATUS_OK && options->script_path != NULL)
        status = script_source_new(&engine->source, options, error);
    else if (status == STATUS_OK)
        status = model_source_new(&engine->source, options, error);
    if (status == STATUS_OK)
        status = start_thread(engine, error);
    if (status != STATUS_OK) {
        release(engine);
        return status;
    }
    *out = engine;
    return STATUS_OK;
}

void engine_close(struct engine **engine)
{
    struct engine *gone = *engine;

    *engine = NULL;
    if (gone == NULL)
        return;
    pthread_mutex_lock(&gone->mutex);
    atomic_store(&gone->closing, true);
    atomic_store(&gone->interrupt, true);
    if (gone->current != NULL)
        atomic_store(&gone->current->cancel, true);
    pthread_cond_signal(&gone->work);
    pthread_mutex_unlock(&gone->mutex);
    pthread_join(gone->thread, NULL);
    release(gone);
}

int engine_event_fd(const struct engine *engine)
{
    return event_ring_fd(engine->ring);
}

bool engine_next_event(struct engine *engine, struct engine_event *event)
{
    return event_ring_pop(engine->ring, event);
}

const struct model *engine_model(const struct engine *engine)
{
    if (!atomic_load(&engine->ready))
        return NULL;
    return engine->source->functions->model(engine->source);
}

const struct model_info *engine_info(const struct engine *engine)
{
    if (!atomic_load(&engine->ready))
        return NULL;
    return engine->source->functions->info(engine->source);
}

/* Takes the request over, also when it fails. */
static enum status enqueue(struct engine *engine, struct run_request *request, uint64_t *id,
                           struct error *error)
{
    request->submitted = run_clock_now();
    pthread_mutex_lock(&engine->mutex);
    bool full = engine->n_queued == QUEUE_REQUESTS;
    if (!full) {
        request->id = *id = ++engine->last_id;
        if (engine->last == NULL)
            engine->first = request;
        else
            engine->last->next = request;
        engine->last = request;
        engine->n_queued++;
        atomic_store(&engine->interrupt, true);
        pthread_cond_signal(&engine->work);
    }
    pthread_mutex_unlock(&engine->mutex);
    if (full) {
        run_request_free(&request);
        return error_set(error, STATUS_FAILED, "%d requests wait already", QUEUE_REQUESTS);
    }
    return STATUS_OK;
}

/* wanted NULL: a self-check. */
static enum status submit(struct engine *engine, const struct engine_request *wanted,
                          uint64_t *id, struct error *error)
{
    struct run_request *request;
    enum status status;

    if (!atomic_load(&engine->ready))
        return error_set(error, STATUS_FAILED, "the model is not open");
    if ((status = run_request_new(&request, wanted, error)) != STATUS_OK)
        return status;
    return enqueue(engine, request, id, error);
}

enum status engine_submit(struct engine *engine, const struct engine_request *request,
                          uint64_t *id, struct error *error)
{
    return submit(engine, request, id, error);
}

enum status engine_submit_selfcheck(struct engine *engine, uint64_t *id, struct error *error)
{
    return submit(engine, NULL, id, error);
}

enum status engine_switch_policy(struct engine *engine, const struct policy_settings *policy,
                                 const char *draft_path, struct error *error)
{
    enum status status = policy_check(policy, error);

    if (status != STATUS_OK)
        return status;
    pthread_mutex_lock(&engine->mutex);
    struct run_request *request = engine->current != NULL ? engine->current : engine->first;
    if (request != NULL && !request->is_selfcheck && request->wanted.n_lanes == 0)
        status = run_request_switch(request, policy, draft_path, error);
    pthread_mutex_unlock(&engine->mutex);
    return status;
}

/* A request that is queued and not yet taken, with none before it, counts as running. */
void engine_cancel(struct engine *engine)
{
    pthread_mutex_lock(&engine->mutex);
    struct run_request *request = engine->current != NULL ? engine->current : engine->first;
    if (request != NULL)
        atomic_store(&request->cancel, true);
    pthread_mutex_unlock(&engine->mutex);
}

void engine_add_suspended(struct engine *engine, double seconds)
{
    run_clock_add_stop(&engine->clock, run_clock_now(), seconds);
}

enum status engine_render(const struct engine *engine, const struct engine_request *request,
                          struct chat_prompt *out, struct error *error)
{
    memset(out, 0, sizeof *out);
    if (!atomic_load(&engine->ready))
        return error_set(error, STATUS_FAILED, "the model is not open");
    return engine->source->functions->render(engine->source, request, out, error);
}
