/*
 * tape.c - memory of a step, and the records that lead back
 *
 * Memory is a list of big blocks; an allocation moves an offset forward in the current block,
 * or goes on to a later block that it fits.  tape_reset() starts again at the first block, so
 * that a step of a shape that was seen before takes nothing from the system.  What an
 * allocation leaves behind in a block is lost until the reset; blocks are large beside the
 * largest tensors.
 */
#include "engine/train/tensor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sys/mman.h>

#include "engine/file/checked.h"
#include "engine/train/parallel.h"
#include "engine/train/tensor_shape.h"

#define FIRST_BLOCK_BYTES ((size_t)1 << 20)
#define MOST_BLOCK_BYTES  ((size_t)1 << 26)
#define LARGE_PAGE        ((size_t)1 << 21)

struct block {
    struct block *next;
    size_t n_bytes; /* behind this head */
};

enum {
    BLOCK_HEAD = 64,
    ZERO_BYTES = 1 << 15 /* of a gradient, by one thread at a time */
};
_Static_assert(sizeof(struct block) <= BLOCK_HEAD, "a block's values start on a line");

struct record {
    struct record *previous;
    void (*backward)(struct tape *tape, void *context);
    void *context;
};

struct tape {
    struct pool *pool;
    const struct train_kernels *kernels;
    struct block *first, *current;
    size_t used; /* of the current block */
    size_t n_bytes, most_bytes;
    struct record *last;
    bool recording;
    struct error failure; /* status OK: none */
};

enum status tape_new(struct tape **out, struct pool *pool, const struct train_kernels *kernels,
                     struct error *error)
{
    struct tape *tape = calloc(1, sizeof *tape);

    *out = tape;
    if (!tape)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the tape of a training step");
    tape->pool = pool;
    tape->kernels = kernels;
    tape->recording = true;
    tape->most_bytes = SIZE_MAX;
    return STATUS_OK;
}

void tape_free(struct tape **tape)
{
    struct block *block;

    if (!*tape)
        return;
    while ((block = (*tape)->first)) {
        (*tape)->first = block->next;
        free(block);
    }
    free(*tape);
    *tape = NULL;
}

void tape_reset(struct tape *tape)
{
    tape->current = tape->first;
    tape->used = 0;
    tape->last = NULL;
    error_clear(&tape->failure);
}

void tape_record(struct tape *tape, bool recording)
{
    tape->recording = recording;
}

enum status tape_status(const struct tape *tape, struct error *error)
{
    if (error && tape->failure.status != STATUS_OK)
        *error = tape->failure;
    return tape->failure.status;
}

size_t tape_bytes(const struct tape *tape)
{
    return tape->n_bytes;
}

void tape_limit(struct tape *tape, size_t n_bytes)
{
    tape->most_bytes = n_bytes;
}

struct pool *tape_pool(const struct tape *tape)
{
    return tape->pool;
}

const struct train_kernels *tape_kernels(const struct tape *tape)
{
    return tape->kernels;
}

struct tensor *tape_fail(struct tape *tape, enum status status, const char *format, ...)
{
    char what[sizeof tape->failure.what];
    va_list arguments;

    if (tape->failure.status != STATUS_OK)
        return NULL;
    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    error_set(&tape->failure, status, "%s", what);
    return NULL;
}

/*
 * Large blocks ask for large pages: the values of a step pass through memory once, page by
 * page.
 */
static void *page_memory(size_t n_bytes)
{
    bool large = n_bytes >= 2 * LARGE_PAGE;
    void *memory;

    if (posix_memalign(&memory, large ? LARGE_PAGE : TENSOR_ALIGNMENT, n_bytes) != 0)
        return NULL;
#ifdef MADV_HUGEPAGE
    if (large)
        madvise(memory, n_bytes, MADV_HUGEPAGE); /* what it refuses works as well, slower */
#endif
    return memory;
}

/* As many bytes as the tape holds already, within limits, and at least n_bytes. */
static struct block *new_block(struct tape *tape, size_t n_bytes)
{
    size_t left = tape->most_bytes > tape->n_bytes ? tape->most_bytes - tape->n_bytes : 0;
    size_t wanted = tape->n_bytes;
    struct block *block;

