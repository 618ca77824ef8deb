/*
 * teacher_forcing.c - what a model and its next-token block would have chosen along a given text
 */
#include "engine/state/session_internal.h"

#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"
#include "engine/model/logit_order.h"
#include "engine/model/model_internal.h"
#include "engine/model/mtp.h"

struct forcing {
    struct session *session;
    const int32_t *tokens;
    size_t n_tokens;
    uint32_t n_embd;
    float *hidden;         /* [n_tokens][n_embd], behind the output norm; NULL: not kept */
    struct head_row *rows; /* [chunk] */
    uint64_t *keys;        /* [chunk], the best of each row */
};

static void ask(const struct forcing *forcing, size_t n)
{
    for (size_t i = 0; i < n; i++)
        forcing->rows[i] =
            (struct head_row){.strategy = HEAD_ARG_MAX, .n_best = 1, .keys = &forcing->keys[i]};
}

static int32_t choice(const struct forcing *forcing, size_t i)
{
    return (int32_t)key_id(forcing->rows[i].keys[0]);
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
        ask(forcing, n);
        status = session_eval_rows(session, forcing->tokens + done, n, n, forcing->rows, NULL,
                                   error);
        for (size_t i = 0; i < n && status == STATUS_OK; i++)
            next[done + i] = choice(forcing, i);
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
        ask(forcing, n);
        pass = session_pass(session, (uint32_t)n, NULL);
        pass.sequences[0].first_position = session->state.n_mtp_rows;
        status = mtp_forward(&pass, 0, forcing->tokens + done + 1,
                             forcing->hidden + done * forcing->n_embd, NULL, (uint32_t)n,
                             forcing->rows, error);
        session->state.n_mtp_rows += (uint32_t)n;
        for (size_t i = 0; i < n && status == STATUS_OK; i++)
            mtp[done + i] = choice(forcing, i);
    }
    return status;
}

enum status session_teacher_forced(struct session *session, const int32_t *tokens,
                                   size_t n_tokens, int32_t *next, int32_t *mtp,
                                   struct error *error)
{
    const struct hyperparameters *p = model_hyperparameters(session->model);
    const struct hidden_rows kept = session->state.hidden;
    struct forcing forcing = {session, tokens, n_tokens, p->n_embd, NULL, NULL, NULL};
    enum status status = STATUS_OK;

    if (mtp && p->n_mtp == 0)
        return error_set(error, STATUS_UNSUPPORTED,
                         "the model has no multi-token-prediction block");
    forcing.rows = checked_allocate(session->chunk, sizeof *forcing.rows);
    forcing.keys = checked_allocate(session->chunk, sizeof *forcing.keys);
    if (mtp)
        forcing.hidden = checked_allocate(n_tokens * p->n_embd, sizeof *forcing.hidden);
    if (!forcing.rows || !forcing.keys || (mtp && !forcing.hidden))
        status = error_set(error, STATUS_NO_MEMORY, "no memory for the choices of %zu tokens",
                           n_tokens);
    session_reset(session);
    session->state.hidden = (struct hidden_rows){NULL, NULL, 0, 0, 0, 0}; /* its own way */
    if (status == STATUS_OK)
        status = force_trunk(&forcing, next, error);
    if (status == STATUS_OK && mtp)
        status = force_mtp(&forcing, mtp, error);
    session->state.hidden = kept;
    session_reset(session);
    free(forcing.rows);
    free(forcing.keys);
    free(forcing.hidden);
    return status;
}
