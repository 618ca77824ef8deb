/*
 * menu.c - a list to choose from (menu.h)
 *
 * A number chooses as soon as no longer one could be meant, a letter when it is the first of
 * one name alone; else they only select, and Enter chooses.
 */
#include "ui/menu.h"
#include "ui/text.h"

#include <stdlib.h>
#include <string.h>

void menu_close(struct menu *menu)
{
    for (size_t i = 0; i < menu->n_rows; i++) {
        free(menu->rows[i].name);
        free(menu->rows[i].description);
    }
    free(menu->rows);
    free(menu->title);
    *menu = (struct menu){0};
}

void menu_show(struct menu *menu, const char *title, const struct ui_menu_row *rows,
               size_t n_rows, size_t selected)
{
    menu_close(menu);
    if (n_rows > MENU_ROWS_MAX)
        n_rows = MENU_ROWS_MAX;
    if (n_rows == 0)
        return;
    menu->title = text_filtered_line(title);
    menu->rows = calloc(n_rows, sizeof *menu->rows);
    bool good = menu->title != NULL && menu->rows != NULL;
    for (size_t i = 0; good && i < n_rows; i++) {
        menu->rows[i].name = text_filtered_line(rows[i].name);
        menu->rows[i].description = text_filtered_line(rows[i].description);
        menu->n_rows++;
        good = menu->rows[i].name != NULL && menu->rows[i].description != NULL;
    }
    if (!good) {
        menu_close(menu);
        return;
    }
    menu->selected = selected < n_rows ? selected : n_rows - 1;
    menu->open = true;
}

size_t menu_settle(struct menu *menu, int height)
{
    size_t seen = height > 0 ? (size_t)height : 1;
    menu->height = (int)seen;
    if (menu->selected < menu->top)
        menu->top = menu->selected;
    else if (menu->selected - menu->top >= seen)
        menu->top = menu->selected - seen + 1;
    if (menu->n_rows <= seen)
        menu->top = 0;
    else if (menu->top > menu->n_rows - seen)
        menu->top = menu->n_rows - seen;
    return menu->top;
}

static void move(struct menu *menu, long step)
{
    long last = (long)menu->n_rows - 1, at = (long)menu->selected + step;
    menu->selected = (size_t)(at < 0 ? 0 : at > last ? last : at);
}

static enum menu_answer type_digit(struct menu *menu, int digit)
{
    size_t number = menu->number * 10 + (size_t)digit;
    if (number < 1 || number > menu->n_rows)
        number = (size_t)digit;
    if (number < 1 || number > menu->n_rows) {
        menu->number = 0;
        return MENU_STAYS;
    }
    menu->number = number;
    menu->selected = number - 1;
    return number * 10 > menu->n_rows ? MENU_CHOSEN : MENU_STAYS;
}

static char small(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The next row whose name starts with the character; several: go round. */
static enum menu_answer type_letter(struct menu *menu, const struct keys_token *key)
{
    size_t n_found = 0, found = 0;
    for (size_t i = 1; i <= menu->n_rows; i++) {
        size_t row = (menu->selected + i) % menu->n_rows;
        const char *name = menu->rows[row].name;
        bool starts = key->n_bytes == 1 ? small(name[0]) == small(key->bytes[0])
                                        : strncmp(name, key->bytes, key->n_bytes) == 0;
        if (starts && n_found++ == 0)
            found = row;
    }
    if (n_found == 0)
        return key->n_bytes == 1 && key->bytes[0] == 'q' ? MENU_CLOSED : MENU_STAYS;
    menu->selected = found;
    return n_found == 1 ? MENU_CHOSEN : MENU_STAYS;
}

static enum menu_answer type_character(struct menu *menu, const struct keys_token *key)
{
    char c = key->bytes[0];
    if (c >= '0' && c <= '9')
        return type_digit(menu, c - '0');
    menu->number = 0;
    switch (c) {
    case '\r':
    case '\n': return MENU_CHOSEN;
    case 'C' & 0x1F:
    case 'D' & 0x1F:
    case 'G' & 0x1F: return MENU_CLOSED;
    case 'N' & 0x1F:
    case '\t': move(menu, 1); return MENU_STAYS;
    case 'P' & 0x1F: move(menu, -1); return MENU_STAYS;
    default: break;
    }
    bool is_control = (unsigned char)c <= 0x20 || c == 0x7F;
    return is_control ? MENU_STAYS : type_letter(menu, key);
}

enum menu_answer menu_key(struct menu *menu, const struct keys_token *key)
{
    int number;
    if (key->type == KEYS_ESCAPE)
        return MENU_CLOSED;
    if (key->type == KEYS_CHARACTER)
        return type_character(menu, key);
    menu->number = 0;
    if (key->type != KEYS_SEQUENCE)
        return MENU_STAYS;
    switch (keys_name(key, &number)) {
    case KEYS_UP: move(menu, -1); break;
    case KEYS_DOWN: move(menu, 1); break;
    case KEYS_PAGE_UP: move(menu, -menu->height); break;
    case KEYS_PAGE_DOWN: move(menu, menu->height); break;
    case KEYS_HOME: move(menu, -MENU_ROWS_MAX); break;
    case KEYS_END: move(menu, MENU_ROWS_MAX); break;
    case KEYS_FUNCTION: return MENU_CLOSED; /* the key that opened it, mostly */
    default: break;
    }
    return MENU_STAYS;
}
