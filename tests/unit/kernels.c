/*
 * kernels.c - every level against the definition, by bytes
 *
 * Weights are random blocks of each type; shapes are odd on purpose: rows that do not fill a group,
 * columns that are not a multiple of 256, row counts around the tiles, unaligned native rows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kernels/kernels.h"
#include "engine/kernels/layout.h"
#include "engine/kernels/math.h"

static const enum tensor_type types[] = {TENSOR_F32,   TENSOR_F16,  TENSOR_BF16, TENSOR_Q8_0,
                                         TENSOR_Q4_0,  TENSOR_Q4_1, TENSOR_Q5_0, TENSOR_Q5_1,
                                         TENSOR_Q4_K,  TENSOR_Q5_K, TENSOR_Q6_K, TENSOR_IQ4_NL,
                                         TENSOR_IQ4_XS};
enum { N_TYPES = sizeof types / sizeof types[0] };

static uint32_t random_state = 1;

static uint32_t random_bits(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

/* in [-1, 1) */
static float random_float(void)
{
    return (float)(int32_t)(random_bits() & 0xffff) / 32768.0f - 1.0f;
}

static void random_floats(float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = random_float();
}

static void put_half(uint8_t *at, float value)
{
    uint16_t half = float_to_half(value);

    memcpy(at, &half, sizeof half);
}

/* Random values in the places of values, sane ones in those of scales. */
static void random_row(enum tensor_type type, uint8_t *row, uint32_t n_columns)
{
    const struct tensor_type_info *info = tensor_type_info(type);

    for (uint32_t b = 0; b < n_columns / info->block_elements; b++, row += info->block_bytes) {
        for (uint32_t i = 0; i < info->block_bytes; i++)
            row[i] = (uint8_t)(random_bits() >> 4);
        float scale = 0.01f * random_float();
        switch (type) {
        case TENSOR_F32:
            scale = random_float();
            memcpy(row, &scale, sizeof scale);
            break;
        case TENSOR_F16: put_half(row, random_float()); break;
        case TENSOR_BF16: {
            uint16_t bits = float_to_bfloat16(random_float());
            memcpy(row, &bits, sizeof bits);
            break;
        }
        case TENSOR_Q6_K: put_half(row + 208, scale); break;
        case TENSOR_Q4_1:
        case TENSOR_Q5_1:
        case TENSOR_Q4_K:
        case TENSOR_Q5_K:
            put_half(row, scale);
            put_half(row + 2, 0.01f * random_float());
            break;
        default: put_half(row, scale); break;
        }
    }
}

static void *aligned(size_t n_bytes)
{
    void *memory = aligned_alloc(KERNEL_ALIGNMENT, (n_bytes + 4095) / 4096 * 4096);

    assert_non_null(memory);
    return memory;
}

struct matrix {
    struct weight weight;
    uint8_t *native;
    void *packed;
};

static void matrix_fill(struct matrix *m, enum tensor_type type, uint32_t n_rows,
                        uint32_t n_columns)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    size_t row_bytes = (size_t)(n_columns / info->block_elements) * info->block_bytes;
    uint32_t n_groups = (n_rows + GROUP_ROWS - 1) / GROUP_ROWS;

    m->native = malloc(row_bytes * n_rows + 1);
    assert_non_null(m->native);
    for (uint32_t r = 0; r < n_rows; r++)
        random_row(type, m->native + 1 + r * row_bytes, n_columns);
    m->weight = (struct weight){type, n_rows, n_columns, m->native + 1, NULL};
    m->packed = aligned(n_groups * kernels_group_bytes(type, n_columns));
    kernels_for(KERNEL_LEVEL_GENERIC)->pack(&m->weight, 0, n_groups, m->packed);
}

static void matrix_release(struct matrix *m)
{
    free(m->native);
    free(m->packed);
}

/* out: [n_tokens][stride] with a stride and canaries of its own. */
static void multiply(enum kernel_level level, struct matrix *m, const float *x,
                     uint32_t n_tokens, float *out, size_t stride)
{
    const struct kernels *kernels = kernels_for(level);
    enum tensor_type type = m->weight.type;
    enum activation_form form = kernels_activation_form(level, type);
    uint32_t n = m->weight.n_columns;
    void *activation = aligned(kernels_activation_bytes(form, n, n_tokens) + 1);
    struct weight weight = m->weight;

    if (kernels_wants_packing(level, type))
        weight.packed = m->packed;
    kernels->quantize(form, x, n, n, 0, n_tokens, n_tokens, activation);
    kernels->matmul(&weight, 0, (weight.n_rows + GROUP_ROWS - 1) / GROUP_ROWS, activation,
                    n_tokens, out, stride);
    free(activation);
}

