/*
 * pool.c - each part runs exactly once, whatever the threads do; cores are counted, not threads
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "engine/run/pool.h"
#include "engine/run/processors.h"

enum { MOST_PARTS = 300 };

struct counts {
    uint32_t runs[MOST_PARTS]; /* not atomic: parts write disjoint places */
    uint32_t n_parts;
};

static void count_run(void *context, uint32_t part, uint32_t n_parts)
{
    struct counts *counts = context;

    counts->runs[part]++;
    if (counts->n_parts != n_parts)
        counts->runs[part] += 1000;
}

static void each_part_runs_once(void **state)
{
    static const uint32_t sizes[] = {0, 1, 2, 3, 7, 64, MOST_PARTS};

    (void)state;
    for (int n_threads = 1; n_threads <= 5; n_threads++) {
        struct pool *pool;
        assert_int_equal(pool_new(&pool, n_threads, NULL), STATUS_OK);
        assert_int_equal(pool_thread_count(pool), n_threads);
        for (int round = 0; round < 400; round++) {
            struct counts counts = {.n_parts = sizes[round % 7]};
            pool_run(pool, count_run, &counts, counts.n_parts);
            for (uint32_t part = 0; part < MOST_PARTS; part++)
                assert_int_equal(counts.runs[part], part < counts.n_parts);
        }
        pool_free(&pool);
        assert_null(pool);
        pool_free(&pool);
    }
}

static void sleepers_wake(void **state)
{
    struct timespec while_they_fall_asleep = {0, 3000000};
    struct pool *pool;

    (void)state;
    assert_int_equal(pool_new(&pool, 3, NULL), STATUS_OK);
    for (int round = 0; round < 30; round++) {
        struct counts counts = {.n_parts = 16};
        nanosleep(&while_they_fall_asleep, NULL);
        pool_run(pool, count_run, &counts, counts.n_parts);
        for (uint32_t part = 0; part < counts.n_parts; part++)
            assert_int_equal(counts.runs[part], 1);
    }
    pool_free(&pool);
}

static void idle_pool_uses_no_processor_time(void **state)
{
    struct timespec half_second = {0, 500000000};
    struct timespec before;
    struct timespec after;
    struct counts counts = {.n_parts = 8};
    struct pool *pool;

    (void)state;
    assert_int_equal(pool_new(&pool, 4, NULL), STATUS_OK);
    pool_run(pool, count_run, &counts, counts.n_parts);
    nanosleep(&(struct timespec){0, 50000000}, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &before);
    nanosleep(&half_second, NULL);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &after);
    double used = (double)(after.tv_sec - before.tv_sec) +
                  1e-9 * (double)(after.tv_nsec - before.tv_nsec);
    assert_true(used < 0.02);
    pool_free(&pool);
}

struct masks {
    atomic_int n_open;    /* threads other than the owner that would take an ordinary signal */
    atomic_int n_blocked; /* and those in which a crash would not reach its handler */
    pthread_t owner;
};

static void look_at_mask(void *context, uint32_t part, uint32_t n_parts)
{
    struct masks *masks = context;
    sigset_t now;

    (void)part;
    (void)n_parts;
    if (pthread_equal(pthread_self(), masks->owner))
        return;
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    if (!sigismember(&now, SIGUSR1) || !sigismember(&now, SIGWINCH))
        atomic_fetch_add(&masks->n_open, 1);
    if (sigismember(&now, SIGSEGV) || sigismember(&now, SIGBUS) || sigismember(&now, SIGABRT))
        atomic_fetch_add(&masks->n_blocked, 1);
}

static void workers_take_no_ordinary_signals(void **state)
{
    struct masks masks = {.owner = pthread_self()};
    struct pool *pool;
    sigset_t now;

    (void)state;
    assert_int_equal(pool_new(&pool, 3, NULL), STATUS_OK);
    for (int round = 0; round < 50; round++)
        pool_run(pool, look_at_mask, &masks, 50);
    assert_int_equal(atomic_load(&masks.n_open), 0);
    assert_int_equal(atomic_load(&masks.n_blocked), 0);
    pthread_sigmask(SIG_SETMASK, NULL, &now);
    assert_false(sigismember(&now, SIGUSR1));
    pool_free(&pool);
}

static void ranges_cover_without_overlap(void **state)
{
    (void)state;
    for (uint32_t n = 0; n < 70; n++)
        for (uint32_t n_parts = 1; n_parts < 9; n_parts++) {
            uint32_t at = 0;
            for (uint32_t part = 0; part < n_parts; part++) {
                uint32_t first;
                uint32_t count;
                pool_range(n, part, n_parts, &first, &count);
                assert_int_equal(first, at);
                assert_true(count == n / n_parts || count == n / n_parts + 1);
                at += count;
            }
            assert_int_equal(at, n);
        }
}

