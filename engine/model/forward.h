/*
 * forward.h - tokens through the layers, as the model card reads
 *
 * A pass takes the tokens of one chunk, one matrix of rows [n_tokens][width] at a time, through
 * all layers:
 *
 *     hidden = embedding of the tokens
 *     for each layer:  hidden += mixer(norm(hidden))      attention.c or deltanet.c
 *                      hidden += ffn(norm(hidden))        ffn.c
 *     logits = output norm(hidden)                        head.c, for the wanted rows alone
 *
 * Every stage is one parallel section whose parts write disjoint rows, heads or columns, and no
 * sum crosses a part: the bytes do not depend on threads.  No row looks at another but through
 * the written order of the recurrence and of attention blocks: they do not depend on chunks
 * either.
 *
 * Rows belong to one sequence, or each to one of its own: then matrices are read once for all,
 * and every row has the K and V, the recurrent state and the position of its sequence.
 *
 * A pass stops early when its cancel flag is set or a row is not finite; every later stage then
 * does nothing.  It allocates nothing: struct scratch is made once for a session.
 *
 * Thread: the session's; jobs run on the pool.
 */
#ifndef ENGINE_MODEL_FORWARD_H
#define ENGINE_MODEL_FORWARD_H

#include <stdatomic.h>
#include <stdbool.h>

#include "engine/error.h"
#include "engine/kernels/kernels.h"
#include "engine/model/head.h"
#include "engine/model/hyperparameters.h"
#include "engine/model/weights.h"
#include "engine/profile.h"
#include "engine/state/state.h"

struct pool;

/*
 * For tests: told of the rows of every stage, by the names in forward.c, attention.c and so
 * on.
 */
struct trace {
    void (*rows)(void *context, const char *stage, uint32_t layer, const float *rows,
                 size_t stride, uint32_t n_rows, uint32_t n_columns);
    void *context;
};

/* Work memory of a pass, for up to max_tokens rows; t is a row. */
struct scratch {
    uint32_t max_tokens;
    float *hidden; /* [t][d], the residual stream */
    float *normed; /* [t][2 d], input of projections (2 d: the MTP block joins two rows) */
    float *cosine, *sine;                    /* [t][n_rotary / 2] */
    double *frequencies;                     /* [n_rotary / 2] */
    void *activation[ACTIVATION_FORM_COUNT]; /* quantised rows of the widest input */

    /* A layer uses one of these groups after the other: they share memory. */
    struct {
        float *qkv; /* [t][query and gate of all heads | keys | values] */
        float *out; /* [t][n_head * head_dim] */
    } attention;
    struct {
        float *window;    /* raw rows; [n_taps - 1 + rows of it][conv_width] of each sequence */
        float *convolved; /* of each sequence [query, key, value heads][row][state_dim] */
        float *gate;      /* [t][value_width], z */
        float *alpha, *beta; /* [t][n_value_heads]; decay and beta in the end */
        float *out;          /* [t][value_width] */
        float *aside; /* of each sequence [n_value_heads] matrices; a part uses two slices */
    } delta;
    struct {
        float *gate, *up; /* [t][n_ff] */
    } ffn;
    struct head_row *rows;      /* [t], for callers that want plain logits */
    struct head_progress *head; /* its locks live as long as the scratch */
    void *memory;               /* owns */
    size_t n_bytes;
};

/* Errors: NO_MEMORY.  On failure *out holds nothing. */
enum status scratch_init(struct scratch *out, const struct hyperparameters *parameters,
                         const struct weights *weights, enum kernel_level level,
                         uint32_t max_tokens, struct error *error);
void scratch_release(struct scratch *scratch);

enum { NOTHING_BAD = UINT32_MAX, PASS_SEQUENCES_MAX = 32 };

/* What the rows of a sequence read and write. */
struct sequence {
    struct state *state;
    uint32_t first_position;      /* of its first row */
    struct recurrence recurrence; /* of the recurrent layers; see state.h */
};

struct pass {
    const struct hyperparameters *parameters;
    const struct weights *weights;
    const struct kernels *kernels;
    struct pool *pool;
    struct scratch *scratch;
    const struct trace *trace; /* may be NULL */
    struct profile *profile;   /* may be NULL */
    const atomic_bool *cancel; /* may be NULL */
    uint32_t n_tokens;         /* rows, at most scratch->max_tokens */
    uint32_t n_sequences;      /* 1, or n_tokens: one row each, of different states */
    struct sequence sequences[PASS_SEQUENCES_MAX];
    float *kept;    /* NULL, or [n_tokens][n_embd]: all rows behind the output norm go here */
    bool stopped;   /* cancelled or bad: stages do nothing */
    uint32_t layer; /* where the pass is */
    enum profile_layer kind;
    atomic_bool abandoned;    /* a part saw the cancel flag and did nothing */
    _Atomic uint32_t bad_row; /* first row that is not finite, or NOTHING_BAD */
};

