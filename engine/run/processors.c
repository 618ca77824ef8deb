/*
 * processors.c - counting cores: affinity, topology, control group
 *
 * A section of a pass ends with its slowest part, so efficiency cores, where there are others, would
 * hold those up more than they help: they do not count.  Arm and newer kernels tell a capacity,
 * hybrid Intel processors list their small cores (cpu_atom).
 *
 * A core is named by the first processor of its thread_siblings_list.  Quotas are read in both
 * control-group versions, on the process's own group and all groups above it, since any of them
 * may be the one that limits.  A file that is missing or odd limits nothing.
 */
#include "engine/run/processors.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_BYTES = 1024, LINE_BYTES = 512, MAX_PROCESSORS = 4096 };

/* First line of root + path without its newline; false: no such file. */
static bool read_line(const char *root, const char *path, char line[LINE_BYTES])
{
    char full[PATH_BYTES];
    int length = snprintf(full, sizeof full, "%s%s", root, path);

    if (length < 0 || (size_t)length >= sizeof full)
        return false;
    FILE *file = fopen(full, "re");
    if (file == NULL)
        return false;
    bool found = fgets(line, LINE_BYTES, file) != NULL;
    fclose(file);
    if (found)
        line[strcspn(line, "\n")] = '\0';
    return found;
}

/* The processor that stands for cpu's core. */
static int core_of(const char *root, int cpu)
{
    char path[128];
    char line[LINE_BYTES];
    char *end;

    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list",
             cpu);
    if (!read_line(root, path, line))
        return cpu;
    long first = strtol(line, &end, 10);
    if (end == line || first < 0 || first > INT32_MAX)
        return cpu;
    return (int)first;
}

/* Is the number in a list such as "0-3,8,10-11"? */
static bool list_holds(const char *list, int cpu)
{
    char *end;

    for (;; list = end + 1) {
        long first = strtol(list, &end, 10), last = first;
        if (end == list)
            return false;
        if (*end == '-')
            last = strtol(end + 1, &end, 10);
        if (cpu >= first && cpu <= last)
            return true;
        if (*end != ',')
            return false;
    }
}

/* How much a processor computes, in whatever unit; all the same where nothing is told. */
static long capacity_of(const char *root, const char *small_cores, int cpu)
{
    enum { USUAL = 1024 };
    char path[128];
    char line[LINE_BYTES];
    char *end;

    if (list_holds(small_cores, cpu))
        return USUAL / 2;
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/cpu_capacity", cpu);
    if (!read_line(root, path, line))
        return USUAL;
    long capacity = strtol(line, &end, 10);
    return end == line || capacity < 1 || capacity > INT32_MAX ? USUAL : capacity;
}

/* The processors with at least two thirds of the greatest capacity, to kept; how many. */
static size_t keep_fast(const char *root, const int *cpus, size_t n_cpus, int *kept)
{
    char small_cores[LINE_BYTES] = "";
    long greatest = 0;
    size_t n = 0;

    if (!read_line(root, "/sys/devices/cpu_atom/cpus", small_cores))
        small_cores[0] = '\0';
    for (size_t i = 0; i < n_cpus; i++) {
        long capacity = capacity_of(root, small_cores, cpus[i]);
        greatest = capacity > greatest ? capacity : greatest;
    }
    for (size_t i = 0; i < n_cpus; i++)
        if (3 * capacity_of(root, small_cores, cpus[i]) >= 2 * greatest)
            kept[n++] = cpus[i];
    return n;
}

static int count_cores(const char *root, const int *cpus, size_t n_cpus)
{
    int *seen = malloc((n_cpus == 0 ? 1 : n_cpus) * sizeof *seen);
    size_t n_seen = 0;

    if (seen == NULL)
        return 1;
    for (size_t i = 0; i < n_cpus; i++) {
        int core = core_of(root, cpus[i]);
        size_t at = 0;
        while (at < n_seen && seen[at] != core)
            at++;
        if (at == n_seen)
            seen[n_seen++] = core;
    }
    free(seen);
    return n_seen == 0 ? 1 : (int)n_seen;
}

/* Whole processors that quota microseconds of each period pay for; 0: no limit. */
static int whole_processors(long long quota, long long period)
{
    if (quota <= 0 || period <= 0)
        return 0;
    long long whole = quota / period;
    if (whole < 1)
        return 1;
    return whole > MAX_PROCESSORS ? MAX_PROCESSORS : (int)whole;
}

