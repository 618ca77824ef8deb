/*
 * gguf.c - opening GGUF files: mapping, split files put together, lookups
 *
 * The work on one file's bytes is in gguf_directory.c, values of keys in gguf_values.c.  Here a
 * file becomes a mapping, and the parts of a split file one model: keys are those of the first
 * part, tensors those of all.
 *
 * The size is taken before and after the directory was read; a file that shrinks later, while
 * its weights are in use, raises SIGBUS, which is the program's to handle.
 */
#include "engine/file/gguf.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/file/checked.h"
#include "engine/file/gguf_file.h"

/* ---- one part ---------------------------------------------------------------------------- */

static enum status refuse_errno(struct error *error, const char *action, int number)
{
    enum status status = STATUS_IO;

    if (number == ENOENT || number == ENOTDIR)
        status = STATUS_NOT_FOUND;
    else if (number == ENOMEM)
        status = STATUS_NO_MEMORY;
    return error_set(error, status, "%s: %s", action, strerror(number));
}

static enum status map_part(struct gguf_part *part, int descriptor, struct error *error)
{
    struct stat info;
    void *bytes;

    if (fstat(descriptor, &info) != 0)
        return refuse_errno(error, "cannot read the file's size", errno);
    if (!S_ISREG(info.st_mode))
        return error_set(error, STATUS_DAMAGED, "not a regular file");
    part->n_bytes = (uint64_t)info.st_size;
    if (info.st_size == 0)
        return gguf_part_read(part, error); /* nothing to map; it says what is wrong */
    if ((uint64_t)info.st_size > SIZE_MAX)
        return error_set(error, STATUS_UNSUPPORTED, "the file is larger than an address space");
    bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (bytes == MAP_FAILED)
        return refuse_errno(error, "cannot map the file", errno);
    part->bytes = bytes;
    part->mapped = true;
    gguf_stamp_fill(&part->stamp, &info);
    return STATUS_OK;
}

static enum status open_part(struct gguf_part *part, const char *path, struct error *error)
{
    struct stat info;
    enum status status;
    /* Not blocking: a pipe under the name of a model must not hang the program. */
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (descriptor < 0) {
        status = refuse_errno(error, "cannot open the file", errno);
        error_path(error, path);
        return status;
    }
    part->path = strdup(path);
    status = part->path ? map_part(part, descriptor, error)
                        : error_set(error, STATUS_NO_MEMORY, "no memory for a path");
    if (status == STATUS_OK)
        status = gguf_part_read(part, error);
    if (status == STATUS_OK &&
        (fstat(descriptor, &info) != 0 || (uint64_t)info.st_size != part->n_bytes))
        status =
            error_set(error, STATUS_DAMAGED, "the file changed its size while it was opened");
    if (status != STATUS_OK)
        error_path(error, path);
    close(descriptor);
    return status;
}

void gguf_part_release(struct gguf_part *part)
{
    free(part->keys);
    free(part->key_names);
    free(part->tensors);
    if (part->mapped)
        munmap((void *)part->bytes, (size_t)part->n_bytes);
    free(part->path);
    *part = (struct gguf_part){0};
}

/* ---- split files ------------------------------------------------------------------------- */

/* The tail of a split file's name: "-00001-of-00003.gguf". */
enum { SPLIT_TAIL = 20 };

struct split {
    uint32_t number; /* of the part, from 0 */
    uint32_t count;
    bool has_total;
    uint32_t total; /* tensors in all parts */
};

/* Read a split key; *present says whether it is there. */
static enum status split_value(const struct gguf_part *part, const char *name, bool *present,
                               uint32_t *out, struct error *error)
{
    struct gguf single = {.parts = (struct gguf_part *)part, .n_parts = 1};
    enum status status = gguf_get_u32(&single, name, out, error);

    *present = status == STATUS_OK;
    return status == STATUS_NOT_FOUND ? STATUS_OK : status;
}

/* What part says about its split; a file without split keys is part 0 of 1. */
static enum status read_split(const struct gguf_part *part, struct split *split,
                              struct error *error)
{
    bool has_number, has_count;
    enum status status;

