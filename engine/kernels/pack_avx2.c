/*
 * pack_avx2.c - packing by transposes in registers; the bytes of generic_pack()
 *
 * The unit is 16 bytes of each of the 16 rows of a group: 4 words of a row, which become 4 lines.
 * Memory bounds it, so AVX-512 machines use it too.  Stores are plain ones: the system has just
 * cleared the page, so its lines are in a cache, and writing past the caches took 15 % longer.
 */
#include <immintrin.h>

#include "engine/kernels/layout.h"

#define INLINE static inline __attribute__((always_inline))

enum { UNIT_WORDS = 4, UNIT_BYTES = 16 };

/* The 16 rows of a full group. */
struct rows {
    const uint8_t *first;
    size_t stride; /* bytes */
};

INLINE const uint8_t *row(struct rows rows, int index, size_t offset)
{
    return rows.first + (size_t)index * rows.stride + offset;
}

INLINE __m256i load_two(const uint8_t *low, const uint8_t *high)
{
    return _mm256_inserti128_si256(
        _mm256_castsi128_si256(_mm_loadu_si128((const __m128i *)low)),
        _mm_loadu_si128((const __m128i *)high), 1);
}

INLINE void put_half_line(uint8_t *to, __m256i value)
{
    _mm256_store_si256((__m256i *)to, value);
}

/* rows[k] has 4 words of row k and 4 of row k + 4; words[w]: word w of rows 0 .. 7. */
INLINE void transpose(const __m256i rows[4], __m256i words[UNIT_WORDS])
{
    const __m256i a = _mm256_unpacklo_epi32(rows[0], rows[1]);
    const __m256i b = _mm256_unpacklo_epi32(rows[2], rows[3]);
    const __m256i c = _mm256_unpackhi_epi32(rows[0], rows[1]);
    const __m256i d = _mm256_unpackhi_epi32(rows[2], rows[3]);

    words[0] = _mm256_unpacklo_epi64(a, b);
    words[1] = _mm256_unpackhi_epi64(a, b);
    words[2] = _mm256_unpacklo_epi64(c, d);
    words[3] = _mm256_unpackhi_epi64(c, d);
}

/* Word w of rows 8 half .. 8 half + 7, from `offset` bytes of each row on. */
INLINE void read_words(struct rows rows, int half, size_t offset, __m256i words[UNIT_WORDS])
{
    __m256i read[4];

    for (int k = 0; k < 4; k++)
        read[k] =
            load_two(row(rows, 8 * half + k, offset), row(rows, 8 * half + k + 4, offset));
    transpose(read, words);
}

/* 4 words of each row to lines that are line_stride bytes apart. */
INLINE void move_unit(struct rows rows, size_t offset, uint8_t *lines, size_t line_stride)
{
    __m256i words[2][UNIT_WORDS];

    read_words(rows, 0, offset, words[0]);
    read_words(rows, 1, offset, words[1]);
    for (int w = 0; w < UNIT_WORDS; w++) {
        put_half_line(lines + (size_t)w * line_stride, words[0][w]);
        put_half_line(lines + (size_t)w * line_stride + 32, words[1][w]);
    }
}

/* A 16-bit number of each row at `offset`. */
INLINE void move_halves(struct rows rows, size_t offset, uint8_t *to)
{
    uint16_t halves[GROUP_ROWS];

    for (int r = 0; r < GROUP_ROWS; r++)
        memcpy(&halves[r], row(rows, r, offset), sizeof halves[r]);
    put_half_line(to, _mm256_loadu_si256((const __m256i *)halves));
}

/* Q4_K, Q5_K, IQ4_XS, F32: every word of a row, in its order. */
static void pack_words(struct rows rows, size_t n_words, uint8_t *lines)
{
    size_t w = 0;

    for (; w + UNIT_WORDS <= n_words; w += UNIT_WORDS)
        move_unit(rows, 4 * w, lines + 64 * w, 64);
    for (; w < n_words; w++)
        for (int r = 0; r < GROUP_ROWS; r++)
            memcpy(lines + 64 * w + 4 * r, row(rows, r, 4 * w), 4);
}

