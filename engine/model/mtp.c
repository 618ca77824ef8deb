/*
 * mtp.c - the multi-token-prediction block
 *
 *     c = W_eh [rms_norm(embedding of the token) ; rms_norm(hidden)]
 *     one attention layer on c
 *     hidden' = rms_norm(c),  logits = head(hidden')
 */
#include "engine/model/mtp.h"

#include <string.h>

/* normed = [norm of the embedding | norm of the hidden row], 2 d wide */
static void join_inputs(struct pass *pass, const struct mtp_weights *weights,
                        const int32_t *tokens, const float *hidden)
{
    const uint32_t d = pass->parameters->n_embd, n_tokens = pass->n_tokens;
    float *normed = pass->scratch->normed, *rows = pass->scratch->hidden;
    const struct projection join = {&weights->join, rows, d};

    embed_rows(pass, &weights->embedding, tokens, rows, d);
    norm_rows(pass, rows, d, weights->embedding_norm, 0, n_tokens, normed, 2 * (size_t)d);
    norm_rows(pass, hidden, d, weights->hidden_norm, 0, n_tokens, normed + d, 2 * (size_t)d);
    project(pass, PROFILE_INPUT,
            &(struct input_rows){normed, 2 * (size_t)d, n_tokens, NULL, NULL}, &join, 1,
            PROJECTION_STORE);
    pass_trace(pass, "mtp_join", rows, d, n_tokens, d);
}

enum status mtp_forward(struct pass *pass, uint32_t block, const int32_t *tokens,
                        const float *hidden, float *out_hidden, uint32_t n_rows,
                        struct head_row *rows, struct error *error)
{
    const struct mtp_weights *weights = &pass->weights->mtp[block];
    const uint32_t d = pass->parameters->n_embd, n_tokens = pass->n_tokens;
    float *normed = pass->scratch->normed;

    pass_begin(pass, pass->parameters->n_layers + block, 1);
    join_inputs(pass, weights, tokens, hidden);
    attention_layer(pass, &weights->layer);
    ffn_layer(pass, &weights->layer);
    norm_rows(pass, pass->scratch->hidden, d, weights->output_norm, 0, n_tokens, normed, d);
    if (out_hidden && !pass->stopped)
        memcpy(out_hidden, normed, (size_t)n_tokens * d * sizeof *normed);
    head_project(pass, weights->output, normed + (size_t)(n_tokens - n_rows) * d, n_rows, rows);
    return pass_outcome(pass, error);
}

enum status mtp_fill(struct pass *pass, uint32_t block, const int32_t *tokens,
                     const float *hidden, struct error *error)
{
    const struct mtp_weights *weights = &pass->weights->mtp[block];

    pass_begin(pass, pass->parameters->n_layers + block, 1);
    join_inputs(pass, weights, tokens, hidden);
    attention_fill(pass, &weights->layer);
    return pass_outcome(pass, error);
}
