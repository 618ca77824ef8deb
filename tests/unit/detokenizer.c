/*
 * detokenizer.c - whole characters only, whatever way the bytes are cut
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/text/detokenizer.h"
#include "engine/text/utf8.h"
#include "tests/unit/text_fixture.h"

enum { LONGEST = 64 };

/* What the screen gets when bytes come in pieces of at most `most` bytes; the seed cuts them. */
static size_t shown_in_pieces(const char *bytes, size_t n_bytes, size_t most, uint64_t *seed,
                              char *out)
{
    struct detokenizer detokenizer;
    size_t n = 0;

    assert_true(detokenizer_create(&detokenizer, most));
    for (size_t at = 0, piece; at < n_bytes; at += piece) {
        piece = random_below(seed, most + 1);
        piece = piece < n_bytes - at ? piece : n_bytes - at;
        detokenizer_push(&detokenizer, bytes + at, piece);
        memcpy(out + n, detokenizer.text, detokenizer.n_bytes);
        n += detokenizer.n_bytes;
    }
    detokenizer_finish(&detokenizer);
    memcpy(out + n, detokenizer.text, detokenizer.n_bytes);
    n += detokenizer.n_bytes;
    detokenizer_finish(&detokenizer);
    assert_int_equal(detokenizer.n_bytes, 0);
    detokenizer_release(&detokenizer);
    return n;
}

static void broken_parts_become_one_mark_each(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"plain \xE4\xB8\xAD \xF0\x9F\x98\x80", "plain \xE4\xB8\xAD \xF0\x9F\x98\x80"},
        {"\xFF", "\xEF\xBF\xBD"},
        {"a\xE4\xB8", "a\xEF\xBF\xBD"},   /* the end is missing */
        {"a\xE4\xB8z", "a\xEF\xBF\xBDz"}, /* one subpart */
        {"\xF0\x9F\x98\xE4\xB8\xAD", "\xEF\xBF\xBD\xE4\xB8\xAD"},
        {"\xC0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD"},                 /* overlong */
        {"\xED\xA0\x80", "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD"}, /* a surrogate */
        {"\x80\xBFz", "\xEF\xBF\xBD\xEF\xBF\xBDz"},
    };
    uint64_t seed = 3;

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        for (size_t most = 1; most < 8; most++) {
            char out[64];
            size_t n = shown_in_pieces(cases[i][0], strlen(cases[i][0]), most, &seed, out);
            assert_int_equal(n, strlen(cases[i][1]));
            assert_memory_equal(out, cases[i][1], n);
        }
}

static void any_cut_gives_the_same_valid_text(void **state)
{
    /* Bytes that begin, continue and break characters. */
    static const unsigned char interesting[] = {'a',  0x80, 0xBF, 0xC2, 0xC1, 0xE0, 0xA0, 0xED,
                                                0x9F, 0xEF, 0xF0, 0x90, 0xF4, 0x8F, 0xF5, 0xFF};
    uint64_t seed = 11;

    (void)state;
    for (int round = 0; round < 20000; round++) {
        char bytes[40], whole[3 * sizeof bytes], cut[3 * sizeof bytes];
        size_t n_bytes = random_below(&seed, sizeof bytes), n_whole;
        for (size_t i = 0; i < n_bytes; i++)
            bytes[i] = (char)interesting[random_below(&seed, sizeof interesting)];
        n_whole = shown_in_pieces(bytes, n_bytes, LONGEST, &seed, whole);
        assert_int_equal(shown_in_pieces(bytes, n_bytes, 1, &seed, cut), n_whole);
        assert_memory_equal(whole, cut, n_whole);
        for (size_t at = 0; at < n_whole;) {
            struct utf8_step step = utf8_read(whole + at, n_whole - at);
            assert_int_equal(step.state, UTF8_VALID);
            at += step.n_bytes;
        }
    }
}

static void whole_characters_are_not_held_back(void **state)
{
    struct detokenizer detokenizer;

    (void)state;
    assert_true(detokenizer_create(&detokenizer, LONGEST));
    detokenizer_push(&detokenizer, "a\xE4", 2);
    assert_int_equal(detokenizer.n_bytes, 1);
    detokenizer_push(&detokenizer, "\xB8", 1);
    assert_int_equal(detokenizer.n_bytes, 0);
    detokenizer_push(&detokenizer, "\xAD", 1);
    assert_int_equal(detokenizer.n_bytes, 3);
    assert_memory_equal(detokenizer.text, "\xE4\xB8\xAD", 3);
    detokenizer_push(&detokenizer, "\xE4", 1);
    detokenizer_push(&detokenizer, "x", 1);
    assert_int_equal(detokenizer.n_bytes, 4);
    assert_memory_equal(detokenizer.text, UTF8_REPLACEMENT "x", 4);
    detokenizer_release(&detokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(broken_parts_become_one_mark_each),
        cmocka_unit_test(any_cut_gives_the_same_valid_text),
        cmocka_unit_test(whole_characters_are_not_held_back),
    };
    return cmocka_run_group_tests_name("detokenizer", tests, NULL, NULL);
}
