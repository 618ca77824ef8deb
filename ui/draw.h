/*
 * draw.h - what the files that draw share
 */
#ifndef UI_DRAW_H
#define UI_DRAW_H

#include "ui/internal.h"

/* Rows of a transcript in their area; those from row `covered_from` of the screen on are
 * something else's.  drawn: one for each row of the screen. */
void draw_rows(struct ui *ui, const struct transcript *transcript, const struct view *view,
               struct area area, int covered_from, struct drawn_row *drawn);
/* What is over the transcript.  The cursor's place goes to (*row, *column) when a part takes
 * the keys. */
void draw_panel(struct ui *ui, int *row, int *column);
void draw_split(struct ui *ui, int covered_from, int *row, int *column);
int menu_rows(const struct ui *ui); /* that it takes of the screen */
void draw_menu(struct ui *ui, int n_rows, int *row, int *column);

#endif
