/*
 * tensor_type_encode.c - how far encoded values are from what they were, and always will be
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "engine/file/tensor_type.h"

enum { N = 256 * 160 };

static float values[N], decoded[N], again[N];
static uint8_t row[N * 4], second_row[N * 4];

static uint64_t random_state;

static double uniform(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (double)(random_state >> 40) / 0x1p24;
}

/* Nearly Gaussian (a sum of twelve uniform numbers), without libm: the same everywhere. */
static void fill_gaussian(float deviation)
{
    random_state = 7;
    for (int i = 0; i < N; i++) {
        double sum = -6.0;
        for (int k = 0; k < 12; k++)
            sum += uniform();
        values[i] = (float)(sum * (double)deviation);
    }
}

static double relative_error(const float *x, const float *wanted)
{
    double difference = 0, size = 0;

    for (int i = 0; i < N; i++) {
        double d = (double)x[i] - (double)wanted[i];
        difference += d * d;
        size += (double)wanted[i] * (double)wanted[i];
    }
    return sqrt(difference / size);
}

static uint32_t fingerprint(const uint8_t *bytes, size_t n_bytes)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < n_bytes; i++)
        hash = (hash ^ bytes[i]) * 16777619u;
    return hash;
}

static size_t row_bytes(enum tensor_type type)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    return (size_t)N / info->block_elements * info->block_bytes;
}

/* limit: rms of the error over rms of the values, on Gaussian data.  again: the same of what
 * comes back when the decoded values are encoded once more.  fingerprint: of the bytes; it
 * changes only when the encoder is changed on purpose. */
static const struct {
    enum tensor_type type;
    double limit;
    double again;
    uint32_t fingerprint;
} expected[] = {
    {TENSOR_F32, 0, 0, 0x92e35972u},           {TENSOR_F16, 0.00025, 0, 0xc5bf2185u},
    {TENSOR_BF16, 0.002, 0, 0xd968bd00u},      {TENSOR_Q8_0, 0.0055, 0, 0xc64d91bcu},
    {TENSOR_Q4_0, 0.083, 0, 0x7edf8e6eu},      {TENSOR_Q4_1, 0.071, 0, 0x3cd3f618u},
    {TENSOR_Q5_0, 0.0412, 0, 0xa9eb2160u},     {TENSOR_Q5_1, 0.0343, 0, 0x1591da8fu},
    {TENSOR_Q4_K, 0.0715, 0.006, 0x540dcb34u}, {TENSOR_Q5_K, 0.0353, 0.007, 0xf6df2e94u},
    {TENSOR_Q6_K, 0.0176, 0.001, 0x09fc9589u},
};

static void errors_on_gaussian_data_are_within_the_limits(void **state)
{
    (void)state;
    fill_gaussian(0.02f);
    for (size_t k = 0; k < sizeof expected / sizeof expected[0]; k++) {
        enum tensor_type type = expected[k].type;
        double first, second;
        assert_true(tensor_row_encode(type, values, row, N));
        tensor_row_decode(type, row, decoded, N);
        first = relative_error(decoded, values);
        assert_true(tensor_row_encode(type, decoded, second_row, N));
        tensor_row_decode(type, second_row, again, N);
        second = relative_error(again, decoded);
        if (first > expected[k].limit || second > expected[k].again)
            fail_msg("%s: error %.5f (limit %.5f), once more %.6f (limit %.6f)",
                     tensor_type_info(type)->name, first, expected[k].limit, second,
                     expected[k].again);
    }
}

static void bytes_never_change(void **state)
{
    (void)state;
    fill_gaussian(0.02f);
    for (size_t k = 0; k < sizeof expected / sizeof expected[0]; k++) {
        enum tensor_type type = expected[k].type;
        assert_true(tensor_row_encode(type, values, row, N));
        memset(second_row, 0xa5, sizeof second_row);
        assert_true(tensor_row_encode(type, values, second_row, N));
        assert_memory_equal(row, second_row, row_bytes(type));
        if (fingerprint(row, row_bytes(type)) != expected[k].fingerprint)
            fail_msg("%s: fingerprint 0x%08xu", tensor_type_info(type)->name,
                     fingerprint(row, row_bytes(type)));
    }
}

/* Blocks of no spread, one value, one sign, or values at the ends of what halves hold. */
static void odd_blocks_stay_finite_and_close(void **state)
{
    static const struct {
        const char *name;
        float first, rest, step;
        double limit; /* of the error, over the largest value */
    } blocks[] = {
        {"zeros", 0, 0, 0, 0},
        {"one spike", 3.0f, 0, 0, 0.1},
        {"one negative spike", -3.0f, 0, 0, 0.1},
        {"constant", 0.7f, 0.7f, 0, 0.1},
        {"negative constant", -0.7f, -0.7f, 0, 0.1},
        {"all above zero", 5.0f, 5.0f, 0.01f, 0.1},
        {"all below zero", -5.0f, -5.0f, -0.01f, 0.1},
        {"tiny", 1e-30f, -1e-30f, 0, 1.0},
        {"subnormal", 1e-42f, 2e-42f, 0, 1.0},
        {"large", 5e4f, -3e4f, 100.0f, 0.1},
        {"beyond the scales", 3e38f, -3e38f, 0, 1.0},
    };

    (void)state;
    for (size_t k = 3; k < sizeof expected / sizeof expected[0]; k++)
        for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++) {
            float largest = 0;
            for (int i = 0; i < 256; i++) {
                values[i] = i % 32 == 0 ? blocks[b].first
                                        : blocks[b].rest + blocks[b].step * (float)(i % 32);
                largest = fmaxf(largest, fabsf(values[i]));
            }
            assert_true(tensor_row_encode(expected[k].type, values, row, 256));
            tensor_row_decode(expected[k].type, row, decoded, 256);
            for (int i = 0; i < 256; i++) {
                double error = fabs((double)decoded[i] - (double)values[i]);
                if (!(error <= blocks[b].limit * (double)largest))
                    fail_msg("%s, %s: element %d is %g instead of %g",
                             tensor_type_info(expected[k].type)->name, blocks[b].name, i,
                             (double)decoded[i], (double)values[i]);
            }
        }
}

static void what_cannot_be_encoded_is_refused(void **state)
{
    (void)state;
    fill_gaussian(1.0f);
    assert_false(tensor_row_encode(TENSOR_IQ4_XS, values, row, 256));
    assert_false(tensor_row_encode(TENSOR_Q2_K, values, row, 256));
    values[200] = NAN;
    assert_false(tensor_row_encode(TENSOR_Q4_K, values, row, 256));
    values[200] = -INFINITY;
    assert_false(tensor_row_encode(TENSOR_Q8_0, values, row, 256));
    assert_true(tensor_row_encode(TENSOR_F16, values, row, 256));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(errors_on_gaussian_data_are_within_the_limits),
        cmocka_unit_test(bytes_never_change),
        cmocka_unit_test(odd_blocks_stay_finite_and_close),
        cmocka_unit_test(what_cannot_be_encoded_is_refused),
    };
    return cmocka_run_group_tests_name("tensor_type_encode", tests, NULL, NULL);
}