    *split = (struct split){.count = 1};
    status = split_value(part, "split.count", &has_count, &split->count, error);
    if (status == STATUS_OK)
        status = split_value(part, "split.no", &has_number, &split->number, error);
    if (status == STATUS_OK)
        status =
            split_value(part, "split.tensors.count", &split->has_total, &split->total, error);
    if (status != STATUS_OK)
        return status;
    if (split->count > GGUF_PARTS_MAX)
        status = error_set(error, STATUS_UNSUPPORTED,
                           "key 'split.count': %" PRIu32 " parts, the limit is %d",
                           split->count, GGUF_PARTS_MAX);
    else if (split->count == 0)
        status = error_set(error, STATUS_DAMAGED, "key 'split.count' is 0");
    else if (split->number >= split->count)
        status = error_set(error, STATUS_DAMAGED,
                           "key 'split.no' is %" PRIu32 ", but 'split.count' is %" PRIu32,
                           split->number, split->count);
    else if (has_count && split->count > 1 && !has_number)
        status =
            error_set(error, STATUS_DAMAGED,
                      "key 'split.no' is missing, 'split.count' is %" PRIu32, split->count);
    if (status != STATUS_OK)
        error_path(error, part->path);
    return status;
}

/* Write the name of part number (from 0) over the tail of path. */
static void name_part(char *path, size_t length, uint32_t number, uint32_t count)
{
    snprintf(path + length - SPLIT_TAIL, SPLIT_TAIL + 1, "-%05" PRIu32 "-of-%05" PRIu32 ".gguf",
             (number + 1) % 100000, count % 100000);
}

static enum status open_other_part(struct gguf *file, const char *path, const struct split *own,
                                   uint32_t number, struct error *error)
{
    struct gguf_part *part = &file->parts[number];
    struct split split;
    enum status status = open_part(part, path, error);

    if (status == STATUS_NOT_FOUND) {
        error_set(error, status, "part %" PRIu32 " of %" PRIu32 " is missing", number + 1,
                  own->count);
        error_path(error, path);
        error_action(error, "all parts of a split file must lie in one folder");
        return status;
    }
    if (status == STATUS_OK)
        status = read_split(part, &split, error);
    if (status != STATUS_OK)
        return status;
    if (split.number != number || split.count != own->count)
        status = error_set(error, STATUS_DAMAGED,
                           "the keys call it part %" PRIu32 " of %" PRIu32
                           ", the name part %" PRIu32 " of %" PRIu32,
                           split.number + 1, split.count, number + 1, own->count);
    else if (own->has_total && split.has_total && split.total != own->total)
        status = error_set(error, STATUS_DAMAGED,
                           "key 'split.tensors.count' is %" PRIu32 ", in another part %" PRIu32,
                           split.total, own->total);
    if (status != STATUS_OK)
        error_path(error, path);
    return status;
}

/* The part given is file->parts[0]; open the others and bring them into order. */
static enum status open_other_parts(struct gguf *file, const struct split *own,
                                    struct error *error)
{
    struct gguf_part given = file->parts[0];
    struct gguf_part *parts = checked_allocate_zeroed(own->count, sizeof *parts);
    size_t length = strlen(given.path);
    char *path = strdup(given.path);
    enum status status = STATUS_OK;

    if (!path || !parts) {
        free(parts);
        free(path);
        return error_set(error, STATUS_NO_MEMORY, "no memory for %" PRIu32 " parts",
                         own->count);
    }
    free(file->parts);
    file->parts = parts;
    file->n_parts = own->count;
    parts[own->number] = given;
    if (length >= SPLIT_TAIL)
        name_part(path, length, own->number, own->count);
    if (length < SPLIT_TAIL || strcmp(path, given.path) != 0) {
        status =
            error_set(error, STATUS_DAMAGED,
                      "the keys call it part %" PRIu32 " of %" PRIu32
                      ", but its name does not end in -%05" PRIu32 "-of-%05" PRIu32 ".gguf",
                      own->number + 1, own->count, own->number + 1, own->count);
        error_path(error, given.path);
        error_action(error, "give the parts their names back");
    }
    for (uint32_t i = 0; i < own->count && status == STATUS_OK; i++) {
        if (i == own->number)
            continue;
        name_part(path, length, i, own->count);
        status = open_other_part(file, path, own, i, error);
    }
    free(path);
    return status;
}

