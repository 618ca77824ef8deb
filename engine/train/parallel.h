/*
 * parallel.h - disjoint ranges of rows, columns or elements for the threads of a tape's pool
 *
 * A job computes every unit of its range in the same way whatever the borders of the range are;
 * then results do not depend on threads.
 */
#ifndef ENGINE_TRAIN_PARALLEL_H
#define ENGINE_TRAIN_PARALLEL_H

#include "engine/train/tensor.h"

typedef void (*range_job)(void *context, size_t first, size_t count);

/*
 * Run job on ranges that cover [0, n_units) and start at multiples of grain.  work: elements of
 * all units together, so that small jobs stay on this thread.
 */
void parallel_ranges(struct tape *tape, size_t n_units, size_t grain, size_t work,
                     range_job job, void *context);
/* The grain for ranges of columns, of which each job walks through all rows. */
size_t column_grain(size_t n_columns);

#endif
