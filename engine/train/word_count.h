/*
 * word_count.h - different byte strings, each with a number and a count
 *
 * Numbers rise from 0 in the order of the first coming; so it serves as a table of names as well.
 *
 * Thread: one thread at a time.
 */
#ifndef ENGINE_TRAIN_WORD_COUNT_H
#define ENGINE_TRAIN_WORD_COUNT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct word {
    uint64_t count;
    size_t offset; /* into word_count.bytes */
    uint32_t n_bytes;
    uint32_t hash;
};

/* All zero is empty. */
struct word_count {
    struct word *words; /* owns; [n_words] */
    uint32_t n_words, words_capacity;
    char *bytes; /* owns; the words one after another */
    size_t n_bytes, bytes_capacity;
    uint32_t
        *slots; /* owns; number + 1, 0 is empty; a power of two of them, half full at most */
    uint32_t n_slots;
};

/* word [n_bytes] came `times` times more; *number (NULL allowed).  false: out of memory. */
bool word_count_add(struct word_count *table, const char *word, uint32_t n_bytes,
                    uint64_t times, uint32_t *number);
/* Borrows until the next add. */
const char *word_count_bytes(const struct word_count *table, uint32_t number);
void word_count_release(struct word_count *table);

#endif
