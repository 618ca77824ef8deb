/*
 * kernels.c - the tables of the levels
 */
#include "engine/train/kernels_internal.h"

static const struct train_kernels generic = {KERNEL_LEVEL_GENERIC, &train_rows_generic,
                                             &train_scans_generic, &train_matrix_generic};
#if defined(__x86_64__)
static const struct train_kernels avx2 = {KERNEL_LEVEL_AVX2, &train_rows_avx2,
                                          &train_scans_avx2, &train_matrix_avx2};
static const struct train_kernels avx512 = {KERNEL_LEVEL_AVX512, &train_rows_avx512,
                                            &train_scans_avx512, &train_matrix_avx512};
#endif

const struct train_kernels *train_kernels_for(enum kernel_level level)
{
    switch (level) {
#if defined(__x86_64__)
    case KERNEL_LEVEL_AVX2: return &avx2;
    case KERNEL_LEVEL_AVX512: return &avx512;
#endif
    default: return &generic;
    }
}
