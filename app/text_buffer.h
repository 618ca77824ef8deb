/*
 * text_buffer.h - a growing text, and what the app does when memory runs out
 *
 * The app's own allocations are small; when one fails nothing sensible can go on, so these
 * functions do not return a failure: they give the terminal back, say so and end the program
 * with the exit code for memory (4).  The engine and the screen report theirs as errors.
 *
 * Thread: any; a buffer belongs to its owner.
 */
#ifndef APP_TEXT_BUFFER_H
#define APP_TEXT_BUFFER_H

#include <stdarg.h>
#include <stddef.h>

struct text_buffer {
    char *bytes; /* owned; NULL while nothing was ever appended, else terminated */
    size_t n_bytes, room;
};

void text_append(struct text_buffer *text, const char *bytes, size_t n_bytes);
void text_add(struct text_buffer *text, const char *string);
void text_printf(struct text_buffer *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void text_vprintf(struct text_buffer *text, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
/* Empty it, keep the memory. */
void text_clear(struct text_buffer *text);
void text_release(struct text_buffer *text);
/* The text as a string; "" when it is empty. */
const char *text_string(const struct text_buffer *text);

/* What gives the terminal back before the program ends for want of memory. */
void app_on_out_of_memory(void (*restore)(void));
/* Say so and end with the exit code for memory: where a library reports that it has none. */
void app_out_of_memory(void) __attribute__((noreturn));
/* As realloc(), for n elements; never NULL. */
void *app_resize(void *memory, size_t n, size_t n_bytes_each);
/* A terminated copy; the caller frees it. */
char *app_copy(const char *bytes, size_t n_bytes);

#endif
