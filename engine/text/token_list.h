/*
 * token_list.h - a growing list of token ids
 */
#ifndef ENGINE_TEXT_TOKEN_LIST_H
#define ENGINE_TEXT_TOKEN_LIST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* All zero is an empty list. */
struct token_list {
    int32_t *ids; /* owns */
    size_t n;
    size_t capacity;
};

/* false: out of memory; the list is as it was. */
static inline bool token_list_reserve(struct token_list *list, size_t n_more)
{
    size_t capacity = list->capacity ? list->capacity : 64;
    int32_t *grown;

    if (n_more > SIZE_MAX / 4 / sizeof *grown - list->n)
        return false;
    if (list->capacity - list->n >= n_more)
        return true;
    while (capacity - list->n < n_more)
        capacity *= 2;
    grown = reallocarray(list->ids, capacity, sizeof *grown);
    if (!grown)
        return false;
    list->ids = grown;
    list->capacity = capacity;
    return true;
}

static inline bool token_list_add(struct token_list *list, int32_t id)
{
    if (!token_list_reserve(list, 1))
        return false;
    list->ids[list->n++] = id;
    return true;
}

static inline void token_list_release(struct token_list *list)
{
    free(list->ids);
    *list = (struct token_list){0};
}

#endif
