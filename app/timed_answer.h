/*
 * timed_answer.h - one prompt answered several times from the same state, with the time it took
 *
 * The prompt is read once; each answer begins with a copy of the state behind it, in the same
 * session, so that two policies meet the same memory and the same threads.  A draft model begins
 * empty each time: what it has to read counts in the time of the policy that wants it.
 *
 * Thread: that of the sessions.
 */
#ifndef APP_TIMED_ANSWER_H
#define APP_TIMED_ANSWER_H

#include "engine/policy.h"
#include "engine/session.h"

struct answer_start {
    struct session *session, *draft; /* borrows; draft may be NULL */
    struct snapshot *snapshot;       /* owned; behind all of the prompt but its last token */
    int32_t last;                    /* that token */
};

/* Read a prompt of n_ids (at least 1) tokens.  Errors: as session_eval(), NO_MEMORY. */
enum status answer_start_read(struct answer_start *out, struct session *session,
                              struct session *draft, const int32_t *ids, size_t n_ids,
                              const struct session_hooks *hooks, struct error *error);
void answer_start_release(struct answer_start *start);

struct timed_answer {
    int32_t *ids; /* owned; the token that ended it included */
    size_t n_ids, room;
    size_t n_tokens; /* without it */
    struct generation_result result;
    double first, seconds; /* to the first token; from there to the end */
    double rate;           /* tokens after the first in a second; 0: there were none */
    struct policy_statistics statistics; /* of this answer */
};

/*
 * Answer as `generation` says, whose sink, context and policy are set here.  policy: of
 * start->session; NULL: one token a pass.  With CANCELLED what came until then is in *out.
 */
enum status timed_answer_run(struct timed_answer *out, const struct answer_start *start,
                             struct policy *policy, const struct generation *generation,
                             struct error *error);
void timed_answer_release(struct timed_answer *answer);

/* What was counted between two readings of a policy; state and costs are those of `after`. */
struct policy_statistics policy_statistics_since(const struct policy_statistics *after,
                                                 const struct policy_statistics *before);
/* Counts and times of both; state and costs are those of `more`. */
void policy_statistics_add(struct policy_statistics *sum, const struct policy_statistics *more);

#endif
