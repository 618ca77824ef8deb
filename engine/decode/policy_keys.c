/*
 * policy_keys.c - the settings of a policy by name: one table for files, commands and checks
 */
#include "engine/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OFFSET(field) offsetof(struct policy_settings, field)
#define COUNT(name, least, most, argument, field, help)                                        \
    {                                                                                          \
        name, argument, least, most, help, POLICY_VALUE_COUNT, OFFSET(field)                   \
    }
#define REAL(name, least, most, field, help)                                                   \
    {                                                                                          \
        name, "NUMBER", least, most, help, POLICY_VALUE_REAL, OFFSET(field)                    \
    }
#define FLAG(name, field, help)                                                                \
    {                                                                                          \
        name, "true|false", 0, 0, help, POLICY_VALUE_FLAG, OFFSET(field)                       \
    }

static const struct policy_key KEYS[] = {
    {"kind", "greedy|ngram|speculative|mtp|auto", 0, 0,
     "which policy; the defaults of the other keys are those of the kind", POLICY_VALUE_NAME,
     OFFSET(kind)},
    {"verify", "chunk-inplace|serial|hybrid", 0, 0,
     "all candidates in one pass; one row a pass, to compare with; or serial for an answer's "
     "first proposal",
     POLICY_VALUE_NAME, OFFSET(verify)},
    {"sources", "ngram,draft,mtp", 0, 0,
     "who is asked, in this order; the first that proposes is taken (auto: what pays best)",
     POLICY_VALUE_NAME, OFFSET(sources)},
    COUNT("decay", 0, 1000000, "TOKENS", decay,
          "plain tokens until a source that was switched off is tried again; 0: not in this "
          "answer"),

    COUNT("ngram.gamma", 1, POLICY_MAX_CANDIDATES, "TOKENS", ngram.gamma,
          "candidates at most: more gain in repeated text, more lost when it ends"),
    COUNT("ngram.min", 1, 64, "TOKENS", ngram.min,
          "tokens that must have been seen before: fewer propose more often, and worse"),
    COUNT("ngram.max", 1, 64, "TOKENS", ngram.max,
          "longest match that is looked for; longer ones tell places apart better"),
    COUNT("ngram.min_candidates", 0, POLICY_MAX_CANDIDATES, "TOKENS", ngram.min_candidates,
          "shorter proposals are dropped: what they gain may not pay for a pass"),
    COUNT("ngram.stage_min", 0, POLICY_MAX_CANDIDATES + 1, "TOKENS", ngram.stage_min,
          "proposals of that many are verified in stages; 0: never"),
    COUNT("ngram.stage", 1, POLICY_MAX_CANDIDATES, "TOKENS", ngram.stage,
          "candidates of a stage: small stages lose less by a rejection, and gain less"),
    FLAG("ngram.risk_gate", ngram.risk_gate,
         "a proposal of a shape that tends to fail switches the source off"),
    COUNT("ngram.risk_min_size", 1, POLICY_MAX_CANDIDATES, "TOKENS", ngram.risk_min_size,
          "what the risk gate takes for a long proposal"),
    FLAG("ngram.risk_tightened", ngram.risk_tightened,
         "the risk gate's later rules too: fewer failures, fewer proposals"),
    FLAG("ngram.recursive", ngram.recursive,
         "a short proposal is continued from itself: loops are proposed at full length"),
    FLAG("ngram.disable_after_reject", ngram.disable_after_reject,
         "a rejection switches the source off: less is lost where text only looks repeated"),
    FLAG("ngram.corridor", ngram.corridor,
         "only proposals are tried that a long match, repetition or monotony speaks for"),
    COUNT("ngram.corridor_min_size", 0, POLICY_MAX_CANDIDATES, "TOKENS",
          ngram.corridor_min_size, "candidates that a proposal in the corridor has at least"),
    COUNT("ngram.corridor_match_length", 0, 64, "TOKENS", ngram.corridor_match_length,
          "a match of that many tokens is enough"),
    REAL("ngram.corridor_lag4", 0, 2, ngram.corridor_lag4,
         "or this share of candidates equals the one four before; above 1: never"),
    REAL("ngram.corridor_lag8", 0, 2, ngram.corridor_lag8,
         "or this share of candidates equals the one eight before; above 1: never"),
    REAL("ngram.corridor_entropy", 0, 1, ngram.corridor_entropy,
         "or the candidates' entropy is at most this share of the largest"),

    COUNT("speculative.gamma", 1, POLICY_MAX_CANDIDATES, "TOKENS", speculative.gamma,
          "candidates that the draft proposes at first"),
    COUNT("speculative.max_gamma", 1, POLICY_MAX_CANDIDATES, "TOKENS", speculative.max_gamma,
          "candidates at most, after full acceptances"),
    COUNT("speculative.grow_streak", 1, 1000, "PASSES", speculative.grow_streak,
          "full acceptances until the proposals get twice as long"),
    COUNT("speculative.fast_grow_from", 1, 1000, "TOKENS", speculative.fast_grow_from,
          "from this length on one full acceptance is enough"),
    FLAG("speculative.fallback", speculative.fallback,
         "the draft is switched off after rejections: a bad draft costs little"),
    COUNT("speculative.fallback_gamma", 1, POLICY_MAX_CANDIDATES, "TOKENS",
          speculative.fallback_gamma,
          "length at which a rejection switches the draft off; each one halves the length"),
    COUNT("speculative.bootstrap_gamma", 0, POLICY_MAX_CANDIDATES, "TOKENS",
          speculative.bootstrap_gamma,
          "length after the first full acceptances, instead of doubling; 0: off"),
    COUNT("speculative.bootstrap_streak", 1, 1000, "PASSES", speculative.bootstrap_streak,
          "full acceptances until that jump"),
    FLAG("speculative.early_reject", speculative.early_reject,
         "no proposal where the draft would not have chosen the last token either"),

    COUNT("mtp.gamma", 1, POLICY_MAX_CANDIDATES, "TOKENS", mtp.gamma,
          "candidates after a proposal that was accepted as a whole"),
    COUNT(
        "mtp.stage", 1, POLICY_MAX_CANDIDATES, "TOKENS", mtp.stage,
        "candidates of the other proposals: the block's second guess is worse than its first"),
    REAL("mtp.min_margin", 0, 100, mtp.min_margin,
         "the first candidate's logit over the second best, at least; else it is switched off"),
    COUNT("mtp.min_remaining", 0, 1000000, "TOKENS", mtp.min_remaining,
          "tokens that the answer may still have, at least"),
    FLAG("mtp.disable_after_reject", mtp.disable_after_reject,
         "a rejection switches the source off"),

    REAL("auto.budget", 0, 1, automatic.budget,
         "share of the plain decode time that trials may lose; 0.03 is 3 %"),
};
enum { N_KEYS = sizeof KEYS / sizeof *KEYS };

