/*
 * file_output.h - a result file that is there whole or not at all
 *
 * A regular file is written under a temporary name beside its place, synced and renamed.  A device
 * or a pipe is written directly; "-" is standard output.
 *
 * Thread: the main thread.
 */
#ifndef APP_FILE_OUTPUT_H
#define APP_FILE_OUTPUT_H

#include "app/output.h"

struct file_output {
    struct output output;
    const char *path; /* borrowed */
    char *temporary;  /* owned; NULL: written directly */
};

/* Errors: IO. */
enum status file_output_open(struct file_output *file, const char *path, struct error *error);
/* Put it in its place; on any failure, now or while writing, nothing is left.  Errors: IO. */
enum status file_output_commit(struct file_output *file, struct error *error);
/* Leave no trace; after commit it does nothing. */
void file_output_discard(struct file_output *file);

#endif
