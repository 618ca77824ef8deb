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
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/kernels/kernels.h"
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
    kernels_pack(&m->weight, 0, n_groups, m->packed);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(definition_is_near_the_exact_answer),
    };

    return cmocka_run_group_tests_name("kernels", tests, NULL, NULL);
}
