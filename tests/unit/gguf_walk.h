/*
 * gguf_walk.h - use everything that an open GGUF file hands out (for tests and fuzzing)
 *
 * What the reader accepted must be safe to use: each value is read by every getter, strings and
 * tensor data are touched at both ends.  A sanitizer or a guard page sees what is wrong.
 */
#ifndef TESTS_UNIT_GGUF_WALK_H
#define TESTS_UNIT_GGUF_WALK_H

#include <stdlib.h>
#include <string.h>

#include "engine/file/gguf.h"

static volatile unsigned gguf_walk_sink;

static inline void walk_bytes(const void *bytes, uint64_t n_bytes)
{
    const unsigned char *first = bytes;
    if (n_bytes > 0)
        gguf_walk_sink += first[0] + first[n_bytes / 2] + first[n_bytes - 1];
}

static inline void walk_key(struct gguf *file, const struct gguf_key *key)
{
    char *name = malloc(key->name.n_bytes + 1);
    struct error error;
    uint32_t u32;
    float f32;
    bool flag;
    struct gguf_string string;
    const struct gguf_string *strings;
    int64_t *integers = NULL;
    float *floats = NULL;
    size_t n;

    if (!name)
        return;
    memcpy(name, key->name.bytes, key->name.n_bytes);
    name[key->name.n_bytes] = '\0';
    if (gguf_find_key(file, name) != key)
        abort();
    walk_bytes(gguf_key_bytes(file, key), key->n_bytes);
    (void)gguf_get_u32(file, name, &u32, &error);
    (void)gguf_get_f32(file, name, &f32, &error);
    (void)gguf_get_bool(file, name, &flag, &error);
    if (gguf_get_string(file, name, &string, &error) == STATUS_OK)
        walk_bytes(string.bytes, string.n_bytes);
    if (gguf_get_strings(file, name, &strings, &n, &error) == STATUS_OK)
        for (size_t i = 0; i < n; i++)
            walk_bytes(strings[i].bytes, strings[i].n_bytes);
    if (gguf_get_integers(file, name, &integers, &n, &error) == STATUS_OK)
        free(integers);
    if (gguf_get_floats(file, name, &floats, &n, &error) == STATUS_OK)
        free(floats);
    free(name);
}

static inline void walk_gguf(struct gguf *file)
{
    for (size_t i = 0; i < gguf_key_count(file); i++)
        walk_key(file, gguf_key_at(file, i));
    for (size_t i = 0; i < gguf_tensor_count(file); i++) {
        const struct gguf_tensor *tensor = gguf_tensor_at(file, i);
        const struct tensor_type_info *info = tensor_type_info((uint32_t)tensor->type);
        float values[256];
        char name[GGUF_TENSOR_NAME_MAX + 1] = "";
        memcpy(name, tensor->name.bytes, tensor->name.n_bytes);
        if (gguf_find_tensor(file, name) != tensor || !info->name)
            abort();
        walk_bytes(tensor->data, tensor->n_bytes);
        if (info->computable && tensor->n_bytes >= info->block_bytes)
            tensor_row_decode(tensor->type,
                              tensor->data +
                                  (tensor->n_bytes / info->block_bytes - 1) * info->block_bytes,
                              values, info->block_elements);
        gguf_tensor_drop_pages(file, tensor);
        gguf_tensor_read_ahead(file, tensor);
    }
}

#endif
