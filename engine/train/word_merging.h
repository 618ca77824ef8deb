/*
 * word_merging.h - byte pair encoding of counted words: which pairs become tokens, in which order
 *
 * The most frequent pair of neighbours is merged everywhere, leftmost first within a word, again
 * and again.  Equal counts: the pair of lowest ids.  Only the neighbours of merged places are
 * counted anew, so the time is that of the words, not of the words times the merges.
 *
 * Source: Sennrich, Haddow and Birch, "Neural machine translation of rare words with subword units",
 * 2016; over bytes as in GPT-2.
 *
 * Thread: one thread at a time.
 */
#ifndef ENGINE_TRAIN_WORD_MERGING_H
#define ENGINE_TRAIN_WORD_MERGING_H

#include "engine/error.h"
#include "engine/train/word_count.h"

enum { TOKEN_BYTES_MAX = 256 }; /* of a token that is made by merging */

struct word_merge {
    uint32_t left, right;
};

struct word_merging {
    struct word_count
        tokens; /* id -> bytes; first the 256 bytes in the order of the byte map */
    struct word_merge *merges; /* owns; two of them may make the same token */
    uint32_t n_merges, capacity;
};

/*
 * Until there are n_tokens, or no pair occurs twice.  Release *out in every case.
 * Errors: NO_MEMORY, USAGE (4 GiB of different words and more).
 */
enum status word_merging_run(struct word_merging *out, const struct word_count *words,
                             uint32_t n_tokens, struct error *error);
void word_merging_release(struct word_merging *merging);

#endif
