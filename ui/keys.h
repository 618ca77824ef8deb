/*
 * keys.h - bytes of a terminal in, whole keys out
 *
 * readline must never see half a character, half an escape sequence or a bracketed paste: it
 * would read on, and there is nothing to read.  This tokenizer hands out whole ones, decides by
 * time what a lone ESC is, collects pastes, and drops what terminals say without having been
 * asked.
 *
 * Pure: the time is an argument, in milliseconds of any clock that does not jump.
 */
#ifndef UI_KEYS_H
#define UI_KEYS_H

#include "ui/text.h"

#define KEYS_ESCAPE_MS   40   /* an ESC that stays alone this long is the Esc key */
#define KEYS_SEQUENCE_MS 200  /* an escape sequence or a character that stays cut is dropped */
#define KEYS_PASTE_MS    2000 /* a paste whose end does not come is taken as it is */
#define KEYS_PASTE_MAX   (8u << 20)  /* bytes of a paste; what is above is dropped */
#define KEYS_REPLY_MAX   (64u << 10) /* bytes of a string that the terminal may say */

enum keys_type {
    KEYS_CHARACTER, /* one character, or a control byte */
    KEYS_SEQUENCE,  /* ESC and more: a function key, or Alt and a character */
    KEYS_ESCAPE,    /* the Esc key */
    KEYS_NEWLINE,   /* a key that inserts a newline: Shift-Enter in its two encodings */
    KEYS_PASTE      /* pasted text: well-formed, of its controls only newline and tab */
};

struct keys_token {
    enum keys_type type;
    const char *bytes; /* borrowed until the next call */
    size_t n_bytes;
};

/* Keys that have a name, whatever their terminal sends for them. */
enum keys_name {
    KEYS_NAMELESS,
    KEYS_UP,
    KEYS_DOWN,
    KEYS_LEFT,
    KEYS_RIGHT,
    KEYS_PAGE_UP,
    KEYS_PAGE_DOWN,
    KEYS_HOME,
    KEYS_END,
    KEYS_BACK_TAB,
    KEYS_FUNCTION /* without Shift, Alt or Ctrl */
};

struct keys {
    bool utf8;
    bool in_paste;
    bool paste_cut;           /* the paste was longer than KEYS_PASTE_MAX */
    struct text_buffer input; /* bytes not yet handed out, from `start` */
    size_t start;
    size_t scanned;           /* of a paste: bytes that hold no end mark */
    struct text_buffer paste; /* the clean text of the last one */
    int64_t last_byte_ms;
};

void keys_init(struct keys *keys, bool utf8);
void keys_release(struct keys *keys);
void keys_feed(struct keys *keys, const char *bytes, size_t n_bytes, int64_t now_ms);
/* The next whole key; false: more bytes or time must come. */
bool keys_next(struct keys *keys, int64_t now_ms, struct keys_token *token);
/* Milliseconds until keys_next() would decide by time; -1: never. */
int keys_timeout_ms(const struct keys *keys, int64_t now_ms);
/* *number: of a function key. */
enum keys_name keys_name(const struct keys_token *token, int *number);
/* Text as a paste inserts it: CR and CR LF become newline, other controls are dropped, broken
 * bytes become U+FFFD.  Out of memory: false. */
bool keys_clean_paste(const char *bytes, size_t n_bytes, struct text_buffer *out);

#endif
