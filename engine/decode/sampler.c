/*
 * sampler.c - penalties, truncation by one threshold, Gumbel-max
 */
#include "engine/decode/sampler.h"

#include "engine/file/checked.h"
#include "engine/kernels/math.h"
#include "engine/kernels/noise.h"
#include "engine/model/logit_order.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const double LN2 = 0x1.62e42fefa39efp-1;

/*
 * Gaps from the largest logit are counted in steps of 2^-20 of a power of two: 10 bits for each
 * table, and what is above them halves the weight.  The largest weight is 2^44, so that 2^18 of
 * them fit 64 bits; gaps of 45 halvings and more weigh nothing.
 */
enum {
    STEP_BITS = 20,
    ONE_BITS = 44,
    FINE_BITS = 28,
    BUCKET_BITS = 5, /* 32 buckets for each halving */
    N_BUCKETS = (ONE_BITS + 1) << BUCKET_BITS,
    NO_WEIGHT = (ONE_BITS + 1) << STEP_BITS
};

static void make_tables(struct sampler *sampler)
{
    for (int i = 0; i < SAMPLER_TABLE; i++) {
        const double coarse = math_exp64(-LN2 * i / SAMPLER_TABLE);
        const double fine = 1 - math_exp64(-LN2 * i / SAMPLER_TABLE / SAMPLER_TABLE);
        sampler->coarse[i] = (uint64_t)(coarse * (double)(UINT64_C(1) << ONE_BITS) + 0.5);
        sampler->fine[i] = (uint32_t)(fine * (1 << FINE_BITS) + 0.5);
    }
}

enum status sampler_init(struct sampler *out, uint32_t n_vocab, struct error *error)
{
    *out = (struct sampler){.n_vocab = n_vocab, .kernels = kernels_for(KERNEL_LEVEL_GENERIC)};
    out->keys = checked_allocate(n_vocab, sizeof *out->keys);
    out->counts = checked_allocate_zeroed(n_vocab, sizeof *out->counts);
    out->seen = checked_allocate(n_vocab, sizeof *out->seen);
    out->maxima = checked_allocate(head_block_count(n_vocab), sizeof *out->maxima);
    out->seen_bits = checked_allocate_zeroed(head_block_count(n_vocab), sizeof *out->seen_bits);
    if (out->keys && out->counts && out->seen && out->maxima && out->seen_bits) {
        make_tables(out);
        return STATUS_OK;
    }
    sampler_release(out);
    return error_set(error, STATUS_NO_MEMORY, "no memory for a sampler");
}

void sampler_release(struct sampler *sampler)
{
    free(sampler->keys);
    free(sampler->maxima);
    free(sampler->counts);
    free(sampler->seen);
    free(sampler->seen_bits);
    memset(sampler, 0, sizeof *sampler);
}

/* Counts ------------------------------------------------------------------------------- */

_Static_assert(HEAD_BLOCK == 64, "a word of seen_bits is a block");

static void set_seen(struct sampler *sampler, int32_t id)
{
    sampler->seen[sampler->n_seen++] = id;
    sampler->seen_bits[id / HEAD_BLOCK] |= UINT64_C(1) << id % HEAD_BLOCK;
}

void sampler_begin(struct sampler *sampler)
{
    for (uint32_t i = 0; i < sampler->n_seen; i++) {
        sampler->counts[sampler->seen[i]] = 0;
        sampler->seen_bits[sampler->seen[i] / HEAD_BLOCK] = 0;
    }
    sampler->n_seen = 0;
}

void sampler_accept(struct sampler *sampler, int32_t id)
{
    if (sampler->counts[id]++ == 0)
        set_seen(sampler, id);
}

void sampler_forget(struct sampler *sampler, int32_t id)
{
    uint32_t i = 0;

    if (sampler->counts[id] == 0 || --sampler->counts[id] > 0)
        return;
    while (sampler->seen[i] != id)
        i++;
    sampler->seen[i] = sampler->seen[--sampler->n_seen];
    sampler->seen_bits[id / HEAD_BLOCK] &= ~(UINT64_C(1) << id % HEAD_BLOCK);
}

