/*
 * policy.h - how tokens are proposed before the model has chosen them
 *
 * A pass of the model consumes the pending token (chosen, shown, not consumed) and behind it
 * candidates that a source proposed.  The sampler chooses at every row, with the noise of that
 * position; candidates are accepted as long as they equal the choice.  So the text is a function
 * of logits, settings and seed: a policy changes the speed and nothing else.
 *
 * Names of the settings are those of a policy's file.  Their values come from the systems that
 * measured them; `auto` differs where its comment says so.
 */
#ifndef ENGINE_POLICY_H
#define ENGINE_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct session;

enum { POLICY_MAX_CANDIDATES = 32 }; /* of a pass */

enum policy_kind {
    POLICY_GREEDY,      /* one token a pass */
    POLICY_NGRAM,       /* what followed the same words before */
    POLICY_SPECULATIVE, /* a smaller model drafts */
    POLICY_MTP,         /* the model's own block for the token after next */
    POLICY_AUTO,        /* what pays, on an account */
    POLICY_KIND_COUNT
};

enum policy_source {
    POLICY_SOURCE_NONE,
    POLICY_SOURCE_NGRAM,
    POLICY_SOURCE_DRAFT,
    POLICY_SOURCE_MTP,
    POLICY_SOURCE_COUNT
};

enum policy_verify {
    POLICY_VERIFY_CHUNK_INPLACE, /* all candidates of a stage in one pass */
    POLICY_VERIFY_SERIAL,        /* one row a pass, to compare with */
    POLICY_VERIFY_HYBRID,        /* serial for the first proposal of an answer */
    POLICY_VERIFY_COUNT
};

struct policy_settings {
    enum policy_kind kind;
    enum policy_verify verify;
    /* Asked in this order; the first that proposes is taken (auto: the one that pays best). */
    enum policy_source sources[POLICY_SOURCE_COUNT - 1];
    uint32_t n_sources;
    uint32_t decay; /* plain tokens until a source that was switched off is back; 0: never */
    struct {
        uint32_t gamma;          /* candidates of a proposal, at most */
        uint32_t min, max;       /* tokens that must have been seen before */
        uint32_t min_candidates; /* shorter proposals are dropped; auto 8 */
        uint32_t stage_min;      /* proposals of that many are verified in stages; 0: never */
        uint32_t stage;          /* candidates of a stage */
        bool risk_gate; /* proposals whose shape tends to fail switch it off; auto on */
        uint32_t risk_min_size;
        bool risk_tightened; /* the gate's later rules as well */
        bool recursive;      /* a short proposal is continued from itself */
        bool disable_after_reject;
        bool corridor;              /* only proposals that one of these speaks for; auto on */
        uint32_t corridor_min_size; /* candidates, at least; and one of: */
        uint32_t corridor_match_length;      /* tokens that were found again, at least */
        double corridor_lag4, corridor_lag8; /* share that repeats so far back, at least */
        double corridor_entropy;             /* of the candidates, 0 .. 1, at most */
    } ngram;
    struct {
        uint32_t gamma, max_gamma; /* candidates at first, and at most */
        uint32_t grow_streak;      /* full acceptances until gamma doubles */
        uint32_t fast_grow_from;   /* from this gamma one is enough */
        bool fallback;             /* plain steps after a rejection at a small gamma */
        uint32_t fallback_gamma;
        uint32_t bootstrap_gamma; /* 0: off; gamma after bootstrap_streak full acceptances */
        uint32_t bootstrap_streak;
        bool early_reject; /* no proposal where the draft missed the pending token */
    } speculative;
    struct {
        uint32_t gamma;         /* candidates of a pass after a stage that was accepted */
        uint32_t stage;         /* of a first one */
        double min_margin;      /* first candidate's logit over the second, at least; auto 0 */
        uint32_t min_remaining; /* tokens still wanted, at least */
        bool disable_after_reject;
    } mtp;
    struct {
        double budget; /* of the plain decode time, that may be lost */
    } automatic;
};

struct policy_settings policy_defaults(enum policy_kind kind);

/*
 * The keys of a policy's file, in the order of the manual: "kind", "verify", "sources", "decay",
 * "ngram.gamma" ...  One table for the file, /policy, the manual's test and policy_check().
 */
enum policy_value {
    POLICY_VALUE_NAME,
    POLICY_VALUE_FLAG,
    POLICY_VALUE_COUNT,
    POLICY_VALUE_REAL
};
struct policy_key {
    const char *name;        /* "ngram.gamma" */
    const char *argument;    /* "TOKENS", "true|false", "greedy|ngram|..." */
    double minimum, maximum; /* of numbers; equal: none */
    const char *help;        /* one line: what it trades */
    enum policy_value type;
    size_t offset; /* in struct policy_settings */
};
const struct policy_key *policy_keys(size_t *n_keys);
/*
 * Set one key from text; "kind" sets the defaults of that kind and has to come first.  sources:
 * names with commas or blanks between them.  Errors: USAGE: no such key, or a value that does not
 * fit, with what would.
 */
enum status policy_set_key(struct policy_settings *settings, const char *name,
                           const char *value, struct error *error);
/* The value as text; terminated; returns buffer. */
const char *policy_get_key(const struct policy_settings *settings, const char *name,
                           char *buffer, size_t n_bytes);
/* USAGE: the key that is out of range, and its range. */
enum status policy_check(const struct policy_settings *settings, struct error *error);
const char *policy_kind_name(enum policy_kind kind);
const char *policy_source_name(enum policy_source source);
const char *policy_verify_name(enum policy_verify verify);

