/*
 * draw.c - what is on the screen
 *
 * One curses window holds everything; a frame writes what differs and ends in one doupdate(),
 * in brackets of synchronised output, so that terminals that know them show whole frames only.
 * Rows of the transcript that show what they showed in the last frame are not even laid into
 * the window.  Only the 16 colours of the terminal and its own background are used, and no
 * state is told by colour alone.
 */
#include "ui/draw.h"
#include "ui/paint.h"

#include <string.h>

static const char frame_begin[] = "\033[?2026h";
static const char frame_end[] = "\033[?2026l";

/* Drawing the parts ------------------------------------------------------------------------ */

struct look {
    attr_t sign_attributes, text;
    const char *sign; /* before the first row of the block; NULL: none */
    bool every_row;   /* the sign stands before each row */
};

static struct look look_of(const struct screen *screen, const struct transcript *transcript,
                           const struct transcript_row *row)
{
    bool compact = transcript->style == TRANSCRIPT_COMPACT;
    struct look look = {0};
    switch (row->block->kind) {
    case UI_BLOCK_USER:
        look.sign = compact ? ">" : NULL;
        look.sign_attributes = A_BOLD | paint_color(screen, PAIR_USER);
        break;
    case UI_BLOCK_ANSWER:
        look.sign = compact ? "*" : NULL;
        look.sign_attributes = A_BOLD | paint_color(screen, PAIR_ANSWER);
        break;
    case UI_BLOCK_THINKING:
        look.text = look.sign_attributes = A_DIM;
        look.sign = screen->ascii ? "|" : "\u2502";
        look.every_row = true;
        break;
    case UI_BLOCK_NOTICE:
        look.sign = "-";
        look.sign_attributes = A_BOLD | paint_color(screen, PAIR_ACCENT);
        break;
    case UI_BLOCK_ERROR:
        look.sign = "!";
        look.sign_attributes = look.text = A_BOLD | paint_color(screen, PAIR_ERROR);
        break;
    }
    return look;
}

static int draw_folded(const struct screen *screen, int y, int column, int limit,
                       const struct transcript_row *row)
{
    static const char how[] = " - Alt-T unfolds";
    int wanted = column + 2 + ui_text_columns(row->text, row->n_bytes);
    bool is_thinking = row->block->kind == UI_BLOCK_THINKING;
    column = paint_text(screen, y, column, limit, "[", 1, A_DIM);
    column = paint_text(screen, y, column, limit - 1, row->text, row->n_bytes, A_DIM);
    if (is_thinking && wanted + (int)sizeof how <= limit)
        column = paint_text(screen, y, column, limit - 1, how, sizeof how - 1, A_DIM);
    return paint_text(screen, y, column, limit, "]", 1, A_DIM);
}

