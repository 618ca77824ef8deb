/*
 * ui_keys.c - whole keys come out, however the bytes are cut; time decides the rest
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ui/keys.h"

/* Tokens as text: characters as they are, <SEQ> sequences without ESC, {pasted}. */
struct log {
    char text[65536];
    size_t n;
};

static void log_put(struct log *log, const char *bytes, size_t n_bytes)
{
    assert_true(log->n + n_bytes < sizeof log->text);
    memcpy(log->text + log->n, bytes, n_bytes);
    log->n += n_bytes;
    log->text[log->n] = '\0';
}

static void drain(struct keys *keys, int64_t now, struct log *log)
{
    struct keys_token token;
    while (keys_next(keys, now, &token)) {
        switch (token.type) {
        case KEYS_CHARACTER: log_put(log, token.bytes, token.n_bytes); break;
        case KEYS_SEQUENCE:
            assert_int_equal(token.bytes[0], '\033');
            log_put(log, "<", 1);
            log_put(log, token.bytes + 1, token.n_bytes - 1);
            log_put(log, ">", 1);
            break;
        case KEYS_ESCAPE: log_put(log, "<ESC>", 5); break;
        case KEYS_NEWLINE: log_put(log, "<NL>", 4); break;
        case KEYS_PASTE:
            log_put(log, "{", 1);
            log_put(log, token.bytes, token.n_bytes);
            log_put(log, "}", 1);
            break;
        }
    }
}

/* All at once; time passes afterwards. */
static void run(const char *bytes, size_t n_bytes, bool utf8, struct log *log)
{
    struct keys keys;
    log->n = 0;
    log->text[0] = '\0';
    keys_init(&keys, utf8);
    keys_feed(&keys, bytes, n_bytes, 1000);
    drain(&keys, 1000, log);
    drain(&keys, 100000, log);
    assert_int_equal(keys_timeout_ms(&keys, 100000), -1);
    keys_release(&keys);
}

static struct log whole, cut;

static void check(const char *bytes, size_t n_bytes, const char *expected)
{
    run(bytes, n_bytes, true, &whole);
    assert_string_equal(whole.text, expected);
    /* In two pieces, at every place, without time between them. */
    for (size_t at = 0; at <= n_bytes; at++) {
        struct keys keys;
        cut.n = 0;
        cut.text[0] = '\0';
        keys_init(&keys, true);
        keys_feed(&keys, bytes, at, 1000);
        drain(&keys, 1000, &cut);
        keys_feed(&keys, bytes + at, n_bytes - at, 1001);
        drain(&keys, 1001, &cut);
        drain(&keys, 100000, &cut);
        assert_string_equal(cut.text, expected);
        keys_release(&keys);
    }
}
#define CHECK(bytes, expected) check(bytes, sizeof(bytes) - 1, expected)

static void characters_and_sequences(void **state)
{
    (void)state;
    CHECK("abc", "abc");
    CHECK("\xE4\xB8\x96\xF0\x9F\x91\xA8z", "\xE4\xB8\x96\xF0\x9F\x91\xA8z");
    CHECK("\033[A\033[5~\033OF\033[1;5B", "<[A><[5~><OF><[1;5B>");
    CHECK("\033t\033<\033\r", "<t><<><\r>");
    CHECK("\033[[A", "<[[A>"); /* F1 of the Linux console */
    CHECK("\033[R\033OR", "<[R><OR>");
    CHECK("\033[13;2u\033[27;2;13~", "<NL><NL>");
    CHECK("\033\033[A", "<ESC><[A>");
    CHECK("\033", "<ESC>");
    CHECK("\033[", "<[>"); /* Alt-[ , late */
    CHECK("\033\xC3\xA4", "<\xC3\xA4>");
}

static void replies_are_dropped(void **state)
{
    (void)state;
    CHECK("a\033[12;40Rb", "ab");
    CHECK("a\033[?62;22cb\033[>41;354;0cc", "abc");
    CHECK("a\033[0nb", "ab");
    CHECK("a\033[?2026;2$yb", "ab");
    CHECK("a\033]11;rgb:0000/0000/0000\ab", "ab");
    CHECK("a\033]11;rgb:0000/0000/0000\033\\b", "ab");
    CHECK("a\033P1+r524742\033\\b", "ab");
    CHECK("a\033_Gi=1;OK\033\\b", "ab");
    CHECK("a\033[Ib\033[Oc", "abc");
    CHECK("a\033[8;24;80tb", "ab");
    CHECK("a\033[<0;10;10Mb\033[M !!c", "abc"); /* mouse reports, new and old */
    CHECK("a\033]52;c;", "a");                  /* a string without end is dropped in time */
    CHECK("a\033[1;2", "a");
    CHECK("a\033[1\033[Bb", "a<[B>b");
    CHECK("\x80\xFFx\xE4\xB8y", "xy");
    CHECK("\xE4", "");
}

