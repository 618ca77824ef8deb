/*
 * scan_generic.c - the scans in plain C, which say what the other levels compute
 */
#include <string.h>

#include "engine/kernels/math.h"
#include "engine/train/kernels_internal.h"
#include "engine/train/scan_internal.h"

#define INLINE static inline
/* Long ones stay functions: with a sanitizer's checks in each copy, compiling takes minutes. */
#define OUTLINE static __attribute__((noinline))

enum { SCAN_WIDTH = 1, SCAN_TILE_ROWS = 4 };

typedef struct lanes {
    float lane[SCAN_LANES];
} lanes;

#define EACH_LANE for (size_t l = 0; l < SCAN_LANES; l++)

INLINE lanes lanes_set(float x)
{
    lanes v;

    EACH_LANE v.lane[l] = x;
    return v;
}

INLINE lanes lanes_zero(void)
{
    return lanes_set(0);
}

INLINE lanes lanes_load(const float *from)
{
    lanes v;

    memcpy(&v, from, sizeof v);
    return v;
}

INLINE void lanes_store(float *to, lanes v)
{
    memcpy(to, &v, sizeof v);
}

/* The first n lanes, 1 .. 16; the others are zero. */
INLINE lanes lanes_load_first(const float *from, size_t n)
{
    lanes v = lanes_zero();

    memcpy(&v, from, n * sizeof *from);
    return v;
}

INLINE void lanes_store_first(float *to, lanes v, size_t n)
{
    memcpy(to, &v, n * sizeof *to);
}

INLINE lanes lanes_add(lanes a, lanes b)
{
    EACH_LANE a.lane[l] += b.lane[l];
    return a;
}

INLINE lanes lanes_subtract(lanes a, lanes b)
{
    EACH_LANE a.lane[l] -= b.lane[l];
    return a;
}

INLINE lanes lanes_multiply(lanes a, lanes b)
{
    EACH_LANE a.lane[l] *= b.lane[l];
    return a;
}

/* a b + c, rounded once */
OUTLINE lanes lanes_fma(lanes a, lanes b, lanes c)
{
    EACH_LANE c.lane[l] = math_fma(a.lane[l], b.lane[l], c.lane[l]);
    return c;
}

INLINE lanes lanes_larger(lanes a, lanes b)
{
    EACH_LANE b.lane[l] = a.lane[l] > b.lane[l] ? a.lane[l] : b.lane[l];
    return b;
}

OUTLINE lanes lanes_exp(lanes a)
{
    EACH_LANE a.lane[l] = math_exp(a.lane[l]);
    return a;
}

/* Pairwise: 8, 4, 2, 1 lanes */
OUTLINE float lanes_sum(lanes v)
{
    for (size_t half = SCAN_LANES / 2; half; half /= 2)
        for (size_t l = 0; l < half; l++)
            v.lane[l] += v.lane[l + half];
    return v.lane[0];
}

OUTLINE float lanes_largest(lanes v)
{
    for (size_t half = SCAN_LANES / 2; half; half /= 2)
        for (size_t l = 0; l < half; l++)
            v.lane[l] = v.lane[l] > v.lane[l + half] ? v.lane[l] : v.lane[l + half];
    return v.lane[0];
}

/* The sums of 16 rows of 16 lanes */
OUTLINE lanes lanes_sums(const float *rows)
{
    lanes sums;

    EACH_LANE sums.lane[l] = lanes_sum(lanes_load(rows + l * SCAN_LANES));
    return sums;
}

/* to[i][row] = from[row][i] for up to 16 rows of n elements; to has 16 columns, padded with zeros */
INLINE void transpose_rows(const float *from, size_t stride, size_t n_rows, size_t n, float *to,
                           size_t to_stride)
{
    for (size_t i = 0; i < n; i++)
        EACH_LANE to[i * to_stride + l] = l < n_rows ? from[l * stride + i] : 0;
}

#include "engine/train/scan_body.h"

const struct scan_kernels train_scans_generic = {delta_forward, delta_backward,
                                                 attention_forward, attention_backward};
