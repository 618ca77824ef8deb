/*
 * elementwise.c - walks through tensors of any strides, row by row
 */
#include "engine/train/elementwise.h"

#include <string.h>

#include "engine/train/parallel.h"

enum {
    STAGE = 512,      /* values of a row that is not dense, copied together */
    LONG_GRAIN = 1024 /* of one long row */
};

void elementwise_start(struct elementwise *work, const struct tensor *shape,
                       elementwise_kernel kernel, float factor)
{
    memset(work, 0, sizeof *work);
    work->n_dimensions = shape->n_dimensions;
    memcpy(work->shape, shape->shape, sizeof work->shape);
    work->kernel = kernel;
    work->factor = factor;
}

void elementwise_operand(struct elementwise *work, const struct tensor *layout, float *data,
                         enum operand_use use)
{
    uint32_t i = work->n_operands++;

    work->operands[i].data = data;
    memcpy(work->operands[i].stride, layout->stride, sizeof layout->stride);
    work->operands[i].use = use;
}

static bool may_join(const struct elementwise *work, uint32_t outer, uint32_t inner)
{
    for (uint32_t i = 0; i < work->n_operands; i++)
        if (work->operands[i].stride[outer] !=
            work->operands[i].stride[inner] * work->shape[inner])
            return false;
    return true;
}

/* Drop dimensions of length 1, join those that run on into each other. */
static void join_dimensions(struct elementwise *work)
{
    uint32_t n = 0; /* dimensions kept, in place */

    for (uint32_t d = 0; d < work->n_dimensions; d++) {
        size_t length = work->shape[d];
        if (length == 1)
            continue;
        bool join = n > 0 && may_join(work, n - 1, d);
        uint32_t to = join ? n - 1 : n++;
        work->shape[to] = join ? work->shape[to] * length : length;
        for (uint32_t i = 0; i < work->n_operands; i++)
            work->operands[i].stride[to] = work->operands[i].stride[d];
    }
    if (n == 0) {
        work->shape[n++] = 1;
        for (uint32_t i = 0; i < work->n_operands; i++)
            work->operands[i].stride[0] = 1;
    }
    work->n_dimensions = n;
}

/* The longest dimension whose indices lead to different elements of all that is added to. */
static bool choose_split(struct elementwise *work)
{
    bool found = false;

    for (uint32_t d = 0; d < work->n_dimensions; d++) {
        bool apart = true;
        for (uint32_t i = 0; i < work->n_operands; i++)
            if (work->operands[i].use == OPERAND_ADD && work->operands[i].stride[d] == 0)
                apart = false;
        if (apart && (!found || work->shape[d] > work->shape[work->split])) {
            work->split = d;
            found = true;
        }
    }
    return found;
}

static void stage_in(float *stage, const float *data, size_t stride, enum operand_use use,
                     size_t n)
{
    if (use == OPERAND_ADD) {
        memset(stage, 0, n * sizeof *stage);
    } else if (use == OPERAND_READ) {
        for (size_t i = 0; i < n; i++)
            stage[i] = data[i * stride];
    }
}

static void stage_out(const struct row_kernels *row, const float *stage, float *data,
                      size_t stride, enum operand_use use, size_t n)
{
    if (use == OPERAND_ADD && stride == 0) {
        *data += row->sum(stage, n);
    } else if (use == OPERAND_ADD) {
        for (size_t i = 0; i < n; i++)
            data[i * stride] += stage[i];
    } else if (use == OPERAND_WRITE) {
        for (size_t i = 0; i < n; i++)
            data[i * stride] = stage[i];
    }
}

static void run_row(const struct elementwise *work, float *const *data, size_t n)
{
    float stages[ELEMENTWISE_OPERANDS][STAGE];
    float *dense[ELEMENTWISE_OPERANDS];
    uint32_t inner = work->n_dimensions - 1;
    bool all_dense = true;

    for (uint32_t i = 0; i < work->n_operands; i++)
        all_dense = all_dense && work->operands[i].stride[inner] == 1;
    if (all_dense) {
        work->kernel(work->row, data, n, work->factor);
        return;
    }
    for (size_t first = 0; first < n; first += STAGE) {
        size_t count = n - first < STAGE ? n - first : STAGE;
        for (uint32_t i = 0; i < work->n_operands; i++) {
            size_t stride = work->operands[i].stride[inner];
            dense[i] = stride == 1 ? data[i] + first : stages[i];
            if (stride != 1)
                stage_in(stages[i], data[i] + first * stride, stride, work->operands[i].use,
                         count);
        }
        work->kernel(work->row, dense, count, work->factor);
        for (uint32_t i = 0; i < work->n_operands; i++) {
            size_t stride = work->operands[i].stride[inner];
            if (stride != 1)
                stage_out(work->row, stages[i], data[i] + first * stride, stride,
                          work->operands[i].use, count);
        }
    }
}

/* A range of the split dimension; all of the others. */
static void run_range(void *context, size_t first, size_t count)
{
    const struct elementwise *work = context;
    uint32_t n_outer = work->n_dimensions - 1;
    size_t n_rows = 1, length[TENSOR_DIMENSIONS] = {0};

    for (uint32_t d = 0; d < work->n_dimensions; d++)
        length[d] = d == work->split ? count : work->shape[d];
    for (uint32_t d = 0; d < n_outer; d++)
        n_rows *= length[d];
    for (size_t r = 0; r < n_rows; r++) {
        float *data[ELEMENTWISE_OPERANDS];
        for (uint32_t i = 0; i < work->n_operands; i++) {
            const size_t *stride = work->operands[i].stride;
            size_t rest = r, place = first * stride[work->split];
            for (uint32_t d = n_outer; d-- > 0; rest /= length[d])
                place += rest % length[d] * stride[d];
            data[i] = work->operands[i].data + place;
        }
        run_row(work, data, length[n_outer]);
    }
}

void elementwise_run(struct elementwise *work, struct tape *tape)
{
    size_t n_elements = 1, grain = 1;

    work->row = tape_kernels(tape)->row;
    for (uint32_t d = 0; d < work->n_dimensions; d++)
        n_elements *= work->shape[d];
    if (n_elements == 0)
        return;
    join_dimensions(work);
    if (!choose_split(work)) {
        work->split = 0;
        run_range(work, 0, work->shape[0]);
        return;
    }
    if (work->split == work->n_dimensions - 1)
        grain = work->split == 0 ? LONG_GRAIN : column_grain(work->shape[work->split]);
    parallel_ranges(tape, work->shape[work->split], grain, n_elements, run_range, work);
}