/* Statistics ------------------------------------------------------------------------------- */

enum policy_state {
    POLICY_PLAIN,    /* one token a pass: the policy, or nothing to propose */
    POLICY_PROBING,  /* costs are being measured */
    POLICY_DRAFTING, /* the last pass verified candidates */
    POLICY_GATED,    /* there was a proposal; it was not worth it */
    POLICY_FALLBACK, /* drafting failed: plain until it is tried again */
    POLICY_COOLDOWN  /* a source is off for `cooldown` more plain tokens */
};
const char *policy_state_name(enum policy_state state);

struct policy_count {
    uint64_t proposed, verified, accepted;
};

/*
 * emitted = accepted + corrections + bonus + plain + forced
 * proposed = verified + ignored; verified = accepted + rejected.  A candidate is verified when a
 * row of a pass was computed for it, or when it was compared with a choice that was known already
 * (early rejection).
 */
struct policy_statistics {
    enum policy_state state;
    uint32_t cooldown;
    char reason[96]; /* of the state */
    uint64_t emitted, accepted, corrections, bonus, plain, forced;
    uint64_t cycles;      /* passes of the model */
    uint64_t passes;      /* those that verified candidates */
    uint64_t pass_tokens; /* tokens that came from these */
    uint64_t proposed, verified, rejected, ignored, early_rejected;
    uint64_t fallbacks; /* times that a source was switched off */
    struct policy_count by_source[POLICY_SOURCE_COUNT];
    uint64_t position_verified[POLICY_MAX_CANDIDATES];
    uint64_t position_accepted[POLICY_MAX_CANDIDATES];
    uint64_t lengths[POLICY_MAX_CANDIDATES + 1]; /* proposals by accepted candidates */
    double draft_seconds, verify_seconds, rollback_seconds, plain_seconds;
    uint64_t plain_steps;
    double plain_step;    /* seconds of one now, recent ones count more; 0: none measured */
    uint64_t plain_age;   /* tokens since the last one that was measured */
    double wasted_verify; /* share of verify_seconds in rows that were rejected, seconds */
};

/* accepted / verified; 0: nothing was */
double policy_acceptance(const struct policy_statistics *statistics);
/* Tokens of a pass that verifies; 0: there was none. */
double policy_mean_length(const struct policy_statistics *statistics);
/* Time of plain steps for the tokens of these passes over their time; 0: not known. */
double policy_speedup(const struct policy_statistics *statistics);
/* The mean length at which passes like these cost as much as plain steps; 0: not known. */
double policy_break_even(const struct policy_statistics *statistics);

/* One pass of the model. */
struct policy_cycle {
    uint32_t position; /* tokens consumed before */
    enum policy_source source;
    enum policy_state state;
    uint32_t proposed; /* in this cycle; later stages of a proposal have none */
    uint32_t verified, accepted, emitted;
    double draft_seconds, verify_seconds, rollback_seconds, plain_seconds;
    const char *decision; /* "plain", "verify", "early reject" */
    const char *reason;   /* borrowed until the next cycle */
};

typedef void (*policy_trace)(void *context, const struct policy_cycle *cycle);

/* A policy at work ------------------------------------------------------------------------- */

struct policy;

/*
 * A draft for benches and tests: it knows what the target will say, costs what it is told to, and
 * is right with a chance, drawn from seed and position.
 */
struct policy_script {
    const int32_t *tokens; /* borrows; [n_tokens], what is generated, from first_position on */
    uint32_t n_tokens, first_position;
    double acceptance;        /* chance that a candidate is right, 0 .. 1 */
    double seconds_per_token; /* added to the clock's reading, not slept */
    uint64_t seed;
};

struct policy_parts {
    struct session *session; /* borrows; the one that generates */
    struct session *draft; /* NULL, or borrows: a session of a model with the same vocabulary */
    const struct policy_script *script; /* NULL, or borrows: stands for the draft model */
    double (*clock)(void *context);     /* NULL: the machine's; seconds */
    void *clock_context;
};

/*
 * A policy for a session; give it to struct generation.  Its statistics and measured costs go on
 * from one generation to the next.  Errors: USAGE (settings; another vocabulary; no draft where
 * the settings name one), NO_MEMORY.  Thread: that of the session.
 */
enum status policy_new(struct policy **out, const struct policy_settings *settings,
                       const struct policy_parts *parts, struct error *error);
void policy_free(struct policy **policy); /* NULL is allowed */
/*
 * Other settings from the next pass on, also from inside a sink: what was measured and counted
 * stays.  Errors: USAGE, as policy_new(); nothing is changed then.
 */
enum status policy_set(struct policy *policy, const struct policy_settings *settings,
                       struct error *error);
/*
 * Another draft from the next pass on, also from inside a sink; NULL: none.
 * Errors: USAGE (another vocabulary; NULL, and the settings name one), NO_MEMORY; nothing is
 * changed then.
 */
enum status policy_set_draft(struct policy *policy, struct session *draft, struct error *error);
/* While a draft that joined late catches up: told after each slice; NULL: nobody. */
void policy_set_progress(struct policy *policy,
                         void (*progress)(void *context, size_t done, size_t total),
                         void *context);
/* Inside a sink: who proposed this token; NONE: nobody did. */
enum policy_source policy_token_source(const struct policy *policy);
const struct policy_statistics *policy_statistics(const struct policy *policy);
void policy_reset_statistics(struct policy *policy);
void policy_set_trace(struct policy *policy, policy_trace trace, void *context);

#endif
