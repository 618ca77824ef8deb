/*
 * output.h - standard output, or a file, written at once and checked
 *
 * Nothing is held back: each call ends with the bytes written.  The first failure is kept and
 * later calls do nothing, so that the caller asks once, at the end.
 *
 * Thread: the owner's.
 */
#ifndef APP_OUTPUT_H
#define APP_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/error.h"
#include "ui/ui.h"

struct output {
    int fd;
    const char *name; /* for messages; borrowed */
    bool raw;         /* text is written as it is */
    bool started;     /* something was written */
    bool newline;     /* the last byte was a newline */
    bool reader_gone; /* EPIPE */
    struct ui_filter filter;
    struct error error; /* .status is STATUS_OK while all went well */
};

void output_init(struct output *output, int fd, const char *name, bool raw);
/* Exactly these bytes; false: it failed, now or before. */
bool output_bytes(struct output *output, const void *bytes, size_t n_bytes);
/* Text from a model or a file: filtered unless raw. */
bool output_text(struct output *output, const char *bytes, size_t n_bytes);
/* The end of such text: what the filter held and, unless raw, a newline if one is missing. */
bool output_end_text(struct output *output);
bool output_printf(struct output *output, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/*
 * The exit code: 0, or 74 with a message on standard error.  When the reader has gone the program
 * ends here by SIGPIPE, without a word, as its parent expects.
 */
int output_exit_code(const struct output *output);

#endif
