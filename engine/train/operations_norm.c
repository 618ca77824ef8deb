/*
 * operations_norm.c - functions of whole rows: softmax, RMSNorm, L2 norm
 */
#include "engine/kernels/math.h"
#include "engine/train/operations_internal.h"

struct row_step {
    struct tensor *x, *out;
    struct tensor *weight; /* with a gradient, or NULL */
    const float *weights;  /* [columns]: its values, or a constant */
    float *inverse;        /* [rows]: 1 / sqrt(mean(x^2) + eps) */
    float eps;
    const struct row_kernels *row;
};

static void softmax_forward(void *context, size_t first, size_t count)
{
    const struct row_step *step = context;
    size_t n = rows_columns(step->x);

    for (size_t r = first; r < first + count; r++)
        step->row->softmax(step->x->data + rows_place(step->x, r), step->out->data + r * n, n);
}

/* d_x = p (d_out - sum(p d_out)) */
static void softmax_back_rows(void *context, size_t first, size_t count)
{
    const struct row_step *step = context;
    size_t n = rows_columns(step->x);

    for (size_t r = first; r < first + count; r++) {
        const float *p = step->out->data + r * n, *d_out = step->out->gradient + r * n;
        float *d_x = step->x->gradient + rows_place(step->x, r);
        float along = step->row->dot(p, d_out, n);
        for (size_t i = 0; i < n; i++)
            d_x[i] += p[i] * (d_out[i] - along);
    }
}

static void softmax_back(struct tape *tape, void *context)
{
    const struct row_step *step = context;

    parallel_ranges(tape, rows_count(step->x), 1, tensor_elements(step->x), softmax_back_rows,
                    context);
}

/* The result of a step on rows: like x, dense. */
static bool row_step_start(struct tape *tape, struct row_step *step, struct tensor *x,
                           struct tensor *weight)
{
    struct tensor *inputs[2];

    x = rows_dense(tape, x);
    if (!x)
        return false;
    inputs[0] = x;
    inputs[1] = weight;
    *step = (struct row_step){.x = x, .row = tape_kernels(tape)->row};
    step->out =
        tape_tensor(tape, x->n_dimensions, x->shape, tape_wants_gradient(tape, inputs, 2));
    return step->out != NULL;
}

struct tensor *op_softmax(struct tape *tape, struct tensor *x)
{
    struct row_step step;

    if (!operation_ready(tape, &x, 1) || !row_step_start(tape, &step, x, NULL))
        return NULL;
    parallel_ranges(tape, rows_count(step.x), 1, tensor_elements(step.x), softmax_forward,
                    &step);
    operation_record(tape, step.out, softmax_back, &step, sizeof step);
    return step.out;
}

static void rms_forward(void *context, size_t first, size_t count)
{
    const struct row_step *step = context;
    size_t n = rows_columns(step->x);

    for (size_t r = first; r < first + count; r++)
        step->inverse[r] =
            step->row->rms_norm(step->x->data + rows_place(step->x, r), step->weights,
                                step->eps, step->out->data + r * n, n);
}

static void rms_back_rows(void *context, size_t first, size_t count)
{
    const struct row_step *step = context;
    size_t n = rows_columns(step->x);

    for (size_t r = first; r < first + count; r++) {
        size_t place = rows_place(step->x, r);
        step->row->rms_norm_back(step->x->data + place, step->weights, step->inverse[r],
                                 step->out->gradient + r * n, step->x->gradient + place, n);
    }
}

/*
 * A range of columns of the weight's gradient: sum over rows of d_out x inverse, rows
 * ascending.
 */
static void rms_back_weight(void *context, size_t first, size_t count)
{
    const struct row_step *step = context;
    size_t n = rows_columns(step->x), n_rows = rows_count(step->x);
    float *restrict d_weight = step->weight->gradient + first;

    for (size_t r = 0; r < n_rows; r++) {
        const float *restrict x = step->x->data + rows_place(step->x, r) + first;
        const float *restrict d_out = step->out->gradient + r * n + first;
        float inverse = step->inverse[r];
        for (size_t i = 0; i < count; i++)
            d_weight[i] += x[i] * d_out[i] * inverse;
    }
}

static void rms_back(struct tape *tape, void *context)
{
    const struct row_step *step = context;
    size_t n = rows_columns(step->x), n_elements = tensor_elements(step->x);

    if (step->x->gradient)
        parallel_ranges(tape, rows_count(step->x), 1, n_elements, rms_back_rows, context);
    if (step->weight && step->weight->gradient)
        parallel_ranges(tape, n, column_grain(n), n_elements, rms_back_weight, context);
}

static const float *constant_weights(struct tape *tape, size_t n, float value)
{
    float *weights = tape_allocate(tape, n * sizeof *weights);

    if (weights)
        tape_kernels(tape)->row->fill(weights, value, n);
    return weights;
}

/* x / sqrt(mean(x^2) + eps) times a weight, or where there is none times a constant. */
static struct tensor *rms_norm(struct tape *tape, struct tensor *x, struct tensor *weight,
                               float constant, float eps)
{
    struct row_step step;
    size_t n = rows_columns(x);

    if (!row_step_start(tape, &step, x, weight))
        return NULL;
    step.eps = eps;
    step.weight = weight;
    step.weights = weight ? weight->data : constant_weights(tape, n, constant);
    step.inverse = tape_allocate(tape, rows_count(x) * sizeof *step.inverse);
    if (!step.weights || !step.inverse)
        return NULL;
    parallel_ranges(tape, rows_count(x), 1, tensor_elements(x), rms_forward, &step);
    operation_record(tape, step.out, rms_back, &step, sizeof step);
    return step.out;
}

struct tensor *op_rms_norm(struct tape *tape, struct tensor *x, struct tensor *weight,
                           float eps)
{
    if (!operation_ready(tape, &x, 1))
        return NULL;
    if (weight && (weight->n_dimensions != 1 || weight->shape[0] != rows_columns(x)))
        return tape_fail(tape, STATUS_USAGE, "RMSNorm: weights for rows of another length");
    if (weight && !(weight = rows_dense(tape, weight)))
        return NULL;
    return rms_norm(tape, x, weight, 1.0f, eps);
}

/* x / sqrt(sum(x^2) + eps) = x / sqrt(mean(x^2) + eps / n) / sqrt(n) */
struct tensor *op_l2_norm(struct tape *tape, struct tensor *x, float eps)
{
    float n;

    if (!operation_ready(tape, &x, 1))
        return NULL;
    n = (float)rows_columns(x);
    return rms_norm(tape, x, NULL, 1.0f / math_sqrt(n), eps / n);
}
