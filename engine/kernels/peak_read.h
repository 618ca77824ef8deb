/*
 * peak_read.h - a plain read by the vectors of the file that includes it
 *
 * Thread: pure.
 */
#ifndef ENGINE_KERNELS_PEAK_READ_H
#define ENGINE_KERNELS_PEAK_READ_H

#include "engine/kernels/peak.h"

/* The compiler splits a line into the vectors that it may use. */
typedef uint64_t peak_line __attribute__((vector_size(PEAK_LINE_BYTES), may_alias));

static uint64_t peak_read(const void *bytes, size_t n_bytes, size_t bytes_ahead)
{
    const peak_line *lines = (const peak_line *)bytes;
    peak_line a = {0}, b = {0}, c = {0}, d = {0};
    uint64_t sum = 0;

    for (size_t i = 0; i < n_bytes / PEAK_LINE_BYTES; i += 4) {
        if (bytes_ahead > 0) {
            const char *ahead = (const char *)&lines[i] + bytes_ahead;

            __builtin_prefetch(ahead);
            __builtin_prefetch(ahead + PEAK_LINE_BYTES);
            __builtin_prefetch(ahead + 2 * PEAK_LINE_BYTES);
            __builtin_prefetch(ahead + 3 * PEAK_LINE_BYTES);
        }
        a ^= lines[i];
        b ^= lines[i + 1];
        c ^= lines[i + 2];
        d ^= lines[i + 3];
    }
    a ^= b ^ c ^ d;
    for (int i = 0; i < PEAK_LINE_BYTES / 8; i++)
        sum ^= a[i];
    return sum;
}

#endif
