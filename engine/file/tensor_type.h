/*
 * tensor_type.h - the tensor types of GGUF and their block formats
 *
 * A row of a tensor is a whole number of blocks; a block holds block_elements values in
 * block_bytes bytes.  Layouts: GGUF specification and reference/qwen35.md section 5 of the
 * design. Decoding a row gives exactly the f32 values that the format defines (no tolerance).
 *
 * Thread: all functions are pure.
 */
#ifndef ENGINE_FILE_TENSOR_TYPE_H
#define ENGINE_FILE_TENSOR_TYPE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Values are the ids in the file; ids that are missing here were withdrawn from the format. */
enum tensor_type {
    TENSOR_F32 = 0,
    TENSOR_F16 = 1,
    TENSOR_Q4_0 = 2,
    TENSOR_Q4_1 = 3,
    TENSOR_Q5_0 = 6,
    TENSOR_Q5_1 = 7,
    TENSOR_Q8_0 = 8,
    TENSOR_Q8_1 = 9,
    TENSOR_Q2_K = 10,
    TENSOR_Q3_K = 11,
    TENSOR_Q4_K = 12,
    TENSOR_Q5_K = 13,
    TENSOR_Q6_K = 14,
    TENSOR_Q8_K = 15,
    TENSOR_IQ2_XXS = 16,
    TENSOR_IQ2_XS = 17,
    TENSOR_IQ3_XXS = 18,
    TENSOR_IQ1_S = 19,
    TENSOR_IQ4_NL = 20,
    TENSOR_IQ3_S = 21,
    TENSOR_IQ2_S = 22,
    TENSOR_IQ4_XS = 23,
    TENSOR_I8 = 24,
    TENSOR_I16 = 25,
    TENSOR_I32 = 26,
    TENSOR_I64 = 27,
    TENSOR_F64 = 28,
    TENSOR_IQ1_M = 29,
    TENSOR_BF16 = 30,
    TENSOR_TQ1_0 = 34,
    TENSOR_TQ2_0 = 35,
    TENSOR_MXFP4 = 39,
    TENSOR_NVFP4 = 40,
    TENSOR_TYPE_COUNT = 41
};

struct tensor_type_info {
    const char *name;        /* "Q4_K"; NULL where the id is not known */
    uint32_t block_elements; /* values in a block */
    uint32_t block_bytes;
    bool computable; /* banter can decode it and multiply with it */
};

/* Never NULL: an unknown id gives an entry whose name is NULL. */
const struct tensor_type_info *tensor_type_info(uint32_t type);

/* IEEE half and bfloat16 to f32, exact (subnormals, infinities, NaN kept). */
float half_to_float(uint16_t half);
float bfloat16_to_float(uint16_t value);
/* f32 to IEEE half and bfloat16, round to nearest even, overflow to infinity, NaN stays NaN. */
uint16_t float_to_half(float value);
uint16_t float_to_bfloat16(float value);

/*
 * Decode n_elements values (a multiple of block_elements) of a computable type.
 * row: n_elements / block_elements blocks, any alignment.  out: [n_elements].
 */
void tensor_row_decode(enum tensor_type type, const void *row, float *out, size_t n_elements);

/*
 * Encode n_elements values.  Types: F32, F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1, Q4_K, Q5_K,
 * Q6_K. Returns false for a type that cannot be encoded, and for values that are not finite
 * when the type is one of blocks.  Deterministic: the same bytes on every machine.
 */
bool tensor_row_encode(enum tensor_type type, const float *values, void *row,
                       size_t n_elements);

#endif
