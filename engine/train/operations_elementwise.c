/*
 * operations_elementwise.c - functions of one or two tensors, element by element
 *
 * An operation is a row of kernels: forward on (a, b, out), and for each input one that adds to
 * its gradient, on (d_out, a, b, out, d_input).  An operation of one input has b = a.  Inputs
 * are gone back to one after the other, since they may be views of one tensor.
 */
#include <string.h>

#include "engine/kernels/math.h"
#include "engine/train/operations_internal.h"

struct elementwise_kind {
    elementwise_kernel forward;
    elementwise_kernel back[2];
    elementwise_kernel back_both; /* (d_out, a, b, d_a, d_b); NULL: one after the other */
};

struct elementwise_step {
    const struct elementwise_kind *kind;
    struct tensor *a, *b, *out;
    float factor;
};

/* Do the places from the first to the last element overlap? */
static bool gradients_may_overlap(const struct tensor *a, const struct tensor *b)
{
    size_t a_last = 0, b_last = 0;

    for (uint32_t d = 0; d < a->n_dimensions; d++) {
        if (a->shape[d] == 0)
            return false;
        a_last += (a->shape[d] - 1) * a->stride[d];
        b_last += (b->shape[d] - 1) * b->stride[d];
    }
    return a->gradient <= b->gradient + b_last && b->gradient <= a->gradient + a_last;
}

static void go_back_to(struct tape *tape, const struct elementwise_step *step, int which)
{
    struct tensor *input = which == 0 ? step->a : step->b;
    struct elementwise work;

    if (!input->gradient || !step->kind->back[which])
        return;
    elementwise_start(&work, step->out, step->kind->back[which], step->factor);
    elementwise_operand(&work, step->out, step->out->gradient, OPERAND_READ);
    elementwise_operand(&work, step->a, step->a->data, OPERAND_READ);
    elementwise_operand(&work, step->b, step->b->data, OPERAND_READ);
    elementwise_operand(&work, step->out, step->out->data, OPERAND_READ);
    elementwise_operand(&work, input, input->gradient, OPERAND_ADD);
    elementwise_run(&work, tape);
}

static void elementwise_back(struct tape *tape, void *context)
{
    const struct elementwise_step *step = context;
    struct elementwise work;

    if (step->kind->back_both && step->a->gradient && step->b->gradient &&
        !gradients_may_overlap(step->a, step->b)) {
        elementwise_start(&work, step->out, step->kind->back_both, step->factor);
        elementwise_operand(&work, step->out, step->out->gradient, OPERAND_READ);
        elementwise_operand(&work, step->a, step->a->data, OPERAND_READ);
        elementwise_operand(&work, step->b, step->b->data, OPERAND_READ);
        elementwise_operand(&work, step->a, step->a->gradient, OPERAND_ADD);
        elementwise_operand(&work, step->b, step->b->gradient, OPERAND_ADD);
        elementwise_run(&work, tape);
        return;
    }
    go_back_to(tape, step, 0);
    go_back_to(tape, step, 1);
}

static struct tensor *compute(struct tape *tape, const struct elementwise_kind *kind,
                              struct tensor *a, struct tensor *b, float factor)
{
    struct tensor *inputs[2] = {a, b};
    struct elementwise_step step;
    struct elementwise work;
    struct tensor *out;

    if (!operation_ready(tape, inputs, 2))
        return NULL;
    if (!tensor_same_shape(a, b))
        b = inputs[1] = view_broadcast(tape, b, a->n_dimensions, a->shape);
    out = tape_tensor(tape, a->n_dimensions, a->shape, tape_wants_gradient(tape, inputs, 2));
    if (!b || !out)
        return NULL;
    elementwise_start(&work, out, kind->forward, factor);
    elementwise_operand(&work, a, a->data, OPERAND_READ);
    elementwise_operand(&work, b, b->data, OPERAND_READ);
    elementwise_operand(&work, out, out->data, OPERAND_WRITE);
    elementwise_run(&work, tape);
    step = (struct elementwise_step){kind, a, b, out, factor};
    operation_record(tape, out, elementwise_back, &step, sizeof step);
    return out;
}

#define KERNEL(name)                                                                           \
    static void name(const struct row_kernels *row, float *const *data, size_t n, float factor)
