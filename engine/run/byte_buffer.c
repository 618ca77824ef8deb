/*
 * byte_buffer.c - bytes that grow by doubling
 */
#include "engine/run/byte_buffer.h"

#include <stdlib.h>
#include <string.h>

bool byte_buffer_append(struct byte_buffer *buffer, const void *bytes, size_t n_bytes)
{
    if (n_bytes > buffer->capacity - buffer->n_bytes) {
        size_t capacity = buffer->capacity == 0 ? 4096 : buffer->capacity * 2;
        while (capacity < buffer->n_bytes + n_bytes)
            capacity *= 2;
        char *moved = realloc(buffer->bytes, capacity);
        if (moved == NULL)
            return false;
        buffer->bytes = moved;
        buffer->capacity = capacity;
    }
    if (n_bytes > 0)
        memcpy(buffer->bytes + buffer->n_bytes, bytes, n_bytes);
    buffer->n_bytes += n_bytes;
    return true;
}

void byte_buffer_release(struct byte_buffer *buffer)
{
    free(buffer->bytes);
    *buffer = (struct byte_buffer){0};
}
