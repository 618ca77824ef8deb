/*
 * model_internal.h - what the rest of the engine sees of an open model
 *
 * Everything here is owned by the model and lives until model_close().
 *
 * Thread: read-only after model_open().
 */
#ifndef ENGINE_MODEL_MODEL_INTERNAL_H
#define ENGINE_MODEL_MODEL_INTERNAL_H

#include "engine/model.h"

struct chat_template;
struct gguf;
struct hyperparameters;
struct kernels;
struct vocabulary;
struct weights;

const struct gguf *model_file(const struct model *model);
const struct hyperparameters *model_hyperparameters(const struct model *model);
/* NULL for a model that was opened with vocabulary_only. */
const struct weights *model_weights(const struct model *model);
const struct kernels *model_kernels(const struct model *model);
const struct vocabulary *model_vocabulary(const struct model *model);
const struct chat_template *model_template(const struct model *model);

#endif