    if (wanted < FIRST_BLOCK_BYTES)
        wanted = FIRST_BLOCK_BYTES;
    if (wanted > MOST_BLOCK_BYTES)
        wanted = MOST_BLOCK_BYTES;
    if (wanted > left)
        wanted = left / TENSOR_ALIGNMENT * TENSOR_ALIGNMENT;
    if (wanted < n_bytes + BLOCK_HEAD)
        wanted = n_bytes + BLOCK_HEAD;
    block = wanted <= left ? page_memory(wanted) : NULL;
    if (!block)
        return NULL;
    block->next = NULL;
    block->n_bytes = wanted - BLOCK_HEAD;
    tape->n_bytes += wanted;
    return block;
}

/* Put a block that holds n_bytes behind the current one and go there. */
static bool next_block(struct tape *tape, size_t n_bytes)
{
    struct block **place = tape->current ? &tape->current->next : &tape->first;
    struct block **found = place;
    struct block *block;

    while (*found && (*found)->n_bytes < n_bytes)
        found = &(*found)->next;
    block = *found;
    if (block)
        *found = block->next;
    else
        block = new_block(tape, n_bytes);
    if (!block)
        return false;
    block->next = *place;
    *place = block;
    tape->current = block;
    tape->used = 0;
    return true;
}

void *tape_allocate(struct tape *tape, size_t n_bytes)
{
    uint64_t rounded;
    void *memory;

    if (tape->failure.status != STATUS_OK)
        return NULL;
    if (!checked_align(n_bytes > 0 ? n_bytes : 1, TENSOR_ALIGNMENT, &rounded) ||
        rounded > PTRDIFF_MAX / 2 ||
        ((!tape->current || tape->current->n_bytes - tape->used < rounded) &&
         !next_block(tape, (size_t)rounded))) {
        tape_fail(tape, STATUS_NO_MEMORY,
                  "no memory for a training step: it holds %zu bytes and needs %zu more",
                  tape->n_bytes, n_bytes);
        return NULL;
    }
    memory = (char *)tape->current + BLOCK_HEAD + tape->used;
    tape->used += (size_t)rounded;
    return memory;
}

static void zero_range(void *context, size_t first, size_t count)
{
    memset((char *)context + first, 0, count);
}

struct tensor *tape_tensor(struct tape *tape, uint32_t n_dimensions, const size_t *shape,
                           bool gradient)
{
    struct tensor *tensor = tape_allocate(tape, sizeof *tensor);

    if (!tensor)
        return NULL;
    if (!tensor_shape_set(tensor, n_dimensions, shape))
        return tape_fail(tape, STATUS_NO_MEMORY, "a tensor with too many elements");
    tensor->data = tape_allocate(tape, tensor_data_bytes(tensor));
    if (gradient)
        tensor->gradient = tape_allocate(tape, tensor_data_bytes(tensor));
    if (!tensor->data || (gradient && !tensor->gradient))
        return NULL;
    if (gradient)
        parallel_ranges(tape, tensor_data_bytes(tensor), ZERO_BYTES, tensor_elements(tensor),
                        zero_range, tensor->gradient);
    return tensor;
}

bool tape_wants_gradient(const struct tape *tape, struct tensor *const *inputs, size_t n_inputs)
{
    if (!tape->recording)
        return false;
    for (size_t i = 0; i < n_inputs; i++)
        if (inputs[i] && inputs[i]->gradient)
            return true;
    return false;
}

void tape_record_step(struct tape *tape, void (*backward)(struct tape *tape, void *context),
                      void *context)
{
    struct record *record = tape_allocate(tape, sizeof *record);

    if (!record)
        return;
    *record = (struct record){tape->last, backward, context};
    tape->last = record;
}

enum status tape_backward(struct tape *tape, struct tensor *loss, struct error *error)
{
    if (tape->failure.status == STATUS_OK && (!loss || tensor_elements(loss) != 1))
        tape_fail(tape, STATUS_USAGE, "gradients start at a loss that is a single number");
    if (tape->failure.status == STATUS_OK && loss->gradient)
        loss->gradient[0] += 1.0f;
    while (tape->failure.status == STATUS_OK && tape->last) {
        struct record *record = tape->last;
        tape->last = record->previous;
        record->backward(tape, record->context);
    }
    return tape_status(tape, error);
}
