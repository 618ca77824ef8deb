/*
 * policy_internal.h - the inside of a policy at work
 */
#ifndef ENGINE_DECODE_POLICY_INTERNAL_H
#define ENGINE_DECODE_POLICY_INTERNAL_H

#include "engine/decode/decode.h"

struct policy {
    struct policy_parts parts; /* borrows what is in it */
    struct decode decode;
};

bool policy_fits(const struct policy *policy, const struct session *session);
/* The session's row is the one behind its last token, as decode_run() wants it. */
enum status policy_run(struct policy *policy, const struct generation *generation,
                       struct generation_result *result, struct error *error);

#endif
