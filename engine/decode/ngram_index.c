/*
 * ngram_index.c - the search through chains of equal groups
 *
 * Only groups of the shortest length are indexed: every longer match ends with one.  Along the
 * chain, most recent first, the length of the match is counted backwards; the first of the
 * longest is what the scan finds.
 */
#include "engine/decode/ngram.h"

#include "engine/file/checked.h"

#include <stdlib.h>
#include <string.h>

enum status ngram_index_init(struct ngram_index *out, uint32_t min, uint32_t capacity,
                             struct error *error)
{
    *out = (struct ngram_index){.min = min, .capacity = capacity, .n_heads = 64};
    while (out->n_heads < capacity && out->n_heads < 1u << 30)
        out->n_heads *= 2;
    out->tokens = checked_allocate(capacity, sizeof *out->tokens);
    out->previous = checked_allocate((size_t)capacity + 1, sizeof *out->previous);
    out->heads = checked_allocate_zeroed(out->n_heads, sizeof *out->heads);
    if (out->tokens && out->previous && out->heads)
        return STATUS_OK;
    ngram_index_release(out);
    return error_set(error, STATUS_NO_MEMORY, "no memory for an index of the text");
}

void ngram_index_release(struct ngram_index *index)
{
    free(index->tokens);
    free(index->previous);
    free(index->heads);
    memset(index, 0, sizeof *index);
}

void ngram_index_clear(struct ngram_index *index)
{
    memset(index->heads, 0, index->n_heads * sizeof *index->heads);
    index->n_tokens = 0;
}

/* The chain of the group that ends behind the last token. */
static uint32_t *head_of(const struct ngram_index *index)
{
    const int32_t *group = index->tokens + index->n_tokens - index->min;
    uint64_t hash = 0;

    for (uint32_t i = 0; i < index->min; i++)
        hash = (hash ^ (uint32_t)group[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return &index->heads[(hash >> 32) & (index->n_heads - 1)];
}

void ngram_index_append(struct ngram_index *index, int32_t token)
{
    index->tokens[index->n_tokens++] = token;
    if (index->n_tokens >= index->min) {
        uint32_t *head = head_of(index);
        index->previous[index->n_tokens] = *head;
        *head = index->n_tokens;
    }
}

void ngram_index_set_min(struct ngram_index *index, uint32_t min)
{
    const uint32_t n_tokens = index->n_tokens;

    if (index->min == min)
        return;
    ngram_index_clear(index);
    index->min = min;
    for (uint32_t i = 0; i < n_tokens; i++)
        ngram_index_append(index, index->tokens[i]);
}

static void take_back(struct ngram_index *index)
{
    if (index->n_tokens >= index->min)
        *head_of(index) = index->previous[index->n_tokens];
    index->n_tokens--;
}

/* How many tokens before `end` equal those at the end of the text, at most `most`. */
static uint32_t match_length(const struct ngram_index *index, uint32_t end, uint32_t most)
{
    uint32_t n = 0;

    while (n < most && n < end &&
           index->tokens[end - 1 - n] == index->tokens[index->n_tokens - 1 - n])
        n++;
    return n;
}

static bool find(const struct ngram_index *index, uint32_t max, struct ngram_match *match)
{
    match->length = 0;
    if (index->n_tokens < index->min)
        return false;
    for (uint32_t end = index->previous[index->n_tokens]; end > 0; end = index->previous[end]) {
        const uint32_t n = match_length(index, end, max);
        if (n >= index->min && n > match->length) {
            match->length = n;
            match->start = end - n;
            if (n == max)
                break;
        }
    }
    return match->length > 0;
}

struct ngram_match ngram_index_find(struct ngram_index *index,
                                    const struct ngram_search *search, int32_t *candidates)
{
    const uint32_t n_text = index->n_tokens;
    struct ngram_match match = {0, 0, 0}, next = {0, 0, 0};

    while (match.n < search->gamma && find(index, search->max, &next)) {
        const uint32_t end = index->n_tokens;
        if (match.n == 0) {
            match.length = next.length;
            match.start = next.start;
        }
        for (uint32_t from = next.start + next.length; from < end && match.n < search->gamma;
             from++) {
            candidates[match.n++] = index->tokens[from];
            ngram_index_append(index, index->tokens[from]);
        }
        if (!search->recursive)
            break;
    }
    while (index->n_tokens > n_text)
        take_back(index);
    if (match.n < search->min_candidates)
        match.n = 0;
    return match;
}
