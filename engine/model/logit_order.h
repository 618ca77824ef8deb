/*
 * logit_order.h - the order of tokens by logit, as numbers
 *
 * A key is larger for a larger logit and, of equal logits, for the lower id.  Zeros of both signs
 * are equal.  No key is made of NaN.
 *
 * Thread: any; functions of their arguments alone.
 */
#ifndef ENGINE_MODEL_LOGIT_ORDER_H
#define ENGINE_MODEL_LOGIT_ORDER_H

#include <stddef.h>
#include <stdint.h>

#include "engine/kernels/math.h"

static inline uint64_t key_of(float logit, uint32_t id)
{
    uint32_t bits = math_bits_of(logit + 0.0f);

    bits = bits & 0x80000000u ? ~bits : bits | 0x80000000u;
    return (uint64_t)bits << 32 | (UINT32_MAX - id);
}

static inline uint32_t key_id(uint64_t key)
{
    return UINT32_MAX - (uint32_t)key;
}

/* The logit of a key; the inverse of key_of(). */
static inline float key_logit(uint64_t key)
{
    const uint32_t bits = (uint32_t)(key >> 32);

    return math_float_of(bits & 0x80000000u ? bits & 0x7fffffffu : ~bits);
}

/* No key is as small but of minus infinity: what is above it can be chosen. */
static inline uint64_t key_floor(void)
{
    return key_of(-__builtin_inff(), 0);
}

/* A heap of n keys whose root, heap[0], is the smallest; heap[at] may be too large. */
void key_heap_sift(uint64_t *heap, size_t n, size_t at);
/* Any n keys become a heap. */
void key_heap_make(uint64_t *heap, size_t n);
/* Keys of any order; largest first when done. */
void key_sort_descending(uint64_t *keys, size_t n);

#endif
