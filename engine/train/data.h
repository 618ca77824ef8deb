/*
 * data.h - which sequences a step learns from
 *
 * In each epoch every sequence comes once, in an order that a hash of seed and epoch gives.  A
 * micro-batch takes whole sequences, in that order, until micro_tokens would be passed (a
 * sequence that is longer alone is cut); a step takes as many micro-batches as come closest to
 * batch_tokens, one at least.  So the place in the data is (epoch, cursor), and a step is a
 * function of it.
 *
 * A sequence of n ids gives n - 1 rows: row i reads id i and predicts id i + 1, unless that one
 * is a part of the prompt.
 *
 * Thread: the owner's.
 */
#ifndef ENGINE_TRAIN_DATA_H
#define ENGINE_TRAIN_DATA_H

#include "engine/train.h"
#include "engine/train/network.h"

struct data_settings {
    uint64_t seed;
    uint32_t micro_tokens, batch_tokens; /* of a pass, of a step; both above 0 */
    bool
        once; /* one epoch in the order given, for measuring; otherwise without end, shuffled */
};

/* All micro-batches of one step; they belong to the data_order until the next step. */
struct data_step {
    const struct batch *batches; /* total_weight of each: predicted tokens of the whole step */
    size_t n_batches;            /* 0: the end of the data, with `once` */
    uint64_t n_tokens;           /* rows */
    uint64_t n_predicted;        /* rows with a target */
};

struct data_order;

/*
 * sequences are borrowed.  Errors: USAGE (a sequence with fewer than two ids, or whose prompt
 * alone fills a micro-batch: its index is named), NO_MEMORY.
 */
enum status data_order_new(struct data_order **out, const struct train_sequence *sequences,
                           size_t n_sequences, const struct data_settings *settings,
                           struct error *error);
void data_order_free(struct data_order **order); /* NULL is allowed */
/* Go to a place that data_order_place() gave. */
void data_order_seek(struct data_order *order, uint64_t epoch, uint64_t cursor);
void data_order_place(const struct data_order *order, uint64_t *epoch, uint64_t *cursor);
enum status data_order_step(struct data_order *order, struct data_step *step,
                            struct error *error);
/* Of all ids and prompts, for a checkpoint that must not meet other data. */
uint64_t data_hash(const struct train_sequence *sequences, size_t n_sequences);

#endif
