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
#include "engine/policy.h"
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
    enum weights_cache_mode weights_cache; /* of the model and of drafts; see model.h */
    const char *weights_cache_folder;
};

enum engine_event_type {
    ENGINE_LOADING,     /* .load */
    ENGINE_READY,       /* the model is open: engine_model() */
    ENGINE_LOAD_FAILED, /* .failure; only engine_close() is left to do */
    ENGINE_PREFILL,     /* .prefill */
    ENGINE_TEXT,        /* .text: bytes and ids of the answer */
    ENGINE_POLICY,    /* .policy: what it does now; some ten times a second, may be left out */
    ENGINE_LANE_DONE, /* .lane: one lane of a request with lanes ended one round */
    ENGINE_CHECK,     /* .check: one comparison of a self-check */
    ENGINE_DONE,      /* .done: the request is over */
    ENGINE_FAILED,    /* .failure: the request is over */
    ENGINE_SETTLED    /* idle work after an answer is over (done or abandoned) */
};

/*
 * Times in seconds; suspended time (SIGTSTP) is not in them.
 *
 * decode and rate count what comes after the first token, whoever proposed it: passes of the
 * model, choosing, proposing, and what a draft model reads while the answer runs.  What it read
 * before the answer is in draft_prefill alone; opening it in mid-answer is in none of them.
 */
struct engine_statistics {
    double load, tokenise, prefill;
    double draft_prefill; /* the draft model's reading of the prompt ahead of the answer */
    double first_token;   /* from submit to the first token, queue included */
    bool warm;            /* part of the prompt was in the state already */
    uint32_t n_prompt, n_cached, n_prefilled;
    uint32_t n_generated, n_thinking;
    double decode;                   /* time after the first token */
    double rate;                     /* tokens after the first / decode; 0 while unknown */
    double between_p50, between_p95; /* between two tokens */
    double thinking_seconds;
    uint32_t position, n_context;
    uint64_t noise_seed;
    enum policy_kind policy;
    struct policy_statistics speculation; /* of this answer */
};

enum { ENGINE_MAX_LANES = 32 };
enum { ENGINE_TEXT_BYTES = 256, ENGINE_TEXT_IDS = 32 };

struct engine_event {
    enum engine_event_type type;
    uint64_t request; /* 0: of no request */
    union {
        struct {
            enum model_load_phase phase;
            uint64_t done, total;
            bool draft; /* the draft model, inside a request that wants it */
        } load;
        struct {
            uint32_t done, total; /* new tokens; cached ones are not in them */
            uint32_t cached;
            double rate;      /* tokens per second; 0 while unknown */
            double remaining; /* seconds; negative while unknown */
            bool draft;       /* the draft model catches up */
        } prefill;
        struct {
            enum chat_part part;
            uint32_t n_bytes, n_ids;
            uint32_t n_tokens; /* tokens generated up to here, thinking included */
            double rate_now, rate_average;
            uint32_t lane, round;      /* of a request with lanes */
            enum policy_source source; /* who proposed these tokens */
            char bytes[ENGINE_TEXT_BYTES];
            int32_t ids[ENGINE_TEXT_IDS]; /* ids that belong to the answer's own text */
        } text;
        struct {
            enum stop_reason reason;
            struct engine_statistics statistics;
        } done;
        struct {
            uint32_t lane;
            struct policy_statistics statistics; /* of this answer so far */
            /* "", or why a switch in mid-answer was not made: the policy before goes on. */
            char refused[160];
        } policy;
        struct {
            uint32_t lane, round;
            enum stop_reason reason;
            struct engine_statistics statistics;
            /*
             * Against lane 0 of this round if that has ended already, else (and for lane 0
             * itself) against lane 0 of the first round:
             */
            uint32_t n_compared; /* tokens that both have, thinking included */
            bool identical;
            uint32_t first_difference; /* index of the token, or of an end; without identical */
            /* There: logit of lane 0's token less that of this lane's; NAN: not known. */
            float margin;
        } lane;
        struct {
            char what[96];   /* "chunks of 1, 7, 64 against steps" */
            char found[160]; /* "512 positions, logits and state equal" */
            uint32_t done, total;
            bool passed;
        } check;
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

/*
 * A request may be answered several times from one prompt, which is read once: two policies side
 * by side, or several variants.  Each lane is forked from the state behind the prompt.
 */
struct engine_lane {
    struct policy_settings policy;
    struct sampling_choice sampling;
    uint32_t variant;
};

struct engine_request {
    const struct chat_message *messages; /* copied */
    size_t n_messages;
    enum thinking_mode thinking;
    uint32_t thinking_budget; /* tokens; 0: none */
    struct sampling_choice sampling;
    uint64_t conversation_seed;
    uint32_t message, variant;            /* for the noise seed */
    size_t max_tokens;                    /* 0: until the context is full */
    const struct policy_settings *policy; /* copied; NULL: greedy */
    const char *draft_path; /* copied; NULL: none.  Opened when a policy first wants it */
    policy_trace trace;     /* NULL, or called on the engine thread for each pass */
    void *trace_context;
    /*
     * Lanes, copied; n_lanes 0: one answer, by the fields above.  One after another, `rounds`
     * times (0 counts as 1) with the order turned each time (A B, B A ...), so that times are
     * fair; or together (one round), all in one pass for each token, where their policies are not
     * used.
     *
     * Each lane begins with the model's state behind the prompt, and a draft model's, where some
     * lane wants it: it has read the prompt before the first lane (draft_prefill).  The statistics
     * of ENGINE_LANE_DONE are the lane's own, but for the prompt's; those of ENGINE_DONE are sums:
     * tokens of all lanes and rounds, and the time that their decoding took.
     */
    const struct engine_lane *lanes;
    uint32_t n_lanes, rounds;
    bool together;
};

/* Queue a request; *id names it in events.  Errors: NO_MEMORY, FAILED (not ready, queue full). */
enum status engine_submit(struct engine *engine, const struct engine_request *request,
                          uint64_t *id, struct error *error);
/*
 * Another policy, from the next token of the running answer on; nothing where none runs, and for a
 * request with lanes.  The text stays what it was.  A draft model that it wants is opened first;
 * if it cannot be had, ENGINE_POLICY says why and the answer goes on as it was.
 * Errors: USAGE: the settings; NO_MEMORY.
 */
enum status engine_switch_policy(struct engine *engine, const struct policy_settings *policy,
                                 const char *draft_path, struct error *error);
/*
 * Prove the law on this model and machine (selfcheck.h): a request whose events are ENGINE_CHECK
 * and, at the end, ENGINE_DONE, or ENGINE_FAILED with the first thing that differed.
 */
enum status engine_submit_selfcheck(struct engine *engine, uint64_t *id, struct error *error);
/* Stop the running request as soon as a layer ends; it ends with ENGINE_DONE, STOP_CANCELLED. */
void engine_cancel(struct engine *engine);
/* The process was stopped for so many seconds: clocks leave them out. */
void engine_add_suspended(struct engine *engine, double seconds);
/* The exact prompt of a request, for /prompt: the same function the engine thread uses. */
enum status engine_render(const struct engine *engine, const struct engine_request *request,
                          struct chat_prompt *out, struct error *error);

#endif
