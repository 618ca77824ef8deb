/*
 * gguf_peek.h - what the first bytes of a GGUF file say
 *
 * For lists of files: it reads at most 256 KiB and believes nothing.  Opening a model goes through
 * the engine's reader, which checks the whole file.
 */
#ifndef APP_GGUF_PEEK_H
#define APP_GGUF_PEEK_H

#include <stdbool.h>
#include <stdint.h>

struct gguf_peek {
    char architecture[48];
    char name[128];        /* "" when the file does not say; raw */
    char quantisation[16]; /* "" when the file does not say */
    char why_not[80];      /* "" or why banter cannot run it */
    uint64_t n_bytes;      /* of the file */
    uint64_t device, inode;
};

/* false: no readable GGUF file. */
bool gguf_peek(const char *path, struct gguf_peek *out);

#endif
