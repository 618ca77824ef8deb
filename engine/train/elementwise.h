/*
 * elementwise.h - one kernel over all elements of tensors of one shape and any strides
 *
 * Dimensions that all operands run through alike are joined, so that contiguous tensors are one
 * long row.  A row of an operand that is not dense is copied to a small buffer and back.  An
 * operand that is added to may be broadcast (stride 0): its element then gets its terms in the
 * order of their indices, on one thread.
 */
#ifndef ENGINE_TRAIN_ELEMENTWISE_H
#define ENGINE_TRAIN_ELEMENTWISE_H

#include "engine/train/kernels.h"
#include "engine/train/tensor.h"

enum { ELEMENTWISE_OPERANDS = 5 };

enum operand_use { OPERAND_READ, OPERAND_WRITE, OPERAND_ADD };

/* data[i]: n values of operand i; what is written or added to is nobody else's. */
typedef void (*elementwise_kernel)(const struct row_kernels *row, float *const *data, size_t n,
                                   float factor);

struct elementwise {
    uint32_t n_dimensions;
    size_t shape[TENSOR_DIMENSIONS];
    uint32_t n_operands;
    struct {
        float *data;
        size_t stride[TENSOR_DIMENSIONS];
        enum operand_use use;
    } operands[ELEMENTWISE_OPERANDS];
    elementwise_kernel kernel;
    float factor;
    const struct row_kernels *row;
    uint32_t split; /* the dimension that is divided between threads */
};

/* Over the shape of a tensor. */
void elementwise_start(struct elementwise *work, const struct tensor *shape,
                       elementwise_kernel kernel, float factor);
/*
 * One more operand: data with the layout of a tensor of that shape (its values or its
 * gradient).
 */
void elementwise_operand(struct elementwise *work, const struct tensor *layout, float *data,
                         enum operand_use use);
void elementwise_run(struct elementwise *work, struct tape *tape);

#endif
