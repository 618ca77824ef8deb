/*
 * head.c - tiles of logits, and what is kept of them
 */
#include "engine/model/head.h"

#include "engine/file/checked.h"
#include "engine/model/forward.h"
#include "engine/model/logit_order.h"

#include <stdlib.h>
#include <string.h>

enum {
    BLOCK_GROUPS = HEAD_BLOCK / GROUP_ROWS,
    TILE_BLOCKS = 8,                             /* at most: 512 tokens, with one row 2 KiB */
    TILE_FLOATS = HEAD_SECTION_ROWS * HEAD_BLOCK /* 64 KiB: the second-level cache */
};

const char *head_strategy_name(enum head_strategy strategy)
{
    static const char *const names[HEAD_STRATEGY_COUNT] = {"full", "tiled arg-max",
                                                           "tiled top-k"};

    return (uint32_t)strategy < HEAD_STRATEGY_COUNT ? names[strategy] : "unknown";
}

/* Rows ---------------------------------------------------------------------------------- */

enum status head_rows_init(struct head_rows *out, uint32_t n_rows, uint32_t n_vocab,
                           struct error *error)
{
    const uint32_t n_blocks = head_block_count(n_vocab);

    *out = (struct head_rows){.n = n_rows};
    out->rows = checked_allocate_zeroed(n_rows, sizeof *out->rows);
    out->logits = checked_allocate((size_t)n_rows * n_vocab, sizeof *out->logits);
    out->maxima = checked_allocate((size_t)n_rows * n_blocks, sizeof *out->maxima);
    out->keys = checked_allocate((size_t)n_rows * HEAD_BEST_MAX, sizeof *out->keys);
    if (!out->rows || !out->logits || !out->maxima || !out->keys) {
        head_rows_release(out);
        return error_set(error, STATUS_NO_MEMORY, "no memory for %u rows of logits", n_rows);
    }
    for (uint32_t i = 0; i < n_rows; i++) {
        out->rows[i].logits = out->logits + (size_t)i * n_vocab;
        out->rows[i].maxima = out->maxima + (size_t)i * n_blocks;
        out->rows[i].keys = out->keys + (size_t)i * HEAD_BEST_MAX;
    }
    return STATUS_OK;
}

void head_rows_release(struct head_rows *rows)
{
    free(rows->rows);
    free(rows->logits);
    free(rows->maxima);
    free(rows->keys);
    memset(rows, 0, sizeof *rows);
}

void head_ask_full(struct head_row *rows, uint32_t n_rows, float *logits, uint32_t n_vocab)
{
    for (uint32_t i = 0; i < n_rows; i++)
        rows[i] =
            (struct head_row){.strategy = HEAD_FULL, .logits = logits + (size_t)i * n_vocab};
}

/* Tiles --------------------------------------------------------------------------------- */

/* Logits of tokens first .. first + n - 1, for one row. */
struct tile {
    uint32_t first, n;
    float *logits;
    float maxima[TILE_BLOCKS]; /* of its blocks */
};

static void keep_full(struct head_row *row, const struct tile *tile)
{
    memcpy(row->logits + tile->first, tile->logits, tile->n * sizeof *tile->logits);
    if (row->maxima)
        memcpy(row->maxima + tile->first / HEAD_BLOCK, tile->maxima,
               head_block_count(tile->n) * sizeof *tile->maxima);
}

/* Keys of the tile above the threshold, one a token at most; returns how many. */
static uint32_t collect(uint64_t threshold, const struct tile *tile, uint64_t *keys)
{
    const float bound = key_logit(threshold);
    uint32_t n_keys = 0;

    for (uint32_t block = 0; block < tile->n; block += HEAD_BLOCK) {
        const uint32_t end = tile->n - block < HEAD_BLOCK ? tile->n : block + HEAD_BLOCK;
        if (!(tile->maxima[block / HEAD_BLOCK] >= bound))
            continue;
        for (uint32_t i = block; i < end; i++)
            if (tile->logits[i] >= bound &&
                key_of(tile->logits[i], tile->first + i) > threshold)
                keys[n_keys++] = key_of(tile->logits[i], tile->first + i);
    }
    return n_keys;
}

