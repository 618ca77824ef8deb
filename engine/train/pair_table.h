/*
 * pair_table.h - how often two tokens stand side by side, and where
 *
 * Places are byte positions in the joined words; one that went stale stays in the list, and is
 * found out when the pair is merged.
 *
 * Thread: one thread at a time.
 */
#ifndef ENGINE_TRAIN_PAIR_TABLE_H
#define ENGINE_TRAIN_PAIR_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct pair {
    uint32_t left, right;
    uint64_t count;
    uint32_t *places; /* owns */
    uint32_t n_places, places_capacity;
    bool merged;  /* it is in the list of merges already */
    bool touched; /* its count rose since it was last queued */
};

struct queued_pair {
    uint64_t count; /* at the time; the pair's own may be lower by now */
    uint64_t key;   /* left << 32 | right */
};

/* All zero is empty. */
struct pair_table {
    struct pair *pairs; /* owns; [n_pairs] */
    uint32_t n_pairs, pairs_capacity;
    uint32_t *slots; /* owns; index + 1, 0 is empty */
    uint32_t n_slots;
    uint32_t *touched; /* owns; indices */
    uint32_t n_touched, touched_capacity;
    struct queued_pair *queue; /* owns; a binary heap */
    size_t n_queued, queue_capacity;
};

/* NULL: never seen. */
struct pair *pair_table_find(const struct pair_table *table, uint32_t left, uint32_t right);
/* The pair stands at one more place, in a word that comes `count` times.  false: out of memory. */
bool pair_table_add(struct pair_table *table, uint32_t left, uint32_t right, uint64_t count,
                    uint32_t place);
/* Queue every pair whose count rose. */
bool pair_table_queue(struct pair_table *table);
/* The most frequent pair, of equals the one of lowest ids; NULL: none occurs twice. */
struct pair *pair_table_most_frequent(struct pair_table *table, bool *failed);
void pair_table_release(struct pair_table *table);

#endif
