/*
 * layers.c - what every block is made of, and the blocks
 */
#include "engine/train/layers.h"

struct tensor *linear_forward(struct tape *tape, const struct linear_layer *layer,
                              struct tensor *x)
{
    struct tensor *out = op_matmul(tape, x, view_transpose(tape, layer->weight, 0, 1));

    return layer->bias ? op_add(tape, out, layer->bias) : out;
}

struct tensor *embedding_forward(struct tape *tape, const struct embedding_layer *layer,
                                 const int32_t *tokens, size_t n_tokens)
{
    return op_embedding(tape, layer->table, tokens, n_tokens);
}

struct tensor *rms_norm_forward(struct tape *tape, const struct norm_layer *layer,
                                struct tensor *x)
{
    return op_rms_norm(tape, x, layer->weight, layer->eps);
}

struct tensor *layer_norm_forward(struct tape *tape, const struct norm_layer *layer,
                                  struct tensor *x)
{
    return op_layer_norm(tape, x, layer->weight, layer->bias, layer->eps);
}

struct tensor *swiglu_forward(struct tape *tape, const struct swiglu *layer, struct tensor *x)
{
    struct tensor *gate = linear_forward(tape, &layer->gate, x);
    struct tensor *up = linear_forward(tape, &layer->up, x);

    return linear_forward(tape, &layer->down, op_swiglu(tape, gate, up));
}

/*
 * Seeds of places that drop out must be far apart: elements are counted up from them.  The mixing
 * is SplitMix64's (Steele, Lea, Flood).
 */
static uint64_t place_seed(uint64_t seed, uint64_t place)
{
    uint64_t x = seed + (place + 1) * 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    return x ^ x >> 31;
}

struct tensor *block_forward(struct tape *tape, const struct block_layer *layer,
                             struct tensor *x, const struct sequences *sequences, float dropout,
                             uint64_t seed)
{
    struct tensor *normed = rms_norm_forward(tape, &layer->mixer_norm, x);
    struct tensor *branch =
        layer->recurrent ? gated_deltanet_forward(tape, &layer->deltanet, normed, sequences)
                         : gated_attention_forward(tape, &layer->attention, normed, sequences);

    x = op_add(tape, x, op_dropout(tape, branch, dropout, place_seed(seed, 0)));
    normed = rms_norm_forward(tape, &layer->ffn_norm, x);
    branch = swiglu_forward(tape, &layer->ffn, normed);
    return op_add(tape, x, op_dropout(tape, branch, dropout, place_seed(seed, 1)));
}

struct tensor *mtp_layer_forward(struct tape *tape, const struct mtp_layer *layer,
                                 struct tensor *embedding, struct tensor *hidden,
                                 const struct sequences *sequences, float dropout,
                                 uint64_t seed)
{
    struct tensor *joined =
        op_concatenate(tape, rms_norm_forward(tape, &layer->embedding_norm, embedding),
                       rms_norm_forward(tape, &layer->hidden_norm, hidden));
    struct tensor *x = linear_forward(tape, &layer->join, joined);

    x = block_forward(tape, &layer->block, x, sequences, dropout, seed);
    return rms_norm_forward(tape, &layer->output_norm, x);
}
