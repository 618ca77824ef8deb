/*
 * gguf_directory.c - header, keys and tensor directory of one GGUF file: the attack surface
 *
 * Rules of this file.  A number that the file gives is compared with what is left by
 * subtraction and goes through checked.h before it takes part in a sum or product.  Nothing
 * recurses.  Memory is asked for only after the count behind it was found possible.  Names are
 * checked to be printable before they are stored, and quoted when they are refused.  Every
 * refusal names the key or tensor and the offset of the byte that is wrong.
 *
 * DAMAGED is what no correct writer produces; UNSUPPORTED what a correct one could, but is
 * beyond this reader (a later version, nested arrays, a limit of gguf.h).
 */
#include "engine/file/gguf_part.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"

enum {
    HEADER_BYTES = 24,
    KEY_BYTES_MIN = 8 + 1 + 4 + 1, /* length, one letter, type, value */
    TENSOR_BYTES_MIN =
        8 + 1 + 4 + 8 + 4 + 8, /* length, letter, dimensions, one ne, type, offset */
    DIMENSIONS_MAX = 4
};

/* Where the reading stands, and whose bytes they are (for messages). */
struct cursor {
    struct gguf_part *part;
    uint64_t at;
    const char *kind;        /* "key", "tensor"; NULL in the header */
    uint64_t index;          /* of the key or tensor */
    struct gguf_string name; /* bytes NULL: not read yet */
    struct error *error;
};

