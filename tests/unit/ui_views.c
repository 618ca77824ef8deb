/*
 * ui_views.c - panel, menu, split view and marks: places, keys, runs of marks
 *
 * As `ui_views drive COMMANDS EVENTS` it is a program with a screen and nothing behind it, for
 * the tests on terminals (tests/terminal/ui_views.py): it takes lines from the pipe COMMANDS,
 * calls the function that the first word names, and writes what ui_next_event() says to EVENTS.
 */
#include <fcntl.h>
#include <locale.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <setjmp.h>
#include <cmocka.h>

#include "ui/menu.h"
#include "ui/panel.h"
#include "ui/split.h"

/* Marks ------------------------------------------------------------------------------------ */

static void marks_are_runs(void **state)
{
    (void)state;
    struct marks marks = {0};
    size_t end;
    for (size_t i = 0; i < 1000; i++)
        marks_add(&marks, i, UI_MARK_NONE);
    assert_int_equal(marks.n_runs, 0);
    for (size_t i = 1000; i < 2000; i++)
        marks_add(&marks, i, UI_MARK_NGRAM);
    assert_int_equal(marks.n_runs, 1);
    marks_add(&marks, 2000, UI_MARK_DRAFT);
    marks_add(&marks, 2000, UI_MARK_MTP); /* the draft's piece held no byte */
    marks_add(&marks, 2005, UI_MARK_NONE);
    assert_int_equal(marks.n_runs, 3);
    assert_int_equal(marks_at(&marks, 999, &end), UI_MARK_NONE);
    assert_int_equal(end, 1000);
    assert_int_equal(marks_at(&marks, 1000, &end), UI_MARK_NGRAM);
    assert_int_equal(marks_at(&marks, 1999, &end), UI_MARK_NGRAM);
    assert_int_equal(end, 2000);
    assert_int_equal(marks_at(&marks, 2004, &end), UI_MARK_MTP);
    assert_int_equal(marks_at(&marks, 2005, &end), UI_MARK_NONE);
    assert_true(end == SIZE_MAX);
    marks_release(&marks);
}

/* The mark of each byte stays what it was, however the text is cut, wrapped and folded. */
static void marks_outlive_layouts(void **state)
{
    (void)state;
    static const char *const pieces[] = {"one ",       "zw\xC3", "\xB6lf ",  "\033[31m",
                                         "dr\xE2\x82", "\xAC",   "\n\nend\t"};
    struct transcript t;
    transcript_init(&t, true);
    uint32_t block = transcript_add(&t, UI_BLOCK_ANSWER, "model");
    size_t starts[7];
    for (size_t i = 0; i < 7; i++) {
        starts[i] = t.blocks[0].text.n_bytes;
        transcript_append_marked(&t, block, pieces[i], strlen(pieces[i]),
                                 (enum ui_mark)(i % 4));
    }
    transcript_finish(&t, block);
    for (int columns = 1; columns < 40; columns += 3) {
        transcript_set_shape(&t, columns, TRANSCRIPT_FULL);
        transcript_fold(&t, block, columns % 2 == 0, "folded");
        transcript_update(&t);
        for (size_t row = 0; row < t.n_rows; row++) {
            struct transcript_row at;
            assert_true(transcript_row(&t, row, &at));
            if (at.part != TRANSCRIPT_BODY)
                continue;
            assert_ptr_equal(at.text, t.blocks[0].text.bytes + at.offset);
            for (size_t i = 0; i < at.n_bytes; i++) {
                size_t piece = 6, end;
                while (starts[piece] > at.offset + i)
                    piece--;
                assert_int_equal(marks_at(&at.block->marks, at.offset + i, &end), piece % 4);
            }
        }
    }
    assert_true(t.blocks[0].marks.n_runs <= 7);
    transcript_remove(&t, 1);
    transcript_release(&t);
}

/* Places ----------------------------------------------------------------------------------- */

static void claim(unsigned char *rows, int n_rows, int top, int n)
{
    for (int i = 0; i < n; i++) {
        assert_in_range(top + i, 0, n_rows - 1);
        assert_int_equal(rows[top + i], 0);
        rows[top + i] = 1;
    }
}

