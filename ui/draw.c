/*
 * draw.c - what is on the screen
 *
 * One curses window holds everything; a frame writes what differs and ends in one doupdate(),
 * in brackets of synchronised output, so that terminals that know them show whole frames only.
 * Rows of the transcript that show what they showed in the last frame are not even laid into
 * the window.  Only the 16 colours of the terminal and its own background are used, and no
 * state is told by colour alone.
 */
#include "ui/internal.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#define NCURSES_WIDECHAR 1
#include <curses.h>

static const char frame_begin[] = "\033[?2026h";
static const char frame_end[] = "\033[?2026l";

/* Drawing text ----------------------------------------------------------------------------- */

static attr_t color_of(const struct screen *screen, enum color_pair pair)
{
    return screen->color ? (attr_t)COLOR_PAIR(pair) : 0;
}

/* What a character set without the code point shows in its place. */
static char stand_in(uint32_t c)
{
    switch (c) {
    case 0x00A0: return ' ';
    case 0x2018:
    case 0x2019:
    case 0x201A: return '\'';
    case 0x201C:
    case 0x201D:
    case 0x201E: return '"';
    case 0x2010:
    case 0x2011:
    case 0x2012:
    case 0x2013:
    case 0x2014:
    case 0x2212: return '-';
    case 0x2022:
    case 0x00B7: return '*';
    case 0x2026: return '.';
    case 0x00D7: return 'x';
    default: return '?';
    }
}

/* Can the terminal's character set say it, in as many columns as the layout gave it? */
static bool is_sayable(const struct screen *screen, const struct text_cluster *cluster)
{
    if (screen->utf8)
        return true;
    char bytes[MB_LEN_MAX];
    mbstate_t state = {0};
    return wcrtomb(bytes, (wchar_t)cluster->first, &state) != (size_t)-1 &&
           wcwidth((wchar_t)cluster->first) == cluster->columns;
}

static void draw_cluster(const struct screen *screen, int row, int column, int columns,
                         const struct text_cluster *cluster, attr_t attributes)
{
    wchar_t shown[TEXT_CELL_CODE_POINTS + 1] = {0};
    int n_shown = cluster->n_shown;
    if (cluster->columns > columns || !is_sayable(screen, cluster)) {
        char sign = cluster->columns > columns ? '?' : stand_in(cluster->first);
        for (int i = 0; i < columns; i++)
            mvaddch(row, column + i, (chtype)sign | attributes);
        return;
    }
    if (!screen->utf8)
        n_shown = 1;
    for (int i = 0; i < n_shown; i++)
        shown[i] = (wchar_t)cluster->shown[i];
    cchar_t cell;
    if (setcchar(&cell, shown, attributes & ~(attr_t)A_COLOR, (short)PAIR_NUMBER(attributes),
                 NULL) == OK)
        mvadd_wch(row, column, &cell);
}

/* Filtered text from `column`, cut at `limit`; tabs count from `origin`.  Returns the column
 * behind it. */
static int draw_text(const struct screen *screen, int row, int column, int limit,
                     const char *text, size_t n_bytes, attr_t attributes)
{
    int origin = column;
    size_t at = 0;
    attrset((int)attributes);
    while (at < n_bytes && column < limit) {
        size_t run = at;
        while (run < n_bytes && text[run] >= 0x20 && text[run] < 0x7F)
            run++;
        /* The last one of a run may be the base of marks. */
        if (run < n_bytes && run > at && (text[run] & 0x80) != 0)
            run--;
        if (run > at) {
            int n = run - at < (size_t)(limit - column) ? (int)(run - at) : limit - column;
            mvaddnstr(row, column, text + at, n);
            column += n;
            at = run;
            continue;
        }
        struct text_cluster cluster;
        text_cluster_at(text + at, n_bytes - at, &cluster);
        int columns = layout_cluster_columns(&cluster, column - origin, limit - origin);
        if (columns > limit - column)
            break;
        if (cluster.first == '\t')
            mvhline(row, column, ' ' | attributes, columns);
        else
            draw_cluster(screen, row, column, columns, &cluster, attributes);
        column += columns;
        at += cluster.n_bytes;
    }
    return column;
}