#define UNUSED(a, b) ((void)(a), (void)(b))

KERNEL(add_forward)
{
    (void)factor;
    row->add(data[0], data[1], data[2], n);
}

KERNEL(pass_back)
{
    (void)factor;
    row->accumulate(data[0], data[4], n);
}

static const struct elementwise_kind add_kind = {add_forward, {pass_back, pass_back}, NULL};

struct tensor *op_add(struct tape *tape, struct tensor *a, struct tensor *b)
{
    return compute(tape, &add_kind, a, b, 0);
}

KERNEL(subtract_forward)
{
    (void)factor;
    memcpy(data[2], data[0], n * sizeof(float));
    row->scale_add(data[1], -1.0f, data[2], n);
}

KERNEL(negative_back)
{
    (void)factor;
    row->scale_add(data[0], -1.0f, data[4], n);
}

static const struct elementwise_kind subtract_kind = {
    subtract_forward, {pass_back, negative_back}, NULL};

struct tensor *op_subtract(struct tape *tape, struct tensor *a, struct tensor *b)
{
    return compute(tape, &subtract_kind, a, b, 0);
}

KERNEL(multiply_forward)
{
    (void)factor;
    row->multiply(data[0], data[1], data[2], n);
}

KERNEL(multiply_back_a)
{
    (void)factor;
    row->multiply_add(data[0], data[2], data[4], n);
}

KERNEL(multiply_back_b)
{
    (void)factor;
    row->multiply_add(data[0], data[1], data[4], n);
}

static const struct elementwise_kind multiply_kind = {
    multiply_forward, {multiply_back_a, multiply_back_b}, NULL};

struct tensor *op_multiply(struct tape *tape, struct tensor *a, struct tensor *b)
{
    return compute(tape, &multiply_kind, a, b, 0);
}

KERNEL(scale_forward)
{
    row->fill(data[2], 0.0f, n);
    row->scale_add(data[0], factor, data[2], n);
}

KERNEL(scale_back)
{
    row->scale_add(data[0], factor, data[4], n);
}

static const struct elementwise_kind scale_kind = {scale_forward, {scale_back, NULL}, NULL};

struct tensor *op_scale(struct tape *tape, struct tensor *x, float factor)
{
    return compute(tape, &scale_kind, x, x, factor);
}

KERNEL(exp_forward)
{
    (void)factor;
    row->exponential(data[0], data[2], n);
}

KERNEL(exp_back)
{
    (void)factor;
    row->multiply_add(data[0], data[3], data[4], n);
}

static const struct elementwise_kind exp_kind = {exp_forward, {exp_back, NULL}, NULL};

struct tensor *op_exp(struct tape *tape, struct tensor *x)
{
    return compute(tape, &exp_kind, x, x, 0);
}

KERNEL(relu_forward)
{
    UNUSED(row, factor);
    for (size_t i = 0; i < n; i++)
        data[2][i] = data[0][i] > 0 ? data[0][i] : 0;
}

KERNEL(relu_back)
{
    UNUSED(row, factor);
    for (size_t i = 0; i < n; i++)
        data[4][i] += data[1][i] > 0 ? data[0][i] : 0;
}

static const struct elementwise_kind relu_kind = {relu_forward, {relu_back, NULL}, NULL};

struct tensor *op_relu(struct tape *tape, struct tensor *x)
{
    return compute(tape, &relu_kind, x, x, 0);
}

KERNEL(silu_forward)
{
    (void)factor;
    row->silu(data[0], data[2], n);
}

KERNEL(silu_back)
{
    (void)factor;
    row->silu_back(data[1], data[0], data[4], n);
}

static const struct elementwise_kind silu_kind = {silu_forward, {silu_back, NULL}, NULL};

struct tensor *op_silu(struct tape *tape, struct tensor *x)
{
    return compute(tape, &silu_kind, x, x, 0);
}

KERNEL(gelu_forward)
{
    (void)factor;
    row->gelu(data[0], data[2], n);
}

KERNEL(gelu_back)
{
    (void)factor;
    row->gelu_back(data[1], data[0], data[4], n);
}

static const struct elementwise_kind gelu_kind = {gelu_forward, {gelu_back, NULL}, NULL};

struct tensor *op_gelu(struct tape *tape, struct tensor *x)
{
    return compute(tape, &gelu_kind, x, x, 0);
}

