/*
 * status.h - numbers in, status lines out
 *
 * A line is made of fields; where the terminal is too narrow for all of them they give way in a
 * fixed order: cache, time to first token, tokens, average, context, and the rate last of all.
 *
 * Pure.  No digits depend on the locale.
 */
#ifndef UI_STATUS_H
#define UI_STATUS_H

#include "ui/ui.h"

#define STATUS_LINE    2048 /* bytes of a line, with its end */
#define STATUS_COLUMNS 500  /* wider lines are not filled */

/* One line of at most `columns`: program, model, and at the right the note.  A narrow one
 * has no room for the program's name. */
void status_header(const struct ui_status *status, int columns, char out[STATUS_LINE]);
/* n_lines is 1 or 2. */
void status_lines(const struct ui_status *status, int columns, int n_lines, bool ascii,
                  char out[2][STATUS_LINE]);

#endif
