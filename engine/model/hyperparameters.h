/*
 * hyperparameters.h - the numbers that give a model its shape
 *
 * Read from the file's metadata and checked there: after hyperparameters_read() every number is
 * in a range in which no product of two or three of them overflows 64 bits, head counts divide
 * as the layers need, and widths are multiples of what the kernels work on.
 *
 * Names of widths, in floats for one token:
 *   key_width   = n_key_heads * state_dim       q or k of a DeltaNet layer
 *   value_width = n_value_heads * state_dim     v, z and the output of a DeltaNet layer
 *   conv_width  = 2 * key_width + value_width   what passes the convolution: q, k, v
 *
 * Thread: constant after hyperparameters_read().
 */
#ifndef ENGINE_MODEL_HYPERPARAMETERS_H
#define ENGINE_MODEL_HYPERPARAMETERS_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

struct gguf;

struct layer_parameters {
    bool recurrent; /* gated DeltaNet; otherwise full attention */
    uint32_t n_ff;
    uint32_t n_head, n_head_kv; /* of an attention layer; zero in a recurrent one */
};

struct hyperparameters {
    char architecture[64];
    uint32_t n_layers; /* of the trunk */
    uint32_t n_mtp;    /* multi-token-prediction blocks behind the trunk, all full attention */
    struct layer_parameters *layers; /* owns; [n_layers + n_mtp] */
    uint32_t n_attention_layers;     /* of the trunk */

    uint32_t n_vocab;
    uint32_t n_embd;
    uint32_t n_context; /* trained positions */
    float eps;          /* of every norm */

    uint32_t head_dim; /* of q, k and v in attention layers */
    uint32_t n_rotary; /* leading dimensions of a head that turn; even */
    float rope_base, rope_factor;

    uint32_t n_taps; /* of the convolution, the current token included */
    uint32_t state_dim;
    uint32_t n_key_heads, n_value_heads; /* value head h reads key head h % n_key_heads */
    uint32_t key_width, value_width, conv_width;

    uint32_t max_ff, max_head, max_head_kv; /* over all layers */
};

enum { MAX_LAYERS = 1024 };

/*
 * Errors: DAMAGED (missing, wrong type, out of range or inconsistent: the key is named),
 * UNSUPPORTED (architecture or a variant of it: named), NO_MEMORY.
 */
enum status hyperparameters_read(struct hyperparameters *out, const struct gguf *file,
                                 struct error *error);
void hyperparameters_release(struct hyperparameters *parameters);

/*
 * The channels of u that belong to key head h, in ranges of state_dim: its query, its key, and the
 * values of the heads that read it.  The first channel of range i.
 */
static inline uint32_t key_head_ranges(const struct hyperparameters *p)
{
    return 2 + p->n_value_heads / p->n_key_heads;
}

static inline uint32_t key_head_channel(const struct hyperparameters *p, uint32_t key_head,
                                        uint32_t i)
{
    return i < 2 ? i * p->key_width + key_head * p->state_dim
                 : 2 * p->key_width + ((i - 2) * p->n_key_heads + key_head) * p->state_dim;
}

#endif