/* The int8 levels differ from the exact answer by what quantising the activations costs. */
static void definition_is_near_the_exact_answer(void **state)
{
    enum { ROWS = 21, COLUMNS = 768, TOKENS = 3 };
    float *x = aligned(COLUMNS * TOKENS * sizeof *x);
    float exact[ROWS * TOKENS], rounded[ROWS * TOKENS];

    (void)state;
    random_floats(x, COLUMNS * TOKENS);
    for (int i = 0; i < N_TYPES; i++) {
        struct matrix m;
        double difference = 0, size = 0;
        matrix_fill(&m, types[i], ROWS, COLUMNS);
        multiply(KERNEL_LEVEL_REFERENCE, &m, x, TOKENS, exact, ROWS);
        multiply(KERNEL_LEVEL_GENERIC, &m, x, TOKENS, rounded, ROWS);
        for (int k = 0; k < ROWS * TOKENS; k++) {
            difference += (double)(exact[k] - rounded[k]) * (double)(exact[k] - rounded[k]);
            size += (double)exact[k] * (double)exact[k];
        }
        bool exact_type =
            kernels_activation_form(KERNEL_LEVEL_GENERIC, types[i]) == ACTIVATION_F32;
        /* 1 / 127 / sqrt(12) of the largest value, which is sqrt(3) rms here: 0.4 % */
        if (difference > size * (exact_type ? 1e-12 : 2.5e-5))
            fail_msg("%s: relative error squared %g", tensor_type_info(types[i])->name,
                     difference / size);
        matrix_release(&m);
    }
    free(x);
}

/* Vector levels of this processor, each compared with the definition. */
static enum kernel_level next_level(enum kernel_level level)
{
    do
        level++;
    while (level < KERNEL_LEVEL_COUNT && !kernel_level_supported(level));
    return level;
}

#define FOR_EACH_LEVEL(level)                                                                  \
    for (enum kernel_level level = next_level(KERNEL_LEVEL_GENERIC);                           \
         level < KERNEL_LEVEL_COUNT; level = next_level(level))

static const float CANARY = 12345.0f;

static void fill(float *x, size_t n, float value)
{
    for (size_t i = 0; i < n; i++)
        x[i] = value;
}

static void check_same(const float *got, const float *wanted, size_t n, const char *what,
                       enum kernel_level level)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(&got[i], &wanted[i], sizeof *got) != 0)
            fail_msg("%s at %s: element %zu is %a, not %a", what, kernel_level_name(level), i,
                     (double)got[i], (double)wanted[i]);
}

static void check_matmul(enum kernel_level level, enum tensor_type type, uint32_t n_rows,
                         uint32_t n_columns, const uint32_t *counts, size_t n_counts)
{
    struct matrix m;
    const size_t stride = n_rows + 5;

    matrix_fill(&m, type, n_rows, n_columns);
    for (size_t c = 0; c < n_counts; c++) {
        uint32_t n_tokens = counts[c];
        float *x = aligned(((size_t)n_tokens * n_columns + 1) * sizeof *x);
        float *wanted = aligned((stride * n_tokens + 3) * sizeof *wanted);
        float *got = aligned((stride * n_tokens + 3) * sizeof *got);
        char what[96];
        random_floats(x + 1, (size_t)n_tokens * n_columns);
        fill(wanted, stride * n_tokens + 3, CANARY);
        fill(got, stride * n_tokens + 3, CANARY);
        multiply(KERNEL_LEVEL_GENERIC, &m, x + 1, n_tokens, wanted + 3, stride);
        multiply(level, &m, x + 1, n_tokens, got + 3, stride);
        snprintf(what, sizeof what, "%s %u x %u, %u tokens", tensor_type_info(type)->name,
                 n_rows, n_columns, n_tokens);
        check_same(got, wanted, stride * n_tokens + 3, what, level);
        free(x);
        free(wanted);
        free(got);
    }
    matrix_release(&m);
}