void sampler_copy_counts(struct sampler *sampler, const struct sampler *from)
{
    sampler_begin(sampler);
    for (uint32_t i = 0; i < from->n_seen; i++) {
        set_seen(sampler, from->seen[i]);
        sampler->counts[from->seen[i]] = from->counts[from->seen[i]];
    }
}

static bool has_penalties(const struct sampling *s)
{
    return s->presence_penalty != 0 || s->frequency_penalty != 0 || s->repetition_penalty != 1;
}

static void set_penalties(struct sampler *sampler, const struct sampling *s)
{
    sampler->presence_penalty = s->presence_penalty;
    sampler->frequency_penalty = s->frequency_penalty;
    sampler->repetition_penalty = s->repetition_penalty;
}

static void penalise(const struct sampler *sampler, uint32_t n_times, float *logit)
{
    const float count = (float)n_times;

    *logit = *logit > 0 ? *logit / sampler->repetition_penalty
                        : *logit * sampler->repetition_penalty;
    *logit -= count * sampler->frequency_penalty + sampler->presence_penalty;
}

static uint32_t times_in(const int32_t *ids, uint32_t n, int32_t id)
{
    uint32_t times = 0;

    for (uint32_t i = 0; i < n; i++)
        times += ids[i] == id;
    return times;
}

/* The tokens of ahead that are among first .. first + n - 1; returns how many. */
static uint32_t find_near(const struct head_row *row, uint32_t first, uint32_t n, int32_t *near)
{
    uint32_t n_near = 0;

    for (uint32_t i = 0; i < row->n_ahead; i++)
        if ((uint32_t)row->ahead[i] - first < n)
            near[n_near++] = row->ahead[i];
    return n_near;
}

/* head_row.adjust: penalties of what was generated when the row's token is chosen. */
static void adjust(const struct head_row *row, uint32_t first, uint32_t n, float *logits)
{
    const struct sampler *sampler = row->context;
    int32_t near[SAMPLER_AHEAD_MAX];
    const uint32_t n_near = find_near(row, first, n, near);

    for (uint32_t at = first; at < first + n; at += HEAD_BLOCK)
        for (uint64_t bits = sampler->seen_bits[at / HEAD_BLOCK]; bits; bits &= bits - 1) {
            const uint32_t id = at + (uint32_t)__builtin_ctzll(bits);
            penalise(sampler, sampler->counts[id] + times_in(near, n_near, (int32_t)id),
                     &logits[id - first]);
        }
    for (uint32_t i = 0; i < n_near; i++)
        if (sampler->counts[near[i]] == 0 && times_in(near, i, near[i]) == 0)
            penalise(sampler, times_in(near, n_near, near[i]),
                     &logits[near[i] - (int32_t)first]);
}

enum head_strategy head_strategy_for(const struct sampling *sampling, uint32_t n_vocab)
{
    if (sampling->temperature <= 0)
        return HEAD_ARG_MAX;
    return sampling->top_k > 0 && sampling->top_k <= HEAD_BEST_MAX &&
                   (uint32_t)sampling->top_k < n_vocab
               ? HEAD_TOP_K
               : HEAD_FULL;
}

void sampler_ask(struct sampler *sampler, const struct sampling *sampling, const int32_t *ahead,
                 uint32_t n_ahead, struct head_row *row)
{
    row->strategy = head_strategy_for(sampling, sampler->n_vocab);
    row->n_best = row->strategy == HEAD_TOP_K ? (uint32_t)sampling->top_k : 1;
    row->adjust = has_penalties(sampling) ? adjust : NULL;
    row->context = sampler;
    row->ahead = ahead;
    row->n_ahead = n_ahead;
    set_penalties(sampler, sampling);
}

