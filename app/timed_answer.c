/*
 * timed_answer.c - one prompt answered several times from the same state
 */
#include "app/timed_answer.h"

#include <stdlib.h>
#include <time.h>

#include "app/text_buffer.h"

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

enum status answer_start_read(struct answer_start *out, struct session *session,
                              struct session *draft, const int32_t *ids, size_t n_ids,
                              const struct session_hooks *hooks, struct error *error)
{
    enum status status = STATUS_OK;

    *out = (struct answer_start){.session = session, .draft = draft, .last = ids[n_ids - 1]};
    session_reset(session);
    if (n_ids > 1)
        status = session_eval(session, ids, n_ids - 1, 0, NULL, hooks, error);
    if (status == STATUS_OK)
        status = session_snapshot(session, &out->snapshot, error);
    return status;
}

void answer_start_release(struct answer_start *start)
{
    snapshot_free(&start->snapshot);
}

static void keep(struct timed_answer *answer, int32_t id)
{
    if (answer->n_ids == answer->room) {
        answer->room = answer->room * 2 + 64;
        answer->ids = app_resize(answer->ids, answer->room, sizeof id);
    }
    answer->ids[answer->n_ids++] = id;
}

static bool take(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct timed_answer *answer = context;

    (void)forced;
    (void)n_forced;
    if (answer->n_ids == 0)
        answer->first = seconds_now();
    keep(answer, id);
    return true;
}

enum status timed_answer_run(struct timed_answer *out, const struct answer_start *start,
                             struct policy *policy, const struct generation *generation,
                             struct error *error)
{
    struct generation used = *generation;
    struct policy_statistics before = {0};
    enum status status;

    *out = (struct timed_answer){0};
    used.sink = take;
    used.context = out;
    used.policy = policy;
    if (policy != NULL)
        before = *policy_statistics(policy);
    if (start->draft != NULL)
        session_reset(start->draft);
    status = session_restore(start->session, start->snapshot, error);
    if (status != STATUS_OK)
        return status;
    const double begun = seconds_now();
    status =
        session_generate(start->session, &start->last, 1, &used, NULL, &out->result, error);
    const double ended = seconds_now();
    const double first = out->n_ids > 0 ? out->first : ended;

    out->first = first - begun;
    out->seconds = ended - first;
    out->n_tokens = out->n_ids;
    if (out->n_tokens > 1 && out->seconds > 0)
        out->rate = (double)(out->n_tokens - 1) / out->seconds;
    if (status == STATUS_OK && out->result.reason == STOP_TOKEN)
        keep(out, out->result.stop_token);
    if (status == STATUS_OK && out->result.reason == STOP_CANCELLED)
        status = error_set(error, STATUS_CANCELLED, "stopped");
    if (policy != NULL)
        out->statistics = policy_statistics_since(policy_statistics(policy), &before);
    return status;
}

void timed_answer_release(struct timed_answer *answer)
{
    free(answer->ids);
    *answer = (struct timed_answer){0};
}

/* Counts and times of *sum, plus (sign 1) or minus (-1) those of *more. */
static void combine(struct policy_statistics *sum, const struct policy_statistics *more,
                    int sign)
{
    const uint64_t factor = (uint64_t)(int64_t)sign; /* -1 wraps, and so do differences */
    uint64_t *counts[] = {
        &sum->emitted,     &sum->accepted,       &sum->corrections, &sum->bonus,
        &sum->plain,       &sum->forced,         &sum->cycles,      &sum->passes,
        &sum->pass_tokens, &sum->proposed,       &sum->verified,    &sum->rejected,
        &sum->ignored,     &sum->early_rejected, &sum->fallbacks,   &sum->plain_steps};
    const uint64_t added[] = {
        more->emitted,     more->accepted,       more->corrections, more->bonus,
        more->plain,       more->forced,         more->cycles,      more->passes,
        more->pass_tokens, more->proposed,       more->verified,    more->rejected,
        more->ignored,     more->early_rejected, more->fallbacks,   more->plain_steps};
    double *times[] = {&sum->draft_seconds, &sum->verify_seconds, &sum->rollback_seconds,
                       &sum->plain_seconds, &sum->wasted_verify};
    const double passed[] = {more->draft_seconds, more->verify_seconds, more->rollback_seconds,
                             more->plain_seconds, more->wasted_verify};

    for (size_t i = 0; i < sizeof added / sizeof *added; i++)
        *counts[i] += factor * added[i];
    for (size_t i = 0; i < sizeof passed / sizeof *passed; i++)
        *times[i] += sign * passed[i];
    for (size_t i = 0; i < POLICY_SOURCE_COUNT; i++) {
        sum->by_source[i].proposed += factor * more->by_source[i].proposed;
        sum->by_source[i].verified += factor * more->by_source[i].verified;
        sum->by_source[i].accepted += factor * more->by_source[i].accepted;
    }
    for (size_t i = 0; i < POLICY_MAX_CANDIDATES; i++) {
        sum->position_verified[i] += factor * more->position_verified[i];
        sum->position_accepted[i] += factor * more->position_accepted[i];
    }
    for (size_t i = 0; i <= POLICY_MAX_CANDIDATES; i++)
        sum->lengths[i] += factor * more->lengths[i];
}

struct policy_statistics policy_statistics_since(const struct policy_statistics *after,
                                                 const struct policy_statistics *before)
{
    struct policy_statistics difference = *after;

    combine(&difference, before, -1);
    return difference;
}

void policy_statistics_add(struct policy_statistics *sum, const struct policy_statistics *more)
{
    struct policy_statistics total = *more;

    combine(&total, sum, 1);
    *sum = total;
}
