/*
 * teacher_forcing.c - what a model and its next-token block would have chosen along a given text
 */
#include "engine/state/session_internal.h"

#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"
#include "engine/model/model_internal.h"
#include "engine/model/mtp.h"

struct forcing {
    struct session *session;
    const int32_t *tokens;
    size_t n_tokens;
    uint32_t n_embd, n_vocab;
    float *hidden; /* [n_tokens][n_embd], behind the output norm; NULL: not kept */
    float *logits; /* [chunk][n_vocab] */
};

/* Ties go to the lowest id. */
static int32_t arg_max(const float *logits, uint32_t n_vocab)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < n_vocab; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

static size_t chunk_at(const struct forcing *forcing, size_t done, size_t n)
{
    const size_t chunk = forcing->session->chunk;

    return n - done < chunk ? n - done : chunk;
}

static enum status force_trunk(const struct forcing *forcing, int32_t *next,
                               struct error *error)
{
    struct session *session = forcing->session;
    enum status status = STATUS_OK;

    for (size_t done = 0, n; done < forcing->n_tokens && status == STATUS_OK; done += n) {
        n = chunk_at(forcing, done, forcing->n_tokens);
        status =
            session_eval(session, forcing->tokens + done, n, n, forcing->logits, NULL, error);
        for (size_t i = 0; i < n && status == STATUS_OK; i++)
            next[done + i] = arg_max(forcing->logits + i * forcing->n_vocab, forcing->n_vocab);
        if (status == STATUS_OK && forcing->hidden)
            /* The head read these rows last. */
            memcpy(forcing->hidden + done * forcing->n_embd, session->scratch.normed,
                   n * forcing->n_embd * sizeof *forcing->hidden);
    }
    return status;
}

static enum status force_mtp(const struct forcing *forcing, int32_t *mtp, struct error *error)
{
    struct session *session = forcing->session;
    enum status status = STATUS_OK;

    for (size_t done = 0, n; done + 1 < forcing->n_tokens && status == STATUS_OK; done += n) {
        struct pass pass;

        n = chunk_at(forcing, done, forcing->n_tokens - 1);
        pass = session_pass(session, (uint32_t)n, NULL);
        pass.sequences[0].first_position = session->state.n_mtp_rows;
        status = mtp_forward(&pass, 0, forcing->tokens + done + 1,
                             forcing->hidden + done * forcing->n_embd, NULL, (uint32_t)n,
                             forcing->logits, error);
        session->state.n_mtp_rows += (uint32_t)n;
        for (size_t i = 0; i < n && status == STATUS_OK; i++)
            mtp[done + i] = arg_max(forcing->logits + i * forcing->n_vocab, forcing->n_vocab);
    }
    return status;
}

enum status session_teacher_forced(struct session *session, const int32_t *tokens,
                                   size_t n_tokens, int32_t *next, int32_t *mtp,
                                   struct error *error)
{
    const struct hyperparameters *p = model_hyperparameters(session->model);
    const struct hidden_rows kept = session->state.hidden;
    struct forcing forcing = {session, tokens, n_tokens, p->n_embd, p->n_vocab, NULL, NULL};
    enum status status = STATUS_OK;

    if (mtp && p->n_mtp == 0)
        return error_set(error, STATUS_UNSUPPORTED,
                         "the model has no multi-token-prediction block");
    forcing.logits =
        checked_allocate((size_t)session->chunk * p->n_vocab, sizeof *forcing.logits);
    if (mtp)
        forcing.hidden = checked_allocate(n_tokens * p->n_embd, sizeof *forcing.hidden);
    if (!forcing.logits || (mtp && !forcing.hidden))
        status = error_set(error, STATUS_NO_MEMORY, "no memory for the logits of %zu tokens",
                           n_tokens);
    session_reset(session);
    session->state.hidden = (struct hidden_rows){NULL, NULL, 0, 0, 0, 0}; /* its own way */
    if (status == STATUS_OK)
        status = force_trunk(&forcing, next, error);
    if (status == STATUS_OK && mtp)
        status = force_mtp(&forcing, mtp, error);
    session->state.hidden = kept;
    session_reset(session);
    free(forcing.logits);
    free(forcing.hidden);
    return status;
}
