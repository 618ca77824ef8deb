/*
 * source.h - what answers behind engine.h: a model or a script
 *
 * engine.c owns the thread, the queue, the ring and the order of events; a source does the work of
 * each step and pushes the events inside it (LOADING, PREFILL, TEXT).  READY, LOAD_FAILED, DONE,
 * FAILED and SETTLED are pushed by engine.c.
 *
 * Thread: load, answer and settle run on the engine thread; render, model and info on the screen's,
 * after load has succeeded, at the same time as the others: they read what load left for good.
 */
#ifndef ENGINE_RUN_SOURCE_H
#define ENGINE_RUN_SOURCE_H

#include "engine/engine.h"
#include "engine/run/event_ring.h"
#include "engine/run/meter.h"
#include "engine/run/run_clock.h"

/* One request, copied from the screen's; belongs to the engine thread once it is taken. */
struct run_request {
    uint64_t id;
    int64_t submitted;            /* run_clock_now() */
    atomic_bool cancel;           /* set by any thread */
    struct engine_request wanted; /* messages, texts and ids are owned by this struct */
    struct run_request *next;     /* in the queue */
};

/* What a source may use of the engine; all borrowed. */
struct run_link {
    struct event_ring *ring;
    struct run_clock *clock;
    const atomic_bool *closing; /* stop whatever it is */
};

struct run_outcome {
    enum stop_reason reason;
    struct engine_statistics statistics; /* all but .load */
};

struct engine_source;

struct engine_source_functions {
    enum status (*load)(struct engine_source *source, const struct run_link *link,
                        struct error *error);
    /* STATUS_OK: the request ends with DONE, also when it was cancelled; else with FAILED. */
    enum status (*answer)(struct engine_source *source, const struct run_link *link,
                          const struct run_request *request, struct run_outcome *outcome,
                          struct error *error);
    /* Idle work after DONE of `request`, until it is done or *interrupt. */
    void (*settle)(struct engine_source *source, const struct run_request *request,
                   const atomic_bool *interrupt);
    enum status (*render)(const struct engine_source *source,
                          const struct engine_request *request, struct chat_prompt *out,
                          struct error *error);
    const struct model *(*model)(const struct engine_source *source);
    const struct model_info *(*info)(const struct engine_source *source);
    void (*free)(struct engine_source *source);
};

/* The first member of every source. */
struct engine_source {
    const struct engine_source_functions *functions;
};

/* options are read during the call alone. */
enum status script_source_new(struct engine_source **out, const struct engine_options *options,
                              struct error *error);
enum status model_source_new(struct engine_source **out, const struct engine_options *options,
                             struct error *error);

/* Copy all of a request but its id.  *out is freed with run_request_free(). */
enum status run_request_new(struct run_request **out, const struct engine_request *wanted,
                            struct error *error);
void run_request_free(struct run_request **request); /* NULL is allowed */

/*
 * Push what one token gave: its bytes, cut into several events at whole characters if they are
 * many, and its id if it counts.  false: no memory; nothing or a part of it was pushed.
 */
bool run_push_text(const struct run_link *link, const struct run_request *request,
                   const struct meter *meter, enum chat_part part, const char *bytes,
                   size_t n_bytes, const int32_t *ids, size_t n_ids);
bool run_push_prefill(const struct run_link *link, const struct run_request *request,
                      uint32_t done, uint32_t total, uint32_t cached, double seconds);

#endif