/* F16, BF16: a line holds one column of 16 rows and then the next one. */
static void pack_half_values(struct rows rows, uint32_t n_columns, uint8_t *lines)
{
    const __m256i even_first = _mm256_broadcastsi128_si256(
        _mm_setr_epi8(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15));
    size_t column = 0;

    for (; column + 2 * UNIT_WORDS <= n_columns; column += 2 * UNIT_WORDS) {
        __m256i words[2][UNIT_WORDS];
        for (int half = 0; half < 2; half++) {
            read_words(rows, half, 2 * column, words[half]);
            for (int w = 0; w < UNIT_WORDS; w++)
                words[half][w] = _mm256_permute4x64_epi64(
                    _mm256_shuffle_epi8(words[half][w], even_first), 0xd8);
        }
        for (size_t w = 0; w < UNIT_WORDS; w++) {
            uint8_t *line = lines + 32 * column + 64 * w;
            put_half_line(line, _mm256_permute2x128_si256(words[0][w], words[1][w], 0x20));
            put_half_line(line + 32, _mm256_permute2x128_si256(words[0][w], words[1][w], 0x31));
        }
    }
    for (; column < n_columns; column++)
        move_halves(rows, 2 * column, lines + 32 * column);
    if (n_columns % 2 != 0)
        put_half_line(lines + 32 * (size_t)n_columns, _mm256_setzero_si256());
}

/* The fifth bits of 16 values in each half, from the 2 bytes at `at` of each half's 4: 0 or 16. */
INLINE __m256i fifth_bits(__m256i bits, int at)
{
    const __m256i bit = _mm256_set1_epi64x((long long)0x8040201008040201);
    const __m256i byte = _mm256_broadcastsi128_si256(
        _mm_set_epi64x(0x0101010101010101 * (at + 1), 0x0101010101010101 * at));
    const __m256i spread = _mm256_and_si256(_mm256_shuffle_epi8(bits, byte), bit);

    return _mm256_and_si256(_mm256_cmpeq_epi8(spread, bit), _mm256_set1_epi8(16));
}

INLINE __m256i load_two_words(const uint8_t *low, const uint8_t *high)
{
    int32_t words[2];

    memcpy(&words[0], low, 4);
    memcpy(&words[1], high, 4);
    return _mm256_set_m128i(_mm_cvtsi32_si128(words[1]), _mm_cvtsi32_si128(words[0]));
}

/* The 32 bytes that are stored for a block, of two rows: values 0 .. 15 of both, then 16 .. 31. */
INLINE void read_values(enum tensor_type type, const uint8_t *low, const uint8_t *high,
                        __m256i values[2])
{
    const bool has_minimum = type == TENSOR_Q4_1 || type == TENSOR_Q5_1;
    const bool has_fifth = type == TENSOR_Q5_0 || type == TENSOR_Q5_1;
    const size_t head = has_minimum ? 4 : 2, at = has_fifth ? head + 4 : head;
    const __m256i nibble = _mm256_set1_epi8(15);

    values[0] = load_two(low + at, high + at);
    if (type == TENSOR_Q8_0) {
        const __m256i offset = _mm256_set1_epi8(-128);
        values[0] = _mm256_xor_si256(values[0], offset);
        values[1] = _mm256_xor_si256(load_two(low + at + 16, high + at + 16), offset);
        return;
    }
    values[1] = _mm256_and_si256(_mm256_srli_epi16(values[0], 4), nibble);
    values[0] = _mm256_and_si256(values[0], nibble);
    if (has_fifth) {
        const __m256i bits = load_two_words(low + head, high + head);
        values[0] = _mm256_or_si256(values[0], fifth_bits(bits, 0));
        values[1] = _mm256_or_si256(values[1], fifth_bits(bits, 2));
    }
    for (int i = 0; i < 2; i++) {
        if (type == TENSOR_IQ4_NL) {
            const __m256i table = _mm256_xor_si256(
                load_two((const uint8_t *)iq4_values, (const uint8_t *)iq4_values),
                _mm256_set1_epi8(-128));
            values[i] = _mm256_shuffle_epi8(table, values[i]);
        } else if (!has_minimum) { /* Q4_0: - 8 + 128, Q5_0: - 16 + 128 */
            values[i] = _mm256_add_epi8(values[i], _mm256_set1_epi8(has_fifth ? 112 : 120));
        }
    }
}

/* The 8 lines of a block of 32 columns at `offset`. */
INLINE void pack_values(enum tensor_type type, struct rows rows, size_t offset, uint8_t *lines)
{
    for (int half = 0; half < 2; half++) {
        __m256i read[2][4], words[UNIT_WORDS];
        for (int k = 0; k < 4; k++) {
            __m256i values[2];
            read_values(type, row(rows, 8 * half + k, offset),
                        row(rows, 8 * half + k + 4, offset), values);
            read[0][k] = values[0];
            read[1][k] = values[1];
        }
        for (int i = 0; i < 2; i++) {
            transpose(read[i], words);
            for (int w = 0; w < UNIT_WORDS; w++)
                put_half_line(lines + 256 * i + 64 * w + 32 * half, words[w]);
        }
    }
}