static void check_inside(const struct area *inner, const struct area *outer)
{
    assert_true(inner->rows >= 0 && inner->columns >= 1);
    assert_true(inner->left >= outer->left && inner->top >= outer->top);
    assert_true(inner->left + inner->columns <= outer->left + outer->columns);
    assert_true(inner->top + inner->rows <= outer->top + outer->rows);
}

/* Each row of the area belongs to one part; beside each other the panes share theirs. */
static void check_split(int n_rows, int n_columns, size_t n_table)
{
    struct area area;
    struct regions regions = regions_of_split(n_rows, n_columns, &area);
    assert_int_equal(area.rows + regions.status + regions.input, n_rows);
    struct split_shape shape = split_shape_of(area, n_table);
    unsigned char rows[300] = {0};
    const struct pane_shape *a = &shape.panes[UI_PANE_A], *b = &shape.panes[UI_PANE_B];
    if (shape.title_top >= 0)
        claim(rows, area.rows, shape.title_top, 1);
    if (shape.keys_top >= 0)
        claim(rows, area.rows, shape.keys_top, 1);
    for (int i = 0; i < 3; i++)
        if (shape.rule_tops[i] >= 0)
            claim(rows, area.rows, shape.rule_tops[i], 1);
    claim(rows, area.rows, shape.table.top, shape.table.rows);
    assert_true(shape.table.rows <= area.rows / 2);
    claim(rows, area.rows, a->text.top, a->text.rows);
    if (a->heading_top >= 0)
        claim(rows, area.rows, a->heading_top, 1);
    if (n_columns >= SPLIT_BESIDE_COLUMNS) {
        assert_int_equal(a->text.top, b->text.top);
        assert_int_equal(a->text.rows, b->text.rows);
        assert_true(a->text.left + a->text.columns <= shape.upright_left);
        assert_true(shape.upright_left < b->text.left);
    } else {
        claim(rows, area.rows, b->text.top, b->text.rows);
        if (b->heading_top >= 0)
            claim(rows, area.rows, b->heading_top, 1);
    }
    for (int i = 0; i < area.rows; i++)
        assert_int_equal(rows[i], 1);
    check_inside(&a->text, &area);
    check_inside(&b->text, &area);
}

static void panes_share_the_screen(void **state)
{
    (void)state;
    for (int n_rows = 1; n_rows <= 70; n_rows++)
        for (int n_columns = 1; n_columns <= 130; n_columns++)
            for (size_t n_table = 0; n_table < 12; n_table += n_table < 3 ? 1 : 5)
                check_split(n_rows, n_columns, n_table);
    check_split(256, 1000, 9);
    struct area area;
    regions_of_split(24, 80, &area);
    struct split_shape shape = split_shape_of(area, 6);
    assert_int_equal(shape.panes[UI_PANE_A].text.rows, 11);
    assert_int_equal(shape.table.rows, 6);
    regions_of_split(12, 40, &area);
    shape = split_shape_of(area, 6);
    for (int i = 0; i < UI_PANE_COUNT; i++) {
        assert_true(shape.panes[i].heading_top > 0);
        assert_true(shape.panes[i].text.rows >= 2);
    }
    assert_int_equal(shape.table.rows, 3);
    assert_true(shape.title_top == 0 && shape.keys_top == 10);
}

static void panels_have_their_place(void **state)
{
    (void)state;
    for (int n_rows = 1; n_rows <= 60; n_rows++) {
        for (int n_columns = 1; n_columns <= 260; n_columns++) {
            struct regions regions = regions_of(n_rows, n_columns, 1);
            struct area area = panel_area_of(&regions, n_columns);
            struct panel_shape shape = panel_shape_of(area, area.left > 0);
            check_inside(&shape.text, &area);
            int others = (shape.title_top >= 0) + (shape.rule_top >= 0) + (shape.keys_top >= 0);
            assert_int_equal(shape.text.rows + others, area.rows);
            assert_true((area.left > 0) == (n_columns >= 100));
            assert_int_equal(area.left + area.columns, n_columns);
            assert_true(n_rows < 3 || shape.text.rows >= 1);
        }
    }
}

