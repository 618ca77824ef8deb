/*
 * logit_order.c - a heap of keys
 */
#include "engine/model/logit_order.h"

void key_heap_sift(uint64_t *heap, size_t n, size_t at)
{
    const uint64_t key = heap[at];

    for (size_t child = 2 * at + 1; child < n; child = 2 * at + 1) {
        if (child + 1 < n && heap[child + 1] < heap[child])
            child++;
        if (heap[child] >= key)
            break;
        heap[at] = heap[child];
        at = child;
    }
    heap[at] = key;
}

void key_heap_make(uint64_t *heap, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        key_heap_sift(heap, n, i);
}

void key_sort_descending(uint64_t *keys, size_t n)
{
    key_heap_make(keys, n);
    while (n > 1) {
        const uint64_t smallest = keys[0];
        keys[0] = keys[--n];
        keys[n] = smallest;
        key_heap_sift(keys, n, 0);
    }
}
