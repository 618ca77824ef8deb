/*
 * ui_layout.c - rows lose no byte and fit; appending gives what starting over gives; the parts
 * of the screen always add up; the transcript and its view keep their place
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <locale.h>

#include <cmocka.h>

#include "ui/layout.h"
#include "ui/status.h"
#include "ui/text.h"
#include "ui/transcript.h"
#include "ui/view.h"

static uint64_t seed = 88172645463325252u;

static uint32_t pick(uint32_t n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (uint32_t)(seed >> 33) % n;
}

static int set_up(void **state)
{
    (void)state;
    return setlocale(LC_ALL, "C.UTF-8") == NULL ? -1 : 0;
}

/* Pieces that make up difficult text: each is whole. */
static const char *const pieces[] = {
    "a",
    "word",
    " ",
    "  ",
    "\n",
    "\t",
    "-",
    "supercalifragilistic",
    "\xE4\xB8\x96\xE7\x95\x8C",
    "\xE3\x80\x82",
    "\xE3\x80\x8C",
    "e\xCC\x81",
    "\xCC\x81",
    "\xF0\x9F\x91\xA8",
    "\xE2\x80\x8D",
    "\xF0\x9F\x91\xA9",
    "\xEF\xB8\x8F",
    "\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA",
    "\xE2\x9D\xA4",
    "\xF0\x9F\x8F\xBD",
    "\xE0\xA4\x95\xE0\xA5\x8D\xE0\xA4\xB7\xE0\xA4\xBE",
    "\xED\x95\x9C",
    "\xE1\x84\x92\xE1\x85\xA1\xE1\x86\xAB",
    "\xE3\x80\x80",
    "https://example.org/a/b?c=d",
    "\xE2\x80\x94",
    "x\xCC\x81\xCC\x82\xCC\x83\xCC\x84\xCC\x85\xCC\x86\xCC\x87"};
#define N_PIECES (sizeof pieces / sizeof pieces[0])

/* Text as the filter lets it through; cuts[] are the places between pieces. */
static size_t make_text(char *text, size_t room, size_t *cuts, size_t *n_cuts)
{
    struct ui_filter filter;
    size_t n = 0;
    ui_filter_init(&filter);
    *n_cuts = 0;
    cuts[(*n_cuts)++] = 0;
    while (n + 128 < room) {
        const char *piece = pieces[pick(N_PIECES)];
        n += ui_filter_text(&filter, piece, strlen(piece), text + n);
        cuts[(*n_cuts)++] = n;
        if (pick(60) == 0)
            break;
    }
    return n;
}

static void check_rows(const struct layout *layout, const char *text, size_t n_bytes)
{
    size_t at = 0;
    for (size_t i = 0; i < layout->n_rows; i++) {
        const struct layout_row *row = &layout->rows[i];
        size_t next = i + 1 < layout->n_rows ? layout->rows[i + 1].start : n_bytes;
        assert_int_equal(row->start, at);
        assert_true(next > row->start);
        assert_true(row->columns <= layout->columns);
        assert_true(row->start + row->n_shown <= next);
        /* The columns are those of the clusters. */
        int column = 0;
        for (size_t b = row->start; b < row->start + row->n_shown;) {
            struct text_cluster cluster;
            text_cluster_at(text + b, row->start + row->n_shown - b, &cluster);
            column += layout_cluster_columns(&cluster, column, layout->columns);
            b += cluster.n_bytes;
        }
        assert_int_equal(column, row->columns);
        /* What is not drawn is blank. */
        for (size_t b = row->start + row->n_shown; b < next; b++)
            assert_non_null(strchr(" \t\n", text[b]));
        assert_true(!row->ends_in_newline || text[next - 1] == '\n');
        at = next;
    }
    assert_true(layout->n_rows > 0 || n_bytes == 0);
}

static void assert_same_rows(const struct layout *a, const struct layout *b)
{
    assert_int_equal(a->n_rows, b->n_rows);
    for (size_t i = 0; i < a->n_rows; i++) {
        assert_int_equal(a->rows[i].start, b->rows[i].start);
        assert_int_equal(a->rows[i].n_shown, b->rows[i].n_shown);
        assert_int_equal(a->rows[i].columns, b->rows[i].columns);
        assert_int_equal(a->rows[i].ends_in_newline, b->rows[i].ends_in_newline);
    }
}

