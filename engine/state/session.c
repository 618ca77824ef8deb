/*
 * session.c - chunks of tokens through the model, committed one by one
 */
#include "engine/state/session_internal.h"

#include "engine/file/checked.h"
#include "engine/model/model_internal.h"
#include "engine/run/pool.h"
#include "engine/state/verify.h"

#include <stdlib.h>
#include <string.h>

enum {
    DEFAULT_CONTEXT = 32768,
    /*
     * Long enough that the weights of a pass are read for many rows, short enough that its rows
     * stay in a cache and a stage ends within a fraction of a second.
     */
    DEFAULT_CHUNK = 256,
    MAX_CHUNK = 4096
};

uint32_t session_context_choice(uint32_t wanted, uint32_t trained)
{
    if (wanted > 0)
        return wanted;
    return trained < DEFAULT_CONTEXT ? trained : DEFAULT_CONTEXT;
}

static enum status check_options(const struct hyperparameters *p,
                                 struct session_options *options, struct error *error)
{
    options->n_context = session_context_choice(options->n_context, p->n_context);
    if (options->chunk == 0)
        options->chunk = DEFAULT_CHUNK;
    if (options->n_context > p->n_context)
        return error_set(error, STATUS_USAGE, "a context of %u positions: the model has %u",
                         options->n_context, p->n_context);
    if (options->chunk > MAX_CHUNK)
        return error_set(error, STATUS_USAGE, "a chunk of %u tokens: at most %d",
                         options->chunk, MAX_CHUNK);
    if (options->chunk > options->n_context)
        options->chunk = options->n_context;
    return STATUS_OK;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

enum status session_new(struct session **out, const struct model *model,
                        const struct session_options *options, struct error *error)
{
    const struct hyperparameters *p = model_hyperparameters(model);
    const struct kernels *kernels = model_kernels(model);
    struct session_options chosen = *options;
    struct session *session;
    enum status status;

    *out = NULL;
    if (!model_weights(model))
        return error_set(error, STATUS_USAGE, "the model was opened without its weights");
    status = check_options(p, &chosen, error);
    if (status != STATUS_OK)
        return status;
    session = checked_allocate_zeroed(1, sizeof *session);
    if (!session)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a session");
    session->model = model;
    session->chunk = chosen.chunk;
    status = head_rows_init(&session->head, 1, p->n_vocab, error);
    session->borrows_pool = chosen.workers_of != NULL;
    if (session->borrows_pool)
        session->pool = chosen.workers_of->pool;
    else if (status == STATUS_OK)
        status = pool_new(&session->pool, chosen.n_threads, error);
    if (status == STATUS_OK)
        status =
            state_init(&session->state, p, kernels, chosen.n_context,
                       chosen.kv == KV_F16 && kernels->level != KERNEL_LEVEL_REFERENCE, error);
    if (status == STATUS_OK)
        status = scratch_init(&session->scratch, p, model_weights(model), kernels->level,
                              larger(chosen.chunk, VERIFY_ROWS_MAX), error);
    if (status == STATUS_OK)
        status = sampler_init(&session->sampler, p->n_vocab, error);
    if (status == STATUS_OK)
        session->sampler.kernels = kernels;
    if (status == STATUS_OK && p->n_mtp > 0) /* a policy may want the block at any time */
        status = session_keep_hidden(session, true, error);
    *out = session;
    if (status != STATUS_OK)
        session_free(out);
    return status;
}

void session_free(struct session **session)
{
    if (!session || !*session)
        return;
    if (!(*session)->borrows_pool)
        pool_free(&(*session)->pool);
    state_release(&(*session)->state);
    scratch_release(&(*session)->scratch);
    sampler_release(&(*session)->sampler);
    head_rows_release(&(*session)->head);
    free(*session);
    *session = NULL;
}

uint32_t session_context(const struct session *session)
{
    return session->state.n_context;
}

uint32_t session_position(const struct session *session)
{
    return session->state.position;
}

const int32_t *session_tokens(const struct session *session)
{
    return session->state.tokens;
}

int session_thread_count(const struct session *session)
{
    return pool_thread_count(session->pool);
}

uint64_t session_state_bytes(const struct session *session)
{
    return state_bytes(&session->state);
}

void session_set_profile(struct session *session, struct profile *profile)
{
    session->profile = profile;
}

struct pass session_pass(struct session *session, uint32_t n_tokens, const atomic_bool *cancel)
{
    return (struct pass){
        .parameters = model_hyperparameters(session->model),
        .weights = model_weights(session->model),
        .kernels = model_kernels(session->model),
        .pool = session->pool,
        .scratch = &session->scratch,
        .trace = session->trace,
        .profile = session->profile,
        .cancel = cancel,
        .n_tokens = n_tokens,
        .n_sequences = 1,
        .sequences = {{&session->state, session->state.position, {0}}},
    };
}

enum status session_check_tokens(const struct session *session, const int32_t *tokens,
                                 size_t n_tokens, struct error *error)
{
    const uint32_t n_vocab = model_hyperparameters(session->model)->n_vocab;
    const uint32_t room = session->state.n_context - session->state.position;

    if (session->state.lost)
        return error_set(error, STATUS_FAILED,
                         "the state was lost by an earlier failure: start anew or restore one");
    for (size_t i = 0; i < n_tokens; i++)
        if (tokens[i] < 0 || (uint32_t)tokens[i] >= n_vocab)
            return error_set(error, STATUS_USAGE, "token id %d is not in 0 .. %u", tokens[i],
                             n_vocab - 1);
    if (n_tokens > room)
        return error_set(error, STATUS_CONTEXT_FULL,
                         "%zu tokens do not fit the context: %u of %u positions are left",
                         n_tokens, room, session->state.n_context);
    return STATUS_OK;
}

/* One chunk, committed at its end. */
static enum status eval_chunk(struct session *session, const int32_t *tokens, uint32_t n_tokens,
                              uint32_t n_rows, struct head_row *rows, const atomic_bool *cancel,
                              struct error *error)
{
    struct pass pass;
    bool in_place;
    enum status status = STATUS_OK;

