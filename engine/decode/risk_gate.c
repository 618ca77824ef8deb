/*
 * risk_gate.c - periods, lags and diversity of a proposal
 */
#include "engine/decode/risk_gate.h"

#include "engine/kernels/math.h"
#include "engine/policy.h"

#include <stddef.h>

/* The smallest period up to `most` that the whole proposal has; 0: none.  Its length counts. */
static uint32_t exact_period(const int32_t *c, uint32_t n, uint32_t most)
{
    for (uint32_t p = 1; p <= most && p <= n; p++) {
        uint32_t i = p;
        while (i < n && c[i] == c[i % p])
            i++;
        if (i >= n)
            return p;
    }
    return 0;
}

/* The longest beginning with a period up to `most`, seen at least twice. */
static uint32_t prefix_run(const int32_t *c, uint32_t n, uint32_t most)
{
    uint32_t longest = 0;

    for (uint32_t p = 1; p <= most; p++) {
        uint32_t run = p;
        while (run < n && c[run] == c[run - p])
            run++;
        if (run <= n && run >= 2 * p && run > longest)
            longest = run;
    }
    return longest;
}

static double lag(const int32_t *c, uint32_t n, uint32_t k)
{
    uint32_t same = 0;

    if (n <= k)
        return 0;
    for (uint32_t i = k; i < n; i++)
        same += c[i] == c[i - k];
    return (double)same / (n - k);
}

struct diversity {
    double tokens, pairs, entropy;
};

/* Shares of distinct tokens and pairs; entropy of the tokens in parts of the largest. */
static struct diversity diversity_of(const int32_t *c, uint32_t n)
{
    struct diversity d = {0, 0, 0};
    uint32_t distinct = 0, pairs = 0;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t before = 0, count = 0, j = 0;
        for (uint32_t k = 0; k < n; k++) {
            before += k < i && c[k] == c[i];
            count += c[k] == c[i];
        }
        if (before == 0) {
            distinct++;
            d.entropy -= (double)count / n * math_log64((double)count / n);
        }
        while (i + 1 < n && j < i && !(c[j] == c[i] && c[j + 1] == c[i + 1]))
            j++;
        pairs += i + 1 < n && j == i;
    }
    d.tokens = (double)distinct / n;
    d.pairs = n > 1 ? (double)pairs / (n - 1) : 0;
    d.entropy = n > 1 ? d.entropy / math_log64(n) : 0;
    return d;
}

static const char *tightened_risk(const int32_t *c, uint32_t n, uint32_t match_length,
                                  uint32_t min_size, const struct diversity *d)
{
    if (n > 8 && n < min_size && match_length < 5 && lag(c, n, 8) < 0.75)
        return "short match, no period";
    if (n >= 12 && n < min_size && match_length >= 8 && d->pairs >= 0.95 &&
        d->entropy >= 0.80 && lag(c, n, 4) < 0.10 && lag(c, n, 8) < 0.10)
        return "diverse, no period";
    return NULL;
}

const char *risk_of(const int32_t *c, uint32_t n, uint32_t match_length, uint32_t min_size,
                    bool tightened)
{
    const uint32_t enough = min_size < 8 ? min_size : 8;
    struct diversity d;
    const char *risk;
    uint32_t run;

    if (n < enough || n == 0)
        return NULL;
    d = diversity_of(c, n);
    if (n >= min_size && exact_period(c, n, 8) == 8)
        return "a table's row of eight";
    if (n >= 8 && exact_period(c, n, 8) == 8 && match_length >= 5 && d.pairs > 0.90 &&
        d.tokens < 0.95)
        return "a row of eight";
    risk = tightened ? tightened_risk(c, n, match_length, min_size, &d) : NULL;
    if (risk)
        return risk;
    run = prefix_run(c, n, 4);
    if (run >= 6 && run < n && exact_period(c, n, 4) == 0)
        return "runs past a small period";
    if (n < min_size)
        return NULL;
    if (d.pairs > 0.90 && lag(c, n, 4) < (tightened ? 0.20 : 0.10) && lag(c, n, 8) < 0.20)
        return "structured tail";
    return NULL;
}

bool corridor_holds(const int32_t *c, uint32_t n, uint32_t match_length,
                    const struct corridor *corridor)
{
    if (n == 0 || n < corridor->min_size)
        return false;
    return match_length >= corridor->match_length || lag(c, n, 4) >= corridor->lag4 ||
           lag(c, n, 8) >= corridor->lag8 || diversity_of(c, n).entropy <= corridor->entropy;
}
