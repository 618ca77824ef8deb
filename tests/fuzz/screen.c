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
#include "ui/menu.h"
#include "ui/panel.h"
#include "ui/split.h"
#include "ui/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n_bytes);

/* The runs of a row are in order and end with the text. */
static void check_marks(const struct transcript_row *row)
{
    const struct marks *marks = &row->block->marks;
    size_t end = 0;
    assert(marks->n_runs <= row->block->text.n_bytes);
    for (size_t at = row->offset;
         row->part == TRANSCRIPT_BODY && at < row->offset + row->n_bytes; at = end) {
        marks_at(marks, at, &end);
        assert(end > at);
    }
}

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
        transcript_append_marked(&pieces, a, text + at,
                                 n_bytes - at < piece ? n_bytes - at : piece,
                                 (enum ui_mark)(at / piece / 3 % 4));
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
        check_marks(&x);
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
            int number;
            if (keys_name(&token, &number) == KEYS_FUNCTION)
                assert(number >= 1 && number <= 20);
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

static void check_line(const char *text, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        assert((unsigned char)text[i] >= 0x20 && text[i] != 0x7F);
}

/* The same bytes as a page, as names of a menu, and as keys that are typed there. */
static void check_views(const char *text, int columns, int n_rows)
{
    struct panel panel = {.open = false};
    struct split split = {.open = false};
    struct menu menu = {.open = false};
    struct area area;
    const struct ui_menu_row rows[] = {{text, NULL}, {"b", text}, {text, text}};
    panel_show(&panel, text, text, text);
    for (size_t i = 0; i < panel.lines.n_lines; i++) {
        size_t n_bytes;
        const char *line = lines_at(&panel.lines, i, &n_bytes);
        check_line(line, n_bytes);
    }
    lines_scroll(&panel.lines, n_rows, columns - 50);
    assert(lines_top(&panel.lines, n_rows) <= panel.lines.n_lines);
    regions_of_split(n_rows, columns, &area);
    struct split_shape shape = split_shape_of(area, panel.lines.n_lines);
    split_open(&split, text);
    split_append(&split, UI_PANE_A, text, strlen(text), UI_MARK_MTP);
    split_update(&split, &shape);
    split_choose(&split, &shape, columns % 2 == 0);
    split_scroll(&split, &shape, columns - 50);
    split_close(&split);
    panel_close(&panel);
    menu_show(&menu, text, rows, 3, (size_t)n_rows);
    for (size_t at = 0; menu.open && text[at] != '\0'; at++) {
        struct keys_token key = {KEYS_CHARACTER, text + at, 1};
        menu_key(&menu, &key);
        assert(menu.selected < menu.n_rows);
        assert(menu_settle(&menu, n_rows % 4) <= menu.selected);
    }
    menu_close(&menu);
}

static void check_status(const char *text, size_t n_bytes, int columns)
{
    static char out[2][STATUS_LINE];
    struct ui_status status = {.phase = UI_PHASE_GENERATING, .n_context = 1};
    if (n_bytes > sizeof status - offsetof(struct ui_status, policy))
        n_bytes = sizeof status - offsetof(struct ui_status, policy);
    memcpy((char *)&status + offsetof(struct ui_status, policy), text, n_bytes);
    for (int n_lines = 1; n_lines <= 2; n_lines++) {
        status_lines(&status, NULL, columns, n_lines, false, out);
        check_line(out[0], strlen(out[0]));
        assert(ui_text_columns(out[0], strlen(out[0])) <= columns);
    }
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
    check_status(text, n_bytes - 2, 1 + bytes[1] % 100);
    char *copy = strndup(text, n_bytes - 2);
    if (copy != NULL)
        check_views(copy, 1 + bytes[1], 1 + bytes[0] % 40);
    free(copy);
    return 0;
}
