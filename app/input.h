/*
 * input.h - what commands read: standard input, files, lists of tokens
 *
 * Thread: the main thread.
 */
#ifndef APP_INPUT_H
#define APP_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/text_buffer.h"
#include "engine/error.h"

/* All of a file ("-": standard input), at most 64 MiB.  Errors: NOT_FOUND, IO, USAGE (too long). */
enum status input_read(const char *path, struct text_buffer *text, struct error *error);

struct token_list {
    int32_t *ids; /* owned */
    size_t n_ids;
};

/* "1,2,3" with commas or white space; added to the list.  Error: USAGE. */
enum status token_list_parse(struct token_list *list, const char *text, size_t n_bytes,
                             struct error *error);
/* An argument: a list, "@FILE" with one in it, or "-" for one on standard input. */
enum status token_list_argument(struct token_list *list, const char *argument,
                                struct error *error);
void token_list_release(struct token_list *list);

#endif