    if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
        return error_set(error, STATUS_CANCELLED, "stopped");
    pass = session_pass(session, n_tokens, cancel);
    pass.sequences[0].recurrence = state_plan(&session->state, n_tokens, false);
    in_place = recurrence_in_place(&pass.sequences[0].recurrence);
    if (in_place)
        pass.cancel = NULL; /* it cannot be taken back */
    status = session_forward(session, &pass, tokens, n_rows, rows, error);
    if (status == STATUS_OK)
        state_commit(&session->state, tokens, n_tokens, &pass.sequences[0].recurrence);
    else if (in_place)
        session->state.lost = true;
    return status;
}

/* In chunks.  Of the last n_wanted tokens: what rows ask for, or the logits, if rows is NULL. */
static enum status eval(struct session *session, const int32_t *tokens, size_t n_tokens,
                        size_t n_wanted, struct head_row *rows, float *logits,
                        const struct session_hooks *hooks, struct error *error)
{
    const uint32_t n_vocab = model_hyperparameters(session->model)->n_vocab;
    const size_t first_wanted = n_tokens - n_wanted;
    enum status status = session_check_tokens(session, tokens, n_tokens, error);

    if (n_wanted > n_tokens)
        return error_set(error, STATUS_USAGE, "logits of %zu of %zu tokens", n_wanted,
                         n_tokens);
    for (size_t done = 0; done < n_tokens && status == STATUS_OK;) {
        const size_t n = n_tokens - done < session->chunk ? n_tokens - done : session->chunk;
        const size_t begin =
            done > first_wanted ? done : first_wanted; /* wanted rows from here */
        const uint32_t n_rows = begin < done + n ? (uint32_t)(done + n - begin) : 0;
        struct head_row *wanted = session->scratch.rows;
        if (n_rows > 0 && rows)
            wanted = rows + (begin - first_wanted);
        else if (n_rows > 0)
            head_ask_full(wanted, n_rows, logits + (begin - first_wanted) * n_vocab, n_vocab);
        status = eval_chunk(session, tokens + done, (uint32_t)n, n_rows, wanted,
                            hooks ? hooks->cancel : NULL, error);
        done += n;
        if (status == STATUS_OK && hooks && hooks->progress)
            hooks->progress(hooks->context, done, n_tokens);
    }
    return status;
}

enum status session_eval(struct session *session, const int32_t *tokens, size_t n_tokens,
                         size_t n_logits, float *logits, const struct session_hooks *hooks,
                         struct error *error)
{
    return eval(session, tokens, n_tokens, n_logits, NULL, logits, hooks, error);
}

enum status session_eval_rows(struct session *session, const int32_t *tokens, size_t n_tokens,
                              size_t n_rows, struct head_row *rows,
                              const struct session_hooks *hooks, struct error *error)
{
    return eval(session, tokens, n_tokens, n_rows, rows, NULL, hooks, error);
}

void session_reset(struct session *session)
{
    state_reset(&session->state);
}

enum status session_snapshot(const struct session *session, struct snapshot **out,
                             struct error *error)
{
    /* What waits is done first: another form of the same state. */
    struct session *same = (struct session *)session;

    if (session->state.hidden.rows && !session->state.lost)
        session_mtp_fill(same, NULL, NULL);
    return state_snapshot(&same->state, out, error);
}

enum status session_restore(struct session *session, const struct snapshot *snapshot,
                            struct error *error)
{
    return state_restore(&session->state, snapshot, error);
}
