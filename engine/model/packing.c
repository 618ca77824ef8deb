/*
 * packing.c - native rows of the file to the layout of the kernels, once, at load
 *
 * All packed matrices share one anonymous region, advised to use huge pages: first touch of
 * small pages costs more than the packing itself.  Work is handed out in pieces of a few
 * megabytes, each divided among the threads, so that a cancel and the progress are seen often.
 */
#include "engine/model/weights.h"

#include "engine/file/checked.h"
#include "engine/file/gguf.h"
#include "engine/run/pool.h"

#include <sys/mman.h>

static const uint64_t PIECE_BYTES = 16 << 20;
static const uint64_t PROGRESS_STEPS = 200; /* reports of a whole load, at most */

static uint32_t group_count(const struct weight *weight)
{
    return (weight->n_rows + GROUP_ROWS - 1) / GROUP_ROWS;
}

static bool packed_size(const struct weight *weight, uint64_t *n_bytes)
{
    uint64_t size;

    return checked_multiply(group_count(weight),
                            kernels_group_bytes(weight->type, weight->n_columns), &size) &&
           checked_align(size, KERNEL_ALIGNMENT, n_bytes);
}

struct piece {
    const struct kernels *kernels;
    const struct weight *weight;
    void *packed;
    uint32_t first, count; /* groups */
};

static void pack_part(void *context, uint32_t part, uint32_t n_parts)
{
    const struct piece *piece = context;
    uint32_t first, count;

    pool_range(piece->count, part, n_parts, &first, &count);
    if (count > 0)
        piece->kernels->pack(piece->weight, piece->first + first, count, piece->packed);
}

struct packing {
    const struct kernels *kernels;
    struct pool *pool;
    const atomic_bool *cancel;
    weights_progress progress;
    void *context;
    uint64_t done, total, reported;
};

static void report(struct packing *packing)
{
    if (packing->progress &&
        (packing->done == packing->total ||
         packing->done - packing->reported >= packing->total / PROGRESS_STEPS)) {
        packing->reported = packing->done;
        packing->progress(packing->context, packing->done, packing->total);
    }
}

static enum status pack_matrix(struct packing *packing, struct weight *weight, void *packed,
                               struct error *error)
{
    const uint64_t group_bytes = kernels_group_bytes(weight->type, weight->n_columns);
    const uint64_t per_piece = PIECE_BYTES / (group_bytes ? group_bytes : 1) + 1;
    const uint32_t n_groups = group_count(weight);

    for (uint32_t first = 0; first < n_groups;) {
        uint32_t count = n_groups - first;
        if (count > per_piece)
            count = (uint32_t)per_piece;
        if (packing->cancel && atomic_load_explicit(packing->cancel, memory_order_relaxed))
            return error_set(error, STATUS_CANCELLED, "loading was stopped");
        pool_run(packing->pool, pack_part,
                 &(struct piece){packing->kernels, weight, packed, first, count},
                 (uint32_t)pool_thread_count(packing->pool));
        first += count;
        packing->done += count * group_bytes;
        report(packing);
    }
    weight->packed = packed;
    return STATUS_OK;
}

static enum status reserve(struct weights *weights, enum kernel_level level,
                           struct packing *packing, struct error *error)
{
    uint64_t total = 0, size = 0;

    for (size_t i = 0; i < weights->n_matrices; i++) {
        const struct weight *weight = weights->matrices[i].weight;
        if (!kernels_wants_packing(level, weight->type))
            continue;
        if (!packed_size(weight, &size) || !checked_add(total, size, &total))
            return error_set(error, STATUS_NO_MEMORY,
                             "packed weights exceed the address space");
        packing->total += group_count(weight) *
                          (uint64_t)kernels_group_bytes(weight->type, weight->n_columns);
    }
    if (total == 0)
        return STATUS_OK;
    weights->packed =
        mmap(NULL, total, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (weights->packed == MAP_FAILED) {
        weights->packed = NULL;
        return error_set(error, STATUS_NO_MEMORY, "no memory for %llu MB of packed weights",
                         (unsigned long long)(total >> 20));
    }
    weights->packed_bytes = total;
    madvise(weights->packed, total, MADV_HUGEPAGE);
    return STATUS_OK;
}

enum status weights_pack(struct weights *weights, const struct gguf *file,
                         enum kernel_level level, struct pool *pool, const atomic_bool *cancel,
                         weights_progress progress, void *context, struct error *error)
{
    struct packing packing = {kernels_for(level), pool, cancel, progress, context, 0, 0, 0};
    enum status status = reserve(weights, level, &packing, error);
    uint64_t offset = 0, size = 0;

    for (size_t i = 0; i < weights->n_matrices && status == STATUS_OK; i++) {
        const struct bound_matrix *matrix = &weights->matrices[i];
        if (!kernels_wants_packing(level, matrix->weight->type) ||
            !packed_size(matrix->weight, &size))
            continue;
        if (i + 1 < weights->n_matrices)
            gguf_tensor_read_ahead(file, weights->matrices[i + 1].tensor);
        status = pack_matrix(&packing, matrix->weight, (char *)weights->packed + offset, error);
        gguf_tensor_drop_pages(file, matrix->tensor);
        offset += size;
    }
    return status;
}
