/*
 * transcript.h - the blocks of a conversation and the rows that they take
 *
 * Text passes the filter when it is appended and is laid out when rows are asked for; of a
 * block that grows only the last row is laid out again.  Rows are numbered from 0 over all
 * blocks.
 *
 * Pure data: no curses.  Out of memory: text that does not fit is left out.
 */
#ifndef UI_TRANSCRIPT_H
#define UI_TRANSCRIPT_H

#include "ui/layout.h"
#include "ui/marks.h"
#include "ui/text.h"
#include "ui/ui.h"

enum transcript_style {
    TRANSCRIPT_FULL,    /* headings, blank rows between blocks */
    TRANSCRIPT_COMPACT, /* a sign before each block */
    TRANSCRIPT_BARE     /* text alone */
};

struct transcript_block {
    enum ui_block_kind kind;
    char *heading; /* owned, filtered; NULL: none */
    char *summary; /* owned, filtered; NULL: none */
    struct ui_filter filter;
    struct text_buffer text;
    struct layout layout;
    struct marks marks; /* of the text */
    bool folded, finished;
    /* Rows: made by transcript_update(). */
    size_t first_row, n_rows;
    size_t first_body, n_body; /* rows of the layout that are shown: blank ends are not */
    bool has_spacer, has_heading;
    uint32_t version; /* grows when rows other than the last one changed */
};

/* What the person wants with thinking; the app's wish counts until they say. */
enum transcript_thinking { THINKING_AS_ASKED, THINKING_OPEN, THINKING_CLOSED };

struct transcript {
    struct transcript_block *blocks; /* owned */
    size_t n_blocks, capacity;
    size_t dirty_from; /* rows of this block and of those behind it are not known */
    size_t n_rows;
    int columns;
    enum transcript_style style;
    bool show_thinking;
    enum transcript_thinking thinking;
    uint32_t version;
};

enum transcript_part {
    TRANSCRIPT_SPACER,
    TRANSCRIPT_HEADING,
    TRANSCRIPT_FOLD,
    TRANSCRIPT_BODY
};

/* One row, to be drawn: the sign and the indent are left of the text. */
struct transcript_row {
    const struct transcript_block *block;
    size_t block_index;
    enum transcript_part part;
    const char *text; /* borrowed until the transcript changes */
    size_t n_bytes;
    size_t body_row; /* row of the layout, for TRANSCRIPT_BODY */
    size_t offset;   /* of the text in the block's, for TRANSCRIPT_BODY */
    bool is_first;   /* of the block's text */
    int indent;
};

/* A place that outlives new widths and folding. */
struct transcript_anchor {
    size_t block;
    enum transcript_part part;
    size_t offset;
};

void transcript_init(struct transcript *transcript, bool show_thinking);
void transcript_release(struct transcript *transcript);
/* Returns the number of the block, from 1; 0 when out of memory. */
uint32_t transcript_add(struct transcript *transcript, enum ui_block_kind kind,
                        const char *heading);
void transcript_append(struct transcript *transcript, uint32_t block, const char *bytes,
                       size_t n_bytes);
/* A character that is cut by the end of a piece has the mark of the piece that completes it. */
void transcript_append_marked(struct transcript *transcript, uint32_t block, const char *bytes,
                              size_t n_bytes, enum ui_mark mark);
void transcript_finish(struct transcript *transcript, uint32_t block);
void transcript_fold(struct transcript *transcript, uint32_t block, bool folded,
                     const char *summary);
void transcript_toggle_thinking(struct transcript *transcript);
void transcript_remove(struct transcript *transcript, uint32_t first);
void transcript_set_shape(struct transcript *transcript, int columns,
                          enum transcript_style style);
/* Brings the rows up to date; to be called before the functions below. */
void transcript_update(struct transcript *transcript);
bool transcript_row(const struct transcript *transcript, size_t row,
                    struct transcript_row *out);
struct transcript_anchor transcript_anchor_of(const struct transcript *transcript, size_t row);
/* The last text there is; rows behind it are new ones. */
struct transcript_anchor transcript_end(const struct transcript *transcript);
size_t transcript_row_of(const struct transcript *transcript,
                         const struct transcript_anchor *anchor);

#endif
