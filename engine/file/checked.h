/*
 * checked.h - the only arithmetic allowed on sizes that come from a file
 *
 * A product or sum that was computed unchecked can wrap and then pass every later test; the
 * history of advisories against GGUF readers is that one mistake.  false: overflow, *out
 * untouched.
 */
#ifndef ENGINE_FILE_CHECKED_H
#define ENGINE_FILE_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

static inline bool checked_add(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return false;
    *out = sum;
    return true;
}

static inline bool checked_multiply(uint64_t a, uint64_t b, uint64_t *out)
{
    uint64_t product;
    if (__builtin_mul_overflow(a, b, &product))
        return false;
    *out = product;
    return true;
}

/* Round up to a multiple of alignment, a power of two. */
static inline bool checked_align(uint64_t value, uint64_t alignment, uint64_t *out)
{
    uint64_t sum;
    if (!checked_add(value, alignment - 1, &sum))
        return false;
    *out = sum & ~(alignment - 1);
    return true;
}

/* malloc(count * size); NULL when the product overflows or memory is out.  Zero gives NULL. */
void *checked_allocate(size_t count, size_t size);
/* The same, zeroed. */
void *checked_allocate_zeroed(size_t count, size_t size);

#endif
