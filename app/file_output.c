/*
 * file_output.c - temporary file, sync, rename
 */
#include "app/file_output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/text_buffer.h"

static enum status io_error(const struct file_output *file, struct error *error)
{
    error_set(error, STATUS_IO, "%s", strerror(errno));
    error_where(error, "%s", file->path);
    return STATUS_IO;
}

enum status file_output_open(struct file_output *file, const char *path, struct error *error)
{
    struct text_buffer name = {0};
    struct stat status;
    mode_t mask;
    int fd;

    *file = (struct file_output){.path = path};
    output_init(&file->output, -1, path, true);
    if (strcmp(path, "-") == 0) {
        output_init(&file->output, STDOUT_FILENO, "standard output", true);
        return STATUS_OK;
    }
    if (stat(path, &status) == 0 && !S_ISREG(status.st_mode)) {
        fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    } else {
        text_printf(&name, "%s.XXXXXX", path);
        fd = mkostemp(name.bytes, O_CLOEXEC);
        file->temporary = name.bytes;
    }
    if (fd < 0) {
        free(file->temporary);
        file->temporary = NULL;
        return io_error(file, error);
    }
    file->output.fd = fd;
    if (file->temporary != NULL) {
        mask = umask(0);
        umask(mask);
        if (fchmod(fd, 0666 & ~mask) != 0) {
            io_error(file, error);
            file_output_discard(file);
            return STATUS_IO;
        }
    }
    return STATUS_OK;
}

enum status file_output_commit(struct file_output *file, struct error *error)
{
    enum status status = file->output.error.status;

    if (status != STATUS_OK)
        *error = file->output.error;
    else if (file->temporary != NULL && fsync(file->output.fd) != 0)
        status = io_error(file, error);
    if (file->output.fd > STDERR_FILENO) {
        int closed = close(file->output.fd);
        file->output.fd = -1;
        if (closed != 0 && status == STATUS_OK)
            status = io_error(file, error);
    }
    if (status == STATUS_OK && file->temporary != NULL &&
        rename(file->temporary, file->path) != 0)
        status = io_error(file, error);
    if (status == STATUS_OK) {
        free(file->temporary);
        file->temporary = NULL;
    }
    file_output_discard(file);
    return status;
}

void file_output_discard(struct file_output *file)
{
    if (file->output.fd > STDERR_FILENO)
        close(file->output.fd);
    file->output.fd = -1;
    if (file->temporary != NULL)
        unlink(file->temporary);
    free(file->temporary);
    file->temporary = NULL;
}