static void rows_partition_and_fit(void **state)
{
    (void)state;
    static char text[4096];
    static size_t cuts[4096];
    for (int round = 0; round < 3000; round++) {
        size_t n_cuts, n_bytes = make_text(text, sizeof text, cuts, &n_cuts);
        struct layout layout;
        layout_init(&layout, 1 + (int)pick(round % 2 ? 12 : 120));
        assert_true(layout_append(&layout, text, n_bytes));
        check_rows(&layout, text, n_bytes);
        layout_release(&layout);
    }
}

static void appending_equals_starting_over(void **state)
{
    (void)state;
    static char text[2048];
    static size_t cuts[2048];
    for (int round = 0; round < 400; round++) {
        size_t n_cuts;
        make_text(text, sizeof text, cuts, &n_cuts);
        struct layout grown, fresh;
        int columns = 1 + (int)pick(round % 3 ? 20 : 90);
        layout_init(&grown, columns);
        layout_init(&fresh, columns);
        for (size_t i = 0; i < n_cuts; i++) {
            assert_true(layout_append(&grown, text, cuts[i]));
            layout_reset(&fresh, columns);
            assert_true(layout_append(&fresh, text, cuts[i]));
            assert_same_rows(&grown, &fresh);
        }
        layout_release(&grown);
        layout_release(&fresh);
    }
}

/* Columns and bytes of a row answer each other. */
static void places_in_rows(void **state)
{
    (void)state;
    static char text[1024];
    static size_t cuts[1024];
    for (int round = 0; round < 300; round++) {
        size_t n_cuts, n_bytes = make_text(text, sizeof text, cuts, &n_cuts);
        struct layout layout;
        layout_init(&layout, 2 + (int)pick(40));
        layout_append(&layout, text, n_bytes);
        for (size_t at = 0; at < n_bytes; at++) {
            size_t row = layout_row_at(&layout, at);
            assert_true(layout.rows[row].start <= at);
            assert_true(row + 1 == layout.n_rows || layout.rows[row + 1].start > at);
            int column = layout_column_at(&layout, text, row, at);
            assert_true(column >= 0 && column <= layout.columns);
            size_t back = layout_offset_at(&layout, text, row, column);
            assert_true(back >= layout.rows[row].start);
            assert_int_equal(layout_column_at(&layout, text, row, back), column);
        }
        layout_release(&layout);
    }
}

static void check_wrap(const char *text, int columns, const char *expected)
{
    struct layout layout;
    char shown[1024];
    size_t n = 0;
    layout_init(&layout, columns);
    layout_append(&layout, text, strlen(text));
    for (size_t i = 0; i < layout.n_rows; i++) {
        memcpy(shown + n, text + layout.rows[i].start, layout.rows[i].n_shown);
        n += layout.rows[i].n_shown;
        shown[n++] = '|';
    }
    shown[n] = '\0';
    assert_string_equal(shown, expected);
    layout_release(&layout);
}

static void wrapping(void **state)
{
    (void)state;
    check_wrap("the quick brown fox", 10, "the quick |brown fox|");
    check_wrap("the quick  brown", 9, "the quick|brown|");
    check_wrap("abcdefghijkl", 5, "abcde|fghij|kl|");
    check_wrap("x abcdefghijkl", 5, "x |abcde|fghij|kl|");
    check_wrap("    abcdefgh", 6, "    ab|cdefgh|"); /* indentation is no place to break */
    check_wrap("well-known fact", 7, "well-|known |fact|");
    check_wrap("a\n\nb\n", 5, "a||b|");
    check_wrap("a\tb", 20, "a\tb|");
    /* No break before a full stop, none behind an opening bracket. */
    check_wrap("\xE4\xB8\x96\xE7\x95\x8C\xE3\x80\x82", 4,
               "\xE4\xB8\x96|\xE7\x95\x8C\xE3\x80\x82|");
    check_wrap("\xE4\xB8\x96\xE3\x80\x8C\xE7\x95\x8C", 4,
               "\xE4\xB8\x96|\xE3\x80\x8C\xE7\x95\x8C|");
    /* A wide character in a row of one column still makes progress. */
    check_wrap("\xE4\xB8\x96\xE4\xB8\x96", 1, "\xE4\xB8\x96|\xE4\xB8\x96|");
    check_wrap("", 5, "");
    check_wrap("\n", 5, "|");
}

