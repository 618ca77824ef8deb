/*
 * auto_policy.c - estimates, the account, the choice
 */
#include "engine/decode/auto_policy.h"

#include "engine/kernels/math.h"

#include <stdio.h>
#include <string.h>

enum {
    FIRST_PLAIN = 4,     /* steps to measure before anything is tried */
    REMEASURE = 256,     /* tokens until a plain step is measured again */
    FORGIVE_AFTER = 128, /* tokens without an excess until one is not charged */
    READ_AT_ONCE = 256   /* tokens that a draft reads between two tokens of the answer */
};
static const double RECENT = 0.2;         /* weight of the newest cost */
static const double OUTLIER = 2;          /* a cost counts as at most this many of its kind */
static const double EVIDENCE_FADE = 0.98; /* for each pass */
static const double WORTHWHILE = 1.05;    /* times plain, by expectation, at least */
static const double SECOND_ROW = 0.5;     /* plain steps that it costs at most, not measured */
static const double STEEP = 3;            /* rows not measured over those that were */
/* A draft model as dear as the model; a block is one layer and the head. */
static const double DEAREST[POLICY_SOURCE_COUNT] = {0, 0, 1, 0.5};
static const double HOPE = 0.25;     /* plain steps of a row or a candidate, not measured */
static const double FORGOTTEN = 0.2; /* trust below which a cost counts as not known */
static const double PRIOR_WEIGHT = 1.5;
static const double PRIOR[POLICY_SOURCE_COUNT] = {0, 0.8, 0.7, 0.7};

void auto_policy_init(struct auto_policy *policy)
{
    *policy = (struct auto_policy){.since_excess = FORGIVE_AFTER, .fade = 1};
}

void auto_policy_set(struct auto_policy *policy, bool is_on, double budget, uint32_t decay)
{
    if (is_on && !policy->is_on)
        auto_policy_begin(policy);
    policy->is_on = is_on;
    policy->budget = budget;
    policy->fade = decay > 0 ? math_exp64(-0.6931471805599453 / decay) : 1;
}

void auto_policy_begin(struct auto_policy *policy)
{
    if (policy->account < 0)
        policy->account = 0;
    policy->lost = 0;
    policy->n_tokens = 0;
}

/* Seconds that may be lost now. */
static double means(const struct auto_policy *policy)
{
    const uint64_t n = policy->n_tokens > AUTO_ANSWER ? policy->n_tokens : AUTO_ANSWER;
    const double own = policy->budget * (double)n * policy->plain.mean - policy->lost;

    return own < policy->account ? own : policy->account;
}

static void measure(struct measured_cost *cost, double seconds)
{
    cost->mean = cost->n == 0 ? seconds : cost->mean + RECENT * (seconds - cost->mean);
    cost->high = seconds > cost->high ? seconds : cost->high + RECENT * (seconds - cost->high);
    cost->trust = 1;
    cost->n++;
}

/* Estimates ----------------------------------------------------------------------------- */

/* What a row beyond `measured` ones costs at most: a plain step, or STEEP times what those did. */
static double dearest_row(const struct auto_policy *policy, uint32_t measured)
{
    const double plain = policy->plain.mean, extra = policy->verify[measured].high - plain;
    double each = measured > 0 ? STEEP * extra / measured : plain;

    each = each > HOPE * plain ? each : HOPE * plain;
    return each < plain ? each : plain;
}

/*
 * A pass over n candidates.  Not measured: between its neighbours by a straight line, or at
 * `*most`, what it costs at the very most.
 */
static double verify_cost(const struct auto_policy *policy, uint32_t n, double *most)
{
    const struct measured_cost *cost = policy->verify;
    uint32_t below = n, above = n + 1;
    double low, high;

    if (cost[n].n > 0) {
        const double hope = policy->plain.mean * (1 + HOPE * n);
        *most = cost[n].high;
        /* A first measurement that was bad may be the machine's fault. */
        return cost[n].n > 1 || cost[n].mean < hope ? cost[n].mean : hope;
    }
    while (below > 0 && cost[below].n == 0)
        below--;
    while (above <= POLICY_MAX_CANDIDATES && cost[above].n == 0)
        above++;
    low = below > 0 ? cost[below].mean : policy->plain.mean;
    if (above <= POLICY_MAX_CANDIDATES) {
        *most = cost[above].high > low ? cost[above].high : low;
        high = cost[above].mean;
        return low + (high - low) * (n - below) / (above - below);
    }
    *most = (below > 0 ? cost[below].high : low) + (n - below) * dearest_row(policy, below);
    if (below == 0) { /* nothing is known; one row more shares the weights with the first */
        if (n == 1)
            *most = low + SECOND_ROW * policy->plain.mean;
        return low + HOPE * n * policy->plain.mean;
    }
    high = low > policy->plain.mean ? low - policy->plain.mean : 0;
    return low + high * (n - below) / below;
}

