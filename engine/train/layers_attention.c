/*
 * layers_attention.c - causal attention with shared K/V heads, plain and gated
 *
 *     q_h, gate_h, k_g, v_g = W x                    query and gate of a head stand side by side
 *     q_h = rope(rms_norm(q_h)),  k_g = rope(rms_norm(k_g))
 *     o_h = softmax(q_h . k / sqrt(head_dim)) v      of K/V head h / (n_head / n_head_kv)
 *     out = W_o concat(o_h * sigmoid(gate_h))        plain: no norms, no gate
 */
#include "engine/train/layers.h"

#include "engine/kernels/math.h"

/* [n][width] as [n][n_heads][width / n_heads] */
static struct tensor *split_heads(struct tape *tape, struct tensor *x, size_t n_tokens,
                                  size_t n_heads, size_t head_dim)
{
    return view_reshape(tape, x, 3, (const size_t[]){n_tokens, n_heads, head_dim});
}

static struct tensor *join_heads(struct tape *tape, struct tensor *x, size_t n_tokens,
                                 size_t width)
{
    return view_reshape(tape, x, 2, (const size_t[]){n_tokens, width});
}

struct tensor *multi_head_attention_forward(struct tape *tape,
                                            const struct multi_head_attention *layer,
                                            struct tensor *x, const struct sequences *sequences)
{
    const size_t n = sequences->n_tokens, dim = layer->head_dim;
    const float scale = 1 / math_sqrt((float)dim);
    struct tensor *query =
        split_heads(tape, linear_forward(tape, &layer->query, x), n, layer->n_head, dim);
    struct tensor *key =
        split_heads(tape, linear_forward(tape, &layer->key, x), n, layer->n_head_kv, dim);
    struct tensor *value =
        split_heads(tape, linear_forward(tape, &layer->value, x), n, layer->n_head_kv, dim);
    struct tensor *out;

    if (layer->n_rotary > 0) {
        query = op_rope(tape, query, sequences, layer->n_rotary, layer->rope_base);
        key = op_rope(tape, key, sequences, layer->n_rotary, layer->rope_base);
    }
    out = op_attention(tape, query, key, value, sequences, scale);
    return linear_forward(tape, &layer->output, join_heads(tape, out, n, layer->n_head * dim));
}

struct tensor *gated_attention_forward(struct tape *tape, const struct gated_attention *layer,
                                       struct tensor *x, const struct sequences *sequences)
{
    const size_t n = sequences->n_tokens, dim = layer->head_dim;
    const float scale = 1 / math_sqrt((float)dim);
    struct tensor *query_gate =
        split_heads(tape, linear_forward(tape, &layer->query, x), n, layer->n_head, 2 * dim);
    struct tensor *query = view_slice(tape, query_gate, 2, 0, dim);
    struct tensor *gate = view_slice(tape, query_gate, 2, dim, dim);
    struct tensor *key =
        split_heads(tape, linear_forward(tape, &layer->key, x), n, layer->n_head_kv, dim);
    struct tensor *value =
        split_heads(tape, linear_forward(tape, &layer->value, x), n, layer->n_head_kv, dim);
    struct tensor *out;

    query = rms_norm_forward(tape, &layer->query_norm, query);
    query = op_rope(tape, query, sequences, layer->n_rotary, layer->rope_base);
    key = rms_norm_forward(tape, &layer->key_norm, key);
    key = op_rope(tape, key, sequences, layer->n_rotary, layer->rope_base);
    out = op_attention(tape, query, key, value, sequences, scale);
    out = op_multiply(tape, out, op_sigmoid(tape, gate));
    return linear_forward(tape, &layer->output, join_heads(tape, out, n, layer->n_head * dim));
}
