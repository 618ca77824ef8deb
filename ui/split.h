/*
 * split.h - two texts beside each other, and how they share the screen
 *
 * A pane is a transcript of one block, so that wrapping, marks and the place in the text are
 * the same as elsewhere.  Where there is little room the parts give way in this order: rules,
 * the table, the title, the keys; the panes are there last.
 *
 * Pure.
 */
#ifndef UI_SPLIT_H
#define UI_SPLIT_H

#include "ui/lines.h"
#include "ui/view.h"

#define SPLIT_BESIDE_COLUMNS 80 /* narrower: one above the other */

struct pane_shape {
    int heading_top; /* its row; -1: none */
    struct area text;
};

struct split_shape {
    int title_top, keys_top; /* -1: not there, as all of these */
    int rule_tops[3];
    int upright_left; /* column of the rule between the panes */
    struct pane_shape panes[UI_PANE_COUNT];
    struct area table;
};
struct split_shape split_shape_of(struct area area, size_t n_table_lines);

struct pane {
    char *heading; /* owned, filtered; NULL: none */
    struct transcript text;
    struct view view;
};

/* Which pane the keys scroll. */
enum split_focus { SPLIT_BOTH, SPLIT_A, SPLIT_B, SPLIT_TABLE };

struct split {
    bool open;
    char *title, *keys; /* owned, filtered; NULL: none */
    struct pane panes[UI_PANE_COUNT];
    struct lines table;
    enum split_focus focus;
};
void split_open(struct split *split, const char *title);
void split_close(struct split *split);
void split_clear(struct split *split, int pane);
void split_append(struct split *split, int pane, const char *bytes, size_t n_bytes,
                  enum ui_mark mark);
/* The next part to scroll; the table only while it does not fit. */
void split_choose(struct split *split, const struct split_shape *shape, bool back);
void split_scroll(struct split *split, const struct split_shape *shape, long rows);
/* Wrap for this shape; what follows its end does so again. */
void split_update(struct split *split, const struct split_shape *shape);

#endif
