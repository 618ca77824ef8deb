/*
 * filter.c - the one filter between foreign text and the terminal
 *
 * An allow-list on decoded code points, not a deny-list of bytes: what is printable here
 * passes, everything else is written out.  Joiners and variation selectors are invisible and
 * carry smuggled bytes in other programs, so they pass only behind something that they can act
 * on, and combining marks only N_MARKS_MAX to a base.
 *
 * The output is well-formed UTF-8 of: newline, tab, code points with columns, and marks behind
 * a base.  It holds no control character, for any input and any cut of it into pieces.
 */
#include "ui/text.h"
#include "ui/ui.h"

#include <string.h>

#include <utf8proc.h>

#define N_MARKS_MAX 8
#define REPLACEMENT 0xFFFD

/* Invisible or directing code points that wcwidth() would let through, in rising order. */
static const struct {
    uint32_t first, last;
} hidden[] = {
    {0x00AD, 0x00AD}, /* soft hyphen: terminals disagree on its width */
    {0x034F, 0x034F},   {0x061C, 0x061C},   {0x115F, 0x1160}, /* fillers: blank letters */
    {0x17B4, 0x17B5},   {0x180B, 0x180F},   {0x200B, 0x200B},   {0x200E, 0x200F},
    {0x2028, 0x202E},   {0x2060, 0x206F},   {0x3164, 0x3164},   {0xFDD0, 0xFDEF},
    {0xFEFF, 0xFEFF},   {0xFFA0, 0xFFA0},   {0xFFF0, 0xFFFB},   {0x1BCA0, 0x1BCA3},
    {0x1D173, 0x1D17A}, {0xE0000, 0xE00FF}, {0xE01F0, 0xE0FFF},
};

static bool is_hidden(uint32_t c)
{
    if ((c & 0xFFFE) == 0xFFFE) /* noncharacters at the end of each plane */
        return true;
    for (size_t i = 0; i < sizeof hidden / sizeof hidden[0] && c >= hidden[i].first; i++)
        if (c <= hidden[i].last)
            return true;
    return false;
}

static bool is_variation(uint32_t c)
{
    return (c >= 0xFE00 && c <= 0xFE0F) || (c >= 0xE0100 && c <= 0xE01EF);
}

static bool is_joiner(uint32_t c)
{
    return c == 0x200C || c == 0x200D;
}

static bool is_ideograph(uint32_t c)
{
    return (c >= 0x3400 && c <= 0x9FFF) || (c >= 0xF900 && c <= 0xFAFF) ||
           (c >= 0x20000 && c <= 0x3FFFD);
}

/* Can a joiner act behind this code point?  Emoji, marks (virama), letters that join. */
static bool joins(uint32_t c)
{
    if (c < 0x80)
        return false;
    switch (utf8proc_category((utf8proc_int32_t)c)) {
    case UTF8PROC_CATEGORY_MN:
    case UTF8PROC_CATEGORY_MC:
    case UTF8PROC_CATEGORY_ME:
    case UTF8PROC_CATEGORY_LM:
    case UTF8PROC_CATEGORY_LO:
    case UTF8PROC_CATEGORY_SK:
    case UTF8PROC_CATEGORY_SO: return c != REPLACEMENT;
    default: return false;
    }
}

static bool has_base(const struct ui_filter *filter)
{
    return filter->last != 0 && filter->last != '\n' && filter->last != '\t';
}

/* Does a code point of no columns pass here? */
static bool mark_passes(const struct ui_filter *filter, uint32_t c)
{
    if (!has_base(filter) || filter->n_marks >= N_MARKS_MAX)
        return false;
    if (is_joiner(c))
        return joins(filter->last);
    if (is_variation(c))
        return c < 0xE0100 ? !is_variation(filter->last) && !is_joiner(filter->last)
                           : is_ideograph(filter->last);
    return true;
}

static size_t put_text(struct ui_filter *filter, const char *text, size_t n_bytes, char *out)
{
    memcpy(out, text, n_bytes);
    filter->last = (unsigned char)text[n_bytes - 1];
    filter->n_marks = 0;
    return n_bytes;
}

