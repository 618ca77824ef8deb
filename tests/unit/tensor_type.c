/*
 * tensor_type.c - the table of types, half and bfloat16, and the values that blocks define
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <math.h>

#include <cmocka.h>

#include "engine/file/checked.h"
#include "engine/file/tensor_type.h"

/* A small generator of our own: the same bytes on every machine. */
static uint64_t random_state = 1;

static uint32_t random_u32(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 32);
}

static void random_bytes(uint8_t *bytes, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        bytes[i] = (uint8_t)(random_u32() >> 13);
}

static uint32_t float_bits(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

/* The value of a half by its definition, in double. */
static double half_value(uint16_t half)
{
    int exponent = half >> 10 & 31;
    int fraction = half & 1023;
    double sign = half & 0x8000 ? -1.0 : 1.0;

    if (exponent == 0)
        return sign * ldexp(fraction, -24);
    return sign * ldexp(1024 + fraction, exponent - 25);
}

static void set_half(uint8_t *bytes, float value)
{
    uint16_t half = float_to_half(value);
    bytes[0] = (uint8_t)half;
    bytes[1] = (uint8_t)(half >> 8);
}

static void every_type_has_its_size(void **state)
{
    (void)state;
    assert_int_equal(tensor_type_info(TENSOR_Q4_K)->block_bytes, 144);
    assert_int_equal(tensor_type_info(TENSOR_Q6_K)->block_bytes, 210);
    assert_string_equal(tensor_type_info(TENSOR_IQ4_XS)->name, "IQ4_XS");
    for (uint32_t type = 0; type < TENSOR_TYPE_COUNT + 3; type++) {
        const struct tensor_type_info *info = tensor_type_info(type);
        assert_non_null(info);
        assert_true(info->block_elements > 0);
        assert_true(info->name ? info->block_bytes > 0 : !info->computable);
    }
    assert_null(tensor_type_info(4)->name); /* withdrawn */
    assert_null(tensor_type_info(UINT32_MAX)->name);
}

static void every_half_has_its_value(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        uint16_t half = (uint16_t)i;
        float value = half_to_float(half);
        if ((half >> 10 & 31) == 31) {
            assert_true(half & 1023 ? isnan(value) : isinf(value));
            assert_int_equal(float_bits(value) >> 31, half >> 15);
            assert_int_equal(float_to_half(value) & 0xfc00, half & 0xfc00);
            continue;
        }
        assert_true((double)value == half_value(half));
        assert_int_equal(float_to_half(value), half);
    }
}

static void rounding_to_half_is_to_nearest_even(void **state)
{
    (void)state;
    /* Between every two neighbours: just below the middle, the middle, just above. */
    for (uint32_t i = 0; i < 0x7bff; i++) {
        float below = half_to_float((uint16_t)i);
        float above = half_to_float((uint16_t)(i + 1));
        float middle = (float)(((double)below + (double)above) / 2);
        assert_int_equal(float_to_half(nextafterf(middle, 0.0f)), i);
        assert_int_equal(float_to_half(middle), i + (i & 1));
        assert_int_equal(float_to_half(nextafterf(middle, INFINITY)), i + 1);
        assert_int_equal(float_to_half(-middle), 0x8000u | (i + (i & 1)));
    }
    assert_int_equal(float_to_half(65519.996f), 0x7bff);
    assert_int_equal(float_to_half(65520.0f), 0x7c00);
    assert_int_equal(float_to_half(1e30f), 0x7c00);
    assert_int_equal(float_to_half(-INFINITY), 0xfc00);
    assert_int_equal(float_to_half(0x1p-26f), 0);
    assert_int_equal(float_to_half(-0.0f), 0x8000);
    assert_int_equal(float_to_half(1e-45f), 0);
    assert_true(isnan(half_to_float(float_to_half(NAN))));
}

static void bfloat16_is_the_upper_half_of_f32(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 65536; i++) {
        float value = bfloat16_to_float((uint16_t)i);
        assert_int_equal(float_bits(value), i << 16);
        if (isnan(value))
            assert_true(isnan(bfloat16_to_float(float_to_bfloat16(value))));
        else
            assert_int_equal(float_to_bfloat16(value), i);
    }
    assert_int_equal(float_to_bfloat16(1.0f + 0x1p-8f), 0x3f80);           /* tie to even */
    assert_int_equal(float_to_bfloat16(1.0f + 0x1p-7f + 0x1p-8f), 0x3f82); /* tie to even */
    assert_int_equal(float_to_bfloat16(1.0f + 0x1p-8f + 0x1p-20f), 0x3f81);
    assert_int_equal(float_to_bfloat16(3.4028235e38f), 0x7f80);
}

