/*
 * decode.h - one loop for all policies: propose, verify, accept
 *
 * Boundary: when decode_run() returns, the target has consumed all tokens that the sink was given
 * but the last; with STOP_TOKEN all of them.  That is what plain decoding leaves, whatever was
 * proposed: of a pass only the rows that lead to the last token are accepted.
 *
 * Thread: that of the target.
 */
#ifndef ENGINE_DECODE_DECODE_H
#define ENGINE_DECODE_DECODE_H

#include "engine/decode/auto_policy.h"
#include "engine/decode/draft_source.h"
#include "engine/decode/mtp_source.h"
#include "engine/decode/ngram.h"
#include "engine/policy.h"
#include "engine/session.h"

struct decode_parts {
    const struct decode_target *target;
    struct sampler *sampler;
    struct head_row *row;               /* for plain steps, with memory for every strategy */
    const struct decode_target *draft;  /* NULL: none */
    const struct policy_script *script; /* NULL, or borrows: stands for the draft */
    const struct mtp_proposer *mtp;     /* NULL: none */
    double (*clock)(void *context);     /* seconds; NULL: time is not measured */
    void *clock_context;
};

struct proposal {
    enum policy_source source;
    int32_t ids[POLICY_MAX_CANDIDATES];
    uint32_t n, at; /* ids[at ..] are still to be compared */
    uint32_t stage; /* candidates of a pass */
};

struct decode {
    struct policy_settings settings, next;
    bool switches; /* `next` takes the place of `settings` with the next pass */
    struct decode_target target;
    struct sampler *sampler; /* borrows, as row */
    struct head_row *row;
    double (*clock)(void *context);
    void *clock_context;
    struct policy_statistics statistics;
    policy_trace trace;
    void *trace_context;
    enum policy_source token_source; /* of the token that the sink has now */
    /* What follows is not there without the means of speculation. */
    struct head_rows rows;    /* of a pass: POLICY_MAX_CANDIDATES + 1 */
    struct ngram_index index; /* owns; the text, for every source */
    struct draft_source draft;
    const struct policy_script *script; /* NULL, or borrows: instead of the draft */
    double virtual_seconds;             /* that the scripted draft has cost */
    struct mtp_source mtp;
    bool is_there[POLICY_SOURCE_COUNT];
    struct auto_policy automatic;
    /* Of this generation. */
    struct proposal proposal;
    uint32_t n_proposals;
    uint32_t cooldown[POLICY_SOURCE_COUNT]; /* plain tokens; 0: on, OFF_FOR_GOOD */
    uint32_t gamma, streak;                 /* of the draft */
    bool growth_allowed;
};

/* Greedy for good, without the means of speculation: nothing is allocated. */
void decode_init_plain(struct decode *out, const struct decode_parts *parts);
/* For a target of at most n_context positions.  settings were checked. */
enum status decode_init(struct decode *out, const struct policy_settings *settings,
                        const struct decode_parts *parts, uint32_t n_context,
                        struct error *error);
/* Checked settings, from the next pass on. */
void decode_set(struct decode *decode, const struct policy_settings *settings);
void decode_release(struct decode *decode);
/* Seconds by the clock, with those that a scripted draft would have taken. */
double decode_now(const struct decode *decode);

/*
 * Choose token after token; decode_parts.row is the one behind the target's last token, as
 * sampler_ask() wants it of a sampler that counts nothing.
 * Contract of generation and result: session_generate().
 */
enum status decode_run(struct decode *decode, const struct generation *generation,
                       struct generation_result *result, struct error *error);

#endif
