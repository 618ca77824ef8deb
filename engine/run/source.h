/*
 * source.h - what answers behind engine.h: a model or a script
 *
 * engine.c owns the thread, the queue, the ring and the order of events; a source does the work of
 * each step and pushes the events inside it (LOADING, PREFILL, TEXT, POLICY, LANE_DONE, CHECK).
 * READY, LOAD_FAILED, DONE, FAILED and SETTLED are pushed by engine.c.
 *
 * Thread: load, answer, check and settle run on the engine thread; render, model and info on the screen's,
 * after load has succeeded, at the same time as the others: they read what load left for good.
 */
#ifndef ENGINE_RUN_SOURCE_H
#define ENGINE_RUN_SOURCE_H

#include <pthread.h>

#include "engine/engine.h"
#include "engine/run/event_ring.h"
#include "engine/run/meter.h"
#include "engine/run/run_clock.h"

/* Another policy for a running answer: the screen's thread leaves it here. */
struct policy_switch {
    pthread_mutex_t mutex; /* guards the rest, but for is_there */
    atomic_bool is_there;  /* read between two tokens */
    struct policy_settings settings;
    char *draft_path; /* owned, or NULL */
};

/* One request, copied from the screen's; belongs to the engine thread once it is taken. */
struct run_request {
    uint64_t id;
    int64_t submitted;            /* run_clock_now() */
    atomic_bool cancel;           /* set by any thread */
    struct engine_request wanted; /* all that it points to is owned by this struct */
    bool is_selfcheck;            /* nothing is wanted but that */
    struct policy_switch *change; /* owned */
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
    /* The same for a request that is a self-check. */
    enum status (*check)(struct engine_source *source, const struct run_link *link,
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

/*
 * Copy all of a request but its id; wanted->policy is never NULL in the copy.  wanted NULL: a
 * self-check.  *out is freed with run_request_free().
 */
enum status run_request_new(struct run_request **out, const struct engine_request *wanted,
                            struct error *error);
void run_request_free(struct run_request **request); /* NULL is allowed */
/* Leave another policy; one that was not taken yet is replaced.  Errors: USAGE, NO_MEMORY. */
enum status run_request_switch(struct run_request *request,
                               const struct policy_settings *settings, const char *draft_path,
                               struct error *error);
/* false: nothing was left.  *draft_path is the caller's then, and may be NULL. */
bool run_request_take_switch(const struct run_request *request,
                             struct policy_settings *settings, char **draft_path);

/* Do these settings want a draft model?  auto does where there is one. */
bool run_wants_draft(const struct policy_settings *settings, const char *draft_path);
/* USAGE: one is wanted, and none is named. */
enum status run_no_draft(struct error *error);

/* What one token gave. */
struct run_text {
    enum chat_part part;
    enum policy_source source;
    uint32_t lane, round;
    const char *bytes;
    size_t n_bytes;
    const int32_t *ids; /* those that count */
    size_t n_ids;
};

/*
 * Push it, its bytes cut into several events at whole characters if they are many.
 * false: no memory; nothing or a part of it was pushed.
 */
bool run_push_text(const struct run_link *link, const struct run_request *request,
                   const struct meter *meter, const struct run_text *text);
bool run_push_prefill(const struct run_link *link, const struct run_request *request,
                      uint32_t done, uint32_t total, uint32_t cached, double seconds,
                      bool draft);
/* Left out while many events wait. */
void run_push_policy(const struct run_link *link, const struct run_request *request,
                     uint32_t lane, const struct policy_statistics *statistics);
void run_push_refused(const struct run_link *link, const struct run_request *request,
                      const struct policy_statistics *statistics, const struct error *refused);

#endif
