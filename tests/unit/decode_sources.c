/*
 * decode_sources.c - the search in the text, and the gate on its candidates
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/decode/ngram.h"
#include "engine/decode/risk_gate.h"
#include "engine/policy.h"
#include "tests/unit/model_fixture.h"

enum { CAPACITY = 400 };

static void same_match(const struct ngram_match *a, const struct ngram_match *b,
                       const int32_t *x, const int32_t *y)
{
    assert_int_equal(a->n, b->n);
    assert_memory_equal(x, y, a->n * sizeof *x);
    if (a->n > 0) {
        assert_int_equal(a->length, b->length);
        assert_int_equal(a->start, b->start);
    }
}

/* Few different tokens, so that everything repeats; it is asked behind every token. */
static void index_equals_scan(void **state)
{
    uint64_t random = 11, n_found = 0;

    (void)state;
    for (int round = 0; round < 60; round++) {
        const uint32_t n_kinds = 1 + next_random(&random) % 6;
        struct ngram_search search = {.gamma = 1 + next_random(&random) % 32,
                                      .min = 1 + next_random(&random) % 6,
                                      .min_candidates = next_random(&random) % 4,
                                      .recursive = next_random(&random) % 2};
        struct ngram_index index;
        struct error error = {0};
        int32_t text[CAPACITY];
        uint32_t n = 0;

        search.max = search.min + next_random(&random) % 5;
        check(ngram_index_init(&index, search.min, CAPACITY, &error), &error);
        while (n < CAPACITY - POLICY_MAX_CANDIDATES) {
            int32_t a[POLICY_MAX_CANDIDATES], b[POLICY_MAX_CANDIDATES];
            struct ngram_match scanned, found;
            text[n] = (int32_t)(next_random(&random) % n_kinds);
            ngram_index_append(&index, text[n++]);
            scanned = ngram_scan(text, n, &search, a);
            found = ngram_index_find(&index, &search, b);
            same_match(&scanned, &found, a, b);
            assert_int_equal(index.n_tokens, n);
            n_found += found.n > 0;
        }
        ngram_index_clear(&index);
        ngram_index_append(&index, 1);
        assert_int_equal(index.n_tokens, 1);
        ngram_index_release(&index);
    }
    assert_true(n_found > 1000);
}

static void longest_then_most_recent(void **state)
{
    /* 1 2 3 stands twice; with 9 before it once, earlier */
    int32_t text[60] = {9, 1, 2, 3, 4, 8, 1, 2, 3, 5, 7, 9, 1, 2, 3};
    struct ngram_search search = {.gamma = 2, .min = 2, .max = 3};
    int32_t ids[8];
    struct ngram_match match = ngram_scan(text, 15, &search, ids);

    (void)state;
    assert_int_equal(match.n, 2);
    assert_int_equal(match.start, 6);
    assert_int_equal(ids[0], 5);
    search.max = 4;
    match = ngram_scan(text, 15, &search, ids);
    assert_int_equal(match.start, 0);
    assert_int_equal(ids[0], 4);
    search.min_candidates = 3;
    assert_int_equal(ngram_scan(text, 15, &search, ids).n, 0);
}

/* One period of a loop is all that follows; recursion goes round again. */
static void recursion_continues_a_loop(void **state)
{
    int32_t text[60] = {1, 2, 3, 1, 2, 3};
    struct ngram_search search = {.gamma = 8, .min = 3, .max = 3};
    int32_t ids[8];

    (void)state;
    assert_int_equal(ngram_scan(text, 6, &search, ids).n, 3);
    search.recursive = true;
    assert_int_equal(ngram_scan(text, 6, &search, ids).n, 8);
    for (int i = 0; i < 8; i++)
        assert_int_equal(ids[i], 1 + i % 3);
}

/* Vectors of the reference; 0: the earlier rules, 1: the tightened ones. */
static void risk_vectors(void **state)
{
    static const struct {
        int32_t ids[16];
        uint32_t n, match_length;
        bool risky[2];
    } vectors[] = {
        {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16}, 16, 8, {true, true}},
        {{1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2, 3, 4}, 16, 8, {false, false}},
        {{1, 2, 3, 4, 5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}, 16, 8, {true, true}},
        {{15, 13, 15, 13, 15, 13, 20, 21, 22}, 9, 8, {true, true}},
        {{8029, 13053, 20956, 8029, 13053, 20956, 8029, 13053, 20956, 8029, 13053, 20956},
         12,
         8,
         {false, false}},
        {{1, 2, 3, 4, 1, 5, 6, 7}, 8, 4, {false, false}},
        {{1, 2, 3, 4, 1, 5, 6, 7}, 8, 5, {true, true}},
        {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}, 14, 8, {false, true}},
        {{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 10, 4, {false, true}},
        {{1, 2, 3, 4, 5}, 5, 8, {false, false}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof vectors / sizeof *vectors; i++)
        for (int tightened = 0; tightened < 2; tightened++)
            if ((risk_of(vectors[i].ids, vectors[i].n, vectors[i].match_length, 16,
                         tightened) != NULL) != vectors[i].risky[tightened])
                fail_msg("vector %zu, tightened %d", i, tightened);
}

/* The rules once more, written from the reference and from nothing else -------------------- */

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static bool has_period(const int32_t *c, uint32_t n, uint32_t p)
{
    bool same = p <= n;

    for (uint32_t i = 0; i < n && same; i++)
        same = c[i] == c[i % p];
    return same;
}

/* exact_period(c, 8) == 8: a period of eight and of nothing shorter */
static bool is_row_of_eight(const int32_t *c, uint32_t n)
{
    for (uint32_t p = 1; p < 8; p++)
        if (has_period(c, n, p))
            return false;
    return has_period(c, n, 8);
}

