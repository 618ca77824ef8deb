/*
 * gguf.h - a GGUF file, mapped and checked
 *
 * gguf_open() maps the file read-only (and, for a split file, all its parts), reads header,
 * metadata and tensor directory, and checks every length, product and offset before it is used.
 * After it returned, every string, array and tensor of the directory lies inside the mapping
 * and tensors do not overlap.  Nothing is copied but the directory: strings and arrays point
 * into the mapping.  Meaning (which keys a model needs, which shapes) is not checked here.
 *
 * Names of keys and tensors are printable ASCII, so that they may stand in a message; values
 * are arbitrary bytes.  What is larger than the limits below is refused as unsupported, before
 * memory is asked for; no allocation is larger than the bytes of the file justify.
 *
 * Format: GGUF specification, versions 2 and 3, little endian.
 * Ownership: struct gguf owns the mapping; everything handed out lives until gguf_close().
 *
 * Thread: after gguf_open() read-only and safe from any thread, but for gguf_get_strings(),
 * which builds a table at its first call for a key.
 */
#ifndef ENGINE_FILE_GGUF_H
#define ENGINE_FILE_GGUF_H

#include "engine/error.h"
#include "engine/file/tensor_type.h"

struct gguf;

enum gguf_value_type {
    GGUF_U8 = 0,
    GGUF_I8 = 1,
    GGUF_U16 = 2,
    GGUF_I16 = 3,
    GGUF_U32 = 4,
    GGUF_I32 = 5,
    GGUF_F32 = 6,
    GGUF_BOOL = 7,
    GGUF_STRING = 8,
    GGUF_ARRAY = 9,
    GGUF_U64 = 10,
    GGUF_I64 = 11,
    GGUF_F64 = 12,
    GGUF_VALUE_TYPE_COUNT = 13
};

enum {
    GGUF_KEYS_MAX = 65536,
    GGUF_TENSORS_MAX = 65536,
    GGUF_KEY_NAME_MAX = 65535,    /* bytes; the format's own limit */
    GGUF_TENSOR_NAME_MAX = 64,    /* bytes; the format's own limit */
    GGUF_STRING_MAX = 16 << 20,   /* bytes of a string value or array element */
    GGUF_ELEMENTS_MAX = 16 << 20, /* of an array */
    GGUF_ALIGNMENT_MIN = 8,
    GGUF_ALIGNMENT_MAX = 65536,
    GGUF_PARTS_MAX = 1024 /* of a split file */
};

struct gguf_string {
    const char *bytes; /* not terminated; borrows from the mapping */
    size_t n_bytes;
};

struct gguf_tensor {
    struct gguf_string name;
    enum tensor_type type;
    uint32_t n_dimensions;
    uint64_t ne[4]; /* ne[0] is contiguous (the input dimension of a matrix); unused: 1 */
    uint64_t n_bytes;
    const uint8_t
        *data; /* borrows from the mapping; aligned to general.alignment in the file */
    uint64_t file_offset; /* of data, in its own part of a split file */
    uint32_t part;        /* which part of a split file; 0 otherwise */
};

struct gguf_key {
    struct gguf_string name;
    enum gguf_value_type type;
    enum gguf_value_type element_type; /* of an array */
    uint64_t n_elements;               /* of an array; 1 otherwise */
    uint64_t file_offset;              /* of the value; of an array: of its element type */
    uint64_t n_bytes;                  /* of the value as it lies in the file */
};

/* Life cycle */

/*
 * path: a GGUF file; for a split file any of its parts (the others are found by name).
 * Errors: NOT_FOUND, DAMAGED (with key or tensor name and file offset), UNSUPPORTED (big
 * endian, version), IO, NO_MEMORY.  On failure *out is NULL.
 */
enum status gguf_open(struct gguf **out, const char *path, struct error *error);
/* The same from memory, for tests and fuzzing; bytes are borrowed until gguf_close(). */
enum status gguf_open_memory(struct gguf **out, const void *bytes, size_t n_bytes,
                             struct error *error);
/* Unmap and set *file to NULL; NULL is allowed. */
void gguf_close(struct gguf **file);

/* Directory */

const char *gguf_path(const struct gguf *file);
uint32_t gguf_version(const struct gguf *file);
uint64_t gguf_file_bytes(const struct gguf *file); /* sum over the parts */
uint32_t gguf_part_count(const struct gguf *file);
size_t gguf_key_count(const struct gguf *file);
const struct gguf_key *gguf_key_at(const struct gguf *file, size_t index);
size_t gguf_tensor_count(const struct gguf *file);
const struct gguf_tensor *gguf_tensor_at(const struct gguf *file, size_t index);
/* The value as it lies in the file (n_bytes of it), for a copy or a listing.  key: of this
 * file. */
const uint8_t *gguf_key_bytes(const struct gguf *file, const struct gguf_key *key);
/* NULL where there is none (a search in an index sorted by name). */
const struct gguf_key *gguf_find_key(const struct gguf *file, const char *name);
const struct gguf_tensor *gguf_find_tensor(const struct gguf *file, const char *name);
/* Tell the system how a tensor will be read: drop its pages (after packing), or read ahead. */
void gguf_tensor_drop_pages(const struct gguf *file, const struct gguf_tensor *tensor);
void gguf_tensor_read_ahead(const struct gguf *file, const struct gguf_tensor *tensor);

/*
 * A hash of which files were opened (device, inode, size, time of the last change) and of all that
 * stands in front of their tensors, in the order of the parts.  false: not from files, or no memory.
 */
bool gguf_identity(const struct gguf *file, uint64_t out[2]);
/* Are the files under its paths still those that were opened, and untouched since? */
bool gguf_is_unchanged(const struct gguf *file);

/*
 * Values.  Each returns STATUS_OK, STATUS_NOT_FOUND (no such key; *out untouched, error
 * untouched) or STATUS_DAMAGED (wrong type or out of range; error names key and offset).
 */
enum status gguf_get_u32(const struct gguf *file, const char *name, uint32_t *out,
                         struct error *error); /* any integer type whose value fits */
enum status gguf_get_f32(const struct gguf *file, const char *name, float *out,
                         struct error *error); /* F32 or F64, finite */
enum status gguf_get_bool(const struct gguf *file, const char *name, bool *out,
                          struct error *error);
enum status gguf_get_string(const struct gguf *file, const char *name, struct gguf_string *out,
                            struct error *error);

/*
 * Array elements by type; the element type must be the one asked for.  Strings are indexed once
 * into a table that the file owns, so that [index] is constant time afterwards.
 */
enum status gguf_get_strings(struct gguf *file, const char *name,
                             const struct gguf_string **out, size_t *n_elements,
                             struct error *error);
/* Integers of any width (bool too), converted; the caller frees *out with free().  No elements:
 * *out is NULL. */
enum status gguf_get_integers(const struct gguf *file, const char *name, int64_t **out,
                              size_t *n_elements, struct error *error);
/* F32 or F64, converted, all finite; the caller frees *out with free().  No elements: NULL. */
enum status gguf_get_floats(const struct gguf *file, const char *name, float **out,
                            size_t *n_elements, struct error *error);

#endif
