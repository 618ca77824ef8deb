/*
 * weights_cache.c - finding packed weights on disk, and mapping them
 */
#include "engine/model/weights_cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/file/checked.h"
#include "engine/file/gguf.h"
#include "engine/run/pool.h"

enum {
    HUGE_PAGE_BYTES = 2 << 20,
    PIECES_AT_ONCE = 16, /* between two looks at the cancel flag */
    AUTO_LEAST_MEGABYTES = 256
};

const char cache_magic[16] = "banter weights\n";

uint64_t cache_piece_bytes(const struct weights_cache *cache, uint32_t index)
{
    const uint64_t first = (uint64_t)index * CACHE_PIECE_BYTES;
    const uint64_t rest = cache->region_bytes - first;

    return rest < CACHE_PIECE_BYTES ? rest : CACHE_PIECE_BYTES;
}

uint64_t cache_head_hash(const uint8_t *head, size_t n_bytes)
{
    return XXH3_64bits(head, n_bytes - sizeof(uint64_t));
}

/* Which file -------------------------------------------------------------------------------- */

static size_t count_matrices(const struct weights *weights)
{
    size_t n = 0;

    for (size_t i = 0; i < weights->n_matrices; i++)
        n += weights->matrices[i].n_bytes > 0;
    return n;
}

static void fill_name(char name[CACHE_NAME_BYTES], const char *bytes, size_t n_bytes)
{
    memcpy(name, bytes, n_bytes < CACHE_NAME_BYTES ? n_bytes : CACHE_NAME_BYTES);
}

static bool make_head(struct weights_cache *cache, const uint64_t identity[2])
{
    const struct weights *weights = cache->weights;
    const size_t n_matrices = count_matrices(weights);
    const char *model = strrchr(gguf_path(cache->file), '/');
    struct cache_head head = {.format_version = CACHE_FORMAT_VERSION,
                              .layout_version = kernels_layout_version(),
                              .n_matrices = (uint32_t)n_matrices,
                              .region_bytes = weights->packed_bytes,
                              .piece_bytes = CACHE_PIECE_BYTES,
                              .identity = {identity[0], identity[1]}};
    uint64_t n_bytes, n_pieces, size;
    struct cache_matrix *matrices;

    if (!checked_align(head.region_bytes, CACHE_PIECE_BYTES, &n_pieces))
        return false;
    n_pieces /= CACHE_PIECE_BYTES;
    if (n_pieces > UINT32_MAX || !checked_multiply(n_matrices, sizeof *matrices, &n_bytes) ||
        !checked_multiply(n_pieces, sizeof(uint64_t), &size) ||
        !checked_add(n_bytes, size, &n_bytes) ||
        !checked_add(n_bytes, sizeof head + sizeof(uint64_t), &n_bytes) ||
        !checked_align(n_bytes, HUGE_PAGE_BYTES, &head.region_offset) ||
        !checked_add(head.region_offset, head.region_bytes, &head.file_bytes) ||
        head.file_bytes > PTRDIFF_MAX)
        return false;
    cache->head = checked_allocate_zeroed(1, (size_t)n_bytes);
    if (!cache->head)
        return false;
    memcpy(head.magic, cache_magic, sizeof head.magic);
    head.n_pieces = (uint32_t)n_pieces;
    model = model ? model + 1 : gguf_path(cache->file);
    fill_name(head.model, model, strlen(model));
    memcpy(cache->head, &head, sizeof head);
    matrices = (struct cache_matrix *)(cache->head + sizeof head);
    for (size_t i = 0, at = 0; i < weights->n_matrices; i++) {
        const struct bound_matrix *matrix = &weights->matrices[i];
        if (matrix->n_bytes == 0)
            continue;
        matrices[at] = (struct cache_matrix){.type = (uint32_t)matrix->weight->type,
                                             .n_rows = matrix->weight->n_rows,
                                             .n_columns = matrix->weight->n_columns,
                                             .offset = matrix->offset,
                                             .n_bytes = matrix->n_bytes};
        fill_name(matrices[at++].name, matrix->tensor->name.bytes,
                  matrix->tensor->name.n_bytes);
    }
    cache->hashes = (uint64_t *)(matrices + n_matrices);
    cache->head_bytes = (size_t)n_bytes;
    cache->n_pieces = head.n_pieces;
    cache->file_bytes = head.file_bytes;
    cache->region_offset = head.region_offset;
    cache->region_bytes = head.region_bytes;
    return true;
}

