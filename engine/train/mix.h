/*
 * mix.h - which tensor type each tensor of a model gets under a named mix
 *
 * Used by quantize_file() and by the trainer's export, so that both write the same bytes.
 */
#ifndef ENGINE_TRAIN_MIX_H
#define ENGINE_TRAIN_MIX_H

#include <stdbool.h>
#include <stdint.h>

#include "engine/file/tensor_type.h"

struct mix;

/* NULL: no such name. */
const struct mix *mix_find(const char *name);
/* general.file_type of the mix, as llama.cpp numbers them. */
uint32_t mix_file_type(const struct mix *mix);
/*
 * The type of a tensor by its name, dimensions and the number of trunk layers.  tied: token_embd is
 * the head as well.  *fallback (NULL allowed): the mix wanted another one that the rows do not fit.
 */
enum tensor_type mix_type(const struct mix *mix, const char *name, uint32_t n_dimensions,
                          const uint64_t *ne, uint32_t n_layers, bool tied, bool *fallback);

#endif
