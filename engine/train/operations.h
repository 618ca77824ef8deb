/*
 * operations.h - what can be computed on a tape
 *
 * Every function returns a new tensor of the tape, or NULL after a failure (tape_status()).
 * Shapes are [outer] .. [inner]; n is the number of tokens of a batch.  Any strides unless it
 * says "contiguous".  Gradients: checked against central differences in double by
 * tests/unit/train_*.c.
 *
 * Operations along a sequence take the batch as a flat list of tokens with borders:
 * sequence s is tokens first[s] .. first[s + 1] - 1, and nothing passes a border.
 */
#ifndef ENGINE_TRAIN_OPERATIONS_H
#define ENGINE_TRAIN_OPERATIONS_H

#include "engine/train/tensor.h"

/* Elementwise; b is broadcast to the shape of a -------------------------------------------- */
struct tensor *op_add(struct tape *tape, struct tensor *a, struct tensor *b);
struct tensor *op_subtract(struct tape *tape, struct tensor *a, struct tensor *b);
struct tensor *op_multiply(struct tape *tape, struct tensor *a, struct tensor *b);
struct tensor *op_scale(struct tape *tape, struct tensor *x, float factor);
struct tensor *op_exp(struct tape *tape, struct tensor *x);
struct tensor *op_relu(struct tape *tape, struct tensor *x);
struct tensor *op_silu(struct tape *tape, struct tensor *x);
struct tensor *op_gelu(struct tape *tape, struct tensor *x);
struct tensor *op_sigmoid(struct tape *tape, struct tensor *x);
struct tensor *op_softplus(struct tape *tape, struct tensor *x);
/* silu(gate) * up, in one pass over memory */
struct tensor *op_swiglu(struct tape *tape, struct tensor *gate, struct tensor *up);
/*
 * Zero a share of the elements and scale the others by 1 / (1 - share).  Which: a hash of seed
 * and the element's index, so that a step can be repeated.  share 0: x itself.
 */
struct tensor *op_dropout(struct tape *tape, struct tensor *x, float share, uint64_t seed);

/* Shape ------------------------------------------------------------------------------------ */
/* A contiguous copy (x itself where it is one already). */
struct tensor *op_contiguous(struct tape *tape, struct tensor *x);
/* Joined along the last dimension: [..][a + b]. */
struct tensor *op_concatenate(struct tape *tape, struct tensor *a, struct tensor *b);
/*
 * out[i] = x[rows[i]]; a negative row gives zeros.  x [m][d]; rows [n]; borrowed until reset.
 */
struct tensor *op_gather_rows(struct tape *tape, struct tensor *x, const int32_t *rows,
                              size_t n_rows);

/* Sums: over all elements, to a single number; over one dimension, which becomes 1 long ---- */
struct tensor *op_sum(struct tape *tape, struct tensor *x);
struct tensor *op_mean(struct tape *tape, struct tensor *x);
struct tensor *op_sum_along(struct tape *tape, struct tensor *x, uint32_t dimension);
struct tensor *op_mean_along(struct tape *tape, struct tensor *x, uint32_t dimension);

/* Products --------------------------------------------------------------------------------- */
/* a [m][k] times b [k][n]; with a third, outer dimension the products run in batches. */
struct tensor *op_matmul(struct tape *tape, struct tensor *a, struct tensor *b);

/* Rows: over the last dimension ------------------------------------------------------------ */
struct tensor *op_softmax(struct tape *tape, struct tensor *x);
/* x / sqrt(mean(x^2) + eps) * weight; weight [columns] or NULL */
struct tensor *op_rms_norm(struct tape *tape, struct tensor *x, struct tensor *weight,
                           float eps);
/* (x - mean) / sqrt(variance + eps) * weight + bias; both [columns] or NULL */
struct tensor *op_layer_norm(struct tape *tape, struct tensor *x, struct tensor *weight,
                             struct tensor *bias, float eps);
/* x / sqrt(sum(x^2) + eps) */
struct tensor *op_l2_norm(struct tape *tape, struct tensor *x, float eps);
/*
 * Mean over rows of weight[i] * -log softmax(logits[i])[targets[i]], divided by the sum of
 * weights (given, so that micro-batches of one step add up): a single number.  targets[i] < 0:
 * the row does not count.  weights NULL: all 1.  logits [n][n_vocab] contiguous; arrays
 * borrowed until reset.
 */
struct tensor *op_cross_entropy(struct tape *tape, struct tensor *logits,
                                const int32_t *targets, const float *weights,
                                double total_weight);

/* Tokens and sequences --------------------------------------------------------------------- */
/* out[i] = table[tokens[i]]; table [n_vocab][d] contiguous; tokens borrowed until reset. */
struct tensor *op_embedding(struct tape *tape, struct tensor *table, const int32_t *tokens,
                            size_t n_tokens);

struct sequences {
    uint32_t n_tokens, n_sequences;
    const uint32_t *first;    /* [n_sequences + 1]; borrowed until reset */
    const int32_t *positions; /* [n_tokens]: within the sequence, for RoPE; borrowed */
};

/*
 * Rotary embedding of the first n_rotary values of each head: pairs (i, i + n_rotary / 2),
 * angle position * base^(-2 i / n_rotary) (Su et al., RoFormer; the halves as in NeoX).
 * x [n][heads][head_dim]; a new contiguous tensor.
 */
struct tensor *op_rope(struct tape *tape, struct tensor *x, const struct sequences *sequences,
                       uint32_t n_rotary, float base);
/*
 * Causal softmax attention with shared K/V heads: query head h reads K/V head h / (n_head /
 * n_kv).  query [n][n_head][dim], key and value [n][n_kv][dim]; out [n][n_head][dim].  scale
 * multiplies q.k.
 */
struct tensor *op_attention(struct tape *tape, struct tensor *query, struct tensor *key,
                            struct tensor *value, const struct sequences *sequences,
                            float scale);
/*
 * Causal depthwise convolution: out[t][c] = sum over j of taps[c][j] x[t - n_taps + 1 + j][c],
 * zeros in front of a sequence.  x [n][channels], taps [channels][n_taps].
 */
struct tensor *op_convolution(struct tape *tape, struct tensor *x, struct tensor *taps,
                              const struct sequences *sequences);
/*
 * Gated delta rule (Yang et al., Gated Delta Networks), state zero at the start of a sequence:
 * S = decay S; r = S^T k; delta = beta (v - r); S = S + k delta^T; o = S^T q.
 * query, key [n][n_key_heads][n_key], value [n][n_value_heads][n_value], decay, beta
 * [n][n_value_heads]; value head h reads key head h % n_key_heads.  Out like value.
 * Backward through time keeps the state at every 32nd token and computes the others again.
 */
struct tensor *op_delta_rule(struct tape *tape, struct tensor *query, struct tensor *key,
                             struct tensor *value, struct tensor *decay, struct tensor *beta,
                             const struct sequences *sequences);

#endif