static void matmul_equals_the_definition(void **state)
{
    uint32_t counts[36];
    const uint32_t few[] = {1, 3, 13};
    const uint32_t rows[] = {1, 15, 16, 17, 50};

    (void)state;
    for (uint32_t i = 0; i < 35; i++)
        counts[i] = i + 1;
    counts[35] = 200; /* more than one pass over the weights */
    FOR_EACH_LEVEL(level)
    {
        for (int i = 0; i < N_TYPES; i++) {
            uint32_t block = tensor_type_info(types[i])->block_elements;
            check_matmul(level, types[i], 37, 768, counts, 36);
            for (int r = 0; r < 5; r++)
                check_matmul(level, types[i], rows[r], 512, few, 3);
            /* odd numbers of blocks; for floats, columns that do not fill four chains */
            for (uint32_t n = 1; n <= 11; n += 2)
                check_matmul(level, types[i], 18, block == 1 ? 30 + n : block * n, few, 3);
        }
        /* rows long enough for several pieces */
        check_matmul(level, TENSOR_Q8_0, 33, 4096 + 96, few, 3);
        check_matmul(level, TENSOR_Q4_K, 33, 4096, few, 3);
    }
}

/* Every level packs the bytes that the definition packs, and nothing beside its groups. */
static void packing_is_the_same_at_every_level(void **state)
{
    static const uint32_t n_rows[] = {1, 15, 16, 17, 32, 70};
    static const uint32_t n_blocks[] = {1, 2, 3, 4, 7, 8, 9, 16, 31, 33};

    (void)state;
    FOR_EACH_LEVEL(level)
    {
        for (int i = 0; i < N_TYPES; i++) {
            const struct tensor_type_info *info = tensor_type_info(types[i]);
            for (size_t r = 0; r < sizeof n_rows / sizeof *n_rows; r++)
                for (size_t b = 0; b < sizeof n_blocks / sizeof *n_blocks; b++) {
                    const uint32_t n_columns = n_blocks[b] * info->block_elements;
                    const uint32_t n_groups = (n_rows[r] + GROUP_ROWS - 1) / GROUP_ROWS;
                    const size_t group_bytes = kernels_group_bytes(types[i], n_columns);
                    const size_t n_bytes = n_groups * group_bytes;
                    struct matrix m;
                    matrix_fill(&m, types[i], n_rows[r], n_columns);
                    uint8_t *got = aligned(n_bytes + 64), *wanted = aligned(n_bytes + 64);
                    memset(got, 0xa5, n_bytes + 64);
                    memset(wanted, 0x5a, n_bytes);
                    memset(wanted + n_bytes, 0xa5, 64);
                    kernels_for(KERNEL_LEVEL_GENERIC)->pack(&m.weight, 0, n_groups, wanted);
                    for (uint32_t g = n_groups; g-- > 0;) {
                        kernels_for(level)->pack(&m.weight, g, 1, got);
                        if (g > 0) /* it stays within its group */
                            assert_int_equal(got[g * group_bytes - 1], 0xa5);
                    }
                    if (memcmp(got, wanted, n_bytes + 64) != 0)
                        fail_msg("%s, %u x %u, level %s", info->name, n_rows[r], n_columns,
                                 kernel_level_name(level));
                    free(got);
                    free(wanted);
                    matrix_release(&m);
                }
        }
    }
}

/* A row's sums do not depend on how many rows or groups are computed together. */
static void one_token_or_many_one_group_or_all(void **state)
{
    enum { ROWS = 70, COLUMNS = 512, TOKENS = 19 };
    static float x[TOKENS * COLUMNS], all[TOKENS * ROWS], one[ROWS];

    (void)state;
    random_floats(x, TOKENS * COLUMNS);
    FOR_EACH_LEVEL(level)
    {
        const struct kernels *kernels = kernels_for(level);
        for (int i = 0; i < N_TYPES; i++) {
            enum activation_form form = kernels_activation_form(level, types[i]);
            void *activation = aligned(kernels_activation_bytes(form, COLUMNS, 1));
            struct matrix m;
            matrix_fill(&m, types[i], ROWS, COLUMNS);
            multiply(level, &m, x, TOKENS, all, ROWS);
            if (kernels_wants_packing(level, types[i]))
                m.weight.packed = m.packed;
            for (int t = 0; t < TOKENS; t++) {
                kernels->quantize(form, x + t * COLUMNS, COLUMNS, COLUMNS, 0, 1, 1, activation);
                for (uint32_t g = 0; g < (ROWS + GROUP_ROWS - 1) / GROUP_ROWS; g++)
                    kernels->matmul(&m.weight, g, 1, activation, 1, one, ROWS);
                check_same(one, all + t * ROWS, ROWS, tensor_type_info(types[i])->name, level);
            }
            matrix_release(&m);
            free(activation);
        }
    }
}

