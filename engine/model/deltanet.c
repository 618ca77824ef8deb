/*
 * deltanet.c - gated DeltaNet, token by token (Yang et al., Gated Delta Networks)
 *
 *     u, z, b, a = W norm(hidden)
 *     q, k, v = silu(convolution of the last n_taps rows of u);  q, k to length 1 per head
 *     beta = sigmoid(b),  decay = exp(rate * softplus(a + step))
 *     S = decay S;  S += k (beta (v - S^T k))^T;  o = S^T q / sqrt(state_dim)
 *     hidden += W_o concat(rms_norm(o_h) * silu(z_h))
 *
 * Value head h reads key head h % n_key_heads: the file has its value heads in tiled order.
 */
#include "engine/model/forward.h"

#include "engine/kernels/math.h"

#include <string.h>

/* u goes to the window behind the rows that the state remembers. */
static void project_inputs(struct pass *pass, const struct delta_weights *weights)
{
    const struct hyperparameters *p = pass->parameters;
    struct scratch *scratch = pass->scratch;
    float *window = scratch->delta.window + (size_t)(p->n_taps - 1) * p->conv_width;
    const struct projection inputs[] = {
        {&weights->qkv, window, p->conv_width},
        {&weights->gate, scratch->delta.gate, p->value_width},
        {&weights->alpha, scratch->delta.alpha, p->n_value_heads},
        {&weights->beta, scratch->delta.beta, p->n_value_heads},
    };

    project(pass, scratch->normed, p->n_embd, pass->n_tokens, inputs, 4, PROJECTION_STORE);
}

/* The buffer that this pass writes; the live one holds what it reads. */
static int written(const struct pass *pass)
{
    return pass->in_place ? pass->state->live : !pass->state->live;
}

static float *remembered(const struct pass *pass, int buffer)
{
    return pass->state->convolution[buffer] + pass->state->layers[pass->layer].convolution;
}

static float *matrices(const struct pass *pass, int buffer)
{
    return pass->state->recurrent[buffer] + pass->state->layers[pass->layer].recurrent;
}

/* Items are heads of u: query heads, key heads, value heads. */
static void convolve_part(struct pass *pass, const void *context, uint32_t first,
                          uint32_t count)
{
    const struct delta_weights *weights = context;
    const struct hyperparameters *p = pass->parameters;
    const struct scratch *scratch = pass->scratch;
    const float to_query = 1 / math_sqrt((float)p->state_dim);

    pass->kernels->convolve(scratch->delta.window, weights->taps, p->n_taps, p->conv_width,
                            first * p->state_dim, count * p->state_dim, pass->n_tokens,
                            scratch->delta.convolved);
    for (uint32_t t = 0; t < pass->n_tokens; t++) {
        float *row = scratch->delta.convolved + (size_t)t * p->conv_width;
        for (uint32_t head = first; head < first + count && head < 2 * p->n_key_heads; head++)
            pass->kernels->l2_norm(row + head * p->state_dim, p->state_dim, p->eps,
                                   head < p->n_key_heads ? to_query : 1,
                                   row + head * p->state_dim);
    }
}

/* Items are rows: alpha becomes the decay, beta what it is named. */
static void gates_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct delta_weights *weights = context;
    const uint32_t n_heads = pass->parameters->n_value_heads;

    for (uint32_t t = first; t < first + count; t++) {
        float *alpha = pass->scratch->delta.alpha + (size_t)t * n_heads;
        float *beta = pass->scratch->delta.beta + (size_t)t * n_heads;
        for (uint32_t head = 0; head < n_heads; head++) {
            alpha[head] = math_exp(weights->rate[head] *
                                   math_softplus(alpha[head] + weights->step[head]));
            beta[head] = math_sigmoid(beta[head]);
        }
    }
}

