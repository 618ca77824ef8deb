/*
 * views.c - other shapes over the same values and gradients
 */
#include "engine/train/tensor.h"
#include "engine/train/tensor_shape.h"

static struct tensor *copy_of(struct tape *tape, const struct tensor *x)
{
    struct tensor *view;

    if (!x)
        return tape_fail(tape, STATUS_USAGE, "a view of no tensor");
    view = tape_allocate(tape, sizeof *view);
    if (view)
        *view = *x;
    return view;
}

struct tensor *view_reshape(struct tape *tape, struct tensor *x, uint32_t n_dimensions,
                            const size_t *shape)
{
    struct tensor *view = copy_of(tape, x);

    if (!view)
        return NULL;
    if (!tensor_is_contiguous(x))
        return tape_fail(tape, STATUS_USAGE, "a reshape of a tensor that is not contiguous");
    if (!tensor_shape_set(view, n_dimensions, shape) ||
        tensor_elements(view) != tensor_elements(x))
        return tape_fail(tape, STATUS_USAGE, "a reshape to another number of elements");
    view->data = x->data;
    view->gradient = x->gradient;
    return view;
}

struct tensor *view_transpose(struct tape *tape, struct tensor *x, uint32_t a, uint32_t b)
{
    struct tensor *view = copy_of(tape, x);

    if (!view)
        return NULL;
    if (a >= x->n_dimensions || b >= x->n_dimensions)
        return tape_fail(tape, STATUS_USAGE, "a transpose of dimensions %u and %u of %u", a, b,
                         x->n_dimensions);
    view->shape[a] = x->shape[b];
    view->shape[b] = x->shape[a];
    view->stride[a] = x->stride[b];
    view->stride[b] = x->stride[a];
    return view;
}

struct tensor *view_slice(struct tape *tape, struct tensor *x, uint32_t dimension, size_t first,
                          size_t count)
{
    struct tensor *view = copy_of(tape, x);

    if (!view)
        return NULL;
    if (dimension >= x->n_dimensions || first > x->shape[dimension] ||
        count > x->shape[dimension] - first)
        return tape_fail(tape, STATUS_USAGE, "a slice beyond dimension %u", dimension);
    view->shape[dimension] = count;
    if (count > 0) { /* an empty slice stays at the start, within the values */
        view->data += first * x->stride[dimension];
        if (view->gradient)
            view->gradient += first * x->stride[dimension];
    }
    return view;
}

struct tensor *view_broadcast(struct tape *tape, struct tensor *x, uint32_t n_dimensions,
                              const size_t *shape)
{
    struct tensor *view = copy_of(tape, x);
    uint32_t missing;

    if (!view)
        return NULL;
    if (n_dimensions < x->n_dimensions || !tensor_shape_set(view, n_dimensions, shape))
        return tape_fail(tape, STATUS_USAGE, "a broadcast to %u dimensions", n_dimensions);
    view->data = x->data;
    view->gradient = x->gradient;
    missing = n_dimensions - x->n_dimensions;
    for (uint32_t i = 0; i < n_dimensions; i++) {
        size_t own = i < missing ? 1 : x->shape[i - missing];
        if (own == shape[i] && i >= missing)
            view->stride[i] = x->stride[i - missing];
        else if (own == 1)
            view->stride[i] = 0;
        else
            return tape_fail(tape, STATUS_USAGE, "a broadcast of length %zu to %zu", own,
                             shape[i]);
    }
    return view;
}
