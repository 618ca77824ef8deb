/*
 * gguf_values.c - values of keys, by the type that the caller needs
 *
 * gguf_directory.c has checked that every value lies inside its file.  What is left is meaning:
 * the type must be the one asked for, a number must fit.  Loads are byte by byte, because
 * values lie at any address.
 */
#include "engine/file/gguf.h"

#include <float.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"
#include "engine/file/gguf_file.h"

/* element type and length in front of an array's elements */
enum { ARRAY_HEAD = 12 };

static enum status refuse(const struct gguf *file, const struct gguf_key *key,
                          struct error *error, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static enum status refuse(const struct gguf *file, const struct gguf_key *key,
                          struct error *error, const char *format, ...)
{
    char text[160];
    char name[80];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_set(error, STATUS_DAMAGED, "key '%s' %s", gguf_quote(key->name, name, sizeof name),
              text);
    error_where(error, "offset %" PRIu64, key->file_offset);
    error_path(error, file->parts[0].path);
    return STATUS_DAMAGED;
}

static enum status refuse_type(const struct gguf *file, const struct gguf_key *key,
                               const char *wanted, struct error *error)
{
    if (key->type == GGUF_ARRAY)
        return refuse(file, key, error, "is an array of %s, %s is needed",
                      gguf_value_type_name(key->element_type), wanted);
    return refuse(file, key, error, "is of type %s, %s is needed",
                  gguf_value_type_name(key->type), wanted);
}

/* The integer at bytes; false: not an integer type, or beyond INT64_MAX (*too_large set). */
static bool load_integer(enum gguf_value_type type, const uint8_t *bytes, int64_t *out,
                         bool *too_large)
{
    uint64_t wide;

    *too_large = false;
    switch (type) {
    case GGUF_U8:
    case GGUF_BOOL: *out = bytes[0]; return true;
    case GGUF_I8: *out = (int8_t)bytes[0]; return true;
    case GGUF_U16: *out = bytes[0] | bytes[1] << 8; return true;
    case GGUF_I16: *out = (int16_t)(bytes[0] | bytes[1] << 8); return true;
    case GGUF_U32: *out = gguf_load_u32(bytes); return true;
    case GGUF_I32: *out = (int32_t)gguf_load_u32(bytes); return true;
    case GGUF_I64: *out = (int64_t)gguf_load_u64(bytes); return true;
    case GGUF_U64:
        wide = gguf_load_u64(bytes);
        *too_large = wide > INT64_MAX;
        *out = (int64_t)wide;
        return !*too_large;
    default: return false;
    }
}

/* The float at bytes as f32; false: not a float type, or not finite (*not_finite set). */
static bool load_float(enum gguf_value_type type, const uint8_t *bytes, float *out,
                       bool *not_finite)
{
    uint32_t bits;
    uint64_t wide_bits;
    double wide;
    float value;

    *not_finite = false;
    if (type == GGUF_F32) {
        bits = gguf_load_u32(bytes);
        memcpy(&value, &bits, sizeof value);
    } else if (type == GGUF_F64) {
        wide_bits = gguf_load_u64(bytes);
        memcpy(&wide, &wide_bits, sizeof wide);
        if (!(wide >= -(double)FLT_MAX && wide <= (double)FLT_MAX)) {
            *not_finite = true;
            return false;
        }
        value = (float)wide;
    } else {
        return false;
    }
    memcpy(&bits, &value, sizeof bits);
    *not_finite = (bits & 0x7f800000u) == 0x7f800000u;
    if (!*not_finite)
        *out = value;
    return !*not_finite;
}

enum status gguf_get_u32(const struct gguf *file, const char *name, uint32_t *out,
                         struct error *error)
{
    const struct gguf_key *key = gguf_find_key(file, name);
    int64_t value = 0;
    bool too_large;

    if (!key)
        return STATUS_NOT_FOUND;
    if (key->type == GGUF_BOOL ||
        (!load_integer(key->type, gguf_key_bytes(file, key), &value, &too_large) && !too_large))
        return refuse_type(file, key, "an integer", error);
    if (too_large)
        return refuse(file, key, error, "is %" PRIu64 ", 0 to 4294967295 is allowed",
                      (uint64_t)value);
    if (value < 0 || value > UINT32_MAX)
        return refuse(file, key, error, "is %" PRId64 ", 0 to 4294967295 is allowed", value);
    *out = (uint32_t)value;
    return STATUS_OK;
}

enum status gguf_get_f32(const struct gguf *file, const char *name, float *out,
                         struct error *error)
{
    const struct gguf_key *key = gguf_find_key(file, name);
    bool not_finite;

    if (!key)
        return STATUS_NOT_FOUND;
    if (load_float(key->type, gguf_key_bytes(file, key), out, &not_finite))
        return STATUS_OK;
    if (not_finite)
        return refuse(file, key, error, "is not a finite number");
    return refuse_type(file, key, "a float", error);
}

enum status gguf_get_bool(const struct gguf *file, const char *name, bool *out,
                          struct error *error)
{
    const struct gguf_key *key = gguf_find_key(file, name);

    if (!key)
        return STATUS_NOT_FOUND;
    if (key->type != GGUF_BOOL)
        return refuse_type(file, key, "a bool", error);
    *out = gguf_key_bytes(file, key)[0] != 0;
    return STATUS_OK;
}

enum status gguf_get_string(const struct gguf *file, const char *name, struct gguf_string *out,
                            struct error *error)
{
    const struct gguf_key *key = gguf_find_key(file, name);

    if (!key)
        return STATUS_NOT_FOUND;
    if (key->type != GGUF_STRING)
        return refuse_type(file, key, "a string", error);
    out->bytes = (const char *)gguf_key_bytes(file, key) + 8;
    out->n_bytes = (size_t)(key->n_bytes - 8);
    return STATUS_OK;
}

enum status gguf_get_strings(struct gguf *file, const char *name,
                             const struct gguf_string **out, size_t *n_elements,
                             struct error *error)
{
    const struct gguf_key *key = gguf_find_key(file, name);
    struct gguf_string **table;
    const uint8_t *bytes;

    if (!key)
        return STATUS_NOT_FOUND;
    if (key->type != GGUF_ARRAY || key->element_type != GGUF_STRING)
        return refuse_type(file, key, "an array of strings", error);
    table = &file->strings[key - file->parts[0].keys];
    if (!*table && key->n_elements > 0) {
        *table = checked_allocate((size_t)key->n_elements, sizeof **table);
        if (!*table)
            return error_set(error, STATUS_NO_MEMORY, "no memory for %" PRIu64 " strings",
                             key->n_elements);
        bytes = gguf_key_bytes(file, key) + ARRAY_HEAD;
        for (uint64_t i = 0; i < key->n_elements; i++) {
            size_t n_bytes =
                (size_t)gguf_load_u64(bytes); /* checked when the file was opened */
            (*table)[i] = (struct gguf_string){(const char *)bytes + 8, n_bytes};
            bytes += 8 + n_bytes;
        }
    }
    *out = *table;
    *n_elements = (size_t)key->n_elements;
    return STATUS_OK;
}

enum status gguf_get_integers(const struct gguf *file, const char *name, int64_t **out,
                              size_t *n_elements, struct error *error)
{
    const struct gguf_key *key = gguf_find_key(file, name);
    int64_t *values = NULL;
    bool too_large = false;

    if (!key)
        return STATUS_NOT_FOUND;
    if (key->type != GGUF_ARRAY || key->element_type == GGUF_STRING ||
        key->element_type == GGUF_F32 || key->element_type == GGUF_F64)
        return refuse_type(file, key, "an array of integers", error);
    if (key->n_elements > 0) {
        const uint8_t *bytes = gguf_key_bytes(file, key) + ARRAY_HEAD;
        uint32_t step = gguf_scalar_bytes(key->element_type);
        values = checked_allocate((size_t)key->n_elements, sizeof *values);
        if (!values)
            return error_set(error, STATUS_NO_MEMORY, "no memory for %" PRIu64 " integers",
                             key->n_elements);
        for (uint64_t i = 0; i < key->n_elements; i++)
            if (!load_integer(key->element_type, bytes + i * step, &values[i], &too_large)) {
                free(values);
                return refuse(file, key, error, "has element %" PRIu64 " beyond 2^63", i);
            }
    }
    *out = values;
    *n_elements = (size_t)key->n_elements;
    return STATUS_OK;
}

enum status gguf_get_floats(const struct gguf *file, const char *name, float **out,
                            size_t *n_elements, struct error *error)
{
    const struct gguf_key *key = gguf_find_key(file, name);
    float *values = NULL;
    bool not_finite;

    if (!key)
        return STATUS_NOT_FOUND;
    if (key->type != GGUF_ARRAY ||
        (key->element_type != GGUF_F32 && key->element_type != GGUF_F64))
        return refuse_type(file, key, "an array of floats", error);
    if (key->n_elements > 0) {
        const uint8_t *bytes = gguf_key_bytes(file, key) + ARRAY_HEAD;
        uint32_t step = gguf_scalar_bytes(key->element_type);
        values = checked_allocate((size_t)key->n_elements, sizeof *values);
        if (!values)
            return error_set(error, STATUS_NO_MEMORY, "no memory for %" PRIu64 " floats",
                             key->n_elements);
        for (uint64_t i = 0; i < key->n_elements; i++)
            if (!load_float(key->element_type, bytes + i * step, &values[i], &not_finite)) {
                free(values);
                return refuse(file, key, error, "has element %" PRIu64 " that is not finite",
                              i);
            }
    }
    *out = values;
    *n_elements = (size_t)key->n_elements;
    return STATUS_OK;
}
