/*
 * ui.h - the screen: a transcript, an input line, a status line
 *
 * ncurses owns the screen, readline owns the edit buffer, and this library owns the bytes
 * between them: it reads the terminal itself, splits keys, pastes and escape sequences, and
 * feeds readline whole ones.  It knows messages and numbers, no model and no token.
 *
 * Every text that is given to it passes one filter (ui_filter): control characters, escape
 * sequences and bidi overrides are shown, never executed.
 *
 * Thread: the one that called ui_open(), for all functions.
 */
#ifndef UI_UI_H
#define UI_UI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ui;

struct ui_error {
    char what[256]; /* one line for a person */
};

/* The one filter --------------------------------------------------------------------------- */

/*
 * Strict streaming filter, for the screen and for plain output alike: well-formed printable
 * text, newline and tab pass; everything else becomes visible text ("^[", "<U+202E>"), broken
 * UTF-8 becomes U+FFFD.  A sequence that is cut by the end of a piece waits for the next piece.
 */
struct ui_filter {
    unsigned char held[4];
    uint32_t n_held;
    uint32_t n_marks; /* combining marks since the last base character */
    uint32_t last;    /* last code point that passed */
};
void ui_filter_init(struct ui_filter *filter);
/* out: room for ui_filter_room(n_bytes) bytes; returns bytes written; not terminated. */
size_t ui_filter_room(size_t n_bytes);
size_t ui_filter_text(struct ui_filter *filter, const char *bytes, size_t n_bytes, char *out);
size_t ui_filter_finish(struct ui_filter *filter, char *out); /* a held tail; room 8 */
/* A whole short string on one line (newlines shown too), cut to room, always terminated. */
void ui_filter_line(const char *bytes, size_t n_bytes, char *out, size_t room);
/* Columns of well-formed filtered text on this terminal. */
int ui_text_columns(const char *bytes, size_t n_bytes);

/* Life cycle ------------------------------------------------------------------------------- */

enum ui_color { UI_COLOR_AUTO, UI_COLOR_ALWAYS, UI_COLOR_NEVER };

/* Candidates for completion of the line: a callback of the app. */
struct ui_completion {
    /* Call add(adder, text, description) for each candidate that starts with word. */
    void (*candidates)(void *context, const char *line, size_t word_start, const char *word,
                       void (*add)(void *adder, const char *text, const char *description),
                       void *adder);
    void *context;
};

struct ui_options {
    const char *terminal;     /* path of the terminal; NULL: /dev/tty */
    const char *keys_path;    /* scripted keys, see ui/script.c; NULL: none */
    const char *history_path; /* input history, append-only, 0600; NULL: none kept */
    uint32_t history_size;    /* entries loaded; 0: 1000 */
    enum ui_color color;
    bool ascii;         /* ASCII glyphs even in a UTF-8 locale */
    bool show_thinking; /* thinking blocks start unfolded */
    const char *prompt; /* "> " */
    struct ui_completion completion;
};

/*
 * Take the terminal.  Signals must be blocked already (SIGWINCH, SIGTSTP, SIGCONT, SIGINT,
 * SIGTERM, SIGHUP): the app reads them and calls ui_resized(), ui_suspend() and so on.
 * false: no terminal, TERM unknown or dumb; the caller goes on in plain mode.
 */
bool ui_open(struct ui **out, const struct ui_options *options, struct ui_error *error);
/* Give the terminal back as it was; *ui becomes NULL; NULL is allowed. */
void ui_close(struct ui **ui);
/* Leave the terminal usable from a signal handler of a crash: constant bytes, tcsetattr(). */
void ui_emergency_restore(void);
/* Around SIGTSTP and around an external program: terminal given back, later taken and
 * redrawn. */
void ui_suspend(struct ui *ui);
void ui_resume(struct ui *ui);
/* After SIGWINCH. */
void ui_resized(struct ui *ui);
/* The terminal is gone (SIGHUP): write nothing any more. */
void ui_abandon(struct ui *ui);

/* Input ------------------------------------------------------------------------------------ */

