/*
 * draw_views.c - the panel, the split view and the menu (draw.h)
 */
#include "ui/draw.h"
#include "ui/paint.h"

#include <string.h>

static void put_cursor(int y, int x, int limit, int *row, int *column)
{
    *row = y;
    *column = x < limit ? x : limit > 0 ? limit - 1 : 0;
}

static const char *or_empty(const char *text)
{
    return text != NULL ? text : "";
}

/* One line of a part, with the margin; returns the column behind its text. */
static int draw_label(const struct screen *screen, int y, int left, int limit, const char *text,
                      attr_t attributes)
{
    int margin = limit - left > 2 ? 1 : 0;
    size_t n_bytes = strlen(text);
    paint_blank(screen, y, left, left + margin);
    paint_cut_line(screen, y, left + margin, limit, text, n_bytes, attributes);
    return left + margin + ui_text_columns(text, n_bytes);
}

static void draw_lines(const struct screen *screen, const struct lines *lines, struct area area)
{
    size_t top = lines_top(lines, area.rows);
    for (int i = 0; i < area.rows; i++) {
        size_t n_bytes;
        const char *line = lines_at(lines, top + (size_t)i, &n_bytes);
        paint_cut_line(screen, area.top + i, area.left, area.left + area.columns, line, n_bytes,
                       A_NORMAL);
    }
}

void draw_panel(struct ui *ui, int *row, int *column)
{
    const struct screen *screen = &ui->screen;
    const struct panel *panel = &ui->panel;
    const struct panel_shape *shape = &screen->arrangement.panel;
    int left = shape->upright_left >= 0 ? shape->area.left + 1 : shape->area.left;
    int limit = shape->area.left + shape->area.columns;
    if (shape->upright_left >= 0)
        paint_upright_rule(screen, shape->area.top, shape->upright_left, shape->area.rows);
    if (shape->title_top >= 0)
        draw_label(screen, shape->title_top, left, limit, or_empty(panel->title), A_BOLD);
    if (shape->rule_top >= 0)
        paint_rule(screen, shape->rule_top, left, limit);
    for (int i = 0; i < shape->text.rows; i++)
        paint_blank(screen, shape->text.top + i, left, shape->text.left);
    draw_lines(screen, &panel->lines, shape->text);
    put_cursor(shape->area.top, left, limit, row, column);
    if (shape->keys_top < 0)
        return;
    int end = draw_label(screen, shape->keys_top, left, limit, or_empty(panel->keys), A_BOLD);
    put_cursor(shape->keys_top, end, limit, row, column);
}

static void draw_pane(struct ui *ui, int index, int covered_from)
{
    struct screen *screen = &ui->screen;
    const struct pane *pane = &ui->split.panes[index];
    const struct pane_shape *shape = &screen->arrangement.split.panes[index];
    struct area area = shape->text;
    int margin = area.left > 0 ? area.left - 1 : 0, limit = area.left + area.columns;
    int rule = screen->arrangement.split.upright_left;
    bool is_chosen = (int)ui->split.focus - SPLIT_A == index;
    if (rule > area.left)
        limit = rule;
    for (int i = 0; i < area.rows; i++) {
        paint_blank(screen, area.top + i, margin, area.left);
        paint_blank(screen, area.top + i, area.left + area.columns, limit);
    }
    draw_rows(ui, &pane->text, &pane->view, area, covered_from,
              screen->drawn + (size_t)index * (size_t)screen->n_rows);
    if (shape->heading_top < 0)
        return;
    draw_label(screen, shape->heading_top, margin, limit, or_empty(pane->heading), A_BOLD);
    if (is_chosen)
        paint_text(screen, shape->heading_top, margin, limit, ">", 1, A_BOLD);
}