static void lines_keep_their_place(void **state)
{
    (void)state;
    struct lines lines = {0};
    size_t n_bytes;
    lines_set(&lines, "a\tb\n\033[2J\n\nlast \xE2\x82");
    assert_int_equal(lines.n_lines, 4);
    const char *line = lines_at(&lines, 0, &n_bytes);
    assert_int_equal(n_bytes, 9);
    assert_memory_equal(line, "a       b", 9);
    line = lines_at(&lines, 1, &n_bytes);
    assert_int_equal(n_bytes, 5);
    assert_memory_equal(line, "^[[2J", 5);
    lines_at(&lines, 2, &n_bytes);
    assert_int_equal(n_bytes, 0);
    line = lines_at(&lines, 3, &n_bytes);
    assert_memory_equal(line, "last \xEF\xBF\xBD", n_bytes);
    lines_at(&lines, 4, &n_bytes);
    assert_int_equal(n_bytes, 0);
    lines_scroll(&lines, 2, 1);
    assert_int_equal(lines_top(&lines, 2), 1);
    lines_set(&lines, "1\n2\n3\n4\n5\n");
    assert_int_equal(lines_top(&lines, 2), 1);
    lines_scroll(&lines, 2, 100);
    assert_int_equal(lines_top(&lines, 2), 3);
    assert_int_equal(lines_top(&lines, 4), 1);
    lines_scroll(&lines, 2, -1000000000L);
    assert_int_equal(lines_top(&lines, 2), 0);
    lines_scroll(&lines, 0, 3);
    lines_set(&lines, "");
    assert_int_equal(lines.n_lines, 0);
    assert_int_equal(lines_top(&lines, 5), 0);
    lines_release(&lines);
}

/* Names of keys, menu ---------------------------------------------------------------------- */

static struct keys_token token_of(const char *bytes)
{
    struct keys_token token = {KEYS_CHARACTER, bytes, strlen(bytes)};
    if (bytes[0] == '\033')
        token.type = token.n_bytes == 1 ? KEYS_ESCAPE : KEYS_SEQUENCE;
    return token;
}

static void check_name(const char *bytes, enum keys_name expected, int expected_number)
{
    struct keys_token token = token_of(bytes);
    int number;
    assert_int_equal(keys_name(&token, &number), expected);
    assert_int_equal(number, expected_number);
}

static void keys_have_names(void **state)
{
    (void)state;
    check_name("\033OP", KEYS_FUNCTION, 1);
    check_name("\033OQ", KEYS_FUNCTION, 2);
    check_name("\033OS", KEYS_FUNCTION, 4);
    check_name("\033[12~", KEYS_FUNCTION, 2);
    check_name("\033[[B", KEYS_FUNCTION, 2); /* the Linux console */
    check_name("\033[[E", KEYS_FUNCTION, 5);
    check_name("\033[Q", KEYS_FUNCTION, 2); /* kitty */
    check_name("\033[15~", KEYS_FUNCTION, 5);
    check_name("\033[17~", KEYS_FUNCTION, 6);
    check_name("\033[17;1~", KEYS_FUNCTION, 6);
    check_name("\033[24~", KEYS_FUNCTION, 12);
    check_name("\033[17;5~", KEYS_NAMELESS, 0); /* Ctrl-F6 is another key */
    check_name("\033[1;2Q", KEYS_NAMELESS, 0);
    check_name("\033[16~", KEYS_NAMELESS, 0);
    check_name("\033[99999999999999~", KEYS_NAMELESS, 0);
    check_name("\033[[Z", KEYS_NAMELESS, 0);
    check_name("\033[A", KEYS_UP, 0);
    check_name("\033OB", KEYS_DOWN, 0);
    check_name("\033[1;5A", KEYS_NAMELESS, 0);
    check_name("\033[5~", KEYS_PAGE_UP, 0);
    check_name("\033[4~", KEYS_END, 0);
    check_name("\033[Z", KEYS_BACK_TAB, 0);
    check_name("\033x", KEYS_NAMELESS, 0);
}

static const struct ui_menu_row policies[] = {
    {"auto", "chooses"},         {"bold", NULL}, {"greedy", "one token a pass"},
    {"Gamma\033[1m", "hostile"}, {"mtp", ""},
};

static enum menu_answer press(struct menu *menu, const char *bytes)
{
    struct keys_token token = token_of(bytes);
    return menu_key(menu, &token);
}

