/*
 * tensor.c - shapes, and tensors that outlive the tape
 */
#include "engine/train/tensor.h"

#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"
#include "engine/train/tensor_shape.h"

size_t tensor_elements(const struct tensor *tensor)
{
    size_t n = 1;

    for (uint32_t i = 0; i < tensor->n_dimensions; i++)
        n *= tensor->shape[i];
    return n;
}

bool tensor_is_contiguous(const struct tensor *tensor)
{
    size_t stride = 1;

    for (uint32_t i = tensor->n_dimensions; i-- > 0;) {
        if (tensor->shape[i] != 1 && tensor->stride[i] != stride)
            return false;
        stride *= tensor->shape[i];
    }
    return true;
}

bool tensor_same_shape(const struct tensor *a, const struct tensor *b)
{
    return a->n_dimensions == b->n_dimensions &&
           memcmp(a->shape, b->shape, a->n_dimensions * sizeof a->shape[0]) == 0;
}

bool tensor_shape_set(struct tensor *tensor, uint32_t n_dimensions, const size_t *shape)
{
    uint64_t n = 1;

    if (n_dimensions < 1 || n_dimensions > TENSOR_DIMENSIONS)
        return false;
    memset(tensor, 0, sizeof *tensor);
    tensor->n_dimensions = n_dimensions;
    for (uint32_t i = n_dimensions; i-- > 0;) {
        tensor->shape[i] = shape[i];
        tensor->stride[i] = (size_t)n;
        if (!checked_multiply(n, shape[i], &n) || n > MOST_ELEMENTS)
            return false;
    }
    return true;
}

size_t tensor_data_bytes(const struct tensor *tensor)
{
    size_t n_bytes = tensor_elements(tensor) * sizeof(float);

    return (n_bytes + TENSOR_ALIGNMENT - 1) / TENSOR_ALIGNMENT * TENSOR_ALIGNMENT;
}

static float *new_zeros(const struct tensor *tensor)
{
    size_t n_bytes = tensor_data_bytes(tensor);
    float *data;

    if (n_bytes == 0)
        n_bytes = TENSOR_ALIGNMENT;
    data = aligned_alloc(TENSOR_ALIGNMENT, n_bytes);
    if (data)
        memset(data, 0, n_bytes);
    return data;
}

struct tensor *tensor_new(uint32_t n_dimensions, const size_t *shape, bool gradient)
{
    struct tensor *tensor = malloc(sizeof *tensor);

    if (!tensor)
        return NULL;
    if (!tensor_shape_set(tensor, n_dimensions, shape)) {
        free(tensor);
        return NULL;
    }
    tensor->data = new_zeros(tensor);
    tensor->gradient = gradient && tensor->data ? new_zeros(tensor) : NULL;
    if (!tensor->data || (gradient && !tensor->gradient))
        tensor_free(&tensor);
    return tensor;
}

void tensor_free(struct tensor **tensor)
{
    if (!*tensor)
        return;
    free((*tensor)->data);
    free((*tensor)->gradient);
    free(*tensor);
    *tensor = NULL;
}