/* Extreme weights and activations: the integer parts reach their bounds. */
static void sums_stay_exact_at_their_bounds(void **state)
{
    enum { ROWS = 16, COLUMNS = 512, TOKENS = 2 };
    static float x[TOKENS * COLUMNS], wanted[TOKENS * ROWS], got[TOKENS * ROWS];

    (void)state;
    for (int i = 0; i < TOKENS * COLUMNS; i++)
        x[i] = i < COLUMNS ? 1.0f : -1.0f;
    FOR_EACH_LEVEL(level)
    {
        for (int i = 3; i < N_TYPES; i++) {
            for (int pattern = 0; pattern < 4; pattern++) {
                const uint8_t bytes[] = {0x00, 0xff, 0x80, 0x7f};
                const struct tensor_type_info *info = tensor_type_info(types[i]);
                size_t n_blocks = (size_t)ROWS * COLUMNS / info->block_elements;
                struct matrix m;
                matrix_fill(&m, types[i], ROWS, COLUMNS);
                for (size_t b = 0; b < n_blocks; b++) {
                    uint8_t *block = m.native + 1 + b * info->block_bytes;
                    memset(block, bytes[pattern], info->block_bytes);
                    put_half(types[i] == TENSOR_Q6_K ? block + 208 : block, 0.37f);
                    if (info->block_elements == 256 && types[i] != TENSOR_Q6_K &&
                        types[i] != TENSOR_IQ4_XS)
                        put_half(block + 2, -0.11f);
                }
                kernels_for(level)->pack(&m.weight, 0, 1, m.packed);
                multiply(KERNEL_LEVEL_GENERIC, &m, x, TOKENS, wanted, ROWS);
                multiply(level, &m, x, TOKENS, got, ROWS);
                if (wanted[0] == wanted[0]) /* Q4_1, Q5_1: 0xffff is a NaN minimum */
                    check_same(got, wanted, TOKENS * ROWS, info->name, level);
                matrix_release(&m);
            }
        }
    }
}

/* Integers and scales of a block give the values that the format defines. */
static void blocks_decode_as_the_format_says(void **state)
{
    static uint8_t row[256 * 4];
    float wanted[256], got[256];

    (void)state;
    for (int round = 0; round < 100; round++) {
        for (int i = 3; i < N_TYPES; i++) {
            uint32_t n = tensor_type_info(types[i])->block_elements;
            random_row(types[i], row, n);
            tensor_row_decode(types[i], row, wanted, n);
            if (n == 32) {
                struct block_32 block;
                block_32_read(types[i], row, &block);
                for (uint32_t k = 0; k < n; k++)
                    got[k] = block.scale * block.q[k] + block.minimum;
            } else {
                struct block_256 block;
                bool has_minimum = types[i] == TENSOR_Q4_K || types[i] == TENSOR_Q5_K;
                block_256_read(types[i], row, &block);
                for (uint32_t k = 0; k < n; k++) {
                    int32_t scale = block.scale[k / (types[i] == TENSOR_Q6_K ? 16 : 32)];
                    float minimum = has_minimum ? (float)block.minimum[k / 32] : 0;
                    got[k] = block.d * (float)scale * block.q[k] - block.d_minimum * minimum;
                }
            }
            for (uint32_t k = 0; k < n; k++)
                if (!(got[k] - wanted[k] < 1e-5f && wanted[k] - got[k] < 1e-5f))
                    fail_msg("%s: element %u is %g, not %g", tensor_type_info(types[i])->name,
                             k, (double)got[k], (double)wanted[k]);
        }
    }
}

static void check_rounded(const float *x, const int8_t *q, int n, float scale)
{
    for (int i = 0; i < n; i++) {
        float error = x[i] - scale * q[i];
        assert_true(q[i] >= -127 && error <= 0.50001f * scale && error >= -0.50001f * scale);
    }
}

