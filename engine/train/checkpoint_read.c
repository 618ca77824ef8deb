/*
 * checkpoint_read.c - the trainer's state from a file that nobody vouches for
 *
 * The network says how long each parameter's section must be; a length that comes from the file
 * (settings, curve) is bounded by the file's size before memory is asked for.
 */
#include "engine/train/checkpoint.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/file/checked.h"
#include "engine/train/checkpoint_format.h"

static enum status io_error(const char *path, struct error *error)
{
    error_set(error, STATUS_IO, "%s", strerror(errno));
    error_path(error, path);
    return STATUS_IO;
}

struct reader {
    const char *path;
    FILE *file;         /* owned */
    XXH3_state_t *hash; /* owned */
    uint64_t offset, n_bytes;
    uint64_t section; /* offset of the one that is being read */
    struct error *error;
};

static enum status damaged(struct reader *reader, uint64_t offset, const char *what)
{
    error_set(reader->error, STATUS_DAMAGED, "%s", what);
    error_where(reader->error, "offset %" PRIu64, offset);
    error_path(reader->error, reader->path);
    error_action(reader->error, "remove the checkpoint to begin again");
    return STATUS_DAMAGED;
}

static enum status other(struct reader *reader, const char *what)
{
    error_set(reader->error, STATUS_USAGE, "the checkpoint is of another model: %s", what);
    error_path(reader->error, reader->path);
    return STATUS_USAGE;
}

static enum status get(struct reader *reader, void *bytes, size_t n_bytes)
{
    if (n_bytes > reader->n_bytes - reader->offset)
        return damaged(reader, reader->n_bytes, "the checkpoint ends too early");
    if (n_bytes > 0 && fread(bytes, 1, n_bytes, reader->file) != n_bytes) {
        if (!ferror(reader->file))
            return damaged(reader, reader->offset, "the checkpoint ends too early");
        return io_error(reader->path, reader->error);
    }
    XXH3_64bits_update(reader->hash, bytes, n_bytes);
    reader->offset += n_bytes;
    return STATUS_OK;
}

static enum status get_head(struct reader *reader, uint32_t kind, uint64_t *n_bytes)
{
    struct section_head head;
    enum status status;

    reader->section = reader->offset;
    XXH3_64bits_reset(reader->hash);
    status = get(reader, &head, sizeof head);
    if (status != STATUS_OK)
        return status;
    if (head.kind != kind || head.zero != 0)
        return damaged(reader, reader->section, "another section was expected here");
    if (head.n_bytes > reader->n_bytes - reader->offset)
        return damaged(reader, reader->section, "a section is longer than the file");
    *n_bytes = head.n_bytes;
    return STATUS_OK;
}

static enum status check_hash(struct reader *reader)
{
    uint64_t expected = XXH3_64bits_digest(reader->hash), found;
    enum status status = get(reader, &found, sizeof found);

    if (status == STATUS_OK && found != expected)
        return damaged(reader, reader->section, "the section that begins here has changed");
    return status;
}

/* A section whose length comes from the file; *bytes is terminated and freed by the caller. */
static enum status get_section(struct reader *reader, uint32_t kind, char **bytes,
                               uint64_t *n_bytes)
{
    enum status status = get_head(reader, kind, n_bytes);

    *bytes = NULL;
    if (status != STATUS_OK)
        return status;
    *bytes = malloc((size_t)*n_bytes + 1);
    if (*bytes == NULL)
        return error_set(reader->error, STATUS_NO_MEMORY, "no memory to read the checkpoint");
    (*bytes)[*n_bytes] = '\0';
    status = get(reader, *bytes, (size_t)*n_bytes);
    if (status == STATUS_OK)
        status = check_hash(reader);
    if (status != STATUS_OK) {
        free(*bytes);
        *bytes = NULL;
    }
    return status;
}

