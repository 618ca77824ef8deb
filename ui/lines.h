/*
 * lines.h - a page of lines, and which of them are seen
 *
 * The text passes the filter when it is set; a tab becomes blanks.
 *
 * Pure.
 */
#ifndef UI_LINES_H
#define UI_LINES_H

#include "ui/text.h"
#include "ui/ui.h"

#define LINES_TEXT_MAX (1u << 20) /* bytes of a page; what is above is left out */

struct lines {
    struct text_buffer text;
    size_t *starts; /* owned; n_lines + 1 of them; a line ends one byte before the next */
    size_t n_lines, capacity;
    size_t top; /* the first line that is seen */
};

void lines_release(struct lines *lines);
/* The place stays where it was.  NULL: no lines.  Out of memory: the lines end early. */
void lines_set(struct lines *lines, const char *text);
/* Line `index`, without its end; "" where there is none. */
const char *lines_at(const struct lines *lines, size_t index, size_t *n_bytes);
/* `height` lines are seen at once. */
void lines_scroll(struct lines *lines, int height, long n);
/* The first line to show; a page that became shorter is not left behind. */
size_t lines_top(const struct lines *lines, int height);

#endif