/* Quantised activations are within half a step, and carry the sums of their integers. */
static void quantized_rows_are_near(void **state)
{
    enum { COLUMNS = 512 };
    static float x[COLUMNS];
    static struct activation_32 small[COLUMNS / 32];
    static struct activation_256 large[COLUMNS / 256];
    const struct kernels *kernels = kernels_for(KERNEL_LEVEL_GENERIC);

    (void)state;
    for (int round = 0; round < 50; round++) {
        random_floats(x, COLUMNS);
        kernels->quantize(ACTIVATION_Q8_32, x, COLUMNS, COLUMNS, 0, 1, 1, small);
        kernels->quantize(ACTIVATION_Q8_256, x, COLUMNS, COLUMNS, 0, 1, 1, large);
        for (int b = 0; b < COLUMNS / 32; b++) {
            int32_t sum = 0, sum_large = 0;
            const struct activation_256 *block = &large[b / 8];
            check_rounded(x + 32 * b, small[b].q, 32, small[b].scale);
            check_rounded(x + 32 * b, block->q + 32 * (b % 8), 32, block->scale);
            for (int i = 0; i < 32; i++) {
                sum += small[b].q[i];
                sum_large += block->q[32 * (b % 8) + i];
            }
            assert_int_equal(small[b].offset, -128 * sum);
            assert_int_equal(block->sum32[b % 8], sum_large);
            assert_int_equal(block->offset32[b % 8], -128 * sum_large);
            assert_int_equal(block->offset16[b % 8 * 2] + block->offset16[b % 8 * 2 + 1],
                             -32 * sum_large);
        }
    }
}

static void quantized_rows_are_the_same(void **state)
{
    enum { COLUMNS = 1024, ROWS = 3 };
    static float x[ROWS * COLUMNS + 1];

    (void)state;
    for (int round = 0; round < 50; round++) {
        random_floats(x, ROWS * COLUMNS + 1);
        for (int i = 0; i < ROWS * COLUMNS; i++) {
            /* ties, wide ranges, blocks of zeros, and blocks too small for a scale */
            if (round % 5 == 1)
                x[i] = (float)(int)(x[i] * 254) / 2;
            else if (round % 5 == 2)
                x[i] *= math_exp(80.0f * random_float());
            else if (round % 5 == 3)
                x[i] = i % 512 < 256 ? 0 : -0.0f;
            else if (round % 5 == 4)
                x[i] *= i / 256 % 2 ? 0x1p-119f : 0x1p-140f;
        }
        for (int f = ACTIVATION_F32; f < ACTIVATION_FORM_COUNT; f++) {
            enum activation_form form = (enum activation_form)f;
            size_t n_bytes = kernels_activation_bytes(form, COLUMNS, 5);
            uint8_t *wanted = aligned(n_bytes), *got = aligned(n_bytes);
            memset(wanted, 0x5a, n_bytes);
            kernels_for(KERNEL_LEVEL_GENERIC)
                ->quantize(form, x + 1, COLUMNS, COLUMNS, 1, ROWS, 5, wanted);
            FOR_EACH_LEVEL(level)
            {
                memset(got, 0x5a, n_bytes);
                kernels_for(level)->quantize(form, x + 1, COLUMNS, COLUMNS, 1, 1, 5, got);
                kernels_for(level)->quantize(form, x + 1 + COLUMNS, COLUMNS, COLUMNS, 2,
                                             ROWS - 1, 5, got);
                assert_memory_equal(got, wanted, n_bytes);
            }
            free(wanted);
            free(got);
        }
    }
}

/* The stages between the matrices ---------------------------------------- */

enum { MOST = 700 };
static float in_a[MOST + 64], in_b[MOST + 64], in_c[MOST + 64], wanted_x[MOST + 64],
    got_x[MOST + 64];

static void random_stage(float range)
{
    random_floats(in_a, MOST + 64);
    random_floats(in_b, MOST + 64);
    random_floats(in_c, MOST + 64);
    for (int i = 0; i < MOST + 64; i++)
        in_a[i] *= range;
    fill(wanted_x, MOST + 64, CANARY);
    fill(got_x, MOST + 64, CANARY);
}