const struct policy_key *policy_keys(size_t *n_keys)
{
    *n_keys = N_KEYS;
    return KEYS;
}

static const struct policy_key *find_key(const char *name)
{
    for (size_t i = 0; i < N_KEYS; i++)
        if (strcmp(KEYS[i].name, name) == 0)
            return &KEYS[i];
    return NULL;
}

static void *field(struct policy_settings *settings, const struct policy_key *key)
{
    return (char *)settings + key->offset;
}

static const void *value_of(const struct policy_settings *settings,
                            const struct policy_key *key)
{
    return (const char *)settings + key->offset;
}

/* Values from text ---------------------------------------------------------------------- */

static enum status refuse(const struct policy_key *key, const char *value, struct error *error)
{
    if (key->minimum < key->maximum)
        return error_set(error, STATUS_USAGE, "%s: '%.60s' is not a %s in %.9g .. %.9g",
                         key->name, value,
                         key->type == POLICY_VALUE_COUNT ? "whole number" : "number",
                         key->minimum, key->maximum);
    return error_set(error, STATUS_USAGE, "%s: '%.60s' is not one of %s", key->name, value,
                     key->argument);
}

/* Digits, a point and an exponent; no blanks, no names of infinities. */
static bool read_number(const struct policy_key *key, const char *value, double *number)
{
    const char *allowed = key->type == POLICY_VALUE_COUNT ? "0123456789" : "0123456789.eE+-";
    char *end;

    if (*value == '\0' || value[strspn(value, allowed)] != '\0')
        return false;
    errno = 0;
    *number = strtod(value, &end);
    return *end == '\0' && errno == 0 && *number >= key->minimum && *number <= key->maximum;
}

