/*
 * state.h - what a session remembers between tokens
 *
 * Attention layers keep a key and a value row for each position and K/V head.  Recurrent layers
 * keep one matrix for each value head and the last raw inputs of the convolution.  Both
 * describe the same position, and tokens [position] are what led there.
 *
 * Rows of K and V behind the position are scratch: a pass writes them freely.  Recurrent and
 * convolution state stand in two buffers, and how a pass treats them is its struct recurrence:
 *
 *     chunk    reads the live buffer and writes the spare one; the commit exchanges them, so that
 *              an abandoned pass leaves no trace.  The copy is made slice by slice where the slice
 *              is needed anyway.
 *     step     one token, in the live buffer: a copy would cost as much as the step.  It cannot
 *              be abandoned half-way.
 *     verify   runs on a copy of each slice that stays in the first-level cache and is thrown
 *              away.  What each row adds goes to a log: its key, delta, decay and raw
 *              convolution row.
 *
 * Waiting rows.  The live buffer describes position `settled`; rows settled .. position - 1 are
 * accepted and wait in a log.  The next pass applies them to each slice that it loads, with the
 * roundings that the recurrence has.  A pass that is abandoned may have done so for some slices:
 * `applied` says which, so that no row is applied twice.  state_settle() does the rest for
 * whoever reads the state apart from a pass.
 *
 * A mark keeps the buffer that describes the marked position (it costs no copy: the first pass
 * behind the mark writes the spare buffer) and a log of all rows since.
 *
 * Layouts, in elements:
 *     key, value    [n_head_kv][capacity][head_dim]
 *     recurrent     [n_value_heads][state_dim / DELTA_SLICE][state_dim keys][DELTA_SLICE]
 *     convolution   [n_taps - 1][conv_width], oldest first
 *
 *     log           [recurrent layers][VERIFY_ROWS_MAX][row_floats], a row: raw | key | delta | decay
 *
 * Memory is reserved for all positions and rows, and touched as they are used.
 * Owner: struct session.  Thread: one at a time; pool workers write disjoint parts.
 */
#ifndef ENGINE_STATE_STATE_H
#define ENGINE_STATE_STATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct hyperparameters;
struct kernels;

enum {
    VERIFY_ROWS_MAX =
        33 /* rows of a verify pass or behind a mark: 32 guesses behind a choice */
};

struct layer_state {
    size_t key, value;             /* bytes from state->kv; attention layers */
    size_t recurrent, convolution; /* floats from the buffers; recurrent layers */
    uint32_t ordinal;              /* among the recurrent layers */
};

/* What rows first .. first + VERIFY_ROWS_MAX - 1 added to each recurrent layer. */
struct row_log {
    uint32_t first; /* position of row 0 */
    uint32_t most;  /* rows that were ever written: memory that is backed */
    float *rows;    /* owns, a mapping */
};

enum recurrence_run {
    RUN_THERE,    /* where the settled slice stands */
    RUN_IN_SPARE, /* the settled slice is kept as it is: a copy in the spare buffer */
    RUN_ASIDE     /* on a copy that is thrown away */
};

/* How a pass treats the recurrent state; state_plan() decides. */
struct recurrence {
    bool to_spare; /* waiting rows are applied to a copy in the spare buffer, not in place */
    enum recurrence_run run;
    int log; /* where the rows of the pass are kept; -1: nowhere */
    uint32_t first_row;
};

/* Rows of the trunk behind the output norm, for the MTP block: see verify.h. */
struct hidden_rows {
    float *rows;    /* owns; [capacity][n_embd]; NULL: not kept */
    float *drafted; /* owns; [n_embd], the block's own row of the last draft */
    uint32_t capacity;
    uint32_t first,
        n; /* positions first .. first + n - 1; those behind the position are void */
    uint32_t n_drafted; /* rows of the block's K and V behind n_mtp_rows */
};