static void menus_are_chosen_from(void **state)
{
    (void)state;
    struct menu menu = {0};
    menu_show(&menu, "policy", policies, 5, 2);
    assert_true(menu.open && menu.selected == 2);
    assert_string_equal(menu.rows[3].name, "Gamma^[[1m");
    assert_int_equal(press(&menu, "\033[A"), MENU_STAYS);
    assert_int_equal(menu.selected, 1);
    press(&menu, "\033[F");
    assert_int_equal(menu.selected, 4);
    press(&menu, "\033[B");
    assert_int_equal(menu.selected, 4);
    assert_int_equal(press(&menu, "g"), MENU_STAYS); /* two of them: goes round */
    assert_int_equal(menu.selected, 2);
    press(&menu, "G");
    assert_int_equal(menu.selected, 3);
    press(&menu, "g");
    assert_int_equal(menu.selected, 2);
    assert_int_equal(press(&menu, "x"), MENU_STAYS);
    assert_int_equal(press(&menu, "9"), MENU_STAYS);
    assert_int_equal(press(&menu, "0"), MENU_STAYS);
    assert_int_equal(menu.selected, 2);
    assert_int_equal(press(&menu, "b"), MENU_CHOSEN);
    assert_int_equal(menu.selected, 1);
    assert_int_equal(press(&menu, "5"), MENU_CHOSEN);
    assert_int_equal(menu.selected, 4);
    assert_int_equal(press(&menu, "\r"), MENU_CHOSEN);
    assert_int_equal(press(&menu, "\033"), MENU_CLOSED);
    assert_int_equal(press(&menu, "q"), MENU_CLOSED);
    assert_int_equal(press(&menu, "\033OS"), MENU_CLOSED);
    menu_show(&menu, NULL, policies, 0, 0);
    assert_false(menu.open);
    menu_close(&menu);
}

static void long_menus_scroll(void **state)
{
    (void)state;
    static char names[40][8];
    struct ui_menu_row rows[40];
    struct menu menu = {0};
    for (int i = 0; i < 40; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i + 1);
        rows[i] = (struct ui_menu_row){names[i], ""};
    }
    menu_show(&menu, "numbers", rows, 40, 99);
    assert_int_equal(menu.selected, 39);
    assert_int_equal(menu_settle(&menu, 10), 30);
    press(&menu, "\033[5~");
    assert_int_equal(menu.selected, 29);
    assert_int_equal(menu_settle(&menu, 10), 29);
    assert_int_equal(press(&menu, "3"), MENU_STAYS); /* 3, or 30 to 39 */
    assert_int_equal(menu.selected, 2);
    assert_int_equal(menu_settle(&menu, 10), 2);
    assert_int_equal(press(&menu, "7"), MENU_CHOSEN);
    assert_int_equal(menu.selected, 36);
    assert_int_equal(menu_settle(&menu, 100), 0);
    assert_int_equal(menu_settle(&menu, 0), 36);
    menu_close(&menu);
}

/* A program with a screen ------------------------------------------------------------------ */

static volatile sig_atomic_t resized;

static void on_resize(int number)
{
    (void)number;
    resized = 1;
}

struct drive {
    struct ui *ui;
    FILE *events;
    bool leaving;
};

__attribute__((format(printf, 2, 3))) static void report(struct drive *drive,
                                                         const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(drive->events, format, arguments);
    va_end(arguments);
    fputc('\n', drive->events);
    fflush(drive->events);
}

/* "\n", "\t", "\e" and "\xHH" of a command become bytes. */
static void unescape(char *text)
{
    char *out = text;
    while (*text != '\0') {
        unsigned value = 0;
        if (*text != '\\' || text[1] == '\0') {
            *out++ = *text++;
        } else if (text[1] == 'x' && sscanf(text + 2, "%2x", &value) == 1 && value != 0) {
            *out++ = (char)value;
            text += 4;
        } else {
            *out++ = text[1] == 'n' ? '\n' : text[1] == 't' ? '\t' : text[1] == 'e' ? 27 : '\\';
            text += 2;
        }
    }
    *out = '\0';
}

static const char *field(char **rest)
{
    char *word = strsep(rest, "|");
    if (word == NULL)
        return "";
    unescape(word);
    return word;
}

static int number_field(char **rest)
{
    return atoi(field(rest));
}

