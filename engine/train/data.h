/*
 * data.h - which sequences a step learns from
 *
 * In each epoch every sequence comes once, in an order that a hash of seed and epoch gives.  A
 * micro-batch takes whole sequences, in that order, until micro_tokens would be passed (a sequence
 * that is longer alone is cut); a step takes micro-batches until batch_tokens are reached.  So the
 * place in the data is (epoch, cursor), and a step is a function of it.
 */
#ifndef ENGINE_TRAIN_DATA_H
#define ENGINE_TRAIN_DATA_H

#include "engine/train.h"
#include "engine/train/network.h"

struct data_order;

enum status data_order_new(struct data_order **out, const struct train_sequence *sequences,
                           size_t n_sequences, uint64_t seed, struct error *error);
void data_order_free(struct data_order **order); /* NULL is allowed */
void data_order_seek(struct data_order *order, uint64_t epoch, uint64_t cursor);
void data_order_place(const struct data_order *order, uint64_t *epoch, uint64_t *cursor);

/* The next micro-batch; its arrays belong to *order until the next call.  total_weight: predicted
 * tokens of this micro-batch. */
enum status data_order_next(struct data_order *order, uint32_t micro_tokens,
                            struct batch *batch, struct error *error);

#endif