static enum status set_kind(struct policy_settings *settings, const struct policy_key *key,
                            const char *value, struct error *error)
{
    for (enum policy_kind kind = POLICY_GREEDY; kind < POLICY_KIND_COUNT; kind++)
        if (strcmp(value, policy_kind_name(kind)) == 0) {
            *settings = policy_defaults(kind);
            return STATUS_OK;
        }
    return refuse(key, value, error);
}

static enum status set_verify(struct policy_settings *settings, const struct policy_key *key,
                              const char *value, struct error *error)
{
    for (enum policy_verify verify = 0; verify < POLICY_VERIFY_COUNT; verify++)
        if (strcmp(value, policy_verify_name(verify)) == 0) {
            settings->verify = verify;
            return STATUS_OK;
        }
    return refuse(key, value, error);
}

static enum policy_source find_source(const char *name, size_t length)
{
    for (enum policy_source s = POLICY_SOURCE_NGRAM; s < POLICY_SOURCE_COUNT; s++)
        if (strlen(policy_source_name(s)) == length &&
            memcmp(policy_source_name(s), name, length) == 0)
            return s;
    return POLICY_SOURCE_NONE;
}

static enum status set_sources(struct policy_settings *settings, const struct policy_key *key,
                               const char *value, struct error *error)
{
    static const char between[] = ", \t";
    struct policy_settings changed = *settings;
    const char *at = value + strspn(value, between);

    changed.n_sources = 0;
    if (strcmp(value, "none") == 0)
        at = "";
    while (*at != '\0') {
        const size_t length = strcspn(at, between);
        const enum policy_source source = find_source(at, length);
        if (source == POLICY_SOURCE_NONE)
            return error_set(error, STATUS_USAGE, "%s: '%.*s' is not one of %s", key->name,
                             (int)(length < 60 ? length : 60), at, key->argument);
        for (uint32_t i = 0; i < changed.n_sources; i++)
            if (changed.sources[i] == source)
                return error_set(error, STATUS_USAGE, "%s: %s is named twice", key->name,
                                 policy_source_name(source));
        changed.sources[changed.n_sources++] = source;
        at += length;
        at += strspn(at, between);
    }
    *settings = changed;
    return STATUS_OK;
}

static enum status set_name(struct policy_settings *settings, const struct policy_key *key,
                            const char *value, struct error *error)
{
    if (key->offset == OFFSET(kind))
        return set_kind(settings, key, value, error);
    if (key->offset == OFFSET(verify))
        return set_verify(settings, key, value, error);
    return set_sources(settings, key, value, error);
}

enum status policy_set_key(struct policy_settings *settings, const char *name,
                           const char *value, struct error *error)
{
    const struct policy_key *key = find_key(name);
    double number;

    if (!key)
        return error_set(error, STATUS_USAGE, "a policy has no key '%.60s'", name);
    switch (key->type) {
    case POLICY_VALUE_NAME: return set_name(settings, key, value, error);
    case POLICY_VALUE_FLAG:
        if (strcmp(value, "true") != 0 && strcmp(value, "false") != 0)
            return refuse(key, value, error);
        *(bool *)field(settings, key) = *value == 't';
        return STATUS_OK;
    default: break;
    }
    if (!read_number(key, value, &number))
        return refuse(key, value, error);
    if (key->type == POLICY_VALUE_COUNT)
        *(uint32_t *)field(settings, key) = (uint32_t)number;
    else
        *(double *)field(settings, key) = number;
    return STATUS_OK;
}

/* Values as text ------------------------------------------------------------------------ */

