/*
 * ui_filter.c - nothing but allowed text leaves the filter, whatever enters, however cut
 *
 * The checker below knows the promise, not the code: a strict decoder and a list of what may
 * not pass.  Every code point, every sequence of one and two bytes and most of three go through
 * it.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <locale.h>
#include <wchar.h>

#include <cmocka.h>

#include "ui/ui.h"

/* allowed[c]: 1 with columns, 2 a mark */
static unsigned char *allowed;

static int forbidden(uint32_t c)
{
    return c < 0x20 || (c >= 0x7F && c < 0xA0) || c == 0xAD || c == 0x61C || c == 0x200B ||
           c == 0x200E || c == 0x200F || (c >= 0x2028 && c <= 0x202E) ||
           (c >= 0x2060 && c <= 0x206F) || c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||
           (c >= 0xD800 && c <= 0xDFFF) || (c >= 0xFDD0 && c <= 0xFDEF) ||
           (c & 0xFFFE) == 0xFFFE || (c >= 0xE0000 && c <= 0xE007F);
}

static int set_up(void **state)
{
    (void)state;
    if (setlocale(LC_ALL, "C.UTF-8") == NULL || (allowed = calloc(0x110000, 1)) == NULL)
        return -1;
    for (uint32_t c = 0; c < 0x110000; c++) {
        int width = forbidden(c) ? -1 : wcwidth((wchar_t)c);
        allowed[c] = width > 0 ? 1 : width == 0 ? 2 : 0;
    }
    allowed['\n'] = allowed['\t'] = 1;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(allowed);
    return 0;
}

/* -1: not well-formed; lengths by RFC 3629, written out */
static int decode(const unsigned char *b, size_t n, uint32_t *c)
{
    if (b[0] < 0x80) {
        *c = b[0];
        return 1;
    }
    if (n >= 2 && b[0] >= 0xC2 && b[0] <= 0xDF && (b[1] & 0xC0) == 0x80) {
        *c = (uint32_t)((b[0] & 31) << 6 | (b[1] & 63));
        return 2;
    }
    if (n >= 3 && b[0] >= 0xE0 && b[0] <= 0xEF && (b[1] & 0xC0) == 0x80 &&
        (b[2] & 0xC0) == 0x80) {
        *c = (uint32_t)((b[0] & 15) << 12 | (b[1] & 63) << 6 | (b[2] & 63));
        return *c >= 0x800 && (*c < 0xD800 || *c > 0xDFFF) ? 3 : -1;
    }
    if (n >= 4 && b[0] >= 0xF0 && b[0] <= 0xF4 && (b[1] & 0xC0) == 0x80 &&
        (b[2] & 0xC0) == 0x80 && (b[3] & 0xC0) == 0x80) {
        *c = (uint32_t)((b[0] & 7) << 18 | (b[1] & 63) << 12 | (b[2] & 63) << 6 | (b[3] & 63));
        return *c >= 0x10000 && *c <= 0x10FFFF ? 4 : -1;
    }
    return -1;
}

/* Is this text that may reach a terminal? */
static int is_clean(const char *text, size_t n_bytes)
{
    int n_marks = 0;
    uint32_t base = 0;
    for (size_t at = 0; at < n_bytes;) {
        uint32_t c = 0;
        int used = decode((const unsigned char *)text + at, n_bytes - at, &c);
        if (used < 0 || !allowed[c])
            return 0;
        if (allowed[c] == 2) {
            if (base == 0 || base == '\n' || base == '\t' || ++n_marks > 8)
                return 0;
        } else {
            base = c;
            n_marks = 0;
        }
        at += (size_t)used;
    }
    return 1;
}

