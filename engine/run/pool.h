/*
 * pool.h - the worker pool: parallel sections of the engine thread
 *
 * pool_run() hands parts 0 .. n_parts - 1 of a job to the workers and the caller, and returns when
 * all are done.  A job must write disjoint places, so that which thread ran which part changes no
 * byte.  Workers spin briefly between sections, then sleep; an idle pool uses no CPU.
 *
 * Thread: one owner calls pool_run() at a time.  Ordinary signals are blocked in workers.
 */
#ifndef ENGINE_RUN_POOL_H
#define ENGINE_RUN_POOL_H

#include "engine/error.h"

#include <stdint.h>

struct pool;

typedef void (*pool_job)(void *context, uint32_t part, uint32_t n_parts);

/* n_threads counts the caller; 1 starts no thread; 0 chooses from the processor's topology. */
enum status pool_new(struct pool **out, int n_threads, struct error *error);
void pool_free(struct pool **pool); /* NULL is allowed */
int pool_thread_count(const struct pool *pool);
/* Run all parts; a part may be run by any thread.  n_parts is often pool_thread_count(). */
void pool_run(struct pool *pool, pool_job job, void *context, uint32_t n_parts);
/* The same; *waited: nanoseconds in which the caller had no part left and waited for others. */
void pool_run_timed(struct pool *pool, pool_job job, void *context, uint32_t n_parts,
                    int64_t *waited);
/* Split [0, n) evenly in n_parts ranges: the range of part is [*first, *first + *count). */
void pool_range(uint32_t n, uint32_t part, uint32_t n_parts, uint32_t *first, uint32_t *count);

#endif
