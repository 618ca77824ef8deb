/*
 * word_merging.c - byte pair encoding of counted words
 *
 * All words stand one after another in one array; a token stands at its first byte.  What is left
 * of it is found by `before`, what is right of it by its length.
 *
 * Two merges may make the same bytes ("a" "bc" and "ab" "c"): the token keeps its first id, as in
 * a vocabulary that is loaded from a file.
 */
#include "engine/train/word_merging.h"

#include <stdlib.h>
#include <string.h>

#include "engine/file/checked.h"
#include "engine/text/byte_map.h"
#include "engine/train/pair_table.h"

enum { NOTHING = UINT32_MAX };

struct text {
    uint32_t *ids;    /* owns; NOTHING: inside of a token */
    uint32_t *before; /* owns; where the token to the left stands; NOTHING: first of its word */
    uint32_t *word;   /* owns; the number of the word */
    uint32_t *end;    /* owns; by word: the first byte behind it */
};

struct merger {
    struct word_merging *out;
    const struct word_count *words;
    struct text text;
    struct pair_table pairs;
};

static uint32_t token_bytes(const struct merger *merger, uint32_t id)
{
    return merger->out->tokens.words[id].n_bytes;
}

static bool add_bytes(struct word_count *tokens, uint32_t id_of[256])
{
    struct byte_map map;

    byte_map_build(&map);
    for (size_t i = 0; i < sizeof map.byte_of / sizeof map.byte_of[0]; i++) {
        char byte = (char)map.byte_of[i];
        if (map.byte_of[i] >= 0 &&
            !word_count_add(tokens, &byte, 1, 1, &id_of[(unsigned char)byte]))
            return false;
    }
    return true;
}

/* The words as bytes, and the pairs in them. */
static bool lay_out(struct merger *merger)
{
    const struct word_count *words = merger->words;
    struct text *text = &merger->text;
    uint32_t id_of[256], at = 0;

    text->ids = checked_allocate(words->n_bytes + 1, sizeof *text->ids);
    text->before = checked_allocate(words->n_bytes + 1, sizeof *text->before);
    text->word = checked_allocate(words->n_bytes + 1, sizeof *text->word);
    text->end = checked_allocate((size_t)words->n_words + 1, sizeof *text->end);
    if (!text->ids || !text->before || !text->word || !text->end ||
        !add_bytes(&merger->out->tokens, id_of))
        return false;
    for (uint32_t number = 0; number < words->n_words; number++) {
        const struct word *word = &words->words[number];
        const char *bytes = word_count_bytes(words, number);
        text->end[number] = at + word->n_bytes;
        for (uint32_t i = 0; i < word->n_bytes; i++, at++) {
            text->ids[at] = id_of[(unsigned char)bytes[i]];
            text->before[at] = i > 0 ? at - 1 : NOTHING;
            text->word[at] = number;
            if (i > 0 && !pair_table_add(&merger->pairs, text->ids[at - 1], text->ids[at],
                                         word->count, at - 1))
                return false;
        }
    }
    return pair_table_queue(&merger->pairs);
}

/* Where the token to the right of the one at `at` stands; NOTHING: the last of its word. */
static uint32_t behind(const struct merger *merger, uint32_t at)
{
    uint32_t next = at + token_bytes(merger, merger->text.ids[at]);

    return next < merger->text.end[merger->text.word[at]] ? next : NOTHING;
}

static void take_away(struct merger *merger, uint32_t left, uint32_t right, uint64_t count)
{
    pair_table_find(&merger->pairs, left, right)->count -= count;
}