/* All of it at once, into exactly the room that is promised. */
static size_t filter_all(const char *bytes, size_t n_bytes, char *out, size_t room)
{
    struct ui_filter filter;
    ui_filter_init(&filter);
    assert_true(ui_filter_room(n_bytes) <= room);
    size_t n = ui_filter_text(&filter, bytes, n_bytes, out);
    assert_true(n <= ui_filter_room(n_bytes));
    size_t tail = ui_filter_finish(&filter, out + n);
    assert_true(tail <= 8);
    return n + tail;
}

static void check_text(const char *bytes, size_t n_bytes, const char *expected)
{
    char out[1024];
    size_t n = filter_all(bytes, n_bytes, out, sizeof out);
    out[n] = '\0';
    assert_string_equal(out, expected);
}

static size_t encode(uint32_t c, char *out)
{
    size_t n = 0;
    if (c < 0x80) {
        out[n++] = (char)c;
    } else if (c < 0x800) {
        out[n++] = (char)(0xC0 | c >> 6);
        out[n++] = (char)(0x80 | (c & 63));
    } else if (c < 0x10000) {
        out[n++] = (char)(0xE0 | c >> 12);
        out[n++] = (char)(0x80 | (c >> 6 & 63));
        out[n++] = (char)(0x80 | (c & 63));
    } else {
        out[n++] = (char)(0xF0 | c >> 18);
        out[n++] = (char)(0x80 | (c >> 12 & 63));
        out[n++] = (char)(0x80 | (c >> 6 & 63));
        out[n++] = (char)(0x80 | (c & 63));
    }
    return n;
}

/* Each one alone, behind a letter, behind an emoji, and in front of a letter. */
static void every_code_point(void **state)
{
    (void)state;
    uint32_t n_dirty = 0, n_lost = 0;
    for (uint32_t c = 0; c < 0x110000; c++) {
        char in[32], out[256];
        size_t n_in = encode(c, in);
        size_t n = filter_all(in, n_in, out, sizeof out);
        n_dirty += !is_clean(out, n);
        n_lost += allowed[c] == 1 && (n != n_in || memcmp(in, out, n) != 0) && c != 0x115F &&
                  c != 0x3164 && c != 0xFFA0; /* blank letters are shown */
        memcpy(in, "a", 1);
        n_in = 1 + encode(c, in + 1);
        n_in += encode(c, in + n_in);
        in[n_in++] = 'b';
        n = filter_all(in, n_in, out, sizeof out);
        n_dirty += !is_clean(out, n) || out[0] != 'a' || out[n - 1] != 'b';
        memcpy(in, "\xF0\x9F\x91\xA8", 4);
        n_in = 4 + encode(c, in + 4);
        n = filter_all(in, n_in, out, sizeof out);
        n_dirty += !is_clean(out, n);
    }
    assert_int_equal(n_dirty, 0);
    assert_int_equal(n_lost, 0);
}

static void every_short_sequence(void **state)
{
    (void)state;
    uint32_t n_dirty = 0;
    char out[64];
    for (uint32_t i = 0; i < 0x10000; i++) {
        char bytes[3] = {(char)(i >> 8), (char)i, 'x'};
        n_dirty += !is_clean(out, filter_all(bytes + 1, 1, out, sizeof out));
        n_dirty += !is_clean(out, filter_all(bytes, 2, out, sizeof out));
        n_dirty += !is_clean(out, filter_all(bytes, 3, out, sizeof out));
    }
    assert_int_equal(n_dirty, 0);
}

/* Three bytes: all that start with a control or a byte above ASCII. */
static void most_sequences_of_three(void **state)
{
    (void)state;
    uint32_t n_dirty = 0;
    char out[64];
    for (uint32_t first = 0; first < 0x100; first++) {
        if (first >= 0x20 && first < 0x7F)
            continue;
        for (uint32_t i = 0; i < 0x10000; i++) {
            char bytes[3] = {(char)first, (char)(i >> 8), (char)i};
            struct ui_filter filter;
            ui_filter_init(&filter);
            size_t n = ui_filter_text(&filter, bytes, 3, out);
            n += ui_filter_finish(&filter, out + n);
            n_dirty += !is_clean(out, n);
        }
    }
    assert_int_equal(n_dirty, 0);
}

