/*
 * panel.h - a page over the transcript or beside it
 *
 * Pure.
 */
#ifndef UI_PANEL_H
#define UI_PANEL_H

#include "ui/lines.h"
#include "ui/view.h"

struct panel {
    bool open;
    char *title, *keys; /* owned, filtered; NULL: none */
    struct lines lines;
};

struct panel_shape {
    struct area area;
    int upright_left; /* column of the rule at its left; -1: none, as all of these */
    int title_top, rule_top, keys_top;
    struct area text;
};

/* Shown again, it stays where it was scrolled. */
void panel_show(struct panel *panel, const char *title, const char *text, const char *keys);
void panel_close(struct panel *panel);
/* beside: something else is at its left. */
struct panel_shape panel_shape_of(struct area area, bool beside);

#endif