struct state {
    const struct hyperparameters *parameters; /* borrows from the model */
    const struct kernels *kernels;            /* borrows */
    uint32_t n_context;                       /* positions that may be used */
    uint32_t capacity;                        /* the same in whole attention blocks */
    uint32_t position;
    uint32_t n_mtp_rows; /* pairs that the MTP blocks have consumed; see mtp.h */
    bool half;           /* K and V are IEEE half, else f32 */
    bool lost;           /* a pass in place failed: only a reset or a restore helps */
    int live;            /* which buffer holds the state at `settled` */
    uint32_t settled;    /* rows from here to the position wait in logs[waiting_log] */
    int waiting_log;
    uint32_t n_verified;        /* rows of the last verify pass, if nothing came after it */
    struct recurrence verified; /* how that pass went */
    bool marked;
    bool mark_apart; /* the spare buffer holds the marked state, otherwise the live one */
    uint32_t mark_position;
    int mark_log;
    int32_t *tokens;   /* [n_context] */
    unsigned char *kv; /* owns, as the buffers below: anonymous mappings */
    size_t kv_bytes;
    float *recurrent[2], *convolution[2];
    size_t n_recurrent, n_convolution; /* floats */
    struct layer_state *layers;        /* owns; [n_layers + n_mtp] */
    uint32_t n_recurrent_layers;
    struct row_log logs[2];
    size_t row_floats;
    unsigned char *applied; /* owns; flags: slices of all layers, then their key heads */
    size_t n_applied;
    struct hidden_rows hidden;
};

/* Errors: NO_MEMORY.  On failure *out holds nothing. */
enum status state_init(struct state *out, const struct hyperparameters *parameters,
                       const struct kernels *kernels, uint32_t n_context, bool half,
                       struct error *error);
void state_release(struct state *state);
/* Position 0, zero state. */
void state_reset(struct state *state);
/* Drop what is waiting, verified, marked and kept for the MTP block: another state comes. */
void state_forget(struct state *state);

/*
 * How a pass of n_tokens behind the position is to go; verify: nothing of it is to be committed
 * yet.  A mark whose log has no room for the rows is dropped here.
 */
struct recurrence state_plan(struct state *state, uint32_t n_tokens, bool verify);
/* Would a failure of such a pass leave no state? */
bool recurrence_in_place(const struct recurrence *recurrence);
/* The pass succeeded: consume its n_tokens. */
void state_commit(struct state *state, const int32_t *tokens, uint32_t n_tokens,
                  const struct recurrence *recurrence);
/* The verify pass succeeded: keep its rows for state_accept(). */
void state_keep(struct state *state, const int32_t *tokens, uint32_t n_tokens,
                const struct recurrence *recurrence);
/* Consume the first n_rows of the n_verified ones. */
void state_accept(struct state *state, uint32_t n_rows);
void state_mark(struct state *state);
/* To a position since the mark, which stays. */
void state_rewind(struct state *state, uint32_t position);
/* Nothing waits any more: the live buffer describes the position. */
void state_settle(struct state *state);
/* Memory that the tokens so far use. */
uint64_t state_bytes(const struct state *state);
/* The same numbers for a model: fixed part, and each position with K and V as half. */
void state_cost(const struct hyperparameters *parameters, uint64_t *fixed_bytes,
                uint64_t *half_bytes_per_token);

/* Rows of one K/V head: [capacity][head_dim]. */
void *state_key(const struct state *state, uint32_t layer, uint32_t head);
void *state_value(const struct state *state, uint32_t layer, uint32_t head);

/* Pieces of a pass ---------------------------------------------------------------------- */

/* A layer's part of a row of a log. */
struct logged_row {
    float *raw;   /* [conv_width], what entered the convolution */
    float *key;   /* [key_width] */
    float *delta; /* [value_width] */
    float *decay; /* [n_value_heads] */
};

struct logged_row state_logged_row(const struct state *state, int log, uint32_t layer,
                                   uint32_t row);
/*
 * The raw rows before the position that the convolution looks back at, channels first .. first + n
 * - 1 of them: row i to out + i * conv_width + first, n_taps - 1 rows.
 */
void state_look_back(const struct state *state, uint32_t layer, uint32_t first, uint32_t n,
                     float *out);
/* Do rows wait for this slice of the live buffer, or for the convolution of a key head? */
bool state_slice_waits(const struct state *state, uint32_t layer, uint32_t slice);
bool state_convolution_waits(const struct state *state, uint32_t layer, uint32_t key_head);
void state_slice_done(struct state *state, uint32_t layer, uint32_t slice);
void state_convolution_done(struct state *state, uint32_t layer, uint32_t key_head);
/* Apply the waiting rows to slices of one value head; `slices` is where the first one stands. */
void state_apply_waiting(const struct state *state, uint32_t layer, uint32_t slice,
                         uint32_t n_slices, float *slices);

/* Snapshots: see session.h. */
struct snapshot;
enum status state_snapshot(struct state *state, struct snapshot **out, struct error *error);
enum status state_restore(struct state *state, const struct snapshot *snapshot,
                          struct error *error);

#endif
