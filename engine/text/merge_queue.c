/*
 * merge_queue.c - the merges of a word that may come next, the lowest rank first
 */
#include "engine/text/merge_queue.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK_KEYS = 510, FIRST_EARLY = 64 };

struct merge_queue_chunk {
    struct merge_queue_chunk *next;
    size_t n;
    uint64_t keys[CHUNK_KEYS];
};

static void free_chunks(struct merge_queue_chunk *chunk)
{
    while (chunk) {
        struct merge_queue_chunk *next = chunk->next;
        free(chunk);
        chunk = next;
    }
}

void merge_queue_release(struct merge_queue *queue)
{
    for (size_t i = 0; i < MERGE_QUEUE_BUCKETS; i++)
        free_chunks(queue->bucket[i]);
    free_chunks(queue->unused);
    free(queue->early);
    memset(queue, 0, sizeof *queue);
}

/* Buckets ---------------------------------------------------------------------------------- */

static bool bucket_push(struct merge_queue *queue, uint64_t key)
{
    uint32_t number =
        key == queue->last ? 0 : 64 - (uint32_t)__builtin_clzll(key ^ queue->last);
    struct merge_queue_chunk *chunk = queue->bucket[number];

    if (!chunk || chunk->n == CHUNK_KEYS) {
        chunk = queue->unused;
        if (chunk)
            queue->unused = chunk->next;
        else if (!(chunk = malloc(sizeof *chunk)))
            return false;
        chunk->n = 0;
        chunk->next = queue->bucket[number];
        queue->bucket[number] = chunk;
        if (number)
            queue->occupied |= (uint64_t)1 << (number - 1);
    }
    chunk->keys[chunk->n++] = key;
    return true;
}

static uint64_t lowest_key(const struct merge_queue_chunk *chunk)
{
    uint64_t lowest = UINT64_MAX;

    for (; chunk; chunk = chunk->next)
        for (size_t i = 0; i < chunk->n; i++)
            if (chunk->keys[i] < lowest)
                lowest = chunk->keys[i];
    return lowest;
}

/*
 * Bucket 0 is empty: the lowest key of the lowest bucket becomes the new last, and that bucket's
 * keys, which now differ from it in lower bits, move down.  A chunk is free for use again before the
 * next is read, so the queue holds hardly more than its keys.
 */
static bool spread_lowest_bucket(struct merge_queue *queue)
{
    uint32_t number = (uint32_t)__builtin_ctzll(queue->occupied) + 1;
    struct merge_queue_chunk *chunk = queue->bucket[number];

    queue->last = lowest_key(chunk);
    queue->bucket[number] = NULL;
    queue->occupied &= queue->occupied - 1;
    while (chunk) {
        struct merge_queue_chunk *next = chunk->next;
        for (size_t i = 0; i < chunk->n; i++)
            if (!bucket_push(queue, chunk->keys[i])) {
                free_chunks(chunk);
                return false;
            }
        chunk->next = queue->unused;
        queue->unused = chunk;
        chunk = next;
    }
    return true;
}

/* Keys below last --------------------------------------------------------------------------- */

static bool early_push(struct merge_queue *queue, uint64_t key)
{
    size_t at = queue->n_early;

    if (at == queue->early_capacity) {
        size_t capacity = at ? 2 * at : FIRST_EARLY;
        uint64_t *grown = reallocarray(queue->early, capacity, sizeof *grown);
        if (!grown)
            return false;
        queue->early = grown;
        queue->early_capacity = capacity;
    }
    for (; at && queue->early[(at - 1) / 2] > key; at = (at - 1) / 2)
        queue->early[at] = queue->early[(at - 1) / 2];
    queue->early[at] = key;
    queue->n_early++;
    return true;
}

static uint64_t early_pop(struct merge_queue *queue)
{
    uint64_t lowest = queue->early[0];
    uint64_t key = queue->early[--queue->n_early];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < queue->n_early) {
        if (child + 1 < queue->n_early && queue->early[child + 1] < queue->early[child])
            child++;
        if (queue->early[child] >= key)
            break;
        queue->early[at] = queue->early[child];
        at = child;
    }
    queue->early[at] = key;
    return lowest;
}

/* The queue --------------------------------------------------------------------------------- */

bool merge_queue_push(struct merge_queue *queue, uint64_t key)
{
    return key < queue->last ? early_push(queue, key) : bucket_push(queue, key);
}

bool merge_queue_pop(struct merge_queue *queue, uint64_t *key, bool *failed)
{
    struct merge_queue_chunk *chunk;

    if (queue->n_early) {
        *key = early_pop(queue);
        return true;
    }
    if (!queue->bucket[0]) {
        if (!queue->occupied) {
            queue->last = 0;
            return false;
        }
        if (!spread_lowest_bucket(queue)) {
            *failed = true;
            return false;
        }
    }
    chunk = queue->bucket[0];
    *key = chunk->keys[--chunk->n];
    if (!chunk->n) {
        queue->bucket[0] = chunk->next;
        chunk->next = queue->unused;
        queue->unused = chunk;
    }
    return true;
}