INLINE void pack_q8(enum tensor_type type, struct rows rows, uint32_t n_blocks, uint8_t *group)
{
    const size_t block_bytes = tensor_type_info(type)->block_bytes;

    for (uint32_t b = 0; b < n_blocks; b++) {
        uint8_t *pair = group + (size_t)(b / 2) * PACKED_Q8_PAIR;
        move_halves(rows, b * block_bytes, pair + 32 * (b % 2));
        pack_values(type, rows, b * block_bytes, pair + 64 + 512 * (b % 2));
    }
    if (n_blocks % 2 != 0) {
        uint8_t *pair = group + (size_t)(n_blocks / 2) * PACKED_Q8_PAIR;
        put_half_line(pair + 32, _mm256_setzero_si256());
        for (size_t i = 64 + 512; i < PACKED_Q8_PAIR; i += 32)
            put_half_line(pair + i, _mm256_setzero_si256());
    }
}

INLINE void pack_with_minimum(enum tensor_type type, struct rows rows, uint32_t n_blocks,
                              uint8_t *group)
{
    const size_t block_bytes = tensor_type_info(type)->block_bytes;

    for (uint32_t b = 0; b < n_blocks; b++, group += PACKED_MIN_BLOCK) {
        move_halves(rows, b * block_bytes, group);
        move_halves(rows, b * block_bytes + 2, group + 32);
        pack_values(type, rows, b * block_bytes, group + 64);
    }
}

static void pack_q6_k(struct rows rows, uint32_t n_blocks, uint8_t *group)
{
    uint8_t *scales = group + (size_t)n_blocks * PACKED_Q6_K;

    for (uint32_t b = 0; b < n_blocks; b++, group += PACKED_Q6_K) {
        const size_t block = 210 * (size_t)b;
        move_unit(rows, block + 192, group, 64);
        /* Which half of the columns, and 4 of its 8 words: 3 lines each. */
        for (size_t i = 0; i < 4; i++) {
            const size_t half = i / 2, words = i % 2 * UNIT_BYTES;
            uint8_t *lines = group + 256 + 192 * UNIT_WORDS * i;
            move_unit(rows, block + 64 * half + words, lines, 192);
            move_unit(rows, block + 64 * half + 32 + words, lines + 64, 192);
            move_unit(rows, block + 128 + 32 * half + words, lines + 128, 192);
        }
        move_halves(rows, block + 208, scales + (size_t)b * PACKED_Q6_K_SCALES);
    }
    if (n_blocks % 2 != 0)
        put_half_line(scales + (size_t)n_blocks * PACKED_Q6_K_SCALES, _mm256_setzero_si256());
}

static void pack_group(const struct weight *weight, struct rows rows, uint8_t *group)
{
    const uint32_t n_blocks =
        weight->n_columns / tensor_type_info(weight->type)->block_elements;

    switch (weight->type) {
    case TENSOR_Q8_0: pack_q8(TENSOR_Q8_0, rows, n_blocks, group); break;
    case TENSOR_Q4_0: pack_q8(TENSOR_Q4_0, rows, n_blocks, group); break;
    case TENSOR_Q5_0: pack_q8(TENSOR_Q5_0, rows, n_blocks, group); break;
    case TENSOR_IQ4_NL: pack_q8(TENSOR_IQ4_NL, rows, n_blocks, group); break;
    case TENSOR_Q4_1: pack_with_minimum(TENSOR_Q4_1, rows, n_blocks, group); break;
    case TENSOR_Q5_1: pack_with_minimum(TENSOR_Q5_1, rows, n_blocks, group); break;
    case TENSOR_Q6_K: pack_q6_k(rows, n_blocks, group); break;
    case TENSOR_F16:
    case TENSOR_BF16: pack_half_values(rows, weight->n_columns, group); break;
    default: pack_words(rows, rows.stride / 4, group); break;
    }
}

void avx2_pack(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
               void *packed)
{
    const struct tensor_type_info *info = tensor_type_info(weight->type);
    const size_t row_bytes =
        (size_t)(weight->n_columns / info->block_elements) * info->block_bytes;
    const size_t group_bytes = kernels_group_bytes(weight->type, weight->n_columns);
    const uint32_t n_full = weight->n_rows / GROUP_ROWS;

    for (uint32_t g = first_group; g < first_group + n_groups; g++) {
        const struct rows rows = {
            (const uint8_t *)weight->native + (size_t)g * GROUP_ROWS * row_bytes, row_bytes};
        if (g < n_full)
            pack_group(weight, rows, (uint8_t *)packed + g * group_bytes);
        else
            generic_pack(weight, g, 1, packed);
    }
}