static void check_cluster(const char *text, size_t n_bytes, int columns, int n_shown)
{
    struct text_cluster cluster;
    text_cluster_at(text, strlen(text), &cluster);
    assert_int_equal(cluster.n_bytes, n_bytes);
    assert_int_equal(cluster.columns, columns);
    assert_int_equal(cluster.n_shown, n_shown);
}

static void clusters(void **state)
{
    (void)state;
    check_cluster("a", 1, 1, 1);
    check_cluster("e\xCC\x81x", 3, 1, 2);
    /* man, ZWJ, woman, ZWJ, girl: drawn as the man, two columns, all bytes one step */
    check_cluster("\xF0\x9F\x91\xA8\xE2\x80\x8D\xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA7!",
                  18, 2, 1);
    check_cluster("\xF0\x9F\x91\x8D\xF0\x9F\x8F\xBDx", 8, 2, 1); /* skin tone */
    check_cluster("\xE2\x9D\xA4\xEF\xB8\x8Fx", 6, 1, 1);         /* heart, VS16: one column */
    check_cluster("\xF0\x9F\x87\xA9\xF0\x9F\x87\xAA", 4, 1, 1);  /* half a flag */
    check_cluster("x\xCC\x81\xCC\x82\xCC\x83\xCC\x84\xCC\x85\xCC\x86", 13, 1, 5);
    check_cluster("\n", 1, 0, 1);
    assert_int_equal(ui_text_columns("a\xE4\xB8\x96 b", 6), 5);
}

static void regions_add_up(void **state)
{
    (void)state;
    for (int rows = 1; rows <= 60; rows++) {
        for (int columns = 1; columns <= 130; columns++) {
            for (int input = 0; input < 30; input += 7) {
                struct regions r = regions_of(rows, columns, input);
                assert_true(r.input >= 1 && r.transcript >= 0);
                assert_int_equal(r.header + r.upper_rule + r.transcript + r.lower_rule +
                                     r.status + r.input,
                                 rows);
                assert_int_equal(r.input_top + r.input, rows);
                assert_true(rows < 2 || r.transcript >= 1);
            }
        }
    }
    assert_int_equal(regions_of(24, 80, 1).status, 2);
    assert_int_equal(regions_of(12, 40, 1).status, 1);
    assert_int_equal(regions_of(12, 40, 1).style, TRANSCRIPT_COMPACT);
    assert_int_equal(regions_of(12, 39, 1).style, TRANSCRIPT_BARE);
}

static void say(struct transcript *transcript, enum ui_block_kind kind, const char *heading,
                const char *text)
{
    uint32_t block = transcript_add(transcript, kind, heading);
    transcript_append(transcript, block, text, strlen(text));
    transcript_finish(transcript, block);
}

static void check_row(const struct transcript *transcript, size_t row, const char *expected)
{
    struct transcript_row at;
    assert_true(transcript_row(transcript, row, &at));
    assert_int_equal(at.n_bytes, strlen(expected));
    assert_memory_equal(at.text, expected, at.n_bytes);
}

static void transcript_rows(void **state)
{
    (void)state;
    struct transcript t;
    transcript_init(&t, false);
    transcript_set_shape(&t, 23, TRANSCRIPT_FULL);
    say(&t, UI_BLOCK_USER, "you", "\nhow are you today, old friend?\n\n");
    say(&t, UI_BLOCK_THINKING, "thinking", "hm\nhm");
    say(&t, UI_BLOCK_ANSWER, "model", "fine\033[31m");
    transcript_update(&t);
    assert_int_equal(t.n_rows, 7);
    check_row(&t, 0, "you");
    check_row(&t, 1, "how are you today, ");
    check_row(&t, 2, "old friend?");
    check_row(&t, 3, "");
    check_row(&t, 4, "thought"); /* folded: no heading, and the answer follows at once */
    check_row(&t, 5, "model");
    check_row(&t, 6, "fine^[[31m");
    transcript_fold(&t, 2, true, "thought for 2 s");
    transcript_update(&t);
    check_row(&t, 4, "thought for 2 s");
    transcript_toggle_thinking(&t);
    transcript_update(&t);
    assert_int_equal(t.n_rows, 10);
    check_row(&t, 4, "thinking");
    check_row(&t, 6, "hm");
    transcript_fold(&t, 2, true, "later"); /* the person opened it; it stays open */
    transcript_update(&t);
    assert_int_equal(t.n_rows, 10);
    transcript_set_shape(&t, 10, TRANSCRIPT_COMPACT);
    transcript_update(&t);
    assert_int_equal(t.n_rows, 5 + 2 + 2);
    transcript_remove(&t, 2);
    transcript_update(&t);
    assert_int_equal(t.n_rows, 5);
    transcript_remove(&t, 1);
    transcript_update(&t);
    assert_int_equal(t.n_rows, 0);
    struct transcript_row row;
    assert_false(transcript_row(&t, 0, &row));
    transcript_append(&t, 7, "x", 1); /* no such block */
    transcript_release(&t);
}

