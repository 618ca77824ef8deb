/*
 * views.c - the panel, the menu and the split view: public functions, and what keys do there
 *
 * While one of them is open the edit buffer gets no key and stays as it was.
 */
#include "ui/internal.h"

#include <stdlib.h>

#define FAR 1000000000L /* rows; more than there are */

static void changed(struct ui *ui)
{
    ui->dirty = ui->dirty_by_key = true;
}

/* Panel ------------------------------------------------------------------------------------ */

void ui_panel_show(struct ui *ui, const char *title, const char *text, const char *keys)
{
    panel_show(&ui->panel, title, text, keys);
    ui->dirty = true;
}

void ui_panel_close(struct ui *ui)
{
    panel_close(&ui->panel);
    changed(ui);
}

bool ui_panel_open(const struct ui *ui)
{
    return ui->panel.open;
}

static struct panel_shape panel_place(const struct ui *ui, const struct regions *regions,
                                      const struct area *split)
{
    int n_columns = ui->screen.n_columns;
    struct area area = ui->split.open ? *split : panel_area_of(regions, n_columns);
    return panel_shape_of(area, area.left > 0);
}

int ui_panel_columns(const struct ui *ui)
{
    struct regions regions = regions_of(ui->screen.n_rows, ui->screen.n_columns, 1);
    struct area split = {0, 0, ui->screen.n_rows, ui->screen.n_columns};
    return panel_place(ui, &regions, &split).text.columns;
}

/* Menu ------------------------------------------------------------------------------------- */

void ui_menu_show(struct ui *ui, const char *title, const struct ui_menu_row *rows,
                  size_t n_rows, size_t selected)
{
    menu_show(&ui->menu, title, rows, n_rows, selected);
    changed(ui);
}

void ui_menu_close(struct ui *ui)
{
    menu_close(&ui->menu);
    changed(ui);
}

bool ui_menu_is_open(const struct ui *ui)
{
    return ui->menu.open;
}

/* Split view ------------------------------------------------------------------------------- */

static struct pane *pane_of(struct ui *ui, int pane)
{
    bool is_there = ui->split.open && pane >= 0 && pane < UI_PANE_COUNT;
    return is_there ? &ui->split.panes[pane] : NULL;
}

static void replace_line(char **line, const char *text)
{
    char *copy = text_filtered_line(text);
    free(*line);
    *line = copy;
}

void ui_split_open(struct ui *ui, const char *title)
{
    split_open(&ui->split, title);
    changed(ui);
}

void ui_split_title(struct ui *ui, const char *title)
{
    if (!ui->split.open)
        return;
    replace_line(&ui->split.title, title);
    ui->dirty = true;
}

void ui_split_heading(struct ui *ui, int pane, const char *text)
{
    if (pane_of(ui, pane) == NULL)
        return;
    replace_line(&pane_of(ui, pane)->heading, text);
    ui->dirty = true;
}

void ui_split_append(struct ui *ui, int pane, const char *bytes, size_t n_bytes,
                     enum ui_mark mark)
{
    if (pane_of(ui, pane) == NULL)
        return;
    split_append(&ui->split, pane, bytes, n_bytes, mark);
    ui->dirty = true;
}

void ui_split_finish(struct ui *ui, int pane)
{
    if (pane_of(ui, pane) == NULL)
        return;
    transcript_finish(&pane_of(ui, pane)->text, 1);
    ui->dirty = true;
}

void ui_split_clear(struct ui *ui, int pane)
{
    if (pane_of(ui, pane) == NULL)
        return;
    split_clear(&ui->split, pane);
    ui->dirty = true;
}

void ui_split_table(struct ui *ui, const char *lines)
{
    if (!ui->split.open)
        return;
    lines_set(&ui->split.table, lines);
    ui->dirty = true;
}

void ui_split_keys(struct ui *ui, const char *text)
{
    if (!ui->split.open)
        return;
    replace_line(&ui->split.keys, text);
    ui->dirty = true;
}

void ui_split_close(struct ui *ui)
{
    split_close(&ui->split);
    changed(ui);
}

bool ui_split_is_open(const struct ui *ui)
{
    return ui->split.open;
}

void views_close(struct ui *ui)
{
    panel_close(&ui->panel);
    menu_close(&ui->menu);
    split_close(&ui->split);
}

/* Places ----------------------------------------------------------------------------------- */

struct arrangement arrangement_of(const struct ui *ui)
{
    struct arrangement now = {.menu_bottom = 0};
    int n_rows = ui->screen.n_rows, n_columns = ui->screen.n_columns;
    struct area split = {0};
    if (ui->split.open) {
        now.regions = regions_of_split(n_rows, n_columns, &split);
        now.menu_bottom = split.rows;
        if (!ui->panel.open)
            now.split = split_shape_of(split, ui->split.table.n_lines);
    } else {
        now.regions = regions_of(n_rows, n_columns, ui->input.image.n_rows);
        now.menu_bottom = now.regions.transcript_top + now.regions.transcript;
        now.transcript =
            (struct area){now.regions.transcript_top, 0, now.regions.transcript, n_columns};
    }
    if (!ui->panel.open)
        return now;
    now.panel = panel_place(ui, &now.regions, &split);
    now.transcript.columns = now.panel.area.left - 1; /* a margin before the rule */
    if (now.panel.area.left == 0)
        now.transcript.rows = 0;
    return now;
}

