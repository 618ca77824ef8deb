/*
 * byte_buffer.h - bytes that grow
 *
 * Thread: the owner's.
 */
#ifndef ENGINE_RUN_BYTE_BUFFER_H
#define ENGINE_RUN_BYTE_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

/* All zero is empty. */
struct byte_buffer {
    char *bytes; /* owned; aligned as malloc() does */
    size_t n_bytes, capacity;
};

/* false: no memory; the buffer is what it was. */
bool byte_buffer_append(struct byte_buffer *buffer, const void *bytes, size_t n_bytes);
void byte_buffer_release(struct byte_buffer *buffer);

#endif
