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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(index_equals_scan),
        cmocka_unit_test(longest_then_most_recent),
        cmocka_unit_test(recursion_continues_a_loop),
        cmocka_unit_test(risk_vectors),
    };
    return cmocka_run_group_tests_name("decode_sources", tests, NULL, NULL);
}