/* Keys ------------------------------------------------------------------------------------- */

bool views_take_keys(const struct ui *ui)
{
    return ui->menu.open || ui->panel.open || ui->split.open;
}

static void close_view(struct ui *ui)
{
    if (ui->panel.open)
        panel_close(&ui->panel);
    else
        split_close(&ui->split);
    ui_event_add(ui, UI_VIEW_CLOSED, NULL, 0);
}

static void interrupt_or_close(struct ui *ui)
{
    if (ui->busy)
        ui_event_add(ui, UI_INTERRUPT, NULL, 0);
    else
        close_view(ui);
}

static void scroll(struct ui *ui, long rows)
{
    struct arrangement now = arrangement_of(ui);
    if (ui->panel.open) {
        lines_scroll(&ui->panel.lines, now.panel.text.rows, rows);
        return;
    }
    split_update(&ui->split, &now.split);
    split_scroll(&ui->split, &now.split, rows);
}

static int page_of(const struct ui *ui)
{
    struct arrangement now = arrangement_of(ui);
    int rows = now.panel.text.rows;
    if (!ui->panel.open)
        rows = ui->split.focus == SPLIT_TABLE ? now.split.table.rows
                                              : now.split.panes[UI_PANE_B].text.rows;
    return rows > 2 ? rows - 1 : 1;
}

static void choose_part(struct ui *ui, bool back)
{
    struct arrangement now = arrangement_of(ui);
    if (ui->panel.open)
        ui_event_add_number(ui, UI_VIEW_KEY, '\t');
    else
        split_choose(&ui->split, &now.split, back);
}

static void sequence_key(struct ui *ui, const struct keys_token *key)
{
    int number;
    switch (keys_name(key, &number)) {
    case KEYS_UP: scroll(ui, -1); break;
    case KEYS_DOWN: scroll(ui, 1); break;
    case KEYS_PAGE_UP: scroll(ui, -page_of(ui)); break;
    case KEYS_PAGE_DOWN: scroll(ui, page_of(ui)); break;
    case KEYS_HOME: scroll(ui, -FAR); break;
    case KEYS_END: scroll(ui, FAR); break;
    case KEYS_BACK_TAB: choose_part(ui, true); break;
    case KEYS_FUNCTION: ui_event_add_number(ui, UI_FUNCTION, number); break;
    default: break;
    }
}

static void character_key(struct ui *ui, const struct keys_token *key)
{
    uint32_t character = 0;
    text_decode(key->bytes, key->n_bytes, &character);
    switch (character) {
    case 'C' & 0x1F: interrupt_or_close(ui); return;
    case 'D' & 0x1F:
    case 'q': close_view(ui); return;
    case '\t': choose_part(ui, false); return;
    case '\r':
    case '\n': ui_event_add_number(ui, UI_VIEW_KEY, '\n'); return;
    default: break;
    }
    if (character >= 0x20 && character != 0x7F)
        ui_event_add_number(ui, UI_VIEW_KEY, (int)character);
}

static void menu_takes(struct ui *ui, const struct keys_token *key)
{
    size_t selected;
    switch (menu_key(&ui->menu, key)) {
    case MENU_CHOSEN:
        selected = ui->menu.selected;
        menu_close(&ui->menu);
        ui_event_add_number(ui, UI_MENU_CHOSEN, (int)selected);
        break;
    case MENU_CLOSED:
        menu_close(&ui->menu);
        ui_event_add(ui, UI_MENU_CLOSED, NULL, 0);
        break;
    case MENU_STAYS: break;
    }
}

void views_key(struct ui *ui, const struct keys_token *key)
{
    bool is_character = key->type == KEYS_CHARACTER;
    changed(ui);
    if (is_character && key->bytes[0] == ('Z' & 0x1F)) {
        ui_event_add(ui, UI_SUSPEND, NULL, 0);
    } else if (is_character && key->bytes[0] == ('L' & 0x1F)) {
        ui->redraw_pending = true;
    } else if (key->type == KEYS_PASTE) {
        ui_hint(ui, "Close this first (q or Esc); then paste.");
    } else if (ui->menu.open) {
        menu_takes(ui, key);
    } else if (key->type == KEYS_ESCAPE) {
        interrupt_or_close(ui);
    } else if (key->type == KEYS_SEQUENCE) {
        sequence_key(ui, key);
    } else if (is_character) {
        character_key(ui, key);
    }
}
