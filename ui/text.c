/*
 * text.c - code points, grapheme clusters and columns (text.h)
 */
#include "ui/text.h"
#include "ui/ui.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>
#include <wchar.h>

#include <utf8proc.h>

#define REPLACEMENT       0xFFFD
#define ZERO_WIDTH_JOINER 0x200D
#define REGIONAL_FIRST    0x1F1E6
#define REGIONAL_LAST     0x1F1FF
#define SKIN_TONE_FIRST   0x1F3FB
#define SKIN_TONE_LAST    0x1F3FF
#define VARIATION_TEXT    0xFE0E
#define VARIATION_EMOJI   0xFE0F

bool text_locale_is_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

int text_width(uint32_t code_point)
{
    if (code_point < 0x7F)
        return code_point < 0x20 ? -1 : 1;
    /* A one-byte character set knows no width of what it lacks; the drawing puts signs of the
     * same width in its place. */
    if (MB_CUR_MAX > 1)
        return wcwidth((wchar_t)code_point);
    switch (utf8proc_category((utf8proc_int32_t)code_point)) {
    case UTF8PROC_CATEGORY_CN:
    case UTF8PROC_CATEGORY_CC:
    case UTF8PROC_CATEGORY_CS:
    case UTF8PROC_CATEGORY_ZL:
    case UTF8PROC_CATEGORY_ZP: return -1;
    default: return utf8proc_charwidth((utf8proc_int32_t)code_point);
    }
}

int text_sequence_length(unsigned char first)
{
    if (first < 0x80)
        return 1;
    if (first < 0xC2 || first > 0xF4)
        return 0;
    return first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
}

bool text_continues(unsigned char first, int index, unsigned char byte)
{
    unsigned char low = 0x80, high = 0xBF;
    if (index == 1) {
        /* No overlong forms, no surrogates, nothing above U+10FFFF. */
        if (first == 0xE0)
            low = 0xA0;
        else if (first == 0xED)
            high = 0x9F;
        else if (first == 0xF0)
            low = 0x90;
        else if (first == 0xF4)
            high = 0x8F;
    }
    return byte >= low && byte <= high;
}

size_t text_decode(const char *bytes, size_t n_bytes, uint32_t *code_point)
{
    if (n_bytes == 0)
        return 0;
    unsigned char first = (unsigned char)bytes[0];
    int length = text_sequence_length(first);
    *code_point = REPLACEMENT;
    if (length == 0 || (size_t)length > n_bytes)
        return 1;
    uint32_t value = length == 1 ? first : first & (0x7Fu >> length);
    for (int i = 1; i < length; i++) {
        if (!text_continues(first, i, (unsigned char)bytes[i]))
            return 1;
        value = value << 6 | ((unsigned char)bytes[i] & 0x3Fu);
    }
    *code_point = value;
    return (size_t)length;
}

size_t text_encode(uint32_t code_point, char out[4])
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xC0 | code_point >> 6);
        out[1] = (char)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xE0 | code_point >> 12);
        out[1] = (char)(0x80 | (code_point >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code_point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code_point >> 18);
    out[1] = (char)(0x80 | (code_point >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code_point >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code_point & 0x3F));
    return 4;
}

static bool is_pictograph(uint32_t code_point)
{
    return utf8proc_get_property((utf8proc_int32_t)code_point)->boundclass ==
           UTF8PROC_BOUNDCLASS_EXTENDED_PICTOGRAPHIC;
}

/* In clusters of emoji everything behind the base is left out: terminals disagree on its
 * width. */
static bool is_drawn(uint32_t code_point, bool emoji)
{
    if (code_point == VARIATION_TEXT || code_point == VARIATION_EMOJI)
        return false;
    return !(emoji && (code_point == ZERO_WIDTH_JOINER ||
                       (code_point >= SKIN_TONE_FIRST && code_point <= SKIN_TONE_LAST) ||
                       is_pictograph(code_point)));
}

void text_cluster_at(const char *bytes, size_t n_bytes, struct text_cluster *cluster)
{
    uint32_t first = REPLACEMENT;
    size_t used = text_decode(bytes, n_bytes, &first);
    int width = text_width(first);
    cluster->first = cluster->shown[0] = first;
    cluster->n_shown = 1;
    cluster->columns = first == '\n' ? 0 : width > 0 ? width : 1;
    cluster->n_bytes = used;
    /* Plain text, and most of other scripts: the next byte is ASCII, which never extends. */
    if (used == n_bytes || (unsigned char)bytes[used] < 0x80 || first < 0x20)
        return;
    bool emoji = is_pictograph(first);
    utf8proc_int32_t state = 0;
    uint32_t previous = first;
    while (used < n_bytes) {
        uint32_t next = REPLACEMENT;
        size_t length = text_decode(bytes + used, n_bytes - used, &next);
        if (utf8proc_grapheme_break_stateful((utf8proc_int32_t)previous, (utf8proc_int32_t)next,
                                             &state))
            break;
        /* A second code point with columns of its own gets its own cell, unless it is left out.
         * Flags are two letters that way, which every terminal measures alike. */
        if (is_drawn(next, emoji)) {
            if (text_width(next) != 0)
                break;
            if (cluster->n_shown < TEXT_CELL_CODE_POINTS)
                cluster->shown[cluster->n_shown++] = next;
        }
        used += length;
        previous = next;
    }
    cluster->n_bytes = used;
}

int ui_text_columns(const char *bytes, size_t n_bytes)
{
    int columns = 0;
    struct text_cluster cluster;
    for (size_t at = 0; at < n_bytes; at += cluster.n_bytes) {
        text_cluster_at(bytes + at, n_bytes - at, &cluster);
        columns += cluster.columns;
    }
    return columns;
}

bool text_buffer_reserve(struct text_buffer *buffer, size_t n_more)
{
    if (n_more <= buffer->capacity - buffer->n_bytes)
        return true;
    if (n_more > SIZE_MAX / 4 || buffer->n_bytes > SIZE_MAX / 4)
        return false;
    size_t capacity = (buffer->n_bytes + n_more) * 3 / 2 + 64;
    char *bytes = realloc(buffer->bytes, capacity);
    if (bytes == NULL)
        return false;
    buffer->bytes = bytes;
    buffer->capacity = capacity;
    return true;
}

bool text_buffer_append(struct text_buffer *buffer, const char *bytes, size_t n_bytes)
{
    if (!text_buffer_reserve(buffer, n_bytes))
        return false;
    if (n_bytes > 0)
        memcpy(buffer->bytes + buffer->n_bytes, bytes, n_bytes);
    buffer->n_bytes += n_bytes;
    return true;
}

void text_buffer_release(struct text_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct text_buffer){0};
}

char *text_filtered_line(const char *text)
{
    size_t n_bytes = text == NULL ? 0 : strlen(text), room = ui_filter_room(n_bytes) + 1;
    char *line = malloc(room);
    if (line != NULL)
        ui_filter_line(text, n_bytes, line, room);
    return line;
}
