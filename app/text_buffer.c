/*
 * text_buffer.c - a growing text, and what the app does when memory runs out
 */
#include "app/text_buffer.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/error.h"

static void (*restore_terminal)(void);

void app_on_out_of_memory(void (*restore)(void))
{
    restore_terminal = restore;
}

void app_out_of_memory(void)
{
    static const char what[] = "banter: out of memory\n";

    if (restore_terminal != NULL)
        restore_terminal();
    /* Nothing is left to do about a failure of this write. */
    if (write(STDERR_FILENO, what, sizeof what - 1) < 0) {
    }
    _exit(STATUS_NO_MEMORY);
}

void *app_resize(void *memory, size_t n, size_t n_bytes_each)
{
    if (n_bytes_each != 0 && n > SIZE_MAX / n_bytes_each)
        app_out_of_memory();
    size_t n_bytes = n * n_bytes_each;
    void *result = realloc(memory, n_bytes != 0 ? n_bytes : 1);
    if (result == NULL)
        app_out_of_memory();
    return result;
}

char *app_copy(const char *bytes, size_t n_bytes)
{
    char *copy = app_resize(NULL, n_bytes + 1, 1);

    if (n_bytes != 0)
        memcpy(copy, bytes, n_bytes);
    copy[n_bytes] = '\0';
    return copy;
}

/* Room for n_more bytes and the terminator. */
static void reserve(struct text_buffer *text, size_t n_more)
{
    if (n_more > SIZE_MAX / 2 - text->n_bytes - 1)
        app_out_of_memory();
    size_t wanted = text->n_bytes + n_more + 1;
    if (wanted <= text->room)
        return;
    size_t room = text->room < 64 ? 64 : text->room;
    while (room < wanted)
        room *= 2;
    text->bytes = app_resize(text->bytes, room, 1);
    text->room = room;
}

void text_append(struct text_buffer *text, const char *bytes, size_t n_bytes)
{
    reserve(text, n_bytes);
    if (n_bytes != 0)
        memcpy(text->bytes + text->n_bytes, bytes, n_bytes);
    text->n_bytes += n_bytes;
    text->bytes[text->n_bytes] = '\0';
}

void text_add(struct text_buffer *text, const char *string)
{
    text_append(text, string, strlen(string));
}

void text_vprintf(struct text_buffer *text, const char *format, va_list arguments)
{
    va_list again;

    va_copy(again, arguments);
    int n_bytes = vsnprintf(NULL, 0, format, arguments);
    if (n_bytes > 0) {
        reserve(text, (size_t)n_bytes);
        vsnprintf(text->bytes + text->n_bytes, (size_t)n_bytes + 1, format, again);
        text->n_bytes += (size_t)n_bytes;
    }
    va_end(again);
}

void text_printf(struct text_buffer *text, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    text_vprintf(text, format, arguments);
    va_end(arguments);
}

void text_clear(struct text_buffer *text)
{
    text->n_bytes = 0;
    if (text->bytes != NULL)
        text->bytes[0] = '\0';
}

void text_release(struct text_buffer *text)
{
    free(text->bytes);
    *text = (struct text_buffer){0};
}

const char *text_string(const struct text_buffer *text)
{
    return text->bytes != NULL ? text->bytes : "";
}