static void set_status(struct drive *drive, char *rest)
{
    struct ui_status status = {.phase = UI_PHASE_GENERATING, .n_context = 32768};
    snprintf(status.model, sizeof status.model, "tiny");
    status.first_token = status.remaining = -1;
    snprintf(status.policy, sizeof status.policy, "%s", field(&rest));
    snprintf(status.policy_state, sizeof status.policy_state, "%s", field(&rest));
    snprintf(status.policy_reason, sizeof status.policy_reason, "%s", field(&rest));
    status.rate_now = atof(field(&rest));
    status.acceptance = 0.71;
    status.mean_length = 3.2;
    status.speedup = 1.29;
    status.speedup_age = 24;
    status.position = 3140;
    status.n_tokens = 312;
    ui_set_status(drive->ui, &status);
}

static void show_menu(struct drive *drive, char *rest)
{
    struct ui_menu_row rows[64];
    size_t n_rows = 0, selected;
    const char *title = field(&rest);
    selected = (size_t)number_field(&rest);
    while (rest != NULL && n_rows < 64) {
        rows[n_rows].name = field(&rest);
        rows[n_rows++].description = field(&rest);
    }
    ui_menu_show(drive->ui, title, rows, n_rows, selected);
}

static void measure_frames(struct drive *drive, int n_frames)
{
    struct timespec from, to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    for (int i = 0; i < n_frames; i++) {
        ui_split_append(drive->ui, i % UI_PANE_COUNT, "more words ", 11, UI_MARK_NGRAM);
        ui_draw_now(drive->ui);
    }
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    report(
        drive, "frame %.3f ms",
        ((double)(to.tv_sec - from.tv_sec) * 1e3 + (double)(to.tv_nsec - from.tv_nsec) / 1e6) /
            n_frames);
}

static void append_block(struct drive *drive, char *rest)
{
    static uint32_t block;
    int kind = number_field(&rest), mark = number_field(&rest);
    if (kind >= 0)
        block = ui_block_add(drive->ui, (enum ui_block_kind)kind, "name");
    const char *text = field(&rest);
    ui_block_append_marked(drive->ui, block, text, strlen(text), (enum ui_mark)mark);
    ui_block_finish(drive->ui, block);
}

static void append_pane(struct drive *drive, char *rest)
{
    int pane = number_field(&rest), mark = number_field(&rest), times = number_field(&rest);
    const char *text = field(&rest);
    for (int i = 0; i < times; i++)
        ui_split_append(drive->ui, pane, text, strlen(text), (enum ui_mark)mark);
}

static bool command_of_panel(struct drive *drive, const char *name, char *rest)
{
    struct ui *ui = drive->ui;
    if (strcmp(name, "panel") == 0) {
        const char *title = field(&rest), *text = field(&rest);
        ui_panel_show(ui, title, text, field(&rest));
    } else if (strcmp(name, "panel_close") == 0) {
        ui_panel_close(ui);
    } else if (strcmp(name, "columns") == 0) {
        report(drive, "columns %d", ui_panel_columns(ui));
    } else if (strcmp(name, "menu") == 0) {
        show_menu(drive, rest);
    } else if (strcmp(name, "menu_close") == 0) {
        ui_menu_close(ui);
    } else {
        return false;
    }
    return true;
}

static bool command_of_split(struct drive *drive, const char *name, char *rest)
{
    struct ui *ui = drive->ui;
    if (strcmp(name, "split") == 0) {
        ui_split_open(ui, field(&rest));
    } else if (strcmp(name, "title") == 0) {
        ui_split_title(ui, field(&rest));
    } else if (strcmp(name, "heading") == 0) {
        int pane = number_field(&rest);
        ui_split_heading(ui, pane, field(&rest));
    } else if (strcmp(name, "pane") == 0) {
        append_pane(drive, rest);
    } else if (strcmp(name, "clear") == 0) {
        ui_split_clear(ui, number_field(&rest));
    } else if (strcmp(name, "finish") == 0) {
        ui_split_finish(ui, number_field(&rest));
    } else if (strcmp(name, "table") == 0) {
        ui_split_table(ui, field(&rest));
    } else if (strcmp(name, "keys") == 0) {
        ui_split_keys(ui, field(&rest));
    } else if (strcmp(name, "split_close") == 0) {
        ui_split_close(ui);
    } else {
        return false;
    }
    return true;
}