/* The rows of a transcript that grows piece by piece are those of one that is laid out at
 * once. */
static void transcript_grows_as_it_stands(void **state)
{
    (void)state;
    static char text[2048];
    static size_t cuts[2048];
    for (int round = 0; round < 60; round++) {
        struct transcript grown, fresh;
        transcript_init(&grown, true);
        transcript_init(&fresh, true);
        for (int block = 0; block < 4; block++) {
            size_t n_cuts, n_bytes = make_text(text, sizeof text, cuts, &n_cuts);
            enum ui_block_kind kind = (enum ui_block_kind)pick(5);
            uint32_t a = transcript_add(&grown, kind, "name");
            uint32_t b = transcript_add(&fresh, kind, "name");
            for (size_t i = 1; i < n_cuts; i++) {
                transcript_append(&grown, a, text + cuts[i - 1], cuts[i] - cuts[i - 1]);
                transcript_update(&grown);
            }
            transcript_append(&fresh, b, text, n_bytes);
        }
        int columns = 1 + (int)pick(100);
        transcript_set_shape(&grown, columns, TRANSCRIPT_FULL);
        transcript_set_shape(&fresh, columns, TRANSCRIPT_FULL);
        transcript_update(&grown);
        transcript_update(&fresh);
        assert_int_equal(grown.n_rows, fresh.n_rows);
        for (size_t i = 0; i < grown.n_rows; i++) {
            struct transcript_row a, b;
            assert_true(transcript_row(&grown, i, &a) && transcript_row(&fresh, i, &b));
            assert_int_equal(a.n_bytes, b.n_bytes);
            assert_memory_equal(a.text, b.text, a.n_bytes);
            struct transcript_anchor anchor = transcript_anchor_of(&grown, i);
            assert_int_equal(transcript_row_of(&grown, &anchor), i);
        }
        transcript_release(&grown);
        transcript_release(&fresh);
    }
}

static void add_lines(struct transcript *transcript, uint32_t block, int n)
{
    for (int i = 0; i < n; i++)
        transcript_append(transcript, block, "line of text\n", 13);
    transcript_update(transcript);
}

static void view_keeps_its_place(void **state)
{
    (void)state;
    struct transcript t;
    struct view view = {.scrolled = false};
    char note[96];
    transcript_init(&t, false);
    transcript_set_shape(&t, 40, TRANSCRIPT_BARE);
    uint32_t block = transcript_add(&t, UI_BLOCK_ANSWER, NULL);
    add_lines(&t, block, 50);
    assert_int_equal(view_top(&view, &t, 10), 40);
    view_note(&view, &t, 10, note, sizeof note);
    assert_string_equal(note, "");
    view_scroll(&view, &t, 10, -5);
    assert_int_equal(view_top(&view, &t, 10), 35);
    view_note(&view, &t, 10, note, sizeof note);
    assert_string_equal(note, "-- 6 lines below (End) --");
    add_lines(&t, block, 34);
    assert_int_equal(view_top(&view, &t, 10), 35);
    view_note(&view, &t, 10, note, sizeof note);
    assert_string_equal(note, "-- 34 new lines below (End) --");
    /* Narrower: the same text stays at the top. */
    transcript_set_shape(&t, 8, TRANSCRIPT_BARE);
    transcript_update(&t);
    assert_int_equal(view_top(&view, &t, 10), 70);
    view_follow(&view);
    view_scroll(&view, &t, 10, -5);
    transcript_set_shape(&t, 5, TRANSCRIPT_BARE);
    transcript_update(&t);
    view_note(&view, &t, 10, note, sizeof note);
    assert_null(strstr(note, "new")); /* more rows, but no new text */
    /* Where everything fits it follows. */
    view_settle(&view, &t, 100000);
    assert_false(view.scrolled);
    view_scroll(&view, &t, 10, -5);
    view_scroll(&view, &t, 10, 1000000);
    assert_false(view.scrolled);
    view_scroll(&view, &t, 10, -1000000);
    assert_int_equal(view_top(&view, &t, 10), 0);
    transcript_remove(&t, 1);
    transcript_update(&t);
    assert_int_equal(view_top(&view, &t, 10), 0);
    view_scroll(&view, &t, 10, 1);
    assert_false(view.scrolled);
    view_scroll(&view, &t, 0, -1);
    transcript_release(&t);
}

