/*
 * session.h - one sequence of tokens and the model state that goes with it
 *
 * This is the synchronous door to the engine: tests, `banter logits`, `banter generate` and the
 * engine thread all go through it.  The law: logits depend on the model file, the numeric settings
 * (kernel level, K/V type) and the token prefix alone; not on chunk size, threads, snapshots.
 *
 * Ownership: a session borrows the model and owns its state and its worker pool, unless it was told
 * to share one.
 * Thread: one thread at a time.
 */
#ifndef ENGINE_SESSION_H
#define ENGINE_SESSION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/model.h"
#include "engine/sampling.h"

struct policy;
struct session;
struct snapshot;

enum kv_type { KV_F16, KV_F32 };

struct session_options {
    int n_threads;      /* 0: chosen from the topology */
    uint32_t n_context; /* positions; 0: the model's, at most 32768 */
    enum kv_type kv;    /* at the reference level always f32 */
    uint32_t chunk;     /* tokens of a prefill pass; 0: chosen */
    /*
     * NULL: workers of its own; or borrows those of a session that outlives it and is used by the
     * same thread: what two models compute in turn is not slowed by workers that wait.
     */
    const struct session *workers_of;
};

/* The context of a session for a wish (0: none) and the model's trained length. */
uint32_t session_context_choice(uint32_t wanted, uint32_t trained);
enum status session_new(struct session **out, const struct model *model,
                        const struct session_options *options, struct error *error);
void session_free(struct session **session); /* NULL is allowed */

uint32_t session_context(const struct session *session);      /* positions it has room for */
uint32_t session_position(const struct session *session);     /* tokens it has consumed */
const int32_t *session_tokens(const struct session *session); /* [session_position()] */
int session_thread_count(const struct session *session);
uint64_t session_state_bytes(const struct session *session); /* memory in use now */

/* While a long evaluation runs; both may be NULL. */
struct session_hooks {
    const atomic_bool
        *cancel; /* read between layers; STATUS_CANCELLED leaves the last whole chunk */
    void (*progress)(void *context, size_t done, size_t total); /* after each chunk */
    void *context;
};

/*
 * Consume tokens in chunks.  The logits of the last n_logits tokens (0 .. n_tokens) go to logits
 * [n_logits][n_vocab]; only those rows are computed.
 * A chunk commits at its end: on failure or cancel the state is that of the chunks before it.  A
 * pass of one token works on the state itself: it is not cancelled inside, and when it fails the
 * state is lost until session_reset() or session_restore().
 * Errors: CONTEXT_FULL (nothing consumed), USAGE (id out of range; nothing consumed), CANCELLED,
 * FAILED (a value that is not a number: layer and position named).
 */
enum status session_eval(struct session *session, const int32_t *tokens, size_t n_tokens,
                         size_t n_logits, float *logits, const struct session_hooks *hooks,
                         struct error *error);

/* Back to the empty sequence. */
void session_reset(struct session *session);

/*
 * A copy of the whole state: tokens, position, K/V, recurrent and convolution state.  Restoring it
 * gives the bytes that were there.  A snapshot belongs to the caller, and fits any session of the
 * same model, K/V type and enough context.
 */
enum status session_snapshot(const struct session *session, struct snapshot **out,
                             struct error *error);
enum status session_restore(struct session *session, const struct snapshot *snapshot,
                            struct error *error);
uint32_t snapshot_position(const struct snapshot *snapshot);
const int32_t *snapshot_tokens(const struct snapshot *snapshot);
uint64_t snapshot_bytes(const struct snapshot *snapshot);
/* Equal in every byte that the future can depend on? */
bool snapshot_equal(const struct snapshot *a, const struct snapshot *b);
void snapshot_free(struct snapshot **snapshot); /* NULL is allowed */

/*
 * What the model chooses (arg max, lowest id first) along a given text, to measure drafts by:
 * next[i]: after tokens[0 .. i], [n_tokens].
 * mtp[i]: the multi-token-prediction block's choice for position i + 2, from tokens[i + 1] and the
 * trunk's hidden row of position i, [n_tokens - 1]; NULL: not wanted.
 * The session is reset before and after.  Errors: as session_eval(); UNSUPPORTED: no such block.
 */
enum status session_teacher_forced(struct session *session, const int32_t *tokens,
                                   size_t n_tokens, int32_t *next, int32_t *mtp,
                                   struct error *error);

/* Generation ------------------------------------------------------------------------------- */

enum stop_reason {
    STOP_TOKEN,   /* the model ended its answer */
    STOP_LENGTH,  /* max_tokens */
    STOP_CONTEXT, /* the context is full */
    STOP_CANCELLED,
    STOP_SINK /* the caller's sink said so */
};

struct generation {
    struct sampling sampling;
    uint64_t noise_seed;
    size_t max_tokens;         /* 0: until the context is full */
    bool ignore_stop;          /* a stop token is a token like any other */
    const atomic_bool *cancel; /* may be NULL */
    /*
     * Called for each chosen token that is not the stop; false ends the generation.  *forced may be
     * set to tokens that follow next instead of choices (thinking budget); they are borrowed until
     * the next call and reach the sink as well.
     */
    bool (*sink)(void *context, int32_t id, const int32_t **forced, size_t *n_forced);
    void *context;
    struct policy *policy; /* NULL: one token a pass; or borrows, of this session (policy.h) */
};

struct generation_result {
    enum stop_reason reason;
    size_t n_tokens;    /* given to the sink */
    int32_t stop_token; /* with STOP_TOKEN, else -1 */
};

/*
 * Feed `prompt` (at least one token), then choose token after token.  When it returns, the session
 * has consumed the prompt and all tokens given to the sink, or all but the last.  Cancelled inside
 * the prompt (hooks->cancel): STATUS_CANCELLED, as session_eval().
 */
enum status session_generate(struct session *session, const int32_t *prompt, size_t n_prompt,
                             const struct generation *generation,
                             const struct session_hooks *hooks,
                             struct generation_result *result, struct error *error);

#endif
