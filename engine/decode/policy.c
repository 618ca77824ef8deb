/*
 * policy.c - a policy of a session: the loop with its targets
 */
#include "engine/decode/policy_internal.h"

#include "engine/file/checked.h"
#include "engine/model/model_internal.h"
#include "engine/run/run_clock.h"
#include "engine/state/session_internal.h"
#include "engine/text/vocabulary.h"

#include <stdlib.h>
#include <string.h>

static double monotonic_seconds(void *context)
{
    (void)context;
    return (double)run_clock_now() * 1e-9;
}

static bool has_block(const struct session *session)
{
    return model_hyperparameters(session->model)->n_mtp > 0;
}

static enum status check_parts(const struct policy_settings *settings,
                               const struct policy_parts *parts, struct error *error)
{
    enum status status = policy_check(settings, error);

    if (status != STATUS_OK)
        return status;
    if (parts->draft && parts->draft == parts->session)
        return error_set(error, STATUS_USAGE, "a session cannot draft for itself");
    if (settings->kind == POLICY_SPECULATIVE && !parts->draft && !parts->script)
        return error_set(error, STATUS_USAGE, "speculative: there is no draft model");
    if (settings->kind == POLICY_MTP && !has_block(parts->session))
        return error_set(error, STATUS_USAGE,
                         "mtp: the model has no block for the token after next");
    return STATUS_OK;
}

/* A draft's ids have to mean what the model's mean: the first one that does not is named. */
static enum status check_vocabularies(const struct model *model, const struct model *draft,
                                      struct error *error)
{
    const struct vocabulary *a = model_vocabulary(draft), *b = model_vocabulary(model);
    const uint32_t n_draft = model_info(draft)->n_vocab, n = model_info(model)->n_vocab;

    if (n_draft != n)
        return error_set(error, STATUS_USAGE,
                         "the draft model has %u tokens, the model %u: it needs the same",
                         n_draft, n);
    for (int32_t id = 0; a != b && a && b && (uint32_t)id < n; id++) {
        size_t n_a, n_b;
        const char *text_a = vocabulary_bytes(a, id, &n_a),
                   *text_b = vocabulary_bytes(b, id, &n_b);
        if (n_a != n_b || memcmp(text_a, text_b, n_a) != 0)
            return error_set(error, STATUS_USAGE,
                             "the draft model has another vocabulary: its token %d is '%.40s', "
                             "the model's '%.40s'",
                             id, text_a, text_b);
        if (vocabulary_kind(a, id) != vocabulary_kind(b, id))
            return error_set(
                error, STATUS_USAGE,
                "the draft model has another vocabulary: its token %d, '%.40s', is "
                "of another kind",
                id, text_a);
        if (vocabulary_is_stop(a, id) != vocabulary_is_stop(b, id))
            return error_set(error, STATUS_USAGE,
                             "the draft model has another vocabulary: only one of them ends an "
                             "answer at token %d, '%.40s'",
                             id, text_a);
    }
    return STATUS_OK;
}

enum status policy_set(struct policy *policy, const struct policy_settings *settings,
                       struct error *error)
{
    const enum status status = check_parts(settings, &policy->parts, error);

    if (status == STATUS_OK)
        decode_set(&policy->decode, settings);
    return status;
}

enum status policy_new(struct policy **out, const struct policy_settings *settings,
                       const struct policy_parts *parts, struct error *error)
{
    struct policy *policy;
    struct decode_target target, draft;
    struct mtp_proposer block;
    enum status status = check_parts(settings, parts, error);

    *out = NULL;
    if (status == STATUS_OK && parts->draft)
        status = check_vocabularies(parts->session->model, parts->draft->model, error);
    if (status != STATUS_OK)
        return status;
    policy = checked_allocate_zeroed(1, sizeof *policy);
    if (!policy)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a policy");
    policy->parts = *parts;
    target = session_target(parts->session);
    if (parts->draft)
        draft = session_target(parts->draft);
    if (has_block(parts->session))
        block = session_block(parts->session);
    status = decode_init(&policy->decode, settings,
                         &(struct decode_parts){
                             .target = &target,
                             .sampler = &parts->session->sampler,
                             .row = parts->session->head.rows,
                             .draft = parts->draft ? &draft : NULL,
                             .script = parts->script,
                             .mtp = has_block(parts->session) ? &block : NULL,
                             .clock = parts->clock ? parts->clock : monotonic_seconds,
                             .clock_context = parts->clock_context,
                         },
                         session_context(parts->session), error);
    *out = policy;
    if (status != STATUS_OK)
        policy_free(out);
    return status;
}

enum status policy_set_draft(struct policy *policy, struct session *draft, struct error *error)
{
    struct decode *decode = &policy->decode;
    struct policy_parts parts = policy->parts;
    struct draft_source source = {.progress = decode->draft.progress,
                                  .progress_context = decode->draft.progress_context};
    enum status status;

    parts.draft = draft;
    status = check_parts(&decode->next, &parts, error);
    if (status == STATUS_OK && draft)
        status = check_vocabularies(parts.session->model, draft->model, error);
    if (status == STATUS_OK && draft) {
        const struct decode_target target = session_target(draft);
        status = draft_source_init(&source, &target, error);
        source.progress = decode->draft.progress;
        source.progress_context = decode->draft.progress_context;
    }
    if (status != STATUS_OK)
        return status;
    draft_source_release(&decode->draft);
    decode->draft = source;
    decode->is_there[POLICY_SOURCE_DRAFT] = draft || decode->script;
    policy->parts = parts;
    return STATUS_OK;
}

void policy_free(struct policy **policy)
{
    if (!policy || !*policy)
        return;
    decode_release(&(*policy)->decode);
    free(*policy);
    *policy = NULL;
}

bool policy_fits(const struct policy *policy, const struct session *session)
{
    return policy->parts.session == session;
}

enum status policy_run(struct policy *policy, const struct generation *generation,
                       struct generation_result *result, struct error *error)
{
    return decode_run(&policy->decode, generation, result, error);
}

const struct policy_statistics *policy_statistics(const struct policy *policy)
{
    return &policy->decode.statistics;
}

void policy_reset_statistics(struct policy *policy)
{
    const struct policy_statistics *before = &policy->decode.statistics;

    /* What a plain step costs was measured: that goes on, with its age. */
    policy->decode.statistics = (struct policy_statistics){.state = POLICY_PLAIN,
                                                           .plain_step = before->plain_step,
                                                           .plain_age = before->plain_age};
}

void policy_set_trace(struct policy *policy, policy_trace trace, void *context)
{
    policy->decode.trace = trace;
    policy->decode.trace_context = context;
}

void policy_set_progress(struct policy *policy,
                         void (*progress)(void *context, size_t done, size_t total),
                         void *context)
{
    policy->decode.draft.progress = progress;
    policy->decode.draft.progress_context = context;
}

enum policy_source policy_token_source(const struct policy *policy)
{
    return policy->decode.token_source;
}