enum ui_event_type {
    UI_SUBMIT,      /* .text: a line (may hold newlines) was accepted; never empty */
    UI_INTERRUPT,   /* Esc while busy, Ctrl-C while busy or on an empty line */
    UI_QUIT,        /* Ctrl-D on an empty line */
    UI_SUSPEND,     /* Ctrl-Z: the app stops the process group */
    UI_EDITOR,      /* .text: the line; the app runs the editor and calls ui_input_set() */
    UI_FUNCTION,    /* .number: F2, F4, F6 and such */
    UI_VIEW_KEY,    /* .number: a character for the panel or the split view; Enter is '\n' */
    UI_VIEW_CLOSED, /* the panel or the split view was closed by q or Esc */
    UI_MENU_CHOSEN, /* .number: row of the menu, which is closed now */
    UI_MENU_CLOSED, /* without a choice */
    UI_KEYS_END     /* the scripted keys are used up */
};

struct ui_event {
    enum ui_event_type type;
    char *text; /* owned by the caller: free() */
    size_t n_bytes;
    int number;
};

int ui_fd(const struct ui *ui); /* poll for input; -1 after ui_abandon() */
/* Time until ui_read() or ui_draw() wants to run; -1: none. */
int ui_timeout_ms(const struct ui *ui);
void ui_read(struct ui *ui); /* take what is there; does not wait; once a turn of the loop */
bool ui_next_event(struct ui *ui, struct ui_event *event);
/* While busy Esc interrupts; when idle it belongs to readline. */
void ui_set_busy(struct ui *ui, bool busy);
/* Replace the edit buffer (external editor, /edit). */
void ui_input_set(struct ui *ui, const char *text, size_t n_bytes);
void ui_history_add(struct ui *ui, const char *text, size_t n_bytes);

/* Transcript ------------------------------------------------------------------------------- */

enum ui_block_kind {
    UI_BLOCK_USER,
    UI_BLOCK_ANSWER,
    UI_BLOCK_THINKING, /* dimmed; folds to one line */
    UI_BLOCK_NOTICE,   /* the program's own words */
    UI_BLOCK_ERROR
};

/*
 * Blocks are numbered from 1 in the order they were added.  heading: a name over the block (not
 * over folded thinking, and not on small screens); NULL: none.
 */
uint32_t ui_block_add(struct ui *ui, enum ui_block_kind kind, const char *heading);
/* Raw bytes; they pass the filter here. */
void ui_block_append(struct ui *ui, uint32_t block, const char *bytes, size_t n_bytes);
/* Who proposed a piece of an answer; shown by an attribute and on demand only. */
enum ui_mark { UI_MARK_NONE, UI_MARK_NGRAM, UI_MARK_DRAFT, UI_MARK_MTP };
void ui_block_append_marked(struct ui *ui, uint32_t block, const char *bytes, size_t n_bytes,
                            enum ui_mark mark);
void ui_show_marks(struct ui *ui, bool show);
/* No more bytes come: what the filter held is shown. */
void ui_block_finish(struct ui *ui, uint32_t block);
/* Fold to one line `summary` or unfold; only thinking blocks fold by key (Alt-T folds all). */
void ui_block_fold(struct ui *ui, uint32_t block, bool folded, const char *summary);
void ui_block_remove(struct ui *ui, uint32_t first); /* this one and all after it */
void ui_transcript_clear(struct ui *ui);

/* Status ----------------------------------------------------------------------------------- */

enum ui_phase {
    UI_PHASE_IDLE,
    UI_PHASE_LOADING,
    UI_PHASE_PREFILL,
    UI_PHASE_CHECKING, /* done of total comparisons */
    UI_PHASE_GENERATING,
    UI_PHASE_NO_MODEL
};