static void pastes(void **state)
{
    (void)state;
    CHECK("a\033[200~hi\033[201~b", "a{hi}b");
    CHECK("\033[200~\033[201~", "{}");
    CHECK("\033[200~1\r\n2\r3\n\t4\033[201~", "{1\n2\n3\n\t4}");
    CHECK("\033[200~a\033[31mb\a\x7F\x01\033[201~", "{a[31mb}");
    CHECK("\033[200~\xFF\xE4\xB8\x96\xC2\x9B\033[201~", "{\xEF\xBF\xBD\xE4\xB8\x96}");
    CHECK("\033[200~rm -rf\r", "{rm -rf\n}"); /* the end never comes */
    CHECK("\033[201~x", "x");
    CHECK("\033[200~a\033[200~b\033[201~c", "{a[200~b}c");
    CHECK("\033[200~a\033[20\033[201~c", "{a[20}c");
}

static void bytes_of_other_character_sets(void **state)
{
    (void)state;
    run("a\xE4\xFC", 3, false, &whole);
    assert_string_equal(whole.text, "a\xE4\xFC");
}

static void escape_waits(void **state)
{
    (void)state;
    struct keys keys;
    struct keys_token token;
    keys_init(&keys, true);
    assert_int_equal(keys_timeout_ms(&keys, 0), -1);
    keys_feed(&keys, "\033", 1, 1000);
    assert_false(keys_next(&keys, 1000, &token));
    assert_int_equal(keys_timeout_ms(&keys, 1010), KEYS_ESCAPE_MS - 10);
    assert_false(keys_next(&keys, 1000 + KEYS_ESCAPE_MS - 1, &token));
    assert_true(keys_next(&keys, 1000 + KEYS_ESCAPE_MS, &token));
    assert_int_equal(token.type, KEYS_ESCAPE);
    /* A sequence that is cut waits longer. */
    keys_feed(&keys, "\033[1", 3, 2000);
    assert_false(keys_next(&keys, 2000 + KEYS_ESCAPE_MS, &token));
    keys_feed(&keys, ";5A", 3, 2100);
    assert_true(keys_next(&keys, 2100, &token));
    assert_int_equal(token.type, KEYS_SEQUENCE);
    /* A paste waits from its last byte on. */
    keys_feed(&keys, "\033[200~abc", 9, 3000);
    assert_false(keys_next(&keys, 3000, &token));
    keys_feed(&keys, "def", 3, 3000 + KEYS_PASTE_MS - 1);
    assert_false(keys_next(&keys, 3000 + KEYS_PASTE_MS, &token));
    assert_true(keys_timeout_ms(&keys, 3000 + KEYS_PASTE_MS) > 0);
    assert_true(keys_next(&keys, 3000 + 2 * KEYS_PASTE_MS, &token));
    assert_int_equal(token.type, KEYS_PASTE);
    assert_int_equal(token.n_bytes, 6);
    keys_release(&keys);
}

/* More than fits: the beginning is kept, the end mark is still found, what follows is a key. */
static void long_pastes(void **state)
{
    (void)state;
    struct keys keys;
    struct keys_token token;
    size_t n_bytes = KEYS_PASTE_MAX + 3000000, at = 0;
    char *text = malloc(n_bytes);
    assert_non_null(text);
    memset(text, 'x', n_bytes);
    keys_init(&keys, true);
    keys_feed(&keys, "\033[200~", 6, 0);
    while (at < n_bytes) {
        size_t piece = n_bytes - at < 65536 ? n_bytes - at : 65536;
        keys_feed(&keys, text + at, piece, 1);
        assert_false(keys_next(&keys, 1, &token));
        at += piece;
    }
    keys_feed(&keys, "\033[201~q", 7, 2);
    assert_true(keys_next(&keys, 2, &token));
    assert_int_equal(token.type, KEYS_PASTE);
    assert_int_equal(token.n_bytes, KEYS_PASTE_MAX);
    assert_true(keys.paste_cut);
    assert_true(keys_next(&keys, 2, &token));
    assert_int_equal(token.bytes[0], 'q');
    keys_release(&keys);
    free(text);
}

static void random_bytes(void **state)
{
    (void)state;
    static const char alphabet[] =
        "\033\033\033[[]OPM_~2001;<?RcuA \a\\\x80\xE4\xB8\x96xyz\r\n";
    uint64_t seed = 88172645463325252u;
    char bytes[120];
    for (int round = 0; round < 60000; round++) {
        for (size_t i = 0; i < sizeof bytes; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            bytes[i] = alphabet[seed % (sizeof alphabet - 1)];
        }
        run(bytes, sizeof bytes, true, &whole);
        struct keys keys;
        cut.n = 0;
        cut.text[0] = '\0';
        keys_init(&keys, true);
        for (size_t at = 0; at < sizeof bytes; at++) {
            keys_feed(&keys, bytes + at, 1, 1000);
            drain(&keys, 1000, &cut);
        }
        drain(&keys, 100000, &cut);
        assert_string_equal(cut.text, whole.text);
        keys_release(&keys);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(characters_and_sequences),
        cmocka_unit_test(replies_are_dropped),
        cmocka_unit_test(pastes),
        cmocka_unit_test(bytes_of_other_character_sets),
        cmocka_unit_test(escape_waits),
        cmocka_unit_test(long_pastes),
        cmocka_unit_test(random_bytes),
    };
    return cmocka_run_group_tests_name("ui_keys", tests, NULL, NULL);
}