static void stages_equal_the_definition(void **state)
{
    const struct kernels *generic = kernels_for(KERNEL_LEVEL_GENERIC);
    const float ranges[] = {1e-3f, 1.0f, 10.0f, 95.0f, 1e6f};

    (void)state;
    FOR_EACH_LEVEL(level)
    {
        const struct kernels *kernels = kernels_for(level);
        for (uint32_t n = 1; n < 100; n++) {
            random_stage(ranges[n % 5]);
            generic->silu_multiply(in_a + 1, in_b + 1, n, wanted_x + 1);
            kernels->silu_multiply(in_a + 1, in_b + 1, n, got_x + 1);
            check_same(got_x, wanted_x, n + 32, "silu", level);
            generic->sigmoid_multiply(in_b + 1, in_a + 1, n, wanted_x + 1);
            kernels->sigmoid_multiply(in_b + 1, in_a + 1, n, got_x + 1);
            check_same(got_x, wanted_x, n + 32, "sigmoid", level);
            generic->add(wanted_x + 1, in_a + 1, n);
            kernels->add(got_x + 1, in_a + 1, n);
            check_same(got_x, wanted_x, n + 32, "add", level);
            generic->rotate(wanted_x + 1, in_b + 1, in_c + 1, n);
            kernels->rotate(got_x + 1, in_b + 1, in_c + 1, n);
            check_same(got_x, wanted_x, 2 * n + 32, "rotate", level);
            generic->to_half(in_a + 1, n, (uint16_t *)(void *)wanted_x);
            kernels->to_half(in_a + 1, n, (uint16_t *)(void *)got_x);
            assert_memory_equal(got_x, wanted_x, 2 * n + 64);
        }
        for (uint32_t n = 16; n <= MOST; n += 16) {
            random_stage(ranges[n / 16 % 3]);
            generic->rms_norm(in_a + 1, in_b + 1, n, 1e-6f, wanted_x + 1);
            kernels->rms_norm(in_a + 1, in_b + 1, n, 1e-6f, got_x + 1);
            check_same(got_x, wanted_x, n + 32, "rms_norm", level);
            generic->l2_norm(in_a + 1, n, 1e-6f, 0.088388346f, wanted_x + 1);
            kernels->l2_norm(in_a + 1, n, 1e-6f, 0.088388346f, got_x + 1);
            check_same(got_x, wanted_x, n + 32, "l2_norm", level);
        }
    }
}

/* Some values are odd, at any place; without them the row is finite. */
static void logits_equal_the_definition(void **state)
{
    const struct kernels *generic = kernels_for(KERNEL_LEVEL_GENERIC);
    const float odd[] = {NAN, -NAN, INFINITY, -INFINITY, -0.0f, 0.0f, 1e-42f};
    uint64_t random = 5;

    (void)state;
    FOR_EACH_LEVEL(level)
    {
        const struct kernels *kernels = kernels_for(level);
        for (uint32_t n = 1; n < 200; n++)
            for (int n_odd = 0; n_odd < 4; n_odd++) {
                bool is_finite = true;
                random_stage(n % 2 ? 10.0f : 0); /* zeros of both signs */
                for (int i = 0; i < n_odd; i++) {
                    random = random * UINT64_C(6364136223846793005) + 1;
                    in_a[1 + (random >> 40) % n] = odd[(random >> 33) % 7];
                }
                if (n_odd == 3 && n % 8 == 0)
                    fill(in_a + 1, n, NAN);
                for (uint32_t i = 0; i < n; i++)
                    is_finite = is_finite && isfinite(in_a[1 + i]);
                assert_int_equal(generic->block_maxima(in_a + 1, n, wanted_x + 1), is_finite);
                assert_int_equal(kernels->block_maxima(in_a + 1, n, got_x + 1), is_finite);
                check_same(got_x, wanted_x, n + 32, "block_maxima", level);
                generic->gap_steps(in_a + 1, n, 40, 1 / 0.7, -1e6, 45 << 20,
                                   (uint32_t *)(void *)(wanted_x + 1));
                kernels->gap_steps(in_a + 1, n, 40, 1 / 0.7, -1e6, 45 << 20,
                                   (uint32_t *)(void *)(got_x + 1));
                assert_memory_equal(got_x, wanted_x, (n + 32) * sizeof *got_x);
            }
        for (uint32_t i = 0; i < 3000; i++) {
            const uint64_t base = random = random * UINT64_C(6364136223846793005) + i;
            const uint32_t first = i % 3 ? (uint32_t)(random >> 20) : 64 * i;
            const uint64_t limit = i % 70 == 69 ? random : -(UINT64_C(1) << i % 64);
            assert_true(generic->noise_above(base, first, limit) ==
                        kernels->noise_above(base, first, limit));
            assert_true(~kernels->noise_above(base, first, 0) == 0);
        }
    }
}

