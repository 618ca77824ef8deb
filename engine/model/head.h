/*
 * head.h - the output matrix in tiles, and what each row of logits is wanted for
 *
 * A row says what is to be kept of its logits, and gets it.  Every part of the output section
 * multiplies a few blocks of tokens at a time for all rows; while such a tile is in the cache its
 * values are checked, adjusted (penalties) and copied to a full row, or compared with the least
 * that the row has kept.  What is kept does not depend on the order of tiles: the n_best largest
 * keys (logit_order.h), all above minus infinity, NaN being none.
 *
 * Thread: the session's; parts run on the pool.
 */
#ifndef ENGINE_MODEL_HEAD_H
#define ENGINE_MODEL_HEAD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/head.h"
#include "engine/kernels/kernels.h"

enum {
    HEAD_BLOCK = LOGIT_BLOCK, /* tokens whose largest logit is kept beside a full row */
    HEAD_BEST_MAX = 256,      /* keys of a row */
    HEAD_SECTION_ROWS = 256,
    HEAD_LOCKS = 32
};

struct head_row {
    /* The request. */
    enum head_strategy strategy;
    uint32_t n_best; /* ARG_MAX, TOP_K: 1 .. HEAD_BEST_MAX, as far as keys has room */
    /*
     * NULL, or changes logits [n] of tokens first .. first + n - 1 before anything is kept of
     * them; first is a multiple of HEAD_BLOCK, and tokens of a block come together.  Parts call
     * it side by side.
     */
    void (*adjust)(const struct head_row *row, uint32_t first, uint32_t n, float *logits);
    const void *context;  /* of adjust; borrows */
    const int32_t *ahead; /* [n_ahead], tokens of the pass before this row; borrows */
    uint32_t n_ahead;
    /* The result; memory of the caller. */
    float *logits;   /* FULL: [n_vocab] */
    float *maxima;   /* FULL: NULL, or the largest of each HEAD_BLOCK; see block_maxima */
    uint64_t *keys;  /* ARG_MAX, TOP_K: [n_best], the largest first */
    uint32_t n_keys; /* fewer than n_best where no more are above minus infinity */
};

/* Rows with memory for every strategy; what no request asks for is never touched. */
struct head_rows {
    struct head_row *rows; /* owns; [n] */
    uint32_t n;
    float *logits, *maxima; /* own */
    uint64_t *keys;         /* owns */
};

/* Errors: NO_MEMORY; *out holds nothing then. */
enum status head_rows_init(struct head_rows *out, uint32_t n_rows, uint32_t n_vocab,
                           struct error *error);
void head_rows_release(struct head_rows *rows); /* zeroed ones are allowed */

static inline uint32_t head_block_count(uint32_t n_vocab)
{
    return (n_vocab + HEAD_BLOCK - 1) / HEAD_BLOCK;
}

/* rows [n_rows] ask for all logits as they are: row i at logits + i * n_vocab. */
void head_ask_full(struct head_row *rows, uint32_t n_rows, float *logits, uint32_t n_vocab);

/* What the rows of a section share while it runs; in the scratch of a session. */
struct head_progress {
    pthread_mutex_t locks[HEAD_LOCKS];              /* row r: locks[r % HEAD_LOCKS]; its keys */
    _Atomic uint64_t thresholds[HEAD_SECTION_ROWS]; /* keys at or below it are not kept */
};

struct pass;
struct weight;

/*
 * The requests of the last n_rows rows of a pass, from their normed rows [n_rows][n_embd].  A
 * row with a logit that is not finite is marked in the pass.  Allocates nothing.
 */
void head_project(struct pass *pass, const struct weight *weight, const float *normed,
                  uint32_t n_rows, struct head_row *rows);

/* The same from a row of logits [n_vocab] that is there already: for targets that are scripted. */
void head_take(const struct kernels *kernels, struct head_row *row, const float *logits,
               uint32_t n_vocab);

#endif
