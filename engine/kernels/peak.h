/*
 * peak.h - loops that do nothing but what they are named after, as fast as a level can
 *
 * Thread: tables are constant, functions pure.
 */
#ifndef ENGINE_KERNELS_PEAK_H
#define ENGINE_KERNELS_PEAK_H

#include <stddef.h>
#include <stdint.h>

#include "engine/kernel_level.h"

enum { PEAK_LINE_BYTES = 64, PEAK_READ_BYTES = 4 * PEAK_LINE_BYTES };

struct peak_kernels {
    /*
     * Read n_bytes, a multiple of PEAK_READ_BYTES, from the start of a cache line.  bytes_ahead: 0,
     * or how far ahead each line is asked for; the address need not be valid there.  The result
     * means nothing: it keeps the loads.
     */
    uint64_t (*read)(const void *bytes, size_t n_bytes, size_t bytes_ahead);
    /* n_steps times int8_operations on registers alone; a multiply-add is two.  The same result. */
    uint64_t (*int8)(size_t n_steps);
    size_t int8_operations;
};

const struct peak_kernels *peak_kernels_for(enum kernel_level level);

#if defined(__x86_64__)
extern const struct peak_kernels peak_avx2, peak_avx512;
#elif defined(__aarch64__)
extern const struct peak_kernels peak_neon;
#endif

#endif
