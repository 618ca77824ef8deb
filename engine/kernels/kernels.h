/*
 * kernels.h - one table of kernels, many levels
 *
 * Everything that touches floats in the forward pass is a function of this table, so that a level
 * is chosen once (kernels_for()) and no code above asks which processor it runs on.
 *
 * The definition.  Each output element has one written order of float operations, the same for one
 * activation row and for many, and the same at every level but REFERENCE; ARCHITECTURE.md, "The
 * order of additions", gives it.  Integer sums are exact and free to arrange.  So a kernel may be
 * split over output rows (groups), heads or columns, never inside one sum, and results are equal
 * by memcmp for any number of rows, threads and for any of these levels.
 *
 * Layout.  Weights are packed once into groups of GROUP_ROWS output rows, so that the rows of a
 * group are the lanes of a vector.  The packing is private to engine/kernels.  REFERENCE reads the
 * native rows of the file and needs no packing.
 *
 * Thread: tables are constant; kernels write only where their out parameter says.
 */
#ifndef ENGINE_KERNELS_KERNELS_H
#define ENGINE_KERNELS_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/file/tensor_type.h"
#include "engine/kernel_level.h"

enum {
    GROUP_ROWS = 16,      /* output rows in a packed group */
    ATTENTION_BLOCK = 64, /* absolute positions combined at a time, see attention */
    DELTA_SLICE = 16,     /* value columns in a slice of the recurrent state */
    LOGIT_BLOCK = 64,     /* logits whose largest is looked for together */
    KERNEL_ALIGNMENT = 64 /* bytes: packed weights, activations, states, rows of floats */
};

/* A weight matrix [n_rows outputs][n_columns inputs]: y = W x. */
struct weight {
    enum tensor_type type;
    uint32_t n_rows;
    uint32_t n_columns;
    const void *native; /* rows as in the file; borrows from the mapping; any alignment */
    const void *packed; /* groups, aligned; NULL: not packed.  Owner: struct model */
};

/* How an activation row is stored for a weight type. */
enum activation_form {
    ACTIVATION_F32,    /* the floats themselves: F32, F16, BF16 weights; all at REFERENCE */
    ACTIVATION_Q8_32,  /* int8, one f32 scale per 32: weight types with blocks of 32 */
    ACTIVATION_Q8_256, /* int8, one f32 scale per 256: K-quants, IQ4_XS */
    ACTIVATION_FORM_COUNT
};

/* One DeltaNet head (or some of its slices) over the tokens of a chunk. */
struct delta_rule_job {
    float *state;   /* [n_value / DELTA_SLICE][n_key][DELTA_SLICE], in and out */
    uint32_t n_key; /* key dimension, a multiple of 4 */
    uint32_t first_slice;
    uint32_t n_slices;
    uint32_t n_tokens;
    const float *query; /* token t: query + t * query_stride, [n_key], scaled */
    const float *key;   /* token t: key + t * key_stride, [n_key] */
    const float *value; /* token t: value + t * value_stride, [n_value] */
    const float *decay; /* token t: decay[t * gate_stride], in (0, 1] */
    const float *beta;  /* token t: beta[t * gate_stride] */
    float *out;         /* token t: out + t * out_stride, [n_value] */
    float *delta; /* NULL, or token t: delta + t * delta_stride, [n_value]: kept for rollback */
    size_t query_stride, key_stride, value_stride, gate_stride, out_stride, delta_stride;
};

/*
 * Attention of the query heads that share one K/V head, n_rows query rows at positions
 * first_position .. first_position + n_rows - 1; row r sees keys 0 .. first_position + r.
 */
struct attention_job {
    const void *key;   /* [position][n_key], half or float; position stride n_key */
    const void *value; /* [position][n_value] */
    bool half;         /* K and V are IEEE half, else f32 */
    uint32_t n_key;    /* a multiple of 16 */
    uint32_t n_value;  /* a multiple of 16 */
    uint32_t n_heads;  /* query heads that share this K/V head */
    uint32_t n_rows;
    uint32_t first_position;
    float scale; /* multiplies each q.k */
    const float
        *query; /* row r, head h: query + r * query_row_stride + h * query_head_stride */
    float *out; /* row r, head h: out + r * out_row_stride + h * out_head_stride */
    size_t query_row_stride, query_head_stride, out_row_stride, out_head_stride;
};

struct kernels {
    enum kernel_level level;

    /*
     * Pack groups first_group .. first_group + n_groups - 1 of weight->native into packed (the
     * start of the whole packed matrix, KERNEL_ALIGNMENT aligned).  Rows beyond n_rows are packed
     * as zeros.  All levels give the same bytes.
     */
    void (*pack)(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                 void *packed);

    /*
     * Store n_rows rows x [n_rows][n_columns] (row stride x_stride floats) in an activation buffer
     * of activation_bytes(form, n_columns, n_rows) bytes for row indices first_row ..
     * first_row + n_rows - 1 of n_total rows.  A row's bytes depend on that row alone.
     */
    void (*quantize)(enum activation_form form, const float *x, size_t x_stride,
                     uint32_t n_columns, uint32_t first_row, uint32_t n_rows, uint32_t n_total,
                     void *activation);

