/*
 * kernels.c - the tables of all levels
 */
#include <pthread.h>

#include "engine/kernels/layout.h"

static struct kernels tables[KERNEL_LEVEL_COUNT];
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Each level starts from the definition and replaces what it does better. */
static void fill_tables(void)
{
    reference_kernels(&tables[KERNEL_LEVEL_REFERENCE]);
    logits_kernels(&tables[KERNEL_LEVEL_REFERENCE]);
    for (int level = KERNEL_LEVEL_GENERIC; level < KERNEL_LEVEL_COUNT; level++) {
        generic_kernels(&tables[level]);
        logits_kernels(&tables[level]);
        tables[level].level = (enum kernel_level)level;
    }
#if defined(__x86_64__)
    /* Even what fills a table is compiled for the level: a processor without it cannot run it. */
    if (kernel_level_supported(KERNEL_LEVEL_AVX2)) {
        avx2_kernels(&tables[KERNEL_LEVEL_AVX2]);
        logits_avx2_kernels(&tables[KERNEL_LEVEL_AVX2]);
        tables[KERNEL_LEVEL_AVX2].pack = avx2_pack;
    }
    if (kernel_level_supported(KERNEL_LEVEL_AVX512)) {
        avx512_kernels(&tables[KERNEL_LEVEL_AVX512]);
        logits_avx512_kernels(&tables[KERNEL_LEVEL_AVX512]);
        tables[KERNEL_LEVEL_AVX512].pack = avx2_pack;
    }
#elif defined(__aarch64__)
    if (kernel_level_supported(KERNEL_LEVEL_NEON))
        neon_kernels(&tables[KERNEL_LEVEL_NEON]);
#endif
}

const struct kernels *kernels_for(enum kernel_level level)
{
    pthread_once(&once, fill_tables);
    return &tables[level];
}

enum activation_form kernels_activation_form(enum kernel_level level, enum tensor_type type)
{
    if (level == KERNEL_LEVEL_REFERENCE)
        return ACTIVATION_F32;
    switch (type) {
    case TENSOR_Q8_0:
    case TENSOR_Q4_0:
    case TENSOR_Q4_1:
    case TENSOR_Q5_0:
    case TENSOR_Q5_1:
    case TENSOR_IQ4_NL: return ACTIVATION_Q8_32;
    case TENSOR_Q4_K:
    case TENSOR_Q5_K:
    case TENSOR_Q6_K:
    case TENSOR_IQ4_XS: return ACTIVATION_Q8_256;
    default: return ACTIVATION_F32;
    }
}

size_t kernels_activation_bytes(enum activation_form form, uint32_t n_columns, uint32_t n_rows)
{
    size_t row, total;

    switch (form) {
    case ACTIVATION_Q8_32: row = (size_t)(n_columns / 32) * sizeof(struct activation_32); break;
    case ACTIVATION_Q8_256:
        row = (size_t)(n_columns / 256) * sizeof(struct activation_256);
        break;
    default: row = activation_f32_stride(n_columns) * sizeof(float); break;
    }
    if (__builtin_mul_overflow(row, n_rows, &total) ||
        __builtin_add_overflow(total, KERNEL_ALIGNMENT - 1, &total))
        return 0;
    return total / KERNEL_ALIGNMENT * KERNEL_ALIGNMENT;
}

size_t kernels_activation_offset(enum activation_form form, uint32_t column, uint32_t n_total)
{
    return form == ACTIVATION_Q8_32
               ? (size_t)(column / 32) * n_total * sizeof(struct activation_32)
               : (size_t)(column / 256) * n_total * sizeof(struct activation_256);
}

struct weight kernels_weight_groups(const struct weight *weight, uint32_t first_group,
                                    uint32_t n_groups)
{
    const struct tensor_type_info *info = tensor_type_info(weight->type);
    const uint32_t first = first_group * GROUP_ROWS, most = n_groups * GROUP_ROWS;
    const size_t row_bytes =
        (size_t)(weight->n_columns / info->block_elements) * info->block_bytes;
    struct weight part = *weight;

    part.n_rows = weight->n_rows - first < most ? weight->n_rows - first : most;
    part.native = (const uint8_t *)weight->native + first * row_bytes;
    if (weight->packed)
        part.packed = (const uint8_t *)weight->packed +
                      first_group * kernels_group_bytes(weight->type, weight->n_columns);
    return part;
}
