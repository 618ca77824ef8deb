/*
 * merge_table.c - which two neighbouring tokens become one, and in which order
 */
#include "engine/text/merge_table.h"

#include <stdlib.h>

#include "engine/file/checked.h"

bool merge_table_create(struct merge_table *table, size_t n_merges)
{
    uint32_t bits = 4;

    while (((size_t)1 << bits) / 2 < n_merges)
        bits++;
    table->slots = checked_allocate((size_t)1 << bits, sizeof *table->slots);
    if (!table->slots)
        return false;
    for (size_t i = 0; i < (size_t)1 << bits; i++)
        table->slots[i].left = -1;
    table->mask = ((uint64_t)1 << bits) - 1;
    table->shift = 64 - bits;
    /* The address changes from run to run. */
    table->multiplier = ((uintptr_t)table->slots * 0x9E3779B97F4A7C15U) | 1;
    return true;
}

void merge_table_release(struct merge_table *table)
{
    free(table->slots);
    table->slots = NULL;
}

void merge_table_add(struct merge_table *table, struct merge merge)
{
    uint64_t at = merge_table_slot(table, merge.left, merge.right);

    while (table->slots[at].left >= 0) {
        if (table->slots[at].left == merge.left && table->slots[at].right == merge.right)
            return;
        at = (at + 1) & table->mask;
    }
    table->slots[at] = merge;
}