/* The first line that differs, in words. */
static enum status compare_settings(struct reader *reader, const char *found,
                                    const char *expected)
{
    while (*found != '\0' || *expected != '\0') {
        int n_found = (int)strcspn(found, "\n"), n_expected = (int)strcspn(expected, "\n");

        if (n_found != n_expected || strncmp(found, expected, (size_t)n_found) != 0) {
            error_set(reader->error, STATUS_USAGE,
                      "the checkpoint was made with \"%.*s\", now it is \"%.*s\"",
                      n_found < 100 ? n_found : 100, found, n_expected < 100 ? n_expected : 100,
                      expected);
            error_path(reader->error, reader->path);
            return STATUS_USAGE;
        }
        found += n_found + (found[n_found] != '\0');
        expected += n_expected + (expected[n_expected] != '\0');
    }
    return STATUS_OK;
}

static enum status get_settings(struct reader *reader, const char *expected)
{
    char *text;
    uint64_t n_bytes;
    enum status status = get_section(reader, SECTION_SETTINGS, &text, &n_bytes);

    if (status != STATUS_OK)
        return status;
    if (strlen(text) != n_bytes)
        status = damaged(reader, reader->section, "the settings hold a zero byte");
    else
        status = compare_settings(reader, text, expected);
    free(text);
    return status;
}

static enum status get_place(struct reader *reader, struct place *place)
{
    char *bytes;
    uint64_t n_bytes;
    enum status status = get_section(reader, SECTION_PLACE, &bytes, &n_bytes);

    if (status != STATUS_OK)
        return status;
    if (n_bytes == sizeof *place)
        memcpy(place, bytes, sizeof *place);
    else
        status = damaged(reader, reader->section, "the section has a wrong length");
    free(bytes);
    return status;
}

static enum status get_curve(struct reader *reader, const struct place *place,
                             struct checkpoint *checkpoint)
{
    char *bytes;
    uint64_t n_bytes, expected;
    enum status status = get_section(reader, SECTION_CURVE, &bytes, &n_bytes);

    if (status != STATUS_OK)
        return status;
    if (!checked_multiply(place->n_points, sizeof(struct stored_point), &expected) ||
        n_bytes != expected || place->n_points != place->step) {
        free(bytes);
        return damaged(reader, reader->section, "the section has a wrong length");
    }
    checkpoint->n_points = (size_t)place->n_points;
    checkpoint->curve = malloc((checkpoint->n_points + 1) * sizeof *checkpoint->curve);
    if (checkpoint->curve == NULL)
        status = error_set(reader->error, STATUS_NO_MEMORY, "no memory for the loss curve");
    for (size_t i = 0; i < checkpoint->n_points && status == STATUS_OK; i++) {
        struct stored_point stored;

        memcpy(&stored, bytes + i * sizeof stored, sizeof stored);
        if (stored.step != i + 1)
            status = damaged(reader, reader->section, "the loss curve skips a step");
        checkpoint->curve[i] = (struct train_point){stored.step, stored.loss, stored.mtp_loss,
                                                    stored.held_out_loss};
    }
    free(bytes);
    return status;
}

static enum status get_parameter(struct reader *reader, struct parameter *parameter,
                                 float *first, float *second)
{
    struct parameter_head expected = checkpoint_parameter_head(parameter, second != NULL),
                          found;
    size_t n_bytes = tensor_elements(parameter->tensor) * sizeof(float);
    char what[200];
    uint64_t n_section;
    enum status status = get_head(reader, SECTION_PARAMETER, &n_section);

    if (status == STATUS_OK)
        status = get(reader, &found, sizeof found);
    if (status != STATUS_OK)
        return status;
    snprintf(what, sizeof what, "this is not the section of %s", parameter->name);
    if (n_section != sizeof found + n_bytes * (1 + expected.n_moments) ||
        memcmp(&found, &expected, sizeof found) != 0)
        return damaged(reader, reader->section, what);
    status = get(reader, parameter->tensor->data, n_bytes);
    if (status == STATUS_OK)
        status = get(reader, first, n_bytes);
    if (status == STATUS_OK && second != NULL)
        status = get(reader, second, n_bytes);
    if (status == STATUS_OK)
        status = check_hash(reader);
    return status;
}

