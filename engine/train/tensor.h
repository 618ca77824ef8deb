/*
 * tensor.h - arrays of f32 with up to four dimensions, and the tape that records what was
 * computed
 *
 * A tensor is a shape, strides and two pointers: values and, where a gradient is wanted, its
 * gradient, laid out alike.  A view (transpose, slice, broadcast, reshape of a contiguous
 * tensor) is another tensor over the same two buffers, so that whatever is added to a view's
 * gradient arrives where it belongs, and views need no backward step of their own; a broadcast
 * is a stride of zero.
 *
 * An operation (operations.h) computes its result at once and records how to go back.
 * tape_backward() runs the records in reverse order.  Every backward step ADDS to the gradients
 * of its inputs.
 *
 * The first failure (no memory, shapes that do not fit) is remembered by the tape; operations
 * that get NULL return NULL, so that a forward pass is written without a check in each line and
 * asked once, with tape_status().
 *
 * Determinism: every element of every result and gradient has one written order of additions;
 * threads get disjoint elements.  So results do not depend on the number of threads.
 *
 * Ownership: parameters belong to who made them; everything else belongs to the tape and lives
 * until tape_reset() or tape_free().
 * Thread: one thread at a time drives a tape; operations use its pool inside.
 */
#ifndef ENGINE_TRAIN_TENSOR_H
#define ENGINE_TRAIN_TENSOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct pool;
struct train_kernels;
struct tape;

enum { TENSOR_DIMENSIONS = 4 };

struct tensor {
    uint32_t n_dimensions;            /* 1 .. 4; a single number has one dimension of 1 */
    size_t shape[TENSOR_DIMENSIONS];  /* outermost first: [rows][columns] */
    size_t stride[TENSOR_DIMENSIONS]; /* in floats; 0 where broadcast */
    float *data;
    float *gradient; /* same strides; NULL: not wanted */
};

/* Elements of a tensor, broadcast ones counted. */
size_t tensor_elements(const struct tensor *tensor);
/* Is it one dense block, last dimension fastest? */
bool tensor_is_contiguous(const struct tensor *tensor);
bool tensor_same_shape(const struct tensor *a, const struct tensor *b);

/*
 * A tensor that outlives the tape: a weight.  Zeroed, with a gradient if wanted; 64-byte
 * aligned.  NULL: no memory or a shape beyond 2^40 elements.  NULL is allowed by tensor_free().
 */
struct tensor *tensor_new(uint32_t n_dimensions, const size_t *shape, bool gradient);
void tensor_free(struct tensor **tensor);

/* The tape --------------------------------------------------------------------------------- */

/* pool and kernels are borrowed. */
enum status tape_new(struct tape **out, struct pool *pool, const struct train_kernels *kernels,
                     struct error *error);
void tape_free(struct tape **tape); /* NULL is allowed */
/* Forget everything that was computed and the failure; keeps its memory for the next step. */
void tape_reset(struct tape *tape);
/* While false nothing is recorded and results have no gradient (evaluation).  True at first. */
void tape_record(struct tape *tape, bool recording);
/* OK, or the first failure. */
enum status tape_status(const struct tape *tape, struct error *error);
/* Bytes of memory that the tape holds; the most it may hold (at first: SIZE_MAX). */
size_t tape_bytes(const struct tape *tape);
void tape_limit(struct tape *tape, size_t n_bytes);
struct pool *tape_pool(const struct tape *tape);
const struct train_kernels *tape_kernels(const struct tape *tape);

/*
 * Add d loss / d x to the gradient of every tensor that wants one.  loss: a single number.
 * Once for each forward pass.
 */
enum status tape_backward(struct tape *tape, struct tensor *loss, struct error *error);

/* For those who write operations ----------------------------------------------------------- */

/* A contiguous tensor of the tape, not initialised; gradient: with a zeroed gradient. */
struct tensor *tape_tensor(struct tape *tape, uint32_t n_dimensions, const size_t *shape,
                           bool gradient);
/*
 * Memory of the tape, 64-byte aligned, not initialised; NULL and a failure when there is none,
 * and NULL after any failure.
 */
void *tape_allocate(struct tape *tape, size_t n_bytes);
/* Does the tape record, and does one of these want a gradient?  NULL entries are allowed. */
bool tape_wants_gradient(const struct tape *tape, struct tensor *const *inputs,
                         size_t n_inputs);
/*
 * context lives in the tape (tape_allocate).  Called once, in reverse order of recording; what
 * a step cannot do it tells with tape_fail(), and tape_backward() stops there.
 */
void tape_record_step(struct tape *tape, void (*backward)(struct tape *tape, void *context),
                      void *context);
/* Remember the failure, if it is the first; returns NULL so that an operation can return it. */
struct tensor *tape_fail(struct tape *tape, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Views: no copy --------------------------------------------------------------------------- */

/* x NULL or a shape that does not fit: NULL and a failure. */
struct tensor *view_reshape(struct tape *tape, struct tensor *x, uint32_t n_dimensions,
                            const size_t *shape); /* x contiguous */
/* Swap two dimensions. */
struct tensor *view_transpose(struct tape *tape, struct tensor *x, uint32_t a, uint32_t b);
/* count entries of one dimension, from first on. */
struct tensor *view_slice(struct tape *tape, struct tensor *x, uint32_t dimension, size_t first,
                          size_t count);
/* Dimensions are matched from the last one; missing ones and those of length 1 are repeated. */
struct tensor *view_broadcast(struct tape *tape, struct tensor *x, uint32_t n_dimensions,
                              const size_t *shape);

#endif
