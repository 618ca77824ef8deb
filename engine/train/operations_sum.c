/*
 * operations_sum.c - sums and means
 *
 * A sum is an elementwise step that adds to a broadcast result; the way back is the same one
 * with the roles exchanged.
 */
#include <string.h>

#include "engine/train/operations_internal.h"

struct sum_step {
    struct tensor *x, *wide; /* wide: the result, broadcast to the shape of x */
};

static void sum_back(struct tape *tape, void *context)
{
    const struct sum_step *step = context;
    struct elementwise work;

    elementwise_start(&work, step->x, kernel_accumulate, 0);
    elementwise_operand(&work, step->wide, step->wide->gradient, OPERAND_READ);
    elementwise_operand(&work, step->x, step->x->gradient, OPERAND_ADD);
    elementwise_run(&work, tape);
}

static struct tensor *sum_to(struct tape *tape, struct tensor *x, uint32_t n_dimensions,
                             const size_t *shape)
{
    struct tensor *out =
        tape_tensor(tape, n_dimensions, shape, tape_wants_gradient(tape, &x, 1));
    struct elementwise work;
    struct sum_step step;

    if (!out)
        return NULL;
    memset(out->data, 0, tensor_elements(out) * sizeof *out->data);
    step = (struct sum_step){x, view_broadcast(tape, out, x->n_dimensions, x->shape)};
    if (!step.wide)
        return NULL;
    elementwise_start(&work, x, kernel_accumulate, 0);
    elementwise_operand(&work, x, x->data, OPERAND_READ);
    elementwise_operand(&work, step.wide, step.wide->data, OPERAND_ADD);
    elementwise_run(&work, tape);
    operation_record(tape, out, sum_back, &step, sizeof step);
    return out;
}

struct tensor *op_sum(struct tape *tape, struct tensor *x)
{
    return operation_ready(tape, &x, 1) ? sum_to(tape, x, 1, (size_t[]){1}) : NULL;
}

struct tensor *op_sum_along(struct tape *tape, struct tensor *x, uint32_t dimension)
{
    size_t shape[TENSOR_DIMENSIONS];

    if (!operation_ready(tape, &x, 1))
        return NULL;
    if (dimension >= x->n_dimensions)
        return tape_fail(tape, STATUS_USAGE, "a sum along dimension %u of %u", dimension,
                         x->n_dimensions);
    memcpy(shape, x->shape, sizeof shape);
    shape[dimension] = 1;
    return sum_to(tape, x, x->n_dimensions, shape);
}

static struct tensor *divided(struct tape *tape, struct tensor *sum, size_t n)
{
    if (sum && n == 0)
        return tape_fail(tape, STATUS_USAGE, "a mean of no elements");
    return sum ? op_scale(tape, sum, 1.0f / (float)n) : NULL;
}

struct tensor *op_mean(struct tape *tape, struct tensor *x)
{
    struct tensor *sum = op_sum(tape, x);

    return sum ? divided(tape, sum, tensor_elements(x)) : NULL;
}

struct tensor *op_mean_along(struct tape *tape, struct tensor *x, uint32_t dimension)
{
    struct tensor *sum = op_sum_along(tape, x, dimension);

    return sum ? divided(tape, sum, x->shape[dimension]) : NULL;
}
