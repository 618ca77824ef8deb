/*
 * decode_fixture.h - a scripted target: every policy on it must say what plain decoding says
 *
 * Its state is a hash of all tokens consumed, and every logit depends on it a little, so that a
 * state that is wrong by one token shows in the text.  Favoured tokens follow from the last
 * three, which makes loops, and are broken at times.  It keeps time by its own clock.
 */
#ifndef TESTS_UNIT_DECODE_FIXTURE_H
#define TESTS_UNIT_DECODE_FIXTURE_H

#include <stdlib.h>
#include <string.h>

#include "engine/decode/decode.h"

enum { N_FAKE_VOCAB = 48, FAKE_CONTEXT = 1400, FAKE_STOP = 0, FAKE_REACH = 33 };

/* A row with memory for every strategy. */
struct fake_row {
    float logits[N_FAKE_VOCAB];
    uint64_t keys[HEAD_BEST_MAX];
    struct head_row row;
};

/* The row, which asks for all logits as yet. */
static inline struct head_row *fake_row(struct fake_row *fake)
{
    fake->row =
        (struct head_row){.strategy = HEAD_FULL, .logits = fake->logits, .keys = fake->keys};
    return &fake->row;
}

struct fake_clock {
    double seconds;
};

struct fake {
    int32_t tokens[FAKE_CONTEXT + 64];
    uint32_t n, n_context, n_verified;
    uint64_t hash, marked_hash;
    uint32_t marked;
    bool is_marked;
    uint32_t stop_at;      /* position where the stop token is favoured; 0: nowhere */
    uint32_t miss_from;    /* a draft: positions from here on ... */
    uint32_t miss_every;   /* ... of these parts (of 100) are wrong */
    uint32_t period;       /* 0, or: wrong in every other stretch of that many positions */
    uint32_t cancel_in;    /* verifies until one is cancelled; 0: never */
    uint32_t fail_in;      /* verifies until one fails; 0: never */
    uint32_t fail_step_in; /* the same of steps */
    struct fake_clock *clock;
    double step_seconds, row_seconds; /* of a pass: the first row, each further one */
    uint32_t dear_from, dear_for; /* positions of a stretch where further rows cost dear_rows */
    double dear_rows;
    uint32_t n_steps, n_verifies, n_read; /* n_read: tokens consumed, also those taken back */
};

static inline uint64_t mix(uint64_t x)
{
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return x ^ x >> 31;
}

static inline uint64_t consume_hash(uint64_t hash, int32_t token)
{
    return mix(hash * 31 + (uint32_t)token + 1);
}

static inline uint64_t hash_of(const int32_t *tokens, uint32_t n)
{
    uint64_t hash = 7;

    for (uint32_t i = 0; i < n; i++)
        hash = consume_hash(hash, tokens[i]);
    return hash;
}

static inline bool fake_misses(const struct fake *fake, uint32_t position)
{
    if (fake->period > 0 && position / fake->period % 2 == 0)
        return false;
    return position >= fake->miss_from && mix(position * 77 + 5) % 100 < fake->miss_every;
}

/* Logits behind tokens[0 .. n), whose hash is given. */
static inline void fake_logits(const struct fake *fake, const int32_t *tokens, uint32_t n,
                               uint64_t hash, struct head_row *row)
{
    float logits[N_FAKE_VOCAB];
    uint64_t recent = 3;
    uint32_t favoured;

    for (uint32_t i = n < 3 ? 0 : n - 3; i < n; i++)
        recent = mix(recent * 131 + (uint32_t)tokens[i]);
    favoured = 1 + (uint32_t)(recent % 7);
    if (n % 61 == 0)
        favoured = 8 + (uint32_t)(mix(n) % (N_FAKE_VOCAB - 8));
    if (fake_misses(fake, n))
        favoured = 1 + (favoured + 3) % (N_FAKE_VOCAB - 1);
    for (uint32_t id = 0; id < N_FAKE_VOCAB; id++) {
        logits[id] = (float)(mix(recent ^ (id * 977)) % 1000) / 500.0f;
        logits[id] += (float)(mix(hash ^ id) % 1000) / 5000.0f;
    }
    logits[favoured] += 4.5f;
    logits[FAKE_STOP] = fake->stop_at && n >= fake->stop_at ? 60.0f : -20.0f;
    head_take(kernels_for(KERNEL_LEVEL_GENERIC), row, logits, N_FAKE_VOCAB);
}

static inline void spend(struct fake *fake, uint32_t n_rows)
{
    const bool is_dear = fake->dear_for > 0 && fake->n >= fake->dear_from &&
                         (fake->n - fake->dear_from) / fake->dear_for % 2 == 0;

    if (fake->clock)
        fake->clock->seconds +=
            fake->step_seconds + (n_rows - 1) * (is_dear ? fake->dear_rows : fake->row_seconds);
}

static inline uint32_t fake_position(void *context)
{
    return ((struct fake *)context)->n;
}

static inline uint32_t fake_room(void *context)
{
    const struct fake *fake = context;

    return fake->n_context - fake->n;
}

static inline const int32_t *fake_tokens(void *context)
{
    return ((struct fake *)context)->tokens;
}

static inline bool fake_is_stop(void *context, int32_t id)
{
    (void)context;
    return id == FAKE_STOP;
}

