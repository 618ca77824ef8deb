/*
 * layers.h - layers built from operations, each a struct of borrowed parameters and a forward
 *
 * Shapes: x and results [n_tokens][width].  A NULL parameter where allowed leaves that part out.
 * Thread: as the tape.
 */
#ifndef ENGINE_TRAIN_LAYERS_H
#define ENGINE_TRAIN_LAYERS_H

#include "engine/train/operations.h"

struct linear_layer {
    struct tensor *weight; /* [outputs][inputs] */
    struct tensor *bias;   /* [outputs] or NULL */
};
struct tensor *linear_forward(struct tape *tape, const struct linear_layer *layer,
                              struct tensor *x);

struct embedding_layer {
    struct tensor *table; /* [n_vocab][width] */
};
/* Row tokens[i] for each i, [n_tokens][width]; tokens are borrowed until the tape's reset. */
struct tensor *embedding_forward(struct tape *tape, const struct embedding_layer *layer,
                                 const int32_t *tokens, size_t n_tokens);

struct norm_layer {
    struct tensor *weight; /* [width] or NULL */
    struct tensor *bias;   /* LayerNorm only; NULL: none */
    float eps;
};
struct tensor *rms_norm_forward(struct tape *tape, const struct norm_layer *layer,
                                struct tensor *x);
struct tensor *layer_norm_forward(struct tape *tape, const struct norm_layer *layer,
                                  struct tensor *x);

/* Plain multi-head attention with grouped K/V heads, causal; RoPE where n_rotary > 0. */
struct multi_head_attention {
    struct linear_layer query, key, value, output;
    uint32_t n_head, n_head_kv, head_dim, n_rotary;
    float rope_base;
};
struct tensor *multi_head_attention_forward(struct tape *tape,
                                            const struct multi_head_attention *layer,
                                            struct tensor *x,
                                            const struct sequences *sequences);

/* Gated attention of qwen35: query rows are [n_head][query | gate][head_dim]; norms on q and k. */
struct gated_attention {
    struct linear_layer query, key, value, output;
    struct norm_layer query_norm, key_norm;
    uint32_t n_head, n_head_kv, head_dim, n_rotary;
    float rope_base;
};
struct tensor *gated_attention_forward(struct tape *tape, const struct gated_attention *layer,
                                       struct tensor *x, const struct sequences *sequences);

struct gated_deltanet {
    struct linear_layer qkv, gate, alpha, beta, output;
    struct tensor *taps;     /* [conv_width][n_taps] */
    struct tensor *step;     /* [n_value_heads], "dt" */
    struct tensor *log_rate; /* [n_value_heads]: A_log; the rate is -exp of it */
    struct norm_layer norm;  /* [state_dim] */
    uint32_t n_key_heads, n_value_heads, state_dim;
    float eps;
};
struct tensor *gated_deltanet_forward(struct tape *tape, const struct gated_deltanet *layer,
                                      struct tensor *x, const struct sequences *sequences);

struct swiglu {
    struct linear_layer gate, up, down;
};
struct tensor *swiglu_forward(struct tape *tape, const struct swiglu *layer, struct tensor *x);

/*
 * A block: x += mixer(norm(x)); x += swiglu(norm(x)).  dropout: of what is added; seed: of the step
 * and the block.
 */
struct block_layer {
    struct norm_layer mixer_norm, ffn_norm;
    bool recurrent;
    struct gated_attention attention;
    struct gated_deltanet deltanet;
    struct swiglu ffn;
};
struct tensor *block_forward(struct tape *tape, const struct block_layer *layer,
                             struct tensor *x, const struct sequences *sequences, float dropout,
                             uint64_t seed);

/* Multi-token prediction: c = join [norm(embedding) | norm(hidden)], a block on c, a norm. */
struct mtp_layer {
    struct linear_layer join; /* [d][2 d] */
    struct norm_layer embedding_norm, hidden_norm, output_norm;
    struct block_layer block;
};
/* embedding, hidden [n][d]: of a token, and the trunk's row of the token before it. */
struct tensor *mtp_layer_forward(struct tape *tape, const struct mtp_layer *layer,
                                 struct tensor *embedding, struct tensor *hidden,
                                 const struct sequences *sequences, float dropout,
                                 uint64_t seed);

#endif
