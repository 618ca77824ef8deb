/*
 * vocabulary.c - asking a vocabulary
 */
#include "engine/text/vocabulary_internal.h"

#include <stdlib.h>
#include <string.h>

void vocabulary_free(struct vocabulary **vocabulary)
{
    struct vocabulary *old = *vocabulary;

    if (!old)
        return;
    merge_table_release(&old->merges);
    free(old->special);
    free(old->kind);
    free(old->offset);
    free(old->bytes);
    free(old);
    *vocabulary = NULL;
}

uint32_t vocabulary_size(const struct vocabulary *vocabulary)
{
    return vocabulary->n_tokens;
}

enum pretokenizer vocabulary_pretokenizer(const struct vocabulary *vocabulary)
{
    return vocabulary->pretokenizer;
}

size_t vocabulary_longest(const struct vocabulary *vocabulary)
{
    return vocabulary->longest;
}

static bool is_token(const struct vocabulary *vocabulary, int32_t id)
{
    return id >= 0 && (uint32_t)id < vocabulary->n_tokens;
}

enum token_kind vocabulary_kind(const struct vocabulary *vocabulary, int32_t id)
{
    return is_token(vocabulary, id) ? (enum token_kind)vocabulary->kind[id] : TOKEN_UNUSED;
}

const char *vocabulary_bytes(const struct vocabulary *vocabulary, int32_t id, size_t *n_bytes)
{
    const char *bytes = "";
    size_t n = 0;

    if (is_token(vocabulary, id)) {
        bytes = vocabulary->bytes + vocabulary->offset[id];
        n = vocabulary->offset[id + 1] - vocabulary->offset[id] - 1;
    }
    if (n_bytes)
        *n_bytes = n;
    return bytes;
}

const char *vocabulary_print(const struct vocabulary *vocabulary, int32_t id, bool special,
                             size_t *n_bytes)
{
    enum token_kind kind = vocabulary_kind(vocabulary, id);

    if (!special && (kind == TOKEN_CONTROL || kind == TOKEN_UNKNOWN || kind == TOKEN_UNUSED)) {
        *n_bytes = 0;
        return "";
    }
    return vocabulary_bytes(vocabulary, id, n_bytes);
}

int vocabulary_compare(const char *a, size_t n_a, const char *b, size_t n_b)
{
    int order = memcmp(a, b, n_a < n_b ? n_a : n_b);

    return order ? order : (n_a > n_b) - (n_a < n_b);
}

int32_t vocabulary_find_special(const struct vocabulary *vocabulary, const char *text,
                                size_t n_bytes)
{
    size_t low = 0, high = vocabulary->n_special;

    while (low < high) {
        size_t middle = low + (high - low) / 2, n;
        int32_t id = vocabulary->special[middle];
        const char *bytes = vocabulary_bytes(vocabulary, id, &n);
        int order = vocabulary_compare(bytes, n, text, n_bytes);
        if (order == 0)
            return id;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return -1;
}

/* The first of special[low .. high) whose byte at `at` is `byte` or more; all share at bytes. */
static size_t lower_bound(const struct vocabulary *vocabulary, size_t low, size_t high,
                          size_t at, unsigned byte)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2, n;
        const char *bytes = vocabulary_bytes(vocabulary, vocabulary->special[middle], &n);
        /* A token that ends here comes before every byte. */
        if (n <= at || (unsigned char)bytes[at] < byte)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/*
 * The tokens that agree with the text's first bytes are a range of the ordered list; each byte
 * narrows it.  So the cost of one place in a text does not grow with the number of tokens.
 */
int32_t vocabulary_match_special(const struct vocabulary *vocabulary, const char *text,
                                 size_t n_bytes, size_t *n_matched)
{
    size_t low = 0, high = vocabulary->n_special;
    int32_t found = -1;

    for (size_t at = 0; at < n_bytes && low < high; at++) {
        unsigned byte = (unsigned char)text[at];
        size_t n;
        low = lower_bound(vocabulary, low, high, at, byte);
        high = lower_bound(vocabulary, low, high, at, byte + 1);
        if (low == high)
            break;
        vocabulary_bytes(vocabulary, vocabulary->special[low], &n);
        if (n == at + 1) {
            found = vocabulary->special[low];
            *n_matched = n;
        }
    }
    return found;
}

int32_t vocabulary_byte_token(const struct vocabulary *vocabulary, uint8_t byte)
{
    return vocabulary->byte_token[byte];
}

const struct merge_table *vocabulary_merges(const struct vocabulary *vocabulary)
{
    return &vocabulary->merges;
}

bool vocabulary_is_stop(const struct vocabulary *vocabulary, int32_t id)
{
    for (uint32_t i = 0; i < vocabulary->n_stops; i++)
        if (vocabulary->stops[i] == id)
            return true;
    return false;
}
