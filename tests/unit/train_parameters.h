/*
 * train_parameters.h - parameters without a network, for tests of what works on them
 */
#ifndef TESTS_UNIT_TRAIN_PARAMETERS_H
#define TESTS_UNIT_TRAIN_PARAMETERS_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "engine/train/network.h"

/* The same numbers in [-1, 1) everywhere. */
static inline float noise(uint64_t i)
{
    uint64_t x = (i + 1) * 0x9e3779b97f4a7c15u;

    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
    x ^= x >> 31;
    return (float)((double)(x >> 11) * 0x1p-52 - 1);
}

static inline void fill_noise(float *values, size_t n, uint64_t seed)
{
    for (size_t i = 0; i < n; i++)
        values[i] = noise(seed * 1000003 + i);
}

/* Sizes that are no multiples of anything; the second is longer than one range of the optimiser. */
enum { N_PARAMETERS = 4 };

static inline void parameters_make(struct parameter parameters[N_PARAMETERS])
{
    static const size_t shapes[N_PARAMETERS][2] = {{5, 3}, {131, 253}, {17, 0}, {1, 1}};
    static const enum parameter_kind kinds[N_PARAMETERS] = {PARAMETER_TABLE, PARAMETER_MATRIX,
                                                            PARAMETER_VECTOR, PARAMETER_MATRIX};

    for (size_t i = 0; i < N_PARAMETERS; i++) {
        struct parameter *parameter = &parameters[i];

        *parameter = (struct parameter){.kind = kinds[i]};
        snprintf(parameter->name, sizeof parameter->name, "blk.%zu.test.weight", i);
        parameter->tensor = tensor_new(shapes[i][1] > 0 ? 2 : 1, shapes[i], true);
        if (parameter->tensor == NULL)
            abort();
        fill_noise(parameter->tensor->data, tensor_elements(parameter->tensor), i);
    }
}

static inline void parameters_free(struct parameter parameters[N_PARAMETERS])
{
    for (size_t i = 0; i < N_PARAMETERS; i++)
        tensor_free(&parameters[i].tensor);
}

#endif
