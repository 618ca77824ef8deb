/*
 * processors.h - how many threads this process can use well
 *
 * Physical cores among the processors it may run on (hyper-thread siblings count once: two streams
 * of dot products on one core gain nothing) without efficiency cores beside faster ones, and not
 * more than a control group's quota pays for.
 *
 * Thread: any; reads files under /sys and /proc.
 */
#ifndef ENGINE_RUN_PROCESSORS_H
#define ENGINE_RUN_PROCESSORS_H

#include <stddef.h>

/* At least 1. */
int processors_usable(void);

/*
 * The same with everything given, for tests: root is put in front of "/sys/..." and "/proc/..."
 * ("" is the real machine), cpus are the numbers of the allowed processors.
 */
int processors_usable_in(const char *root, const int *cpus, size_t n_cpus);

#endif
