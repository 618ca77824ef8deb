/*
 * output.c - checked writing
 */
#include "app/output.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/report.h"
#include "app/text_buffer.h"

void output_init(struct output *output, int fd, const char *name, bool raw)
{
    *output = (struct output){.fd = fd, .name = name, .raw = raw};
    ui_filter_init(&output->filter);
}

static bool failed(struct output *output, int number)
{
    output->reader_gone = number == EPIPE;
    error_set(&output->error, STATUS_IO, "%s", strerror(number));
    error_where(&output->error, "%s", output->name);
    return false;
}

bool output_bytes(struct output *output, const void *bytes, size_t n_bytes)
{
    const char *at = bytes;

    if (output->error.status != STATUS_OK)
        return false;
    while (n_bytes > 0) {
        ssize_t n = write(output->fd, at, n_bytes);

        if (n > 0) {
            output->started = true;
            output->newline = at[n - 1] == '\n';
            at += n;
            n_bytes -= (size_t)n;
        } else if (n < 0 && errno == EAGAIN) {
            /* Somebody made the pipe non-blocking: wait until it takes more. */
            struct pollfd wait = {.fd = output->fd, .events = POLLOUT};
            poll(&wait, 1, -1);
        } else if (n < 0 && errno != EINTR) {
            return failed(output, errno);
        }
    }
    return true;
}

bool output_text(struct output *output, const char *bytes, size_t n_bytes)
{
    enum { PIECE = 1024 };

    if (output->raw)
        return output_bytes(output, bytes, n_bytes);
    while (n_bytes > 0) {
        size_t n_piece = n_bytes < PIECE ? n_bytes : PIECE;
        char *room = app_resize(NULL, ui_filter_room(n_piece), 1);
        size_t n = ui_filter_text(&output->filter, bytes, n_piece, room);
        bool good = output_bytes(output, room, n);

        free(room);
        if (!good)
            return false;
        bytes += n_piece;
        n_bytes -= n_piece;
    }
    return true;
}

bool output_end_text(struct output *output)
{
    char tail[8];

    if (output->raw)
        return output->error.status == STATUS_OK;
    output_bytes(output, tail, ui_filter_finish(&output->filter, tail));
    if (output->started && !output->newline)
        output_bytes(output, "\n", 1);
    return output->error.status == STATUS_OK;
}

bool output_printf(struct output *output, const char *format, ...)
{
    struct text_buffer text = {0};
    va_list arguments;

    va_start(arguments, format);
    text_vprintf(&text, format, arguments);
    va_end(arguments);
    bool good = output_bytes(output, text_string(&text), text.n_bytes);
    text_release(&text);
    return good;
}

int output_exit_code(const struct output *output)
{
    if (output->reader_gone) {
        signal(SIGPIPE, SIG_DFL);
        raise(SIGPIPE);
    }
    return output->error.status == STATUS_OK ? 0 : report_error(&output->error);
}