static void clear_from(int row, int column, int n_columns)
{
    attrset(A_NORMAL);
    if (column < n_columns) {
        move(row, column);
        clrtoeol();
    }
}

static void draw_line(const struct screen *screen, int row, const char *text, attr_t attributes)
{
    int end = draw_text(screen, row, 0, screen->n_columns, text, strlen(text), attributes);
    clear_from(row, end, screen->n_columns);
}

static void draw_rule(const struct screen *screen, int row)
{
    cchar_t line;
    if (screen->ascii || setcchar(&line, L"\u2500", A_DIM, 0, NULL) != OK)
        mvhline(row, 0, '-' | A_DIM, screen->n_columns);
    else
        mvhline_set(row, 0, &line, screen->n_columns);
}

/* Drawing the parts ------------------------------------------------------------------------ */

struct look {
    attr_t sign_attributes, text;
    const char *sign; /* before the first row of the block; NULL: none */
    bool every_row;   /* the sign stands before each row */
};

static struct look look_of(const struct ui *ui, const struct transcript_row *row)
{
    const struct screen *screen = &ui->screen;
    bool compact = ui->transcript.style == TRANSCRIPT_COMPACT;
    struct look look = {0};
    switch (row->block->kind) {
    case UI_BLOCK_USER:
        look.sign = compact ? ">" : NULL;
        look.sign_attributes = A_BOLD | color_of(screen, PAIR_USER);
        break;
    case UI_BLOCK_ANSWER:
        look.sign = compact ? "*" : NULL;
        look.sign_attributes = A_BOLD | color_of(screen, PAIR_ANSWER);
        break;
    case UI_BLOCK_THINKING:
        look.text = look.sign_attributes = A_DIM;
        look.sign = screen->ascii ? "|" : "\u2502";
        look.every_row = true;
        break;
    case UI_BLOCK_NOTICE:
        look.sign = "-";
        look.sign_attributes = A_BOLD | color_of(screen, PAIR_ACCENT);
        break;
    case UI_BLOCK_ERROR:
        look.sign = "!";
        look.sign_attributes = look.text = A_BOLD | color_of(screen, PAIR_ERROR);
        break;
    }
    return look;
}

static int draw_folded(const struct ui *ui, int y, const struct transcript_row *row)
{
    const struct screen *screen = &ui->screen;
    static const char how[] = " - Alt-T unfolds";
    int limit = screen->n_columns, column = row->indent;
    int wanted = column + 2 + ui_text_columns(row->text, row->n_bytes);
    bool is_thinking = row->block->kind == UI_BLOCK_THINKING;
    column = draw_text(screen, y, column, limit, "[", 1, A_DIM);
    column = draw_text(screen, y, column, limit - 1, row->text, row->n_bytes, A_DIM);
    if (is_thinking && wanted + (int)sizeof how <= limit)
        column = draw_text(screen, y, column, limit - 1, how, sizeof how - 1, A_DIM);
    return draw_text(screen, y, column, limit, "]", 1, A_DIM);
}

static void draw_row(const struct ui *ui, int y, const struct transcript_row *row)
{
    const struct screen *screen = &ui->screen;
    struct look look = look_of(ui, row);
    int column = 0, limit = screen->n_columns;
    bool has_sign = row->indent > 1 && look.sign != NULL && row->part == TRANSCRIPT_BODY &&
                    (look.every_row || row->is_first);
    if (row->part == TRANSCRIPT_SPACER) {
        clear_from(y, 0, limit);
        return;
    }
    mvhline(y, 0, ' ', row->indent);
    if (has_sign)
        draw_text(screen, y, 1, limit, look.sign, strlen(look.sign), look.sign_attributes);
    switch (row->part) {
    case TRANSCRIPT_HEADING:
        column = draw_text(screen, y, row->indent, limit, row->text, row->n_bytes,
                           A_BOLD | look.sign_attributes);
        break;
    case TRANSCRIPT_FOLD: column = draw_folded(ui, y, row); break;
    default:
        column = draw_text(screen, y, row->indent, limit, row->text, row->n_bytes, look.text);
        break;
    }
    clear_from(y, column, limit);
}