/* Make one token of the two that stand at `at`, if they still do. */
static bool merge_at(struct merger *merger, uint32_t at, struct word_merge merge, uint32_t id)
{
    uint32_t *ids = merger->text.ids;
    uint32_t second, third, first;
    uint64_t count;

    if (ids[at] != merge.left || (second = behind(merger, at)) == NOTHING ||
        ids[second] != merge.right)
        return true;
    count = merger->words->words[merger->text.word[at]].count;
    first = merger->text.before[at];
    third = behind(merger, second);
    take_away(merger, merge.left, merge.right, count);
    if (first != NOTHING)
        take_away(merger, ids[first], merge.left, count);
    if (third != NOTHING)
        take_away(merger, merge.right, ids[third], count);
    ids[at] = id;
    ids[second] = NOTHING;
    if (third != NOTHING)
        merger->text.before[third] = at;
    return (first == NOTHING || pair_table_add(&merger->pairs, ids[first], id, count, first)) &&
           (third == NOTHING || pair_table_add(&merger->pairs, id, ids[third], count, at));
}

static int compare_places(const void *a, const void *b)
{
    uint32_t first = *(const uint32_t *)a, second = *(const uint32_t *)b;

    return (first > second) - (first < second);
}

/* The token of a merge: a new one, unless its bytes are there already. */
static bool name_token(struct word_count *tokens, struct word_merge merge, uint32_t *id)
{
    char bytes[TOKEN_BYTES_MAX];
    uint32_t n_left = tokens->words[merge.left].n_bytes;
    uint32_t n_right = tokens->words[merge.right].n_bytes;

    memcpy(bytes, word_count_bytes(tokens, merge.left), n_left);
    memcpy(bytes + n_left, word_count_bytes(tokens, merge.right), n_right);
    return word_count_add(tokens, bytes, n_left + n_right, 1, id);
}

static bool note_merge(struct word_merging *out, struct word_merge merge)
{
    if (out->n_merges == out->capacity) {
        uint32_t capacity = out->capacity ? 2 * out->capacity : 1024;
        struct word_merge *grown = reallocarray(out->merges, capacity, sizeof *grown);
        if (!grown)
            return false;
        out->merges = grown;
        out->capacity = capacity;
    }
    out->merges[out->n_merges++] = merge;
    return true;
}

/* A pair comes a second time when one of its tokens was made again, another way. */
static bool merge_pair(struct merger *merger, struct pair *pair)
{
    struct word_merge merge = {pair->left, pair->right};
    uint32_t *places = pair->places, n_places = pair->n_places, id;
    bool done = true;

    if (!pair->merged && !note_merge(merger->out, merge))
        return false;
    pair->merged = true;
    pair->places = NULL;
    pair->n_places = pair->places_capacity = 0;
    if (!name_token(&merger->out->tokens, merge, &id))
        done = false;
    qsort(places, n_places, sizeof *places, compare_places);
    for (uint32_t i = 0; i < n_places && done; i++)
        done = merge_at(merger, places[i], merge, id);
    free(places);
    return done && pair_table_queue(&merger->pairs);
}

static bool run(struct merger *merger, uint32_t n_tokens)
{
    struct word_count *tokens = &merger->out->tokens;
    struct pair *pair;
    bool failed = false;

    if (!lay_out(merger))
        return false;
    while (tokens->n_words < n_tokens &&
           (pair = pair_table_most_frequent(&merger->pairs, &failed)) != NULL) {
        if (token_bytes(merger, pair->left) + token_bytes(merger, pair->right) >
            TOKEN_BYTES_MAX)
            continue;
        if (!merge_pair(merger, pair))
            return false;
    }
    return tokens->n_words >= n_tokens || !failed;
}

enum status word_merging_run(struct word_merging *out, const struct word_count *words,
                             uint32_t n_tokens, struct error *error)
{
    struct merger merger = {.out = out, .words = words};
    bool done;

    *out = (struct word_merging){0};
    if (words->n_bytes >= NOTHING)
        return error_set(error, STATUS_USAGE, "the texts have 4 GiB of different words");
    done = run(&merger, n_tokens);
    free(merger.text.ids);
    free(merger.text.before);
    free(merger.text.word);
    free(merger.text.end);
    pair_table_release(&merger.pairs);
    if (done)
        return STATUS_OK;
    return error_set(error, STATUS_NO_MEMORY, "not enough memory to train a vocabulary");
}

void word_merging_release(struct word_merging *merging)
{
    word_count_release(&merging->tokens);
    free(merging->merges);
    *merging = (struct word_merging){0};
}
