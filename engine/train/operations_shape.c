/*
 * operations_shape.c - the same values in another place
 */
#include <string.h>

#include "engine/train/operations_internal.h"

/*
 * A part of one tensor that lies in another: from a's values to b's, from b's gradient to a's.
 */
struct copy_step {
    struct tensor *from, *to;
};

static void copy_forward(struct tape *tape, const struct copy_step *step)
{
    struct elementwise work;

    elementwise_start(&work, step->from, kernel_copy, 0);
    elementwise_operand(&work, step->from, step->from->data, OPERAND_READ);
    elementwise_operand(&work, step->to, step->to->data, OPERAND_WRITE);
    elementwise_run(&work, tape);
}

static void copy_back(struct tape *tape, void *context)
{
    const struct copy_step *step = context;
    struct elementwise work;

    elementwise_start(&work, step->from, kernel_accumulate, 0);
    elementwise_operand(&work, step->to, step->to->gradient, OPERAND_READ);
    elementwise_operand(&work, step->from, step->from->gradient, OPERAND_ADD);
    elementwise_run(&work, tape);
}

static void copy_values(struct tape *tape, struct tensor *from, struct tensor *to)
{
    const struct copy_step step = {from, to};

    copy_forward(tape, &step);
    if (from->gradient)
        operation_record(tape, to, copy_back, &step, sizeof step);
}

struct tensor *op_contiguous(struct tape *tape, struct tensor *x)
{
    struct tensor *out;

    if (!operation_ready(tape, &x, 1))
        return NULL;
    if (tensor_is_contiguous(x))
        return x;
    out = tape_tensor(tape, x->n_dimensions, x->shape, tape_wants_gradient(tape, &x, 1));
    if (out)
        copy_values(tape, x, out);
    return out;
}

struct tensor *op_concatenate(struct tape *tape, struct tensor *a, struct tensor *b)
{
    struct tensor *inputs[2] = {a, b}, *out, *left, *right;
    size_t shape[TENSOR_DIMENSIONS];
    uint32_t last;

    if (!operation_ready(tape, inputs, 2))
        return NULL;
    last = a->n_dimensions - 1;
    if (b->n_dimensions != a->n_dimensions ||
        memcmp(a->shape, b->shape, last * sizeof shape[0]) != 0)
        return tape_fail(tape, STATUS_USAGE, "joined tensors that differ in outer dimensions");
    memcpy(shape, a->shape, sizeof shape);
    shape[last] += b->shape[last];
    out = tape_tensor(tape, a->n_dimensions, shape, tape_wants_gradient(tape, inputs, 2));
    if (!out)
        return NULL;
    left = view_slice(tape, out, last, 0, a->shape[last]);
    right = view_slice(tape, out, last, a->shape[last], b->shape[last]);
    if (!left || !right)
        return NULL;
    copy_values(tape, a, left);
    copy_values(tape, b, right);
    return out;
}

struct gather_step {
    struct tensor *x, *out;
    const int32_t *rows;
    size_t n_rows;
    const struct row_kernels *row;
};

static void gather_forward(void *context, size_t first, size_t count)
{
    const struct gather_step *step = context;
    size_t n_columns = step->out->shape[1];

    for (size_t i = first; i < first + count; i++) {
        float *out = step->out->data + i * n_columns;
        if (step->rows[i] < 0)
            memset(out, 0, n_columns * sizeof *out);
        else
            memcpy(out, step->x->data + (size_t)step->rows[i] * step->x->stride[0],
                   n_columns * sizeof *out);
    }
}

/* A range of columns; a row that was taken more than once gets its terms in their order. */
static void gather_back_columns(void *context, size_t first, size_t count)
{
    const struct gather_step *step = context;
    size_t n_columns = step->out->shape[1];

    for (size_t i = 0; i < step->n_rows; i++)
        if (step->rows[i] >= 0)
            step->row->accumulate(
                step->out->gradient + i * n_columns + first,
                step->x->gradient + (size_t)step->rows[i] * step->x->stride[0] + first, count);
}

static void gather_back(struct tape *tape, void *context)
{
    const struct gather_step *step = context;
    size_t n_columns = step->out->shape[1];

    parallel_ranges(tape, n_columns, column_grain(n_columns), step->n_rows * n_columns,
                    gather_back_columns, context);
}

struct tensor *op_gather_rows(struct tape *tape, struct tensor *x, const int32_t *rows,
                              size_t n_rows)
{
    struct gather_step step;

    if (!operation_ready(tape, &x, 1))
        return NULL;
    if (x->n_dimensions != 2)
        return tape_fail(tape, STATUS_USAGE, "rows of a tensor of %u dimensions",
                         x->n_dimensions);
    for (size_t i = 0; i < n_rows; i++)
        if (rows[i] >= 0 && (size_t)rows[i] >= x->shape[0])
            return tape_fail(tape, STATUS_USAGE, "row %d of a tensor of %zu rows", rows[i],
                             x->shape[0]);
    x = rows_dense(tape, x);
    if (!x)
        return NULL;
    step = (struct gather_step){x, NULL, rows, n_rows, tape_kernels(tape)->row};
    step.out =
        tape_tensor(tape, 2, (size_t[]){n_rows, x->shape[1]}, tape_wants_gradient(tape, &x, 1));
    if (!step.out)
        return NULL;
    parallel_ranges(tape, n_rows, 1, n_rows * x->shape[1], gather_forward, &step);
    operation_record(tape, step.out, gather_back, &step, sizeof step);
    return step.out;
}
