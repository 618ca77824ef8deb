/*
 * merge_queue.h - the merges of a word that may come next, the lowest rank first
 *
 * A radix heap (Ahuja, Mehlhorn, Orlin and Tarjan, "Faster algorithms for the shortest path
 * problem", 1990): keys lie in buckets by the highest bit in which they differ from the key taken
 * last, so each key moves to a lower bucket at most once for each bit, and every move is a
 * sequential copy.  On a word of 64 MiB a binary heap would miss the cache at every level.
 * It needs keys that never fall below the one taken last.  Merges of a trained list obey that, but a
 * file may hold any list: keys that come too low go to a small binary heap, which is asked first.
 *
 * Thread: one thread at a time.
 */
#ifndef ENGINE_TEXT_MERGE_QUEUE_H
#define ENGINE_TEXT_MERGE_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MERGE_QUEUE_BUCKETS = 65 };

struct merge_queue_chunk;

struct merge_queue {
    uint64_t last;     /* the key taken last from the buckets */
    uint64_t occupied; /* bit b - 1: bucket b holds something (b >= 1) */
    struct merge_queue_chunk *bucket[MERGE_QUEUE_BUCKETS]; /* own; bucket 0: equal to last */
    struct merge_queue_chunk *unused;                      /* owns */
    uint64_t *early; /* owns; a binary heap of keys below last */
    size_t n_early, early_capacity;
};

/* All zero is an empty queue. */
void merge_queue_release(struct merge_queue *queue);
/* false: out of memory; the queue is as it was. */
bool merge_queue_push(struct merge_queue *queue, uint64_t key);
/* The lowest key; false: empty (and as new), or, with *failed set, out of memory. */
bool merge_queue_pop(struct merge_queue *queue, uint64_t *key, bool *failed);

#endif
