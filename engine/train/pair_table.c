/*
 * pair_table.c - how often two tokens stand side by side, and where
 *
 * The queue is lazy: a count that falls leaves its entry in the heap, and is put back with the
 * present count when it comes out.
 */
#include "engine/train/pair_table.h"

#include <stdlib.h>

enum { FIRST_SLOTS = 1 << 12, MOST_PAIRS = 1 << 30 };

static uint64_t key_of(uint32_t left, uint32_t right)
{
    return (uint64_t)left << 32 | right;
}

static uint32_t slot_of(const struct pair_table *table, uint32_t left, uint32_t right)
{
    uint64_t mixed = key_of(left, right) * 0x9E3779B97F4A7C15U;

    return (uint32_t)(mixed >> 32) & (table->n_slots - 1);
}

/* The slot that holds the pair, or the empty one where it belongs. */
static uint32_t *slot_at(const struct pair_table *table, uint32_t left, uint32_t right)
{
    uint32_t at = slot_of(table, left, right);

    while (table->slots[at]) {
        const struct pair *pair = &table->pairs[table->slots[at] - 1];
        if (pair->left == left && pair->right == right)
            break;
        at = (at + 1) & (table->n_slots - 1);
    }
    return &table->slots[at];
}

struct pair *pair_table_find(const struct pair_table *table, uint32_t left, uint32_t right)
{
    const uint32_t *slot = table->n_slots ? slot_at(table, left, right) : NULL;

    return slot && *slot ? &table->pairs[*slot - 1] : NULL;
}

static bool grow_slots(struct pair_table *table)
{
    uint32_t n_slots = table->n_slots ? 2 * table->n_slots : FIRST_SLOTS;
    uint32_t *slots = calloc(n_slots, sizeof *slots);

    if (!slots)
        return false;
    free(table->slots);
    table->slots = slots;
    table->n_slots = n_slots;
    for (uint32_t i = 0; i < table->n_pairs; i++)
        *slot_at(table, table->pairs[i].left, table->pairs[i].right) = i + 1;
    return true;
}

static struct pair *find_or_create(struct pair_table *table, uint32_t left, uint32_t right)
{
    uint32_t *slot;

    if (table->n_pairs == MOST_PAIRS ||
        (table->n_pairs >= table->n_slots / 2 && !grow_slots(table)))
        return NULL;
    slot = slot_at(table, left, right);
    if (*slot)
        return &table->pairs[*slot - 1];
    if (table->n_pairs == table->pairs_capacity) {
        uint32_t capacity = table->pairs_capacity ? 2 * table->pairs_capacity : 2048;
        struct pair *grown = reallocarray(table->pairs, capacity, sizeof *grown);
        if (!grown)
            return NULL;
        table->pairs = grown;
        table->pairs_capacity = capacity;
    }
    table->pairs[table->n_pairs] = (struct pair){.left = left, .right = right};
    *slot = ++table->n_pairs;
    return &table->pairs[*slot - 1];
}

static bool append(uint32_t **list, uint32_t *n, uint32_t *capacity, uint32_t value)
{
    if (*n == *capacity) {
        uint32_t more = *capacity ? 2 * *capacity : 4;
        uint32_t *grown = more > *capacity ? reallocarray(*list, more, sizeof *grown) : NULL;
        if (!grown)
            return false;
        *list = grown;
        *capacity = more;
    }
    (*list)[(*n)++] = value;
    return true;
}

bool pair_table_add(struct pair_table *table, uint32_t left, uint32_t right, uint64_t count,
                    uint32_t place)
{
    struct pair *pair = find_or_create(table, left, right);

    if (!pair || !append(&pair->places, &pair->n_places, &pair->places_capacity, place))
        return false;
    pair->count += count;
    if (pair->touched)
        return true;
    pair->touched = true;
    return append(&table->touched, &table->n_touched, &table->touched_capacity,
                  (uint32_t)(pair - table->pairs));
}

/* The queue ---------------------------------------------------------------------------------- */

static bool comes_first(struct queued_pair a, struct queued_pair b)
{
    return a.count > b.count || (a.count == b.count && a.key < b.key);
}

static bool push(struct pair_table *table, const struct pair *pair)
{
    struct queued_pair entry = {pair->count, key_of(pair->left, pair->right)};
    size_t at = table->n_queued;

    if (at == table->queue_capacity) {
        size_t capacity = at ? 2 * at : 4096;
        struct queued_pair *grown = reallocarray(table->queue, capacity, sizeof *grown);
        if (!grown)
            return false;
        table->queue = grown;
        table->queue_capacity = capacity;
    }
    table->n_queued++;
    for (; at > 0 && comes_first(entry, table->queue[(at - 1) / 2]); at = (at - 1) / 2)
        table->queue[at] = table->queue[(at - 1) / 2];
    table->queue[at] = entry;
    return true;
}

static struct queued_pair pop(struct pair_table *table)
{
    struct queued_pair *queue = table->queue, first = queue[0];
    struct queued_pair last = queue[--table->n_queued];
    size_t at = 0, child;

    while ((child = 2 * at + 1) < table->n_queued) {
        if (child + 1 < table->n_queued && comes_first(queue[child + 1], queue[child]))
            child++;
        if (!comes_first(queue[child], last))
            break;
        queue[at] = queue[child];
        at = child;
    }
    queue[at] = last;
    return first;
}

bool pair_table_queue(struct pair_table *table)
{
    while (table->n_touched > 0) {
        struct pair *pair = &table->pairs[table->touched[--table->n_touched]];
        pair->touched = false;
        if (pair->count > 1 && !push(table, pair))
            return false;
    }
    return true;
}

struct pair *pair_table_most_frequent(struct pair_table *table, bool *failed)
{
    *failed = false;
    while (table->n_queued > 0) {
        struct queued_pair entry = pop(table);
        struct pair *pair =
            pair_table_find(table, (uint32_t)(entry.key >> 32), (uint32_t)entry.key);
        if (pair->count == entry.count)
            return pair;
        if (pair->count > 1 && !push(table, pair)) {
            *failed = true;
            return NULL;
        }
    }
    return NULL;
}

void pair_table_release(struct pair_table *table)
{
    for (uint32_t i = 0; i < table->n_pairs; i++)
        free(table->pairs[i].places);
    free(table->pairs);
    free(table->slots);
    free(table->touched);
    free(table->queue);
    *table = (struct pair_table){0};
}
