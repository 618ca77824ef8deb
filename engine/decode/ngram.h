/*
 * ngram.h - what followed the last tokens when they stood in the text before
 *
 * The longest suffix of `max` down to `min` tokens that occurs earlier wins, then its most recent
 * occurrence; both may overlap.  Candidates are what follows it, at most `gamma` and not past the
 * end; a recursive search continues behind them as if they stood in the text.
 *
 * The scan is the definition; the index gives the same and costs nothing to speak of.
 */
#ifndef ENGINE_DECODE_NGRAM_H
#define ENGINE_DECODE_NGRAM_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/error.h"

struct ngram_search {
    uint32_t gamma, min, max, min_candidates;
    bool recursive;
};

struct ngram_match {
    uint32_t n;      /* candidates; 0: nothing was found */
    uint32_t length; /* of the suffix that was found first */
    uint32_t start;  /* where */
};

/* tokens: [n_tokens], with room for gamma more, which are overwritten.  candidates: [gamma]. */
struct ngram_match ngram_scan(int32_t *tokens, uint32_t n_tokens,
                              const struct ngram_search *search, int32_t *candidates);

/* Where each group of `min` tokens ends, most recent first. */
struct ngram_index {
    int32_t *tokens;    /* owns; [capacity] */
    uint32_t *previous; /* owns; end of the group of the same hash before; 0: none */
    uint32_t *heads;    /* owns; [n_heads], a power of two */
    uint32_t n_heads, n_tokens, capacity, min;
};

enum status ngram_index_init(struct ngram_index *out, uint32_t min, uint32_t capacity,
                             struct error *error);
void ngram_index_release(struct ngram_index *index);
void ngram_index_clear(struct ngram_index *index);
/* The same tokens, for groups of another length. */
void ngram_index_set_min(struct ngram_index *index, uint32_t min);
/* At most `capacity` tokens in all. */
void ngram_index_append(struct ngram_index *index, int32_t token);
/* As ngram_scan(); needs room for gamma tokens; the index is as before when it returns. */
struct ngram_match ngram_index_find(struct ngram_index *index,
                                    const struct ngram_search *search, int32_t *candidates);

#endif
