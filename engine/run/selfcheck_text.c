/*
 * selfcheck_text.c - the texts of all policies, and of several answers at once
 */
#include "engine/run/selfcheck_internal.h"

#include "engine/lanes.h"
#include "engine/policy.h"
#include "engine/state/verify.h"

#include <string.h>

static const struct sampling SAMPLINGS[SELFCHECK_ANSWERS] = {
    {.temperature = 0, .top_p = 1, .repetition_penalty = 1},
    {.temperature = 0.7f, .top_p = 0.95f, .top_k = 40, .repetition_penalty = 1.1f},
    {.temperature = 1.3f, .top_p = 1, .presence_penalty = 0.5f, .repetition_penalty = 1},
};

/* An answer that is compared with a plain one while it is made. */
struct comparing {
    const struct selfcheck_answer *plain; /* NULL: this is the plain one */
    int32_t *ids;                         /* of the plain one */
    size_t n;
    size_t first_difference; /* SIZE_MAX: none */
};

static bool compare_token(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct comparing *comparing = context;

    (void)forced, (void)n_forced;
    if (comparing->ids)
        comparing->ids[comparing->n] = id;
    else if (comparing->first_difference == SIZE_MAX &&
             (comparing->n >= comparing->plain->n || comparing->plain->ids[comparing->n] != id))
        comparing->first_difference = comparing->n;
    comparing->n++;
    return true;
}

static struct generation generation_of(const struct selfcheck *check, uint32_t answer,
                                       struct comparing *comparing)
{
    *comparing =
        (struct comparing){.plain = &check->answers[answer], .first_difference = SIZE_MAX};
    return (struct generation){.sampling = SAMPLINGS[answer],
                               .noise_seed = 1000 + answer,
                               .max_tokens = check->n_answer,
                               .ignore_stop = true,
                               .cancel = check->options->cancel,
                               .sink = compare_token,
                               .context = comparing};
}

/* The answer is the plain one, and so is the state behind it. */
static enum status compare_answer(const struct selfcheck *check, uint32_t answer,
                                  const struct comparing *comparing,
                                  const struct generation_result *result,
                                  const struct session *session, struct finding *finding,
                                  struct error *error)
{
    const struct selfcheck_answer *plain = &check->answers[answer];
    const double temperature = (double)SAMPLINGS[answer].temperature;

    if (result->reason == STOP_CANCELLED)
        return error_set(error, STATUS_CANCELLED, "stopped");
    if (comparing->first_difference != SIZE_MAX) {
        found_difference(finding, "temperature %.1f: another token at %zu of %zu", temperature,
                         comparing->first_difference + 1, plain->n);
        return STATUS_OK;
    }
    if (comparing->n != plain->n || result->reason != plain->result.reason) {
        found_difference(finding, "temperature %.1f: it ends after %zu tokens, plain after %zu",
                         temperature, comparing->n, plain->n);
        return STATUS_OK;
    }
    return compare_state(session, plain->end, finding, error);
}

static enum status make_plain(struct selfcheck *check, struct session *session, uint32_t answer,
                              struct error *error)
{
    struct selfcheck_answer *plain = &check->answers[answer];
    struct comparing comparing;
    struct generation generation = generation_of(check, answer, &comparing);
    enum status status = session_restore(session, check->before_last, error);

    comparing.ids = plain->ids;
    if (status == STATUS_OK)
        status = session_generate(session, check->tokens + check->n_tokens - 1, 1, &generation,
                                  NULL, &plain->result, error);
    plain->n = comparing.n;
    if (status == STATUS_OK && plain->result.reason == STOP_CANCELLED)
        status = error_set(error, STATUS_CANCELLED, "stopped");
    if (status == STATUS_OK)
        status = session_snapshot(session, &plain->end, error);
    return status;
}

static enum status generate_at_once(struct selfcheck *check, struct session *const *sessions,
                                    struct finding *finding, struct error *error)
{
    struct comparing comparing[SELFCHECK_ANSWERS];
    struct lane_generation lanes[SELFCHECK_ANSWERS];
    int32_t last[SELFCHECK_ANSWERS];
    enum status status = STATUS_OK;

    for (uint32_t i = 0; i < SELFCHECK_ANSWERS && status == STATUS_OK; i++) {
        lanes[i].generation = generation_of(check, i, &comparing[i]);
        last[i] = check->tokens[check->n_tokens - 1];
        status = session_restore(sessions[i], check->before_last, error);
    }
    if (status == STATUS_OK)
        status = lanes_generate(sessions, SELFCHECK_ANSWERS, last, lanes, error);
    for (uint32_t i = 0; i < SELFCHECK_ANSWERS && status == STATUS_OK; i++)
        status = compare_answer(check, i, &comparing[i], &lanes[i].result, sessions[i], finding,
                                error);
    return status;
}

enum status selfcheck_answers(struct selfcheck *check, uint32_t argument,
                              struct finding *finding, struct error *error)
{
    struct session *sessions[SELFCHECK_ANSWERS] = {NULL};
    enum status status = STATUS_OK;