/*
 * Decode one block of random bits and compare with the formula of the format, worked out in
 * double by a second hand.  Every product is exact in double; a sum of two products is too for
 * scales of ordinary size, so rounding the double once must give the very bits.
 */
static void check_block(enum tensor_type type, double (*value)(const uint8_t *block, size_t i),
                        const int *half_places)
{
    const struct tensor_type_info *info = tensor_type_info(type);
    uint8_t block[512];
    float out[256];

    for (int round = 0; round < 200; round++) {
        random_bytes(block + 1, info->block_bytes);
        for (const int *place = half_places; *place >= 0; place++)
            set_half(block + 1 + *place, ((float)(random_u32() % 4001) - 2000.0f) / 1000.0f);
        /* Offset by one byte: rows may lie anywhere. */
        tensor_row_decode(type, block + 1, out, info->block_elements);
        for (size_t i = 0; i < info->block_elements; i++)
            assert_true(out[i] == (float)value(block + 1, i));
    }
}

static double half_at(const uint8_t *bytes)
{
    return half_value((uint16_t)(bytes[0] + 256 * bytes[1]));
}

static int nibble(const uint8_t *bytes, size_t i)
{
    return i < 16 ? bytes[i] % 16 : bytes[i - 16] / 16;
}

static int fifth_bit(const uint8_t *bytes, size_t i)
{
    return bytes[i / 8] >> i % 8 & 1;
}

static double q8_0(const uint8_t *block, size_t i)
{
    return half_at(block) * (int8_t)block[2 + i];
}

static double q4_0(const uint8_t *block, size_t i)
{
    return half_at(block) * (nibble(block + 2, i) - 8);
}

static double q4_1(const uint8_t *block, size_t i)
{
    return half_at(block) * nibble(block + 4, i) + half_at(block + 2);
}

static double q5_0(const uint8_t *block, size_t i)
{
    return half_at(block) * (nibble(block + 6, i) + 16 * fifth_bit(block + 2, i) - 16);
}

static double q5_1(const uint8_t *block, size_t i)
{
    return half_at(block) * (nibble(block + 8, i) + 16 * fifth_bit(block + 4, i)) +
           half_at(block + 2);
}

/* s and m of sub-block b, as the sheet writes them. */
static int k_scale(const uint8_t *sc, size_t b)
{
    return b < 4 ? sc[b] & 63 : (sc[b + 4] & 15) | (sc[b - 4] >> 6) << 4;
}

static int k_minimum(const uint8_t *sc, size_t b)
{
    return b < 4 ? sc[b + 4] & 63 : (sc[b + 4] >> 4) | (sc[b] >> 6) << 4;
}

static double q4_k(const uint8_t *block, size_t i)
{
    size_t b = i / 32;
    int n = block[16 + i / 64 * 32 + i % 32] >> (b % 2 ? 4 : 0) & 15;
    return half_at(block) * k_scale(block + 4, b) * n -
           half_at(block + 2) * k_minimum(block + 4, b);
}

static double q5_k(const uint8_t *block, size_t i)
{
    size_t b = i / 32;
    int n = block[48 + i / 64 * 32 + i % 32] >> (b % 2 ? 4 : 0) & 15;
    n += 16 * (block[16 + i % 32] >> b & 1);
    return half_at(block) * k_scale(block + 4, b) * n -
           half_at(block + 2) * k_minimum(block + 4, b);
}

static double q6_k(const uint8_t *block, size_t i)
{
    const uint8_t *ql = block + i / 128 * 64;
    const uint8_t *qh = block + 128 + i / 128 * 32;
    size_t j = i % 128, l = j % 32;
    int v = 0;
    switch (j / 32) {
    case 0: v = (ql[l] & 15) | (qh[l] & 3) << 4; break;
    case 1: v = (ql[l + 32] & 15) | (qh[l] >> 2 & 3) << 4; break;
    case 2: v = (ql[l] >> 4) | (qh[l] >> 4 & 3) << 4; break;
    default: v = (ql[l + 32] >> 4) | (qh[l] >> 6) << 4; break;
    }
    return half_at(block + 208) * (int8_t)block[192 + i / 16] * (v - 32);
}