/* "^[" for the old controls, "<U+202E>" for the rest. */
static size_t put_visible(struct ui_filter *filter, uint32_t c, char *out)
{
    if (c < 0x20 || c == 0x7F) {
        char caret[2] = {'^', (char)(c ^ 0x40)};
        return put_text(filter, caret, 2, out);
    }
    char text[12] = "<U+";
    size_t n = 3;
    int n_digits = c > 0xFFFFF ? 6 : c > 0xFFFF ? 5 : 4;
    for (int i = n_digits - 1; i >= 0; i--)
        text[n++] = "0123456789ABCDEF"[c >> (4 * i) & 15];
    text[n++] = '>';
    return put_text(filter, text, n, out);
}

static size_t put_code_point(struct ui_filter *filter, uint32_t c, char *out)
{
    if (c == 0xFEFF && filter->last == 0) /* a byte order mark says nothing in UTF-8 */
        return 0;
    if (c != '\n' && c != '\t') {
        int width = is_hidden(c) ? -1 : text_width(c);
        if (width < 0 || (width == 0 && !mark_passes(filter, c)))
            return put_visible(filter, c, out);
        filter->n_marks = width == 0 ? filter->n_marks + 1 : 0;
    }
    filter->last = c;
    return text_encode(c, out);
}

/* What is held turns out to be complete or broken. */
static size_t release_held(struct ui_filter *filter, char *out)
{
    uint32_t n_held = filter->n_held;
    if (n_held == 0)
        return 0;
    filter->n_held = 0;
    if (filter->held[0] == '\r')
        return put_visible(filter, '\r', out);
    uint32_t c = REPLACEMENT;
    if (n_held == (uint32_t)text_sequence_length(filter->held[0]))
        text_decode((const char *)filter->held, n_held, &c);
    return put_code_point(filter, c, out);
}

void ui_filter_init(struct ui_filter *filter)
{
    *filter = (struct ui_filter){0};
}

size_t ui_filter_room(size_t n_bytes)
{
    /* The longest output of a code point is 8 bytes for 2 and 3, 10 for 4, and 3 for one broken
     * byte; what was held from the piece before adds at most one such. */
    return 4 * n_bytes + 16;
}

static size_t filter_byte(struct ui_filter *filter, unsigned char byte, char *out)
{
    size_t n = 0;
    if (filter->n_held > 0) {
        if (filter->held[0] == '\r') {
            if (byte == '\n')
                filter->n_held = 0;
        } else if (text_continues(filter->held[0], (int)filter->n_held, byte)) {
            filter->held[filter->n_held++] = byte;
            if (filter->n_held == (uint32_t)text_sequence_length(filter->held[0]))
                n = release_held(filter, out);
            return n;
        }
        n = release_held(filter, out);
    }
    int length = text_sequence_length(byte);
    if (length > 1 || byte == '\r') {
        filter->held[0] = byte;
        filter->n_held = 1;
        return n;
    }
    return n + put_code_point(filter, length == 1 ? byte : REPLACEMENT, out + n);
}

size_t ui_filter_text(struct ui_filter *filter, const char *bytes, size_t n_bytes, char *out)
{
    size_t n_out = 0;
    for (size_t i = 0; i < n_bytes; i++) {
        unsigned char byte = (unsigned char)bytes[i];
        if (byte >= 0x20 && byte < 0x7F && filter->n_held == 0) {
            out[n_out++] = (char)byte;
            filter->last = byte;
            filter->n_marks = 0;
        } else {
            n_out += filter_byte(filter, byte, out + n_out);
        }
    }
    return n_out;
}

size_t ui_filter_finish(struct ui_filter *filter, char *out)
{
    return release_held(filter, out);
}

void ui_filter_line(const char *bytes, size_t n_bytes, char *out, size_t room)
{
    struct ui_filter filter;
    ui_filter_init(&filter);
    if (room == 0)
        return;
    size_t n_out = 0;
    for (size_t i = 0; i <= n_bytes; i++) {
        char piece[32];
        size_t n = 0;
        if (i == n_bytes) {
            n = ui_filter_finish(&filter, piece);
        } else if (bytes[i] == '\n' || bytes[i] == '\t') {
            n = ui_filter_finish(&filter, piece);
            n += bytes[i] == '\t' ? put_text(&filter, " ", 1, piece + n)
                                  : put_visible(&filter, '\n', piece + n);
        } else {
            n = ui_filter_text(&filter, bytes + i, 1, piece);
        }
        if (n > room - 1 - n_out)
            break;
        memcpy(out + n_out, piece, n);
        n_out += n;
    }
    out[n_out] = '\0';
}