/* The lowest id with the largest logit of all, or -1: there is none. */
static int32_t largest(const float *logits, uint32_t n_vocab, const float *maxima)
{
    uint32_t best = 0, id;

    for (uint32_t block = 1; block < head_block_count(n_vocab); block++)
        if (maxima[block] > maxima[best])
            best = block;
    if (!(maxima[best] > -__builtin_inff()))
        return -1;
    for (id = best * HEAD_BLOCK; !(logits[id] >= maxima[best]); id++)
        continue;
    return (int32_t)id;
}

/* Truncation ---------------------------------------------------------------------------- */

struct truncation {
    const struct sampler *sampler;
    const float *logits; /* [n_vocab], or NULL: what can be chosen is in keys */
    const float *maxima; /* of the logits */
    uint32_t n_vocab;
    float largest;
    double inverse_temperature;
    uint64_t threshold; /* tokens whose key is at least this survive */
    uint64_t *keys;     /* work memory, [n_vocab], or those of the row */
    size_t n_keys;      /* sorted survivors of top-k, when it is on */
};

/* (logit - largest) / T, at most 0 */
static double distance(const struct truncation *t, float logit)
{
    return ((double)logit - (double)t->largest) * t->inverse_temperature;
}

/* The distances of n logits in steps, at most NO_WEIGHT. */
static void steps_of(const struct truncation *t, const float *logits, uint32_t n,
                     uint32_t *steps)
{
    t->sampler->kernels->gap_steps(logits, n, t->largest, t->inverse_temperature,
                                   -(double)(1 << STEP_BITS) / LN2, NO_WEIGHT, steps);
}

/* About 2^(44 - steps / 2^20) */
static uint64_t weight(const struct truncation *t, uint32_t steps)
{
    const uint64_t coarse = t->sampler->coarse[steps >> 10 & (SAMPLER_TABLE - 1)];
    const uint64_t fine = t->sampler->fine[steps & (SAMPLER_TABLE - 1)];

    return (coarse - (coarse * fine >> FINE_BITS)) >> (steps >> STEP_BITS);
}

static uint32_t bucket(uint32_t steps)
{
    return steps >> (STEP_BITS - BUCKET_BITS);
}

/* The first token at or behind id in whose block a logit reaches the bound; n_vocab: none. */
static uint32_t skip_blocks(const struct truncation *t, uint32_t id, float bound)
{
    while (id < t->n_vocab && id % HEAD_BLOCK == 0 && !(t->maxima[id / HEAD_BLOCK] >= bound))
        id += HEAD_BLOCK;
    return id < t->n_vocab ? id : t->n_vocab;
}

/* Tokens of the block that begins at id. */
static uint32_t block_length(const struct truncation *t, uint32_t id)
{
    return t->n_vocab - id < HEAD_BLOCK ? t->n_vocab - id : HEAD_BLOCK;
}

/* Keep the k largest: keys [n_keys], sorted. */
static void keep_top_k(struct truncation *t, uint32_t k)
{
    uint64_t *heap = t->keys;
    float least = -__builtin_inff();
    size_t n = 0;

    for (uint32_t i = 0; (i = skip_blocks(t, i, least)) < t->n_vocab; i++) {
        uint64_t key;
        if (!(t->logits[i] > least)) /* an equal logit has a higher id than what is kept */
            continue;
        key = key_of(t->logits[i], i);
        if (n < k) {
            heap[n++] = key;
            if (n < k)
                continue;
            key_heap_make(heap, n);
        } else {
            heap[0] = key;
            key_heap_sift(heap, n, 0);
        }
        least = key_logit(heap[0]);
    }
    key_sort_descending(heap, n);
    t->n_keys = n;
    t->threshold = heap[n - 1];
}

static uint64_t weight_of_key(const struct truncation *t, uint64_t key)
{
    const float logit = key_logit(key);
    uint32_t steps;

    steps_of(t, &logit, 1, &steps);
    return weight(t, steps);
}

