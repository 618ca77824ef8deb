/*
 * checkpoint_write.c - the trainer's state into a file that is there whole or not at all
 */
#include "engine/train/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/train/checkpoint_format.h"

enum { BUFFER_BYTES = 1 << 18 };

const char checkpoint_magic[16] = {'b', 'a', 'n', 't', 'e', 'r', ' ', 't',
                                   'r', 'a', 'i', 'n', 0,   1,   0,   0}; /* version 1 */

struct parameter_head checkpoint_parameter_head(const struct parameter *parameter, bool second)
{
    struct parameter_head head = {
        .n_dimensions = parameter->tensor->n_dimensions,
        .n_moments = second ? 2 : 1,
    };

    memcpy(head.name, parameter->name, strnlen(parameter->name, sizeof head.name - 1));
    for (uint32_t i = 0; i < TENSOR_DIMENSIONS; i++)
        head.shape[i] = i < head.n_dimensions ? parameter->tensor->shape[i] : 1;
    return head;
}

static enum status io_error(const char *path, struct error *error)
{
    error_set(error, STATUS_IO, "%s", strerror(errno));
    error_path(error, path);
    return STATUS_IO;
}

struct writer {
    int fd;
    uint8_t *buffer; /* owned */
    size_t n_buffered;
    XXH3_state_t *hash; /* owned */
    int failure;        /* errno of the first write that failed */
};

static void flush(struct writer *writer)
{
    size_t done = 0;

    while (done < writer->n_buffered && writer->failure == 0) {
        ssize_t n = write(writer->fd, writer->buffer + done, writer->n_buffered - done);

        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno != EINTR)
            writer->failure = errno;
    }
    writer->n_buffered = 0;
}

static void put(struct writer *writer, const void *bytes, size_t n_bytes)
{
    const uint8_t *from = bytes;

    XXH3_64bits_update(writer->hash, bytes, n_bytes);
    while (n_bytes > 0 && writer->failure == 0) {
        size_t room = BUFFER_BYTES - writer->n_buffered;
        size_t n = n_bytes < room ? n_bytes : room;

        memcpy(writer->buffer + writer->n_buffered, from, n);
        writer->n_buffered += n;
        from += n;
        n_bytes -= n;
        if (writer->n_buffered == BUFFER_BYTES)
            flush(writer);
    }
}

static void begin_section(struct writer *writer, uint32_t kind, uint64_t n_bytes)
{
    struct section_head head = {kind, 0, n_bytes};

    XXH3_64bits_reset(writer->hash);
    put(writer, &head, sizeof head);
}

static void end_section(struct writer *writer)
{
    uint64_t hash = XXH3_64bits_digest(writer->hash);

    put(writer, &hash, sizeof hash);
}

static void put_section(struct writer *writer, uint32_t kind, const void *bytes, size_t n_bytes)
{
    begin_section(writer, kind, n_bytes);
    if (n_bytes > 0)
        put(writer, bytes, n_bytes);
    end_section(writer);
}

static void put_parameter(struct writer *writer, const struct parameter *parameter,
                          const float *first, const float *second)
{
    struct parameter_head head = checkpoint_parameter_head(parameter, second != NULL);
    size_t n_bytes = tensor_elements(parameter->tensor) * sizeof(float);

    begin_section(writer, SECTION_PARAMETER, sizeof head + n_bytes * (1 + head.n_moments));
    put(writer, &head, sizeof head);
    put(writer, parameter->tensor->data, n_bytes);
    put(writer, first, n_bytes);
    if (second != NULL)
        put(writer, second, n_bytes);
    end_section(writer);
}

static void put_curve(struct writer *writer, const struct checkpoint *checkpoint)
{
    begin_section(writer, SECTION_CURVE, checkpoint->n_points * sizeof(struct stored_point));
    for (size_t i = 0; i < checkpoint->n_points; i++) {
        const struct train_point *point = &checkpoint->curve[i];
        struct stored_point stored = {point->step, point->loss, point->mtp_loss,
                                      point->held_out_loss, 0};
        put(writer, &stored, sizeof stored);
    }
    end_section(writer);
}

static void put_all(struct writer *writer, const struct checkpoint *checkpoint,
                    const struct parameter *parameters, size_t n_parameters,
                    struct optimizer *optimizer)
{
    const struct place place = {
        .step = checkpoint->step,
        .n_tokens = checkpoint->n_tokens,
        .epoch = checkpoint->epoch,
        .cursor = checkpoint->cursor,
        .optimizer_steps = optimizer_steps(optimizer),
        .n_points = checkpoint->n_points,
        .n_parameters = n_parameters,
    };

    XXH3_64bits_reset(writer->hash);
    put(writer, checkpoint_magic, sizeof checkpoint_magic);
    put_section(writer, SECTION_SETTINGS, checkpoint->settings, strlen(checkpoint->settings));
    put_section(writer, SECTION_PLACE, &place, sizeof place);
    put_curve(writer, checkpoint);
    for (size_t i = 0; i < n_parameters; i++) {
        float *first, *second;

        optimizer_moments(optimizer, i, &first, &second);
        put_parameter(writer, &parameters[i], first, second);
    }
    put_section(writer, SECTION_END, NULL, 0);
    flush(writer);
}

/* The name must survive a loss of power too; a folder that cannot be synced is let be. */
static void sync_folder(const char *path)
{
    const char *slash = strrchr(path, '/');
    char folder[4096] = ".";
    int fd;

    if (slash != NULL)
        snprintf(folder, sizeof folder, "%.*s", slash == path ? 1 : (int)(slash - path), path);
    fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    fsync(fd);
    close(fd);
}

/* The temporary file is always the same one, so that kills do not leave many. */
static enum status write_file(struct writer *writer, const char *path, const char *temporary,
                              const struct checkpoint *checkpoint,
                              const struct parameter *parameters, size_t n_parameters,
                              struct optimizer *optimizer, struct error *error)
{
    writer->fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    if (writer->fd < 0)
        return io_error(temporary, error);
    put_all(writer, checkpoint, parameters, n_parameters, optimizer);
    if (writer->failure == 0 && fsync(writer->fd) != 0)
        writer->failure = errno;
    if (close(writer->fd) != 0 && writer->failure == 0)
        writer->failure = errno;
    if (writer->failure == 0 && rename(temporary, path) != 0)
        writer->failure = errno;
    if (writer->failure != 0) {
        unlink(temporary);
        errno = writer->failure;
        return io_error(path, error);
    }
    sync_folder(path);
    return STATUS_OK;
}

enum status checkpoint_write(const char *path, const struct checkpoint *checkpoint,
                             const struct parameter *parameters, size_t n_parameters,
                             struct optimizer *optimizer, struct error *error)
{
    struct writer writer = {.buffer = malloc(BUFFER_BYTES), .hash = XXH3_createState()};
    size_t n_name = strlen(path) + sizeof ".new";
    char *temporary = malloc(n_name);
    enum status status;

    if (writer.buffer == NULL || writer.hash == NULL || temporary == NULL) {
        status = error_set(error, STATUS_NO_MEMORY, "no memory to write a checkpoint");
    } else {
        snprintf(temporary, n_name, "%s.new", path);
        status = write_file(&writer, path, temporary, checkpoint, parameters, n_parameters,
                            optimizer, error);
    }
    free(temporary);
    free(writer.buffer);
    XXH3_freeState(writer.hash);
    return status;
}
