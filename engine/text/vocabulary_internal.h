/*
 * vocabulary_internal.h - the inside of struct vocabulary, for the two files that fill and read it
 */
#ifndef ENGINE_TEXT_VOCABULARY_INTERNAL_H
#define ENGINE_TEXT_VOCABULARY_INTERNAL_H

#include "engine/text/merge_table.h"
#include "engine/text/vocabulary.h"

enum { VOCABULARY_MAX_STOPS = 8 };

struct vocabulary {
    enum pretokenizer pretokenizer;
    uint32_t n_tokens;
    size_t longest;
    char *bytes;      /* owns; all tokens one after another, each with a NUL behind it */
    uint32_t *offset; /* owns; [n_tokens + 1] into bytes */
    uint8_t *kind;    /* owns; [n_tokens], enum token_kind */
    int32_t *special; /* owns; control and user-defined tokens, ordered by their bytes */
    size_t n_special;
    int32_t byte_token[256];
    int32_t stops[VOCABULARY_MAX_STOPS];
    uint32_t n_stops;
    struct merge_table merges;
};

/* Order of byte strings: as memcmp, a prefix comes first. */
int vocabulary_compare(const char *a, size_t n_a, const char *b, size_t n_b);

#endif
