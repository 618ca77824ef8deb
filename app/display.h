/*
 * display.h - where the chat shows things: the screen, or labelled lines
 *
 * The same calls serve both front ends, so every command works in both.  Without a screen a block
 * is a line that starts with its label ("model: "), text goes through the screen's filter to
 * standard output as it comes, and nothing is drawn again.  An answer with a heading of its own is
 * labelled by that.
 *
 * Messages that wait for their turn are always the last blocks of the transcript: a block that is
 * added goes before them.
 *
 * Thread: the main thread.
 */
#ifndef APP_DISPLAY_H
#define APP_DISPLAY_H

#include "app/text_buffer.h"
#include "ui/ui.h"

/* Messages that were typed while the model was busy. */
struct message_queue {
    struct text_buffer *texts; /* owned */
    size_t n_texts;
};

struct display {
    struct ui *ui;                     /* borrowed; NULL: plain lines */
    const struct message_queue *queue; /* borrowed */
    uint32_t first_waiting;            /* first block of the waiting messages; 0: none shown */
    /* plain lines */
    bool show_thinking;
    uint32_t n_blocks;
    uint32_t open_block; /* the one that prints now; 0: none */
    enum ui_block_kind open_kind;
    char open_heading[80]; /* "": the label of its kind */
    bool line_started;     /* its last byte was no newline */
    struct ui_filter filter;
};

uint32_t display_add(struct display *display, enum ui_block_kind kind, const char *heading);
void display_append(struct display *display, uint32_t block, const char *bytes, size_t n_bytes);
/* The same; mark: who proposed it. */
void display_append_marked(struct display *display, uint32_t block, const char *bytes,
                           size_t n_bytes, enum ui_mark mark);
void display_finish(struct display *display, uint32_t block);
void display_fold(struct display *display, uint32_t block, bool folded, const char *summary);
/* This block and all after it; waiting messages stay. */
void display_remove(struct display *display, uint32_t first);
void display_clear(struct display *display);
/* The queue changed: show its messages as the last blocks. */
void display_waiting(struct display *display);
/* A whole block in one call. */
void display_say(struct display *display, enum ui_block_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* A few words that need not stay. */
void display_hint(struct display *display, const char *text);
/* A labelled text on standard output, filtered, with a newline. */
void display_print(const char *label, const char *bytes, size_t n_bytes);
/* Columns for text. */
int display_columns(const struct display *display);

#endif
