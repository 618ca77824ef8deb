/*
 * gradient_layout.h - inputs of operations as views of many kinds, on the tape and in double
 */
#ifndef TESTS_UNIT_GRADIENT_LAYOUT_H
#define TESTS_UNIT_GRADIENT_LAYOUT_H

#include "tests/unit/gradient_check.h"

enum layout {
    LAYOUT_DENSE,
    LAYOUT_TRANSPOSED, /* the last two dimensions swapped */
    LAYOUT_SLICED,     /* the last dimension without its first and last entry */
    LAYOUT_TALL,       /* the first dimension (of length 1) five times */
    LAYOUT_WIDE,       /* the last dimension (of length 1) five times */
    LAYOUT_COUNT
};

/* An array in double, and a shape. */
struct values {
    uint32_t n_dimensions;
    size_t shape[TENSOR_DIMENSIONS];
    size_t n;
    double *at;
};

static inline struct tensor *layout_view(struct tape *tape, struct tensor *x, size_t layout)
{
    size_t shape[TENSOR_DIMENSIONS];
    uint32_t d = x->n_dimensions;

    memcpy(shape, x->shape, sizeof shape);
    switch (layout) {
    case LAYOUT_TRANSPOSED: return view_transpose(tape, x, d - 2, d - 1);
    case LAYOUT_SLICED: return view_slice(tape, x, d - 1, 1, x->shape[d - 1] - 2);
    case LAYOUT_TALL: shape[0] = 5; return view_broadcast(tape, x, d, shape);
    case LAYOUT_WIDE: shape[d - 1] = 5; return view_broadcast(tape, x, d, shape);
    default: return x;
    }
}

/* The same of an array in double; free(out->at). */
static inline void layout_values(const struct gradient_input *input, const double *x,
                                 size_t layout, struct values *out)
{
    uint32_t d = out->n_dimensions = input->n_dimensions;
    size_t columns = input->shape[d - 1], rows = d > 1 ? input->shape[d - 2] : 1;

    memcpy(out->shape, input->shape, sizeof out->shape);
    if (layout == LAYOUT_TRANSPOSED) {
        out->shape[d - 1] = rows;
        out->shape[d - 2] = columns;
    } else if (layout == LAYOUT_SLICED) {
        out->shape[d - 1] = columns - 2;
    } else if (layout == LAYOUT_TALL) {
        out->shape[0] = 5;
    } else if (layout == LAYOUT_WIDE) {
        out->shape[d - 1] = 5;
    }
    out->n = 1;
    for (uint32_t i = 0; i < d; i++)
        out->n *= out->shape[i];
    out->at = calloc(out->n + 1, sizeof(double));
    assert_non_null(out->at);
    for (size_t i = 0; i < out->n; i++) {
        size_t n_columns = out->shape[d - 1], j = i % n_columns, r = i / n_columns;
        if (layout == LAYOUT_TRANSPOSED) /* out [..][columns][rows] */
            out->at[i] = x[(r / columns * rows + j) * columns + r % columns];
        else if (layout == LAYOUT_SLICED)
            out->at[i] = x[r * columns + j + 1];
        else if (layout == LAYOUT_TALL)
            out->at[i] = x[i % gradient_elements(input)];
        else if (layout == LAYOUT_WIDE)
            out->at[i] = x[r];
        else
            out->at[i] = x[i];
    }
}

/* The element of b, broadcast, that belongs to element i of a. */
static inline double broadcast_value(const struct values *a, const struct values *b, size_t i)
{
    size_t place = 0, length = 1;

    for (uint32_t k = 0; k < b->n_dimensions; k++) {
        uint32_t in_b = b->n_dimensions - 1 - k;
        size_t index = i % a->shape[a->n_dimensions - 1 - k];
        i /= a->shape[a->n_dimensions - 1 - k];
        if (b->shape[in_b] != 1)
            place += index * length;
        length *= b->shape[in_b];
    }
    return b->at[place];
}

#endif
