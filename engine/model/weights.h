/*
 * weights.h - the tensors of a model, bound once by name and shape
 *
 * After weights_bind() every matrix has the shape that the hyper-parameters ask for and a type
 * that banter computes with; small vectors are decoded to f32.  Nothing looks at tensor names
 * afterwards.  After weights_pack() matrices stand in the layout that the kernels of the level
 * read.
 *
 * Shapes below are [outputs][inputs], as in struct weight; d = n_embd.
 *
 * Ownership: decoded vectors and packed matrices belong to struct weights; native rows borrow
 * from the file's mapping.  Thread: constant after weights_pack().
 */
#ifndef ENGINE_MODEL_WEIGHTS_H
#define ENGINE_MODEL_WEIGHTS_H

#include <stdatomic.h>

#include "engine/error.h"
#include "engine/kernels/kernels.h"

struct gguf;
struct gguf_tensor;
struct hyperparameters;
struct pool;

/* Full attention: either query, key and value, or fused, which is their rows in this order. */
struct attention_weights {
    struct weight
        fused; /* [n_head * 2 * head_dim + 2 * n_head_kv * head_dim][d]; n_rows 0: no */
    struct weight query;                /* [n_head][query | gate][head_dim] x [d] */
    struct weight key;                  /* [n_head_kv * head_dim][d] */
    struct weight value;                /* [n_head_kv * head_dim][d] */
    struct weight output;               /* [d][n_head * head_dim] */
    const float *query_norm, *key_norm; /* [head_dim] */
};

/* Gated DeltaNet. */
struct delta_weights {
    struct weight qkv;    /* [conv_width][d]: q heads, k heads, v heads */
    struct weight gate;   /* [value_width][d] */
    struct weight alpha;  /* [n_value_heads][d] */
    struct weight beta;   /* [n_value_heads][d] */
    struct weight output; /* [d][value_width] */
    const float *taps;    /* [n_taps][conv_width], the last one for the current token */
    const float *step;    /* [n_value_heads], added to alpha ("dt") */
    const float *rate;    /* [n_value_heads], -exp(A_log): negative */
    const float *norm;    /* [state_dim] */
};

struct layer_weights {
    const float *mixer_norm;            /* [d], before attention or DeltaNet */
    const float *ffn_norm;              /* [d] */
    struct attention_weights attention; /* of an attention layer */
    struct delta_weights delta;         /* of a recurrent layer */
    struct weight ffn_gate, ffn_up;     /* [n_ff][d] */
    struct weight ffn_down;             /* [d][n_ff] */
};

/* Multi-token-prediction block: predicts one token further from a token and a hidden row. */
struct mtp_weights {
    struct weight join;          /* [d][2 d]: embedding first, hidden second ("eh_proj") */
    const float *embedding_norm; /* [d] */
    const float *hidden_norm;    /* [d] */
    const float *output_norm;    /* [d] */
    struct weight embedding;     /* [n_vocab][d], native; often the trunk's */
    const struct weight *output; /* [n_vocab][d]; borrows; often the trunk's */
    struct weight own_output;    /* n_rows 0: the trunk's is used */
    struct layer_weights layer;  /* an attention layer */
};

struct bound_matrix {
    struct weight *weight;            /* borrows from the struct that holds it */
    const struct gguf_tensor *tensor; /* borrows from the file */
    uint64_t offset, n_bytes;         /* in the packed region; n_bytes 0: read natively */
};

struct weights {
    struct weight embedding;      /* [n_vocab][d]; rows are read natively, never packed */
    const float *output_norm;     /* [d] */
    struct weight output;         /* [n_vocab][d] */
    bool tied;                    /* output is the table of embeddings */
    struct layer_weights *layers; /* owns; [n_layers] */
    struct mtp_weights *mtp;      /* owns; [n_mtp] */

    struct bound_matrix *matrices; /* owns; every matrix that matmul reads */
    size_t n_matrices;
    float **vectors; /* owns; decoded small tensors */
    size_t n_vectors, vector_capacity, matrix_capacity;
    void *packed;          /* the packed region, in mapping */
    uint64_t packed_bytes; /* of the region, from weights_lay_out() on */
    void *mapping;         /* owns; anonymous, or a file of the cache */
    size_t mapping_bytes;
};

/*
 * Errors: DAMAGED (tensor missing or of another shape: "blk.7.ssm_out.weight: expected [2048,
 * 4096], got ..."), UNSUPPORTED (type: named), NO_MEMORY.  On failure *out holds nothing.
 */
enum status weights_bind(struct weights *out, const struct gguf *file,
                         const struct hyperparameters *parameters, enum kernel_level level,
                         struct error *error);
void weights_release(struct weights *weights);

/* Bytes of a matrix where the kernels read it: packed, or the rows of the file. */
uint64_t weight_bytes(const struct weight *weight);

/* What a pass of the trunk reads and multiplies; see struct model_info. */
struct weights_cost {
    uint64_t trunk_bytes, head_bytes;
    uint64_t trunk_operations, head_operations; /* of a row */
};

/* After weights_pack().  Multi-token-prediction blocks (n_mtp) are not part of the trunk. */
struct weights_cost weights_cost(const struct weights *weights, uint32_t n_mtp);

/*
 * Give every matrix that the level wants packed its place in one region, on pages of its own.
 * Errors: NO_MEMORY: more than an address space.
 */
enum status weights_lay_out(struct weights *weights, enum kernel_level level,
                            struct error *error);
/* Take over a mapping, with the packed region `offset` bytes into it. */
void weights_take_mapping(struct weights *weights, void *mapping, size_t n_bytes,
                          size_t offset);

/* Called on the calling thread; done and total are bytes of packed weights. */
typedef void (*weights_progress)(void *context, uint64_t done, uint64_t total);

/*
 * Pack every matrix that was laid out into memory of its own, with all threads of the pool, and drop the
 * file's pages of what was packed.  cancel and progress may be NULL.  Errors: NO_MEMORY,
 * CANCELLED.
 */
enum status weights_pack(struct weights *weights, const struct gguf *file,
                         enum kernel_level level, struct pool *pool, const atomic_bool *cancel,
                         weights_progress progress, void *context, struct error *error);

#endif
