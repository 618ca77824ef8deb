/*
 * shape.h - the numbers of a new model, checked
 */
#ifndef ENGINE_TRAIN_SHAPE_H
#define ENGINE_TRAIN_SHAPE_H

#include "engine/model/hyperparameters.h"
#include "engine/train.h"

/*
 * Hyper-parameters of a model of this shape and size of vocabulary; released with
 * hyperparameters_release().  Errors: USAGE (the number is named), NO_MEMORY.
 */
enum status shape_hyperparameters(struct hyperparameters *out, const struct train_shape *shape,
                                  uint32_t n_vocab, struct error *error);

#endif
