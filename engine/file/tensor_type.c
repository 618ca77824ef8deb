/*
 * tensor_type.c - sizes of every tensor type, and the two 16-bit float formats
 */
#include "engine/file/tensor_type.h"

#include <string.h>

/* Sizes of all types of the format; a tensor that banter cannot compute with is still measured,
 * so that the directory of a file can be checked whole. */
static const struct tensor_type_info types[TENSOR_TYPE_COUNT] = {
    [TENSOR_F32] = {"F32", 1, 4, true},
    [TENSOR_F16] = {"F16", 1, 2, true},
    [TENSOR_Q4_0] = {"Q4_0", 32, 18, true},
    [TENSOR_Q4_1] = {"Q4_1", 32, 20, true},
    [TENSOR_Q5_0] = {"Q5_0", 32, 22, true},
    [TENSOR_Q5_1] = {"Q5_1", 32, 24, true},
    [TENSOR_Q8_0] = {"Q8_0", 32, 34, true},
    [TENSOR_Q8_1] = {"Q8_1", 32, 36, false},
    [TENSOR_Q2_K] = {"Q2_K", 256, 84, false},
    [TENSOR_Q3_K] = {"Q3_K", 256, 110, false},
    [TENSOR_Q4_K] = {"Q4_K", 256, 144, true},
    [TENSOR_Q5_K] = {"Q5_K", 256, 176, true},
    [TENSOR_Q6_K] = {"Q6_K", 256, 210, true},
    [TENSOR_Q8_K] = {"Q8_K", 256, 292, false},
    [TENSOR_IQ2_XXS] = {"IQ2_XXS", 256, 66, false},
    [TENSOR_IQ2_XS] = {"IQ2_XS", 256, 74, false},
    [TENSOR_IQ3_XXS] = {"IQ3_XXS", 256, 98, false},
    [TENSOR_IQ1_S] = {"IQ1_S", 256, 50, false},
    [TENSOR_IQ4_NL] = {"IQ4_NL", 32, 18, true},
    [TENSOR_IQ3_S] = {"IQ3_S", 256, 110, false},
    [TENSOR_IQ2_S] = {"IQ2_S", 256, 82, false},
    [TENSOR_IQ4_XS] = {"IQ4_XS", 256, 136, true},
    [TENSOR_I8] = {"I8", 1, 1, false},
    [TENSOR_I16] = {"I16", 1, 2, false},
    [TENSOR_I32] = {"I32", 1, 4, false},
    [TENSOR_I64] = {"I64", 1, 8, false},
    [TENSOR_F64] = {"F64", 1, 8, false},
    [TENSOR_IQ1_M] = {"IQ1_M", 256, 56, false},
    [TENSOR_BF16] = {"BF16", 1, 2, true},
    [TENSOR_TQ1_0] = {"TQ1_0", 256, 54, false},
    [TENSOR_TQ2_0] = {"TQ2_0", 256, 66, false},
    [TENSOR_MXFP4] = {"MXFP4", 32, 17, false},
    [TENSOR_NVFP4] = {"NVFP4", 64, 36, false},
};

static const struct tensor_type_info unknown_type = {NULL, 1, 0, false};

const struct tensor_type_info *tensor_type_info(uint32_t type)
{
    if (type >= TENSOR_TYPE_COUNT || !types[type].name)
        return &unknown_type;
    return &types[type];
}

static float float_from_bits(uint32_t bits)
{
    float value;

    memcpy(&value, &bits, sizeof value);
    return value;
}

static uint32_t bits_of_float(float value)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return bits;
}

float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1fu;
    uint32_t fraction = half & 0x3ffu;

    if (exponent == 0) /* zero or subnormal: fraction * 2^-24, exact in f32 */
        return float_from_bits(bits_of_float((float)fraction * 0x1p-24f) | sign);
    if (exponent == 31) /* a NaN keeps its payload and turns quiet, as the processors do */
        return float_from_bits(sign | 0x7f800000u |
                               (fraction ? fraction << 13 | 0x400000u : 0));
    return float_from_bits(sign | (exponent + 127 - 15) << 23 | fraction << 13);
}

float bfloat16_to_float(uint16_t value)
{
    return float_from_bits((uint32_t)value << 16);
}

/* value / 2^shift, to nearest, ties to even; 1 <= shift <= 31 */
static uint32_t shift_to_even(uint32_t value, uint32_t shift)
{
    uint32_t kept = value >> shift;
    uint32_t lost = value & ((1u << shift) - 1);
    uint32_t middle = 1u << (shift - 1);

    return kept + (lost > middle || (lost == middle && (kept & 1u)));
}

uint16_t float_to_half(float value)
{
    uint32_t bits = bits_of_float(value);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;
    uint32_t exponent = magnitude >> 23;

    if (magnitude > 0x7f800000u)
        return (uint16_t)(sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
    if (exponent >= 127 + 16) /* 65536 and above, infinity */
        return (uint16_t)(sign | 0x7c00u);
    if (exponent >= 127 - 14) {
        /* Normal.  A carry out of the fraction raises the exponent, up to infinity: right. */
        return (uint16_t)(sign | shift_to_even(magnitude - ((127u - 15u) << 23), 13));
    }
    if (exponent < 127 - 25) /* below half of the smallest subnormal, 2^-25 */
        return (uint16_t)sign;
    /* Subnormal: the unit is 2^-24, the fraction's is 2^(exponent - 127 - 23). */
    return (uint16_t)(sign |
                      shift_to_even((magnitude & 0x7fffffu) | 0x800000u, 126 - exponent));
}

uint16_t float_to_bfloat16(float value)
{
    uint32_t bits = bits_of_float(value);

    if ((bits & 0x7fffffffu) > 0x7f800000u)
        return (uint16_t)(bits >> 16 | 0x40u);
    return (uint16_t)shift_to_even(bits, 16);
}
