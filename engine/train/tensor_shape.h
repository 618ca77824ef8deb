/*
 * tensor_shape.h - what tensor.c and tape.c agree on: checked shapes, sizes, alignment
 */
#ifndef ENGINE_TRAIN_TENSOR_SHAPE_H
#define ENGINE_TRAIN_TENSOR_SHAPE_H

#include "engine/train/tensor.h"

enum { TENSOR_ALIGNMENT = 64 };

/* Of one tensor; a size in bytes then never wraps. */
#define MOST_ELEMENTS ((uint64_t)1 << 40)

/*
 * Shape and contiguous strides, no data.  false: not 1 .. 4 dimensions, or too many elements.
 */
bool tensor_shape_set(struct tensor *tensor, uint32_t n_dimensions, const size_t *shape);
/* Bytes of a contiguous tensor's values, in whole lines of TENSOR_ALIGNMENT. */
size_t tensor_data_bytes(const struct tensor *tensor);

#endif