static void list_sources(const struct policy_settings *settings, char *buffer, size_t n_bytes)
{
    size_t used = 0;

    snprintf(buffer, n_bytes, "none");
    for (uint32_t i = 0; i < settings->n_sources && used < n_bytes; i++) {
        const int n = snprintf(buffer + used, n_bytes - used, "%s%s", i > 0 ? "," : "",
                               policy_source_name(settings->sources[i]));
        used += (size_t)n;
    }
}

static void show_name(const struct policy_settings *settings, const struct policy_key *key,
                      char *buffer, size_t n_bytes)
{
    if (key->offset == OFFSET(kind))
        snprintf(buffer, n_bytes, "%s", policy_kind_name(settings->kind));
    else if (key->offset == OFFSET(verify))
        snprintf(buffer, n_bytes, "%s", policy_verify_name(settings->verify));
    else
        list_sources(settings, buffer, n_bytes);
}

const char *policy_get_key(const struct policy_settings *settings, const char *name,
                           char *buffer, size_t n_bytes)
{
    const struct policy_key *key = find_key(name);
    const void *value = key ? value_of(settings, key) : NULL;

    if (!key)
        snprintf(buffer, n_bytes, "%s", "");
    else if (key->type == POLICY_VALUE_NAME)
        show_name(settings, key, buffer, n_bytes);
    else if (key->type == POLICY_VALUE_FLAG)
        snprintf(buffer, n_bytes, "%s", *(const bool *)value ? "true" : "false");
    else if (key->type == POLICY_VALUE_COUNT)
        snprintf(buffer, n_bytes, "%u", *(const uint32_t *)value);
    else
        snprintf(buffer, n_bytes, "%g", *(const double *)value);
    return buffer;
}

/* Checks -------------------------------------------------------------------------------- */

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
                             policy_source_name(settings->sources[i]));
        seen[source] = true;
    }
    return STATUS_OK;
}

static enum status check_range(const struct policy_settings *settings,
                               const struct policy_key *key, struct error *error)
{
    const void *bytes = value_of(settings, key);
    const double value =
        key->type == POLICY_VALUE_COUNT ? *(const uint32_t *)bytes : *(const double *)bytes;

    if (value >= key->minimum && value <= key->maximum)
        return STATUS_OK;
    return error_set(error, STATUS_USAGE, "%s: %.9g is not in %.9g .. %.9g", key->name, value,
                     key->minimum, key->maximum);
}

/* Keys that bound one another. */
static enum status check_pairs(const struct policy_settings *s, struct error *error)
{
    const struct {
        const char *low_key, *high_key;
        uint32_t low, high;
    } pairs[] = {
        {"ngram.min", "ngram.max", s->ngram.min, s->ngram.max},
        {"speculative.gamma", "speculative.max_gamma", s->speculative.gamma,
         s->speculative.max_gamma},
        {"mtp.stage", "mtp.gamma", s->mtp.stage, s->mtp.gamma},
    };

    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++)
        if (pairs[i].low > pairs[i].high)
            return error_set(error, STATUS_USAGE, "%s: %u is below %s, which is %u",
                             pairs[i].high_key, pairs[i].high, pairs[i].low_key, pairs[i].low);
    return STATUS_OK;
}

enum status policy_check(const struct policy_settings *settings, struct error *error)
{
    enum status status = check_sources(settings, error);

    if ((unsigned)settings->kind >= POLICY_KIND_COUNT)
        return error_set(error, STATUS_USAGE, "kind: %u is none", (unsigned)settings->kind);
    if ((unsigned)settings->verify >= POLICY_VERIFY_COUNT)
        return error_set(error, STATUS_USAGE, "verify: %u is none", (unsigned)settings->verify);
    for (size_t i = 0; i < N_KEYS && status == STATUS_OK; i++)
        if (KEYS[i].type == POLICY_VALUE_COUNT || KEYS[i].type == POLICY_VALUE_REAL)
            status = check_range(settings, &KEYS[i], error);
    return status == STATUS_OK ? check_pairs(settings, error) : status;
}
