/*
 * policy_settings.c - the defaults of each kind and the ranges of each key
 */
#include "engine/policy.h"

static const char *const KINDS[] = {"greedy", "ngram", "speculative", "mtp", "auto"};
static const char *const SOURCES[] = {"none", "ngram", "draft", "mtp"};
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
                  .disable_after_reject = true},
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
                .min_margin = 1.0f,
                .min_remaining = 16,
                .disable_after_reject = true},
        .automatic = {.budget = 0.03},
    };

    set_sources(&settings);
    if (kind == POLICY_AUTO) {
        settings.ngram.min_candidates = 8;
        settings.ngram.stage_min = settings.ngram.gamma + 1;
        settings.ngram.risk_gate = true;
    }
    return settings;
}

static enum status check_sources(const struct policy_settings *settings, struct error *error)
{
    bool seen[POLICY_SOURCE_COUNT] = {false};

    if (settings->n_sources > POLICY_SOURCE_COUNT - 1)
        return error_set(error, STATUS_USAGE, "sources: %u of them, at most %d",
                         settings->n_sources, POLICY_SOURCE_COUNT - 1);
    for (uint32_t i = 0; i < settings->n_sources; i++) {
        const unsigned source = settings->sources[i];
        if (source == POLICY_SOURCE_NONE || source >= POLICY_SOURCE_COUNT)
            return error_set(error, STATUS_USAGE, "sources: %u is none", source);
        if (seen[source])
            return error_set(error, STATUS_USAGE, "sources: %s is named twice",
                             SOURCES[source]);
        seen[source] = true;
    }
    return STATUS_OK;
}

static enum status check_reals(const struct policy_settings *s, struct error *error)
{
    if (!(s->mtp.min_margin >= 0 && s->mtp.min_margin <= 100))
        return error_set(error, STATUS_USAGE, "mtp.min_margin: %g is not in 0 .. 100",
                         (double)s->mtp.min_margin);
    if (!(s->automatic.budget >= 0 && s->automatic.budget <= 1))
        return error_set(error, STATUS_USAGE, "auto.budget: %g is not in 0 .. 1",
                         s->automatic.budget);
    return STATUS_OK;
}

enum status policy_check(const struct policy_settings *s, struct error *error)
{
    const struct {
        const char *key;
        uint32_t value, least, most;
    } whole[] = {
        {"kind", s->kind, 0, POLICY_KIND_COUNT - 1},
        {"verify", s->verify, 0, POLICY_VERIFY_COUNT - 1},
        {"decay", s->decay, 0, 1000000},
        {"ngram.gamma", s->ngram.gamma, 1, POLICY_MAX_CANDIDATES},
        {"ngram.min", s->ngram.min, 1, 64},
        {"ngram.max", s->ngram.max, s->ngram.min, 64},
        {"ngram.min_candidates", s->ngram.min_candidates, 0, POLICY_MAX_CANDIDATES},
        {"ngram.stage_min", s->ngram.stage_min, 0, POLICY_MAX_CANDIDATES + 1},
        {"ngram.stage", s->ngram.stage, 1, POLICY_MAX_CANDIDATES},
        {"ngram.risk_min_size", s->ngram.risk_min_size, 1, POLICY_MAX_CANDIDATES},
        {"speculative.gamma", s->speculative.gamma, 1, POLICY_MAX_CANDIDATES},
        {"speculative.max_gamma", s->speculative.max_gamma, s->speculative.gamma,
         POLICY_MAX_CANDIDATES},
        {"speculative.grow_streak", s->speculative.grow_streak, 1, 1000},
        {"speculative.fast_grow_from", s->speculative.fast_grow_from, 1, 1000},
        {"speculative.fallback_gamma", s->speculative.fallback_gamma, 1, POLICY_MAX_CANDIDATES},
        {"speculative.bootstrap_gamma", s->speculative.bootstrap_gamma, 0,
         POLICY_MAX_CANDIDATES},
        {"speculative.bootstrap_streak", s->speculative.bootstrap_streak, 1, 1000},
        {"mtp.gamma", s->mtp.gamma, 1, POLICY_MAX_CANDIDATES},
        {"mtp.stage", s->mtp.stage, 1, s->mtp.gamma},
        {"mtp.min_remaining", s->mtp.min_remaining, 0, 1000000},
    };
    enum status status = STATUS_OK;

    for (size_t i = 0; i < sizeof whole / sizeof *whole; i++)
        if (whole[i].value < whole[i].least || whole[i].value > whole[i].most)
            return error_set(error, STATUS_USAGE, "%s: %u is not in %u .. %u", whole[i].key,
                             whole[i].value, whole[i].least, whole[i].most);
    status = check_sources(s, error);
    return status == STATUS_OK ? check_reals(s, error) : status;
}