static bool shows_already(struct drawn_row *drawn, const struct transcript_row *row)
{
    struct drawn_row now = {.known = true,
                            .version = row->block->version,
                            .part = row->part,
                            .block = row->block_index,
                            .body_row = row->body_row,
                            .n_bytes = row->n_bytes};
    bool same = drawn->known && drawn->version == now.version && drawn->part == now.part &&
                drawn->block == now.block && drawn->body_row == now.body_row &&
                drawn->n_bytes == now.n_bytes;
    *drawn = now;
    return same;
}

static void draw_transcript(struct ui *ui, int n_covered)
{
    struct screen *screen = &ui->screen;
    const struct regions *r = &screen->regions;
    char note[96];
    view_note(&ui->view, &ui->transcript, r->transcript, note, sizeof note);
    size_t top = view_top(&ui->view, &ui->transcript, r->transcript);
    for (int i = 0; i < r->transcript; i++) {
        int y = r->transcript_top + i;
        struct transcript_row row;
        if (i >= r->transcript - n_covered) {
            screen->drawn[y].known = false;
        } else if (i == r->transcript - 1 && note[0] != '\0') {
            screen->drawn[y].known = false;
            int space = (screen->n_columns - (int)strlen(note)) / 2;
            clear_from(y, 0, screen->n_columns);
            draw_text(screen, y, space > 0 ? space : 0, screen->n_columns, note, strlen(note),
                      A_REVERSE);
        } else if (!transcript_row(&ui->transcript, top + (size_t)i, &row)) {
            screen->drawn[y].known = false;
            clear_from(y, 0, screen->n_columns);
        } else if (!shows_already(&screen->drawn[y], &row)) {
            draw_row(ui, y, &row);
        }
    }
}

static void draw_popup(const struct ui *ui, int n_rows)
{
    const struct screen *screen = &ui->screen;
    const struct popup *popup = &ui->input.popup;
    int bottom = screen->regions.transcript_top + screen->regions.transcript, width = 0;
    bool cut = popup->n_candidates > (size_t)n_rows;
    for (size_t i = 0; i < popup->n_candidates; i++) {
        const char *text = popup->candidates[i].shown;
        int columns = ui_text_columns(text, strlen(text));
        width = columns > width ? columns : width;
    }
    for (int i = 0; i < n_rows; i++) {
        int y = bottom - n_rows + i;
        clear_from(y, 0, screen->n_columns);
        if (cut && i == n_rows - 1) {
            char more[64];
            snprintf(more, sizeof more, "   ... %zu more", popup->n_candidates - (size_t)i);
            draw_text(screen, y, 0, screen->n_columns, more, strlen(more), A_DIM);
            break;
        }
        const struct candidate *candidate = &popup->candidates[i];
        draw_text(screen, y, 3, screen->n_columns, candidate->shown, strlen(candidate->shown),
                  A_BOLD);
        int at = 3 + width + 2, limit = screen->n_columns;
        const char *about = candidate->description != NULL ? candidate->description : "";
        bool is_long = at + ui_text_columns(about, strlen(about)) > limit;
        int end = draw_text(screen, y, at, is_long ? limit - 1 : limit, about, strlen(about),
                            A_NORMAL);
        if (is_long && end < limit)
            draw_text(screen, y, end, limit, screen->ascii ? "." : "\u2026",
                      screen->ascii ? 1 : 3, A_NORMAL);
    }
}

