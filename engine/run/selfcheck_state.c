/*
 * selfcheck_state.c - logits and states, however a text is consumed
 */
#include "engine/run/selfcheck_internal.h"

#include "engine/lanes.h"
#include "engine/run/run_clock.h"
#include "engine/state/verify.h"

#include <string.h>

enum { LANES = 4, WRONG_TOKENS = 9, VERIFY_ROWS = 33 };

static const atomic_bool *cancel_of(const struct selfcheck *check)
{
    return check->options->cancel;
}

/* Tokens of the text from the session's position to `end`, in passes of n_chunk; compared. */
static enum status consume(const struct selfcheck *check, struct session *session, uint32_t end,
                           uint32_t n_chunk, struct finding *finding, struct error *error)
{
    const struct session_hooks hooks = {.cancel = cancel_of(check)};
    enum status status = STATUS_OK;

    for (uint32_t at = session_position(session), n; at < end && status == STATUS_OK; at += n) {
        n = end - at < n_chunk ? end - at : n_chunk;
        status = session_eval(session, check->tokens + at, n, n, check->rows, &hooks, error);
        if (status == STATUS_OK)
            compare_rows(check, finding, check->rows, at, n);
    }
    return status;
}

/* A token that the text does not have there. */
static int32_t wrong_token(const struct selfcheck *check, uint32_t position)
{
    return (int32_t)(((uint32_t)check->tokens[position] + 1) % check->n_vocab);
}

static enum status consume_wrong(const struct selfcheck *check, struct session *session,
                                 struct error *error)
{
    int32_t tokens[WRONG_TOKENS];

    for (uint32_t i = 0; i < WRONG_TOKENS; i++)
        tokens[i] = wrong_token(check, i);
    return session_eval(session, tokens, WRONG_TOKENS, 0, NULL, NULL, error);
}

enum status selfcheck_steps(struct selfcheck *check, uint32_t argument, struct finding *finding,
                            struct error *error)
{
    const struct session_hooks hooks = {.cancel = cancel_of(check)};
    const uint32_t n = check->n_tokens;
    struct session *session = NULL;
    int64_t nanoseconds = 0;
    enum status status = selfcheck_session(check, 0, 0, &session, error);

    (void)argument;
    for (uint32_t i = 0; i <= n && status == STATUS_OK; i++) {
        struct snapshot **keep = i == n / 2   ? &check->middle
                                 : i == n - 1 ? &check->before_last
                                 : i == n     ? &check->end
                                              : NULL;
        int64_t begin;
        if (keep)
            status = session_snapshot(session, keep, error);
        if (status != STATUS_OK || i == n)
            break;
        begin = run_clock_now();
        status = session_eval(session, check->tokens + i, 1, 1,
                              check->logits + (size_t)i * check->n_vocab, &hooks, error);
        nanoseconds += run_clock_now() - begin;
    }
    found_equal(finding, "%u positions, %.2f ms each: what follows is compared with them", n,
                (double)nanoseconds * 1e-6 / n);
    session_free(&session);
    return status;
}

enum status selfcheck_chunks(struct selfcheck *check, uint32_t n_chunk, struct finding *finding,
                             struct error *error)
{
    struct session *session = NULL;
    enum status status = selfcheck_session(check, 0, n_chunk, &session, error);

    if (status == STATUS_OK)
        status = consume(check, session, check->n_tokens, n_chunk, finding, error);
    if (status == STATUS_OK)
        status = compare_state(session, check->end, finding, error);
    found_equal(finding, "%u positions, logits and state equal", check->n_tokens);
    session_free(&session);
    return status;
}

enum status selfcheck_threads(struct selfcheck *check, uint32_t n_threads,
                              struct finding *finding, struct error *error)
{
    struct session *session = NULL;
    enum status status =
        selfcheck_session(check, (int)n_threads, SELFCHECK_ROWS, &session, error);

    if (status == STATUS_OK)
        status = consume(check, session, check->n_tokens, SELFCHECK_ROWS, finding, error);
    if (status == STATUS_OK)
        status = compare_state(session, check->end, finding, error);
    if (status == STATUS_OK)
        status = session_restore(session, check->middle, error);
    if (status == STATUS_OK)
        status =
            consume(check, session, check->n_tokens / 2 + check->n_answer, 1, finding, error);
    found_equal(finding, "%u positions in chunks and %u in steps, logits and state equal",
                check->n_tokens, check->n_answer);
    session_free(&session);
    return status;
}

/* Trial rows ---------------------------------------------------------------------------- */

/* One pass of n rows, of which the first n_right are the text's; these are accepted. */
static enum status try_rows(const struct selfcheck *check, struct session *session, uint32_t n,
                            uint32_t n_right, struct finding *finding, struct error *error)
{
    const uint32_t at = session_position(session);
    int32_t tokens[VERIFY_ROWS];
    enum status status;

    for (uint32_t i = 0; i < n; i++)
        tokens[i] = i < n_right ? check->tokens[at + i] : wrong_token(check, at + i);
    status = session_verify(session, tokens, n, check->rows, cancel_of(check), error);
    if (status != STATUS_OK)
        return status;
    compare_rows(check, finding, check->rows, at, n_right);
    return session_accept(session, n_right, error);
}

enum status selfcheck_verify(struct selfcheck *check, uint32_t argument,
                             struct finding *finding, struct error *error)
{
    static const struct {
        uint32_t n, right;
    } passes[] = {{4, 2}, {2, 1}, {1, 0}, {8, 8}, {3, 0},  {VERIFY_ROWS, 5},
                  {5, 4}, {1, 1}, {2, 0}, {6, 1}, {16, 15}};
    struct session *session = NULL;
    uint32_t n_passes = 0, n_rows = 0, n_rejected = 0;
    enum status status = selfcheck_session(check, 0, 0, &session, error);

