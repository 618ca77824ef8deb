/*
 * policy_proof.h - plain decoding and every policy from one state: the same tokens, the same end
 *
 * A round is one prompt under one setting; settings go round with the rounds, so that so many of
 * them meet every temperature, penalty, thread count and forced token.
 */
#ifndef TESTS_UNIT_POLICY_PROOF_H
#define TESTS_UNIT_POLICY_PROOF_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/policy.h"
#include "engine/session.h"

enum { PROOF_TOKENS = 512, PROOF_THREADS = 2, PROOF_SETTINGS = 3 * 2 * 2 * PROOF_THREADS };

struct proof {
    const struct model *model;
    struct session *session[PROOF_THREADS], *draft[PROOF_THREADS]; /* draft: or NULL */
    struct policy *policy[PROOF_THREADS][POLICY_KIND_COUNT]; /* NULL: not for this model */
    size_t n_tokens;                                         /* of an answer */
    bool stops;                                              /* answers may end by themselves */
    uint64_t n_compared, n_states;
    double seconds[POLICY_KIND_COUNT + 1]; /* of decoding; the last is without a policy */
    uint64_t tokens[POLICY_KIND_COUNT + 1];
    char difference[300]; /* the first one; "": none */
};

struct proof_answer {
    int32_t ids[PROOF_TOKENS];
    size_t n, force_at;
    double begin;
    const struct policy *policy;
    uint64_t n_proposed; /* tokens that a source proposed */
};

static inline double proof_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static inline bool proof_collect(void *context, int32_t id, const int32_t **forced,
                                 size_t *n_forced)
{
    static const int32_t ids[] = {7, 11, 7, 13};
    struct proof_answer *answer = context;

    if (answer->n == 0)
        answer->begin = proof_now();
    answer->ids[answer->n++] = id;
    if (answer->policy && policy_token_source(answer->policy) != POLICY_SOURCE_NONE)
        answer->n_proposed++;
    if (answer->n == answer->force_at) {
        *forced = ids;
        *n_forced = sizeof ids / sizeof *ids;
    }
    return true;
}

static inline struct sampling proof_sampling(size_t round)
{
    static const float temperatures[] = {0, 0.7f, 1.3f};
    struct sampling sampling = {.temperature = temperatures[round % 3],
                                .top_k = round % 3 == 1 ? 40 : 0,
                                .top_p = round % 3 == 1 ? 0.95f : 1,
                                .repetition_penalty = 1};

    if (round / 3 % 2) {
        sampling.repetition_penalty = 1.1f;
        sampling.presence_penalty = 0.5f;
        sampling.frequency_penalty = 0.1f;
    }
    return sampling;
}

/*
 * One answer from `start`, whose last token is still to come; kind POLICY_KIND_COUNT: without a
 * policy.  *end: the state behind it.
 */
static inline enum status proof_answer(struct proof *proof, size_t round, size_t kind,
                                       const struct snapshot *start, int32_t last,
                                       struct proof_answer *answer, struct snapshot **end,
                                       struct error *error)
{
    const size_t threads = round / 12 % PROOF_THREADS;
    struct session *session = proof->session[threads];
    const struct generation generation = {
        .sampling = proof_sampling(round),
        .noise_seed = round + 1,
        .max_tokens = proof->n_tokens,
        .ignore_stop = !proof->stops,
        .sink = proof_collect,
        .context = answer,
        .policy = kind < POLICY_KIND_COUNT ? proof->policy[threads][kind] : NULL};
    struct generation_result result;
    enum status status = session_restore(session, start, error);

    *answer = (struct proof_answer){.force_at = round / 6 % 2 ? proof->n_tokens / 3 : 0,
                                    .policy = generation.policy};
    if (status == STATUS_OK)
        status = session_generate(session, &last, 1, &generation, NULL, &result, error);
    if (status != STATUS_OK)
        return status;
    proof->seconds[kind] += proof_now() - answer->begin;
    proof->tokens[kind] += answer->n - 1;
    return session_snapshot(session, end, error);
}

static inline void proof_compare(struct proof *proof, size_t round, size_t kind,
                                 const struct proof_answer *plain,
                                 const struct proof_answer *other, bool same_state)
{
    size_t at = 0;

    proof->n_compared += plain->n;
    proof->n_states++;
    while (at < plain->n && at < other->n && plain->ids[at] == other->ids[at])
        at++;
    if (at == plain->n && at == other->n && same_state)
        return;
    if (proof->difference[0] == '\0')
        snprintf(
            proof->difference, sizeof proof->difference,
            "round %zu, %s: %zu tokens, plain %zu; the first %zu are the same, the state %s",
            round, policy_kind_name((enum policy_kind)kind), other->n, plain->n, at,
            same_state ? "is" : "is not");
}

/* A prompt under the settings of a round, by all policies. */
static inline enum status proof_round(struct proof *proof, size_t round, const int32_t *prompt,
                                      size_t n_prompt, struct error *error)
{
    static struct proof_answer plain, other;
    const size_t threads = round / 12 % PROOF_THREADS;
    struct session *session = proof->session[threads];
    struct snapshot *start = NULL, *wanted = NULL, *end = NULL;
    enum status status;

    session_reset(session);
    status = session_eval(session, prompt, n_prompt - 1, 0, NULL, NULL, error);
    if (status == STATUS_OK)
        status = session_snapshot(session, &start, error);
    if (status == STATUS_OK)
        status = proof_answer(proof, round, POLICY_KIND_COUNT, start, prompt[n_prompt - 1],
                              &plain, &wanted, error);
    for (size_t kind = 0; kind < POLICY_KIND_COUNT && status == STATUS_OK; kind++) {
        if (!proof->policy[threads][kind])
            continue;
        status =
            proof_answer(proof, round, kind, start, prompt[n_prompt - 1], &other, &end, error);
        if (status == STATUS_OK)
            proof_compare(proof, round, kind, &plain, &other, snapshot_equal(wanted, end));
        snapshot_free(&end);
    }
    snapshot_free(&start);
    snapshot_free(&wanted);
    return status;
}

/* draft: NULL, or a model with the same vocabulary; also the model itself. */
static inline enum status proof_begin(struct proof *proof, const struct model *model,
                                      const struct model *draft, uint32_t n_context,
                                      struct error *error)
{
    enum status status = STATUS_OK;

    *proof = (struct proof){.model = model};
    for (int t = 0; t < PROOF_THREADS && status == STATUS_OK; t++) {
        const struct session_options options = {.n_threads = t + 1, .n_context = n_context};
        struct policy_parts parts = {NULL};
        status = session_new(&proof->session[t], model, &options, error);
        if (status == STATUS_OK && draft)
            status = session_new(&proof->draft[t], draft, &options, error);
        parts.session = proof->session[t];
        parts.draft = proof->draft[t];
        for (enum policy_kind kind = 0; kind < POLICY_KIND_COUNT && status == STATUS_OK;
             kind++) {
            const struct policy_settings settings = policy_defaults(kind);
            if ((kind == POLICY_SPECULATIVE && !draft) ||
                (kind == POLICY_MTP && !model_info(model)->n_mtp_layers))
                continue;
            status = policy_new(&proof->policy[t][kind], &settings, &parts, error);
        }
    }
    return status;
}

static inline void proof_end(struct proof *proof)
{
    for (int t = 0; t < PROOF_THREADS; t++) {
        for (int kind = 0; kind < POLICY_KIND_COUNT; kind++)
            policy_free(&proof->policy[t][kind]);
        session_free(&proof->session[t]);
        session_free(&proof->draft[t]);
    }
}

#endif