static void draw_frame_lines(const struct ui *ui)
{
    const struct screen *screen = &ui->screen;
    const struct regions *r = &screen->regions;
    char lines[2][STATUS_LINE];
    if (r->header > 0) {
        status_header(&ui->status, screen->n_columns, lines[0]);
        draw_line(screen, 0, lines[0], A_BOLD);
    }
    if (r->upper_rule > 0)
        draw_rule(screen, r->header);
    if (r->lower_rule > 0)
        draw_rule(screen, r->transcript_top + r->transcript);
    if (r->status == 0)
        return;
    status_lines(&ui->status, screen->n_columns, r->status, screen->ascii, lines);
    draw_line(screen, r->status_top, lines[0], A_NORMAL);
    if (r->status > 1)
        draw_line(screen, r->status_top + 1, lines[1], A_DIM);
    if (ui->hint[0] != '\0') {
        int y = r->status_top + r->status - 1;
        clear_from(y, 0, screen->n_columns);
        draw_text(screen, y, 1, screen->n_columns, ui->hint, strlen(ui->hint), A_BOLD);
    }
}

/* Rows of the image that do not fit are scrolled, so that the cursor's row is there. */
static void draw_input(struct ui *ui, int *cursor_row)
{
    const struct screen *screen = &ui->screen;
    const struct regions *r = &screen->regions;
    const struct input_image *image = &ui->input.image;
    int first = image->cursor_row >= r->input ? image->cursor_row - r->input + 1 : 0;
    *cursor_row = image->cursor_row - first;
    for (int i = 0; i < r->input; i++) {
        int y = r->input_top + i;
        size_t row = (size_t)(first + i);
        clear_from(y, 0, screen->n_columns);
        if (row == 0)
            draw_text(screen, y, 0, screen->n_columns, image->prompt.bytes,
                      image->prompt.n_bytes, A_BOLD);
        if (row >= image->layout.n_rows)
            continue;
        const struct layout_row *laid_out = &image->layout.rows[row];
        const char *text = image->text.bytes + laid_out->start;
        int column = draw_text(screen, y, image->indent, screen->n_columns, text,
                               laid_out->n_shown, A_NORMAL);
        (void)column;
        /* The marked part once more, reversed. */
        size_t from = image->mark_from > laid_out->start ? image->mark_from : laid_out->start;
        size_t end = laid_out->start + laid_out->n_shown;
        size_t to = image->mark_to < end ? image->mark_to : end;
        if (from < to) {
            column =
                image->indent + layout_column_at(&image->layout, image->text.bytes, row, from);
            draw_text(screen, y, column, screen->n_columns, image->text.bytes + from, to - from,
                      A_REVERSE);
        }
    }
}

static void forget_drawn(struct screen *screen)
{
    for (int y = 0; y < screen->n_rows; y++)
        screen->drawn[y].known = false;
}

static int popup_rows(const struct ui *ui)
{
    const struct popup *popup = &ui->input.popup;
    int limit = ui->screen.regions.transcript;
    if (!popup->open || popup->n_candidates == 0 || limit < 2)
        return 0;
    limit = limit > 10 ? 10 : limit;
    return popup->n_candidates < (size_t)limit ? (int)popup->n_candidates : limit;
}

void screen_draw(struct ui *ui, bool whole)
{
    struct screen *screen = &ui->screen;
    if (!screen->taken || screen->abandoned || screen->drawn == NULL)
        return;
    input_lay_out(ui, screen->n_columns);
    struct regions regions =
        regions_of(screen->n_rows, screen->n_columns, ui->input.image.n_rows);
    if (memcmp(&regions, &screen->regions, sizeof regions) != 0 || whole)
        forget_drawn(screen);
    if (whole) {
        erase();
        clearok(curscr, TRUE);
    }
    screen->regions = regions;
    transcript_set_shape(&ui->transcript, screen->n_columns, regions.style);
    transcript_update(&ui->transcript);
    view_settle(&ui->view, &ui->transcript, regions.transcript);
    int n_popup = popup_rows(ui), cursor_row;
    draw_transcript(ui, n_popup);
    if (n_popup > 0)
        draw_popup(ui, n_popup);
    draw_frame_lines(ui);
    draw_input(ui, &cursor_row);
    int column = ui->input.image.cursor_column;
    move(regions.input_top + cursor_row,
         column < screen->n_columns ? column : screen->n_columns - 1);
    wnoutrefresh(stdscr);
    screen_write(screen, frame_begin);
    doupdate();
    screen_write(screen, frame_end);
}
