/*
 * gguf_identity.c - which file this is: for what is derived from a model and kept
 */
#include "engine/file/gguf.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <xxhash.h>

#include "engine/file/checked.h"
#include "engine/file/gguf_file.h"

void gguf_stamp_fill(struct gguf_stamp *stamp, const struct stat *status)
{
    *stamp = (struct gguf_stamp){.device = (uint64_t)status->st_dev,
                                 .inode = (uint64_t)status->st_ino,
                                 .n_bytes = (uint64_t)status->st_size,
                                 .seconds = (int64_t)status->st_mtim.tv_sec,
                                 .nanoseconds = (uint64_t)status->st_mtim.tv_nsec};
}

/* What is hashed of a part. */
struct part_identity {
    struct gguf_stamp stamp;
    XXH64_hash_t directory; /* header, keys and tensors: all in front of the data */
};

bool gguf_identity(const struct gguf *file, uint64_t out[2])
{
    struct part_identity *parts = checked_allocate(file->n_parts, sizeof *parts);
    bool mapped = parts != NULL;

    for (uint32_t i = 0; i < file->n_parts && mapped; i++) {
        const struct gguf_part *part = &file->parts[i];
        const uint64_t n_bytes =
            part->data_offset < part->n_bytes ? part->data_offset : part->n_bytes;
        mapped = part->mapped;
        if (mapped)
            parts[i] =
                (struct part_identity){part->stamp, XXH3_64bits(part->bytes, (size_t)n_bytes)};
    }
    if (mapped) {
        const XXH128_hash_t hash = XXH3_128bits(parts, file->n_parts * sizeof *parts);
        out[0] = hash.low64;
        out[1] = hash.high64;
    }
    free(parts);
    return mapped;
}

bool gguf_is_unchanged(const struct gguf *file)
{
    for (uint32_t i = 0; i < file->n_parts; i++) {
        const struct gguf_part *part = &file->parts[i];
        struct gguf_stamp now;
        struct stat status;
        if (!part->mapped || !part->path || stat(part->path, &status) != 0)
            return false;
        gguf_stamp_fill(&now, &status);
        if (memcmp(&now, &part->stamp, sizeof now) != 0)
            return false;
    }
    return true;
}