    /*
     * out[t * out_stride + row] = (W x_t)[row] for rows of groups first_group ..
     * first_group + n_groups - 1 (the last group may be partial) and tokens t = 0 .. n_tokens - 1.
     * activation: in the form that kernels_activation_form() names, with n_total = n_tokens.
     */
    void (*matmul)(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                   const void *activation, uint32_t n_tokens, float *out, size_t out_stride);

    /* out = x / sqrt(mean(x^2) + eps) * weight; [n], n a multiple of 16; out may be x. */
    void (*rms_norm)(const float *x, const float *weight, uint32_t n, float eps, float *out);
    /* out = x / sqrt(sum(x^2) + eps) * scale; [n], n a multiple of 16; out may be x. */
    void (*l2_norm)(const float *x, uint32_t n, float eps, float scale, float *out);
    /* x += y; [n] */
    void (*add)(float *x, const float *y, size_t n);
    /* out = silu(gate) * up; [n]; out may be either.  silu(v) = v / (1 + exp(-v)) */
    void (*silu_multiply)(const float *gate, const float *up, size_t n, float *out);
    /* out = x * sigmoid(gate); [n]; out may be x */
    void (*sigmoid_multiply)(const float *x, const float *gate, size_t n, float *out);
    /*
     * Causal depthwise convolution and SiLU over n channels.
     * window: n_taps - 1 + n_tokens raw rows [n], oldest first, window_stride floats apart.
     * taps: n_taps rows [n], taps_stride apart; the last one belongs to the current token.
     * out: n_tokens rows [n], out_stride apart.
     */
    void (*convolve)(const float *window, size_t window_stride, const float *taps,
                     size_t taps_stride, uint32_t n_taps, uint32_t n, uint32_t n_tokens,
                     float *out, size_t out_stride);
    /*
     * Rotate the first 2 * n_pairs values of x in place, pair (i, i + n_pairs):
     * (a, b) -> (a cos - b sin, a sin + b cos).  cosine, sine: [n_pairs]
     */
    void (*rotate)(float *x, const float *cosine, const float *sine, uint32_t n_pairs);
    /*
     * Gated delta rule, one token after another (Yang et al., Gated Delta Networks):
     * S = decay S; r = S^T k; delta = beta (v - r); S = S + k delta^T; o = S^T q.
     */
    void (*delta_rule)(const struct delta_rule_job *job);
    /* S = decay S, then S = fma(k, delta, S) for accepted tokens, as delta_rule does it. */
    void (*delta_apply)(const struct delta_rule_job *job);
    /*
     * Causal softmax attention over blocks of ATTENTION_BLOCK absolute positions, combined in
     * ascending order with a running maximum.
     */
    void (*attention)(const struct attention_job *job);
    /* n values to IEEE half, round to nearest even. */
    void (*to_half)(const float *x, size_t n, uint16_t *out);
    /*
     * The largest of each LOGIT_BLOCK values x [n] to maxima; NaN is passed over, nothing is minus
     * infinity, and no zero is negative.  false: a value is infinite or NaN.
     */
    bool (*block_maxima)(const float *x, uint32_t n, float *maxima);
    /*
     * out = (x - largest) * inverse_temperature * factor in double, cut to whole numbers, and most
     * where that is not below it; [n].  x is largest at most or NaN, factor below 0, most < 2^31.
     */
    void (*gap_steps)(const float *x, uint32_t n, float largest, double inverse_temperature,
                      double factor, uint32_t most, uint32_t *out);
    /* Bit i: noise_hash(base, first + i) is at least limit; of LOGIT_BLOCK tokens (noise.h). */
    uint64_t (*noise_above)(uint64_t base, uint32_t first, uint64_t limit);
};

/* The table of a level that kernel_level_supported(); never NULL for such a level. */
const struct kernels *kernels_for(enum kernel_level level);

/* Which form kernels->matmul of this level wants for a weight type. */
enum activation_form kernels_activation_form(enum kernel_level level, enum tensor_type type);
/* Bytes of an activation buffer, KERNEL_ALIGNMENT aligned; 0 on overflow. */
size_t kernels_activation_bytes(enum activation_form form, uint32_t n_columns, uint32_t n_rows);
/*
 * Where column `column`, a multiple of 256, begins in the buffer of n_total rows: columns from
 * there on may be quantised by themselves.  Not for ACTIVATION_F32.
 */
size_t kernels_activation_offset(enum activation_form form, uint32_t column, uint32_t n_total);

/* Does this level want packed weights of the type (false: it reads weight->native)? */
bool kernels_wants_packing(enum kernel_level level, enum tensor_type type);
/* Changes whenever packed bytes of any type would; levels that pack share one layout. */
uint32_t kernels_layout_version(void);
/* Bytes of one packed group of GROUP_ROWS rows. */
size_t kernels_group_bytes(enum tensor_type type, uint32_t n_columns);
/* Groups first_group .. first_group + n_groups - 1 of a weight as one of their own; borrows. */
struct weight kernels_weight_groups(const struct weight *weight, uint32_t first_group,
                                    uint32_t n_groups);

#endif
