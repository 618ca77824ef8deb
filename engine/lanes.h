/*
 * lanes.h - several independent sequences, one token each, in one pass
 *
 * The weights are read once for all of them.  By the law each gets the logits and the state that
 * session_eval() of its token would have given, whoever runs beside it.
 *
 * Thread: that of the sessions, all the same; the first one's worker pool computes.
 */
#ifndef ENGINE_LANES_H
#define ENGINE_LANES_H

#include "engine/session.h"

enum { LANES_MAX = 32 };

/*
 * Consume tokens[i] in sessions[i], [n_lanes], all of one model, K/V type and kernel level, no
 * session twice.  logits [n_lanes][n_vocab]; NULL: not wanted.
 * All commit or none.  Errors: USAGE (sessions do not fit; token out of range), CONTEXT_FULL,
 * CANCELLED, FAILED, NO_MEMORY.
 */
enum status lanes_step(struct session *const *sessions, uint32_t n_lanes, const int32_t *tokens,
                       float *logits, const atomic_bool *cancel, struct error *error);

struct lane_generation {
    struct generation generation; /* its policy is not used; its sink may force tokens */
    struct generation_result result;
};

/*
 * Generate in all of them until each has ended, as session_generate() would one by one; the
 * prompts have been consumed all but for one token, `last[i]`, [n_lanes].  A lane that ended takes
 * no part any more.  cancel of the first lane counts for all; CANCELLED: before the first token,
 * and the sessions are what they were.  Other errors: as lanes_step(); what a sink was given is
 * consumed then, or all but the last token.
 */
enum status lanes_generate(struct session *const *sessions, uint32_t n_lanes,
                           const int32_t *last, struct lane_generation *lanes,
                           struct error *error);

#endif
