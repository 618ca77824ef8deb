/*
 * status.h - numbers in, status lines out
 *
 * A line is made of fields; where the terminal is too narrow for all of them they give way in
 * a fixed order: key hints, age of the estimate, cache, time to first token, tokens, reason,
 * average, mean length, sparkline, state, speed-up, acceptance, context; the policy and the
 * rate last of all.  Counts that leave the first line go to the second.
 *
 * Pure.  No digits depend on the locale.
 */
#ifndef UI_STATUS_H
#define UI_STATUS_H

#include "ui/spark.h"
#include "ui/ui.h"

#define STATUS_LINE    2048 /* bytes of a line, with its end */
#define STATUS_COLUMNS 500  /* wider lines are not filled */

/* One line of at most `columns`: program, model, and at the right the note.  A narrow one
 * has no room for the program's name. */
void status_header(const struct ui_status *status, int columns, char out[STATUS_LINE]);
/* n_lines is 1 or 2; spark: NULL: none. */
void status_lines(const struct ui_status *status, const struct spark *spark, int columns,
                  int n_lines, bool ascii, char out[2][STATUS_LINE]);

#endif