static inline enum status fake_consume(void *context, const int32_t *tokens, uint32_t n,
                                       struct head_row *row, const atomic_bool *cancel,
                                       struct error *error)
{
    struct fake *fake = context;

    if (cancel && atomic_load(cancel))
        return error_set(error, STATUS_CANCELLED, "stopped");
    if (fake->fail_step_in > 0 && --fake->fail_step_in == 0)
        return error_set(error, STATUS_FAILED, "not a number");
    if (n > fake->n_context - fake->n)
        return error_set(error, STATUS_CONTEXT_FULL, "full");
    if (fake->is_marked && fake->n + n - fake->marked > FAKE_REACH)
        fake->is_marked = false;
    for (uint32_t i = 0; i < n; i++) {
        fake->tokens[fake->n++] = tokens[i];
        fake->hash = consume_hash(fake->hash, tokens[i]);
    }
    if (row)
        fake_logits(fake, fake->tokens, fake->n, fake->hash, row);
    fake->n_steps++;
    fake->n_read += n;
    spend(fake, n);
    return STATUS_OK;
}

static inline enum status fake_verify(void *context, const int32_t *tokens, uint32_t n,
                                      struct head_row *rows, const atomic_bool *cancel,
                                      struct error *error)
{
    struct fake *fake = context;
    uint64_t hash = fake->hash;

    (void)cancel;
    if (n > fake->n_context - fake->n)
        return error_set(error, STATUS_CONTEXT_FULL, "full");
    if (fake->cancel_in > 0 && --fake->cancel_in == 0)
        return error_set(error, STATUS_CANCELLED, "stopped");
    if (fake->fail_in > 0 && --fake->fail_in == 0)
        return error_set(error, STATUS_FAILED, "not a number");
    for (uint32_t i = 0; i < n; i++) { /* behind the position: not consumed */
        fake->tokens[fake->n + i] = tokens[i];
        hash = consume_hash(hash, tokens[i]);
        fake_logits(fake, fake->tokens, fake->n + i + 1, hash, &rows[i]);
    }
    fake->n_verified = n;
    fake->n_verifies++;
    spend(fake, n);
    return STATUS_OK;
}

static inline enum status fake_accept(void *context, uint32_t n, struct error *error)
{
    struct fake *fake = context;

    if (n == 0 || n > fake->n_verified)
        return error_set(error, STATUS_USAGE, "accept of %u rows", n);
    for (uint32_t i = 0; i < n; i++)
        fake->hash = consume_hash(fake->hash, fake->tokens[fake->n++]);
    fake->n_verified = 0;
    return STATUS_OK;
}

static inline void fake_mark(void *context)
{
    struct fake *fake = context;

    fake->is_marked = true;
    fake->marked = fake->n;
    fake->marked_hash = fake->hash;
}

static inline uint32_t fake_reach(void *context)
{
    const struct fake *fake = context;

    return fake->is_marked ? fake->marked : fake->n;
}

static inline enum status fake_rewind(void *context, uint32_t position, struct error *error)
{
    struct fake *fake = context;

    if (position > fake->n || position < fake_reach(context))
        return error_set(error, STATUS_USAGE, "position %u cannot be reached", position);
    fake->n = fake->marked;
    fake->hash = fake->marked_hash;
    while (fake->n < position)
        fake->hash = consume_hash(fake->hash, fake->tokens[fake->n++]);
    return STATUS_OK;
}

static inline void fake_reset(void *context)
{
    struct fake *fake = context;

    fake->n = 0;
    fake->hash = 7;
    fake->is_marked = false;
}

static inline struct decode_target fake_target(struct fake *fake)
{
    fake->hash = 7;
    fake->n = 0;
    if (fake->n_context == 0)
        fake->n_context = FAKE_CONTEXT;
    return (struct decode_target){
        .context = fake,
        .n_vocab = N_FAKE_VOCAB,
        .position = fake_position,
        .room = fake_room,
        .tokens = fake_tokens,
        .is_stop = fake_is_stop,
        .consume = fake_consume,
        .verify = fake_verify,
        .accept = fake_accept,
        .mark = fake_mark,
        .reach = fake_reach,
        .rewind = fake_rewind,
        .reset = fake_reset,
    };
}

/* The block for the token after next: a draft that reads the target's text. */
struct fake_block {
    const struct fake *target;
    struct fake ahead;
};

static inline enum status block_next(void *context, int32_t token, struct head_row *row,
                                     struct error *error)
{
    return fake_consume(&((struct fake_block *)context)->ahead, &token, 1, row, NULL, error);
}

static inline enum status block_first(void *context, int32_t token, uint32_t position,
                                      struct head_row *row, struct error *error)
{
    struct fake_block *block = context;

    if (position != block->target->n)
        return error_set(error, STATUS_FAILED, "the block is asked for another position");
    memcpy(block->ahead.tokens, block->target->tokens, position * sizeof(int32_t));
    block->ahead.n = position;
    block->ahead.hash = block->target->hash;
    block->ahead.n_context = FAKE_CONTEXT + 40;
    return block_next(context, token, row, error);
}

static inline double fake_time(void *context)
{
    return ((struct fake_clock *)context)->seconds;
}

#endif