    (void)argument;
    for (uint32_t i = 0; i < SELFCHECK_ANSWERS && status == STATUS_OK; i++)
        status = selfcheck_session(check, 0, 0, &sessions[i], error);
    for (uint32_t i = 0; i < SELFCHECK_ANSWERS && status == STATUS_OK; i++)
        status = make_plain(check, sessions[0], i, error);
    if (status == STATUS_OK)
        status = generate_at_once(check, sessions, finding, error);
    for (uint32_t i = 0; i < SELFCHECK_ANSWERS; i++)
        session_free(&sessions[i]);
    found_equal(finding, "%d x %u tokens and states equal", SELFCHECK_ANSWERS, check->n_answer);
    return status;
}

/* Policies ------------------------------------------------------------------------------ */

/* Proposals that are likely: what is compared is what is done with them. */
static struct policy_settings settings_of(enum policy_kind kind)
{
    struct policy_settings settings = policy_defaults(kind);

    if (kind == POLICY_NGRAM) {
        settings.ngram.min = 2;
        settings.ngram.disable_after_reject = false;
    } else if (kind == POLICY_SPECULATIVE) {
        settings.speculative.fallback = false;
    } else if (kind == POLICY_MTP) {
        settings.mtp.min_margin = 0;
        settings.mtp.min_remaining = 0;
        settings.mtp.disable_after_reject = false;
    }
    return settings;
}

static enum status draft_session(const struct selfcheck *check, struct session **out,
                                 struct error *error)
{
    const struct session_options options = {
        .n_threads = check->n_threads,
        .n_context = session_context_choice(check->n_context,
                                            model_info(check->options->draft)->n_context),
        .kv = check->options->kv};

    return session_new(out, check->options->draft, &options, error);
}

/* A draft where the policy can use one: that of the options, or else the model itself. */
static enum status open_draft(const struct selfcheck *check, enum policy_kind kind,
                              struct session **out, struct error *error)
{
    *out = NULL;
    if (check->options->draft && (kind == POLICY_SPECULATIVE || kind == POLICY_AUTO))
        return draft_session(check, out, error);
    return kind == POLICY_SPECULATIVE ? selfcheck_session(check, 0, 0, out, error) : STATUS_OK;
}

static enum status answer_by(struct selfcheck *check, struct policy *policy,
                             struct session *session, uint32_t answer, struct finding *finding,
                             struct error *error)
{
    struct comparing comparing;
    struct generation generation = generation_of(check, answer, &comparing);
    struct generation_result result;
    enum status status = session_restore(session, check->before_last, error);

    generation.policy = policy;
    if (status == STATUS_OK)
        status = session_generate(session, check->tokens + check->n_tokens - 1, 1, &generation,
                                  NULL, &result, error);
    if (status == STATUS_OK)
        status = compare_answer(check, answer, &comparing, &result, session, finding, error);
    return status;
}

/* A draft that is right in 7 of 10 cases, on any model: the plain answer, with errors. */
enum status selfcheck_script(struct selfcheck *check, uint32_t argument,
                             struct finding *finding, struct error *error)
{
    const struct policy_settings settings = settings_of(POLICY_SPECULATIVE);
    struct session *session = NULL;
    unsigned long long n_accepted = 0, n_verified = 0;
    enum status status = selfcheck_session(check, 0, 0, &session, error);

    (void)argument;
    for (uint32_t i = 0; i < SELFCHECK_ANSWERS && status == STATUS_OK; i++) {
        const struct policy_script script = {.tokens = check->answers[i].ids,
                                             .n_tokens = (uint32_t)check->answers[i].n,
                                             .first_position = check->n_tokens,
                                             .acceptance = 0.7,
                                             .seed = i};
        const struct policy_parts parts = {.session = session, .script = &script};
        struct policy *policy;
        status = policy_new(&policy, &settings, &parts, error);
        if (status != STATUS_OK)
            break;
        status = answer_by(check, policy, session, i, finding, error);
        n_accepted += policy_statistics(policy)->accepted;
        n_verified += policy_statistics(policy)->verified;
        policy_free(&policy);
    }
    found_equal(finding, "%d x %u tokens and states equal, %llu of %llu candidates accepted",
                SELFCHECK_ANSWERS, check->n_answer, n_accepted, n_verified);
    session_free(&session);
    return status;
}

enum status selfcheck_policy(struct selfcheck *check, uint32_t kind, struct finding *finding,
                             struct error *error)
{
    const struct policy_settings settings = settings_of(kind);
    struct session *session = NULL, *draft = NULL;
    struct policy *policy = NULL;
    enum status status = selfcheck_session(check, 0, 0, &session, error);

    if (status == STATUS_OK)
        status = open_draft(check, kind, &draft, error);
    if (status == STATUS_OK)
        status = policy_new(&policy, &settings,
                            &(struct policy_parts){.session = session, .draft = draft}, error);
    for (uint32_t i = 0; i < SELFCHECK_ANSWERS && status == STATUS_OK; i++)
        status = answer_by(check, policy, session, i, finding, error);
    if (status == STATUS_OK) {
        const struct policy_statistics *statistics = policy_statistics(policy);
        found_equal(
            finding, "%d x %u tokens and states equal, %llu of %llu candidates accepted",
            SELFCHECK_ANSWERS, check->n_answer, (unsigned long long)statistics->accepted,
            (unsigned long long)statistics->verified);
    }
    policy_free(&policy);
    session_free(&draft);
    session_free(&session);
    return status;
}
