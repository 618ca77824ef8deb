/*
 * network.h - the qwen35 network as the trainer sees it: named parameters, layers, losses
 *
 * Shared with the engine: struct hyperparameters and the names and shapes of tensors in a file.
 * Not shared: the forward pass.  The engine's runs on packed, quantised rows with state; this one
 * runs on f32, whole sequences, and records how to go back.  tests/unit/train_network.c holds them
 * together: same F32 file, logits within 1e-4 relative.
 *
 * One parameter differs from its tensor: ssm_a of a file is -exp(A_log); A_log is what is trained.
 *
 * Thread: one thread drives a network.
 */
#ifndef ENGINE_TRAIN_NETWORK_H
#define ENGINE_TRAIN_NETWORK_H

#include "engine/model/hyperparameters.h"
#include "engine/train/operations.h"

struct gguf;
struct network;

enum parameter_kind {
    PARAMETER_MATRIX, /* weight decay applies; may be stored quantised */
    PARAMETER_TABLE,  /* token_embd: no decay; may be stored quantised */
    PARAMETER_VECTOR, /* norms, taps, gates: no decay; always F32 in a file */
};

struct parameter {
    char name[64]; /* of the tensor in the file: "blk.3.attn_q.weight" */
    enum parameter_kind kind;
    bool log_rate;         /* ssm_a: stored in the file as -exp(value) */
    struct tensor *tensor; /* [rows][columns] or [n], as the file: rows are outputs */
};

/*
 * A network with random weights: matrices normal with standard deviation 0.02 (those that add to the
 * residual stream divided by sqrt(2 n_layers)), norms 1, A_log = log of 1 .. 16, dt so that steps lie
 * in 0.001 .. 0.1 (Yang et al.).  hyperparameters are copied; widths that follow from others, and
 * an architecture, eps and rope_factor that are empty, are filled in.  tied: the head is token_embd.
 * Errors: USAGE (a shape that the engine could not run: named), NO_MEMORY.
 */
enum status network_new(struct network **out, const struct hyperparameters *hyperparameters,
                        bool tied, uint64_t seed, struct error *error);
/*
 * From an F32, F16 or BF16 file of the family (any computable type is decoded).  Errors: DAMAGED,
 * UNSUPPORTED, NO_MEMORY, with the tensor's name.
 */
enum status network_load(struct network **out, const struct gguf *file, struct error *error);
void network_free(struct network **network); /* NULL is allowed */

const struct hyperparameters *network_hyperparameters(const struct network *network);
bool network_is_tied(const struct network *network);
struct parameter *network_parameters(struct network *network, size_t *n_parameters);
uint64_t network_parameter_count(const struct network *network);

/* One packed batch of whole sequences; arrays are borrowed until the tape's reset. */
struct batch {
    struct sequences sequences;
    const int32_t *tokens;  /* [n_tokens]: inputs */
    const int32_t *targets; /* [n_tokens]: the token that follows; -1: does not count */
    const float *weights;   /* [n_tokens]; NULL: all 1 */
    double total_weight;    /* that the sums of the losses are divided by */
};

struct losses {
    struct tensor *total; /* main + mtp_factor * mtp */
    struct tensor *main;  /* cross-entropy of the next token */
    struct tensor *mtp;   /* of the same tokens, by the MTP block; NULL: there is none */
};

/*
 * Forward pass and losses; the head is computed for rows with a target alone.  MTP row p reads token
 * p and the trunk's hidden row p - 1 (behind output_norm) and predicts targets[p]; as in the engine
 * it begins with the second token of a sequence.  mtp_factor 0 leaves the block out.  dropout on the
 * residual branches; dropout_seed of the step.  Nothing to predict: a loss of zero.
 */
enum status network_losses(struct network *network, struct tape *tape,
                           const struct batch *batch, float mtp_factor, float dropout,
                           uint64_t dropout_seed, struct losses *out, struct error *error);
/*
 * Logits of every row, [n_tokens][n_vocab], and (unless NULL) of the MTP block for every row but the
 * first of each sequence, in their order; *mtp_logits is NULL where there is none.  No losses.
 */
enum status network_logits(struct network *network, struct tape *tape,
                           const struct batch *batch, struct tensor **logits,
                           struct tensor **mtp_logits, struct error *error);

#endif
