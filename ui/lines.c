/*
 * lines.c - a page of lines, and which of them are seen (lines.h)
 */
#include "ui/lines.h"
#include "ui/layout.h"

#include <stdlib.h>
#include <string.h>

void lines_release(struct lines *lines)
{
    text_buffer_release(&lines->text);
    free(lines->starts);
    *lines = (struct lines){0};
}

static bool add_start(struct lines *lines, size_t start)
{
    if (lines->n_lines + 1 >= lines->capacity) {
        size_t capacity = lines->capacity * 2 + 32;
        size_t *starts = realloc(lines->starts, capacity * sizeof *starts);
        if (starts == NULL)
            return false;
        lines->starts = starts;
        lines->capacity = capacity;
    }
    lines->starts[++lines->n_lines] = start;
    return true;
}

/* One line of the page, through the filter. */
static bool add_line(struct lines *lines, const char *line, size_t n_bytes)
{
    struct ui_filter filter;
    struct text_buffer *text = &lines->text;
    size_t start = text->n_bytes, at = 0;
    ui_filter_init(&filter);
    while (at < n_bytes) {
        size_t n = 0;
        while (at + n < n_bytes && line[at + n] != '\t')
            n++;
        if (!text_buffer_reserve(text, ui_filter_room(n) + LAYOUT_TAB + 2))
            return false;
        char *out = text->bytes + text->n_bytes;
        size_t n_out = ui_filter_text(&filter, line + at, n, out);
        n_out += ui_filter_finish(&filter, out + n_out);
        text->n_bytes += n_out;
        at += n;
        if (at == n_bytes)
            break;
        int column = ui_text_columns(text->bytes + start, text->n_bytes - start);
        int n_blanks = LAYOUT_TAB - column % LAYOUT_TAB;
        memset(text->bytes + text->n_bytes, ' ', (size_t)n_blanks);
        text->n_bytes += (size_t)n_blanks;
        at++;
    }
    if (!text_buffer_append(text, "\n", 1))
        return false;
    return add_start(lines, text->n_bytes);
}

void lines_set(struct lines *lines, const char *text)
{
    lines->text.n_bytes = lines->n_lines = 0;
    if (text == NULL)
        return;
    if (lines->starts == NULL) {
        lines->starts = malloc(32 * sizeof *lines->starts);
        if (lines->starts == NULL)
            return;
        lines->capacity = 32;
    }
    lines->starts[0] = 0;
    size_t n_bytes = strnlen(text, LINES_TEXT_MAX), at = 0;
    while (at < n_bytes) {
        const char *end = memchr(text + at, '\n', n_bytes - at);
        size_t length = end != NULL ? (size_t)(end - (text + at)) : n_bytes - at;
        if (!add_line(lines, text + at, length))
            return;
        at += length + 1;
    }
}

const char *lines_at(const struct lines *lines, size_t index, size_t *n_bytes)
{
    *n_bytes = 0;
    if (index >= lines->n_lines)
        return "";
    *n_bytes = lines->starts[index + 1] - lines->starts[index] - 1;
    return lines->text.bytes + lines->starts[index];
}

size_t lines_top(const struct lines *lines, int height)
{
    size_t seen = height > 0 ? (size_t)height : 0;
    size_t last = lines->n_lines > seen ? lines->n_lines - seen : 0;
    return lines->top < last ? lines->top : last;
}

void lines_scroll(struct lines *lines, int height, long n)
{
    size_t top = lines_top(lines, height);
    if (n < 0)
        lines->top = (size_t)-n < top ? top - (size_t)-n : 0;
    else
        lines->top = (size_t)n < lines->n_lines ? top + (size_t)n : lines->n_lines;
    lines->top = lines_top(lines, height);
}
