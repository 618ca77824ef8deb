/*
 * merge_table.h - which two neighbouring tokens become one, and in which order
 *
 * An open-addressed hash from a pair of ids to its rank (the place in the file's list: low ranks
 * merge first) and the id of the merged token.
 *
 * Thread: read-only once filled.
 */
#ifndef ENGINE_TEXT_MERGE_TABLE_H
#define ENGINE_TEXT_MERGE_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct merge {
    int32_t left; /* -1: an empty slot */
    int32_t right;
    uint32_t rank;
    int32_t merged;
};

struct merge_table {
    struct merge *slots; /* owns; a power of two of them, at most half full */
    uint64_t mask;
    uint64_t
        multiplier; /* odd, and not the same in every run: a file cannot aim at collisions */
    uint32_t shift;
};

/* Room for n_merges; false: out of memory. */
bool merge_table_create(struct merge_table *table, size_t n_merges);
void merge_table_release(struct merge_table *table);
/* A pair that is there already keeps its lower rank. */
void merge_table_add(struct merge_table *table, struct merge merge);

static inline uint64_t merge_table_slot(const struct merge_table *table, int32_t left,
                                        int32_t right)
{
    uint64_t key = (uint64_t)(uint32_t)left << 32 | (uint32_t)right;
    return key * table->multiplier >> table->shift;
}

/* NULL: the two do not merge. */
static inline const struct merge *merge_table_find(const struct merge_table *table,
                                                   int32_t left, int32_t right)
{
    uint64_t at = merge_table_slot(table, left, right);

    while (table->slots[at].left >= 0) {
        if (table->slots[at].left == left && table->slots[at].right == right)
            return &table->slots[at];
        at = (at + 1) & table->mask;
    }
    return NULL;
}

#endif
