/*
 * export.h - a trained network as a GGUF file
 */
#ifndef ENGINE_TRAIN_EXPORT_H
#define ENGINE_TRAIN_EXPORT_H

#include "engine/sampling.h"
#include "engine/train/network.h"

struct pool;

struct export_options {
    const char *mix;         /* see mix.h */
    const char *name;        /* general.name */
    const char *description; /* general.description; NULL: none */
    const struct gguf
        *keys;          /* tokenizer.* (and for fine-tuning all other keys) come from here */
    bool copy_all_keys; /* fine-tuning: everything but general.name, file_type, sampling */
    const struct sampling_choice *sampling; /* general.sampling.*; NULL: none */
};

/* Errors: IO (disk full: an older file stays whole), FAILED (a value is not finite: tensor named). */
enum status network_export(struct network *network, const char *path,
                           const struct export_options *options, struct pool *pool,
                           struct error *error);

#endif