/*
 * All layers for pass->n_tokens tokens, then what rows [n_rows] ask for of the logits of the
 * last n_rows tokens.  Writes K and V rows and what each recurrence says; commits nothing.
 * Errors: CANCELLED, FAILED (not finite: layer and position named).
 */
enum status forward(struct pass *pass, const int32_t *tokens, uint32_t n_rows,
                    struct head_row *rows, struct error *error);

/* Rows of each sequence; whose row t is; and its position. */
static inline uint32_t pass_rows_each(const struct pass *pass)
{
    return pass->n_sequences == 1 ? pass->n_tokens : 1;
}

static inline const struct sequence *pass_sequence(const struct pass *pass, uint32_t t)
{
    return &pass->sequences[pass->n_sequences == 1 ? 0 : t];
}

static inline uint32_t pass_position(const struct pass *pass, uint32_t t)
{
    return pass->n_sequences == 1 ? pass->sequences[0].first_position + t
                                  : pass->sequences[t].first_position;
}

/* Stages -------------------------------------------------------------------------------- */

void attention_layer(struct pass *pass, const struct layer_weights *weights);
/* The layer's K and V rows alone: for a layer whose output nobody wants. */
void attention_fill(struct pass *pass, const struct layer_weights *weights);
void deltanet_layer(struct pass *pass, const struct layer_weights *weights);
void ffn_layer(struct pass *pass, const struct layer_weights *weights);

/* Forget earlier stops, and compute the angles of the rows' positions plus angle_offset. */
void pass_begin(struct pass *pass, uint32_t layer, uint32_t angle_offset);
/* OK, CANCELLED, or FAILED for a row that is not finite. */
enum status pass_outcome(struct pass *pass, struct error *error);

/* Rows of the embedding table, decoded; row t of the pass to out + t * stride. */
void embed_rows(struct pass *pass, const struct weight *embedding, const int32_t *tokens,
                float *out, size_t stride);
/*
 * Rows first_row .. first_row + n_rows - 1 of x, normed, to rows 0 .. n_rows - 1 of out; finds
 * rows that are not finite.  [n_embd] each.
 */
void norm_rows(struct pass *pass, const float *x, size_t x_stride, const float *weight,
               uint32_t first_row, uint32_t n_rows, float *out, size_t out_stride);

/* What a projection reads: n_rows rows, normed on their way if norm is given. */
struct input_rows {
    const float *x; /* row t: x + t * stride, [n_columns] */
    size_t stride;
    uint32_t n_rows;
    const float *norm; /* NULL, or weights of an RMS norm over n_embd columns */
    float *normed;     /* with norm: its result goes here, rows [n_embd] */
};

struct projection {
    const struct weight *weight;
    float *out; /* row t: out + t * out_stride, [weight->n_rows] */
    size_t out_stride;
};

enum projection_then {
    PROJECTION_STORE,
    PROJECTION_ADD_HIDDEN, /* hidden += out */
    PROJECTION_GATED       /* of two projections: out of the first = silu(first) * second */
};

/*
 * out = W x for matrices that read the same rows, in one section behind the one that norms and
 * quantises them; what follows is done by the part that computed the rows, while they are in its
 * cache.  With a norm, finds input rows that are not finite.
 */
void project(struct pass *pass, enum profile_stage stage, const struct input_rows *input,
             const struct projection *projections, uint32_t n_projections,
             enum projection_then then);

/*
 * Rows x [n_rows][n_columns], of stride x_stride, to the scratch's activation buffer of a form;
 * a section.
 */
void quantize_rows(struct pass *pass, enum activation_form form, const float *x,
                   size_t x_stride, uint32_t n_columns, uint32_t n_rows);
/* A row of the pass holds an infinity or a NaN: remember the lowest one. */
void pass_bad_row(struct pass *pass, uint32_t row);

/* Items first .. first + count - 1 of a section. */
typedef void (*pass_job)(struct pass *pass, const void *context, uint32_t first,
                         uint32_t count);
void pass_run(struct pass *pass, enum profile_stage stage, uint32_t n_items, pass_job job,
              const void *context);
/* Is there nothing left to do?  Reads the cancel flag; between sections. */
bool pass_stopped(struct pass *pass);
void pass_trace(struct pass *pass, const char *stage, const float *rows, size_t stride,
                uint32_t n_rows, uint32_t n_columns);

#endif