static void random_bytes_stay_clean(void **state)
{
    (void)state;
    static const char alphabet[] =
        "\033\033\r\n\xE2\x80\x8D\xEF\xB8\x8F\xCC\x81\xF0\x9F\x91\xA8m[]0;\a\x9B\xC2\x9B\xAE";
    uint64_t seed = 88172645463325252u;
    char in[64], out[512];
    for (int round = 0; round < 200000; round++) {
        struct ui_filter filter;
        ui_filter_init(&filter);
        size_t n = 0, n_in = sizeof in;
        for (size_t i = 0; i < n_in; i++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            in[i] = alphabet[seed % (sizeof alphabet - 1)];
        }
        for (size_t at = 0; at < n_in;) {
            size_t piece = 1 + (size_t)(in[at] & 3);
            piece = piece > n_in - at ? n_in - at : piece;
            n += ui_filter_text(&filter, in + at, piece, out + n);
            at += piece;
        }
        n += ui_filter_finish(&filter, out + n);
        assert_true(n <= sizeof out);
        assert_true(is_clean(out, n));
        char whole[512];
        assert_int_equal(filter_all(in, n_in, whole, sizeof whole), n);
        assert_memory_equal(whole, out, n);
    }
}

/* What terminals have been driven with: clipboard, title, links, reports, resets, strings. */
static const char *const payloads[] = {
    "\033]52;c;ZXZpbA==\a",
    "\033]0;owned\033\\",
    "\033]8;;http://x\033\\click\033]8;;\033\\",
    "\033P+q544e\033\\",
    "\033_Gi=1;AAAA\033\\",
    "\033^pm\033\\",
    "\033Xsos\033\\",
    "\033[6n",
    "\033[c",
    "\033[>c",
    "\033[5n",
    "\033[?1000h",
    "\033[?1049h",
    "\033[?2004l",
    "\033[2J\033[H",
    "\033c",
    "\033[8;1;1t",
    "\033[21t",
    "\033(0lqk",
    "\033#8",
    "\033[?25l",
    "\033[31mred\033[0m",
    "\xC2\x9B"
    "31mred",
    "\xC2\x9D"
    "0;t\xC2\x9C",
    "\x9B"
    "31m",
    "\x90q\x9C",
    "\033]unterminated",
    "a\rb",
    "a\r\nb",
    "\b\b\b",
    "\016lqqk\017",
    "\x7F\x7F",
    "\xE2\x80\xAE"
    "txt.exe",
    "\xE2\x81\xA6"
    "x\xE2\x81\xA9",
    "\xF3\xA0\x81\xA1\xF3\xA0\x81\xA2",
    "\xEF\xBB\xBFmid\xEF\xBB\xBF",
    "\xED\xA0\x80",
    "\xF4\x90\x80\x80",
    "\xC0\xAF",
    "\xE0\x80\xAF",
    "\xF8\x88\x80\x80\x80",
    "\xE2\x82",
    "a\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81\xCC\x81",
    "\xE2\x80\xA8\xE2\x80\xA9",
    "\xE2\x80\x8D\xE2\x80\x8D",
    "x\xEF\xB8\x80\xEF\xB8\x81",
};

static void payloads_cut_anywhere(void **state)
{
    (void)state;
    for (size_t p = 0; p < sizeof payloads / sizeof payloads[0]; p++) {
        size_t n_in = strlen(payloads[p]);
        char whole[512], cut[512];
        size_t n_whole = filter_all(payloads[p], n_in, whole, sizeof whole);
        assert_true(is_clean(whole, n_whole));
        for (size_t first = 0; first <= n_in; first++) {
            for (size_t second = first; second <= n_in; second++) {
                struct ui_filter filter;
                ui_filter_init(&filter);
                size_t n = ui_filter_text(&filter, payloads[p], first, cut);
                n += ui_filter_text(&filter, payloads[p] + first, second - first, cut + n);
                n += ui_filter_text(&filter, payloads[p] + second, n_in - second, cut + n);
                n += ui_filter_finish(&filter, cut + n);
                assert_int_equal(n, n_whole);
                assert_memory_equal(cut, whole, n);
            }
        }
    }
}