/* A heap of what is kept, as soon as there are n_best. */
static void push(struct head_row *row, uint64_t key)
{
    if (row->n_keys < row->n_best) {
        row->keys[row->n_keys++] = key;
        if (row->n_keys == row->n_best)
            key_heap_make(row->keys, row->n_keys);
    } else if (key > row->keys[0]) {
        row->keys[0] = key;
        key_heap_sift(row->keys, row->n_keys, 0);
    }
}

/* The largest n of keys come first, in any order; n < n_keys. */
static void keep_largest(uint64_t *keys, uint32_t n_keys, uint32_t n)
{
    key_heap_make(keys, n);
    for (uint32_t i = n; i < n_keys; i++) {
        if (keys[i] <= keys[0])
            continue;
        keys[0] = keys[i];
        key_heap_sift(keys, n, 0);
    }
}

static void keep_best(struct head_row *row, pthread_mutex_t *lock, _Atomic uint64_t *threshold,
                      const struct tile *tile)
{
    uint64_t keys[TILE_BLOCKS * HEAD_BLOCK];
    uint32_t n_keys =
        collect(atomic_load_explicit(threshold, memory_order_relaxed), tile, keys);

    if (n_keys == 0)
        return;
    if (n_keys > row->n_best) { /* others wait for the lock only as long as they must */
        keep_largest(keys, n_keys, row->n_best);
        n_keys = row->n_best;
    }
    pthread_mutex_lock(lock);
    for (uint32_t i = 0; i < n_keys; i++)
        push(row, keys[i]);
    if (row->n_keys == row->n_best)
        atomic_store_explicit(threshold, row->keys[0], memory_order_relaxed);
    pthread_mutex_unlock(lock);
}

static void begin_row(struct head_row *row, _Atomic uint64_t *threshold)
{
    row->n_keys = 0;
    atomic_store_explicit(threshold, key_floor(), memory_order_relaxed);
}

/* The tile's maxima are those of its logits. */
static void take_tile(const struct kernels *kernels, struct head_row *row,
                      pthread_mutex_t *lock, _Atomic uint64_t *threshold, struct tile *tile)
{
    if (row->adjust) {
        row->adjust(row, tile->first, tile->n, tile->logits);
        kernels->block_maxima(tile->logits, tile->n, tile->maxima);
    }
    if (row->strategy == HEAD_FULL)
        keep_full(row, tile);
    else
        keep_best(row, lock, threshold, tile);
}

static void end_row(struct head_row *row)
{
    if (row->strategy != HEAD_FULL)
        key_sort_descending(row->keys, row->n_keys);
}

/* The section --------------------------------------------------------------------------- */

struct head_job {
    const struct weight *weight;
    const void *activation;
    struct head_row *rows;
    uint32_t n_rows;
    uint32_t pass_row; /* of rows[0] */
};

/*
 * Matrices of K-quants want several groups at a time when there are many rows, and have them as
 * far as the tile holds.
 */
static uint32_t tile_blocks(uint32_t n_rows)
{
    const uint32_t n = TILE_FLOATS / HEAD_BLOCK / n_rows;

    return n < TILE_BLOCKS ? n : TILE_BLOCKS;
}

/* The matrix without the rows before a group. */
static struct weight rows_from(const struct weight *weight, uint32_t group)
{
    const struct tensor_type_info *info = tensor_type_info(weight->type);
    const size_t row_bytes =
        (size_t)weight->n_columns / info->block_elements * info->block_bytes;
    struct weight rest = *weight;

    rest.n_rows -= group * GROUP_ROWS;
    rest.native = (const char *)rest.native + (size_t)group * GROUP_ROWS * row_bytes;
    if (rest.packed)
        rest.packed = (const char *)rest.packed +
                      group * kernels_group_bytes(weight->type, weight->n_columns);
    return rest;
}