uint32_t gguf_load_u32(const uint8_t *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

uint64_t gguf_load_u64(const uint8_t *bytes)
{
    return gguf_load_u32(bytes) | (uint64_t)gguf_load_u32(bytes + 4) << 32;
}

static const struct {
    const char *name;
    uint32_t n_bytes;
} value_types[GGUF_VALUE_TYPE_COUNT] = {
    [GGUF_U8] = {"U8", 1},       [GGUF_I8] = {"I8", 1},     [GGUF_U16] = {"U16", 2},
    [GGUF_I16] = {"I16", 2},     [GGUF_U32] = {"U32", 4},   [GGUF_I32] = {"I32", 4},
    [GGUF_F32] = {"F32", 4},     [GGUF_BOOL] = {"BOOL", 1}, [GGUF_STRING] = {"STRING", 0},
    [GGUF_ARRAY] = {"ARRAY", 0}, [GGUF_U64] = {"U64", 8},   [GGUF_I64] = {"I64", 8},
    [GGUF_F64] = {"F64", 8},
};

uint32_t gguf_scalar_bytes(enum gguf_value_type type)
{
    return value_types[type].n_bytes;
}

const char *gguf_value_type_name(enum gguf_value_type type)
{
    return value_types[type].name;
}

const char *gguf_quote(struct gguf_string name, char *buffer, size_t n_bytes)
{
    size_t used = 0;

    for (size_t i = 0; i < name.n_bytes; i++) {
        unsigned char byte = (unsigned char)name.bytes[i];
        if (used + 8 > n_bytes) { /* room for \xNN, "..." and the terminator */
            memcpy(buffer + used, "...", 3);
            used += 3;
            break;
        }
        if (byte >= 0x20 && byte < 0x7f)
            buffer[used++] = (char)byte;
        else
            used += (size_t)snprintf(buffer + used, n_bytes - used, "\\x%02x", byte);
    }
    buffer[used] = '\0';
    return buffer;
}

static enum status refuse(const struct cursor *cursor, enum status status, uint64_t offset,
                          const char *format, ...) __attribute__((format(printf, 4, 5)));

static enum status refuse(const struct cursor *cursor, enum status status, uint64_t offset,
                          const char *format, ...)
{
    char text[200];
    char name[80];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (!cursor->kind)
        error_set(cursor->error, status, "%s", text);
    else if (cursor->name.bytes)
        error_set(cursor->error, status, "%s '%s': %s", cursor->kind,
                  gguf_quote(cursor->name, name, sizeof name), text);
    else
        error_set(cursor->error, status, "%s %" PRIu64 ": %s", cursor->kind, cursor->index,
                  text);
    error_where(cursor->error, "offset %" PRIu64, offset);
    return status;
}

static uint64_t bytes_left(const struct cursor *cursor)
{
    return cursor->part->n_bytes - cursor->at;
}

/* The next n_bytes; field names them for the message. */
static enum status take(struct cursor *cursor, uint64_t n_bytes, const char *field,
                        const uint8_t **out)
{
    uint64_t left = bytes_left(cursor);

    if (n_bytes > left) {
        refuse(cursor, STATUS_DAMAGED, cursor->at,
               "the file ends inside %s: %" PRIu64 " bytes are needed, %" PRIu64 " are left",
               field, n_bytes, left);
        error_action(cursor->error, "the file is probably incomplete: get it again");
        return STATUS_DAMAGED;
    }
    *out = cursor->part->bytes + cursor->at;
    cursor->at += n_bytes;
    return STATUS_OK;
}

static enum status take_u32(struct cursor *cursor, const char *field, uint32_t *out)
{
    const uint8_t *bytes;
    enum status status = take(cursor, 4, field, &bytes);

    if (status == STATUS_OK)
        *out = gguf_load_u32(bytes);
    return status;
}

static enum status take_u64(struct cursor *cursor, const char *field, uint64_t *out)
{
    const uint8_t *bytes;
    enum status status = take(cursor, 8, field, &bytes);

    if (status == STATUS_OK)
        *out = gguf_load_u64(bytes);
    return status;
}

/* A string of at most limit bytes; beyond: what the status over_limit says. */
static enum status take_string(struct cursor *cursor, const char *field, uint64_t limit,
                               enum status over_limit, struct gguf_string *out)
{
    const uint8_t *bytes;
    uint64_t start = cursor->at;
    uint64_t n_bytes;
    enum status status = take_u64(cursor, field, &n_bytes);

    if (status != STATUS_OK)
        return status;
    if (n_bytes > bytes_left(cursor))
        return refuse(cursor, STATUS_DAMAGED, start,
                      "%s has length %" PRIu64 ", but %" PRIu64 " bytes are left in the file",
                      field, n_bytes, bytes_left(cursor));
    if (n_bytes > limit)
        return refuse(cursor, over_limit, start,
                      "%s has length %" PRIu64 ", the limit is %" PRIu64, field, n_bytes,
                      limit);
    status = take(cursor, n_bytes, field, &bytes);
    if (status == STATUS_OK)
        *out = (struct gguf_string){(const char *)bytes, (size_t)n_bytes};
    return status;
}

/* The name of a key or tensor: not empty, printable ASCII (it will stand in messages). */
static enum status take_name(struct cursor *cursor, const char *field, uint64_t limit,
                             struct gguf_string *out)
{
    uint64_t start = cursor->at;
    enum status status = take_string(cursor, field, limit, STATUS_DAMAGED, out);

    if (status != STATUS_OK)
        return status;
    if (out->n_bytes == 0)
        return refuse(cursor, STATUS_DAMAGED, start, "%s is empty", field);
    cursor->name = *out;
    for (size_t i = 0; i < out->n_bytes; i++) {
        unsigned char byte = (unsigned char)out->bytes[i];
        if (byte < 0x20 || byte >= 0x7f)
            return refuse(cursor, STATUS_DAMAGED, start,
                          "%s has byte 0x%02x at %zu, only printable ASCII is allowed", field,
                          byte, i);
    }
    return STATUS_OK;
}

/* ---- header ------------------------------------------------------------------------------ */

/* What people really have under the name of a model when it is not one. */
static enum status refuse_magic(const struct cursor *cursor)
{
    const uint8_t *bytes = cursor->part->bytes;
    char magic[24];

    refuse(cursor, STATUS_DAMAGED, 0, "not a GGUF file: it starts with '%s', not with 'GGUF'",
           gguf_quote((struct gguf_string){(const char *)bytes, 4}, magic, sizeof magic));
    if (memcmp(bytes, "version https://", 16) == 0)
        error_action(cursor->error, "this is a Git LFS pointer: fetch the file itself");
    else if (bytes[0] == '<')
        error_action(cursor->error, "this looks like a web page: download the file itself");
    else if (memcmp(bytes, "ggml", 4) == 0 || memcmp(bytes, "lmgg", 4) == 0 ||
             memcmp(bytes, "tjgg", 4) == 0)
        error_action(cursor->error, "this is a format older than GGUF: get the model as GGUF");
    return STATUS_DAMAGED;
}

static enum status read_header(struct cursor *cursor)
{
    struct gguf_part *part = cursor->part;
    const uint8_t *bytes = part->bytes;

    if (part->n_bytes < HEADER_BYTES) {
        refuse(cursor, STATUS_DAMAGED, part->n_bytes,
               "not a GGUF file: it has %" PRIu64 " bytes, the header alone has %d",
               part->n_bytes, HEADER_BYTES);
        error_action(cursor->error, "the file is probably incomplete: get it again");
        return STATUS_DAMAGED;
    }
    if (memcmp(bytes, "GGUF", 4) != 0)
        return refuse_magic(cursor);
    part->version = gguf_load_u32(bytes + 4);
    if (part->version == 0)
        return refuse(cursor, STATUS_DAMAGED, 4, "GGUF version 0 does not exist");
    if ((part->version & 0xffff) == 0)
        return refuse(cursor, STATUS_UNSUPPORTED, 4,
                      "the file is big endian (version 0x%08" PRIx32
                      "), banter reads little endian",
                      part->version);
    if (part->version != 2 && part->version != 3)
        return refuse(cursor, STATUS_UNSUPPORTED, 4,
                      "GGUF version %" PRIu32 ", banter reads versions 2 and 3", part->version);
    part->n_tensors = gguf_load_u64(bytes + 8);
    part->n_keys = gguf_load_u64(bytes + 16);
    cursor->at = HEADER_BYTES;
    if (part->n_tensors > bytes_left(cursor) / TENSOR_BYTES_MIN)
        return refuse(cursor, STATUS_DAMAGED, 8,
                      "tensor count %" PRIu64 " is more than a file of %" PRIu64
                      " bytes can hold",
                      part->n_tensors, part->n_bytes);
    if (part->n_keys > bytes_left(cursor) / KEY_BYTES_MIN)
        return refuse(cursor, STATUS_DAMAGED, 16,
                      "key count %" PRIu64 " is more than a file of %" PRIu64 " bytes can hold",
                      part->n_keys, part->n_bytes);
    if (part->n_tensors > GGUF_TENSORS_MAX)
        return refuse(cursor, STATUS_UNSUPPORTED, 8,
                      "tensor count %" PRIu64 ", the limit is %d", part->n_tensors,
                      GGUF_TENSORS_MAX);
    if (part->n_keys > GGUF_KEYS_MAX)
        return refuse(cursor, STATUS_UNSUPPORTED, 16, "key count %" PRIu64 ", the limit is %d",
                      part->n_keys, GGUF_KEYS_MAX);
    return STATUS_OK;
}

/* ---- keys -------------------------------------------------------------------------------- */

static enum status take_value_type(struct cursor *cursor, const char *field,
                                   enum gguf_value_type *out)
{
    uint64_t start = cursor->at;
    uint32_t type;
    enum status status = take_u32(cursor, field, &type);

    if (status != STATUS_OK)
        return status;
    if (type >= GGUF_VALUE_TYPE_COUNT)
        return refuse(cursor, STATUS_DAMAGED, start, "%s %" PRIu32 " is unknown", field, type);
    *out = (enum gguf_value_type)type;
    return STATUS_OK;
}

/* n_elements bool bytes at data are 0 or 1. */
static enum status check_bools(const struct cursor *cursor, const uint8_t *data,
                               uint64_t n_elements)
{
    for (uint64_t i = 0; i < n_elements; i++)
        if (data[i] > 1)
            return refuse(cursor, STATUS_DAMAGED, (uint64_t)(data - cursor->part->bytes) + i,
                          "bool value %u is neither 0 nor 1", data[i]);
    return STATUS_OK;
}

/*
 * Walk over the elements of a string array.  A vocabulary has some 250,000, so this loop is
 * most of the time that opening a file takes: it reads lengths and nothing else.
 */
static enum status skim_strings(struct cursor *cursor, uint64_t n_elements)
{
    const uint8_t *bytes = cursor->part->bytes;
    uint64_t end = cursor->part->n_bytes;
    uint64_t at = cursor->at;

    for (uint64_t i = 0; i < n_elements; i++) {
        if (end - at < 8)
            return refuse(cursor, STATUS_DAMAGED, at,
                          "the file ends before element %" PRIu64 " of %" PRIu64, i,
                          n_elements);
        uint64_t n_bytes = gguf_load_u64(bytes + at);
        if (n_bytes > end - at - 8)
            return refuse(cursor, STATUS_DAMAGED, at,
                          "element %" PRIu64 " has length %" PRIu64 ", but %" PRIu64
                          " bytes are left in the file",
                          i, n_bytes, end - at - 8);
        if (n_bytes > GGUF_STRING_MAX)
            return refuse(cursor, STATUS_UNSUPPORTED, at,
                          "element %" PRIu64 " has length %" PRIu64 ", the limit is %d", i,
                          n_bytes, GGUF_STRING_MAX);
        at += 8 + n_bytes;
    }
    cursor->at = at;
    return STATUS_OK;
}

static enum status read_array(struct cursor *cursor, struct gguf_key *key)
{
    uint64_t start = cursor->at;
    uint64_t count_offset, n_bytes;
    uint64_t element_bytes_min;
    const uint8_t *data;
    enum status status = take_value_type(cursor, "array element type", &key->element_type);

    if (status != STATUS_OK)
        return status;
    if (key->element_type == GGUF_ARRAY)
        return refuse(cursor, STATUS_UNSUPPORTED, start, "arrays of arrays are not supported");
    count_offset = cursor->at;
    status = take_u64(cursor, "array length", &key->n_elements);
    if (status != STATUS_OK)
        return status;
    /* A string has at least its length field. */
    element_bytes_min =
        key->element_type == GGUF_STRING ? 8 : gguf_scalar_bytes(key->element_type);
    if (key->n_elements > bytes_left(cursor) / element_bytes_min)
        return refuse(
            cursor, STATUS_DAMAGED, count_offset,
            "array length %" PRIu64 " of %s, but %" PRIu64 " bytes are left in the file",
            key->n_elements, gguf_value_type_name(key->element_type), bytes_left(cursor));
    if (key->n_elements > GGUF_ELEMENTS_MAX)
        return refuse(cursor, STATUS_UNSUPPORTED, count_offset,
                      "array length %" PRIu64 ", the limit is %d", key->n_elements,
                      GGUF_ELEMENTS_MAX);
    if (key->element_type == GGUF_STRING)
        return skim_strings(cursor, key->n_elements);
    if (!checked_multiply(key->n_elements, element_bytes_min, &n_bytes))
        return refuse(cursor, STATUS_DAMAGED, count_offset, "array length overflows");
    status = take(cursor, n_bytes, "an array", &data);
    if (status == STATUS_OK && key->element_type == GGUF_BOOL)
        status = check_bools(cursor, data, key->n_elements);
    return status;
}

static enum status read_key(struct cursor *cursor, struct gguf_key *key)
{
    const uint8_t *data;
    struct gguf_string text;
    enum status status = take_name(cursor, "key name", GGUF_KEY_NAME_MAX, &key->name);

    if (status == STATUS_OK)
        status = take_value_type(cursor, "value type", &key->type);
    if (status != STATUS_OK)
        return status;
    key->element_type = key->type;
    key->n_elements = 1;
    key->file_offset = cursor->at;
    if (key->type == GGUF_ARRAY) {
        status = read_array(cursor, key);
    } else if (key->type == GGUF_STRING) {
        status =
            take_string(cursor, "string value", GGUF_STRING_MAX, STATUS_UNSUPPORTED, &text);
    } else {
        status = take(cursor, gguf_scalar_bytes(key->type), "a value", &data);
        if (status == STATUS_OK && key->type == GGUF_BOOL)
            status = check_bools(cursor, data, 1);
    }
    key->n_bytes = cursor->at - key->file_offset;
    return status;
}

static int compare_names(const void *left, const void *right)
{
    const struct gguf_name *a = left;
    const struct gguf_name *b = right;
    size_t n_bytes = a->name.n_bytes < b->name.n_bytes ? a->name.n_bytes : b->name.n_bytes;
    int order = memcmp(a->name.bytes, b->name.bytes, n_bytes);

    if (order != 0)
        return order;
    if (a->name.n_bytes != b->name.n_bytes)
        return a->name.n_bytes < b->name.n_bytes ? -1 : 1;
    return a->index < b->index ? -1 : a->index > b->index; /* the later one stands later */
}

const struct gguf_name *gguf_names_sort(struct gguf_name *names, uint64_t n_names)
{
    if (n_names < 2)
        return NULL;
    qsort(names, (size_t)n_names, sizeof *names, compare_names);
    for (uint64_t i = 1; i < n_names; i++)
        if (names[i].name.n_bytes == names[i - 1].name.n_bytes &&
            memcmp(names[i].name.bytes, names[i - 1].name.bytes, names[i].name.n_bytes) == 0)
            return &names[i];
    return NULL;
}

int64_t gguf_names_find(const struct gguf_name *names, uint64_t n_names, const char *name,
                        size_t n_bytes)
{
    uint64_t low = 0;
    uint64_t high = n_names;

    while (low < high) {
        uint64_t middle = low + (high - low) / 2;
        const struct gguf_string *other = &names[middle].name;
        size_t common = n_bytes < other->n_bytes ? n_bytes : other->n_bytes;
        int order = memcmp(name, other->bytes, common);
        if (order == 0 && n_bytes == other->n_bytes)
            return names[middle].index;
        if (order < 0 || (order == 0 && n_bytes < other->n_bytes))
            high = middle;
        else
            low = middle + 1;
    }
    return -1;
}

static enum status read_keys(struct cursor *cursor)
{
    struct gguf_part *part = cursor->part;
    const struct gguf_name *twice;

    if (part->n_keys == 0)
        return STATUS_OK;
    part->keys = checked_allocate_zeroed((size_t)part->n_keys, sizeof *part->keys);
    part->key_names = checked_allocate((size_t)part->n_keys, sizeof *part->key_names);
    if (!part->keys || !part->key_names)
        return error_set(cursor->error, STATUS_NO_MEMORY, "no memory for %" PRIu64 " keys",
                         part->n_keys);
    cursor->kind = "key";
    for (uint64_t i = 0; i < part->n_keys; i++) {
        cursor->index = i;
        cursor->name.bytes = NULL;
        enum status status = read_key(cursor, &part->keys[i]);
        if (status != STATUS_OK)
            return status;
        part->key_names[i] = (struct gguf_name){part->keys[i].name, (uint32_t)i};
    }
    twice = gguf_names_sort(part->key_names, part->n_keys);
    if (twice) {
        cursor->name = twice->name;
        return refuse(cursor, STATUS_DAMAGED, part->keys[twice->index].file_offset,
                      "the key is there twice");
    }
    return STATUS_OK;
}

static enum status read_alignment(struct cursor *cursor)
{
    static const char name[] = "general.alignment";
    struct gguf_part *part = cursor->part;
    int64_t index = gguf_names_find(part->key_names, part->n_keys, name, sizeof name - 1);
    const struct gguf_key *key;

    part->alignment = 32;
    if (index < 0)
        return STATUS_OK;
    key = &part->keys[index];
    cursor->name = key->name;
    if (key->type != GGUF_U32)
        return refuse(cursor, STATUS_DAMAGED, key->file_offset,
                      "the type is %s, it must be U32", gguf_value_type_name(key->type));
    part->alignment = gguf_load_u32(part->bytes + key->file_offset);
    if (part->alignment < GGUF_ALIGNMENT_MIN || part->alignment > GGUF_ALIGNMENT_MAX ||
        (part->alignment & (part->alignment - 1)) != 0)
        return refuse(cursor, STATUS_DAMAGED, key->file_offset,
                      "alignment %" PRIu32 " is not a power of two from %d to %d",
                      part->alignment, GGUF_ALIGNMENT_MIN, GGUF_ALIGNMENT_MAX);
    return STATUS_OK;
}

/* ---- tensors ----------------------------------------------------------------------------- */

/* Set n_bytes from type and ne. */
static enum status measure_tensor(struct cursor *cursor, uint64_t type_offset,
                                  struct gguf_tensor *tensor)
{
    const struct tensor_type_info *info = tensor_type_info((uint32_t)tensor->type);
    uint64_t n_elements = 1;
    uint64_t n_bytes = 0;
    bool fits = true;

    for (int i = 0; i < DIMENSIONS_MAX; i++)
        fits = fits && checked_multiply(n_elements, tensor->ne[i], &n_elements);
    if (!fits || n_elements > INT64_MAX)
        return refuse(cursor, STATUS_DAMAGED, type_offset,
                      "the dimensions [%" PRIu64 ", %" PRIu64 ", %" PRIu64 ", %" PRIu64
                      "] multiply to more than 2^63",
                      tensor->ne[0], tensor->ne[1], tensor->ne[2], tensor->ne[3]);
    if (tensor->ne[0] % info->block_elements != 0)
        return refuse(cursor, STATUS_DAMAGED, type_offset,
                      "a row has %" PRIu64 " elements, type %s needs a multiple of %" PRIu32,
                      tensor->ne[0], info->name, info->block_elements);
    if (!checked_multiply(n_elements / info->block_elements, info->block_bytes, &n_bytes))
        return refuse(cursor, STATUS_DAMAGED, type_offset, "the size in bytes overflows");
    tensor->n_bytes = n_bytes;
    return STATUS_OK;
}

/* One entry; file_offset is left relative to the data section, whose place is not known yet. */
static enum status read_tensor(struct cursor *cursor, struct gguf_tensor *tensor)
{
    uint64_t dimensions_offset, type_offset;
    uint32_t type;
    enum status status = take_name(cursor, "tensor name", GGUF_TENSOR_NAME_MAX, &tensor->name);

    if (status != STATUS_OK)
        return status;
    dimensions_offset = cursor->at;
    status = take_u32(cursor, "the number of dimensions", &tensor->n_dimensions);
    if (status != STATUS_OK)
        return status;
    if (tensor->n_dimensions < 1 || tensor->n_dimensions > DIMENSIONS_MAX)
        return refuse(cursor, STATUS_DAMAGED, dimensions_offset,
                      "%" PRIu32 " dimensions, 1 to %d are allowed", tensor->n_dimensions,
                      DIMENSIONS_MAX);
    for (uint32_t i = 0; i < DIMENSIONS_MAX; i++)
        tensor->ne[i] = 1;
    for (uint32_t i = 0; i < tensor->n_dimensions; i++) {
        uint64_t offset = cursor->at;
        status = take_u64(cursor, "a dimension", &tensor->ne[i]);
        if (status != STATUS_OK)
            return status;
        if (tensor->ne[i] == 0 || tensor->ne[i] > INT64_MAX)
            return refuse(cursor, STATUS_DAMAGED, offset, "dimension %" PRIu32 " is %" PRIu64,
                          i, tensor->ne[i]);
    }
    type_offset = cursor->at;
    status = take_u32(cursor, "the tensor type", &type);
    if (status != STATUS_OK)
        return status;
    if (!tensor_type_info(type)->name)
        return refuse(cursor, STATUS_UNSUPPORTED, type_offset,
                      "tensor type %" PRIu32 " is unknown", type);
    tensor->type = (enum tensor_type)type;
    status = measure_tensor(cursor, type_offset, tensor);
    if (status != STATUS_OK)
        return status;
    uint64_t offset_offset = cursor->at;
    status = take_u64(cursor, "the tensor offset", &tensor->file_offset);
    if (status != STATUS_OK)
        return status;
    if (tensor->file_offset % cursor->part->alignment != 0)
        return refuse(cursor, STATUS_DAMAGED, offset_offset,
                      "data offset %" PRIu64 " is not a multiple of the alignment %" PRIu32,
                      tensor->file_offset, cursor->part->alignment);
    return STATUS_OK;
}

/* Find the data section.  Its padding is zero by the format: anything else means that the
 * counts of the header are wrong, and the rest of the directory would be taken for weights. */
static enum status find_data(struct cursor *cursor)
{
    struct gguf_part *part = cursor->part;

    cursor->kind = NULL;
    if (!checked_align(cursor->at, part->alignment, &part->data_offset))
        return refuse(cursor, STATUS_DAMAGED, cursor->at,
                      "the data section's offset overflows");
    if (part->data_offset > part->n_bytes)
        part->data_offset = part->n_bytes; /* no data; tensors, if any, are refused for it */
    if (part->n_tensors == 0)
        return STATUS_OK;
    for (uint64_t at = cursor->at; at < part->data_offset; at++)
        if (part->bytes[at] != 0)
            return refuse(cursor, STATUS_DAMAGED, at,
                          "padding before the data section is not zero: the header's counts of "
                          "%" PRIu64 " tensors and %" PRIu64 " keys cannot be right",
                          part->n_tensors, part->n_keys);
    return STATUS_OK;
}

static uint64_t name_offset(const struct gguf_part *part, struct gguf_string name)
{
    return (uint64_t)((const uint8_t *)name.bytes - part->bytes);
}

/* Turn the relative offset into a place in the file, if the whole tensor lies there. */
static enum status place_tensor(struct cursor *cursor, uint64_t index)
{
    struct gguf_part *part = cursor->part;
    struct gguf_tensor *tensor = &part->tensors[index];
    uint64_t n_data_bytes = part->n_bytes - part->data_offset;

    cursor->kind = "tensor";
    cursor->index = index;
    cursor->name = tensor->name;
    if (tensor->file_offset > n_data_bytes ||
        tensor->n_bytes > n_data_bytes - tensor->file_offset) {
        refuse(cursor, STATUS_DAMAGED, name_offset(part, tensor->name),
               "its data of %" PRIu64 " bytes at %" PRIu64
               " of the data section do not fit: the section has %" PRIu64 " bytes",
               tensor->n_bytes, tensor->file_offset, n_data_bytes);
        error_action(cursor->error, "the file is probably incomplete: get it again");
        return STATUS_DAMAGED;
    }
    tensor->file_offset += part->data_offset;
    tensor->data = part->bytes + tensor->file_offset;
    return STATUS_OK;
}

static int compare_places(const void *left, const void *right)
{
    const struct gguf_tensor *a = *(const struct gguf_tensor *const *)left;
    const struct gguf_tensor *b = *(const struct gguf_tensor *const *)right;

    if (a->file_offset != b->file_offset)
        return a->file_offset < b->file_offset ? -1 : 1;
    return a < b ? -1 : a > b;
}

static enum status check_overlap(struct cursor *cursor)
{
    struct gguf_part *part = cursor->part;
    const struct gguf_tensor **sorted =
        checked_allocate((size_t)part->n_tensors, sizeof(struct gguf_tensor *));
    enum status status = STATUS_OK;

    if (!sorted)
        return error_set(cursor->error, STATUS_NO_MEMORY, "no memory for %" PRIu64 " tensors",
                         part->n_tensors);
    for (uint64_t i = 0; i < part->n_tensors; i++)
        sorted[i] = &part->tensors[i];
    qsort(sorted, (size_t)part->n_tensors, sizeof(struct gguf_tensor *), compare_places);
    for (uint64_t i = 1; i < part->n_tensors && status == STATUS_OK; i++) {
        const struct gguf_tensor *before = sorted[i - 1];
        char name[80];
        if (sorted[i]->file_offset - before->file_offset >= before->n_bytes)
            continue;
        cursor->name = sorted[i]->name;
        status = refuse(cursor, STATUS_DAMAGED, sorted[i]->file_offset,
                        "its data overlap those of tensor '%s' at %" PRIu64,
                        gguf_quote(before->name, name, sizeof name), before->file_offset);
    }
    free(sorted);
    return status;
}

static enum status check_tensor_names(struct cursor *cursor)
{
    struct gguf_part *part = cursor->part;
    struct gguf_name *names = checked_allocate((size_t)part->n_tensors, sizeof *names);
    const struct gguf_name *twice;
    enum status status = STATUS_OK;

    if (!names)
        return error_set(cursor->error, STATUS_NO_MEMORY, "no memory for %" PRIu64 " tensors",
                         part->n_tensors);
    for (uint64_t i = 0; i < part->n_tensors; i++)
        names[i] = (struct gguf_name){part->tensors[i].name, (uint32_t)i};
    twice = gguf_names_sort(names, part->n_tensors);
    if (twice) {
        cursor->name = twice->name;
        status = refuse(cursor, STATUS_DAMAGED, name_offset(part, twice->name),
                        "the tensor is there twice");
    }
    free(names);
    return status;
}

static enum status read_tensors(struct cursor *cursor)
{
    struct gguf_part *part = cursor->part;
    enum status status;

    if (part->n_tensors > 0) {
        part->tensors = checked_allocate_zeroed((size_t)part->n_tensors, sizeof *part->tensors);
        if (!part->tensors)
            return error_set(cursor->error, STATUS_NO_MEMORY,
                             "no memory for %" PRIu64 " tensors", part->n_tensors);
    }
    cursor->kind = "tensor";
    for (uint64_t i = 0; i < part->n_tensors; i++) {
        cursor->index = i;
        cursor->name.bytes = NULL;
        status = read_tensor(cursor, &part->tensors[i]);
        if (status != STATUS_OK)
            return status;
    }
    if (part->n_tensors > 0) {
        status = check_tensor_names(cursor);
        if (status != STATUS_OK)
            return status;
    }
    status = find_data(cursor);
    for (uint64_t i = 0; i < part->n_tensors && status == STATUS_OK; i++)
        status = place_tensor(cursor, i);
    if (status == STATUS_OK && part->n_tensors > 1)
        status = check_overlap(cursor);
    return status;
}

enum status gguf_part_read(struct gguf_part *part, struct error *error)
{
    struct cursor cursor = {.part = part, .error = error};
    enum status status = read_header(&cursor);

    if (status == STATUS_OK)
        status = read_keys(&cursor);
    if (status == STATUS_OK)
        status = read_alignment(&cursor);
    if (status == STATUS_OK)
        status = read_tensors(&cursor);
    return status;
}
