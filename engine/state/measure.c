/*
 * measure.c - one timing of each kind of pass, and states to time them in
 */
#include "engine/measure.h"

#include <string.h>

#include "engine/model/hyperparameters.h"
#include "engine/profile.h"
#include "engine/run/run_clock.h"
#include "engine/state/session_internal.h"
#include "engine/state/verify.h"

_Static_assert((int)MEASURE_ROWS_MAX == (int)VERIFY_ROWS_MAX, "all rows of a pass");

enum {
    HEAD_STEPS = 2, /* of both kinds */
    HEAD_BEST = 20  /* of a row that asks for the best ones */
};

/* A token for each row of a pass. */
static void make_tokens(const struct session *session, int32_t tokens[MEASURE_ROWS_MAX])
{
    const uint32_t n_vocab = model_info(session->model)->n_vocab;

    for (uint32_t i = 0; i < MEASURE_ROWS_MAX; i++)
        tokens[i] = (int32_t)((i * 104729u + 5) % n_vocab);
}

/* What greedy decoding asks for. */
static void ask(struct head_row *rows, uint32_t n_rows)
{
    for (uint32_t i = 0; i < n_rows; i++) {
        rows[i].strategy = HEAD_ARG_MAX;
        rows[i].n_best = 1;
        rows[i].adjust = NULL;
    }
}

/* Seconds since *from, which becomes now. */
static double lap(int64_t *from)
{
    const int64_t now = run_clock_now();
    const double seconds = (double)(now - *from) * 1e-9;

    *from = now;
    return seconds;
}

static enum status step(struct session *session, int32_t token, struct error *error)
{
    ask(session->head.rows, 1);
    return session_eval_rows(session, &token, 1, 1, session->head.rows, NULL, error);
}

/* The state of `start`, in the caches as far as they hold it. */
static enum status begin(struct session *session, const struct snapshot *start, int32_t token,
                         struct error *error)
{
    enum status status = session_restore(session, start, error);

    if (status == STATUS_OK)
        status = step(session, token, error);
    return status;
}

enum status measure_verify(struct session *session, const struct snapshot *start,
                           uint32_t n_rows, uint32_t n_accepted, struct measured_verify *out,
                           struct error *error)
{
    const uint32_t n_vocab = model_info(session->model)->n_vocab;
    int32_t tokens[MEASURE_ROWS_MAX];
    struct head_rows head;
    int64_t time;

    if (n_rows < 1 || n_rows > MEASURE_ROWS_MAX || n_accepted > n_rows)
        return error_set(error, STATUS_USAGE, "%u of %u rows", n_accepted, n_rows);
    enum status status = head_rows_init(&head, n_rows, n_vocab, error);
    if (status != STATUS_OK)
        return status;
    ask(head.rows, n_rows);
    make_tokens(session, tokens);
    status = begin(session, start, tokens[0], error);
    time = run_clock_now();
    if (status == STATUS_OK)
        status = step(session, tokens[0], error);
    out->step = lap(&time);
    if (status == STATUS_OK)
        status = session_verify_rows(session, tokens, n_rows, head.rows, NULL, error);
    out->verify = lap(&time);
    if (status == STATUS_OK)
        status = session_accept(session, n_accepted, error);
    out->accept = lap(&time);
    if (status == STATUS_OK)
        status = step(session, tokens[0], error);
    out->next = lap(&time);
    head_rows_release(&head);
    return status;
}

enum status measure_verify_profile(struct session *session, const struct snapshot *start,
                                   uint32_t n_rows, struct profile *profile,
                                   struct error *error)
{
    int32_t tokens[MEASURE_ROWS_MAX];
    struct head_rows head;

    if (n_rows < 1 || n_rows > MEASURE_ROWS_MAX)
        return error_set(error, STATUS_USAGE, "%u rows", n_rows);
    enum status status =
        head_rows_init(&head, n_rows, model_info(session->model)->n_vocab, error);
    if (status != STATUS_OK)
        return status;
    ask(head.rows, n_rows);
    make_tokens(session, tokens);
    status = begin(session, start, tokens[0], error);
    session_set_profile(session, profile);
    if (status == STATUS_OK)
        status = session_verify_rows(session, tokens, n_rows, head.rows, NULL, error);
    session_set_profile(session, NULL);
    head_rows_release(&head);
    return status;
}

enum status measure_head(struct session *session, const struct snapshot *start,
                         enum head_strategy strategy, struct measured_head *out,
                         struct error *error)
{
    struct head_row *row = session->head.rows;
    int32_t tokens[MEASURE_ROWS_MAX];
    enum status status;

