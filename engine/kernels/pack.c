/*
 * pack.c - native rows to groups of 16 rows; see layout.h for the layouts
 *
 * The definition of the layouts, for any number of rows; pack_avx2.c repeats it by bytes.  Values are moved, or unpacked to bytes exactly;
 * nothing is rounded, so the packed kernels give the bytes of the native ones.
 */
#include "engine/kernels/layout.h"

bool kernels_wants_packing(enum kernel_level level, enum tensor_type type)
{
    return level > KERNEL_LEVEL_GENERIC && tensor_type_info(type)->computable;
}

uint32_t kernels_layout_version(void)
{
    return PACKED_LAYOUT_VERSION;
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

/*
 * One block of one row each; block: its bytes, group: the packed group, b: number of the block.
 * The blocks are walked outside and the rows inside, so that the lines being filled stay in L1.
 */
static void pack_q8(enum tensor_type type, const uint8_t *block, uint32_t b, unsigned lane,
                    uint8_t *group)
{
    uint8_t *pair = group + (size_t)(b / 2) * PACKED_Q8_PAIR;
    struct block_32 read;
    uint8_t values[32];

    block_32_read(type, block, &read);
    memcpy(pair + 32 * (b % 2) + 2 * lane, block, 2);
    for (int i = 0; i < 32; i++)
        values[i] = (uint8_t)(read.q[i] + 128);
    scatter_words(values, 8, lane, pair + 64 + 512 * (b % 2));
}

static void pack_with_minimum(enum tensor_type type, const uint8_t *block, uint32_t b,
                              unsigned lane, uint8_t *group)
{
    struct block_32 read;

    block_32_read(type, block, &read);
    group += (size_t)b * PACKED_MIN_BLOCK;
    memcpy(group + 2 * lane, block, 2);
    memcpy(group + 32 + 2 * lane, block + 2, 2);
    scatter_words((const uint8_t *)read.q, 8, lane, group + 64);
}

/* Scales (words 48..51 of a block); then, in the order of use, low bits of 4 columns in each of
 * two neighbouring runs of 32 columns, and the high bits of both and of the two runs above. */
static void pack_q6_k(const uint8_t *block, uint32_t b, uint32_t n_blocks, unsigned lane,
                      uint8_t *group)
{
    uint8_t *scales = group + (size_t)n_blocks * PACKED_Q6_K + (size_t)b * PACKED_Q6_K_SCALES;

    group += (size_t)b * PACKED_Q6_K;
    scatter_words(block + 192, 4, lane, group);
    for (size_t i = 0; i < 16; i++) {
        size_t half = i / 8, word = i % 8;
        uint8_t *lines = group + 256 + 192 * i;
        scatter_words(block + 64 * half + 4 * word, 1, lane, lines);
        scatter_words(block + 64 * half + 32 + 4 * word, 1, lane, lines + 64);
        scatter_words(block + 128 + 32 * half + 4 * word, 1, lane, lines + 128);
    }
    memcpy(scales + 2 * lane, block + 208, 2);
}

static void pack_block(const struct weight *weight, const uint8_t *row, uint32_t b,
                       unsigned lane, uint8_t *group)
{
    const struct tensor_type_info *info = tensor_type_info(weight->type);
    const uint8_t *block = row + (size_t)b * info->block_bytes;

    switch (weight->type) {
    case TENSOR_Q8_0:
    case TENSOR_Q4_0:
    case TENSOR_Q5_0:
    case TENSOR_IQ4_NL: pack_q8(weight->type, block, b, lane, group); break;
    case TENSOR_Q4_1:
    case TENSOR_Q5_1: pack_with_minimum(weight->type, block, b, lane, group); break;
    case TENSOR_Q6_K: pack_q6_k(block, b, weight->n_columns / 256, lane, group); break;
    default: /* Q4_K, Q5_K, IQ4_XS: whole words, moved as they are */
        scatter_words(block, info->block_bytes / 4, lane,
                      group + (size_t)b * info->block_bytes * GROUP_ROWS);
        break;
    }
}

/* F32, F16, BF16: columns first .. end - 1 of one row */
static void pack_values(size_t value_bytes, const uint8_t *row, uint32_t first, uint32_t end,
                        unsigned lane, uint8_t *group)
{
    for (size_t c = first; c < end; c++)
        memcpy(group + (c * GROUP_ROWS + lane) * value_bytes, row + c * value_bytes,
               value_bytes);
}

void generic_pack(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                  void *packed)
{
    const struct tensor_type_info *info = tensor_type_info(weight->type);
    uint32_t n_blocks = weight->n_columns / info->block_elements;
    size_t row_bytes = (size_t)n_blocks * info->block_bytes;
    size_t group_bytes = kernels_group_bytes(weight->type, weight->n_columns);

    for (uint32_t g = first_group; g < first_group + n_groups; g++) {
        uint8_t *group = (uint8_t *)packed + g * group_bytes;
        uint32_t first = g * GROUP_ROWS, n = weight->n_rows - first;
        const uint8_t *rows = (const uint8_t *)weight->native + first * row_bytes;
        /* Absent rows, the second half of the last pair, half a line behind scales of Q6_K. */
        if (n < GROUP_ROWS || weight->n_columns % 64 != 0 ||
            (weight->type == TENSOR_Q6_K && n_blocks % 2 != 0))
            memset(group, 0, group_bytes);
        n = n < GROUP_ROWS ? n : GROUP_ROWS;
        uint32_t step = info->block_elements == 1 ? 64 : 1;
        for (uint32_t b = 0; b < n_blocks; b += step) {
            for (unsigned lane = 0; lane < n; lane++) {
                const uint8_t *row = rows + lane * row_bytes;
                uint32_t end = n_blocks - b < step ? n_blocks : b + step;
                if (weight->type == TENSOR_F32)
                    pack_values(4, row, b, end, lane, group);
                else if (info->block_elements == 1)
                    pack_values(2, row, b, end, lane, group);
                else
                    pack_block(weight, row, b, lane, group);
            }
        }
    }
}
