/*
 * text.h - code points, grapheme clusters and columns
 *
 * wcwidth() is the arbiter of columns, because ncurses advances by it.  A cluster that the
 * terminal and ncurses would measure differently (emoji joined by ZWJ, skin tones, VS16), or
 * that does not fit into a curses cell of 5 code points, is degraded when it is drawn; the
 * bytes stay as they are.
 *
 * Functions are pure but for the locale's character type.
 */
#ifndef UI_TEXT_H
#define UI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_CELL_CODE_POINTS 5 /* CCHARW_MAX of ncurses */

/* What one step over text covers, and what a curses cell may show of it. */
struct text_cluster {
    size_t n_bytes;
    int columns; /* of the cell; 0 for newline; a tab's depend on where it stands: 1 here */
    uint32_t first;
    uint32_t shown[TEXT_CELL_CODE_POINTS]; /* a spacing code point, then marks */
    int n_shown;
};

/* Columns of one code point on this terminal; -1: not printable. */
int text_width(uint32_t code_point);
/* Bytes of a sequence from its first byte; 0 if none starts so. */
int text_sequence_length(unsigned char first);
/* May `byte` stand at place `index` (from 1) of the sequence that starts with `first`? */
bool text_continues(unsigned char first, int index, unsigned char byte);
/* Strict; returns the bytes taken, 0 of nothing; a broken byte is taken as U+FFFD. */
size_t text_decode(const char *bytes, size_t n_bytes, uint32_t *code_point);
size_t text_encode(uint32_t code_point, char out[4]);
/* The cluster at bytes[0]; it depends on nothing before it.  n_bytes is at least 1. */
void text_cluster_at(const char *bytes, size_t n_bytes, struct text_cluster *cluster);
/* Is the terminal's character set UTF-8? */
bool text_locale_is_utf8(void);

/* Bytes that grow.  Out of memory: the call does nothing and says false. */
struct text_buffer {
    char *bytes; /* owned; not terminated */
    size_t n_bytes, capacity;
};
bool text_buffer_reserve(struct text_buffer *buffer, size_t n_more);
bool text_buffer_append(struct text_buffer *buffer, const char *bytes, size_t n_bytes);
void text_buffer_release(struct text_buffer *buffer);

/* A copy on one line that passed the filter; NULL only when out of memory, NULL is "". */
char *text_filtered_line(const char *text);

#endif
