/*
 * policy_settings.c - names, and the defaults of each kind
 */
#include "engine/policy.h"

static const char *const KINDS[] = {"greedy", "ngram", "speculative", "mtp", "auto"};
static const char *const SOURCES[] = {"none", "ngram", "draft", "mtp"};
static const char *const VERIFIES[] = {"chunk-inplace", "serial", "hybrid"};
static const char *const STATES[] = {"PLAIN", "PROBING",  "DRAFTING",
                                     "GATED", "FALLBACK", "COOLDOWN"};

const char *policy_kind_name(enum policy_kind kind)
{
    return KINDS[kind];
}

const char *policy_source_name(enum policy_source source)
{
    return SOURCES[source];
}

const char *policy_verify_name(enum policy_verify verify)
{
    return VERIFIES[verify];
}

const char *policy_state_name(enum policy_state state)
{
    return STATES[state];
}

static void set_sources(struct policy_settings *settings)
{
    switch (settings->kind) {
    case POLICY_NGRAM: settings->sources[settings->n_sources++] = POLICY_SOURCE_NGRAM; break;
    case POLICY_SPECULATIVE:
        settings->sources[settings->n_sources++] = POLICY_SOURCE_DRAFT;
        break;
    case POLICY_MTP: settings->sources[settings->n_sources++] = POLICY_SOURCE_MTP; break;
    case POLICY_AUTO:
        settings->sources[settings->n_sources++] = POLICY_SOURCE_NGRAM;
        settings->sources[settings->n_sources++] = POLICY_SOURCE_DRAFT;
        settings->sources[settings->n_sources++] = POLICY_SOURCE_MTP;
        break;
    default: break;
    }
}

struct policy_settings policy_defaults(enum policy_kind kind)
{
    struct policy_settings settings = {
        .kind = kind,
        .verify = POLICY_VERIFY_CHUNK_INPLACE,
        .decay = 64,
        .ngram = {.gamma = 32,
                  .min = 6,
                  .max = 8,
                  .stage = 4,
                  .risk_min_size = 16,
                  .risk_tightened = true,
                  .recursive = true,
                  .disable_after_reject = true,
                  .corridor_min_size = 4,
                  .corridor_match_length = 8,
                  .corridor_lag4 = 0.25,
                  .corridor_lag8 = 2,
                  .corridor_entropy = 0.6},
        .speculative = {.gamma = 4,
                        .max_gamma = 32,
                        .grow_streak = 2,
                        .fast_grow_from = 8,
                        .fallback = true,
                        .fallback_gamma = 2,
                        .bootstrap_streak = 1,
                        .early_reject = true},
        .mtp = {.gamma = 4,
                .stage = 2,
                .min_margin = 1,
                .min_remaining = 16,
                .disable_after_reject = true},
        .automatic = {.budget = 0.03},
    };

    set_sources(&settings);
    if (kind == POLICY_AUTO) {
        settings.ngram.min_candidates = 8;
        settings.ngram.stage_min = settings.ngram.gamma + 1;
        settings.ngram.risk_gate = settings.ngram.corridor = true;
        settings.mtp.min_margin = 0; /* the account judges */
    }
    return settings;
}