KERNEL(sigmoid_forward)
{
    (void)factor;
    row->sigmoid(data[0], data[2], n);
}

/* s' = s (1 - s) */
KERNEL(sigmoid_back)
{
    const float *restrict d_out = data[0], *restrict s = data[3];
    float *restrict d_x = data[4];

    UNUSED(row, factor);
    for (size_t i = 0; i < n; i++)
        d_x[i] += d_out[i] * (s[i] * (1.0f - s[i]));
}

static const struct elementwise_kind sigmoid_kind = {
    sigmoid_forward, {sigmoid_back, NULL}, NULL};

struct tensor *op_sigmoid(struct tape *tape, struct tensor *x)
{
    return compute(tape, &sigmoid_kind, x, x, 0);
}

KERNEL(softplus_forward)
{
    (void)factor;
    row->softplus(data[0], data[2], n);
}

KERNEL(softplus_back)
{
    UNUSED(row, factor);
    for (size_t i = 0; i < n; i++)
        data[4][i] += data[0][i] * math_sigmoid(data[1][i]);
}

static const struct elementwise_kind softplus_kind = {
    softplus_forward, {softplus_back, NULL}, NULL};

struct tensor *op_softplus(struct tape *tape, struct tensor *x)
{
    return compute(tape, &softplus_kind, x, x, 0);
}

KERNEL(swiglu_forward)
{
    (void)factor;
    row->swiglu(data[0], data[1], data[2], n);
}

KERNEL(swiglu_back_both)
{
    (void)factor;
    row->swiglu_back(data[1], data[2], data[0], data[3], data[4], n);
}

/* One of the gradients; the other one goes to a place that nobody reads. */
static void swiglu_back_one(const struct row_kernels *row, float *const *data, size_t n,
                            bool gate)
{
    float unread[256] = {0};

    for (size_t first = 0, count; first < n; first += count) {
        count = n - first < 256 ? n - first : 256;
        row->swiglu_back(data[1] + first, data[2] + first, data[0] + first,
                         gate ? data[4] + first : unread, gate ? unread : data[4] + first,
                         count);
    }
}

KERNEL(swiglu_back_gate)
{
    (void)factor;
    swiglu_back_one(row, data, n, true);
}

KERNEL(swiglu_back_up)
{
    (void)factor;
    swiglu_back_one(row, data, n, false);
}

static const struct elementwise_kind swiglu_kind = {
    swiglu_forward, {swiglu_back_gate, swiglu_back_up}, swiglu_back_both};

struct tensor *op_swiglu(struct tape *tape, struct tensor *gate, struct tensor *up)
{
    return compute(tape, &swiglu_kind, gate, up, 0);
}

struct dropout_mask {
    float *mask;
    uint64_t seed;
    uint32_t threshold; /* hashes below it are zeroed */
    float scale;
};

/* The finaliser of SplitMix64 (Steele, Lea and Flood). */
static uint64_t mix_bits(uint64_t x)
{
    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

static void fill_mask(void *context, size_t first, size_t count)
{
    const struct dropout_mask *dropout = context;

    for (size_t i = first; i < first + count; i++) {
        uint64_t hash = mix_bits(dropout->seed + (i + 1) * 0x9e3779b97f4a7c15u);
        dropout->mask[i] = (uint32_t)(hash >> 32) < dropout->threshold ? 0 : dropout->scale;
    }
}

struct tensor *op_dropout(struct tape *tape, struct tensor *x, float share, uint64_t seed)
{
    struct dropout_mask dropout;
    struct tensor *mask;

    if (!operation_ready(tape, &x, 1))
        return NULL;
    if (!(share >= 0 && share < 1))
        return tape_fail(tape, STATUS_USAGE, "dropout of a share outside 0 .. 1");
    if (!(share > 0))
        return x;
    mask = tape_tensor(tape, x->n_dimensions, x->shape, false);
    if (!mask)
        return NULL;
    dropout = (struct dropout_mask){mask->data, mix_bits(seed),
                                    (uint32_t)((double)share * 0x1p32), 1.0f / (1.0f - share)};
    parallel_ranges(tape, tensor_elements(mask), 1024, tensor_elements(mask), fill_mask,
                    &dropout);
    return op_multiply(tape, x, mask);
}