static void convolution_equals_the_definition(void **state)
{
    enum { CHANNELS = 75, TAPS = 4, TOKENS = 5 };
    const struct kernels *generic = kernels_for(KERNEL_LEVEL_GENERIC);

    (void)state;
    FOR_EACH_LEVEL(level)
    {
        for (uint32_t first = 0; first < 40; first += 13) {
            for (uint32_t n = 1; n <= CHANNELS - 39; n += 5) {
                random_stage(3.0f);
                const size_t stride = n + first % 3;
                generic->convolve(in_a + first, CHANNELS, in_b + first, CHANNELS - 1, TAPS, n,
                                  TOKENS, wanted_x, stride);
                kernels_for(level)->convolve(in_a + first, CHANNELS, in_b + first, CHANNELS - 1,
                                             TAPS, n, TOKENS, got_x, stride);
                check_same(got_x, wanted_x, CHANNELS * TOKENS, "convolve", level);
            }
        }
    }
}

static void delta_rule_equals_the_definition(void **state)
{
    enum { KEY = 44, VALUE = 80, TOKENS = 7, STRIDE = 97 };
    static float token[5][TOKENS * STRIDE], result[3][2][TOKENS * STRIDE];
    float *start = aligned(KEY * VALUE * sizeof(float));
    float *states[2] = {aligned(KEY * VALUE * sizeof(float)),
                        aligned(KEY * VALUE * sizeof(float))};

    (void)state;
    for (int i = 0; i < 5; i++)
        random_floats(token[i], TOKENS * STRIDE);
    for (int i = 0; i < TOKENS * STRIDE; i++) /* decay and beta in (0, 1) */
        token[3][i] = 0.5f + 0.49f * token[3][i];
    random_floats(start, KEY * VALUE);
    FOR_EACH_LEVEL(level)
    {
        for (uint32_t n_slices = 1; n_slices <= VALUE / DELTA_SLICE; n_slices++) {
            for (uint32_t n_tokens = 1; n_tokens <= TOKENS; n_tokens += 2) {
                for (int l = 0; l < 2; l++) {
                    const struct kernels *kernels =
                        kernels_for(l ? level : KERNEL_LEVEL_GENERIC);
                    uint32_t first = (VALUE / DELTA_SLICE - n_slices) / 2;
                    memcpy(states[l], start, KEY * VALUE * sizeof(float));
                    fill(result[0][l], TOKENS * STRIDE, CANARY);
                    fill(result[1][l], TOKENS * STRIDE, CANARY);
                    struct delta_rule_job job = {
                        states[l], KEY,          first,        n_slices,
                        n_tokens,  token[0],     token[1],     token[2],
                        token[3],  token[3] + 1, result[0][l], result[1][l],
                        STRIDE,    STRIDE,       STRIDE,       2,
                        STRIDE,    STRIDE};
                    /* The first tokens one by one, the rest at once, and once more from delta. */
                    job.n_tokens = 1;
                    kernels->delta_rule(&job);
                    if (n_tokens > 1) {
                        job.n_tokens = n_tokens - 1;
                        job.query += STRIDE;
                        job.key += STRIDE;
                        job.value += STRIDE;
                        job.decay += 2;
                        job.beta += 2;
                        job.out += STRIDE;
                        job.delta += STRIDE;
                        kernels->delta_rule(&job);
                    }
                }
                check_same(states[1], states[0], KEY * VALUE, "state", level);
                check_same(result[0][1], result[0][0], TOKENS * STRIDE, "delta_rule", level);
                check_same(result[1][1], result[1][0], TOKENS * STRIDE, "delta", level);
                struct delta_rule_job again = {
                    states[1], KEY,      (VALUE / DELTA_SLICE - n_slices) / 2,
                    n_slices,  n_tokens, NULL,
                    token[1],  NULL,     token[3],
                    NULL,      NULL,     result[1][0],
                    0,         STRIDE,   0,
                    2,         0,        STRIDE};
                memcpy(states[1], start, KEY * VALUE * sizeof(float));
                kernels_for(level)->delta_apply(&again);
                check_same(states[1], states[0], KEY * VALUE, "delta_apply", level);
            }
        }
    }
    free(start);
    free(states[0]);
    free(states[1]);
}