/* Blocks first .. first + count - 1 of the vocabulary. */
static void head_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    _Alignas(KERNEL_ALIGNMENT) float logits[TILE_FLOATS];
    const struct head_job *job = context;
    const struct kernels *kernels = pass->kernels;
    struct head_progress *progress = pass->scratch->head;
    const uint32_t n_vocab = job->weight->n_rows, most = tile_blocks(job->n_rows);
    const uint32_t n_groups = (n_vocab + GROUP_ROWS - 1) / GROUP_ROWS;

    for (uint32_t block = first, n; block < first + count; block += n) {
        const uint32_t group = block * BLOCK_GROUPS;
        const struct weight rest = rows_from(job->weight, group);
        struct tile tile = {.first = block * HEAD_BLOCK};
        n = first + count - block < most ? first + count - block : most;
        tile.n = rest.n_rows < n * HEAD_BLOCK ? rest.n_rows : n * HEAD_BLOCK;
        kernels->matmul(
            &rest, 0, n_groups - group < n * BLOCK_GROUPS ? n_groups - group : n * BLOCK_GROUPS,
            job->activation, job->n_rows, logits, (size_t)n * HEAD_BLOCK);
        for (uint32_t i = 0; i < job->n_rows; i++) {
            const uint32_t t = (first + i) % job->n_rows; /* parts seldom meet at a row */
            tile.logits = logits + (size_t)t * n * HEAD_BLOCK;
            if (!kernels->block_maxima(tile.logits, tile.n, tile.maxima))
                pass_bad_row(pass, job->pass_row + t);
            take_tile(kernels, &job->rows[t], &progress->locks[t % HEAD_LOCKS],
                      &progress->thresholds[t], &tile);
        }
    }
}

static void run_section(struct pass *pass, const struct weight *weight, const float *normed,
                        uint32_t n_rows, uint32_t pass_row, struct head_row *rows)
{
    const enum activation_form form =
        kernels_activation_form(pass->kernels->level, weight->type);
    const struct head_job job = {weight, pass->scratch->activation[form], rows, n_rows,
                                 pass_row};

    quantize_rows(pass, form, normed, weight->n_columns, weight->n_columns, n_rows);
    for (uint32_t t = 0; t < n_rows; t++)
        begin_row(&rows[t], &pass->scratch->head->thresholds[t]);
    pass_run(pass, PROFILE_HEAD, head_block_count(weight->n_rows), head_part, &job);
    for (uint32_t t = 0; t < n_rows; t++)
        end_row(&rows[t]);
    pass_stopped(pass);
}

void head_project(struct pass *pass, const struct weight *weight, const float *normed,
                  uint32_t n_rows, struct head_row *rows)
{
    const uint32_t first = pass->n_tokens - n_rows;

    for (uint32_t at = 0, n; at < n_rows; at += n) {
        n = n_rows - at < HEAD_SECTION_ROWS ? n_rows - at : HEAD_SECTION_ROWS;
        run_section(pass, weight, normed + (size_t)at * weight->n_columns, n, first + at,
                    rows + at);
    }
}

void head_take(const struct kernels *kernels, struct head_row *row, const float *logits,
               uint32_t n_vocab)
{
    pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    _Atomic uint64_t threshold;
    float copy[TILE_BLOCKS * HEAD_BLOCK];

    begin_row(row, &threshold);
    for (uint32_t at = 0; at < n_vocab; at += TILE_BLOCKS * HEAD_BLOCK) {
        struct tile tile = {.first = at, .n = n_vocab - at, .logits = copy};
        if (tile.n > TILE_BLOCKS * HEAD_BLOCK)
            tile.n = TILE_BLOCKS * HEAD_BLOCK;
        memcpy(copy, logits + at, tile.n * sizeof *copy);
        kernels->block_maxima(copy, tile.n, tile.maxima);
        take_tile(kernels, row, &lock, &threshold, &tile);
    }
    end_row(row);
}