static const int levels[16] = {-127, -104, -83, -65, -49, -35, -22, -10,
                               1,    13,   25,  38,  53,  69,  89,  113};

static double iq4_nl(const uint8_t *block, size_t i)
{
    return half_at(block) * levels[nibble(block + 2, i)];
}

static double iq4_xs(const uint8_t *block, size_t i)
{
    size_t b = i / 32;
    int high = block[2] + 256 * block[3];
    int s = (block[4 + b / 2] >> 4 * (b & 1) & 15) | (high >> 2 * b & 3) << 4;
    return half_at(block) * (s - 32) * levels[nibble(block + 8 + 16 * b, i % 32)];
}

static void blocks_decode_to_the_formula(void **state)
{
    static const int at_0[] = {0, -1}, at_0_2[] = {0, 2, -1}, at_208[] = {208, -1};
    (void)state;
    check_block(TENSOR_Q8_0, q8_0, at_0);
    check_block(TENSOR_Q4_0, q4_0, at_0);
    check_block(TENSOR_Q4_1, q4_1, at_0_2);
    check_block(TENSOR_Q5_0, q5_0, at_0);
    check_block(TENSOR_Q5_1, q5_1, at_0_2);
    check_block(TENSOR_Q4_K, q4_k, at_0_2);
    check_block(TENSOR_Q5_K, q5_k, at_0_2);
    check_block(TENSOR_Q6_K, q6_k, at_208);
    check_block(TENSOR_IQ4_NL, iq4_nl, at_0);
    check_block(TENSOR_IQ4_XS, iq4_xs, at_0);
}

static void rows_of_several_blocks_and_plain_floats(void **state)
{
    uint8_t row[2 * 144];
    float one[256], both[512];
    const float values[3] = {1.5f, -0.0f, 3e38f};
    uint8_t halves[7] = {0, 0x00, 0x3c, 0x01, 0x00, 0x00, 0xc0};
    float out[3];

    (void)state;
    random_bytes(row, sizeof row);
    set_half(row, 1.0f);
    set_half(row + 2, 0.5f);
    set_half(row + 144, -0.25f);
    set_half(row + 146, 2.0f);
    tensor_row_decode(TENSOR_Q4_K, row, both, 512);
    tensor_row_decode(TENSOR_Q4_K, row + 144, one, 256);
    assert_memory_equal(both + 256, one, sizeof one);

    tensor_row_decode(TENSOR_F32, values, out, 3);
    assert_memory_equal(out, values, sizeof values);
    tensor_row_decode(TENSOR_F16, halves + 1, out, 3);
    assert_true(out[0] == 1.0f && out[1] == 0x1p-24f && out[2] == -2.0f);
    tensor_row_decode(TENSOR_BF16, halves + 1, out, 3);
    assert_int_equal(float_bits(out[0]), 0x3c000000);
}

static void sizes_that_wrap_are_refused(void **state)
{
    uint64_t out = 7;

    (void)state;
    assert_false(checked_add(UINT64_MAX, 1, &out));
    assert_false(checked_multiply(UINT64_C(1) << 32, UINT64_C(1) << 32, &out));
    assert_false(checked_align(UINT64_MAX - 3, 32, &out));
    assert_int_equal(out, 7);
    assert_true(checked_align(33, 32, &out));
    assert_int_equal(out, 64);
    assert_null(checked_allocate(SIZE_MAX / 2, 3));
    assert_null(checked_allocate(0, 8));
    assert_null(checked_allocate_zeroed(SIZE_MAX, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_has_its_size),
        cmocka_unit_test(every_half_has_its_value),
        cmocka_unit_test(rounding_to_half_is_to_nearest_even),
        cmocka_unit_test(bfloat16_is_the_upper_half_of_f32),
        cmocka_unit_test(blocks_decode_to_the_formula),
        cmocka_unit_test(rows_of_several_blocks_and_plain_floats),
        cmocka_unit_test(sizes_that_wrap_are_refused),
    };
    return cmocka_run_group_tests_name("tensor_type", tests, NULL, NULL);
}