void draw_split(struct ui *ui, int covered_from, int *row, int *column)
{
    const struct screen *screen = &ui->screen;
    const struct split *split = &ui->split;
    const struct split_shape *shape = &screen->arrangement.split;
    int limit = screen->n_columns, n_rules = sizeof shape->rule_tops / sizeof *shape->rule_tops;
    if (shape->upright_left >= 0) {
        const struct area *text = &shape->panes[UI_PANE_A].text;
        int top = shape->panes[UI_PANE_A].heading_top;
        top = top >= 0 ? top : text->top;
        paint_upright_rule(screen, top, shape->upright_left, text->top + text->rows - top);
    }
    for (int i = 0; i < UI_PANE_COUNT; i++)
        draw_pane(ui, i, covered_from);
    if (shape->title_top >= 0)
        draw_label(screen, shape->title_top, 0, limit, or_empty(split->title), A_BOLD);
    for (int i = 0; i < n_rules; i++)
        if (shape->rule_tops[i] >= 0)
            paint_rule(screen, shape->rule_tops[i], 0, limit);
    struct area table = shape->table;
    if (table.columns > 2) {
        for (int i = 0; i < table.rows; i++)
            paint_blank(screen, table.top + i, 0, 1);
        table.left++;
        table.columns--;
    }
    draw_lines(screen, &split->table, table);
    if (split->focus == SPLIT_TABLE && table.left > 0 && table.rows > 0)
        paint_text(screen, table.top, 0, limit, ">", 1, A_BOLD);
    put_cursor(0, 0, limit, row, column);
    if (shape->keys_top < 0)
        return;
    int end = draw_label(screen, shape->keys_top, 0, limit, or_empty(split->keys), A_BOLD);
    put_cursor(shape->keys_top, end, limit, row, column);
}

/* The menu --------------------------------------------------------------------------------- */

int menu_rows(const struct ui *ui)
{
    const struct menu *menu = &ui->menu;
    int limit = ui->screen.arrangement.menu_bottom;
    if (!menu->open || limit < 1)
        return 0;
    int wanted = (int)menu->n_rows + 1;
    return wanted < limit ? wanted : limit;
}

static int name_columns(const struct menu *menu)
{
    int widest = 0;
    for (size_t i = 0; i < menu->n_rows; i++) {
        int columns = ui_text_columns(menu->rows[i].name, strlen(menu->rows[i].name));
        widest = columns > widest ? columns : widest;
    }
    return widest;
}

static void draw_menu_row(const struct screen *screen, int y, const struct menu *menu,
                          size_t index, int width)
{
    const struct menu_row *row = &menu->rows[index];
    bool is_selected = index == menu->selected;
    attr_t attributes = is_selected ? A_REVERSE : A_NORMAL;
    int limit = screen->n_columns;
    char number[16];
    paint_line(screen, y, 0, limit, is_selected ? ">" : " ", attributes);
    snprintf(number, sizeof number, menu->n_rows > 9 ? "%2zu" : "%zu", index + 1);
    int column = paint_text(screen, y, 2, limit, number, strlen(number), A_NORMAL) + 2;
    int end =
        paint_text(screen, y, column, limit, row->name, strlen(row->name), A_BOLD | attributes);
    column = column + width + 2;
    if (end < column && column < limit)
        paint_cut_line(screen, y, column, limit, row->description, strlen(row->description),
                       A_NORMAL);
}

void draw_menu(struct ui *ui, int n_rows, int *row, int *column)
{
    const struct screen *screen = &ui->screen;
    struct menu *menu = &ui->menu;
    int y = screen->arrangement.menu_bottom - n_rows, limit = screen->n_columns;
    bool titled = n_rows > 1;
    int n_shown = n_rows - titled, width = name_columns(menu);
    size_t top = menu_settle(menu, n_shown);
    if (titled) {
        char place[64];
        draw_label(screen, y, 0, limit, menu->title, A_BOLD);
        if ((size_t)n_shown < menu->n_rows) {
            snprintf(place, sizeof place, " %zu of %zu ", menu->selected + 1, menu->n_rows);
            int left = limit - (int)strlen(place);
            if (left > 1)
                paint_text(screen, y, left, limit, place, strlen(place), A_BOLD);
        }
        y++;
    }
    for (int i = 0; i < n_shown; i++) {
        size_t index = top + (size_t)i;
        draw_menu_row(screen, y + i, menu, index, width);
        if (index == menu->selected)
            put_cursor(y + i, 0, limit, row, column);
    }
}