/* The shortest prefix of sorted keys whose weight, with `before`, reaches the target. */
static uint64_t reach(const struct truncation *t, const uint64_t *keys, size_t n,
                      uint64_t before, double target)
{
    for (size_t i = 0; i < n; i++) {
        before += weight_of_key(t, keys[i]);
        if ((double)before >= target)
            return keys[i];
    }
    return keys[n - 1];
}

/* The logit that is so many steps below the largest, about. */
static double logit_at(const struct truncation *t, uint32_t steps)
{
    return (double)t->largest -
           (double)steps * (LN2 / (1 << STEP_BITS)) / t->inverse_temperature;
}

/* Tokens of one bucket to keys, sorted; returns how many. */
static size_t collect_bucket(const struct truncation *t, uint32_t wanted)
{
    const uint32_t width = 1 << (STEP_BITS - BUCKET_BITS);
    /* Logits outside of these bounds are not in the bucket, whatever the rounding. */
    const float least = (float)logit_at(t, (wanted + 2) * width);
    const float most = wanted > 1 ? (float)logit_at(t, (wanted - 1) * width) : t->largest;
    size_t n = 0;

    for (uint32_t at = 0; (at = skip_blocks(t, at, least)) < t->n_vocab; at += HEAD_BLOCK) {
        const float *logits = t->logits + at;
        const uint32_t n_block = block_length(t, at);
        uint32_t steps[HEAD_BLOCK];
        steps_of(t, logits, n_block, steps);
        for (uint32_t i = 0; i < n_block; i++)
            if (bucket(steps[i]) == wanted && logits[i] >= least && logits[i] <= most)
                t->keys[n++] = key_of(logits[i], at + i);
    }
    key_sort_descending(t->keys, n);
    return n;
}

/*
 * Top-p over the whole table: weights are summed by bucket, and the tokens of the one bucket in
 * which the sum reaches p are sorted.
 */
static void keep_top_p_of_all(struct truncation *t, float top_p)
{
    const float least = (float)logit_at(t, NO_WEIGHT);
    uint64_t sums[N_BUCKETS + 1] = {0}, total = 0, before = 0;
    uint32_t crossing = 0;
    size_t n;
    double target;

    for (uint32_t at = 0; (at = skip_blocks(t, at, least)) < t->n_vocab; at += HEAD_BLOCK) {
        const float *logits = t->logits + at;
        const uint32_t n_block = block_length(t, at);
        uint32_t steps[HEAD_BLOCK];
        steps_of(t, logits, n_block, steps);
        for (uint32_t i = 0; i < n_block; i++)
            if (logits[i] >= least)
                sums[bucket(steps[i])] += weight(t, steps[i]);
    }
    for (uint32_t i = 0; i <= N_BUCKETS; i++)
        total += sums[i];
    target = (double)top_p * (double)total;
    while (crossing < N_BUCKETS && (double)(before + sums[crossing]) < target)
        before += sums[crossing++];
    n = collect_bucket(t, crossing);
    if (n > 0)
        t->threshold = reach(t, t->keys, n, before, target);
}

static void keep_top_p(struct truncation *t, float top_p)
{
    uint64_t total = 0;

    if (t->n_keys == 0) {
        keep_top_p_of_all(t, top_p);
        return;
    }
    for (size_t i = 0; i < t->n_keys; i++)
        total += weight_of_key(t, t->keys[i]);
    t->threshold = reach(t, t->keys, t->n_keys, 0, (double)top_p * (double)total);
}

/* Noise --------------------------------------------------------------------------------- */

/* What noise at a position has in common for all tokens. */
static uint64_t noise_base(uint64_t noise_seed, uint32_t position)
{
    return noise_scramble(noise_seed + noise_scramble(((uint64_t)position + 1) * NOISE_STEP));
}