static void check_attention(enum kernel_level level, uint32_t n_key, uint32_t n_value,
                            uint32_t n_heads, uint32_t n_rows, uint32_t first)
{
    size_t n_positions = first + n_rows, n_queries = (size_t)n_rows * n_heads;
    float *key = aligned(n_positions * n_key * sizeof *key);
    float *value = aligned(n_positions * n_value * sizeof *value);
    float *query = aligned(n_queries * n_key * sizeof *query);
    uint16_t *half_key = aligned(n_positions * n_key * sizeof *half_key);
    uint16_t *half_value = aligned(n_positions * n_value * sizeof *half_value);
    float *wanted = aligned((n_queries * n_value + 16) * sizeof *wanted);
    float *got = aligned((n_queries * n_value + 16) * sizeof *got);
    float *steps = aligned((n_queries * n_value + 16) * sizeof *steps);

    random_floats(key, n_positions * n_key);
    random_floats(value, n_positions * n_value);
    random_floats(query, n_queries * n_key);
    for (int half = 0; half < 2; half++) {
        struct attention_job job = {half ? (void *)half_key : (void *)key,
                                    half ? (void *)half_value : (void *)value,
                                    half,
                                    n_key,
                                    n_value,
                                    n_heads,
                                    n_rows,
                                    first,
                                    1.5f,
                                    query,
                                    wanted,
                                    (size_t)n_heads * n_key,
                                    n_key,
                                    (size_t)n_heads * n_value,
                                    n_value};
        char what[96];
        kernels_for(level)->to_half(key, n_positions * n_key, half_key);
        kernels_for(level)->to_half(value, n_positions * n_value, half_value);
        fill(wanted, n_queries * n_value + 16, CANARY);
        fill(got, n_queries * n_value + 16, CANARY);
        kernels_for(KERNEL_LEVEL_GENERIC)->attention(&job);
        job.out = got;
        kernels_for(level)->attention(&job);
        snprintf(what, sizeof what, "attention %u/%u, %u heads, %u rows at %u", n_key, n_value,
                 n_heads, n_rows, first);
        check_same(got, wanted, n_queries * n_value + 16, what, level);
        /* one row at a time */
        job.n_rows = 1;
        for (uint32_t r = 0; r < n_rows; r++) {
            job.first_position = first + r;
            job.query = query + (size_t)r * n_heads * n_key;
            job.out = steps + (size_t)r * n_heads * n_value;
            kernels_for(level)->attention(&job);
        }
        check_same(steps, wanted, n_queries * n_value, what, level);
    }
    free(key);
    free(value);
    free(query);
    free(half_key);
    free(half_value);
    free(wanted);
    free(got);
    free(steps);
}

static void attention_equals_the_definition(void **state)
{
    (void)state;
    FOR_EACH_LEVEL(level)
    {
        for (uint32_t first = 0; first < 140; first += 9)
            check_attention(level, 32, 64, 1 + first % 5, 1 + first % 7, first);
        check_attention(level, 48, 80, 3, 5, 62);
        check_attention(level, 256, 256, 4, 11, 120);
        check_attention(level, 64, 128, 4, 70, 30);
        check_attention(level, 16, 16, 2, 130, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(definition_is_near_the_exact_answer),
        cmocka_unit_test(matmul_equals_the_definition),
        cmocka_unit_test(packing_is_the_same_at_every_level),
        cmocka_unit_test(one_token_or_many_one_group_or_all),
        cmocka_unit_test(sums_stay_exact_at_their_bounds),
        cmocka_unit_test(blocks_decode_as_the_format_says),
        cmocka_unit_test(quantized_rows_are_near),
        cmocka_unit_test(quantized_rows_are_the_same),
        cmocka_unit_test(stages_equal_the_definition),
        cmocka_unit_test(logits_equal_the_definition),
        cmocka_unit_test(convolution_equals_the_definition),
        cmocka_unit_test(delta_rule_equals_the_definition),
        cmocka_unit_test(attention_equals_the_definition),
    };

    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
