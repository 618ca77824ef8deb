/*
 * head.h - how the output matrix of a model is read: what is kept of a row of logits
 *
 * The output matrix has a row for each token of the vocabulary, and is the largest of a small
 * model.  What the sampler cannot need is not written: each part of the matrix is multiplied in
 * tiles that stay in the first-level cache, and from a tile only what may be chosen is kept.  The
 * choice is the same for every strategy; only time and memory differ.
 *
 * Thread: any; functions of their arguments alone.
 */
#ifndef ENGINE_HEAD_H
#define ENGINE_HEAD_H

#include <stdint.h>

#include "engine/sampling.h"

enum head_strategy {
    HEAD_FULL,    /* every logit is written */
    HEAD_ARG_MAX, /* the largest alone */
    HEAD_TOP_K,   /* the k largest */
    HEAD_STRATEGY_COUNT
};

/* "full", "tiled arg-max", "tiled top-k" */
const char *head_strategy_name(enum head_strategy strategy);

/*
 * What generation with these settings takes, by this rule: temperature 0: arg-max; a top_k up to
 * 256 (below the vocabulary): top-k, for top-p and min-p cut further among these; else every token
 * can be chosen, or counts in the sum of top-p: full.  Penalties change nothing in that: they are
 * applied inside of the tiles.
 */
enum head_strategy head_strategy_for(const struct sampling *sampling, uint32_t n_vocab);

#endif
