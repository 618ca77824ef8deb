/*
 * layers_deltanet.c - gated DeltaNet (Yang et al., Gated Delta Networks)
 *
 *     u, z, b, a = W x
 *     q, k, v = silu(convolution of u);  q, k to length 1 per head, q / sqrt(state_dim)
 *     beta = sigmoid(b),  decay = exp(-exp(log_rate) softplus(a + step))
 *     o = delta rule
 *     out = W_o concat(rms_norm(o_h) silu(z_h))
 */
#include "engine/train/layers.h"

#include "engine/kernels/math.h"

static struct tensor *decay_forward(struct tape *tape, const struct gated_deltanet *layer,
                                    struct tensor *x)
{
    struct tensor *step = op_add(tape, linear_forward(tape, &layer->alpha, x), layer->step);
    struct tensor *rate = op_scale(tape, op_exp(tape, layer->log_rate), -1);

    return op_exp(tape, op_multiply(tape, op_softplus(tape, step), rate));
}

/* The convolved heads: queries, keys, values, [n][2 n_key_heads + n_value_heads][state_dim]. */
static struct tensor *heads_forward(struct tape *tape, const struct gated_deltanet *layer,
                                    struct tensor *x, const struct sequences *sequences)
{
    const size_t shape[] = {sequences->n_tokens,
                            2 * (size_t)layer->n_key_heads + layer->n_value_heads,
                            layer->state_dim};
    struct tensor *raw = linear_forward(tape, &layer->qkv, x);
    struct tensor *mixed = op_silu(tape, op_convolution(tape, raw, layer->taps, sequences));

    return view_reshape(tape, mixed, 3, shape);
}

struct tensor *gated_deltanet_forward(struct tape *tape, const struct gated_deltanet *layer,
                                      struct tensor *x, const struct sequences *sequences)
{
    const size_t n = sequences->n_tokens, dim = layer->state_dim;
    const size_t n_keys = layer->n_key_heads, n_values = layer->n_value_heads;
    struct tensor *heads = heads_forward(tape, layer, x, sequences);
    struct tensor *unit =
        op_l2_norm(tape, view_slice(tape, heads, 1, 0, 2 * n_keys), layer->eps);
    struct tensor *query =
        op_scale(tape, view_slice(tape, unit, 1, 0, n_keys), 1 / math_sqrt((float)dim));
    struct tensor *key = view_slice(tape, unit, 1, n_keys, n_keys);
    struct tensor *value = view_slice(tape, heads, 1, 2 * n_keys, n_values);
    struct tensor *gate = view_reshape(tape, linear_forward(tape, &layer->gate, x), 3,
                                       (const size_t[]){n, n_values, dim});
    struct tensor *decay = decay_forward(tape, layer, x);
    struct tensor *beta = op_sigmoid(tape, linear_forward(tape, &layer->beta, x));
    struct tensor *out = op_delta_rule(tape, query, key, value, decay, beta, sequences);

    out = op_swiglu(tape, gate, rms_norm_forward(tape, &layer->norm, out));
    out = view_reshape(tape, out, 2, (const size_t[]){n, n_values * dim});
    return linear_forward(tape, &layer->output, out);
}
