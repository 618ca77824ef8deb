/*
 * kernel_level.h - which set of kernels computes
 *
 * REFERENCE dequantises weights and keeps activations and K/V in f32: the exact answer, slow.
 * All others compute the int8 definition and give the same bytes as each other on every machine.
 */
#ifndef ENGINE_KERNEL_LEVEL_H
#define ENGINE_KERNEL_LEVEL_H

#include <stdbool.h>

enum kernel_level {
    KERNEL_LEVEL_REFERENCE,
    KERNEL_LEVEL_GENERIC,
    KERNEL_LEVEL_NEON,
    KERNEL_LEVEL_AVX2,
    KERNEL_LEVEL_AVX512,
    KERNEL_LEVEL_COUNT
};

/* "reference", "generic", "neon", "avx2", "avx512". */
const char *kernel_level_name(enum kernel_level level);
/* false: no such name; *level untouched. */
bool kernel_level_parse(const char *name, enum kernel_level *level);
/* Can this processor and operating system run it (CPUID and XGETBV; on Arm AT_HWCAP)? */
bool kernel_level_supported(enum kernel_level level);
/* The fastest that this processor supports. */
enum kernel_level kernel_level_best(void);
/*
 * The level to use for a request such as BANTER_CPU: it may only lower.  wanted NULL or "": the
 * best.  A level that this processor lacks gives the best one below it.  false: no such name.
 */
bool kernel_level_choose(const char *wanted, enum kernel_level *level);

#endif
