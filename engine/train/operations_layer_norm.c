/*
 * operations_layer_norm.c - LayerNorm (Ba, Kiros and Hinton)
 *
 * With h = (x - mean) / sqrt(variance + eps) and g = d_out weight:
 * d_x = (g - mean(g) - h mean(g h)) / sqrt(variance + eps).
 */
#include "engine/kernels/math.h"
#include "engine/train/operations_internal.h"

struct layer_norm_step {
    struct tensor *x, *weight, *bias, *out; /* weight, bias: NULL allowed */
    float *normal;                          /* h, dense */
    float *inverse;                         /* [rows]: 1 / sqrt(variance + eps) */
    float eps;
    const struct row_kernels *row;
};

static void normalise(const struct layer_norm_step *step, const float *x, float *h,
                      float *inverse, size_t n)
{
    float mean = step->row->sum(x, n) / (float)n;

    for (size_t i = 0; i < n; i++)
        h[i] = x[i] - mean;
    *inverse = 1.0f / math_sqrt(step->row->dot(h, h, n) / (float)n + step->eps);
    for (size_t i = 0; i < n; i++)
        h[i] *= *inverse;
}

static void forward_rows(void *context, size_t first, size_t count)
{
    const struct layer_norm_step *step = context;
    size_t n = rows_columns(step->x);

    for (size_t r = first; r < first + count; r++) {
        float *h = step->normal + r * n, *out = step->out->data + r * n;
        normalise(step, step->x->data + rows_place(step->x, r), h, &step->inverse[r], n);
        for (size_t i = 0; i < n; i++)
            out[i] = h[i] * (step->weight ? step->weight->data[i] : 1.0f) +
                     (step->bias ? step->bias->data[i] : 0.0f);
    }
}

static void back_rows(void *context, size_t first, size_t count)
{
    const struct layer_norm_step *step = context;
    const float *weight = step->weight ? step->weight->data : NULL;
    size_t n = rows_columns(step->x);

    for (size_t r = first; r < first + count; r++) {
        const float *h = step->normal + r * n, *d_out = step->out->gradient + r * n;
        float *d_x = step->x->gradient + rows_place(step->x, r);
        double mean = 0, along = 0;
        for (size_t i = 0; i < n; i++) {
            double g = (double)d_out[i] * (weight ? (double)weight[i] : 1.0);
            mean += g;
            along += g * (double)h[i];
        }
        mean /= (double)n;
        along /= (double)n;
        for (size_t i = 0; i < n; i++) {
            double g = (double)d_out[i] * (weight ? (double)weight[i] : 1.0);
            d_x[i] += (float)((g - mean - (double)h[i] * along) * (double)step->inverse[r]);
        }
    }
}

static void back_columns(void *context, size_t first, size_t count)
{
    const struct layer_norm_step *step = context;
    size_t n = rows_columns(step->x), n_rows = rows_count(step->x);

    for (size_t r = 0; r < n_rows; r++) {
        const float *d_out = step->out->gradient + r * n + first;
        if (step->weight && step->weight->gradient)
            step->row->multiply_add(d_out, step->normal + r * n + first,
                                    step->weight->gradient + first, count);
        if (step->bias && step->bias->gradient)
            step->row->accumulate(d_out, step->bias->gradient + first, count);
    }
}

static void layer_norm_back(struct tape *tape, void *context)
{
    const struct layer_norm_step *step = context;
    size_t n = rows_columns(step->x), n_elements = tensor_elements(step->x);

    if (step->x->gradient)
        parallel_ranges(tape, rows_count(step->x), 1, n_elements, back_rows, context);
    parallel_ranges(tape, n, column_grain(n), n_elements, back_columns, context);
}

static bool fits(const struct tensor *vector, size_t n)
{
    return !vector || (vector->n_dimensions == 1 && vector->shape[0] == n);
}

struct tensor *op_layer_norm(struct tape *tape, struct tensor *x, struct tensor *weight,
                             struct tensor *bias, float eps)
{
    struct layer_norm_step step;
    struct tensor *inputs[3];
    bool wanted;

    if (!operation_ready(tape, &x, 1))
        return NULL;
    if (!fits(weight, rows_columns(x)) || !fits(bias, rows_columns(x)))
        return tape_fail(tape, STATUS_USAGE, "LayerNorm: weights for rows of another length");
    inputs[0] = x = rows_dense(tape, x);
    inputs[1] = weight = rows_dense(tape, weight);
    inputs[2] = bias = rows_dense(tape, bias);
    if (tape_status(tape, NULL) != STATUS_OK)
        return NULL;
    wanted = tape_wants_gradient(tape, inputs, 3);
    step = (struct layer_norm_step){.x = x,
                                    .weight = weight,
                                    .bias = bias,
                                    .out = tape_tensor(tape, x->n_dimensions, x->shape, wanted),
                                    .eps = eps,
                                    .row = tape_kernels(tape)->row};
    step.normal = tape_allocate(tape, tensor_elements(x) * sizeof *step.normal);
    step.inverse = tape_allocate(tape, rows_count(x) * sizeof *step.inverse);
    if (!step.out || !step.normal || !step.inverse)
        return NULL;
    parallel_ranges(tape, rows_count(x), 1, tensor_elements(x), forward_rows, &step);
    operation_record(tape, step.out, layer_norm_back, &step, sizeof step);
    return step.out;
}