static void draw_row(const struct ui *ui, const struct transcript *transcript, int y,
                     struct area area, const struct transcript_row *row)
{
    const struct screen *screen = &ui->screen;
    struct look look = look_of(screen, transcript, row);
    int limit = area.left + area.columns, column = area.left + row->indent;
    bool has_sign = row->indent > 1 && look.sign != NULL && row->part == TRANSCRIPT_BODY &&
                    (look.every_row || row->is_first);
    if (row->part == TRANSCRIPT_SPACER) {
        paint_blank(screen, y, area.left, limit);
        return;
    }
    paint_blank(screen, y, area.left, column < limit ? column : limit);
    if (has_sign)
        paint_text(screen, y, area.left + 1, limit, look.sign, strlen(look.sign),
                   look.sign_attributes);
    switch (row->part) {
    case TRANSCRIPT_HEADING:
        column = paint_text(screen, y, column, limit, row->text, row->n_bytes,
                            A_BOLD | look.sign_attributes);
        break;
    case TRANSCRIPT_FOLD: column = draw_folded(screen, y, column, limit, row); break;
    default:
        column = paint_marked_text(screen, y, column, limit, row->text, row->n_bytes, look.text,
                                   ui->show_marks ? &row->block->marks : NULL, row->offset);
        break;
    }
    paint_blank(screen, y, column, limit);
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

void draw_rows(struct ui *ui, const struct transcript *transcript, const struct view *view,
               struct area area, int covered_from, struct drawn_row *drawn)
{
    const struct screen *screen = &ui->screen;
    int limit = area.left + area.columns;
    char note[96];
    view_note(view, transcript, area.rows, note, sizeof note);
    size_t top = view_top(view, transcript, area.rows);
    for (int i = 0; i < area.rows; i++) {
        int y = area.top + i;
        struct transcript_row row;
        if (y >= covered_from) {
            drawn[y].known = false;
        } else if (i > 0 && i == area.rows - 1 && note[0] != '\0') {
            drawn[y].known = false;
            int space = (area.columns - (int)strlen(note)) / 2;
            paint_blank(screen, y, area.left, limit);
            paint_text(screen, y, area.left + (space > 0 ? space : 0), limit, note,
                       strlen(note), A_REVERSE);
        } else if (!transcript_row(transcript, top + (size_t)i, &row)) {
            drawn[y].known = false;
            paint_blank(screen, y, area.left, limit);
        } else if (!shows_already(&drawn[y], &row)) {
            draw_row(ui, transcript, y, area, &row);
        }
    }
}

static void draw_popup(const struct ui *ui, int n_rows)
{
    const struct screen *screen = &ui->screen;
    const struct popup *popup = &ui->input.popup;
    int bottom = screen->arrangement.menu_bottom, width = 0;
    bool cut = popup->n_candidates > (size_t)n_rows;
    for (size_t i = 0; i < popup->n_candidates; i++) {
        const char *text = popup->candidates[i].shown;
        int columns = ui_text_columns(text, strlen(text));
        width = columns > width ? columns : width;
    }
    for (int i = 0; i < n_rows; i++) {
        int y = bottom - n_rows + i;
        paint_blank(screen, y, 0, screen->n_columns);
        if (cut && i == n_rows - 1) {
            char more[64];
            snprintf(more, sizeof more, "   ... %zu more", popup->n_candidates - (size_t)i);
            paint_text(screen, y, 0, screen->n_columns, more, strlen(more), A_DIM);
            break;
        }
        const struct candidate *candidate = &popup->candidates[i];
        paint_text(screen, y, 3, screen->n_columns, candidate->shown, strlen(candidate->shown),
                   A_BOLD);
        int at = 3 + width + 2, limit = screen->n_columns;
        const char *about = candidate->description != NULL ? candidate->description : "";
        bool is_long = at + ui_text_columns(about, strlen(about)) > limit;
        int end = paint_text(screen, y, at, is_long ? limit - 1 : limit, about, strlen(about),
                             A_NORMAL);
        if (is_long && end < limit)
            paint_text(screen, y, end, limit, screen->ascii ? "." : "\u2026",
                       screen->ascii ? 1 : 3, A_NORMAL);
    }
}

static void draw_frame_lines(const struct ui *ui)
{
    const struct screen *screen = &ui->screen;
    const struct regions *r = &screen->arrangement.regions;
    char lines[2][STATUS_LINE];
    bool covered = ui->panel.open && screen->arrangement.panel.area.top < r->transcript_top;
    if (r->header > 0 && !covered) {
        status_header(&ui->status, screen->n_columns, lines[0]);
        paint_line(screen, 0, 0, screen->n_columns, lines[0], A_BOLD);
    }
    if (r->upper_rule > 0 && !covered)
        paint_rule(screen, r->header, 0, screen->n_columns);
    if (r->lower_rule > 0)
        paint_rule(screen, r->transcript_top + r->transcript, 0, screen->n_columns);
    if (r->status == 0)
        return;
    status_lines(&ui->status, &ui->spark, screen->n_columns, r->status, screen->ascii, lines);
    paint_line(screen, r->status_top, 0, screen->n_columns, lines[0], A_NORMAL);
    if (r->status > 1)
        paint_line(screen, r->status_top + 1, 0, screen->n_columns, lines[1], A_DIM);
    if (ui->hint[0] != '\0') {
        int y = r->status_top + r->status - 1;
        paint_blank(screen, y, 0, screen->n_columns);
        paint_text(screen, y, 1, screen->n_columns, ui->hint, strlen(ui->hint), A_BOLD);
    }
}

/* Rows of the image that do not fit are scrolled, so that the cursor's row is there. */
static void draw_input(struct ui *ui, int *cursor_row)
{
    const struct screen *screen = &ui->screen;
    const struct regions *r = &screen->arrangement.regions;
    const struct input_image *image = &ui->input.image;
    int first = image->cursor_row >= r->input ? image->cursor_row - r->input + 1 : 0;
    *cursor_row = image->cursor_row - first;
    for (int i = 0; i < r->input; i++) {
        int y = r->input_top + i;
        size_t row = (size_t)(first + i);
        paint_blank(screen, y, 0, screen->n_columns);
        if (row == 0)
            paint_text(screen, y, 0, screen->n_columns, image->prompt.bytes,
                       image->prompt.n_bytes, A_BOLD);
        if (row >= image->layout.n_rows)
            continue;
        const struct layout_row *laid_out = &image->layout.rows[row];
        const char *text = image->text.bytes + laid_out->start;
        int column = paint_text(screen, y, image->indent, screen->n_columns, text,
                                laid_out->n_shown, A_NORMAL);
        (void)column;
        /* The marked part once more, reversed. */
        size_t from = image->mark_from > laid_out->start ? image->mark_from : laid_out->start;
        size_t end = laid_out->start + laid_out->n_shown;
        size_t to = image->mark_to < end ? image->mark_to : end;
        if (from < to) {
            column =
                image->indent + layout_column_at(&image->layout, image->text.bytes, row, from);
            paint_text(screen, y, column, screen->n_columns, image->text.bytes + from,
                       to - from, A_REVERSE);
        }
    }
}

static void forget_drawn(struct screen *screen)
{
    for (int y = 0; y < screen->n_rows * UI_PANE_COUNT; y++)
        screen->drawn[y].known = false;
}

static int popup_rows(const struct ui *ui)
{
    const struct popup *popup = &ui->input.popup;
    int limit = ui->screen.arrangement.regions.transcript;
    if (!popup->open || popup->n_candidates == 0 || limit < 2)
        return 0;
    limit = limit > 10 ? 10 : limit;
    return popup->n_candidates < (size_t)limit ? (int)popup->n_candidates : limit;
}

/* The parts over the input line; the cursor's place when one of them takes the keys. */
static void draw_parts(struct ui *ui, int *cursor_row, int *cursor_column)
{
    struct screen *screen = &ui->screen;
    int n_popup = popup_rows(ui), n_menu = menu_rows(ui);
    int covered_from = screen->arrangement.menu_bottom - (n_menu > 0 ? n_menu : n_popup);
    draw_frame_lines(ui);
    if (ui->panel.open || !ui->split.open)
        draw_rows(ui, &ui->transcript, &ui->view, screen->arrangement.transcript, covered_from,
                  screen->drawn);
    if (ui->panel.open)
        draw_panel(ui, cursor_row, cursor_column);
    else if (ui->split.open)
        draw_split(ui, covered_from, cursor_row, cursor_column);
    if (n_menu > 0)
        draw_menu(ui, n_menu, cursor_row, cursor_column);
    else if (n_popup > 0)
        draw_popup(ui, n_popup);
}

/* Wrap the texts for the places they have. */
static void settle(struct ui *ui)
{
    const struct arrangement *arrangement = &ui->screen.arrangement;
    if (ui->split.open)
        split_update(&ui->split, &arrangement->split);
    if (arrangement->transcript.rows < 1)
        return;
    transcript_set_shape(&ui->transcript, arrangement->transcript.columns,
                         arrangement->regions.style);
    transcript_update(&ui->transcript);
    view_settle(&ui->view, &ui->transcript, arrangement->transcript.rows);
}

void screen_draw(struct ui *ui, bool whole)
{
    struct screen *screen = &ui->screen;
    if (!screen->taken || screen->abandoned || screen->drawn == NULL)
        return;
    input_lay_out(ui, screen->n_columns);
    struct arrangement now = arrangement_of(ui);
    if (memcmp(&now, &screen->arrangement, sizeof now) != 0 || whole) {
        forget_drawn(screen);
        erase();
    }
    screen->arrangement = now;
    if (ui->forget_drawn)
        forget_drawn(screen);
    ui->forget_drawn = false;
    if (whole)
        clearok(curscr, TRUE);
    settle(ui);
    int row = 0, column = ui->input.image.cursor_column, cursor_row, cursor_column = column;
    draw_input(ui, &row);
    cursor_row = screen->arrangement.regions.input_top + row;
    draw_parts(ui, &cursor_row, &cursor_column);
    move(cursor_row, cursor_column < screen->n_columns ? cursor_column : screen->n_columns - 1);
    wnoutrefresh(stdscr);
    screen_write(screen, frame_begin);
    doupdate();
    screen_write(screen, frame_end);
}