static void command(struct drive *drive, char *line)
{
    char *rest = line, *name = strsep(&rest, " ");
    if (command_of_panel(drive, name, rest) || command_of_split(drive, name, rest))
        ;
    else if (strcmp(name, "block") == 0)
        append_block(drive, rest);
    else if (strcmp(name, "marks") == 0)
        ui_show_marks(drive->ui, number_field(&rest));
    else if (strcmp(name, "fold") == 0)
        ui_block_fold(drive->ui, 1, number_field(&rest), "folded");
    else if (strcmp(name, "status") == 0)
        set_status(drive, rest);
    else if (strcmp(name, "busy") == 0)
        ui_set_busy(drive->ui, number_field(&rest));
    else if (strcmp(name, "frames") == 0)
        measure_frames(drive, number_field(&rest));
    else if (strcmp(name, "quit") == 0)
        drive->leaving = true;
    else
        report(drive, "unknown command %s", name);
    report(drive, "did %s", name);
}

static void take_events(struct drive *drive)
{
    static const char *const names[] = {
        [UI_SUBMIT] = "submit",
        [UI_INTERRUPT] = "interrupt",
        [UI_QUIT] = "quit",
        [UI_SUSPEND] = "suspend",
        [UI_EDITOR] = "editor",
        [UI_FUNCTION] = "function",
        [UI_VIEW_KEY] = "view_key",
        [UI_VIEW_CLOSED] = "view_closed",
        [UI_MENU_CHOSEN] = "menu_chosen",
        [UI_MENU_CLOSED] = "menu_closed",
        [UI_KEYS_END] = "keys_end",
    };
    struct ui_event event;
    ui_read(drive->ui);
    while (ui_next_event(drive->ui, &event)) {
        report(drive, "%s %d %s", names[event.type], event.number,
               event.text != NULL ? event.text : "");
        drive->leaving |= event.type == UI_QUIT || event.type == UI_KEYS_END;
        free(event.text);
    }
}

static void take_commands(struct drive *drive, int fd)
{
    static char bytes[1 << 16];
    static size_t n_bytes;
    ssize_t n = read(fd, bytes + n_bytes, sizeof bytes - n_bytes);
    n_bytes += n > 0 ? (size_t)n : 0;
    char *line = bytes, *end;
    while ((end = memchr(line, '\n', n_bytes - (size_t)(line - bytes))) != NULL) {
        *end = '\0';
        command(drive, line);
        line = end + 1;
    }
    n_bytes -= (size_t)(line - bytes);
    memmove(bytes, line, n_bytes);
}

static int drive_screen(const char *commands_path, const char *events_path, const char *keys)
{
    struct ui_error error;
    struct ui_options options = {.prompt = "> ", .keys_path = keys};
    struct drive drive = {.events = fopen(events_path, "ae")};
    struct sigaction action = {.sa_handler = on_resize};
    int fd = open(commands_path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    setlocale(LC_ALL, "");
    sigaction(SIGWINCH, &action, NULL);
    if (drive.events == NULL || fd < 0 || !ui_open(&drive.ui, &options, &error))
        return 1;
    while (!drive.leaving) {
        struct pollfd fds[] = {{.fd = ui_fd(drive.ui), .events = POLLIN},
                               {.fd = fd, .events = POLLIN}};
        int timeout = ui_timeout_ms(drive.ui);
        poll(fds, 2, timeout < 0 || timeout > 200 ? 200 : timeout);
        if (resized)
            ui_resized(drive.ui);
        resized = 0;
        take_commands(&drive, fd);
        take_events(&drive);
        ui_draw(drive.ui);
    }
    ui_close(&drive.ui);
    fclose(drive.events);
    close(fd);
    return 0;
}

static int set_up(void **state)
{
    (void)state;
    return setlocale(LC_ALL, "C.UTF-8") == NULL;
}

int main(int n_arguments, char **arguments)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(marks_are_runs),         cmocka_unit_test(marks_outlive_layouts),
        cmocka_unit_test(panes_share_the_screen), cmocka_unit_test(panels_have_their_place),
        cmocka_unit_test(lines_keep_their_place), cmocka_unit_test(keys_have_names),
        cmocka_unit_test(menus_are_chosen_from),  cmocka_unit_test(long_menus_scroll),
    };
    if (n_arguments >= 4 && strcmp(arguments[1], "drive") == 0)
        return drive_screen(arguments[2], arguments[3], n_arguments > 4 ? arguments[4] : NULL);
    return cmocka_run_group_tests_name("ui_views", tests, set_up, NULL);
}
