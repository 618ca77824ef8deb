/*
 * ffn.c - the feed-forward half of a layer: down(silu(gate f) * up f)
 */
#include "engine/model/forward.h"

enum {
    BLOCK_COLUMNS = 256, /* every form of an activation has whole blocks in them */
    BLOCK_GROUPS = BLOCK_COLUMNS / GROUP_ROWS
};

/*
 * Many rows: a block of gate and up at a time, which is gated and quantised while it is in a cache
 * of the second level, so that rows of n_ff floats are nowhere.  Items are blocks; the scratch of a
 * part is where the rows of its first block would have been.
 */
static void gated_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct layer_weights *weights = context;
    const enum activation_form form =
        kernels_activation_form(pass->kernels->level, weights->ffn_down.type);
    const size_t n = (size_t)pass->n_tokens * BLOCK_COLUMNS;
    float *gate = pass->scratch->ffn.gate + first * n, *up = pass->scratch->ffn.up + first * n;

    for (uint32_t block = first; block < first + count; block++) {
        const uint32_t group = block * BLOCK_GROUPS;
        char *out = pass->scratch->prepared[form];
        multiply_groups(pass, &weights->ffn_gate, group, BLOCK_GROUPS, gate, BLOCK_COLUMNS);
        multiply_groups(pass, &weights->ffn_up, group, BLOCK_GROUPS, up, BLOCK_COLUMNS);
        pass->kernels->silu_multiply(gate, up, n, gate);
        out += kernels_activation_offset(form, block * BLOCK_COLUMNS, pass->n_tokens);
        pass->kernels->quantize(form, gate, BLOCK_COLUMNS, BLOCK_COLUMNS, 0, pass->n_tokens,
                                pass->n_tokens, out);
    }
}

static bool fuses(const struct pass *pass, const struct layer_weights *weights)
{
    const uint32_t n_ff = weights->ffn_gate.n_rows;

    return n_ff % BLOCK_COLUMNS == 0 && pass_fuses(pass, n_ff / BLOCK_COLUMNS) &&
           kernels_activation_form(pass->kernels->level, weights->ffn_down.type) !=
               ACTIVATION_F32;
}

void ffn_layer(struct pass *pass, const struct layer_weights *weights)
{
    const uint32_t d = pass->parameters->n_embd, n_ff = weights->ffn_gate.n_rows;
    struct scratch *scratch = pass->scratch;
    const struct input_rows normed = {scratch->hidden, d,    pass->n_tokens, weights->ffn_norm,
                                      scratch->normed, false};
    struct input_rows gated = {scratch->ffn.gate, n_ff, pass->n_tokens, NULL, NULL, false};
    /* Gate rows turn into the input of down; the rows that were normed are free by then. */
    const struct projection down = {&weights->ffn_down, scratch->normed, d};

    if (fuses(pass, weights)) {
        const struct weight *const both[] = {&weights->ffn_gate, &weights->ffn_up};
        prepare_rows(pass, &normed, both, 2);
        pass_run(pass, PROFILE_FFN_UP, n_ff / BLOCK_COLUMNS, gated_part, weights);
        gated.prepared = true;
    } else {
        const struct projection gate_up[] = {
            {&weights->ffn_gate, scratch->ffn.gate, n_ff},
            {&weights->ffn_up, scratch->ffn.up, n_ff},
        };
        project(pass, PROFILE_FFN_UP, &normed, gate_up, 2, PROJECTION_GATED);
        pass_trace(pass, "ffn_norm", scratch->normed, d, pass->n_tokens, d);
    }
    project(pass, PROFILE_FFN_DOWN, &gated, &down, 1, PROJECTION_ADD_HIDDEN);
    pass_trace(pass, "ffn_out", scratch->normed, d, pass->n_tokens, d);
}
