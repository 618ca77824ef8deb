/*
 * weights_cache_file.h - how a file of the cache lies on disk (private to weights_cache*.c)
 *
 * The head: struct cache_head, struct cache_matrix [n_matrices], a 64-bit xxh3 for each piece of
 * the region, the xxh3 of all this.  Then, from region_offset on, the region.  Numbers lie as they
 * do in memory.
 */
#ifndef ENGINE_MODEL_WEIGHTS_CACHE_FILE_H
#define ENGINE_MODEL_WEIGHTS_CACHE_FILE_H

#include <pthread.h>

#include "engine/model/weights_cache.h"

enum {
    CACHE_FORMAT_VERSION = 1,
    CACHE_PIECE_BYTES = 4 << 20, /* hashed, read and written at a time */
    CACHE_NAME_BYTES = 64
};

struct cache_head {
    char magic[16];
    uint32_t format_version, layout_version;
    uint32_t n_matrices, n_pieces;
    uint64_t file_bytes, region_offset, region_bytes, piece_bytes;
    uint64_t identity[2];         /* of the model file */
    char model[CACHE_NAME_BYTES]; /* its name, for a listing */
};

struct cache_matrix {
    char name[CACHE_NAME_BYTES]; /* of the tensor, filled with zeros */
    uint32_t type, n_rows, n_columns, zero;
    uint64_t offset, n_bytes; /* in the region */
};

extern const char cache_magic[16];
#define CACHE_SUFFIX   ".weights"
#define PARTIAL_SUFFIX ".weights.partial"

struct weights_cache {
    const struct gguf *file;       /* borrows */
    const struct weights *weights; /* borrows */
    enum weights_cache_mode mode;
    char *folder;  /* owns */
    char *path;    /* owns; of the finished file */
    char *partial; /* owns; of the file while it is written */
    /* The head as it must be; its hashes are zero until they are known. */
    uint8_t *head; /* owns */
    size_t head_bytes;
    uint64_t *hashes; /* [n_pieces], in head */
    uint32_t n_pieces;
    uint64_t file_bytes, region_offset, region_bytes;

    _Atomic enum weights_cache_state state;
    /* The writer; see weights_cache_write.c. */
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t wake;
    bool has_thread, stop; /* stop: under mutex */
};

/* Bytes of piece i, the last one may be shorter. */
uint64_t cache_piece_bytes(const struct weights_cache *cache, uint32_t index);
/* The hash of a head whose last 8 bytes are to hold it. */
uint64_t cache_head_hash(const uint8_t *head, size_t n_bytes);
/* Wakes a running writer and waits until it is gone. */
void cache_stop_writer(struct weights_cache *cache);

#endif
