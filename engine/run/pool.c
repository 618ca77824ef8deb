/*
 * pool.c - parallel sections by claiming parts from one ticket
 *
 * The ticket is one 64-bit atomic: n_parts in the high half, the next part to claim in the low
 * half.  A thread claims a part by compare-and-swap, so that it holds either a part of the section
 * that runs now or nothing: a worker that wakes late finds no part left and holds up nobody.  A
 * claimed part keeps its section open (pool_run waits for n_done), so job and context are stable
 * while they are read.  The ticket's value says everything: an old value that comes back (the same
 * section shape later) is claimed rightly.
 *
 * Waiting is a short spin, then a condition variable.  The sleeper counts itself before it looks at
 * the ticket for the last time, and the owner looks at the count after it has written the ticket;
 * both are sequentially consistent, so one of them sees the other.
 */
#include "engine/run/pool.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "engine/run/processors.h"
#include "engine/run/quiet_thread.h"
#include "engine/run/run_clock.h"

enum {
    MAX_THREADS = 1024,
    /* Pauses before sleeping: sections of one pass follow each other within microseconds. */
    SPIN_PAUSES = 2000,
    LINE_BYTES = 64
};

struct pool {
    /* Written by the owner between sections, read by a thread that holds a part. */
    pool_job job;
    void *context;

    _Alignas(LINE_BYTES) _Atomic uint64_t ticket;
    _Alignas(LINE_BYTES) atomic_uint n_done;     /* parts finished in this section */
    _Alignas(LINE_BYTES) atomic_uint n_sleeping; /* workers in or before wake_workers */
    atomic_bool owner_sleeping;
    atomic_bool stop;

    pthread_mutex_t mutex; /* of both conditions; guards no data */
    pthread_cond_t wake_workers;
    pthread_cond_t wake_owner;

    int n_threads;      /* the owner included */
    int n_workers;      /* threads that run */
    pthread_t *workers; /* owned [n_threads - 1] */
};

