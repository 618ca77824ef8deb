/*
 * merger.c - from the bytes of one word to its tokens (byte pair encoding)
 */
#include "engine/text/merger.h"

#include <stdlib.h>

#include "engine/text/merge_table.h"

enum { FIRST_CAPACITY = 256 };

void merger_release(struct merger *merger)
{
    merge_queue_release(&merger->queue);
    free(merger->ids);
    free(merger->lengths);
    *merger = (struct merger){0};
}

static bool reserve(struct merger *merger, size_t n_bytes)
{
    size_t capacity = merger->capacity ? merger->capacity : FIRST_CAPACITY;

    if (n_bytes <= merger->capacity)
        return true;
    while (capacity < n_bytes)
        capacity *= 2;
    /* Nothing in them is needed, and a realloc would copy it. */
    free(merger->ids);
    free(merger->lengths);
    merger->capacity = 0;
    merger->ids = reallocarray(NULL, capacity, sizeof *merger->ids);
    merger->lengths = reallocarray(NULL, capacity, sizeof *merger->lengths);
    if (!merger->ids || !merger->lengths)
        return false;
    merger->capacity = capacity;
    return true;
}

/* The token at `left` and the one behind it, at `right`: put their merge in the queue. */
static bool offer(struct merger *merger, const struct merge_table *merges, size_t left,
                  size_t right)
{
    const struct merge *merge = merge_table_find(merges, merger->ids[left], merger->ids[right]);

    return !merge || merge_queue_push(&merger->queue, (uint64_t)merge->rank << 32 | left);
}

/* Do the merge that the key names, if its two tokens still stand there. */
static bool apply(struct merger *merger, const struct merge_table *merges, size_t n_bytes,
                  uint64_t key)
{
    size_t left = (uint32_t)key, right, end;
    const struct merge *merge;
    uint32_t length;

    if (merger->ids[left] < 0)
        return true;
    right = left + merger->lengths[left];
    if (right >= n_bytes)
        return true;
    merge = merge_table_find(merges, merger->ids[left], merger->ids[right]);
    if (!merge || merge->rank != key >> 32)
        return true;
    length = merger->lengths[left] + merger->lengths[right];
    end = left + length;
    merger->ids[left] = merge->merged;
    merger->ids[right] = -1;
    merger->lengths[left] = length;
    merger->lengths[end - 1] = length;
    return (left == 0 || offer(merger, merges, left - merger->lengths[left - 1], left)) &&
           (end >= n_bytes || offer(merger, merges, left, end));
}

bool merger_word(struct merger *merger, const struct vocabulary *vocabulary, const char *word,
                 size_t n_bytes, struct token_list *list)
{
    const struct merge_table *merges = vocabulary_merges(vocabulary);
    bool failed = false;
    uint64_t key;

    if (!reserve(merger, n_bytes))
        return false;
    for (size_t i = 0; i < n_bytes; i++) {
        merger->ids[i] = vocabulary_byte_token(vocabulary, (uint8_t)word[i]);
        merger->lengths[i] = 1;
    }
    for (size_t i = 1; i < n_bytes; i++)
        if (!offer(merger, merges, i - 1, i))
            return false;
    while (merge_queue_pop(&merger->queue, &key, &failed))
        if (!apply(merger, merges, n_bytes, key))
            return false;
    if (failed)
        return false;
    for (size_t at = 0; at < n_bytes; at += merger->lengths[at])
        if (!token_list_add(list, merger->ids[at]))
            return false;
    return true;
}
