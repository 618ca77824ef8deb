/*
 * parallel.c - ranges for the pool
 */
#include "engine/train/parallel.h"

#include "engine/run/pool.h"

enum {
    SMALL_WORK = 16384, /* elements: less is done before another thread wakes up */
    PARTS_PER_THREAD = 4
};

struct ranges {
    range_job job;
    void *context;
    size_t n_units, grain, n_groups;
};

static void run_part(void *context, uint32_t part, uint32_t n_parts)
{
    const struct ranges *ranges = context;
    size_t first = ranges->n_groups * part / n_parts * ranges->grain;
    size_t end = ranges->n_groups * (part + 1) / n_parts * ranges->grain;

    if (end > ranges->n_units)
        end = ranges->n_units;
    if (first < end)
        ranges->job(ranges->context, first, end - first);
}

void parallel_ranges(struct tape *tape, size_t n_units, size_t grain, size_t work,
                     range_job job, void *context)
{
    struct pool *pool = tape_pool(tape);
    struct ranges ranges = {job, context, n_units, grain, (n_units + grain - 1) / grain};
    size_t n_parts = pool ? (size_t)pool_thread_count(pool) * PARTS_PER_THREAD : 1;

    if (n_parts > ranges.n_groups)
        n_parts = ranges.n_groups;
    if (n_units == 0)
        return;
    if (work < SMALL_WORK || n_parts <= 1 || pool_thread_count(pool) == 1)
        job(context, 0, n_units);
    else
        pool_run(pool, run_part, &ranges, (uint32_t)n_parts);
}

size_t column_grain(size_t n_columns)
{
    return n_columns >= 256 ? 64 : 16;
}
