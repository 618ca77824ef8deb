/*
 * state.h - what a session remembers between tokens
 *
 * Attention layers keep a key and a value row for each position and K/V head.  Recurrent layers
 * keep one matrix for each value head and the last raw inputs of the convolution.  Both
 * describe the same position, and tokens [position] are what led there.
 *
 * Commit.  Rows of K and V behind the position are scratch: a pass writes them freely.
 * Recurrent and convolution state stand in two buffers.  A pass of several tokens reads the
 * live one, writes the other, and state_commit() exchanges them, so that a pass that is
 * abandoned leaves no trace; the price is one copy of the state for each chunk, made slice by
 * slice where the slice is needed anyway.  A pass of one token writes the live buffer in place:
 * a copy would cost as much as the step.
 *
 * Layouts, in elements:
 *     key, value    [n_head_kv][capacity][head_dim]
 *     recurrent     [n_value_heads][state_dim / DELTA_SLICE][state_dim keys][DELTA_SLICE]
 *     convolution   [n_taps - 1][conv_width], oldest first
 *
 * Memory is reserved for all positions and touched as positions are used.
 * Owner: struct session.  Thread: one at a time; pool workers write disjoint parts.
 */
#ifndef ENGINE_STATE_STATE_H
#define ENGINE_STATE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct hyperparameters;

struct layer_state {
    size_t key, value;             /* bytes from state->kv; attention layers */
    size_t recurrent, convolution; /* floats from the buffers; recurrent layers */
};

struct state {
    const struct hyperparameters *parameters; /* borrows from the model */
    uint32_t n_context;                       /* positions that may be used */
    uint32_t capacity;                        /* the same in whole attention blocks */
    uint32_t position;
    uint32_t n_mtp_rows; /* pairs that the MTP blocks have consumed; see mtp.h */
    bool half;           /* K and V are IEEE half, else f32 */
    bool lost;           /* a pass in place failed: only a reset or a restore helps */
    int live;            /* which buffer holds the state at position */
    int32_t *tokens;     /* [n_context] */
    unsigned char *kv;   /* owns, as the buffers below: anonymous mappings */
    size_t kv_bytes;
    float *recurrent[2], *convolution[2];
    size_t n_recurrent, n_convolution; /* floats */
    struct layer_state *layers;        /* owns; [n_layers + n_mtp] */
};

/* Errors: NO_MEMORY.  On failure *out holds nothing. */
enum status state_init(struct state *out, const struct hyperparameters *parameters,
                       uint32_t n_context, bool half, struct error *error);
void state_release(struct state *state);
/* Position 0, zero state. */
void state_reset(struct state *state);
/* Consume n_tokens; in_place: the pass wrote the live buffer. */
void state_commit(struct state *state, const int32_t *tokens, uint32_t n_tokens, bool in_place);
/* Memory that the tokens so far use. */
uint64_t state_bytes(const struct state *state);
/* The same numbers for a model: fixed part, and each position with K and V as half. */
void state_cost(const struct hyperparameters *parameters, uint64_t *fixed_bytes,
                uint64_t *half_bytes_per_token);

/* Rows of one K/V head: [capacity][head_dim]. */
void *state_key(const struct state *state, uint32_t layer, uint32_t head);
void *state_value(const struct state *state, uint32_t layer, uint32_t head);

/* Snapshots: see session.h. */
struct snapshot;
enum status state_snapshot(const struct state *state, struct snapshot **out,
                           struct error *error);
enum status state_restore(struct state *state, const struct snapshot *snapshot,
                          struct error *error);

#endif
