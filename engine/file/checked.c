/*
 * checked.c - allocation by a product that cannot wrap
 */
#include "engine/file/checked.h"

#include <stdlib.h>

void *checked_allocate(size_t count, size_t size)
{
    uint64_t n_bytes;

    if (!checked_multiply(count, size, &n_bytes) || n_bytes == 0 || n_bytes > PTRDIFF_MAX)
        return NULL;
    return malloc((size_t)n_bytes);
}

void *checked_allocate_zeroed(size_t count, size_t size)
{
    uint64_t n_bytes;

    if (!checked_multiply(count, size, &n_bytes) || n_bytes == 0 || n_bytes > PTRDIFF_MAX)
        return NULL;
    return calloc(1, (size_t)n_bytes);
}
