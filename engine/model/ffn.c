/*
 * ffn.c - the feed-forward half of a layer: down(silu(gate f) * up f)
 */
#include "engine/model/forward.h"

void ffn_layer(struct pass *pass, const struct layer_weights *weights)
{
    const uint32_t d = pass->parameters->n_embd, n_ff = weights->ffn_gate.n_rows;
    struct scratch *scratch = pass->scratch;
    const struct projection gate_up[] = {
        {&weights->ffn_gate, scratch->ffn.gate, n_ff},
        {&weights->ffn_up, scratch->ffn.up, n_ff},
    };
    /* Gate rows turn into the input of down; the rows that were normed are free by then. */
    const struct projection down = {&weights->ffn_down, scratch->normed, d};

    const struct input_rows normed = {scratch->hidden, d, pass->n_tokens, weights->ffn_norm,
                                      scratch->normed};
    const struct input_rows gated = {scratch->ffn.gate, n_ff, pass->n_tokens, NULL, NULL};

    project(pass, PROFILE_FFN_UP, &normed, gate_up, 2, PROJECTION_GATED);
    pass_trace(pass, "ffn_norm", scratch->normed, d, pass->n_tokens, d);
    project(pass, PROFILE_FFN_DOWN, &gated, &down, 1, PROJECTION_ADD_HIDDEN);
    pass_trace(pass, "ffn_out", scratch->normed, d, pass->n_tokens, d);
}
