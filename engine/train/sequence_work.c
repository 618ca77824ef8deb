/*
 * sequence_work.c - units of heads and sequences for the pool
 */
#include "engine/train/sequence_work.h"

#include <stdatomic.h>

#include "engine/run/pool.h"

struct shared_work {
    const struct sequences *sequences;
    uint32_t n_heads;
    size_t n_scratch, n_units;
    float *scratch; /* n_scratch for each part */
    sequence_job job;
    const void *context;
    atomic_size_t next;
};

bool sequences_fit(struct tape *tape, const char *operation, const struct sequences *sequences,
                   size_t n_tokens)
{
    const uint32_t n = sequences->n_sequences;
    bool fits = n_tokens == sequences->n_tokens && n_tokens <= UINT32_MAX / 2 &&
                sequences->first[0] == 0 && sequences->first[n] == n_tokens;

    for (uint32_t i = 0; fits && i < n; i++)
        fits = sequences->first[i] <= sequences->first[i + 1];
    if (!fits)
        tape_fail(tape, STATUS_USAGE, "%s: the borders of the sequences do not fit %zu tokens",
                  operation, n_tokens);
    return fits;
}

uint32_t sequences_longest(const struct sequences *sequences)
{
    uint32_t longest = 1;

    for (uint32_t i = 0; i < sequences->n_sequences; i++)
        if (sequences->first[i + 1] - sequences->first[i] > longest)
            longest = sequences->first[i + 1] - sequences->first[i];
    return longest;
}

static void take_units(void *context, uint32_t part, uint32_t n_parts)
{
    struct shared_work *work = context;
    size_t index;

    (void)n_parts;
    while ((index = atomic_fetch_add_explicit(&work->next, 1, memory_order_relaxed)) <
           work->n_units) {
        const uint32_t s = (uint32_t)(index / work->n_heads);
        const uint32_t *first = work->sequences->first;
        const struct sequence_unit unit = {s, (uint32_t)(index % work->n_heads), first[s],
                                           first[s + 1] - first[s]};
        if (unit.n_tokens > 0)
            work->job(work->context, &unit, work->scratch + part * work->n_scratch);
    }
}

void sequences_run(struct tape *tape, const struct sequences *sequences, uint32_t n_heads,
                   size_t n_scratch, sequence_job job, const void *context)
{
    struct pool *pool = tape_pool(tape);
    struct shared_work work = {.sequences = sequences,
                               .n_heads = n_heads,
                               .n_scratch = (n_scratch + 15) / 16 * 16, /* whole lines */
                               .n_units = (size_t)sequences->n_sequences * n_heads,
                               .job = job,
                               .context = context};
    size_t n_parts = pool ? (size_t)pool_thread_count(pool) : 1;

    if (n_parts > work.n_units)
        n_parts = work.n_units;
    if (n_parts == 0)
        return;
    work.scratch = tape_allocate(tape, n_parts * work.n_scratch * sizeof(float));
    if (!work.scratch)
        return;
    if (n_parts == 1)
        take_units(&work, 0, 1);
    else
        pool_run(pool, take_units, &work, (uint32_t)n_parts);
}