static void thread_counts_are_checked(void **state)
{
    struct pool *pool = NULL;
    struct error error;

    (void)state;
    assert_int_equal(pool_new(&pool, -1, &error), STATUS_USAGE);
    assert_null(pool);
    assert_int_equal(pool_new(&pool, 100000, &error), STATUS_USAGE);
    assert_int_equal(pool_new(&pool, 0, &error), STATUS_OK);
    assert_int_equal(pool_thread_count(pool), processors_usable());
    pool_free(&pool);
}

/* A machine of files: root/path holds text. */
static void put(const char *root, const char *path, const char *text)
{
    char full[600];

    snprintf(full, sizeof full, "%s%s", root, path);
    for (char *slash = strchr(full + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        mkdir(full, 0700);
        *slash = '/';
    }
    FILE *file = fopen(full, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void cores_and_quotas_are_counted(void **state)
{
    char root[] = "/tmp/banter-processors-XXXXXX";
    char command[80];
    static const int cpus[] = {0, 1, 2, 3};

    (void)state;
    assert_non_null(mkdtemp(root));
    assert_int_equal(processors_usable_in(root, cpus, 4), 4); /* nothing known */
    assert_int_equal(processors_usable_in(root, cpus, 0), 1);
    for (int cpu = 0; cpu < 4; cpu++) {
        char path[100];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/%s", cpu,
                 "thread_siblings_list");
        put(root, path, cpu % 2 == 0 ? "0,2\n" : "1,3\n");
    }
    assert_int_equal(processors_usable_in(root, cpus, 4), 2);
    assert_int_equal(processors_usable_in(root, cpus, 1), 1);
    assert_int_equal(processors_usable_in(root, cpus + 1, 2), 2);

    put(root, "/sys/devices/cpu_atom/cpus", "1-2,7\n"); /* hybrid: 0 and 3 are fast */
    assert_int_equal(processors_usable_in(root, cpus, 4), 2);
    assert_int_equal(processors_usable_in(root, cpus, 3), 1);
    assert_int_equal(processors_usable_in(root, cpus + 1, 2), 2); /* no faster ones */
    put(root, "/sys/devices/cpu_atom/cpus", "3\n");
    assert_int_equal(processors_usable_in(root, cpus + 1, 3), 2);
    put(root, "/sys/devices/cpu_atom/cpus", "\n");
    put(root, "/sys/devices/system/cpu/cpu0/cpu_capacity", "446\n");
    put(root, "/sys/devices/system/cpu/cpu2/cpu_capacity", "446\n");
    assert_int_equal(processors_usable_in(root, cpus, 4), 1); /* 1 and 3 are one core */
    put(root, "/sys/devices/system/cpu/cpu2/cpu_capacity", "871\n");
    assert_int_equal(processors_usable_in(root, cpus, 4), 2);
    put(root, "/sys/devices/system/cpu/cpu0/cpu_capacity", "none\n");
    assert_int_equal(processors_usable_in(root, cpus, 4), 2);

    put(root, "/proc/self/cgroup", "0::/user/job\n");
    put(root, "/sys/fs/cgroup/user/job/cpu.max", "max 100000\n");
    assert_int_equal(processors_usable_in(root, cpus, 4), 2);
    put(root, "/sys/fs/cgroup/user/cpu.max", "150000 100000\n");
    assert_int_equal(processors_usable_in(root, cpus, 4), 1);
    put(root, "/sys/fs/cgroup/user/cpu.max", "50000 100000\n");
    assert_int_equal(processors_usable_in(root, cpus, 4), 1);
    put(root, "/sys/fs/cgroup/user/cpu.max", "nonsense\n");
    assert_int_equal(processors_usable_in(root, cpus, 4), 2);

    put(root, "/proc/self/cgroup", "12:cpuset:/a\n4:cpu,cpuacct:/b\n");
    put(root, "/sys/fs/cgroup/cpu/b/cpu.cfs_quota_us", "-1\n");
    put(root, "/sys/fs/cgroup/cpu/b/cpu.cfs_period_us", "100000\n");
    assert_int_equal(processors_usable_in(root, cpus, 4), 2);
    put(root, "/sys/fs/cgroup/cpu/b/cpu.cfs_quota_us", "100000\n");
    assert_int_equal(processors_usable_in(root, cpus, 4), 1);

    snprintf(command, sizeof command, "rm -r %s", root);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_part_runs_once),
        cmocka_unit_test(sleepers_wake),
        cmocka_unit_test(idle_pool_uses_no_processor_time),
        cmocka_unit_test(workers_take_no_ordinary_signals),
        cmocka_unit_test(ranges_cover_without_overlap),
        cmocka_unit_test(thread_counts_are_checked),
        cmocka_unit_test(cores_and_quotas_are_counted),
    };
    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