    *out = (struct measured_head){0};
    make_tokens(session, tokens);
    status = begin(session, start, tokens[0], error);
    for (int i = 0; i < HEAD_STEPS && status == STATUS_OK; i++) {
        int64_t time = run_clock_now();

        status = session_eval(session, &tokens[i], 1, 0, NULL, NULL, error);
        out->without += lap(&time) / HEAD_STEPS;
        ask(row, 1);
        row->strategy = strategy;
        row->n_best = strategy == HEAD_TOP_K ? HEAD_BEST : 1;
        if (status == STATUS_OK)
            status = session_eval_rows(session, &tokens[i], 1, 1, row, NULL, error);
        out->with += lap(&time) / HEAD_STEPS;
    }
    return status;
}

enum status measure_rewind(struct session *session, const struct snapshot *start,
                           struct measured_rewind *out, struct error *error)
{
    int32_t tokens[MEASURE_ROWS_MAX];
    int64_t time;
    uint32_t position;

    make_tokens(session, tokens);
    enum status status = begin(session, start, tokens[0], error);
    position = session_position(session);
    time = run_clock_now();
    if (status == STATUS_OK)
        session_mark(session);
    out->mark = lap(&time);
    if (status == STATUS_OK)
        status = step(session, tokens[0], error);
    out->first = lap(&time);
    if (status == STATUS_OK)
        status = step(session, tokens[1], error);
    out->second = lap(&time);
    if (status == STATUS_OK)
        status = session_rewind(session, position, error);
    out->rewind = lap(&time);
    if (status == STATUS_OK)
        status = step(session, tokens[0], error);
    out->next = lap(&time);
    return status;
}

enum status measure_copy(struct session *session, const struct snapshot *start,
                         struct measured_copy *out, struct error *error)
{
    struct snapshot *copy = NULL;
    int32_t tokens[MEASURE_ROWS_MAX];
    int64_t time;

    make_tokens(session, tokens);
    enum status status = begin(session, start, tokens[0], error);
    time = run_clock_now();
    if (status == STATUS_OK)
        status = session_snapshot(session, &copy, error);
    out->snapshot = lap(&time);
    if (status == STATUS_OK)
        status = session_restore(session, copy, error);
    out->restore = lap(&time);
    out->bytes = status == STATUS_OK ? snapshot_bytes(copy) : 0;
    snapshot_free(&copy);
    return status;
}

/* Values of either sign around an eighth; rows differ, so that no key is like all others. */
static void fill_rows(const struct state *state, void *rows, size_t n)
{
    uint16_t *halves = rows;
    float *floats = rows;
    uint32_t random = 1;

    for (size_t i = 0; i < n; i++) {
        random = random * 1664525u + 1013904223u;
        if (state->half)
            halves[i] = (uint16_t)(0x3000 | (random >> 16 & 0x83ff));
        else
            floats[i] = ((float)(random >> 8) - 0x1p23f) * 0x1p-26f;
    }
}

enum status measure_depth(struct session *session, uint32_t position, struct error *error)
{
    struct state *state = &session->state;
    const struct hyperparameters *p = state->parameters;

    if (position > state->n_context)
        return error_set(error, STATUS_CONTEXT_FULL, "a context of %u positions has no %u",
                         state->n_context, position);
    state_reset(state);
    for (uint32_t layer = 0; layer < p->n_layers + p->n_mtp; layer++) {
        for (uint32_t head = 0; head < p->layers[layer].n_head_kv; head++) {
            fill_rows(state, state_key(state, layer, head), (size_t)position * p->head_dim);
            fill_rows(state, state_value(state, layer, head), (size_t)position * p->head_dim);
        }
    }
    memset(state->tokens, 0, position * sizeof *state->tokens);
    state->position = state->settled = position;
    state->n_mtp_rows = p->n_mtp > 0 && position > 0 ? position - 1 : 0;
    return STATUS_OK;
}

double measure_sampler(struct session *session, const struct sampling *sampling, float *logits,
                       uint32_t n_choices)
{
    struct sampler *sampler = &session->sampler;
    struct head_row *row = session->head.rows;
    double seconds = 0;

    sampler_begin(sampler);
    for (uint32_t i = 0; i < n_choices; i++) {
        logits[i % sampler->n_vocab] += 0.001f;
        sampler_ask(sampler, sampling, NULL, 0, row);
        head_take(sampler->kernels, row, logits, sampler->n_vocab);
        int64_t time = run_clock_now();
        sampler_choose_row(sampler, sampling, row, i, session->state.position + i);
        seconds += lap(&time);
    }
    return seconds / (n_choices > 0 ? n_choices : 1);
}