static struct ui_status example(enum ui_phase phase)
{
    struct ui_status status = {.phase = phase,
                               .fraction = 0.54,
                               .done = 5120,
                               .total = 9480,
                               .rate = 118,
                               .remaining = 37,
                               .rate_now = 14.2,
                               .rate_average = 12.9,
                               .first_token = 1.9,
                               .n_tokens = 312,
                               .position = 3140,
                               .n_context = 32768,
                               .n_cached = 1812,
                               .n_prompt = 1840};
    strcpy(status.model, "qwen3.5-9b Q4_K_M");
    strcpy(status.note, "readline pitfalls");
    return status;
}

static void status_fits_any_width(void **state)
{
    (void)state;
    static char lines[2][STATUS_LINE];
    for (int phase = UI_PHASE_IDLE; phase <= UI_PHASE_NO_MODEL; phase++) {
        for (int columns = 0; columns <= 600; columns++) {
            for (int n_lines = 1; n_lines <= 2; n_lines++) {
                struct ui_status status = example((enum ui_phase)phase);
                status_lines(&status, NULL, columns, n_lines, columns % 2 == 0, lines);
                for (int i = 0; i < 2; i++)
                    assert_true(ui_text_columns(lines[i], strlen(lines[i])) <= columns);
                status.total = UINT64_MAX;
                status.done = UINT64_MAX;
                status.rate_now = status.rate = 1e300;
                status.remaining = status.first_token = status.fraction = 0.0 / 0.0;
                status.n_tokens = status.position = status.n_context = UINT32_MAX;
                memset(status.model, 0xFF, sizeof status.model);
                memset(status.note, '\033', sizeof status.note);
                status_lines(&status, NULL, columns, n_lines, false, lines);
                for (int i = 0; i < 2; i++)
                    assert_true(ui_text_columns(lines[i], strlen(lines[i])) <= columns);
                status_header(&status, columns, lines[0]);
                assert_true(ui_text_columns(lines[0], strlen(lines[0])) <= columns);
            }
        }
    }
}

static void status_drops_in_order(void **state)
{
    (void)state;
    static char lines[2][STATUS_LINE];
    struct ui_status status = example(UI_PHASE_GENERATING);
    status_lines(&status, NULL, 80, 2, true, lines);
    assert_string_equal(lines[0], " answering  14.2 t/s  avg 12.9  312 tok  ttft 1.9 s"
                                  "                ctx 3.1k/32k");
    assert_non_null(strstr(lines[1], "cache 1,812/1,840"));
    assert_non_null(strstr(lines[1], "Esc stops"));
    status_lines(&status, NULL, 40, 1, true, lines);
    assert_string_equal(lines[0], " answering  14.2 t/s  ctx 9%  Esc stops");
    status_lines(&status, NULL, 12, 1, true, lines);
    assert_string_equal(lines[0], " 14.2 t/s");
    status = example(UI_PHASE_PREFILL);
    status_lines(&status, NULL, 80, 2, true, lines);
    assert_string_equal(lines[0], " reading  [==============............]  54%  5,120/9,480 tok"
                                  "  118 t/s  eta 0:37");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrapping),
        cmocka_unit_test(clusters),
        cmocka_unit_test(rows_partition_and_fit),
        cmocka_unit_test(appending_equals_starting_over),
        cmocka_unit_test(places_in_rows),
        cmocka_unit_test(regions_add_up),
        cmocka_unit_test(transcript_rows),
        cmocka_unit_test(transcript_grows_as_it_stands),
        cmocka_unit_test(view_keeps_its_place),
        cmocka_unit_test(status_fits_any_width),
        cmocka_unit_test(status_drops_in_order),
    };
    return cmocka_run_group_tests_name("ui_layout", tests, set_up, NULL);
}
