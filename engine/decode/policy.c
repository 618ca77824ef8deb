/*
 * policy.c - a policy of a session: the loop with its targets
 */
#include "engine/decode/policy_internal.h"

#include "engine/file/checked.h"
#include "engine/model/model_internal.h"
#include "engine/run/run_clock.h"
#include "engine/state/session_internal.h"

#include <stdlib.h>

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
    const struct model_info *info = model_info(parts->session->model);
    enum status status = policy_check(settings, error);

    if (status != STATUS_OK)
        return status;
    if (parts->draft && parts->draft == parts->session)
        return error_set(error, STATUS_USAGE, "a session cannot draft for itself");
    if (parts->draft && model_info(parts->draft->model)->n_vocab != info->n_vocab)
        return error_set(error, STATUS_USAGE,
                         "the draft model has %u tokens, the model %u: it needs the same",
                         model_info(parts->draft->model)->n_vocab, info->n_vocab);
    if (settings->kind == POLICY_SPECULATIVE && !parts->draft && !parts->script)
        return error_set(error, STATUS_USAGE, "speculative: there is no draft model");
    if (settings->kind == POLICY_MTP && !has_block(parts->session))
        return error_set(error, STATUS_USAGE,
                         "mtp: the model has no block for the token after next");
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
                             .logits = parts->session->logits,
                             .draft = parts->draft ? &draft : NULL,
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
    decode->is_there[POLICY_SOURCE_DRAFT] = draft != NULL;
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
    policy->decode.statistics = (struct policy_statistics){.state = POLICY_PLAIN};
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
