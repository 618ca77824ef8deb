/*
 * gguf_bytes.h - making GGUF files byte by byte, right or wrong, in memory (for tests)
 *
 * Nothing here knows what is allowed: each function appends what it is told.
 */
#ifndef TESTS_UNIT_GGUF_BYTES_H
#define TESTS_UNIT_GGUF_BYTES_H

#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct bytes {
    uint8_t *data;
    size_t n_bytes;
};

static inline void put(struct bytes *out, const void *data, size_t n_bytes)
{
    out->data = realloc(out->data, out->n_bytes + n_bytes + 1);
    if (!out->data)
        abort();
    if (n_bytes > 0)
        memcpy(out->data + out->n_bytes, data, n_bytes);
    out->n_bytes += n_bytes;
}

static inline void put_little(struct bytes *out, uint64_t value, size_t n_bytes)
{
    uint8_t little[8];
    for (size_t i = 0; i < 8; i++)
        little[i] = (uint8_t)(value >> 8 * i);
    put(out, little, n_bytes);
}

static inline void put_u8(struct bytes *out, uint8_t value)
{
    put_little(out, value, 1);
}

static inline void put_u16(struct bytes *out, uint16_t value)
{
    put_little(out, value, 2);
}

static inline void put_u32(struct bytes *out, uint32_t value)
{
    put_little(out, value, 4);
}

static inline void put_u64(struct bytes *out, uint64_t value)
{
    put_little(out, value, 8);
}

static inline void put_f32(struct bytes *out, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_u32(out, bits);
}

static inline void put_f64(struct bytes *out, double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_u64(out, bits);
}

static inline void put_string_bytes(struct bytes *out, const void *text, size_t n_bytes)
{
    put_u64(out, n_bytes);
    put(out, text, n_bytes);
}

static inline void put_string(struct bytes *out, const char *text)
{
    put_string_bytes(out, text, strlen(text));
}

static inline void put_header(struct bytes *out, uint32_t version, uint64_t n_tensors,
                              uint64_t n_keys)
{
    put(out, "GGUF", 4);
    put_u32(out, version);
    put_u64(out, n_tensors);
    put_u64(out, n_keys);
}

/* Name and type; the value is the caller's. */
static inline void put_key(struct bytes *out, const char *name, uint32_t type)
{
    put_string(out, name);
    put_u32(out, type);
}

static inline void put_key_u32(struct bytes *out, const char *name, uint32_t value)
{
    put_key(out, name, 4);
    put_u32(out, value);
}

static inline void put_key_string(struct bytes *out, const char *name, const char *value)
{
    put_key(out, name, 8);
    put_string(out, value);
}

/* Type and length of an array; the elements are the caller's. */
static inline void put_key_array(struct bytes *out, const char *name, uint32_t element_type,
                                 uint64_t n_elements)
{
    put_key(out, name, 9);
    put_u32(out, element_type);
    put_u64(out, n_elements);
}

static inline void put_tensor(struct bytes *out, const char *name, uint32_t n_dimensions,
                              const uint64_t *ne, uint32_t type, uint64_t offset)
{
    put_string(out, name);
    put_u32(out, n_dimensions);
    for (uint32_t i = 0; i < n_dimensions; i++)
        put_u64(out, ne[i]);
    put_u32(out, type);
    put_u64(out, offset);
}

static inline void put_tensor_1d(struct bytes *out, const char *name, uint64_t n_elements,
                                 uint32_t type, uint64_t offset)
{
    put_tensor(out, name, 1, &n_elements, type, offset);
}

static inline void put_zeros(struct bytes *out, size_t n_bytes)
{
    for (size_t i = 0; i < n_bytes; i++)
        put_u8(out, 0);
}

static inline void pad(struct bytes *out, size_t alignment)
{
    while (out->n_bytes % alignment != 0)
        put_u8(out, 0);
}

static inline void bytes_free(struct bytes *bytes)
{
    free(bytes->data);
    *bytes = (struct bytes){0};
}

static inline void bytes_save(const struct bytes *bytes, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        abort();
    if (bytes->n_bytes > 0 && fwrite(bytes->data, 1, bytes->n_bytes, file) != bytes->n_bytes)
        abort();
    if (fclose(file) != 0)
        abort();
}

#endif
