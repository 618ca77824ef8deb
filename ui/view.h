/*
 * view.h - how the screen is divided, and which rows of the transcript are on it
 *
 * Pure.  While it follows, the view ends with the last row; scrolled up it stays at its text,
 * whatever is appended, folded or laid out anew.
 */
#ifndef UI_VIEW_H
#define UI_VIEW_H

#include "ui/transcript.h"

/* Rows of the screen from the top; a height of 0 means that the part is not there. */
struct regions {
    enum transcript_style style;
    int header; /* 0 or 1 */
    int upper_rule;
    int transcript_top, transcript;
    int lower_rule; /* 0 or 1, right under the transcript */
    int status_top, status;
    int input_top, input;
};
/* A rectangle of the screen; 0 rows: not there. */
struct area {
    int top, left, rows, columns;
};
/* input_rows: rows that the input would like; it gets a third of the screen at most. */
struct regions regions_of(int n_rows, int n_columns, int input_rows);

/* The same for a screen of which the split view takes what it can: under it a row of status
 * and, where there are enough rows, one of input.  `split`: what it takes. */
struct regions regions_of_split(int n_rows, int n_columns, struct area *split);
/* Where a page goes: at the right of the transcript, or over all of it and the header. */
struct area panel_area_of(const struct regions *regions, int n_columns);

struct view {
    bool scrolled;                      /* does not follow */
    struct transcript_anchor top;       /* first row shown, when scrolled */
    struct transcript_anchor last_seen; /* last text there was when it stopped following */
};
/* The first row to show in a region of `height` rows. */
size_t view_top(const struct view *view, const struct transcript *transcript, int height);
void view_scroll(struct view *view, const struct transcript *transcript, int height, long rows);
/* Where nothing is below any more, it follows again. */
void view_settle(struct view *view, const struct transcript *transcript, int height);
void view_follow(struct view *view);
/* "-- 34 new lines below (End) --", for the last row of a region; "" while it follows. */
void view_note(const struct view *view, const struct transcript *transcript, int height,
               char *out, size_t room);

#endif
