/*
 * view.c - how the screen is divided, and which rows of the transcript are on it (view.h)
 */
#include "ui/view.h"

#include <stdio.h>

/* Under these the parts collapse: first the decoration, then all but text and input. */
#define FULL_ROWS       18
#define FULL_COLUMNS    60
#define COMPACT_ROWS    8
#define COMPACT_COLUMNS 40
#define STATUS_ROWS_MIN 4 /* the smallest screen that gives a row to the status */

#define PANEL_BESIDE_COLUMNS 100 /* narrower: a page takes the whole width */
#define PANEL_COLUMNS_MAX    100

struct regions regions_of(int n_rows, int n_columns, int input_rows)
{
    struct regions r = {.style = TRANSCRIPT_FULL};
    if (n_rows < 1)
        n_rows = 1;
    if (n_rows < COMPACT_ROWS || n_columns < COMPACT_COLUMNS) {
        r.style = TRANSCRIPT_BARE;
        r.status = n_rows >= STATUS_ROWS_MIN;
    } else if (n_rows < FULL_ROWS || n_columns < FULL_COLUMNS) {
        r.style = TRANSCRIPT_COMPACT;
        r.header = r.status = 1;
    } else {
        r.header = r.upper_rule = r.lower_rule = 1;
        r.status = 2;
    }
    int limit = r.style == TRANSCRIPT_BARE ? 1 : n_rows / 3;
    r.input = input_rows < 1 ? 1 : input_rows > limit ? limit : input_rows;
    r.transcript_top = r.header + r.upper_rule;
    r.transcript = n_rows - r.transcript_top - r.lower_rule - r.status - r.input;
    r.status_top = r.transcript_top + r.transcript + r.lower_rule;
    r.input_top = r.status_top + r.status;
    return r;
}

struct regions regions_of_split(int n_rows, int n_columns, struct area *split)
{
    struct regions r = {.style = TRANSCRIPT_BARE};
    if (n_rows < 1)
        n_rows = 1;
    r.status = n_rows >= STATUS_ROWS_MIN;
    r.input = n_rows >= FULL_ROWS;
    r.status_top = n_rows - r.status - r.input;
    r.input_top = r.status_top + r.status;
    *split = (struct area){0, 0, r.status_top, n_columns};
    return r;
}

struct area panel_area_of(const struct regions *regions, int n_columns)
{
    int bottom = regions->transcript_top + regions->transcript;
    if (n_columns < PANEL_BESIDE_COLUMNS)
        return (struct area){0, 0, bottom, n_columns};
    int columns = n_columns / 2 < PANEL_COLUMNS_MAX ? n_columns / 2 : PANEL_COLUMNS_MAX;
    return (struct area){regions->transcript_top, n_columns - columns, regions->transcript,
                         columns};
}

static size_t last_top(const struct transcript *transcript, int height)
{
    size_t rows = height > 0 ? (size_t)height : 0;
    return transcript->n_rows > rows ? transcript->n_rows - rows : 0;
}

size_t view_top(const struct view *view, const struct transcript *transcript, int height)
{
    size_t last = last_top(transcript, height);
    if (!view->scrolled)
        return last;
    size_t top = transcript_row_of(transcript, &view->top);
    return top < last ? top : last;
}

void view_scroll(struct view *view, const struct transcript *transcript, int height, long rows)
{
    size_t top = view_top(view, transcript, height), last = last_top(transcript, height);
    if (rows < 0)
        top = (size_t)-rows < top ? top - (size_t)-rows : 0;
    else
        top = (size_t)rows < last - top ? top + (size_t)rows : last;
    if (top >= last) {
        view->scrolled = false;
        return;
    }
    if (!view->scrolled)
        view->last_seen = transcript_end(transcript);
    view->scrolled = true;
    view->top = transcript_anchor_of(transcript, top);
}

void view_settle(struct view *view, const struct transcript *transcript, int height)
{
    if (transcript_row_of(transcript, &view->top) >= last_top(transcript, height))
        view->scrolled = false;
}

void view_follow(struct view *view)
{
    view->scrolled = false;
}

void view_note(const struct view *view, const struct transcript *transcript, int height,
               char *out, size_t room)
{
    out[0] = '\0';
    if (!view->scrolled || height < 1)
        return;
    /* The note covers the last row of the region, which counts as below. */
    size_t shown = view_top(view, transcript, height) + (size_t)height - 1;
    size_t below = transcript->n_rows > shown ? transcript->n_rows - shown : 0;
    size_t seen = transcript_row_of(transcript, &view->last_seen) + 1;
    size_t fresh = transcript->n_rows > seen ? transcript->n_rows - seen : 0;
    size_t n = fresh > 0 ? fresh : below;
    snprintf(out, room, "-- %zu %s%s below (End) --", n, fresh > 0 ? "new " : "",
             n == 1 ? "line" : "lines");
}
