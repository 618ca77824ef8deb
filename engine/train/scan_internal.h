/*
 * scan_internal.h - how the scans lay out their scratch memory; for scan*.c and scan_*.h only
 *
 * Rows are padded with zeros to whole vectors of 16 lanes and the rows of a delta-rule state to
 * whole blocks of 4, so that the loops have no tails; a zero adds nothing to a chain of fused
 * multiply-adds.
 */
#ifndef ENGINE_TRAIN_SCAN_INTERNAL_H
#define ENGINE_TRAIN_SCAN_INTERNAL_H

#include "engine/train/kernels.h"

enum {
    SCAN_LANES = 16,
    SCAN_ROW_CHAINS = 4,   /* sums over the rows of a state: row i goes to chain i mod 4 */
    SCAN_QUERY_BLOCK = 16, /* queries whose scores are kept at a time */
};

static inline size_t scan_padded(size_t n)
{
    return (n + SCAN_LANES - 1) / SCAN_LANES * SCAN_LANES;
}

/* Offsets into delta_scan.scratch, in floats. */
struct delta_layout {
    size_t n_rows, n_columns, n_state; /* of a padded state */
    size_t states;                     /* [chunk + 1][n_rows][n_columns] */
    size_t residuals;                  /* [chunk][n_columns]: v - r */
    size_t gradient;                   /* [n_rows][n_columns] */
    size_t query_sums, key_sums;       /* [n_rows][16]: lanes of d_query and d_key of a token */
    size_t query, key;                 /* [n_rows padded]: this token's */
    size_t value, out, read_gradient;  /* [n_columns]: this token's */
    size_t total;
};

static inline struct delta_layout delta_layout_of(uint32_t n_key, uint32_t n_value,
                                                  uint32_t chunk)
{
    struct delta_layout layout = {.n_columns = scan_padded(n_value)};

    layout.n_rows = ((size_t)n_key + SCAN_ROW_CHAINS - 1) / SCAN_ROW_CHAINS * SCAN_ROW_CHAINS;
    layout.n_state = layout.n_rows * layout.n_columns;
    layout.states = 0;
    layout.residuals = layout.states + ((size_t)chunk + 1) * layout.n_state;
    layout.gradient = layout.residuals + chunk * layout.n_columns;
    layout.query_sums = layout.gradient + layout.n_state;
    layout.key_sums = layout.query_sums + scan_padded(n_key) * SCAN_LANES;
    layout.query = layout.key_sums + scan_padded(n_key) * SCAN_LANES;
    layout.key = layout.query + scan_padded(n_key);
    layout.value = layout.key + scan_padded(n_key);
    layout.out = layout.value + layout.n_columns;
    layout.read_gradient = layout.out + layout.n_columns;
    layout.total = layout.read_gradient + layout.n_columns;
    return layout;
}

/* Offsets into attention_scan.scratch, in floats. */
struct attention_layout {
    size_t n_columns;                    /* n_dim, padded */
    size_t n_keys;                       /* n_tokens, padded */
    size_t key, value;                   /* [n_keys][n_columns] */
    size_t key_columns, value_columns;   /* [n_columns][n_keys]: transposed */
    size_t key_gradient, value_gradient; /* [n_keys][n_columns] */
    size_t query, out, query_gradient;   /* [SCAN_QUERY_BLOCK][n_columns] */
    size_t weights, score_gradient;      /* [SCAN_QUERY_BLOCK][n_keys] */
    size_t total;
};

static inline struct attention_layout attention_layout_of(uint32_t n_dim, uint32_t n_tokens)
{
    struct attention_layout layout = {.n_columns = scan_padded(n_dim),
                                      .n_keys = scan_padded(n_tokens)};
    size_t n_matrix = layout.n_columns * layout.n_keys;

    layout.key = 0;
    layout.value = layout.key + n_matrix;
    layout.key_columns = layout.value + n_matrix;
    layout.value_columns = layout.key_columns + n_matrix;
    layout.key_gradient = layout.value_columns + n_matrix;
    layout.value_gradient = layout.key_gradient + n_matrix;
    layout.query = layout.value_gradient + n_matrix;
    layout.out = layout.query + SCAN_QUERY_BLOCK * layout.n_columns;
    layout.query_gradient = layout.out + SCAN_QUERY_BLOCK * layout.n_columns;
    layout.weights = layout.query_gradient + SCAN_QUERY_BLOCK * layout.n_columns;
    layout.score_gradient = layout.weights + SCAN_QUERY_BLOCK * layout.n_keys;
    layout.total = layout.score_gradient + SCAN_QUERY_BLOCK * layout.n_keys;
    return layout;
}

#endif
