/*
 * utf8.c - reading UTF-8 that may be broken, and the classes of code points
 */
#include "engine/text/utf8.h"

#include "engine/text/unicode_table.h"

static struct utf8_step step(enum utf8_state state, uint32_t n_bytes, uint32_t code_point)
{
    return (struct utf8_step){state, n_bytes, code_point};
}

struct utf8_step utf8_read(const char *bytes, size_t n_bytes)
{
    const uint8_t *at = (const uint8_t *)bytes;
    uint8_t lead = at[0];
    uint32_t length, code_point;
    uint8_t low = 0x80, high = 0xBF; /* of the second byte */

    if (lead < 0x80)
        return step(UTF8_VALID, 1, lead);
    if (lead < 0xC2 || lead > 0xF4)
        return step(UTF8_INVALID, 1, 0);
    length = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
    code_point = lead & (0xFFU >> (length + 1));
    /* Table 3-7: the second byte excludes overlong forms, surrogates and what is too large. */
    if (lead == 0xE0)
        low = 0xA0;
    else if (lead == 0xED)
        high = 0x9F;
    else if (lead == 0xF0)
        low = 0x90;
    else if (lead == 0xF4)
        high = 0x8F;
    for (uint32_t i = 1; i < length; i++) {
        if (i >= n_bytes)
            return step(UTF8_INCOMPLETE, i, 0);
        if (at[i] < low || at[i] > high)
            return step(UTF8_INVALID, i, 0);
        code_point = code_point << 6 | (at[i] & 0x3FU);
        low = 0x80;
        high = 0xBF;
    }
    return step(UTF8_VALID, length, code_point);
}

enum unicode_class unicode_class(uint32_t code_point)
{
    return (enum unicode_class)
        unicode_class_table[unicode_block[code_point >> 7]][code_point & 127];
}

static bool is_stripped(struct utf8_step character)
{
    return character.state == UTF8_VALID &&
           (unicode_class(character.code_point) == UNICODE_SPACE ||
            (character.code_point >= 0x1C && character.code_point <= 0x1F));
}

/* The character that ends at text[n_bytes]; n_bytes >= 1. */
static struct utf8_step read_backwards(const char *text, size_t n_bytes)
{
    struct utf8_step character = step(UTF8_INVALID, 1, 0);

    for (uint32_t length = 1; length <= 4 && length <= n_bytes; length++) {
        character = utf8_read(text + n_bytes - length, length);
        if (character.state == UTF8_VALID && character.n_bytes == length)
            return character;
    }
    return step(UTF8_INVALID, 1, 0);
}

const char *utf8_strip(const char *text, size_t *n_bytes)
{
    size_t start = 0, end = *n_bytes;

    while (start < end) {
        struct utf8_step character = utf8_read(text + start, end - start);
        if (!is_stripped(character))
            break;
        start += character.n_bytes;
    }
    while (end > start) {
        struct utf8_step character = read_backwards(text + start, end - start);
        if (!is_stripped(character))
            break;
        end -= character.n_bytes;
    }
    *n_bytes = end - start;
    /* text may be NULL when there is nothing. */
    return start ? text + start : text;
}
