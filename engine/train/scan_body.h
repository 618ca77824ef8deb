/*
 * scan_body.h - the scans, written once and compiled for each level; included by scan_*.c only
 *
 * The including file defines `lanes` (16 floats) and what can be done with them, SCAN_WIDTH
 * (vectors of columns in registers at a time: 1 or 2) and SCAN_TILE_ROWS.  Neither number changes
 * a result: every element has one order of additions.
 */

#define INFINITE __builtin_inff()

INLINE size_t first_of(size_t n, size_t i)
{
    return n - i < SCAN_LANES ? n - i : SCAN_LANES;
}

/* to = from; n elements, nothing is read or written beyond */
INLINE void copy_row(const float *from, float *to, size_t n)
{
    for (size_t i = 0; i < n; i += SCAN_LANES)
        lanes_store_first(to + i, lanes_load_first(from + i, first_of(n, i)), first_of(n, i));
}

/* to += from */
INLINE void add_row(const float *from, float *to, size_t n)
{
    for (size_t i = 0; i < n; i += SCAN_LANES) {
        const size_t count = first_of(n, i);
        lanes_store_first(
            to + i,
            lanes_add(lanes_load_first(to + i, count), lanes_load_first(from + i, count)),
            count);
    }
}

/* to = from factor */
INLINE void scale_row(const float *from, float factor, float *to, size_t n)
{
    for (size_t i = 0; i < n; i += SCAN_LANES) {
        const size_t count = first_of(n, i);
        lanes_store_first(to + i,
                          lanes_multiply(lanes_load_first(from + i, count), lanes_set(factor)),
                          count);
    }
}

/* Lane l takes elements l, l + 16, ... */
INLINE float dot_rows(const float *a, const float *b, size_t n)
{
    lanes sum = lanes_zero();

    for (size_t i = 0; i < n; i += SCAN_LANES)
        sum = lanes_fma(lanes_load_first(a + i, first_of(n, i)),
                        lanes_load_first(b + i, first_of(n, i)), sum);
    return lanes_sum(sum);
}

/* to[i] += the sum of the lanes of row i */
INLINE void add_row_sums(const float *rows, float *to, size_t n)
{
    for (size_t i = 0; i < n; i += SCAN_LANES) {
        const size_t count = first_of(n, i);
        lanes sums = lanes_sums(rows + i * SCAN_LANES);
        lanes_store_first(to + i, lanes_add(lanes_load_first(to + i, count), sums), count);
    }
}

#include "engine/train/scan_attention.h"
#include "engine/train/scan_delta.h"