struct ui_status {
    enum ui_phase phase;
    char model[96];                /* raw; filtered here */
    char note[96];                 /* a few words at the end of the header line */
    double fraction;               /* of loading or prefill, 0 .. 1 */
    uint64_t done, total;          /* tokens of a prefill, bytes of a load */
    double rate;                   /* of the prefill, tokens per second; 0 unknown */
    double remaining;              /* seconds; negative: unknown */
    double rate_now, rate_average; /* decode, tokens per second; 0 unknown */
    double first_token;            /* seconds; negative: unknown */
    uint32_t n_tokens;             /* of this answer */
    bool thinking;
    uint32_t position, n_context; /* tokens in the state, room */
    uint32_t n_cached, n_prompt;
    /* The decode policy; raw, filtered here; "": nothing to show. */
    char policy[48];        /* "auto>ngram" */
    char policy_state[16];  /* "DRAFTING" */
    char policy_reason[96]; /* of the state, shown where there is room */
    double acceptance;      /* accepted / verified; negative: unknown */
    double mean_length;     /* tokens of a pass that verifies; 0: unknown */
    double speedup;         /* over plain steps, estimated; 0: unknown */
    uint32_t speedup_age;   /* tokens since a plain step was measured */
};
void ui_set_status(struct ui *ui, const struct ui_status *status);
/* One line that stays until the next key or for some seconds ("Ctrl-D or /quit leaves"). */
void ui_hint(struct ui *ui, const char *text);

/* Panel, menu, split view ------------------------------------------------------------------ */

/*
 * A page over the transcript: at the right from 100 columns on, else over its whole width.
 * text: lines, raw; they are cut, not wrapped.  Called again with a panel open it changes the
 * text and stays where it was scrolled.  While a panel or the split view is open, keys go
 * there, and the edit buffer stays as it is: arrows and page keys scroll, q and Esc close (Esc
 * interrupts while busy), function keys are UI_FUNCTION, the rest is UI_VIEW_KEY.
 */
void ui_panel_show(struct ui *ui, const char *title, const char *text, const char *keys);
void ui_panel_close(struct ui *ui);
bool ui_panel_open(const struct ui *ui);
/* Columns that the panel's text has (would have). */
int ui_panel_columns(const struct ui *ui);

/*
 * A list over the input line, to choose from by arrows, Enter, a row's number or first letter.
 * Esc closes it also while busy, and so does any function key.  It may be open over the others.
 */
struct ui_menu_row {
    const char *name, *description; /* raw; copied */
};
void ui_menu_show(struct ui *ui, const char *title, const struct ui_menu_row *rows,
                  size_t n_rows, size_t selected);
void ui_menu_close(struct ui *ui);
bool ui_menu_is_open(const struct ui *ui);

/*
 * Two panes instead of the transcript: side by side from 80 columns on, else one above the
 * other.  Each is a column of text that follows its end until it is scrolled; under them a
 * table of lines and a line of keys.  Arrows and page keys scroll both panes, or the one that
 * Tab chose, or the table where that does not fit.  A panel that is shown meanwhile covers it.
 */
enum { UI_PANE_A, UI_PANE_B, UI_PANE_COUNT };
void ui_split_open(struct ui *ui, const char *title);
void ui_split_title(struct ui *ui, const char *title);
/* The line over a pane: policy, rate, acceptance. */
void ui_split_heading(struct ui *ui, int pane, const char *text);
void ui_split_append(struct ui *ui, int pane, const char *bytes, size_t n_bytes,
                     enum ui_mark mark);
/* No more bytes come: what the filter held is shown. */
void ui_split_finish(struct ui *ui, int pane);
void ui_split_clear(struct ui *ui, int pane);
/* Lines under the panes, raw; "": none.  They get half of the screen at most. */
void ui_split_table(struct ui *ui, const char *lines);
void ui_split_keys(struct ui *ui, const char *text);
void ui_split_close(struct ui *ui);
bool ui_split_is_open(const struct ui *ui);

/* Draw what changed, at most once a frame (30 a second); ui_timeout_ms() says when. */
void ui_draw(struct ui *ui);
/* Draw now, whatever the frame clock says. */
void ui_draw_now(struct ui *ui);

/* Size of the terminal. */
void ui_size(const struct ui *ui, int *n_rows, int *n_columns);

/* Plain line input ------------------------------------------------------------------------- */

/*
 * Without a screen (TERM=dumb, --plain) but on a terminal: readline on the terminal itself.
 * NULL: end of input.  The caller frees the line.
 */
char *ui_plain_read_line(const char *prompt);

#endif
