/*
 * models.h - the model files on this machine
 *
 * Looks where people and other programs keep GGUF files, reads the first bytes of each and changes
 * nothing.  Places, in order: the built-in models, the folders in BANTER_MODELS, the current folder, banter's own data
 * folder, the caches of Hugging Face, llama.cpp, LM Studio and ollama.
 *
 * Thread: the main thread.
 */
#ifndef APP_MODELS_H
#define APP_MODELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct found_model {
    char *path;         /* owned; raw bytes: filter before showing */
    const char *origin; /* "Hugging Face", "ollama", ... */
    bool built_in;      /* it came with banter */
    char name[128];     /* what a person calls it; raw */
    char architecture[48];
    char quantisation[16]; /* "" when the file does not say */
    uint64_t n_bytes;      /* of this file; of a split model the first part alone */
    uint32_t n_parts;      /* 1, or the parts of a split model */
    char why_not[80];      /* "" or why banter cannot run it */
};

/* At most `limit` models; returns their number.  The caller frees with models_free(). */
size_t models_find(struct found_model **models, size_t limit);
void models_free(struct found_model **models, size_t n_models);

#endif