/* Version 2: "max 100000" or "150000 100000" in cpu.max of one group. */
static int quota_v2(const char *root, const char *group)
{
    char path[PATH_BYTES];
    char line[LINE_BYTES];
    char *end;

    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
    if (!read_line(root, path, line))
        return 0;
    long long quota = strtoll(line, &end, 10);
    return end == line ? 0 : whole_processors(quota, strtoll(end, NULL, 10));
}

/* Version 1: quota and period in files of their own; the quota is -1 when there is none. */
static int quota_v1(const char *root, const char *group)
{
    char path[PATH_BYTES];
    char quota[LINE_BYTES];
    char period[LINE_BYTES];

    snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_quota_us", group);
    if (!read_line(root, path, quota))
        return 0;
    snprintf(path, sizeof path, "/sys/fs/cgroup/cpu%s/cpu.cfs_period_us", group);
    if (!read_line(root, path, period))
        return 0;
    return whole_processors(strtoll(quota, NULL, 10), strtoll(period, NULL, 10));
}

/* The smallest quota of a group and of all groups above it; 0: no limit. */
static int smallest_quota(const char *root, char *group,
                          int (*quota)(const char *root, const char *group))
{
    int smallest = 0;

    for (;;) {
        size_t length = strlen(group);
        while (length > 0 && group[length - 1] == '/')
            group[--length] = '\0';
        int limit = quota(root, group);
        if (limit > 0 && (smallest == 0 || limit < smallest))
            smallest = limit;
        char *slash = strrchr(group, '/');
        if (slash == NULL)
            return smallest;
        *slash = '\0';
    }
}

static bool list_holds_cpu(const char *controllers, size_t n_bytes)
{
    while (n_bytes > 0) {
        const char *comma = memchr(controllers, ',', n_bytes);
        size_t length = comma == NULL ? n_bytes : (size_t)(comma - controllers);
        if (length == 3 && memcmp(controllers, "cpu", 3) == 0)
            return true;
        if (comma == NULL)
            return false;
        controllers += length + 1;
        n_bytes -= length + 1;
    }
    return false;
}

/* Lines of /proc/self/cgroup are "id:controllers:path"; version 2 has no controllers. */
static int group_quota(const char *root)
{
    char path[PATH_BYTES];
    char line[LINE_BYTES];
    int smallest = 0;

    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    if (file == NULL)
        return 0;
    while (fgets(line, sizeof line, file) != NULL) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers == NULL ? NULL : strchr(++controllers, ':');
        int limit = 0;
        if (group == NULL)
            continue;
        if (group == controllers)
            limit = smallest_quota(root, group + 1, quota_v2);
        else if (list_holds_cpu(controllers, (size_t)(group - controllers)))
            limit = smallest_quota(root, group + 1, quota_v1);
        if (limit > 0 && (smallest == 0 || limit < smallest))
            smallest = limit;
    }
    fclose(file);
    return smallest;
}

int processors_usable_in(const char *root, const int *cpus, size_t n_cpus)
{
    int *fast = malloc((n_cpus == 0 ? 1 : n_cpus) * sizeof *fast);
    int cores = fast == NULL ? 1 : count_cores(root, fast, keep_fast(root, cpus, n_cpus, fast));
    int quota = group_quota(root);

    free(fast);
    return quota > 0 && quota < cores ? quota : cores;
}

int processors_usable(void)
{
    int usable = 1;
    size_t n_cpus = 0;
    size_t n_bytes = CPU_ALLOC_SIZE(MAX_PROCESSORS);
    cpu_set_t *set = CPU_ALLOC(MAX_PROCESSORS);
    int *cpus = malloc(MAX_PROCESSORS * sizeof *cpus);

    if (set != NULL && cpus != NULL && sched_getaffinity(0, n_bytes, set) == 0) {
        for (int cpu = 0; cpu < MAX_PROCESSORS; cpu++)
            if (CPU_ISSET_S((size_t)cpu, n_bytes, set))
                cpus[n_cpus++] = cpu;
        usable = processors_usable_in("", cpus, n_cpus);
    }
    free(cpus);
    CPU_FREE(set);
    return usable;
}