/* By the model's path, so that a model which is replaced replaces its file in the cache. */
static bool make_paths(struct weights_cache *cache, const char *folder)
{
    char *whole = realpath(gguf_path(cache->file), NULL);
    bool made = whole != NULL;
    unsigned long long hash;

    if (made) {
        hash = XXH3_64bits(whole, strlen(whole)) ^ kernels_layout_version();
        cache->folder = strdup(folder);
        if (asprintf(&cache->path, "%s/%016llx" CACHE_SUFFIX, folder, hash) < 0)
            cache->path = NULL;
        if (asprintf(&cache->partial, "%s/%016llx" PARTIAL_SUFFIX, folder, hash) < 0)
            cache->partial = NULL;
        made = cache->folder && cache->path && cache->partial;
    }
    free(whole);
    return made;
}

void weights_cache_new(struct weights_cache **out, const char *folder,
                       enum weights_cache_mode mode, const struct gguf *file,
                       const struct weights *weights)
{
    struct weights_cache *cache = NULL;
    uint64_t identity[2];

    *out = NULL;
    if (!folder || mode == WEIGHTS_CACHE_OFF || weights->packed_bytes == 0 ||
        (mode == WEIGHTS_CACHE_AUTO && weights->packed_bytes >> 20 < AUTO_LEAST_MEGABYTES) ||
        !gguf_identity(file, identity))
        return;
    cache = checked_allocate_zeroed(1, sizeof *cache);
    if (!cache)
        return;
    cache->file = file;
    cache->weights = weights;
    cache->mode = mode;
    atomic_init(&cache->state, WEIGHTS_CACHE_ABSENT);
    if (make_head(cache, identity) && make_paths(cache, folder))
        *out = cache;
    else
        weights_cache_free(&cache);
}

void weights_cache_free(struct weights_cache **cache)
{
    struct weights_cache *gone = *cache;

    *cache = NULL;
    if (!gone)
        return;
    cache_stop_writer(gone);
    free(gone->folder);
    free(gone->path);
    free(gone->partial);
    free(gone->head);
    free(gone);
}

enum weights_cache_state weights_cache_state(const struct weights_cache *cache)
{
    return cache ? atomic_load(&cache->state) : WEIGHTS_CACHE_NONE;
}

/* Reading ----------------------------------------------------------------------------------- */

static bool read_fully(int descriptor, void *bytes, size_t n_bytes)
{
    for (size_t done = 0; done < n_bytes;) {
        const ssize_t n = pread(descriptor, (char *)bytes + done, n_bytes - done, (off_t)done);
        if (n > 0)
            done += (size_t)n;
        else if (n == 0 || errno != EINTR)
            return false;
    }
    return true;
}

/* A copy of the file's head, if it is what it must be but for its hashes; free() it. */
static uint8_t *read_head(const struct weights_cache *cache, int descriptor)
{
    const size_t n_known = (size_t)((const uint8_t *)cache->hashes - cache->head);
    uint8_t *head = NULL;
    struct stat status;
    uint64_t hash;

    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode) ||
        (uint64_t)status.st_size != cache->file_bytes)
        return NULL;
    head = checked_allocate(1, cache->head_bytes);
    if (head && read_fully(descriptor, head, cache->head_bytes)) {
        memcpy(&hash, head + cache->head_bytes - sizeof hash, sizeof hash);
        if (memcmp(head, cache->head, n_known) == 0 &&
            hash == cache_head_hash(head, cache->head_bytes))
            return head;
    }
    free(head);
    return NULL;
}

static int open_file(const struct weights_cache *cache, uint8_t **head)
{
    /* Not blocking: a pipe under the name must not hang the program. */
    int descriptor =
        open(cache->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);

    *head = descriptor >= 0 ? read_head(cache, descriptor) : NULL;
    if (*head)
        return descriptor;
    if (descriptor >= 0)
        close(descriptor);
    return -1;
}

