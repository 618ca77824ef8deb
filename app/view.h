/*
 * view.h - where the chat shows things: the screen, or labelled lines
 *
 * The same calls serve both front ends, so every command works in both.  Without a screen a block
 * is a line that starts with its label ("model: "), text goes through the screen's filter to
 * standard output as it comes, and nothing is drawn again.
 *
 * Messages that wait for their turn are always the last blocks of the transcript: a block that is
 * added goes before them.
 *
 * Thread: the main thread.
 */
#ifndef APP_VIEW_H
#define APP_VIEW_H

#include "app/text_buffer.h"
#include "ui/ui.h"

/* Messages that were typed while the model was busy. */
struct message_queue {
    struct text_buffer *texts; /* owned */
    size_t n_texts;
};

struct view {
    struct ui *ui;                     /* borrowed; NULL: plain lines */
    const struct message_queue *queue; /* borrowed */
    uint32_t first_waiting;            /* first block of the waiting messages; 0: none shown */
    /* plain lines */
    bool show_thinking;
    uint32_t n_blocks;
    uint32_t open_block; /* the one that prints now; 0: none */
    enum ui_block_kind open_kind;
    bool line_started; /* its last byte was no newline */
    struct ui_filter filter;
};

uint32_t view_add(struct view *view, enum ui_block_kind kind, const char *heading);
void view_append(struct view *view, uint32_t block, const char *bytes, size_t n_bytes);
void view_finish(struct view *view, uint32_t block);
void view_fold(struct view *view, uint32_t block, bool folded, const char *summary);
/* This block and all after it; waiting messages stay. */
void view_remove(struct view *view, uint32_t first);
void view_clear(struct view *view);
/* The queue changed: show its messages as the last blocks. */
void view_waiting(struct view *view);
/* A whole block in one call. */
void view_say(struct view *view, enum ui_block_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A few words that need not stay. */
void view_hint(struct view *view, const char *text);
/* A labelled text on standard output, filtered, with a newline. */
void view_print(const char *label, const char *bytes, size_t n_bytes);
/* Columns for text. */
int view_columns(const struct view *view);

#endif