static double repeats(const int32_t *c, uint32_t n, uint32_t lag)
{
    double same = 0;

    for (uint32_t i = lag; i < n; i++)
        same += c[i] == c[i - lag] ? 1 : 0;
    return n > lag ? same / (n - lag) : 0;
}

static double distinct_share(const int32_t *c, uint32_t n, uint32_t width)
{
    uint32_t distinct = 0;

    for (uint32_t i = 0; i + width <= n; i++) {
        bool is_new = true;
        for (uint32_t j = 0; j < i; j++)
            is_new = is_new && memcmp(c + i, c + j, width * sizeof *c) != 0;
        distinct += is_new;
    }
    return n >= width ? (double)distinct / (n - width + 1) : 0;
}

static double entropy_share(const int32_t *c, uint32_t n)
{
    double entropy = 0; /* -sum p log p: every token adds its -log p / n */

    for (uint32_t i = 0; i < n; i++) {
        uint32_t count = 0;
        for (uint32_t j = 0; j < n; j++)
            count += c[j] == c[i];
        entropy -= log2((double)count / n) / n;
    }
    return n > 1 ? entropy / log2(n) : 0;
}

static uint32_t small_period_run(const int32_t *c, uint32_t n)
{
    uint32_t longest = 0;

    for (uint32_t p = 1; p <= least(4, n); p++) {
        uint32_t run = p;
        while (run < n && c[run] == c[run - p])
            run++;
        if (run >= 2 * p && run > longest)
            longest = run;
    }
    return longest;
}

static bool is_risky(const int32_t *c, uint32_t n, uint32_t ml, uint32_t m, bool tightened)
{
    const double uniq = distinct_share(c, n, 1), pairs = distinct_share(c, n, 2);
    const double lag4 = repeats(c, n, 4), lag8 = repeats(c, n, 8);
    const uint32_t run = small_period_run(c, n);
    bool small_period = false;

    if (n < least(m, 8)) /* 1 */
        return false;
    if (n >= m && is_row_of_eight(c, n)) /* 2 */
        return true;
    if (n >= 8 && is_row_of_eight(c, n) && ml >= 5 && pairs > 0.90 && uniq < 0.95) /* 3 */
        return true;
    if (tightened && n > 8 && n < m && ml < 5 && lag8 < 0.75)
        return true;
    if (tightened && n >= 12 && n < m && ml >= 8 && pairs >= 0.95 &&
        entropy_share(c, n) >= 0.80 && lag4 < 0.10 && lag8 < 0.10)
        return true;
    for (uint32_t p = 1; p <= 4; p++)
        small_period = small_period || has_period(c, n, p);
    if (run >= 6 && run < n && !small_period) /* 4 */
        return true;
    if (n < m) /* 5 */
        return false;
    return pairs > 0.90 && lag4 < (tightened ? 0.20 : 0.10) && lag8 < 0.20; /* 6 */
}

/* Candidates of all the shapes that the rules tell apart. */
static uint32_t random_shape(uint64_t *random, int32_t *c)
{
    const uint32_t n = 1 + next_random(random) % POLICY_MAX_CANDIDATES;
    const uint32_t period = 1 + next_random(random) % 10, kinds = 1 + next_random(random) % 40;
    const uint32_t leaves = next_random(random) % (n + 8), noise = next_random(random) % 12;

    for (uint32_t i = 0; i < n; i++) {
        c[i] = (int32_t)(next_random(random) % kinds);
        if (i >= period && i < leaves)
            c[i] = c[i - period];
        if (next_random(random) % 40 < noise)
            c[i] = (int32_t)(next_random(random) % kinds);
    }
    return n;
}

static void risk_gate_follows_its_rules(void **state)
{
    uint64_t random = 5, n_risky = 0;
    const uint64_t n_rounds = 60000;

    (void)state;
    for (uint64_t round = 0; round < n_rounds; round++) {
        int32_t c[POLICY_MAX_CANDIDATES];
        const uint32_t n = random_shape(&random, c), ml = 1 + next_random(&random) % 10;
        const uint32_t m = round % 3 ? 16 : 1 + next_random(&random) % POLICY_MAX_CANDIDATES;
        for (int tightened = 0; tightened < 2; tightened++) {
            const bool wanted = is_risky(c, n, ml, m, tightened);
            n_risky += wanted;
            if ((risk_of(c, n, ml, m, tightened) != NULL) != wanted)
                fail_msg("round %u: %u candidates, match %u, size %u, tightened %d: not %d",
                         (unsigned)round, n, ml, m, tightened, wanted);
        }
    }
    assert_in_range(n_risky, n_rounds / 10, n_rounds);
}

static void corridor_follows_its_rules(void **state)
{
    const struct corridor corridor = {4, 8, 0.25, 2.0, 0.6};
    uint64_t random = 9, n_kept = 0;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        int32_t c[POLICY_MAX_CANDIDATES];
        const uint32_t n = random_shape(&random, c), ml = 1 + next_random(&random) % 10;
        const bool wanted = n >= 4 && (ml >= 8 || repeats(c, n, 4) >= 0.25 ||
                                       repeats(c, n, 8) >= 2.0 || entropy_share(c, n) <= 0.6);
        n_kept += wanted;
        assert_int_equal(corridor_holds(c, n, ml, &corridor), wanted);
    }
    assert_in_range(n_kept, 2000, 18000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_equals_scan),
        cmocka_unit_test(longest_then_most_recent),
        cmocka_unit_test(recursion_continues_a_loop),
        cmocka_unit_test(risk_vectors),
        cmocka_unit_test(risk_gate_follows_its_rules),
        cmocka_unit_test(corridor_follows_its_rules),
    };
    return cmocka_run_group_tests_name("decode_sources", tests, NULL, NULL);
}