#define CHECK(in, expected) check_text(in, sizeof(in) - 1, expected)

static void known_cases(void **state)
{
    (void)state;
    CHECK("plain\ttext\n", "plain\ttext\n");
    CHECK("\033[31m", "^[[31m");
    CHECK("\0", "^@");
    CHECK("\x7F", "^?");
    CHECK("a\r\nb\rc\r", "a\nb^Mc^M");
    CHECK("\xC2\x9B", "<U+009B>");
    CHECK("\xE2\x80\xAE", "<U+202E>");
    CHECK("\xF3\xA0\x81\x81", "<U+E0041>");
    CHECK("\xF4\x8F\xBF\xBF", "<U+10FFFF>");
    CHECK("\xEF\xBB\xBFx\xEF\xBB\xBF", "x<U+FEFF>");
    CHECK("caf\xC3\xA9", "caf\xC3\xA9");
    CHECK("e\xCC\x81", "e\xCC\x81");
    CHECK("\n\xCC\x81", "\n<U+0301>");
    CHECK("\xFF\xFE", "\xEF\xBF\xBD\xEF\xBF\xBD");
    CHECK("\xE2\x82", "\xEF\xBF\xBD");
    CHECK("\xE2\x82(", "\xEF\xBF\xBD(");
    CHECK("\xE2(\xA1", "\xEF\xBF\xBD(\xEF\xBF\xBD");
    /* A family of emoji, and a heart with its variation selector, are text. */
    CHECK("\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9",
          "\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9");
    CHECK("\xE2\x9D\xA4\xEF\xB8\x8F", "\xE2\x9D\xA4\xEF\xB8\x8F");
    CHECK("a\xE2\x80\x8D", "a<U+200D>");
    CHECK("a\xEF\xB8\x8F\xEF\xB8\x8F", "a\xEF\xB8\x8F<U+FE0F>");
    /* Persian needs the non-joiner. */
    CHECK("\xD9\x85\xE2\x80\x8C\xD8\xAE", "\xD9\x85\xE2\x80\x8C\xD8\xAE");
}

static void lines(void **state)
{
    (void)state;
    char out[16];
    ui_filter_line("a\nb\tc", 5, out, sizeof out);
    assert_string_equal(out, "a^Jb c");
    ui_filter_line("\xE4\xB8\x96\xE4\xB8\x96\xE4\xB8\x96", 9, out, 8);
    assert_string_equal(out, "\xE4\xB8\x96\xE4\xB8\x96");
    ui_filter_line("abc", 3, out, 1);
    assert_string_equal(out, "");
    ui_filter_line("ab\xE2\x80\xAE", 5, out, 6);
    assert_string_equal(out, "ab");
    ui_filter_line("", 0, out, sizeof out);
    assert_string_equal(out, "");
    for (size_t room = 1; room <= sizeof out; room++) {
        ui_filter_line("\033x\xE4\xB8\x96\r\nw\xCC\x81\xFF", 11, out, room);
        assert_true(strlen(out) < room);
        assert_true(is_clean(out, strlen(out)));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_cases),
        cmocka_unit_test(lines),
        cmocka_unit_test(every_code_point),
        cmocka_unit_test(every_short_sequence),
        cmocka_unit_test(most_sequences_of_three),
        cmocka_unit_test(random_bytes_stay_clean),
        cmocka_unit_test(payloads_cut_anywhere),
    };
    return cmocka_run_group_tests_name("ui_filter", tests, set_up, tear_down);
}
