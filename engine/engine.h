/*
 * engine.h - the engine thread: requests in, events out
 *
 * The engine loads a model on a thread of its own and answers requests one after another.  A
 * request carries the whole conversation; the engine keeps the state of what it has read and
 * evaluates only what is new.  After an answer it reads the answer's history form in idle time, so
 * that the next request starts at its own message.
 *
 * Events are values in a ring; engine_event_fd() becomes readable when the ring turns from empty to
 * non-empty.  The engine never waits for the reader: text that finds the ring full is joined to the
 * last text event; nothing is dropped.
 *
 * Thread: one thread (the screen's) calls these functions.
 */
#ifndef ENGINE_ENGINE_H
#define ENGINE_ENGINE_H

#include "engine/chat.h"
#include "engine/sampling.h"
#include "engine/session.h"

struct engine;

struct engine_options {
    const char *model_path; /* NULL with script_path */
    const char
        *script_path; /* scripted engine: answers come from this file (tests of the screen) */
    const char *template_name;
    enum kernel_level level;
    int n_threads;
    uint32_t n_context;
    enum kv_type kv;
    uint32_t chunk;
};

enum engine_event_type {
    ENGINE_LOADING,     /* .load */
    ENGINE_READY,       /* the model is open: engine_model() */
    ENGINE_LOAD_FAILED, /* .failure; only engine_close() is left to do */
    ENGINE_PREFILL,     /* .prefill */
    ENGINE_TEXT,        /* .text: bytes and ids of the answer */
    ENGINE_DONE,        /* .done: the request is over */
    ENGINE_FAILED,      /* .failure: the request is over */
    ENGINE_SETTLED      /* idle work after an answer is over (done or abandoned) */
};

/* Times in seconds; suspended time (SIGTSTP) is not in them. */
struct engine_statistics {
    double load, tokenise, prefill;
    double first_token; /* from submit to the first token, queue included */
    bool warm;          /* part of the prompt was in the state already */
    uint32_t n_prompt, n_cached, n_prefilled;
    uint32_t n_generated, n_thinking;
    double decode;                   /* time after the first token */
    double rate;                     /* tokens after the first / decode; 0 while unknown */
    double between_p50, between_p95; /* between two tokens */
    double thinking_seconds;
    uint32_t position, n_context;
    uint64_t noise_seed;
};

enum { ENGINE_TEXT_BYTES = 256, ENGINE_TEXT_IDS = 32 };

struct engine_event {
    enum engine_event_type type;
    uint64_t request; /* 0: of no request */
    union {
        struct {
            enum model_load_phase phase;
            uint64_t done, total;
        } load;
        struct {
            uint32_t done, total; /* new tokens; cached ones are not in them */
            uint32_t cached;
            double rate;      /* tokens per second; 0 while unknown */
            double remaining; /* seconds; negative while unknown */
        } prefill;
        struct {
            enum chat_part part;
            uint32_t n_bytes, n_ids;
            uint32_t n_tokens; /* tokens generated up to here, thinking included */
            double rate_now, rate_average;
            char bytes[ENGINE_TEXT_BYTES];
            int32_t ids[ENGINE_TEXT_IDS]; /* ids that belong to the answer's own text */
        } text;
        struct {
            enum stop_reason reason;
            struct engine_statistics statistics;
        } done;
        struct error failure;
    };
};

/* Starts the thread and the loading; an unreadable script is refused here. */
enum status engine_open(struct engine **out, const struct engine_options *options,
                        struct error *error);
/* Cancels, joins, frees; *engine becomes NULL. */
void engine_close(struct engine **engine);
/* For poll(); read nothing from it: engine_next_event() does. */
int engine_event_fd(const struct engine *engine);
/* false: the ring is empty. */
bool engine_next_event(struct engine *engine, struct engine_event *event);
/* After ENGINE_READY the open model (NULL before, and for a scripted engine); borrowed. */
const struct model *engine_model(const struct engine *engine);
/* Name, context and such of what answers, scripted or not; after ENGINE_READY; borrowed. */
const struct model_info *engine_info(const struct engine *engine);

struct engine_request {
    const struct chat_message *messages; /* copied */
    size_t n_messages;
    enum thinking_mode thinking;
    uint32_t thinking_budget; /* tokens; 0: none */
    struct sampling_choice sampling;
    uint64_t conversation_seed;
    uint32_t message, variant; /* for the noise seed */
    size_t max_tokens;         /* 0: until the context is full */
};

/* Queue a request; *id names it in events.  Errors: NO_MEMORY, FAILED (not ready, queue full). */
enum status engine_submit(struct engine *engine, const struct engine_request *request,
                          uint64_t *id, struct error *error);
/* Stop the running request as soon as a layer ends; it ends with ENGINE_DONE, STOP_CANCELLED. */
void engine_cancel(struct engine *engine);
/* The process was stopped for so many seconds: clocks leave them out. */
void engine_add_suspended(struct engine *engine, double seconds);
/* The exact prompt of a request, for /prompt: the same function the engine thread uses. */
enum status engine_render(const struct engine *engine, const struct engine_request *request,
                          struct chat_prompt *out, struct error *error);

#endif