    (void)argument;
    while (status == STATUS_OK && session_position(session) < check->n_tokens) {
        const uint32_t left = check->n_tokens - session_position(session);
        const uint32_t i = n_passes++ % (uint32_t)(sizeof passes / sizeof *passes);
        const uint32_t n = passes[i].n < left ? passes[i].n : left;
        const uint32_t right = passes[i].right < n ? passes[i].right : n;
        status = try_rows(check, session, n, right, finding, error);
        n_rows += n;
        n_rejected += n - right;
        /* A plain step behind a rejection, as decoding makes it. */
        if (status == STATUS_OK && right == 0)
            status = consume(check, session, session_position(session) + 1, 1, finding, error);
    }
    if (status == STATUS_OK)
        status = compare_state(session, check->end, finding, error);
    found_equal(finding, "%u passes, %u rows, %u of them rejected; logits and state equal",
                n_passes, n_rows, n_rejected);
    session_free(&session);
    return status;
}

/* Other ways to a state ----------------------------------------------------------------- */

/* From the middle to the end, and compare. */
static enum status finish(const struct selfcheck *check, struct session *session,
                          uint32_t n_chunk, struct finding *finding, struct error *error)
{
    enum status status = consume(check, session, check->n_tokens, n_chunk, finding, error);

    return status == STATUS_OK ? compare_state(session, check->end, finding, error) : status;
}

static enum status rewind_to_middle(const struct selfcheck *check, struct session *session,
                                    struct error *error)
{
    enum status status = session_restore(session, check->middle, error);

    if (status != STATUS_OK)
        return status;
    session_mark(session);
    status = consume_wrong(check, session, error);
    return status == STATUS_OK ? session_rewind(session, check->n_tokens / 2, error) : status;
}

enum status selfcheck_restore(struct selfcheck *check, uint32_t argument,
                              struct finding *finding, struct error *error)
{
    const uint32_t half = check->n_tokens - check->n_tokens / 2;
    struct session *session = NULL, *fork = NULL;
    enum status status = selfcheck_session(check, 0, 0, &session, error);

    (void)argument;
    if (status == STATUS_OK)
        status = selfcheck_session(check, 0, 0, &fork, error);
    if (status == STATUS_OK)
        status = consume_wrong(check, session, error);
    if (status == STATUS_OK)
        status = session_restore(session, check->middle, error);
    if (status == STATUS_OK)
        status = session_restore(fork, check->middle, error);
    if (status == STATUS_OK)
        status = consume_wrong(check, fork, error);
    if (status == STATUS_OK)
        status = finish(check, session, 7, finding, error);
    if (status == STATUS_OK)
        status = rewind_to_middle(check, fork, error);
    if (status == STATUS_OK)
        status = finish(check, fork, SELFCHECK_ROWS, finding, error);
    found_equal(finding,
                "3 ways to position %u, %u positions behind it twice; logits and state equal",
                check->n_tokens / 2, half);
    session_free(&session);
    session_free(&fork);
    return status;
}

/* Lanes --------------------------------------------------------------------------------- */

/* Those that have not reached the end of the text, one token each. */
static enum status step_lanes(const struct selfcheck *check, struct session *const *sessions,
                              uint32_t *n_stepped, struct finding *finding, struct error *error)
{
    struct session *group[LANES];
    uint32_t positions[LANES], n = 0;
    int32_t tokens[LANES];
    enum status status;

    for (uint32_t i = 0; i < LANES; i++) {
        const uint32_t position = session_position(sessions[i]);
        if (position == check->n_tokens)
            continue;
        group[n] = sessions[i];
        tokens[n] = check->tokens[position];
        positions[n++] = position;
    }
    *n_stepped = n;
    if (n == 0)
        return STATUS_OK;
    status = lanes_step(group, n, tokens, check->rows, cancel_of(check), error);
    for (uint32_t i = 0; i < n && status == STATUS_OK; i++)
        compare_rows(check, finding, check->rows + (size_t)i * check->n_vocab, positions[i], 1);
    return status;
}

enum status selfcheck_lanes(struct selfcheck *check, uint32_t argument, struct finding *finding,
                            struct error *error)
{
    struct session *sessions[LANES] = {NULL};
    uint32_t n = 1, n_passes = 0, n_rows = 0;
    enum status status = STATUS_OK;

    (void)argument;
    for (uint32_t i = 0; i < LANES && status == STATUS_OK; i++) {
        const uint32_t length = check->n_answer - check->n_answer * i / LANES;
        status = selfcheck_session(check, 0, 0, &sessions[i], error);
        if (status == STATUS_OK)
            status = session_restore(sessions[i], check->middle, error);
        if (status == STATUS_OK)
            status = consume(check, sessions[i], check->n_tokens - length, SELFCHECK_ROWS,
                             finding, error);
    }
    while (status == STATUS_OK && n > 0) {
        status = step_lanes(check, sessions, &n, finding, error);
        n_passes += n > 0;
        n_rows += n;
    }
    for (uint32_t i = 0; i < LANES && status == STATUS_OK; i++)
        status = compare_state(sessions[i], check->end, finding, error);
    for (uint32_t i = 0; i < LANES; i++)
        session_free(&sessions[i]);
    found_equal(finding, "%d sequences, %u passes, %u rows; logits and states equal", LANES,
                n_passes, n_rows);
    return status;
}