/* 52 bits of the hash */
static uint64_t noise_bits(uint64_t base, uint32_t id)
{
    return noise_hash(base, id) >> 12;
}

static double to_unit(uint64_t bits)
{
    return ((double)bits + 0.5) * 0x1p-52;
}

double sampling_noise(uint64_t noise_seed, uint32_t position, int32_t id)
{
    return to_unit(noise_bits(noise_base(noise_seed, position), (uint32_t)id));
}

uint64_t sampling_noise_seed(uint64_t conversation_seed, uint32_t message, uint32_t variant)
{
    return noise_scramble(noise_scramble(conversation_seed + NOISE_STEP) +
                          ((uint64_t)message << 32 | variant));
}

/* Choice -------------------------------------------------------------------------------- */

struct choice {
    uint64_t base;
    double score;
    int32_t id;
};

/*
 * Noise is below -log(rest) with rest = 1 - u, hence at most this where the numerator of rest has
 * so many bits.
 */
static double noise_bound(int length)
{
    return (53 - length) * (LN2 + 1e-9);
}

/* Compare one survivor.  Most cannot win whatever their noise. */
static void consider(const struct truncation *t, struct choice *choice, uint32_t id,
                     float logit)
{
    const uint64_t bits = noise_bits(choice->base, id);
    const uint64_t rest = (UINT64_C(1) << 52) - 1 - bits;
    const int length = rest ? 64 - __builtin_clzll(rest) : 0;
    const double value = distance(t, logit);
    double score;

    if (choice->id >= 0 && value + noise_bound(length) < choice->score)
        return;
    score = value - math_log64(-math_log64(to_unit(bits)));
    if (choice->id < 0 || score > choice->score ||
        (score == choice->score && (int32_t)id < choice->id)) {
        choice->score = score;
        choice->id = (int32_t)id;
    }
}

/*
 * The least hash with which the likeliest token of a block could win: below it nobody can.  A hash
 * of 2^64 - 2^(length + 12) and more leaves a rest of at most that length.
 */
static uint64_t least_hash(const struct truncation *t, const struct choice *choice,
                           uint32_t block)
{
    const double most = distance(t, t->maxima[block]);
    int length = 52;

    while (length > 0 && most + noise_bound(length) < choice->score)
        length--;
    return length == 52 ? 0 : -(UINT64_C(1) << (length + 12));
}

/* The survivors among the tokens of a block, which begins at id first. */
static void consider_block(const struct truncation *t, struct choice *choice, uint32_t first)
{
    const uint64_t limit = least_hash(t, choice, first / HEAD_BLOCK);
    uint64_t mask = t->sampler->kernels->noise_above(choice->base, first, limit);

    if (t->n_vocab - first < HEAD_BLOCK)
        mask &= (UINT64_C(1) << (t->n_vocab - first)) - 1;
    for (; mask; mask &= mask - 1) {
        const uint32_t id = first + (uint32_t)__builtin_ctzll(mask);
        const float logit = t->logits[id];
        if (logit > -__builtin_inff() && key_of(logit, id) >= t->threshold)
            consider(t, choice, id, logit);
    }
}

/* The survivor with the largest sum of logit and noise. */
static int32_t draw(const struct truncation *t, uint64_t base, int32_t best)
{
    struct choice choice = {base, 0, -1};
    const float least = t->threshold ? key_logit(t->threshold) : -__builtin_inff();

    consider(t, &choice, (uint32_t)best,
             t->largest); /* the likeliest first: it rules out most others */
    if (t->n_keys > 0) {
        for (size_t i = 0; i < t->n_keys && t->keys[i] >= t->threshold; i++)
            consider(t, &choice, key_id(t->keys[i]), key_logit(t->keys[i]));
        return choice.id;
    }
    for (uint32_t at = 0; (at = skip_blocks(t, at, least)) < t->n_vocab; at += HEAD_BLOCK)
        consider_block(t, &choice, at);
    return choice.id;
}

