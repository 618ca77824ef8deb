/*
 * policy_statistics.c - figures from counters
 */
#include "engine/policy.h"

static double ratio(double a, double b)
{
    return b > 0 ? a / b : 0;
}

double policy_acceptance(const struct policy_statistics *s)
{
    return ratio((double)s->accepted, (double)s->verified);
}

double policy_mean_length(const struct policy_statistics *s)
{
    return ratio((double)s->pass_tokens, (double)s->passes);
}

/* Passes, and what was drafted for them. */
static double speculation_seconds(const struct policy_statistics *s)
{
    return s->draft_seconds + s->verify_seconds + s->rollback_seconds;
}

double policy_speedup(const struct policy_statistics *s)
{
    if (s->passes == 0)
        return 0;
    return ratio((double)s->pass_tokens * s->plain_step, speculation_seconds(s));
}

double policy_break_even(const struct policy_statistics *s)
{
    return ratio(ratio(speculation_seconds(s), (double)s->passes), s->plain_step);
}
