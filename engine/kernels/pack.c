/*
 * pack.c - native rows to groups of 16 rows; see layout.h for the layouts
 *
 * Packing runs once when a model is opened.  Values are moved, or unpacked to bytes exactly;
 * nothing is rounded, so the packed kernels give the bytes of the native ones.
 */
#include "engine/kernels/layout.h"

bool kernels_wants_packing(enum kernel_level level, enum tensor_type type)
{
    return level > KERNEL_LEVEL_GENERIC && tensor_type_info(type)->computable;
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
    case TENSOR_Q6_K:
        return ((size_t)(n_columns / 256) * (PACKED_Q6_K + PACKED_Q6_K_SCALES) + 63) / 64 * 64;
    case TENSOR_IQ4_XS: return (size_t)(n_columns / 256) * PACKED_IQ4_XS;
    case TENSOR_F32: return (size_t)n_columns * 64;
    default: return ((size_t)n_columns + 1) / 2 * 64;
    }
}

/* n words of a row to one lane of n lines */
static void scatter_words(const uint8_t *words, size_t n, unsigned lane, uint8_t *lines)
{
    for (size_t w = 0; w < n; w++)
        memcpy(lines + 64 * w + 4 * lane, words + 4 * w, 4);
}

static void pack_q8(const struct weight *weight, const uint8_t *row, unsigned lane,
                    uint8_t *group)
{
    uint32_t block_bytes = tensor_type_info(weight->type)->block_bytes;
    struct block_32 block;
    uint8_t values[32];

    for (uint32_t b = 0; b < weight->n_columns / 32; b++, row += block_bytes) {
        uint8_t *pair = group + (size_t)(b / 2) * PACKED_Q8_PAIR;
        block_32_read(weight->type, row, &block);
        memcpy(pair + 32 * (b % 2) + 2 * lane, row, 2);
        for (int i = 0; i < 32; i++)
            values[i] = (uint8_t)(block.q[i] + 128);
        scatter_words(values, 8, lane, pair + 64 + 512 * (b % 2));
    }
}

static void pack_with_minimum(const struct weight *weight, const uint8_t *row, unsigned lane,
                              uint8_t *group)
{
    uint32_t block_bytes = tensor_type_info(weight->type)->block_bytes;
    struct block_32 block;

    for (uint32_t b = 0; b < weight->n_columns / 32; b++, row += block_bytes) {
        block_32_read(weight->type, row, &block);
        memcpy(group + 2 * lane, row, 2);
        memcpy(group + 32 + 2 * lane, row + 2, 2);
        scatter_words((const uint8_t *)block.q, 8, lane, group + 64);
        group += PACKED_MIN_BLOCK;
    }
}

/* Blocks that are whole words: the words stay as they are. */
static void pack_words(const struct weight *weight, const uint8_t *row, unsigned lane,
                       uint8_t *group)
{
    size_t n_words = tensor_type_info(weight->type)->block_bytes / 4;

    for (uint32_t b = 0; b < weight->n_columns / 256; b++) {
        scatter_words(row, n_words, lane, group);
        row += 4 * n_words;
        group += 64 * n_words;
    }
}

/* Scales (words 48..51 of a block); then, in the order of use, low bits of 4 columns in each of
 * two neighbouring runs of 32 columns, and the high bits of both and of the two runs above. */
static void pack_q6_k(const struct weight *weight, const uint8_t *row, unsigned lane,
                      uint8_t *group)
{
    uint32_t n_blocks = weight->n_columns / 256;
    uint8_t *scales = group + (size_t)n_blocks * PACKED_Q6_K;

    for (uint32_t b = 0; b < n_blocks; b++, row += 210) {
        scatter_words(row + 192, 4, lane, group);
        for (size_t i = 0; i < 16; i++) {
            size_t half = i / 8, word = i % 8;
            uint8_t *lines = group + 256 + 192 * i;
            scatter_words(row + 64 * half + 4 * word, 1, lane, lines);
            scatter_words(row + 64 * half + 32 + 4 * word, 1, lane, lines + 64);
            scatter_words(row + 128 + 32 * half + 4 * word, 1, lane, lines + 128);
        }
        memcpy(scales + (size_t)b * PACKED_Q6_K_SCALES + 2 * lane, row + 208, 2);
        group += PACKED_Q6_K;
    }
}

static void pack_values(const struct weight *weight, const uint8_t *row, unsigned lane,
                        uint8_t *group)
{
    size_t size = weight->type == TENSOR_F32 ? 4 : 2;

    for (uint32_t c = 0; c < weight->n_columns; c++)
        memcpy(group + (c * (size_t)GROUP_ROWS + lane) * size, row + c * size, size);
}

static void pack_row(const struct weight *weight, const uint8_t *row, unsigned lane,
                     uint8_t *group)
{
    switch (weight->type) {
    case TENSOR_Q8_0:
    case TENSOR_Q4_0:
    case TENSOR_Q5_0:
    case TENSOR_IQ4_NL: pack_q8(weight, row, lane, group); break;
    case TENSOR_Q4_1:
    case TENSOR_Q5_1: pack_with_minimum(weight, row, lane, group); break;
    case TENSOR_Q4_K:
    case TENSOR_Q5_K:
    case TENSOR_IQ4_XS: pack_words(weight, row, lane, group); break;
    case TENSOR_Q6_K: pack_q6_k(weight, row, lane, group); break;
    default: pack_values(weight, row, lane, group); break;
    }
}

void kernels_pack(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                  void *packed)
{
    const struct tensor_type_info *info = tensor_type_info(weight->type);
    size_t row_bytes = (size_t)(weight->n_columns / info->block_elements) * info->block_bytes;
    size_t group_bytes = kernels_group_bytes(weight->type, weight->n_columns);

    for (uint32_t g = first_group; g < first_group + n_groups; g++) {
        uint8_t *group = (uint8_t *)packed + g * group_bytes;
        uint32_t first = g * GROUP_ROWS, n = weight->n_rows - first;
        bool whole = n >= GROUP_ROWS && (weight->n_columns % 64 == 0);
        if (!whole) /* absent rows and the second half of the last pair: all zeros */
            memset(group, 0, group_bytes);
        for (unsigned lane = 0; lane < GROUP_ROWS && lane < n; lane++)
            pack_row(weight, (const uint8_t *)weight->native + (first + lane) * row_bytes, lane,
                     group);
    }
}