bool weights_cache_is_there(const struct weights_cache *cache)
{
    uint8_t *head;
    const int descriptor = open_file(cache, &head);

    free(head);
    if (descriptor >= 0)
        close(descriptor);
    return descriptor >= 0;
}

struct verification {
    const struct weights_cache *cache;
    const uint8_t *region;
    const uint64_t *hashes;
    uint32_t first; /* piece of part 0 */
    atomic_bool damaged;
};

/* Reading a page in through the system tells of a bad disk without a signal. */
static bool read_in(const void *bytes, size_t n_bytes)
{
    return madvise((void *)bytes, n_bytes, MADV_POPULATE_READ) == 0 || errno == EINVAL ||
           errno == EAGAIN;
}

static void verify_piece(void *context, uint32_t part, uint32_t n_parts)
{
    struct verification *verification = context;
    const uint32_t index = verification->first + part;
    const uint8_t *piece = verification->region + (uint64_t)index * CACHE_PIECE_BYTES;
    const size_t n_bytes = (size_t)cache_piece_bytes(verification->cache, index);

    (void)n_parts;
    if (!read_in(piece, n_bytes) || XXH3_64bits(piece, n_bytes) != verification->hashes[index])
        atomic_store(&verification->damaged, true);
}

static enum status verify(const struct weights_cache *cache, const uint8_t *region,
                          const uint64_t *hashes, struct pool *pool, const atomic_bool *cancel,
                          weights_progress progress, void *context, struct error *error)
{
    struct verification verification = {cache, region, hashes, 0, false};

    while (verification.first < cache->n_pieces) {
        const uint32_t rest = cache->n_pieces - verification.first;
        const uint32_t n = rest < PIECES_AT_ONCE ? rest : PIECES_AT_ONCE;
        if (cancel && atomic_load_explicit(cancel, memory_order_relaxed))
            return error_set(error, STATUS_CANCELLED, "loading was stopped");
        pool_run(pool, verify_piece, &verification, n);
        if (atomic_load(&verification.damaged))
            return error_set(error, STATUS_NOT_FOUND, "the packed weights are damaged");
        verification.first += n;
        if (progress)
            progress(context,
                     verification.first < cache->n_pieces
                         ? (uint64_t)verification.first * CACHE_PIECE_BYTES
                         : cache->region_bytes,
                     cache->region_bytes);
    }
    return STATUS_OK;
}

enum status weights_cache_map(struct weights_cache *cache, struct weights *weights,
                              struct pool *pool, const atomic_bool *cancel,
                              weights_progress progress, void *context, struct error *error)
{
    const size_t n_bytes = (size_t)cache->file_bytes;
    void *mapping = MAP_FAILED;
    enum status status = STATUS_NOT_FOUND;
    uint8_t *head;
    const int descriptor = open_file(cache, &head);

    if (descriptor >= 0)
        mapping = mmap(NULL, n_bytes, PROT_READ, MAP_SHARED, descriptor, 0);
    if (mapping != MAP_FAILED) {
        const uint64_t *hashes =
            (const uint64_t *)(head + ((const uint8_t *)cache->hashes - cache->head));
        /* Region and mapping begin at a huge page, so a file in huge pages is mapped by them. */
        madvise(mapping, n_bytes, MADV_HUGEPAGE);
        status = verify(cache, (const uint8_t *)mapping + cache->region_offset, hashes, pool,
                        cancel, progress, context, error);
    } else {
        error_set(error, STATUS_NOT_FOUND, "there are no packed weights");
    }
    if (status == STATUS_OK) {
        futimens(descriptor, NULL); /* used now: the least recently used file goes first */
        weights_take_mapping(weights, mapping, n_bytes, (size_t)cache->region_offset);
        atomic_store(&cache->state, WEIGHTS_CACHE_MAPPED);
    } else if (mapping != MAP_FAILED) {
        munmap(mapping, n_bytes);
    }
    if (descriptor >= 0)
        close(descriptor);
    free(head);
    return status;
}