/* Raise the threshold to the least logit whose probability is min_p times the largest. */
static void keep_min_p(struct truncation *t, float min_p)
{
    const double least =
        math_log64((double)min_p) / t->inverse_temperature + (double)t->largest;
    uint64_t threshold;
    float bound = (float)least;

    if ((double)bound < least) /* the next float above: what lies between is too unlikely */
        bound = bound >= 0 ? math_float_of(math_bits_of(bound) + 1)
                           : math_float_of(math_bits_of(bound) - 1);
    threshold = key_of(bound, UINT32_MAX);
    if (threshold > t->threshold)
        t->threshold = threshold;
}

/* Of the tokens that can be chosen, the likeliest is the first. */
static int32_t choose(struct truncation *t, const struct sampling *sampling, int32_t best,
                      float most, uint64_t noise_seed, uint32_t position)
{
    if (best < 0 || sampling->temperature <= 0 || most == __builtin_inff())
        return best;
    t->largest = most;
    t->inverse_temperature = 1.0 / (double)sampling->temperature;
    if (t->logits && sampling->top_k > 0 && (uint32_t)sampling->top_k < t->n_vocab)
        keep_top_k(t, (uint32_t)sampling->top_k);
    if (sampling->top_p < 1)
        keep_top_p(t, sampling->top_p);
    if (sampling->min_p > 0)
        keep_min_p(t, sampling->min_p);
    return draw(t, noise_base(noise_seed, position), best);
}

static int32_t choose_of_all(struct sampler *sampler, const struct sampling *sampling,
                             const float *logits, const float *maxima, uint64_t noise_seed,
                             uint32_t position)
{
    struct truncation t = {.sampler = sampler,
                           .logits = logits,
                           .maxima = maxima,
                           .n_vocab = sampler->n_vocab,
                           .keys = sampler->keys};
    const int32_t best = largest(logits, sampler->n_vocab, maxima);

    return choose(&t, sampling, best, best < 0 ? 0 : logits[best], noise_seed, position);
}

static int32_t choose_of_kept(const struct sampler *sampler, const struct sampling *sampling,
                              struct head_row *row, uint64_t noise_seed, uint32_t position)
{
    struct truncation t = {.sampler = sampler, .n_vocab = sampler->n_vocab, .keys = row->keys};

    if (row->n_keys == 0)
        return -1;
    t.n_keys = row->n_keys;
    if (row->strategy == HEAD_TOP_K && t.n_keys > (uint32_t)sampling->top_k)
        t.n_keys = (uint32_t)sampling->top_k; /* more were asked for, by another reader */
    return choose(&t, sampling, (int32_t)key_id(row->keys[0]), key_logit(row->keys[0]),
                  noise_seed, position);
}

int32_t sampler_choose_row(struct sampler *sampler, const struct sampling *sampling,
                           struct head_row *row, uint64_t noise_seed, uint32_t position)
{
    if (row->strategy != HEAD_FULL)
        return choose_of_kept(sampler, sampling, row, noise_seed, position);
    if (!row->maxima)
        sampler->kernels->block_maxima(row->logits, sampler->n_vocab, sampler->maxima);
    return choose_of_all(sampler, sampling, row->logits,
                         row->maxima ? row->maxima : sampler->maxima, noise_seed, position);
}

int32_t sampler_choose(struct sampler *sampler, const struct sampling *sampling, float *logits,
                       uint64_t noise_seed, uint32_t position)
{
    if (has_penalties(sampling)) {
        set_penalties(sampler, sampling);
        for (uint32_t i = 0; i < sampler->n_seen; i++)
            penalise(sampler, sampler->counts[sampler->seen[i]], &logits[sampler->seen[i]]);
    }
    sampler->kernels->block_maxima(logits, sampler->n_vocab, sampler->maxima);
    return choose_of_all(sampler, sampling, logits, sampler->maxima, noise_seed, position);
}
