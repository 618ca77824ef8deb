/*
 * gguf_writer.c - writing GGUF version 3 files, whole or not at all
 *
 * Keys are kept as the bytes they will be; tensors as their directory entries.  With the first
 * data (or at the end) header, keys and directory are written, then data follow as they come,
 * each tensor padded to the alignment.  Everything goes to a temporary file beside the final
 * one, which takes its name only after fsync; the folder is synced after that, so that the name
 * survives a loss of power too.
 *
 * The writer accepts only what the reader accepts: the limits of gguf.h hold here as well.
 */
#include "engine/file/gguf_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/file/checked.h"
#include "engine/file/gguf_part.h"

enum { BUFFER_BYTES = 1 << 16 };

struct buffer {
    uint8_t *bytes; /* owns */
    size_t n_bytes;
    size_t capacity;
};

struct announced {
    char name[GGUF_TENSOR_NAME_MAX + 1];
    enum tensor_type type;
    uint32_t n_dimensions;
    uint64_t ne[4];
    uint64_t n_bytes;
};

struct gguf_writer {
    char *path;      /* owns */
    char *temporary; /* owns */
    int descriptor;
    uint32_t alignment;
    struct buffer keys;
    struct buffer key_places; /* size_t[n_keys]: where each key starts in keys */
    size_t n_keys;
    struct buffer tensors; /* struct announced[n_tensors] */
    size_t n_tensors;
    bool head_written;
    size_t next_tensor; /* whose data come now */
    uint64_t written;   /* of its bytes */
    uint8_t *buffer;    /* owns; [BUFFER_BYTES] not yet given to the system */
    size_t n_buffered;
    enum status broken; /* the error of a write that failed; nothing is written after it */
};

