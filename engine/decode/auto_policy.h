/*
 * auto_policy.h - what pays, from measured costs, on an account
 *
 * The account holds, in seconds, a share (the budget, 3 %) of what plain decoding of all tokens so
 * far would have taken, plus what speculation has earned, less what it has lost; reading that a
 * draft has to catch up with counts as lost.  What it has goes on from answer to answer, so that
 * short ones gain as well; what it owes ends with the answer.  But an answer may not lose more than
 * its own share; one that is shorter than AUTO_ANSWER tokens counts as that long.  A pass is tried
 * only when both cover the case that nothing is accepted, by an estimate that is at least its
 * cost.  So no answer is slower than plain by more than the budget and the error of one estimate.
 *
 * Among the passes that are covered, the one with the most tokens a second by expectation wins.
 * Everything that was measured fades and is forgotten, so that a source that failed is tried
 * again.  A machine that is held up once in a while is forgiven: the excess of a single pass is
 * not charged.
 */
#ifndef ENGINE_DECODE_AUTO_POLICY_H
#define ENGINE_DECODE_AUTO_POLICY_H

#include <stdbool.h>

#include "engine/policy.h"

/* A cost in seconds. */
struct measured_cost {
    double mean;  /* recent ones count more */
    double high;  /* a fading maximum */
    double trust; /* 1 when measured, less with every plain token */
    uint64_t n;   /* 0: not known, or forgotten */
};

enum { AUTO_ANSWER = 128 };

struct auto_policy {
    bool is_on; /* the account is kept; costs are measured whoever decides */
    double budget, account;
    double lost;           /* by this answer; negative: gained */
    uint64_t n_tokens;     /* of this answer */
    uint64_t since_excess; /* tokens since a cost was far above its estimate */
    uint64_t since_plain;  /* tokens since a plain step was measured */
    struct measured_cost plain;
    struct measured_cost verify[POLICY_MAX_CANDIDATES + 1]; /* by candidates; [0] is plain */
    struct measured_cost draft[POLICY_SOURCE_COUNT];        /* of one candidate */
    struct measured_cost read;                              /* of one token */
    /* Evidence of acceptance behind accepted candidates. */
    double tried[POLICY_SOURCE_COUNT][POLICY_MAX_CANDIDATES];
    double right[POLICY_SOURCE_COUNT][POLICY_MAX_CANDIDATES];
    double fade; /* of evidence, for each plain token */
    char reason[96];
};

struct auto_choice {
    enum policy_source source; /* NONE: a plain step */
    uint32_t n;                /* candidates */
    enum policy_state state;   /* of a plain step */
};

void auto_policy_init(struct auto_policy *policy);
/* Another budget or decay; what was measured stays.  is_on: it decides from now on. */
void auto_policy_set(struct auto_policy *policy, bool is_on, double budget, uint32_t decay);
/* An answer begins, or the part of it that auto decides on. */
void auto_policy_begin(struct auto_policy *policy);
/* most: candidates that each source may propose; 0: it has none. */
struct auto_choice auto_policy_choose(struct auto_policy *policy,
                                      const uint32_t most[POLICY_SOURCE_COUNT]);
/*
 * Tokens that the account lets a draft read now, of n_missing: it must cover a trial as well, else
 * the reading is for nothing.  n_without: candidates that the model's own block may propose, which
 * needs no reading.
 */
uint32_t auto_policy_may_read(const struct auto_policy *policy, uint32_t n_missing,
                              uint32_t n_without);

/* What happened: a plain step; candidates drafted; a pass; tokens that a draft read. */
void auto_policy_plain(struct auto_policy *policy, double seconds);
void auto_policy_drafted(struct auto_policy *policy, enum policy_source source, uint32_t n,
                         double seconds);
/* n verified, n_accepted of them right; n_tokens came out. */
void auto_policy_verified(struct auto_policy *policy, enum policy_source source, uint32_t n,
                          uint32_t n_accepted, uint32_t n_tokens, double seconds);
/* The first candidate of a source was wrong before a row was spent on it. */
void auto_policy_missed(struct auto_policy *policy, enum policy_source source);
void auto_policy_read(struct auto_policy *policy, uint32_t n_tokens, double seconds);

#endif