/* ---- the file as a whole ----------------------------------------------------------------- */

static enum status join_tensors(struct gguf *file, struct error *error)
{
    uint64_t n_tensors = 0;
    const struct gguf_name *twice;
    size_t next = 0;

    for (uint32_t p = 0; p < file->n_parts; p++) {
        n_tensors += file->parts[p].n_tensors; /* at most PARTS_MAX * TENSORS_MAX */
        file->n_bytes += file->parts[p].n_bytes;
    }
    if (n_tensors > GGUF_TENSORS_MAX)
        return error_set(error, STATUS_UNSUPPORTED,
                         "tensor count %" PRIu64 " over all parts, the limit is %d", n_tensors,
                         GGUF_TENSORS_MAX);
    if (n_tensors == 0)
        return STATUS_OK;
    file->tensors = checked_allocate((size_t)n_tensors, sizeof *file->tensors);
    file->tensor_names = checked_allocate((size_t)n_tensors, sizeof *file->tensor_names);
    if (!file->tensors || !file->tensor_names)
        return error_set(error, STATUS_NO_MEMORY, "no memory for %" PRIu64 " tensors",
                         n_tensors);
    file->n_tensors = (size_t)n_tensors;
    for (uint32_t p = 0; p < file->n_parts; p++)
        for (uint64_t i = 0; i < file->parts[p].n_tensors; i++) {
            file->tensors[next] = file->parts[p].tensors[i];
            file->tensors[next].part = p;
            file->tensor_names[next] =
                (struct gguf_name){file->tensors[next].name, (uint32_t)next};
            next++;
        }
    twice = gguf_names_sort(file->tensor_names, n_tensors);
    if (twice)
        return error_set(error, STATUS_DAMAGED, "tensor '%.*s' is in two parts",
                         (int)twice->name.n_bytes, twice->name.bytes);
    return STATUS_OK;
}

static enum status finish_open(struct gguf *file, struct error *error)
{
    struct split split;
    enum status status = read_split(&file->parts[0], &split, error);

    if (status != STATUS_OK)
        return status;
    if (split.count > 1 && !file->parts[0].path)
        return error_set(
            error, STATUS_UNSUPPORTED,
            "key 'split.count': a part of a split file cannot be opened from memory");
    if (split.count > 1) {
        status = open_other_parts(file, &split, error);
        if (status != STATUS_OK)
            return status;
    }
    status = join_tensors(file, error);
    if (status == STATUS_OK && split.count > 1 && split.has_total &&
        split.total != file->n_tensors)
        status =
            error_set(error, STATUS_DAMAGED,
                      "key 'split.tensors.count' is %" PRIu32 ", the parts have %zu tensors",
                      split.total, file->n_tensors);
    if (status == STATUS_OK && file->parts[0].n_keys > 0) {
        file->strings =
            checked_allocate_zeroed((size_t)file->parts[0].n_keys, sizeof *file->strings);
        if (!file->strings)
            status = error_set(error, STATUS_NO_MEMORY, "no memory for the keys");
    }
    if (status != STATUS_OK)
        error_path(error, file->parts[0].path);
    return status;
}

/* A file with one part that is not read yet. */
static struct gguf *new_file(struct error *error)
{
    struct gguf *file = checked_allocate_zeroed(1, sizeof *file);

    if (file)
        file->parts = checked_allocate_zeroed(1, sizeof *file->parts);
    if (!file || !file->parts) {
        free(file);
        error_set(error, STATUS_NO_MEMORY, "no memory for a file");
        return NULL;
    }
    file->n_parts = 1;
    return file;
}

enum status gguf_open(struct gguf **out, const char *path, struct error *error)
{
    struct gguf *file = new_file(error);
    enum status status = STATUS_NO_MEMORY;

