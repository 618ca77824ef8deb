/*
 * screen.c - any bytes as a model's text and as keys: shown, never executed, never a crash
 *
 * The first byte says how the rest is cut into pieces; cutting must change nothing.
 */
#include <assert.h>
#include <locale.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "ui/keys.h"
#include "ui/transcript.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

static void check_transcript(const char *text, size_t n_bytes, size_t piece, int columns)
{
    struct transcript pieces, whole;
    transcript_init(&pieces, true);
    transcript_init(&whole, true);
    transcript_set_shape(&pieces, columns, TRANSCRIPT_FULL);
    transcript_set_shape(&whole, columns, TRANSCRIPT_FULL);
    uint32_t a = transcript_add(&pieces, UI_BLOCK_ANSWER, "model");
    uint32_t b = transcript_add(&whole, UI_BLOCK_ANSWER, "model");
    for (size_t at = 0; at < n_bytes; at += piece) {
        transcript_append(&pieces, a, text + at, n_bytes - at < piece ? n_bytes - at : piece);
        transcript_update(&pieces);
    }
    transcript_append(&whole, b, text, n_bytes);
    transcript_finish(&pieces, a);
    transcript_finish(&whole, b);
    transcript_update(&pieces);
    transcript_update(&whole);
    assert(pieces.n_rows == whole.n_rows);
    for (size_t i = 0; i < whole.n_rows; i++) {
        struct transcript_row x, y;
        assert(transcript_row(&pieces, i, &x) && transcript_row(&whole, i, &y));
        assert(x.n_bytes == y.n_bytes && memcmp(x.text, y.text, x.n_bytes) == 0);
        for (size_t j = 0; j < x.n_bytes; j++)
            assert((unsigned char)x.text[j] >= 0x20 || x.text[j] == '\t');
    }
    transcript_release(&pieces);
    transcript_release(&whole);
}

static void check_keys(const char *text, size_t n_bytes, size_t piece)
{
    struct keys keys;
    struct keys_token token;
    int64_t now = 0;
    keys_init(&keys, true);
    for (size_t at = 0; at < n_bytes; at += piece) {
        keys_feed(&keys, text + at, n_bytes - at < piece ? n_bytes - at : piece, now);
        now += (int64_t)piece * 13 % 300;
        while (keys_next(&keys, now, &token)) {
            assert(token.type == KEYS_PASTE || token.n_bytes > 0);
            if (token.type == KEYS_SEQUENCE)
                assert(token.bytes[0] == '\033' && token.n_bytes > 1);
            for (size_t i = 0; token.type == KEYS_PASTE && i < token.n_bytes; i++)
                assert((unsigned char)token.bytes[i] >= 0x20 || token.bytes[i] == '\n' ||
                       token.bytes[i] == '\t');
        }
    }
    while (keys_next(&keys, now + KEYS_PASTE_MS, &token))
        ;
    assert(keys_timeout_ms(&keys, now + KEYS_PASTE_MS) == -1);
    keys_release(&keys);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes)
{
    static bool has_locale;
    if (!has_locale)
        has_locale = setlocale(LC_ALL, "C.UTF-8") != NULL;
    if (n_bytes < 2)
        return 0;
    const char *text = (const char *)bytes + 2;
    size_t piece = 1 + bytes[0] % 9;
    check_transcript(text, n_bytes - 2, piece, 1 + bytes[1] % 100);
    check_keys(text, n_bytes - 2, piece);
    return 0;
}
