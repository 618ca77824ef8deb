/*
 * merger.h - from the bytes of one word to its tokens (byte pair encoding)
 *
 * Every byte starts as a token; the neighbours whose merge has the lowest rank become one, the
 * leftmost first among equals, until no neighbours merge.  n log n, no recursion, memory of 8 bytes
 * for each byte and 8 for each pending merge.
 *
 * Source: Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units",
 * 2016; over bytes as in GPT-2.
 *
 * Thread: one thread at a time.
 */
#ifndef ENGINE_TEXT_MERGER_H
#define ENGINE_TEXT_MERGER_H

#include "engine/text/merge_queue.h"
#include "engine/text/token_list.h"
#include "engine/text/vocabulary.h"

/* Working memory, kept from word to word; all zero is empty. */
struct merger {
    /* A token stands at its first byte: its id there, and its length there and at its last byte. */
    int32_t *ids;      /* owns; -1: inside of a token */
    uint32_t *lengths; /* owns */
    size_t capacity;   /* of both */
    struct merge_queue queue;
};

/* n_bytes <= UINT32_MAX.  false: out of memory. */
bool merger_word(struct merger *merger, const struct vocabulary *vocabulary, const char *word,
                 size_t n_bytes, struct token_list *list);
void merger_release(struct merger *merger);

#endif
