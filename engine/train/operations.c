/*
 * operations.c - what all operations begin and end with
 */
#include "engine/train/operations_internal.h"

#include <string.h>

bool operation_ready(struct tape *tape, struct tensor *const *inputs, size_t n_inputs)
{
    for (size_t i = 0; i < n_inputs; i++)
        if (!inputs[i])
            tape_fail(tape, STATUS_USAGE, "an operation on a tensor that is not there");
    return tape_status(tape, NULL) == STATUS_OK;
}

void operation_record(struct tape *tape, const struct tensor *out,
                      void (*backward)(struct tape *tape, void *context), const void *context,
                      size_t n_bytes)
{
    void *copy;

    if (!out || !out->gradient)
        return;
    copy = tape_allocate(tape, n_bytes);
    if (!copy)
        return;
    memcpy(copy, context, n_bytes);
    tape_record_step(tape, backward, copy);
}

struct tensor *rows_dense(struct tape *tape, struct tensor *x)
{
    uint32_t last;

    if (!x)
        return NULL;
    last = x->n_dimensions - 1;
    for (uint32_t d = 0; d <= last; d++)
        if (x->shape[d] > 1 && (d == last ? x->stride[d] != 1 : x->stride[d] == 0))
            return op_contiguous(tape, x);
    return x;
}

size_t rows_columns(const struct tensor *x)
{
    return x->shape[x->n_dimensions - 1];
}

size_t rows_count(const struct tensor *x)
{
    size_t n = 1;

    for (uint32_t d = 0; d + 1 < x->n_dimensions; d++)
        n *= x->shape[d];
    return n;
}

size_t rows_place(const struct tensor *x, size_t r)
{
    size_t place = 0;

    for (uint32_t d = x->n_dimensions - 1; d-- > 0; r /= x->shape[d]) {
        if (d == 0)
            return place + r * x->stride[0];
        place += r % x->shape[d] * x->stride[d];
    }
    return place;
}

void kernel_copy(const struct row_kernels *row, float *const *data, size_t n, float factor)
{
    (void)row;
    (void)factor;
    memcpy(data[1], data[0], n * sizeof(float));
}

void kernel_accumulate(const struct row_kernels *row, float *const *data, size_t n,
                       float factor)
{
    (void)factor;
    row->accumulate(data[0], data[1], n);
}