/* Of n candidates; a source that was never measured is as dear as DEAREST says at most. */
static double draft_cost(const struct auto_policy *policy, enum policy_source source,
                         uint32_t n, double *most)
{
    const struct measured_cost *cost = &policy->draft[source];

    if (source == POLICY_SOURCE_NGRAM) {
        *most = 0; /* it was found already */
        return 0;
    }
    *most = n * (cost->n > 0 ? cost->high : policy->plain.mean * DEAREST[source]);
    return n * (cost->n > 0 ? cost->mean : HOPE * policy->plain.mean);
}

/* Tokens that come out of passes over 1 .. n candidates. */
static void expected_tokens(const struct auto_policy *policy, enum policy_source source,
                            uint32_t n, double tokens[POLICY_MAX_CANDIDATES + 1])
{
    double prior = PRIOR[source], all_right = 1;

    tokens[0] = 1;
    for (uint32_t i = 0; i < n; i++) {
        prior = (policy->right[source][i] + PRIOR_WEIGHT * prior) /
                (policy->tried[source][i] + PRIOR_WEIGHT);
        all_right *= prior;
        tokens[i + 1] = tokens[i] + all_right;
    }
}

/* Choice -------------------------------------------------------------------------------- */

struct search {
    struct auto_choice choice;
    double rate; /* tokens for a plain step's time */
    double best; /* rate of the best that the account does not cover, and what it lacks */
    double shortage;
};

static void consider(const struct auto_policy *policy, enum policy_source source, uint32_t n,
                     double tokens, struct search *search)
{
    double most_verify, most_draft;
    const double seconds =
        verify_cost(policy, n, &most_verify) + draft_cost(policy, source, n, &most_draft);
    const double loss = most_verify + most_draft - policy->plain.mean;
    const double rate = seconds > 0 ? tokens * policy->plain.mean / seconds : 0;

    if (loss > means(policy)) {
        if (rate > search->best) {
            search->best = rate;
            search->shortage = loss;
        }
    } else if (rate > search->rate) {
        search->rate = rate;
        search->choice = (struct auto_choice){source, n, POLICY_DRAFTING};
    }
}

static struct auto_choice explain(struct auto_policy *policy, const struct search *search,
                                  bool anything)
{
    const double step = policy->plain.mean > 0 ? policy->plain.mean : 1;

    if (search->choice.source != POLICY_SOURCE_NONE)
        snprintf(policy->reason, sizeof policy->reason, "%s of %u: %.2fx expected",
                 policy_source_name(search->choice.source), search->choice.n, search->rate);
    else if (search->best > WORTHWHILE)
        snprintf(policy->reason, sizeof policy->reason,
                 "saving for a trial: %.2f of the %.2f steps that it may lose",
                 means(policy) / step, search->shortage / step);
    else if (anything)
        snprintf(policy->reason, sizeof policy->reason, "no proposal pays now");
    else
        snprintf(policy->reason, sizeof policy->reason, "nothing to propose");
    return search->choice;
}

struct auto_choice auto_policy_choose(struct auto_policy *policy,
                                      const uint32_t most[POLICY_SOURCE_COUNT])
{
    struct search search = {.choice = {POLICY_SOURCE_NONE, 0, POLICY_PLAIN},
                            .rate = WORTHWHILE};
    bool anything = false;

    if (policy->plain.n < FIRST_PLAIN || policy->since_plain >= REMEASURE) {
        snprintf(policy->reason, sizeof policy->reason, "a plain step is measured");
        return (struct auto_choice){POLICY_SOURCE_NONE, 0, POLICY_PROBING};
    }
    for (enum policy_source s = POLICY_SOURCE_NGRAM; s < POLICY_SOURCE_COUNT; s++) {
        double tokens[POLICY_MAX_CANDIDATES + 1];
        expected_tokens(policy, s, most[s], tokens);
        for (uint32_t n = 1; n <= most[s]; n++)
            consider(policy, s, n, tokens[n], &search);
        anything = anything || most[s] > 0;
    }
    if (search.choice.source == POLICY_SOURCE_NONE && anything)
        search.choice.state = search.best > WORTHWHILE ? POLICY_PROBING : POLICY_GATED;
    return explain(policy, &search, anything);
}

/* The best rate of passes over 1 .. n candidates, in plain steps; *least: the least loss of one. */
static double best_rate(const struct auto_policy *policy, enum policy_source source, uint32_t n,
                        double *least)
{
    double tokens[POLICY_MAX_CANDIDATES + 1], best = 0;

    expected_tokens(policy, source, n, tokens);
    for (; n > 0; n--) {
        double most_verify, most_draft;
        const double seconds =
            verify_cost(policy, n, &most_verify) + draft_cost(policy, source, n, &most_draft);
        const double rate = seconds > 0 ? tokens[n] * policy->plain.mean / seconds : 0;
        best = rate > best ? rate : best;
        *least = most_verify + most_draft - policy->plain.mean;
    }
    return best;
}

