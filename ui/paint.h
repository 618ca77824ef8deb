/*
 * paint.h - filtered text and lines into the window of curses
 *
 * Everything is cut at `limit`, the column behind the last one that may be painted, so that a
 * part of the screen never touches the one beside it.
 */
#ifndef UI_PAINT_H
#define UI_PAINT_H

#include "ui/internal.h"

#define NCURSES_WIDECHAR 1
#include <curses.h>

attr_t paint_color(const struct screen *screen, enum color_pair pair);
/* Filtered text from `column`; tabs count from there.  Returns the column behind it. */
int paint_text(const struct screen *screen, int row, int column, int limit, const char *text,
               size_t n_bytes, attr_t attributes);
/* The same, and bytes with a mark are underlined; text[0] is byte `offset` of what the marks
 * are of.  A cluster has the mark of its first byte. */
int paint_marked_text(const struct screen *screen, int row, int column, int limit,
                      const char *text, size_t n_bytes, attr_t attributes,
                      const struct marks *marks, size_t offset);
void paint_blank(const struct screen *screen, int row, int column, int limit);
/* A whole line: the text, and blanks behind it. */
void paint_line(const struct screen *screen, int row, int column, int limit, const char *text,
                attr_t attributes);
/* The same, and a sign at the end of a text that is cut. */
void paint_cut_line(const struct screen *screen, int row, int column, int limit,
                    const char *text, size_t n_bytes, attr_t attributes);
void paint_rule(const struct screen *screen, int row, int column, int limit);
void paint_upright_rule(const struct screen *screen, int row, int column, int n_rows);

#endif
