/*
 * panel.c - a page over the transcript or beside it (panel.h)
 */
#include "ui/panel.h"

#include <stdlib.h>

#define RULE_ROWS 14 /* fewer rows leave the rule under the title out */

void panel_show(struct panel *panel, const char *title, const char *text, const char *keys)
{
    free(panel->title);
    free(panel->keys);
    panel->title = text_filtered_line(title);
    panel->keys = text_filtered_line(keys);
    lines_set(&panel->lines, text);
    panel->open = true;
}

void panel_close(struct panel *panel)
{
    free(panel->title);
    free(panel->keys);
    lines_release(&panel->lines);
    *panel = (struct panel){0};
}

struct panel_shape panel_shape_of(struct area area, bool beside)
{
    struct panel_shape shape = {area, -1, -1, -1, -1, area};
    struct area *text = &shape.text;
    if (beside) {
        shape.upright_left = area.left;
        text->left++;
        text->columns--;
    }
    if (text->columns > 1) { /* a margin */
        text->left++;
        text->columns--;
    }
    if (area.rows >= 3) {
        shape.title_top = text->top++;
        text->rows--;
    }
    if (area.rows >= RULE_ROWS) {
        shape.rule_top = text->top++;
        text->rows--;
    }
    if (area.rows >= 2)
        shape.keys_top = text->top + --text->rows;
    return shape;
}