static enum status get_magic(struct reader *reader)
{
    char found[sizeof checkpoint_magic];
    enum status status = get(reader, found, sizeof found);

    if (status == STATUS_OK && memcmp(found, checkpoint_magic, sizeof checkpoint_magic) != 0)
        return damaged(reader, 0, "this is no checkpoint of this version of banter");
    return status;
}

static enum status get_end(struct reader *reader)
{
    uint64_t n_bytes;
    enum status status = get_head(reader, SECTION_END, &n_bytes);

    if (status == STATUS_OK && n_bytes != 0)
        status = damaged(reader, reader->section, "the section has a wrong length");
    if (status == STATUS_OK)
        status = check_hash(reader);
    if (status == STATUS_OK && reader->offset != reader->n_bytes)
        status = damaged(reader, reader->offset, "something follows the end of the checkpoint");
    return status;
}

static enum status read_all(struct reader *reader, struct checkpoint *checkpoint,
                            struct parameter *parameters, size_t n_parameters,
                            struct optimizer *optimizer)
{
    struct place place = {0};
    enum status status = get_magic(reader);

    if (status == STATUS_OK)
        status = get_settings(reader, checkpoint->settings);
    if (status == STATUS_OK)
        status = get_place(reader, &place);
    if (status == STATUS_OK && place.n_parameters != n_parameters)
        status = other(reader, "it has another number of tensors");
    if (status == STATUS_OK)
        status = get_curve(reader, &place, checkpoint);
    for (size_t i = 0; i < n_parameters && status == STATUS_OK; i++) {
        float *first, *second;

        optimizer_moments(optimizer, i, &first, &second);
        status = get_parameter(reader, &parameters[i], first, second);
    }
    if (status == STATUS_OK)
        status = get_end(reader);
    if (status != STATUS_OK)
        return status;
    checkpoint->step = place.step;
    checkpoint->n_tokens = place.n_tokens;
    checkpoint->epoch = place.epoch;
    checkpoint->cursor = place.cursor;
    optimizer_set_steps(optimizer, place.optimizer_steps);
    return STATUS_OK;
}

static enum status open_file(struct reader *reader)
{
    struct stat status;

    reader->file = fopen(reader->path, "rbe");
    if (reader->file == NULL && errno == ENOENT) {
        error_set(reader->error, STATUS_NOT_FOUND, "there is no such checkpoint");
        error_path(reader->error, reader->path);
        return STATUS_NOT_FOUND;
    }
    if (reader->file == NULL || fstat(fileno(reader->file), &status) != 0)
        return io_error(reader->path, reader->error);
    if (!S_ISREG(status.st_mode))
        return damaged(reader, 0, "this is no regular file");
    reader->n_bytes = (uint64_t)status.st_size;
    return STATUS_OK;
}

enum status checkpoint_read(const char *path, struct checkpoint *checkpoint,
                            struct parameter *parameters, size_t n_parameters,
                            struct optimizer *optimizer, struct error *error)
{
    struct error ignored = {0};
    struct reader reader = {
        .path = path,
        .hash = XXH3_createState(),
        .error = error != NULL ? error : &ignored,
    };
    enum status status;

    checkpoint->curve = NULL;
    checkpoint->n_points = 0;
    if (reader.hash == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory to read the checkpoint");
    XXH3_64bits_reset(reader.hash);
    status = open_file(&reader);
    if (status == STATUS_OK)
        status = read_all(&reader, checkpoint, parameters, n_parameters, optimizer);
    if (reader.file != NULL)
        fclose(reader.file);
    XXH3_freeState(reader.hash);
    if (status != STATUS_OK) {
        free(checkpoint->curve);
        checkpoint->curve = NULL;
        checkpoint->n_points = 0;
    }
    return status;
}
