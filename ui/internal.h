/*
 * internal.h - struct ui, shared by the files of ui/ and by nobody else
 *
 *   ui.c      the public functions: events, frame clock, what changed
 *   screen.c  takes the terminal and gives it back
 *   views.c   panel, menu, split view: the public functions, and their keys
 *   draw.c    what is on the screen; draw_views.c the parts of views.c, paint.c their text
 *   input.c   readline: takes whole keys, holds the edit buffer
 *   editing.c functions of readline that are ours, and the keys they are bound to
 *   script.c  scripted keys
 */
#ifndef UI_INTERNAL_H
#define UI_INTERNAL_H

#include "ui/keys.h"
#include "ui/menu.h"
#include "ui/panel.h"
#include "ui/split.h"
#include "ui/status.h"
#include "ui/transcript.h"
#include "ui/view.h"

#include <stdio.h>
#include <termios.h>

/* The terminal ----------------------------------------------------------------------------- */

/* What a row of the screen shows of the transcript; equal: it need not be drawn again. */
struct drawn_row {
    bool known;
    uint32_t version;
    enum transcript_part part;
    size_t block, body_row, n_bytes;
};

/* Who has which part of the screen. */
struct arrangement {
    struct regions regions;
    struct area transcript; /* 0 rows: it is covered */
    struct panel_shape panel;
    struct split_shape split;
    int menu_bottom; /* the row under a menu or a list of candidates */
};

struct screen {
    int fd_in, fd_out; /* owned; opened apart: reading does not block, writing does */
    FILE *in, *out;    /* owned; what newterm() wants */
    void *terminal;    /* SCREEN of curses */
    struct termios saved;
    bool taken;     /* curses has the terminal now */
    bool abandoned; /* the terminal is gone */
    bool utf8, ascii, color;
    int n_rows, n_columns;
    struct arrangement arrangement; /* as it was drawn */
    struct drawn_row *drawn;        /* owned; n_rows of them for each pane */
};

/* The input line --------------------------------------------------------------------------- */

struct candidate {
    char *text;                /* owned; what completes the word */
    char *shown, *description; /* owned, filtered; description may be NULL */
};

struct popup {
    struct candidate *candidates; /* owned */
    size_t n_candidates, capacity;
    bool open;
};

/* The edit buffer as it is drawn: controls made visible, and where the cursor is in that. */
struct input_image {
    struct text_buffer prompt;     /* left of the first row */
    struct text_buffer text;       /* filtered */
    struct layout layout;          /* of the text */
    int indent;                    /* columns of the prompt */
    size_t point;                  /* byte of the text where the cursor is */
    size_t mark_from, mark_to;     /* bytes of the text that are marked; equal: none */
    int cursor_row, cursor_column; /* in rows of the input, 0 is its first */
    int n_rows;
    int n_columns; /* of the screen that it is made for */
    bool stale;
};

struct input {
    bool open;
    struct keys keys;
    struct text_buffer queue; /* bytes that readline will take */
    size_t queue_at;
    int starved;                    /* reads beyond the end of the queue, in one call */
    FILE *nothing_in, *nothing_out; /* owned; readline's streams */
    struct popup popup;
    struct input_image image;
};

/* Scripted keys ---------------------------------------------------------------------------- */

struct script {
    char *bytes; /* owned; NULL: none, or used up */
    size_t n_bytes, at;
    bool line_has_keys; /* since the last line end */
    bool waits_idle;
    int64_t wait_until_ms; /* 0: does not wait */
};
bool keys_script_load(struct script *script, const char *path, struct ui_error *error);
void keys_script_release(struct script *script);
/* Feed what is due; true: something was fed.  `idle`: not busy, nothing under way. */
bool keys_script_step(struct script *script, struct keys *keys, bool idle, int64_t now_ms);
bool keys_script_is_done(const struct script *script);
int keys_script_timeout_ms(const struct script *script, bool idle, int64_t now_ms);

/* All -------------------------------------------------------------------------------------- */

struct ui {
    struct ui_options options;
    char *prompt, *history_path; /* owned copies; options points to them */
    struct screen screen;
    struct input input;
    struct script script;
    struct transcript transcript;
    struct view view;
    struct panel panel;
    struct menu menu;
    struct split split;
    bool show_marks;
    bool forget_drawn; /* rows show something else now, though their text is the same */
    struct ui_status status;
    struct spark spark; /* rates of the answer */
    char hint[256];     /* filtered; "": none */
    int64_t hint_until_ms;
    struct ui_event *events; /* owned; a queue */
    size_t n_events, event_at, event_capacity;
    bool busy;
    bool keys_ended;
    bool dirty, dirty_by_key; /* something to draw; soon, because a key did it */
    bool resize_pending, redraw_pending;
    int64_t drawn_ms;
};

int64_t ui_now_ms(void);
void ui_event_add(struct ui *ui, enum ui_event_type type, const char *text, size_t n_bytes);
void ui_event_add_number(struct ui *ui, enum ui_event_type type, int number);
/* Scroll by rows, or pages for the keys. */
void ui_scroll(struct ui *ui, long rows);
int ui_page_rows(const struct ui *ui);

/* Pairs of colours; 0 is the terminal's own. */
enum color_pair {
    PAIR_USER = 1,
    PAIR_ANSWER,
    PAIR_ERROR,
    PAIR_ACCENT,
    PAIR_NGRAM,
    PAIR_DRAFT,
    PAIR_MTP
};

/* Does the panel, the split view or the menu take the keys? */
bool views_take_keys(const struct ui *ui);
void views_key(struct ui *ui, const struct keys_token *key);
void views_close(struct ui *ui);
/* As it would be drawn now; the edit buffer is laid out. */
struct arrangement arrangement_of(const struct ui *ui);

/* Open the terminal and see what it can; then take it.  readline starts in between, because
 * both it and curses read the terminal's description, and the last one must be curses. */
bool screen_probe(struct ui *ui, struct ui_error *error);
bool screen_open(struct ui *ui, struct ui_error *error);
void screen_close(struct ui *ui);
void screen_suspend(struct ui *ui);
void screen_resume(struct ui *ui);
void screen_abandon(struct ui *ui);
/* Ask the kernel for the size. */
void screen_measure(struct ui *ui);
/* Bytes past curses, which has nothing pending then. */
void screen_write(const struct screen *screen, const char *bytes);
/* Draw everything that differs; `whole`: as if the screen were garbage. */
void screen_draw(struct ui *ui, bool whole);

bool input_open(struct ui *ui, struct ui_error *error);
void input_close(struct ui *ui);
void input_key(struct ui *ui, const struct keys_token *key);
/* Ctrl-C: back to an empty line, whatever readline was in the middle of. */
void input_clear(struct ui *ui);
void input_replace(struct ui *ui, const char *text, size_t n_bytes);
void input_remember(struct ui *ui, const char *text, size_t n_bytes);
/* Bring the image up to date for a screen of so many columns. */
void input_lay_out(struct ui *ui, int n_columns);
void input_resized(int n_rows, int n_columns);

/* Byte of readline's buffer that byte `offset` of the image stands for. */
int input_byte_of_image(const struct ui *ui, size_t offset);
/* The ui whose line readline edits; NULL: none. */
struct ui *input_active(void);

/* Register functions and keys; before readline reads the user's inputrc, and after. */
void editing_prepare(void);
void editing_adopt(void);

#endif
