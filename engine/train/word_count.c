/*
 * word_count.c - different byte strings, each with a number and a count
 */
#include "engine/train/word_count.h"

#include <stdlib.h>
#include <string.h>

enum { FIRST_SLOTS = 1 << 10, MOST_WORDS = 1 << 30 };

/* FNV-1a with its high bits folded in. */
static uint32_t hash_of(const char *bytes, uint32_t n_bytes)
{
    uint64_t hash = 0xCBF29CE484222325U;

    for (uint32_t i = 0; i < n_bytes; i++)
        hash = (hash ^ (unsigned char)bytes[i]) * 0x100000001B3U;
    return (uint32_t)(hash ^ hash >> 32);
}

static void put_slot(uint32_t *slots, uint32_t n_slots, uint32_t hash, uint32_t value)
{
    uint32_t at = hash & (n_slots - 1);

    while (slots[at])
        at = (at + 1) & (n_slots - 1);
    slots[at] = value;
}

static bool grow_slots(struct word_count *table)
{
    uint32_t n_slots = table->n_slots ? 2 * table->n_slots : FIRST_SLOTS;
    uint32_t *slots = calloc(n_slots, sizeof *slots);

    if (!slots)
        return false;
    for (uint32_t i = 0; i < table->n_words; i++)
        put_slot(slots, n_slots, table->words[i].hash, i + 1);
    free(table->slots);
    table->slots = slots;
    table->n_slots = n_slots;
    return true;
}

/* Room for one word more. */
static bool reserve(struct word_count *table, uint32_t n_bytes)
{
    if (table->n_words == MOST_WORDS ||
        (table->n_words >= table->n_slots / 2 && !grow_slots(table)))
        return false;
    if (table->n_words == table->words_capacity) {
        uint32_t capacity = table->words_capacity ? 2 * table->words_capacity : 512;
        struct word *grown = reallocarray(table->words, capacity, sizeof *grown);
        if (!grown)
            return false;
        table->words = grown;
        table->words_capacity = capacity;
    }
    if (n_bytes > table->bytes_capacity - table->n_bytes) {
        size_t capacity = 2 * (table->bytes_capacity + n_bytes);
        char *grown = realloc(table->bytes, capacity);
        if (!grown)
            return false;
        table->bytes = grown;
        table->bytes_capacity = capacity;
    }
    return true;
}

static uint32_t find(const struct word_count *table, const char *word, uint32_t n_bytes,
                     uint32_t hash)
{
    uint32_t at = hash & (table->n_slots - 1);

    for (; table->n_slots && table->slots[at]; at = (at + 1) & (table->n_slots - 1)) {
        const struct word *there = &table->words[table->slots[at] - 1];
        if (there->hash == hash && there->n_bytes == n_bytes &&
            memcmp(table->bytes + there->offset, word, n_bytes) == 0)
            return table->slots[at] - 1;
    }
    return UINT32_MAX;
}

bool word_count_add(struct word_count *table, const char *word, uint32_t n_bytes,
                    uint64_t times, uint32_t *number)
{
    uint32_t hash = hash_of(word, n_bytes), at = find(table, word, n_bytes, hash);

    if (at == UINT32_MAX) {
        if (!reserve(table, n_bytes))
            return false;
        at = table->n_words++;
        table->words[at] = (struct word){0, table->n_bytes, n_bytes, hash};
        memcpy(table->bytes + table->n_bytes, word, n_bytes);
        table->n_bytes += n_bytes;
        put_slot(table->slots, table->n_slots, hash, at + 1);
    }
    table->words[at].count += times;
    if (number)
        *number = at;
    return true;
}

const char *word_count_bytes(const struct word_count *table, uint32_t number)
{
    return table->bytes + table->words[number].offset;
}

void word_count_release(struct word_count *table)
{
    free(table->words);
    free(table->bytes);
    free(table->slots);
    *table = (struct word_count){0};
}
