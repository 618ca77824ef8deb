/*
 * utf8.h - reading UTF-8 that may be broken, and the classes of code points
 *
 * Strict: no surrogates, no overlong forms, nothing above U+10FFFF.
 * Source: Unicode 14, table 3-7 (well-formed byte sequences) and section 3.9 (maximal subparts).
 *
 * Thread: pure functions.
 */
#ifndef ENGINE_TEXT_UTF8_H
#define ENGINE_TEXT_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum utf8_state {
    UTF8_VALID,     /* a whole character */
    UTF8_INVALID,   /* bytes that no text begins with */
    UTF8_INCOMPLETE /* the text ends inside a character */
};

struct utf8_step {
    enum utf8_state state;
    uint32_t n_bytes;    /* >= 1; of an invalid or incomplete one: its maximal subpart */
    uint32_t code_point; /* of a valid one */
};

/* The first character of bytes [n_bytes], n_bytes >= 1. */
struct utf8_step utf8_read(const char *bytes, size_t n_bytes);

/* What stands for broken bytes on a screen: U+FFFD. */
#define UTF8_REPLACEMENT "\xEF\xBF\xBD"

enum unicode_class {
    UNICODE_OTHER, /* also unassigned code points */
    UNICODE_LETTER,
    UNICODE_MARK,
    UNICODE_NUMBER,
    UNICODE_SPACE /* the property White_Space */
};

/* code_point <= 0x10FFFF. */
enum unicode_class unicode_class(uint32_t code_point);

/*
 * Narrow text [*n_bytes] to what Python's str.strip() leaves, as templates do: White_Space and
 * U+001C..U+001F go, on both sides.  Broken bytes are no whitespace.
 */
const char *utf8_strip(const char *text, size_t *n_bytes);

#endif
