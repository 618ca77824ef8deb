/*
 * kernel_level.c - what this processor and operating system can run
 */
#include "engine/kernel_level.h"

#include <stddef.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

static const char *const names[KERNEL_LEVEL_COUNT] = {"reference", "generic", "neon", "avx2",
                                                      "avx512"};

const char *kernel_level_name(enum kernel_level level)
{
    return names[level];
}

bool kernel_level_parse(const char *name, enum kernel_level *level)
{
    for (int i = 0; i < KERNEL_LEVEL_COUNT; i++) {
        if (strcmp(name, names[i]) == 0) {
            *level = (enum kernel_level)i;
            return true;
        }
    }
    return false;
}

#if defined(__x86_64__)

/* The register state that the operating system saves (XCR0). */
static unsigned saved_state(void)
{
    unsigned low, high;

    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static bool has_all(unsigned features, unsigned wanted)
{
    return (features & wanted) == wanted;
}

static bool x86_supports(enum kernel_level level)
{
    const unsigned wanted_1 = bit_OSXSAVE | bit_AVX | bit_FMA | bit_F16C;
    const unsigned wanted_7 = bit_AVX512F | bit_AVX512BW | bit_AVX512DQ | bit_AVX512VL;
    const unsigned ymm = 0x6, zmm = 0xe6;
    unsigned a, b, c, d;

    if (!__get_cpuid(1, &a, &b, &c, &d) || !has_all(c, wanted_1) ||
        !has_all(saved_state(), ymm))
        return false;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(b & bit_AVX2))
        return false;
    if (level == KERNEL_LEVEL_AVX2)
        return true;
    return has_all(b, wanted_7) && (c & bit_AVX512VNNI) && has_all(saved_state(), zmm);
}

#elif defined(__aarch64__)

/* sdot, and what else the files of the level are compiled for: half precision, with Armv8.2. */
static bool arm_supports_neon(void)
{
    const unsigned long wanted = HWCAP_ASIMDDP | HWCAP_FPHP | HWCAP_ASIMDHP;

    return (getauxval(AT_HWCAP) & wanted) == wanted;
}

#endif

bool kernel_level_supported(enum kernel_level level)
{
    switch (level) {
    case KERNEL_LEVEL_REFERENCE:
    case KERNEL_LEVEL_GENERIC: return true;
#if defined(__x86_64__)
    case KERNEL_LEVEL_AVX2:
    case KERNEL_LEVEL_AVX512: return x86_supports(level);
#elif defined(__aarch64__)
    case KERNEL_LEVEL_NEON: return arm_supports_neon();
#endif
    default: return false;
    }
}

enum kernel_level kernel_level_best(void)
{
    enum kernel_level level = KERNEL_LEVEL_COUNT - 1;

    while (!kernel_level_supported(level))
        level--;
    return level;
}

bool kernel_level_choose(const char *wanted, enum kernel_level *level)
{
    enum kernel_level best = kernel_level_best(), request = best;

    if (wanted && *wanted && !kernel_level_parse(wanted, &request))
        return false;
    while (request > best || !kernel_level_supported(request))
        request--;
    *level = request;
    return true;
}