static void pause_briefly(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

static bool has_parts(uint64_t ticket)
{
    return (uint32_t)ticket < (uint32_t)(ticket >> 32);
}

/* Claim the next part; false: none is left. */
static bool claim(struct pool *pool, uint32_t *part, uint32_t *n_parts)
{
    uint64_t ticket = atomic_load_explicit(&pool->ticket, memory_order_acquire);

    while (has_parts(ticket)) {
        if (atomic_compare_exchange_weak_explicit(&pool->ticket, &ticket, ticket + 1,
                                                  memory_order_acq_rel, memory_order_acquire)) {
            *part = (uint32_t)ticket;
            *n_parts = (uint32_t)(ticket >> 32);
            return true;
        }
    }
    return false;
}

static void run_parts(struct pool *pool)
{
    uint32_t part;
    uint32_t n_parts;

    while (claim(pool, &part, &n_parts)) {
        pool->job(pool->context, part, n_parts);
        unsigned done = atomic_fetch_add(&pool->n_done, 1) + 1;
        if (done == n_parts && atomic_load(&pool->owner_sleeping)) {
            pthread_mutex_lock(&pool->mutex);
            pthread_cond_signal(&pool->wake_owner);
            pthread_mutex_unlock(&pool->mutex);
        }
    }
}

static bool has_work(struct pool *pool)
{
    return has_parts(atomic_load(&pool->ticket)) || atomic_load(&pool->stop);
}

static void wait_for_work(struct pool *pool)
{
    for (int i = 0; i < SPIN_PAUSES; i++) {
        if (has_work(pool))
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_fetch_add(&pool->n_sleeping, 1);
    while (!has_work(pool))
        pthread_cond_wait(&pool->wake_workers, &pool->mutex);
    atomic_fetch_sub(&pool->n_sleeping, 1);
    pthread_mutex_unlock(&pool->mutex);
}

static void *worker_main(void *argument)
{
    struct pool *pool = argument;

    while (!atomic_load(&pool->stop)) {
        run_parts(pool);
        wait_for_work(pool);
    }
    return NULL;
}

static void wait_until_done(struct pool *pool, uint32_t n_parts)
{
    for (int i = 0; i < SPIN_PAUSES; i++) {
        if (atomic_load(&pool->n_done) == n_parts)
            return;
        pause_briefly();
    }
    pthread_mutex_lock(&pool->mutex);
    atomic_store(&pool->owner_sleeping, true);
    while (atomic_load(&pool->n_done) != n_parts)
        pthread_cond_wait(&pool->wake_owner, &pool->mutex);
    atomic_store(&pool->owner_sleeping, false);
    pthread_mutex_unlock(&pool->mutex);
}

static void wake_sleepers(struct pool *pool)
{
    if (atomic_load(&pool->n_sleeping) == 0)
        return;
    pthread_mutex_lock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake_workers);
    pthread_mutex_unlock(&pool->mutex);
}

/* waited: NULL, or nanoseconds of the owner between its last part and the end. */
static void run(struct pool *pool, pool_job job, void *context, uint32_t n_parts,
                int64_t *waited)
{
    if (pool->n_workers == 0 || n_parts <= 1) {
        for (uint32_t part = 0; part < n_parts; part++)
            job(context, part, n_parts);
        return;
    }
    pool->job = job;
    pool->context = context;
    atomic_store(&pool->n_done, 0);
    atomic_store(&pool->ticket, (uint64_t)n_parts << 32);
    wake_sleepers(pool);
    run_parts(pool);
    if (waited)
        *waited = -run_clock_now();
    wait_until_done(pool, n_parts);
    if (waited)
        *waited += run_clock_now();
}

void pool_run(struct pool *pool, pool_job job, void *context, uint32_t n_parts)
{
    run(pool, job, context, n_parts, NULL);
}

void pool_run_timed(struct pool *pool, pool_job job, void *context, uint32_t n_parts,
                    int64_t *waited)
{
    *waited = 0;
    run(pool, job, context, n_parts, waited);
}

static enum status start_workers(struct pool *pool, struct error *error)
{
    while (pool->n_workers < pool->n_threads - 1) {
        int problem = quiet_thread_start(&pool->workers[pool->n_workers], "banter-worker",
                                         worker_main, pool);
        if (problem != 0) {
            enum status status =
                error_set(error, STATUS_FAILED, "cannot start worker thread %d of %d: %s",
                          pool->n_workers + 1, pool->n_threads - 1, strerror(problem));
            error_action(error, "use fewer threads");
            return status;
        }
        pool->n_workers++;
    }
    return STATUS_OK;
}

enum status pool_new(struct pool **out, int n_threads, struct error *error)
{
    *out = NULL;
    if (n_threads < 0 || n_threads > MAX_THREADS)
        return error_set(error, STATUS_USAGE, "%d threads: must be 0 to %d", n_threads,
                         MAX_THREADS);
    if (n_threads == 0)
        n_threads = processors_usable();
    if (n_threads > MAX_THREADS)
        n_threads = MAX_THREADS;

    struct pool *pool = aligned_alloc(LINE_BYTES, sizeof *pool);
    pthread_t *workers = calloc((size_t)n_threads, sizeof *workers);
    if (pool == NULL || workers == NULL) {
        free(pool);
        free(workers);
        return error_set(error, STATUS_NO_MEMORY, "no memory for %d threads", n_threads);
    }
    memset(pool, 0, sizeof *pool);
    pool->n_threads = n_threads;
    pool->workers = workers;
    atomic_init(&pool->ticket, 0);
    atomic_init(&pool->n_done, 0);
    atomic_init(&pool->n_sleeping, 0);
    atomic_init(&pool->owner_sleeping, false);
    atomic_init(&pool->stop, false);
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake_workers, NULL);
    pthread_cond_init(&pool->wake_owner, NULL);
    enum status status = start_workers(pool, error);
    if (status != STATUS_OK) {
        pool_free(&pool);
        return status;
    }
    *out = pool;
    return STATUS_OK;
}

void pool_free(struct pool **pool)
{
    struct pool *gone = *pool;

    *pool = NULL;
    if (gone == NULL)
        return;
    atomic_store(&gone->stop, true);
    wake_sleepers(gone);
    for (int i = 0; i < gone->n_workers; i++)
        pthread_join(gone->workers[i], NULL);
    pthread_cond_destroy(&gone->wake_owner);
    pthread_cond_destroy(&gone->wake_workers);
    pthread_mutex_destroy(&gone->mutex);
    free(gone->workers);
    free(gone);
}

int pool_thread_count(const struct pool *pool)
{
    return pool->n_threads;
}

void pool_range(uint32_t n, uint32_t part, uint32_t n_parts, uint32_t *first, uint32_t *count)
{
    uint32_t each = n / n_parts;
    uint32_t rest = n % n_parts;

    *first = part * each + (part < rest ? part : rest);
    *count = each + (part < rest ? 1 : 0);
}
