/*
 * forward.c - the layer loop
 */
#include "engine/model/forward.h"

#include "engine/model/rope.h"
#include "engine/run/run_clock.h"

struct angles_job {
    uint32_t offset;
};

static void angles_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct angles_job *job = context;
    const uint32_t n_pairs = pass->parameters->n_rotary / 2;
    struct scratch *scratch = pass->scratch;

    for (uint32_t t = first; t < first + count; t++)
        rope_table(scratch->frequencies, n_pairs, pass_position(pass, t) + job->offset, 1,
                   scratch->cosine + (size_t)t * n_pairs, scratch->sine + (size_t)t * n_pairs);
}

struct embedding_job {
    const struct weight *embedding;
    const int32_t *tokens;
    float *out;
    size_t stride;
};

static void embed_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct embedding_job *job = context;
    const struct tensor_type_info *info = tensor_type_info(job->embedding->type);
    const uint32_t d = pass->parameters->n_embd;
    const size_t row_bytes = (size_t)d / info->block_elements * info->block_bytes;

    for (uint32_t t = first; t < first + count; t++)
        tensor_row_decode(job->embedding->type,
                          (const char *)job->embedding->native +
                              (size_t)job->tokens[t] * row_bytes,
                          job->out + t * job->stride, d);
}

void embed_rows(struct pass *pass, const struct weight *embedding, const int32_t *tokens,
                float *out, size_t stride)
{
    struct embedding_job job = {embedding, tokens, out, stride};

    pass_run(pass, PROFILE_EMBEDDING, pass->n_tokens, embed_part, &job);
    pass_trace(pass, "embedding", out, stride, pass->n_tokens, pass->parameters->n_embd);
}

static enum status not_finite(struct pass *pass, struct error *error)
{
    return error_set(error, STATUS_FAILED,
                     "the model computed a value that is not a number at position %u, layer %u",
                     pass_position(pass, atomic_load(&pass->bad_row)), pass->layer);
}

enum status pass_outcome(struct pass *pass, struct error *error)
{
    const bool abandoned = atomic_load(&pass->abandoned);

    if (!abandoned && atomic_load(&pass->bad_row) != NOTHING_BAD)
        return not_finite(pass, error);
    if (abandoned || pass->stopped)
        return error_set(error, STATUS_CANCELLED, "stopped");
    return STATUS_OK;
}

void pass_begin(struct pass *pass, uint32_t layer, uint32_t angle_offset)
{
    const struct angles_job job = {angle_offset};

    pass->stopped = false;
    atomic_store(&pass->abandoned, false);
    pass->layer = layer;
    pass->kind = PROFILE_FULL;
    atomic_store(&pass->bad_row, NOTHING_BAD);
    pass_run(pass, PROFILE_EMBEDDING, pass->n_tokens, angles_part, &job);
}

/* What the last n_rows rows are wanted for. */
static void output_head(struct pass *pass, uint32_t n_rows, struct head_row *rows)
{
    const struct weights *weights = pass->weights;
    const uint32_t d = pass->parameters->n_embd;
    const uint32_t n_others = pass->n_tokens - n_rows;
    const float *hidden = pass->scratch->hidden;
    float *others = pass->kept ? pass->kept : pass->scratch->normed;
    float *normed = pass->kept ? others + (size_t)n_others * d : others;

    pass->kind = PROFILE_MODEL;
    /*
     * Rows that are not wanted are checked all the same: what is wrong in them stays in K
     * and V.
     */
    norm_rows(pass, hidden, d, weights->output_norm, 0, n_others, others, d);
    norm_rows(pass, hidden, d, weights->output_norm, n_others, n_rows, normed, d);
    pass_trace(pass, "output_norm", normed, d, n_rows, d);
    head_project(pass, &weights->output, normed, n_rows, rows);
}

enum status forward(struct pass *pass, const int32_t *tokens, uint32_t n_rows,
                    struct head_row *rows, struct error *error)
{
    const struct hyperparameters *p = pass->parameters;
    struct scratch *scratch = pass->scratch;
    const int64_t begin = pass->profile ? run_clock_now() : 0;

    pass_begin(pass, 0, 0);
    embed_rows(pass, &pass->weights->embedding, tokens, scratch->hidden, p->n_embd);
    for (uint32_t i = 0; i < p->n_layers && !pass_stopped(pass); i++) {
        const struct layer_weights *weights = &pass->weights->layers[i];
        pass->layer = i;
        pass->kind = p->layers[i].recurrent ? PROFILE_RECURRENT : PROFILE_FULL;
        if (p->layers[i].recurrent)
            deltanet_layer(pass, weights);
        else
            attention_layer(pass, weights);
        ffn_layer(pass, weights);
        pass_trace(pass, "layer_out", scratch->hidden, p->n_embd, pass->n_tokens, p->n_embd);
    }
    output_head(pass, n_rows, rows);
    if (pass->profile) {
        pass->profile->passes++;
        pass->profile->rows += pass->n_tokens;
        pass->profile->pass_seconds += (double)(run_clock_now() - begin) * 1e-9;
    }
    return pass_outcome(pass, error);
}
