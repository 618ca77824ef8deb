/*
 * gguf_part.h - one mapped GGUF file and its checked directory (private to engine/file)
 *
 * A model is one part, or several when it is split; struct gguf puts them together.
 *
 * Ownership: a part owns its path, its mapping (unless bytes were lent) and its directory.
 */
#ifndef ENGINE_FILE_GGUF_PART_H
#define ENGINE_FILE_GGUF_PART_H

#include "engine/file/gguf.h"

/* An entry of an index that is sorted by name: equal names become neighbours, whoever made
 * them, and a lookup is a binary search.  A hash table would need a secret to promise it. */
struct gguf_name {
    struct gguf_string name;
    uint32_t index;
};

/* A file as the system knows it; all of 8 bytes, so that stamps can be compared and hashed. */
struct gguf_stamp {
    uint64_t device, inode, n_bytes;
    int64_t seconds; /* of the last change */
    uint64_t nanoseconds;
};

struct gguf_part {
    char *path; /* NULL: from memory */
    const uint8_t *bytes;
    uint64_t n_bytes;
    bool mapped;             /* bytes is a mapping of ours */
    struct gguf_stamp stamp; /* when it was mapped */
    uint32_t version;
    uint32_t alignment;
    uint64_t data_offset; /* of the data section */
    uint64_t n_keys;
    struct gguf_key *keys;
    struct gguf_name *key_names; /* [n_keys], sorted */
    uint64_t n_tensors;
    struct gguf_tensor *tensors; /* in the order of the file */
};

/* Bytes of one scalar; 0 for STRING and ARRAY. */
uint32_t gguf_scalar_bytes(enum gguf_value_type type);
/* "U32", "STRING", ... */
const char *gguf_value_type_name(enum gguf_value_type type);

/* Little-endian loads from any address. */
uint32_t gguf_load_u32(const uint8_t *bytes);
uint64_t gguf_load_u64(const uint8_t *bytes);

/* Write name into buffer for a message, other bytes than printable ASCII as \xNN; returns
 * buffer. */
const char *gguf_quote(struct gguf_string name, char *buffer, size_t n_bytes);

/* Read and check header, keys and tensors of part->bytes.  On failure the part may hold some of
 * the directory; gguf_part_release() frees it.  Errors as gguf_open(); where: "offset N". */
enum status gguf_part_read(struct gguf_part *part, struct error *error);
void gguf_part_release(struct gguf_part *part);

struct stat;
void gguf_stamp_fill(struct gguf_stamp *stamp, const struct stat *status);

/* Sort an index; returns the later of two entries of the same name, or NULL if all differ. */
const struct gguf_name *gguf_names_sort(struct gguf_name *names, uint64_t n_names);
/* The index of name, or -1. */
int64_t gguf_names_find(const struct gguf_name *names, uint64_t n_names, const char *name,
                        size_t n_bytes);

#endif
