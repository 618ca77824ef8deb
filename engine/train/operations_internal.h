/*
 * operations_internal.h - what the files of operations share
 */
#ifndef ENGINE_TRAIN_OPERATIONS_INTERNAL_H
#define ENGINE_TRAIN_OPERATIONS_INTERNAL_H

#include "engine/train/elementwise.h"
#include "engine/train/kernels.h"
#include "engine/train/operations.h"
#include "engine/train/parallel.h"

/* Are all inputs there, and has nothing failed?  A missing one is a failure of the tape. */
bool operation_ready(struct tape *tape, struct tensor *const *inputs, size_t n_inputs);

/* A copy of a step's context in the tape, and its record, where out has a gradient. */
void operation_record(struct tape *tape, const struct tensor *out,
                      void (*backward)(struct tape *tape, void *context), const void *context,
                      size_t n_bytes);

/* Rows: the last dimension, all others counted together ------------------------------------ */

/* x, or a contiguous copy where its rows are not dense or not apart from each other. */
struct tensor *rows_dense(struct tape *tape, struct tensor *x);
size_t rows_count(const struct tensor *x);
size_t rows_columns(const struct tensor *x);
/* Where row number r starts, in floats, in values and gradient alike. */
size_t rows_place(const struct tensor *x, size_t r);

/* Kernels of elementwise.h that several operations use: data[0] to data[1]. */
void kernel_copy(const struct row_kernels *row, float *const *data, size_t n, float factor);
void kernel_accumulate(const struct row_kernels *row, float *const *data, size_t n,
                       float factor);

#endif
