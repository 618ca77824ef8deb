/*
 * pack.c - native rows to groups of 16 rows; see layout.h for the layouts
 *
 * Packing runs once when a model is opened.  Values are moved, or unpacked to bytes exactly;
 * nothing is rounded, so the packed kernels give the bytes of the native ones.
 */
#include "engine/kernels/layout.h"

bool kernels_wants_packing(enum kernel_level level, enum tensor_type type)
{
    (void)level;
    (void)type;
    return false;
}

size_t kernels_group_bytes(enum tensor_type type, uint32_t n_columns)
{
    switch (type) {
    case TENSOR_Q8_0:
    case TENSOR_Q4_0:
    case TENSOR_Q5_0:
    case TENSOR_IQ4_NL: return ((size_t)n_columns + 63) / 64 * PACKED_Q8_PAIR;
    case TENSOR_Q4_1:
    case TENSOR_Q5_1: return (size_t)(n_columns / 32) * PACKED_MIN_BLOCK;
    case TENSOR_Q4_K: return (size_t)(n_columns / 256) * PACKED_Q4_K;
    case TENSOR_Q5_K: return (size_t)(n_columns / 256) * PACKED_Q5_K;
    case TENSOR_Q6_K: return ((size_t)(n_columns / 256) * PACKED_Q6_K + 63) / 64 * 64;
    case TENSOR_IQ4_XS: return (size_t)(n_columns / 256) * PACKED_IQ4_XS;
    case TENSOR_F32: return (size_t)n_columns * 64;
    default: return ((size_t)n_columns + 1) / 2 * 64;
    }
}

void kernels_pack(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                  void *packed)
{
    (void)weight;
    (void)first_group;
    (void)n_groups;
    (void)packed;
}