/* Items are slices of value heads. */
static void recur_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct hyperparameters *p = pass->parameters;
    const struct scratch *scratch = pass->scratch;
    const uint32_t n_slices = p->state_dim / DELTA_SLICE, end = first + count;
    const size_t slice_floats = (size_t)p->state_dim * DELTA_SLICE;
    float *state = matrices(pass, written(pass));

    (void)context;
    if (!pass->in_place)
        memcpy(state + first * slice_floats,
               matrices(pass, pass->state->live) + first * slice_floats,
               count * slice_floats * sizeof *state);
    for (uint32_t item = first; item < end;) {
        const uint32_t head = item / n_slices, slice = item % n_slices;
        const uint32_t n = end - item < n_slices - slice ? end - item : n_slices - slice;
        const size_t key_head = (size_t)(head % p->n_key_heads) * p->state_dim;
        const size_t value_head = (size_t)head * p->state_dim;
        pass->kernels->delta_rule(&(struct delta_rule_job){
            .state = state + (item - slice) * slice_floats,
            .n_key = p->state_dim,
            .first_slice = slice,
            .n_slices = n,
            .n_tokens = pass->n_tokens,
            .query = scratch->delta.convolved + key_head,
            .key = scratch->delta.convolved + p->key_width + key_head,
            .value = scratch->delta.convolved + 2 * (size_t)p->key_width + value_head,
            .decay = scratch->delta.alpha + head,
            .beta = scratch->delta.beta + head,
            .out = scratch->delta.out + value_head,
            .query_stride = p->conv_width,
            .key_stride = p->conv_width,
            .value_stride = p->conv_width,
            .gate_stride = p->n_value_heads,
            .out_stride = p->value_width,
        });
        item += n;
    }
}

/* Items are heads of rows. */
static void gate_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct delta_weights *weights = context;
    const struct hyperparameters *p = pass->parameters;

    for (uint32_t item = first; item < first + count; item++) {
        float *out = pass->scratch->delta.out + (size_t)item * p->state_dim;
        pass->kernels->rms_norm(out, weights->norm, p->state_dim, p->eps, out);
        pass->kernels->silu_multiply(pass->scratch->delta.gate + (size_t)item * p->state_dim,
                                     out, p->state_dim, out);
    }
}

/*
 * Rows that the convolution of the next token looks back at: window is [n_taps - 1 +
 * n_tokens].
 */
static void load_window(struct pass *pass)
{
    const struct hyperparameters *p = pass->parameters;

    memcpy(pass->scratch->delta.window, remembered(pass, pass->state->live),
           (size_t)(p->n_taps - 1) * p->conv_width * sizeof(float));
}

static void store_window(struct pass *pass)
{
    const struct hyperparameters *p = pass->parameters;

    if (!pass->stopped)
        memcpy(remembered(pass, written(pass)),
               pass->scratch->delta.window + (size_t)pass->n_tokens * p->conv_width,
               (size_t)(p->n_taps - 1) * p->conv_width * sizeof(float));
}

void deltanet_layer(struct pass *pass, const struct layer_weights *weights)
{
    const struct hyperparameters *p = pass->parameters;
    const uint32_t d = p->n_embd, n_tokens = pass->n_tokens;
    const uint32_t n_heads = p->n_value_heads, value_width = p->value_width;
    struct scratch *scratch = pass->scratch;
    const struct delta_weights *delta = &weights->delta;
    const struct projection output = {&delta->output, scratch->normed, d};

    norm_rows(pass, scratch->hidden, d, weights->mixer_norm, 0, n_tokens, scratch->normed, d);
    pass_trace(pass, "mixer_norm", scratch->normed, d, n_tokens, d);
    load_window(pass);
    project_inputs(pass, delta);
    store_window(pass);
    pass_trace(pass, "delta_raw",
               scratch->delta.window + (size_t)(p->n_taps - 1) * p->conv_width, p->conv_width,
               n_tokens, p->conv_width);
    pass_trace(pass, "delta_z", scratch->delta.gate, value_width, n_tokens, value_width);
    pass_run(pass, 2 * p->n_key_heads + n_heads, convolve_part, delta);
    pass_run(pass, n_tokens, gates_part, delta);
    pass_trace(pass, "delta_qkv", scratch->delta.convolved, p->conv_width, n_tokens,
               p->conv_width);
    pass_trace(pass, "delta_decay", scratch->delta.alpha, n_heads, n_tokens, n_heads);
    pass_trace(pass, "delta_beta", scratch->delta.beta, n_heads, n_tokens, n_heads);
    pass_run(pass, n_heads * (p->state_dim / DELTA_SLICE), recur_part, delta);
    pass_trace(pass, "delta_heads", scratch->delta.out, value_width, n_tokens, value_width);
    pass_run(pass, n_tokens * n_heads, gate_part, delta);
    pass_trace(pass, "delta_gated", scratch->delta.out, value_width, n_tokens, value_width);
    project(pass, scratch->delta.out, value_width, n_tokens, &output, 1, PROJECTION_ADD_HIDDEN);
    pass_trace(pass, "mixer_out", scratch->normed, d, n_tokens, d);
    pass_trace(pass, "mixer_residual", scratch->hidden, d, n_tokens, d);
}
