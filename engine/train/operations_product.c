/*
 * operations_product.c - products of matrices
 */
#include "engine/train/operations_internal.h"

struct product_step {
    struct tensor *a, *b, *out; /* the last two dimensions are the matrices */
    size_t n_batches, m, n, k;
};

/* Matrix number batch of a tensor's values or gradient. */
static struct matrix matrix_of(const struct tensor *x, float *data, size_t batch)
{
    uint32_t d = x->n_dimensions;

    return (struct matrix){data + (d == 3 ? batch * x->stride[0] : 0), x->stride[d - 2],
                           x->stride[d - 1]};
}

static struct matrix transposed(struct matrix x)
{
    return (struct matrix){x.data, x.column_stride, x.row_stride};
}

static void multiply(struct tape *tape, size_t m, size_t n, size_t k, struct matrix a,
                     struct matrix b, struct matrix c, bool accumulate)
{
    if (m == 0 || n == 0)
        return;
    if (matrix_multiply(tape_pool(tape), tape_kernels(tape), m, n, k, a, b, c, accumulate) !=
        STATUS_OK)
        tape_fail(tape, STATUS_NO_MEMORY, "no memory to multiply %zu x %zu by %zu x %zu", m, k,
                  k, n);
}

/* d_a += d_out b^T; d_b += a^T d_out */
static void product_back(struct tape *tape, void *context)
{
    const struct product_step *step = context;
    const struct tensor *a = step->a, *b = step->b;

    for (size_t i = 0; i < step->n_batches; i++) {
        struct matrix d_out = matrix_of(step->out, step->out->gradient, i);
        if (a->gradient)
            multiply(tape, step->m, step->k, step->n, d_out,
                     transposed(matrix_of(b, b->data, i)), matrix_of(a, a->gradient, i), true);
        if (b->gradient)
            multiply(tape, step->k, step->n, step->m, transposed(matrix_of(a, a->data, i)),
                     d_out, matrix_of(b, b->gradient, i), true);
    }
}

/* A gradient that is a matrix of its own: no two elements in one place. */
static struct tensor *matrix_apart(struct tape *tape, struct tensor *x)
{
    for (uint32_t d = x->n_dimensions - 2; d < x->n_dimensions; d++)
        if (x->shape[d] > 1 && x->stride[d] == 0)
            return op_contiguous(tape, x);
    return x;
}

static bool shapes_fit(const struct tensor *a, const struct tensor *b)
{
    uint32_t d = a->n_dimensions;

    return (d == 2 || d == 3) && b->n_dimensions == d && a->shape[d - 1] == b->shape[d - 2] &&
           (d == 2 || a->shape[0] == b->shape[0]);
}

struct tensor *op_matmul(struct tape *tape, struct tensor *a, struct tensor *b)
{
    struct tensor *inputs[2] = {a, b};
    struct product_step step;
    size_t shape[3];
    uint32_t d;

    if (!operation_ready(tape, inputs, 2))
        return NULL;
    if (!shapes_fit(a, b))
        return tape_fail(tape, STATUS_USAGE, "a product of tensors that do not fit");
    inputs[0] = a = matrix_apart(tape, a);
    inputs[1] = b = matrix_apart(tape, b);
    if (!operation_ready(tape, inputs, 2))
        return NULL;
    d = a->n_dimensions;
    step = (struct product_step){a,
                                 b,
                                 NULL,
                                 d == 3 ? a->shape[0] : 1,
                                 a->shape[d - 2],
                                 b->shape[d - 1],
                                 a->shape[d - 1]};
    shape[0] = step.n_batches;
    shape[d - 2] = step.m;
    shape[d - 1] = step.n;
    step.out = tape_tensor(tape, d, shape, tape_wants_gradient(tape, inputs, 2));
    if (!step.out)
        return NULL;
    for (size_t i = 0; i < step.n_batches; i++)
        multiply(tape, step.m, step.n, step.k, matrix_of(a, a->data, i),
                 matrix_of(b, b->data, i), matrix_of(step.out, step.out->data, i), false);
    operation_record(tape, step.out, product_back, &step, sizeof step);
    return tape_status(tape, NULL) == STATUS_OK ? step.out : NULL;
}
