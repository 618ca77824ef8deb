/*
 * sampler.h - from a row of logits to a token
 *
 * The order and the meaning of the settings stand in sampling.h.  Every truncation keeps a
 * prefix of the tokens sorted by (logit descending, id ascending), so that all of them together
 * are one threshold in that order; no part of the table is sorted but what is near it.  So a row
 * that holds the largest logits alone (engine/head.h) gives the same choice as all of them.
 *
 * Probabilities are whole numbers, about exp((logit - largest) / T) * 2^44 (within a millionth,
 * from tables): their sums are exact in any order.  Choice: the survivor with the largest logit
 * / T + noise, where noise is -log(-log(u)), u in (0, 1) from 52 bits of a hash of (seed,
 * position, id); this draws a token with its probability among the survivors (Gumbel-max).
 * Equal sums: the lowest id.
 *
 * NaN counts as minus infinity, which is never chosen.  Nothing is allocated after
 * sampler_init().  Owner: struct session.  Thread: one at a time.
 */
#ifndef ENGINE_DECODE_SAMPLER_H
#define ENGINE_DECODE_SAMPLER_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/model/head.h"
#include "engine/sampling.h"

enum {
    SAMPLER_AHEAD_MAX = 64, /* tokens of a pass before a row */
    SAMPLER_TABLE = 1024    /* steps of each of the two tables of powers of two */
};

struct sampler {
    const struct kernels *kernels; /* the definition, unless its owner takes faster ones */
    uint32_t n_vocab;
    uint64_t *keys;   /* owns; [n_vocab], candidates as sortable numbers */
    float *maxima;    /* owns; largest logit of each HEAD_BLOCK tokens, where a row has none */
    uint32_t *counts; /* owns; [n_vocab], how often a token was generated */
    int32_t *seen;    /* owns; [n_vocab], the tokens whose count is not zero */
    uint32_t n_seen;
    uint64_t *seen_bits; /* owns; the same, a word for each HEAD_BLOCK tokens */
    float presence_penalty, frequency_penalty, repetition_penalty; /* of sampler_ask() */
    uint64_t coarse[SAMPLER_TABLE];                                /* 2^44 * 2^(-i / 1024) */
    uint32_t fine[SAMPLER_TABLE]; /* 2^28 * (1 - 2^(-i / 1024^2)) */
};

enum status sampler_init(struct sampler *out, uint32_t n_vocab, struct error *error);
void sampler_release(struct sampler *sampler);

/* Forget what was generated: penalties count from here. */
void sampler_begin(struct sampler *sampler);
void sampler_accept(struct sampler *sampler, int32_t id);
/* Take one count of a token back, if it has any. */
void sampler_forget(struct sampler *sampler, int32_t id);
/* What `from` counts, and nothing else; same vocabulary. */
void sampler_copy_counts(struct sampler *sampler, const struct sampler *from);

/*
 * Make a row ask for what a choice with these settings needs; memory of the row stays.  Penalties
 * are those of the tokens counted now and of ahead [n_ahead] (at most
 * SAMPLER_AHEAD_MAX), which come before the choice too.
 * sampler and ahead are borrowed until the pass is over, and counts must not change until then.
 */
void sampler_ask(struct sampler *sampler, const struct sampling *sampling, const int32_t *ahead,
                 uint32_t n_ahead, struct head_row *row);
/* The token for `position` from a row that asked so; -1 as sampler_choose(). */
int32_t sampler_choose_row(struct sampler *sampler, const struct sampling *sampling,
                           struct head_row *row, uint64_t noise_seed, uint32_t position);

/*
 * The token for `position`.  logits: [n_vocab]; penalties are written into it.
 * -1: no logit is a number above minus infinity.
 */
int32_t sampler_choose(struct sampler *sampler, const struct sampling *sampling, float *logits,
                       uint64_t noise_seed, uint32_t position);

/* u of a token, in (0, 1): 52 bits and a half. */
double sampling_noise(uint64_t noise_seed, uint32_t position, int32_t id);

#endif
