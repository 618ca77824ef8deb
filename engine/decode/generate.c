/*
 * generate.c - the prompt, then the loop of the policy
 */
#include "engine/decode/policy_internal.h"
#include "engine/state/session_internal.h"

enum status session_generate(struct session *session, const int32_t *prompt, size_t n_prompt,
                             const struct generation *generation,
                             const struct session_hooks *hooks,
                             struct generation_result *result, struct error *error)
{
    const struct decode_target plain = session_target(session);
    const struct decode_parts parts = {
        .target = &plain, .sampler = &session->sampler, .row = session->head.rows};
    struct decode decode;
    enum status status;

    *result = (struct generation_result){.reason = STOP_LENGTH, .stop_token = -1};
    if (n_prompt == 0)
        return error_set(error, STATUS_USAGE, "nothing to continue: the prompt is empty");
    if (generation->policy && !policy_fits(generation->policy, session))
        return error_set(error, STATUS_USAGE, "the policy belongs to another session");
    sampler_begin(&session->sampler);
    sampler_ask(&session->sampler, &generation->sampling, NULL, 0, session->head.rows);
    status = session_eval_rows(session, prompt, n_prompt, 1, session->head.rows, hooks, error);
    if (status != STATUS_OK)
        return status;
    if (generation->policy)
        return policy_run(generation->policy, generation, result, error);
    decode_init_plain(&decode, &parts);
    return decode_run(&decode, generation, result, error);
}