uint32_t auto_policy_may_read(const struct auto_policy *policy, uint32_t n_missing,
                              uint32_t n_without)
{
    enum { LOOK_AHEAD = 8 };
    double each = policy->plain.mean, rate, rival = WORTHWHILE, rate_without = 0, trial,
           ignored, n;

    if (policy->plain.n < FIRST_PLAIN)
        return 0;
    rate = best_rate(policy, POLICY_SOURCE_DRAFT, LOOK_AHEAD, &trial);
    if (n_without > 0)
        rate_without = best_rate(policy, POLICY_SOURCE_MTP, n_without, &ignored);
    rival = rate_without > rival ? rate_without : rival;
    if (rate <= rival || means(policy) <= trial)
        return 0;
    if (policy->read.n > 0)
        each = policy->read.high;
    else if (policy->draft[POLICY_SOURCE_DRAFT].n > 0)
        each = policy->draft[POLICY_SOURCE_DRAFT].high;
    n = each > 0 ? (means(policy) - trial) / each : READ_AT_ONCE;
    n = n < READ_AT_ONCE ? n : READ_AT_ONCE;
    return n < n_missing ? (uint32_t)n : n_missing;
}

/* Book-keeping -------------------------------------------------------------------------- */

static void fade_cost(struct measured_cost *cost, double fade)
{
    cost->high = cost->mean + (cost->high - cost->mean) * fade;
    cost->trust *= fade;
    if (cost->trust < FORGOTTEN)
        cost->n = 0;
}

/* What is not used is forgotten slowly, so that it is tried again. */
static void fade(struct auto_policy *policy)
{
    for (int s = 0; s < POLICY_SOURCE_COUNT; s++) {
        fade_cost(&policy->draft[s], policy->fade);
        for (int i = 0; i < POLICY_MAX_CANDIDATES; i++) {
            policy->tried[s][i] *= policy->fade;
            policy->right[s][i] *= policy->fade;
        }
    }
    for (int i = 0; i <= POLICY_MAX_CANDIDATES; i++)
        fade_cost(&policy->verify[i], policy->fade);
    fade_cost(&policy->read, policy->fade);
}

/* n_tokens took so many seconds; the budget is for tokens alone. */
static void enter(struct auto_policy *policy, uint32_t n_tokens, double seconds)
{
    const double plain = n_tokens * policy->plain.mean;

    if (!policy->is_on)
        return;
    policy->account += plain * (1 + policy->budget) - seconds;
    policy->lost += seconds - plain;
    policy->n_tokens += n_tokens;
}

/*
 * A cost is measured, and what of it is charged is returned: not what a machine that was held up
 * once has added.  At first it is expected to be `expected` at most.
 */
static double charge(struct auto_policy *policy, struct measured_cost *cost, double expected,
                     double seconds)
{
    const bool is_known = cost->n > 0 || cost->high > expected; /* or forgotten, but dear */
    const double ceiling = OUTLIER * (is_known ? cost->high : expected);
    const bool once = policy->since_excess >= FORGIVE_AFTER;

    if (seconds <= ceiling) {
        measure(cost, seconds);
        return seconds;
    }
    measure(cost, ceiling);
    policy->since_excess = 0;
    return once ? ceiling : seconds;
}

void auto_policy_plain(struct auto_policy *policy, double seconds)
{
    const double ceiling = OUTLIER * policy->plain.mean;

    measure(&policy->plain, policy->plain.n > 0 && seconds > ceiling ? ceiling : seconds);
    fade(policy);
    policy->since_plain = 0;
    policy->since_excess++;
    enter(policy, 1, policy->plain.mean);
}

void auto_policy_drafted(struct auto_policy *policy, enum policy_source source, uint32_t n,
                         double seconds)
{
    if (n > 0) {
        seconds = n * charge(policy, &policy->draft[source], policy->plain.mean, seconds / n);
    }
    enter(policy, 0, seconds);
}

static void note(struct auto_policy *policy, enum policy_source source, uint32_t at,
                 bool was_right)
{
    double *tried = &policy->tried[source][at], *right = &policy->right[source][at];

    *tried = *tried * EVIDENCE_FADE + 1;
    *right = *right * EVIDENCE_FADE + (was_right ? 1 : 0);
}

void auto_policy_verified(struct auto_policy *policy, enum policy_source source, uint32_t n,
                          uint32_t n_accepted, uint32_t n_tokens, double seconds)
{
    seconds = charge(policy, &policy->verify[n], (n + 1) * policy->plain.mean, seconds);
    policy->since_plain += n_tokens;
    policy->since_excess += n_tokens;
    enter(policy, n_tokens, seconds);
    for (uint32_t i = 0; i < n && i <= n_accepted; i++)
        note(policy, source, i, i < n_accepted);
}

void auto_policy_missed(struct auto_policy *policy, enum policy_source source)
{
    note(policy, source, 0, false);
}

void auto_policy_read(struct auto_policy *policy, uint32_t n_tokens, double seconds)
{
    if (n_tokens > 0) {
        seconds =
            n_tokens * charge(policy, &policy->read, policy->plain.mean, seconds / n_tokens);
    }
    enter(policy, 0, seconds);
}
