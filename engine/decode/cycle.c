/*
 * cycle.c - what one pass adds to the statistics, to auto's account and to a trace
 */
#include "engine/decode/cycle.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void cycle_say(struct decode_cycle *cycle, enum policy_state state, const char *format, ...)
{
    va_list arguments;

    cycle->told.state = state;
    va_start(arguments, format);
    vsnprintf(cycle->reason, sizeof cycle->reason, format, arguments);
    va_end(arguments);
}

void cycle_count(struct decode *decode, bool accepted)
{
    const struct proposal *proposal = &decode->proposal;
    struct policy_statistics *s = &decode->statistics;
    struct policy_count *count = &s->by_source[proposal->source];

    s->position_verified[proposal->at]++;
    if (accepted) {
        s->accepted++;
        count->accepted++;
        s->position_accepted[proposal->at]++;
    }
}

static void count_plain_step(struct decode *decode, double seconds)
{
    enum { RECENT = 5 }; /* the newest step weighs a fifth */
    struct policy_statistics *s = &decode->statistics;

    s->plain_seconds += seconds;
    s->plain_step =
        s->plain_step == 0 ? seconds : s->plain_step + (seconds - s->plain_step) / RECENT;
    s->plain_steps++;
    s->plain_age = 0;
}

static void count_verified(struct decode *decode, enum policy_source source,
                           const struct decode_rows *rows, uint32_t n_verified)
{
    struct policy_statistics *s = &decode->statistics;

    s->passes++;
    s->pass_tokens += rows->n_emitted;
    s->plain_age += rows->n_emitted;
    s->verified += n_verified;
    s->rejected += n_verified - rows->n_accepted;
    s->by_source[source].verified += n_verified;
}

void cycle_tell(struct decode *decode, struct decode_cycle *cycle,
                const struct decode_rows *rows, uint32_t n_verified, double seconds,
                double rollback)
{
    struct policy_statistics *s = &decode->statistics;
    struct policy_cycle *told = &cycle->told;
    const bool is_plain = n_verified == 0;

    told->emitted = rows->n_emitted;
    told->accepted = rows->n_accepted;
    told->verified += n_verified;
    told->rollback_seconds = rollback;
    *(is_plain ? &told->plain_seconds : &told->verify_seconds) = seconds;
    if (!told->decision)
        told->decision = is_plain ? "plain" : "verify";
    told->reason = cycle->reason;
    s->cycles++;
    s->state = told->state;
    memcpy(s->reason, cycle->reason, sizeof s->reason);
    s->draft_seconds += told->draft_seconds;
    s->rollback_seconds += rollback;
    if (is_plain) {
        count_plain_step(decode, seconds);
    } else {
        count_verified(decode, told->source, rows, n_verified);
        s->verify_seconds += seconds;
        s->wasted_verify += seconds * (rows->n - rows->n_consumed) / rows->n;
    }
    if (decode->trace)
        decode->trace(decode->trace_context, told);
}

void cycle_book(struct decode *decode, const struct decode_cycle *cycle,
                const struct decode_rows *rows, uint32_t n_rows, double seconds)
{
    if (n_rows == 0)
        auto_policy_plain(&decode->automatic, seconds);
    else
        auto_policy_verified(&decode->automatic, cycle->told.source, n_rows,
                             rows->n_accepted < n_rows ? rows->n_accepted : n_rows,
                             rows->n_emitted, seconds);
}
