/*
 * measure.c - one timing of each kind of pass
 */
#include "engine/measure.h"

#include "engine/run/run_clock.h"
#include "engine/state/session_internal.h"
#include "engine/state/verify.h"

_Static_assert((int)MEASURE_ROWS_MAX == (int)VERIFY_ROWS_MAX, "all rows of a pass");

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