static enum status refuse(const struct gguf_writer *writer, struct error *error,
                          enum status status, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

static enum status refuse(const struct gguf_writer *writer, struct error *error,
                          enum status status, const char *format, ...)
{
    char text[240];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_set(error, status, "%s", text);
    error_path(error, writer->path);
    return status;
}

static enum status no_memory(const struct gguf_writer *writer, struct error *error)
{
    return refuse(writer, error, STATUS_NO_MEMORY, "no memory to write the file");
}

/* false: out of memory, the buffer as it was. */
static bool append(struct buffer *buffer, const void *bytes, size_t n_bytes)
{
    if (n_bytes > buffer->capacity - buffer->n_bytes) {
        uint64_t wanted;
        uint8_t *grown;
        if (!checked_add(buffer->n_bytes, n_bytes, &wanted) || wanted > PTRDIFF_MAX / 2)
            return false;
        grown = realloc(buffer->bytes, (size_t)wanted * 2);
        if (!grown)
            return false;
        buffer->bytes = grown;
        buffer->capacity = (size_t)wanted * 2;
    }
    if (n_bytes > 0)
        memcpy(buffer->bytes + buffer->n_bytes, bytes, n_bytes);
    buffer->n_bytes += n_bytes;
    return true;
}

static bool append_little(struct buffer *buffer, uint64_t value, size_t n_bytes)
{
    uint8_t little[8];

    for (size_t i = 0; i < 8; i++)
        little[i] = (uint8_t)(value >> 8 * i);
    return append(buffer, little, n_bytes);
}

static bool append_string(struct buffer *buffer, const char *bytes, size_t n_bytes)
{
    return append_little(buffer, n_bytes, 8) && append(buffer, bytes, n_bytes);
}

/* ---- life cycle -------------------------------------------------------------------------- */

/* Create the temporary file beside the final one; its mode is what umask leaves of 0666. */
static enum status create_temporary(struct gguf_writer *writer, struct error *error)
{
    size_t n_bytes = strlen(writer->path) + 40;
    struct stat there;
    int number;

    /* A rename would put a file in the place of a device. */
    if (stat(writer->path, &there) == 0 && !S_ISREG(there.st_mode))
        return refuse(writer, error, STATUS_IO, "not a regular file");
    writer->temporary = malloc(n_bytes);
    if (!writer->temporary)
        return no_memory(writer, error);
    for (unsigned attempt = 0; attempt < 100; attempt++) {
        snprintf(writer->temporary, n_bytes, "%s.%ld.%u.tmp", writer->path, (long)getpid(),
                 attempt);
        /* O_EXCL also refuses a symbolic link that somebody has put there. */
        writer->descriptor =
            open(writer->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (writer->descriptor >= 0)
            return STATUS_OK;
        if (errno != EEXIST)
            break;
    }
    number = errno;
    free(writer->temporary);
    writer->temporary = NULL;
    return refuse(writer, error, STATUS_IO, "cannot create a temporary file beside it: %s",
                  strerror(number));
}

enum status gguf_writer_open(struct gguf_writer **out, const char *path, struct error *error)
{
    struct gguf_writer *writer = calloc(1, sizeof *writer);
    enum status status;

    *out = NULL;
    if (!writer)
        return error_set(error, STATUS_NO_MEMORY, "no memory to write a file");
    writer->descriptor = -1;
    writer->alignment = 32;
    writer->path = strdup(path);
    writer->buffer = malloc(BUFFER_BYTES);
    if (!writer->path || !writer->buffer)
        status = no_memory(writer, error);
    else
        status = create_temporary(writer, error);
    if (status != STATUS_OK)
        gguf_writer_discard(&writer);
    *out = writer;
    return status;
}

void gguf_writer_discard(struct gguf_writer **writer)
{
    struct gguf_writer *discarded = *writer;

    if (!discarded)
        return;
    if (discarded->descriptor >= 0)
        close(discarded->descriptor);
    if (discarded->temporary)
        unlink(discarded->temporary);
    free(discarded->temporary);
    free(discarded->path);
    free(discarded->keys.bytes);
    free(discarded->key_places.bytes);
    free(discarded->tensors.bytes);
    free(discarded->buffer);
    free(discarded);
    *writer = NULL;
}

/* ---- keys -------------------------------------------------------------------------------- */

static bool valid_name(const char *name, size_t n_bytes, size_t limit)
{
    if (n_bytes == 0 || n_bytes > limit)
        return false;
    for (size_t i = 0; i < n_bytes; i++)
        if ((unsigned char)name[i] < 0x20 || (unsigned char)name[i] >= 0x7f)
            return false;
    return true;
}

static bool key_exists(const struct gguf_writer *writer, const char *name, size_t n_bytes)
{
    for (size_t i = 0; i < writer->n_keys; i++) {
        size_t place;
        const uint8_t *key;
        memcpy(&place, writer->key_places.bytes + i * sizeof place, sizeof place);
        key = writer->keys.bytes + place;
        if (gguf_load_u64(key) == n_bytes && memcmp(key + 8, name, n_bytes) == 0)
            return true;
    }
    return false;
}

/* general.alignment also rules this file's layout: 0 for another key, -1 for a wrong value. */
static int64_t alignment_of(struct gguf_string name, enum gguf_value_type type,
                            const uint8_t *value)
{
    static const char key[] = "general.alignment";
    uint32_t alignment;

    if (name.n_bytes != sizeof key - 1 || memcmp(name.bytes, key, name.n_bytes) != 0)
        return 0;
    if (type != GGUF_U32)
        return -1;
    alignment = gguf_load_u32(value);
    if (alignment < GGUF_ALIGNMENT_MIN || alignment > GGUF_ALIGNMENT_MAX ||
        (alignment & (alignment - 1)) != 0)
        return -1;
    return alignment;
}

/* Add a key with its value as it will lie in the file: value, then more (may be empty). */
static enum status add_key(struct gguf_writer *writer, struct gguf_string name,
                           enum gguf_value_type type, const void *value, size_t n_value,
                           const void *more, size_t n_more, struct error *error)
{
    struct buffer *keys = &writer->keys;
    size_t start = keys->n_bytes;
    int64_t alignment = alignment_of(name, type, value);
    char quoted[80];

    gguf_quote(name, quoted, sizeof quoted);
    if (writer->head_written)
        return refuse(writer, error, STATUS_USAGE, "key '%s' comes after data", quoted);
    if (!valid_name(name.bytes, name.n_bytes, GGUF_KEY_NAME_MAX))
        return refuse(writer, error, STATUS_USAGE, "'%s' cannot be the name of a key", quoted);
    if (key_exists(writer, name.bytes, name.n_bytes))
        return refuse(writer, error, STATUS_USAGE, "key '%s' is there already", quoted);
    if (alignment < 0)
        return refuse(writer, error, STATUS_USAGE,
                      "key '%s' must be a U32, a power of two from %d to %d", quoted,
                      GGUF_ALIGNMENT_MIN, GGUF_ALIGNMENT_MAX);
    if (writer->n_keys == GGUF_KEYS_MAX)
        return refuse(writer, error, STATUS_USAGE, "more than %d keys", GGUF_KEYS_MAX);
    if (!append_string(keys, name.bytes, name.n_bytes) || !append_little(keys, type, 4) ||
        !append(keys, value, n_value) || !append(keys, more, n_more) ||
        !append(&writer->key_places, &start, sizeof start)) {
        keys->n_bytes = start;
        return no_memory(writer, error);
    }
    writer->n_keys++;
    if (alignment > 0)
        writer->alignment = (uint32_t)alignment;
    return STATUS_OK;
}

static enum status add_scalar(struct gguf_writer *writer, const char *name,
                              enum gguf_value_type type, uint32_t value, struct error *error)
{
    uint8_t little[4] = {(uint8_t)value, (uint8_t)(value >> 8), (uint8_t)(value >> 16),
                         (uint8_t)(value >> 24)};
    struct gguf_string key = {name, strlen(name)};

    return add_key(writer, key, type, little, gguf_scalar_bytes(type), NULL, 0, error);
}

enum status gguf_writer_u32(struct gguf_writer *writer, const char *name, uint32_t value,
                            struct error *error)
{
    return add_scalar(writer, name, GGUF_U32, value, error);
}

enum status gguf_writer_f32(struct gguf_writer *writer, const char *name, float value,
                            struct error *error)
{
    uint32_t bits;

    memcpy(&bits, &value, sizeof bits);
    return add_scalar(writer, name, GGUF_F32, bits, error);
}

enum status gguf_writer_bool(struct gguf_writer *writer, const char *name, bool value,
                             struct error *error)
{
    return add_scalar(writer, name, GGUF_BOOL, value, error);
}

enum status gguf_writer_string(struct gguf_writer *writer, const char *name, const char *bytes,
                               size_t n_bytes, struct error *error)
{
    struct buffer length = {0};
    struct gguf_string key = {name, strlen(name)};
    enum status status;

    if (n_bytes > GGUF_STRING_MAX)
        return refuse(writer, error, STATUS_USAGE, "key '%.60s': a string of %zu bytes", name,
                      n_bytes);
    if (!append_little(&length, n_bytes, 8))
        return no_memory(writer, error);
    status =
        add_key(writer, key, GGUF_STRING, length.bytes, length.n_bytes, bytes, n_bytes, error);
    free(length.bytes);
    return status;
}

/* Element type and length, then the elements as they lie in the file. */
static enum status add_array(struct gguf_writer *writer, const char *name,
                             enum gguf_value_type element_type, size_t n_elements,
                             const void *elements, size_t n_bytes, struct error *error)
{
    struct buffer head = {0};
    struct gguf_string key = {name, strlen(name)};
    enum status status;

    if (!append_little(&head, element_type, 4) || !append_little(&head, n_elements, 8))
        status = no_memory(writer, error);
    else
        status = add_key(writer, key, GGUF_ARRAY, head.bytes, head.n_bytes, elements, n_bytes,
                         error);
    free(head.bytes);
    return status;
}

enum status gguf_writer_array(struct gguf_writer *writer, const char *name,
                              enum gguf_value_type element_type, const void *values,
                              size_t n_elements, struct error *error)
{
    if (element_type >= GGUF_VALUE_TYPE_COUNT || gguf_scalar_bytes(element_type) == 0)
        return refuse(writer, error, STATUS_USAGE, "key '%.60s': not a type of numbers", name);
    if (n_elements > GGUF_ELEMENTS_MAX)
        return refuse(writer, error, STATUS_USAGE, "key '%.60s': %zu elements", name,
                      n_elements);
    return add_array(writer, name, element_type, n_elements, values,
                     n_elements * gguf_scalar_bytes(element_type), error);
}

enum status gguf_writer_strings(struct gguf_writer *writer, const char *name,
                                const struct gguf_string *strings, size_t n_elements,
                                struct error *error)
{
    struct buffer elements = {0};
    enum status status = STATUS_OK;

    if (n_elements > GGUF_ELEMENTS_MAX)
        return refuse(writer, error, STATUS_USAGE, "key '%.60s': %zu elements", name,
                      n_elements);
    for (size_t i = 0; i < n_elements && status == STATUS_OK; i++) {
        if (strings[i].n_bytes > GGUF_STRING_MAX)
            status = refuse(writer, error, STATUS_USAGE,
                            "key '%.60s': element %zu is a string of %zu bytes", name, i,
                            strings[i].n_bytes);
        else if (!append_string(&elements, strings[i].bytes, strings[i].n_bytes))
            status = no_memory(writer, error);
    }
    if (status == STATUS_OK)
        status = add_array(writer, name, GGUF_STRING, n_elements, elements.bytes,
                           elements.n_bytes, error);
    free(elements.bytes);
    return status;
}

enum status gguf_writer_copy_key(struct gguf_writer *writer, const struct gguf *file,
                                 const struct gguf_key *key, struct error *error)
{
    return add_key(writer, key->name, key->type, gguf_key_bytes(file, key),
                   (size_t)key->n_bytes, NULL, 0, error);
}

/* ---- tensors ----------------------------------------------------------------------------- */

static struct announced *tensor_at(const struct gguf_writer *writer, size_t index)
{
    return (struct announced *)(void *)writer->tensors.bytes + index;
}

/* The size of a tensor, by the rules of the reader; false: no such tensor can be. */
static bool measure(struct announced *tensor)
{
    const struct tensor_type_info *info = tensor_type_info((uint32_t)tensor->type);
    uint64_t n_elements = 1;

    if (!info->name || tensor->n_dimensions < 1 || tensor->n_dimensions > 4)
        return false;
    for (int i = 0; i < 4; i++)
        if (tensor->ne[i] == 0 || !checked_multiply(n_elements, tensor->ne[i], &n_elements))
            return false;
    return n_elements <= INT64_MAX && tensor->ne[0] % info->block_elements == 0 &&
           checked_multiply(n_elements / info->block_elements, info->block_bytes,
                            &tensor->n_bytes);
}

enum status gguf_writer_tensor(struct gguf_writer *writer, const char *name,
                               enum tensor_type type, uint32_t n_dimensions, const uint64_t *ne,
                               struct error *error)
{
    struct announced tensor = {.type = type, .n_dimensions = n_dimensions, .ne = {1, 1, 1, 1}};
    size_t n_bytes = strlen(name);

    if (writer->head_written)
        return refuse(writer, error, STATUS_USAGE, "tensor '%.64s' is announced after data",
                      name);
    if (!valid_name(name, n_bytes, GGUF_TENSOR_NAME_MAX))
        return refuse(writer, error, STATUS_USAGE, "'%.64s' cannot be the name of a tensor",
                      name);
    memcpy(tensor.name, name, n_bytes);
    for (uint32_t i = 0; i < n_dimensions && i < 4; i++)
        tensor.ne[i] = ne[i];
    if (!measure(&tensor))
        return refuse(writer, error, STATUS_USAGE,
                      "tensor '%s': type %u cannot have these dimensions", tensor.name,
                      (unsigned)type);
    for (size_t i = 0; i < writer->n_tensors; i++)
        if (strcmp(tensor_at(writer, i)->name, tensor.name) == 0)
            return refuse(writer, error, STATUS_USAGE, "tensor '%s' is there already",
                          tensor.name);
    if (writer->n_tensors == GGUF_TENSORS_MAX)
        return refuse(writer, error, STATUS_USAGE, "more than %d tensors", GGUF_TENSORS_MAX);
    if (!append(&writer->tensors, &tensor, sizeof tensor))
        return no_memory(writer, error);
    writer->n_tensors++;
    return STATUS_OK;
}

/* ---- output ------------------------------------------------------------------------------ */

static enum status break_with(struct gguf_writer *writer, const char *what, int number,
                              struct error *error)
{
    writer->broken = STATUS_IO;
    refuse(writer, error, STATUS_IO, "%s: %s", what, strerror(number));
    error_action(error, "the file that was there before is untouched");
    return STATUS_IO;
}

static enum status write_all(struct gguf_writer *writer, const uint8_t *bytes, size_t n_bytes,
                             struct error *error)
{
    while (n_bytes > 0) {
        ssize_t done = write(writer->descriptor, bytes, n_bytes);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return break_with(writer, "cannot write", done < 0 ? errno : ENOSPC, error);
        bytes += done;
        n_bytes -= (size_t)done;
    }
    return STATUS_OK;
}

static enum status flush(struct gguf_writer *writer, struct error *error)
{
    size_t n_bytes = writer->n_buffered;

    writer->n_buffered = 0;
    return write_all(writer, writer->buffer, n_bytes, error);
}

static enum status put(struct gguf_writer *writer, const void *bytes, size_t n_bytes,
                       struct error *error)
{
    if (n_bytes > BUFFER_BYTES - writer->n_buffered) {
        enum status status = flush(writer, error);
        if (status == STATUS_OK && n_bytes > BUFFER_BYTES)
            return write_all(writer, bytes, n_bytes, error);
        if (status != STATUS_OK)
            return status;
    }
    if (n_bytes > 0)
        memcpy(writer->buffer + writer->n_buffered, bytes, n_bytes);
    writer->n_buffered += n_bytes;
    return STATUS_OK;
}

/* Zero bytes from n_bytes up to the next multiple of the alignment. */
static enum status put_padding(struct gguf_writer *writer, uint64_t n_bytes,
                               struct error *error)
{
    enum status status = STATUS_OK;

    for (; n_bytes % writer->alignment != 0 && status == STATUS_OK; n_bytes++)
        status = put(writer, "", 1, error);
    return status;
}

static bool build_directory(const struct gguf_writer *writer, struct buffer *out)
{
    uint64_t offset = 0;
    bool fits = true;

    for (size_t i = 0; i < writer->n_tensors && fits; i++) {
        const struct announced *tensor = tensor_at(writer, i);
        fits = append_string(out, tensor->name, strlen(tensor->name)) &&
               append_little(out, tensor->n_dimensions, 4);
        for (uint32_t k = 0; k < tensor->n_dimensions && fits; k++)
            fits = append_little(out, tensor->ne[k], 8);
        fits = fits && append_little(out, tensor->type, 4) && append_little(out, offset, 8) &&
               checked_add(offset, tensor->n_bytes, &offset) &&
               checked_align(offset, writer->alignment, &offset);
    }
    return fits;
}

static enum status write_head(struct gguf_writer *writer, struct error *error)
{
    struct buffer header = {0}, directory = {0};
    enum status status;

    writer->head_written = true;
    if (!append(&header, "GGUF", 4) || !append_little(&header, 3, 4) ||
        !append_little(&header, writer->n_tensors, 8) ||
        !append_little(&header, writer->n_keys, 8) || !build_directory(writer, &directory))
        status = no_memory(writer, error);
    else
        status = put(writer, header.bytes, header.n_bytes, error);
    if (status == STATUS_OK)
        status = put(writer, writer->keys.bytes, writer->keys.n_bytes, error);
    if (status == STATUS_OK)
        status = put(writer, directory.bytes, directory.n_bytes, error);
    if (status == STATUS_OK)
        status = put_padding(writer, header.n_bytes + writer->keys.n_bytes + directory.n_bytes,
                             error);
    free(header.bytes);
    free(directory.bytes);
    if (status != STATUS_OK)
        writer->broken = status;
    return status;
}

enum status gguf_writer_data(struct gguf_writer *writer, const void *bytes, size_t n_bytes,
                             struct error *error)
{
    const struct announced *tensor;
    enum status status = STATUS_OK;

    if (writer->broken != STATUS_OK)
        return refuse(writer, error, writer->broken, "an earlier write failed");
    if (!writer->head_written)
        status = write_head(writer, error);
    if (status != STATUS_OK)
        return status;
    if (writer->next_tensor == writer->n_tensors)
        return refuse(writer, error, STATUS_USAGE, "data beyond the last tensor");
    tensor = tensor_at(writer, writer->next_tensor);
    if (n_bytes > tensor->n_bytes - writer->written)
        return refuse(writer, error, STATUS_USAGE,
                      "tensor '%s' has %" PRIu64 " bytes, more are given", tensor->name,
                      tensor->n_bytes);
    status = put(writer, bytes, n_bytes, error);
    if (status != STATUS_OK)
        return status;
    writer->written += n_bytes;
    if (writer->written < tensor->n_bytes)
        return STATUS_OK;
    writer->next_tensor++;
    writer->written = 0;
    return put_padding(writer, tensor->n_bytes, error);
}

/* Sync the folder of path, so that the new name is on the disk too. */
static enum status sync_folder(struct gguf_writer *writer, struct error *error)
{
    const char *slash = strrchr(writer->path, '/');
    char *folder = !slash ? strdup(".")
                   : slash == writer->path
                       ? strdup("/")
                       : strndup(writer->path, (size_t)(slash - writer->path));
    int descriptor = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    enum status status = STATUS_OK;

    /* Some file systems cannot sync a folder (EINVAL); the file itself is safe. */
    if (descriptor < 0 || (fsync(descriptor) != 0 && errno != EINVAL)) {
        status = refuse(writer, error, STATUS_IO,
                        "the file is written, but its folder is not: %s", strerror(errno));
    }
    if (descriptor >= 0)
        close(descriptor);
    free(folder);
    return status;
}

static enum status finish(struct gguf_writer *writer, struct error *error)
{
    enum status status = STATUS_OK;

    if (writer->broken != STATUS_OK)
        return refuse(writer, error, writer->broken, "an earlier write failed");
    if (!writer->head_written)
        status = write_head(writer, error);
    if (status != STATUS_OK)
        return status;
    if (writer->next_tensor < writer->n_tensors)
        return refuse(writer, error, STATUS_USAGE, "the data of tensor '%s' are missing",
                      tensor_at(writer, writer->next_tensor)->name);
    status = flush(writer, error);
    if (status != STATUS_OK)
        return status;
    if (fsync(writer->descriptor) != 0)
        return break_with(writer, "cannot bring the file to the disk", errno, error);
    if (close(writer->descriptor) != 0) {
        writer->descriptor = -1;
        return break_with(writer, "cannot close the file", errno, error);
    }
    writer->descriptor = -1;
    if (rename(writer->temporary, writer->path) != 0)
        return break_with(writer, "cannot give the file its name", errno, error);
    free(writer->temporary);
    writer->temporary = NULL;
    return sync_folder(writer, error);
}

enum status gguf_writer_finish(struct gguf_writer **writer, struct error *error)
{
    enum status status = finish(*writer, error);

    gguf_writer_discard(writer);
    return status;
}