    *out = NULL;
    if (file) {
        status = open_part(&file->parts[0], path, error);
        if (status == STATUS_OK)
            status = finish_open(file, error);
    }
    if (status == STATUS_OK)
        *out = file;
    else
        gguf_close(&file);
    return status;
}

enum status gguf_open_memory(struct gguf **out, const void *bytes, size_t n_bytes,
                             struct error *error)
{
    struct gguf *file = new_file(error);
    enum status status = STATUS_NO_MEMORY;

    *out = NULL;
    if (file) {
        file->parts[0].bytes = bytes;
        file->parts[0].n_bytes = n_bytes;
        status = gguf_part_read(&file->parts[0], error);
        if (status == STATUS_OK)
            status = finish_open(file, error);
    }
    if (status == STATUS_OK)
        *out = file;
    else
        gguf_close(&file);
    return status;
}

void gguf_close(struct gguf **file)
{
    struct gguf *closed = *file;

    if (!closed)
        return;
    if (closed->strings)
        for (uint64_t i = 0; i < closed->parts[0].n_keys; i++)
            free(closed->strings[i]);
    free(closed->strings);
    free(closed->tensors);
    free(closed->tensor_names);
    for (uint32_t i = 0; i < closed->n_parts; i++)
        gguf_part_release(&closed->parts[i]);
    free(closed->parts);
    free(closed);
    *file = NULL;
}

/* ---- directory --------------------------------------------------------------------------- */

const char *gguf_path(const struct gguf *file)
{
    return file->parts[0].path ? file->parts[0].path : "";
}

uint32_t gguf_version(const struct gguf *file)
{
    return file->parts[0].version;
}

uint64_t gguf_file_bytes(const struct gguf *file)
{
    return file->n_bytes;
}

uint32_t gguf_part_count(const struct gguf *file)
{
    return file->n_parts;
}

size_t gguf_key_count(const struct gguf *file)
{
    return (size_t)file->parts[0].n_keys;
}

const struct gguf_key *gguf_key_at(const struct gguf *file, size_t index)
{
    return &file->parts[0].keys[index];
}

size_t gguf_tensor_count(const struct gguf *file)
{
    return file->n_tensors;
}

const struct gguf_tensor *gguf_tensor_at(const struct gguf *file, size_t index)
{
    return &file->tensors[index];
}

const uint8_t *gguf_key_bytes(const struct gguf *file, const struct gguf_key *key)
{
    return file->parts[0].bytes + key->file_offset;
}

const struct gguf_key *gguf_find_key(const struct gguf *file, const char *name)
{
    const struct gguf_part *part = &file->parts[0];
    int64_t index = gguf_names_find(part->key_names, part->n_keys, name, strlen(name));

    return index < 0 ? NULL : &part->keys[index];
}

const struct gguf_tensor *gguf_find_tensor(const struct gguf *file, const char *name)
{
    int64_t index = gguf_names_find(file->tensor_names, file->n_tensors, name, strlen(name));

    return index < 0 ? NULL : &file->tensors[index];
}

/* Pages are advised only in a mapping of ours: on lent memory, dropping would empty it. */
static void advise(const struct gguf *file, const struct gguf_tensor *tensor, int advice,
                   bool whole_pages_only)
{
    const struct gguf_part *part = &file->parts[tensor->part];
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    uint64_t first = tensor->file_offset / page * page;
    uint64_t end = tensor->file_offset + tensor->n_bytes;

    if (!part->mapped)
        return;
    if (whole_pages_only) { /* the first and last page may hold a neighbour's bytes */
        if (first < tensor->file_offset)
            first += page;
        end = end == part->n_bytes ? end : end / page * page;
    }
    if (first < end)
        (void)madvise((void *)(part->bytes + first), (size_t)(end - first), advice);
}

void gguf_tensor_drop_pages(const struct gguf *file, const struct gguf_tensor *tensor)
{
    advise(file, tensor, MADV_DONTNEED, true);
}

void gguf_tensor_read_ahead(const struct gguf *file, const struct gguf_tensor *tensor)
{
    advise(file, tensor, MADV_WILLNEED, false);
}
