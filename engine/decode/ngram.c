/*
 * ngram.c - the search by looking everywhere
 */
#include "engine/decode/ngram.h"

#include <string.h>

/* false: no suffix occurs earlier */
static bool find(const int32_t *tokens, uint32_t n_tokens, const struct ngram_search *search,
                 struct ngram_match *match)
{
    for (uint32_t n = search->max < n_tokens ? search->max : n_tokens; n >= search->min; n--) {
        const int32_t *suffix = tokens + n_tokens - n;
        for (uint32_t start = n_tokens - n; start-- > 0;) {
            if (memcmp(tokens + start, suffix, n * sizeof *tokens) == 0) {
                match->length = n;
                match->start = start;
                return true;
            }
        }
    }
    return false;
}

struct ngram_match ngram_scan(int32_t *tokens, uint32_t n_tokens,
                              const struct ngram_search *search, int32_t *candidates)
{
    struct ngram_match match = {0, 0, 0}, next;

    while (match.n < search->gamma && find(tokens, n_tokens, search, &next)) {
        uint32_t from = next.start + next.length;
        const uint32_t end = n_tokens;
        if (match.n == 0) {
            match.length = next.length;
            match.start = next.start;
        }
        for (; from < end && match.n < search->gamma; from++) {
            tokens[n_tokens++] = tokens[from];
            candidates[match.n++] = tokens[from];
        }
        if (!search->recursive)
            break;
    }
    if (match.n < search->min_candidates)
        match.n = 0;
    return match;
}
