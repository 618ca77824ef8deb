/*
 * packing.c - native rows of the file to the layout of the kernels, once, at load
 *
 * All packed matrices share one region, in anonymous memory that is advised to use huge pages, or
 * in a file of the cache (weights_cache.h), which has the same bytes.  Work is handed out in pieces
 * of a few megabytes, each divided among the threads, so that a cancel and the progress are seen
 * often.
 */
#include "engine/model/weights.h"

#include "engine/file/checked.h"
#include "engine/file/gguf.h"
#include "engine/run/pool.h"

#include <sys/mman.h>

enum { PAGE_BYTES = 4096 }; /* where matrices begin, whatever the system's pages are */
static const uint64_t PIECE_BYTES = 16 << 20;
static const uint64_t PROGRESS_STEPS = 200; /* reports of a whole load, at most */

static uint32_t group_count(const struct weight *weight)
{
    return (weight->n_rows + GROUP_ROWS - 1) / GROUP_ROWS;
}

static uint64_t packed_bytes_of(const struct weight *weight)
{
    return group_count(weight) * (uint64_t)kernels_group_bytes(weight->type, weight->n_columns);
}

enum status weights_lay_out(struct weights *weights, enum kernel_level level,
                            struct error *error)
{
    uint64_t total = 0;

    for (size_t i = 0; i < weights->n_matrices; i++) {
        struct bound_matrix *matrix = &weights->matrices[i];
        const struct weight *weight = matrix->weight;
        uint64_t size = 0, end = 0;
        if (!kernels_wants_packing(level, weight->type))
            continue;
        if (!checked_multiply(group_count(weight),
                              kernels_group_bytes(weight->type, weight->n_columns), &size) ||
            !checked_align(size, PAGE_BYTES, &size) || !checked_add(total, size, &end) ||
            end > PTRDIFF_MAX)
            return error_set(error, STATUS_NO_MEMORY,
                             "packed weights exceed the address space");
        matrix->offset = total;
        matrix->n_bytes = size;
        total = end;
    }
    weights->packed_bytes = total;
    return STATUS_OK;
}

void weights_take_mapping(struct weights *weights, void *mapping, size_t n_bytes, size_t offset)
{
    weights->mapping = mapping;
    weights->mapping_bytes = n_bytes;
    weights->packed = (char *)mapping + offset;
    for (size_t i = 0; i < weights->n_matrices; i++)
        if (weights->matrices[i].n_bytes > 0)
            weights->matrices[i].weight->packed =
                (char *)weights->packed + weights->matrices[i].offset;
}

struct piece {
    const struct kernels *kernels;
    const struct weight *weight;
    uint32_t first, count; /* groups */
};

static void pack_part(void *context, uint32_t part, uint32_t n_parts)
{
    const struct piece *piece = context;
    uint32_t first, count;

    pool_range(piece->count, part, n_parts, &first, &count);
    if (count > 0)
        piece->kernels->pack(piece->weight, piece->first + first, count,
                             (void *)piece->weight->packed);
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

static enum status pack_matrix(struct packing *packing, const struct weight *weight,
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
                 &(struct piece){packing->kernels, weight, first, count},
                 (uint32_t)pool_thread_count(packing->pool));
        first += count;
        packing->done += count * group_bytes;
        report(packing);
    }
    return STATUS_OK;
}

/* First touch of small pages costs more than the packing itself. */
static enum status reserve(struct weights *weights, struct error *error)
{
    const size_t n_bytes = (size_t)weights->packed_bytes;
    void *memory =
        mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %zu MB of packed weights",
                         n_bytes >> 20);
    madvise(memory, n_bytes, MADV_HUGEPAGE);
    weights_take_mapping(weights, memory, n_bytes, 0);
    return STATUS_OK;
}

enum status weights_pack(struct weights *weights, const struct gguf *file,
                         enum kernel_level level, struct pool *pool, const atomic_bool *cancel,
                         weights_progress progress, void *context, struct error *error)
{
    struct packing packing = {.kernels = kernels_for(level),
                              .pool = pool,
                              .cancel = cancel,
                              .progress = progress,
                              .context = context};
    enum status status;

    for (size_t i = 0; i < weights->n_matrices; i++)
        if (weights->matrices[i].n_bytes > 0)
            packing.total += packed_bytes_of(weights->matrices[i].weight);
    if (packing.total == 0)
        return STATUS_OK;
    status = reserve(weights, error);
    for (size_t i = 0; i < weights->n_matrices && status == STATUS_OK; i++) {
        const struct bound_matrix *matrix = &weights->matrices[i];
        if (matrix->n_bytes == 0)
            continue;
        if (i + 1 < weights->n_matrices)
            gguf_tensor_read_ahead(file, weights->matrices[i + 1].tensor);
        status = pack_matrix(&packing, matrix->weight, error);
        gguf_tensor_drop_pages(file, matrix->tensor);
    }
    return status;
}
