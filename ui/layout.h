/*
 * layout.h - text and a width in, rows out
 *
 * Rows partition the text: row i covers the bytes from its start to the start of row i + 1, so
 * no byte is lost.  Of these the first n_shown are drawn; the newline, and spaces at a soft
 * break that hang over the edge, are not.
 *
 * A row that is followed by another one is final: text that is appended changes the last row
 * only. layout_append() rests on this and gives what a layout from scratch gives.
 *
 * Pure: no curses, no allocation but the rows.
 */
#ifndef UI_LAYOUT_H
#define UI_LAYOUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct text_cluster;

#define LAYOUT_TAB 8

struct layout_row {
    size_t start;
    size_t n_shown; /* bytes to draw */
    int columns;    /* that they take */
    bool ends_in_newline;
};

struct layout {
    struct layout_row *rows; /* owned */
    size_t n_rows, capacity;
    size_t n_bytes; /* of text that is laid out */
    int columns;    /* width of a row, at least 1 */
};

void layout_init(struct layout *layout, int columns);
void layout_release(struct layout *layout);
/* Lay out again at another width: the rows are dropped, the next layout_append() makes them. */
void layout_reset(struct layout *layout, int columns);
/*
 * text[0 .. n_bytes) is what was laid out before and what came since.  A text that ends in a
 * newline has no empty row behind it.  Out of memory: the rows end early, false.
 */
bool layout_append(struct layout *layout, const char *text, size_t n_bytes);
/* The row that holds byte `offset` (the last one for the end of the text); n_rows > 0. */
size_t layout_row_at(const struct layout *layout, size_t offset);
/* Columns that a cluster takes at `column` of a row of `columns`: tabs reach to the next
 * stop, and what is wider than a row takes the row. */
int layout_cluster_columns(const struct text_cluster *cluster, int column, int columns);
/* Column of byte `offset` in the row, at most columns. */
int layout_column_at(const struct layout *layout, const char *text, size_t row, size_t offset);
/* Byte at or before `column` of the row. */
size_t layout_offset_at(const struct layout *layout, const char *text, size_t row, int column);

#endif
