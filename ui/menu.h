/*
 * menu.h - a list to choose from
 *
 * Pure: what a key does to the choice.
 */
#ifndef UI_MENU_H
#define UI_MENU_H

#include "ui/keys.h"
#include "ui/ui.h"

#define MENU_ROWS_MAX 999

struct menu_row {
    char *name, *description; /* owned, filtered; description may be "" */
};

struct menu {
    bool open;
    char *title;           /* owned, filtered */
    struct menu_row *rows; /* owned */
    size_t n_rows, selected;
    size_t top;    /* the first row that is seen */
    size_t number; /* that is being typed; 0: none */
    int height;    /* rows that were seen last; pages are of that size */
};

enum menu_answer { MENU_STAYS, MENU_CHOSEN, MENU_CLOSED };

void menu_close(struct menu *menu);
/* Out of memory: it is not opened. */
void menu_show(struct menu *menu, const char *title, const struct ui_menu_row *rows,
               size_t n_rows, size_t selected);
enum menu_answer menu_key(struct menu *menu, const struct keys_token *key);
/* Of `height` rows, the first one to show; the selected one is among them. */
size_t menu_settle(struct menu *menu, int height);

#endif
