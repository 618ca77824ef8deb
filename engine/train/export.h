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
    const char *name;        /* general.name; NULL: that of keys, or none */
    const char *description; /* general.description; the same */
    const struct gguf *keys; /* tokenizer.* come from here; NULL: none */
    bool copy_all_keys; /* fine-tuning: so do all others, but for those that are given here */
    const struct sampling_choice *sampling; /* general.sampling.*; NULL: as the name */
};

/*
 * Write the network's parameters in the types of the mix.  The same bytes for any number of
 * threads.  Errors: USAGE (no such mix), IO (disk full: an older file stays whole), FAILED (a
 * value is not finite: tensor named), NO_MEMORY.
 */
enum status network_export(struct network *network, const char *path,
                           const struct export_options *options, struct pool *pool,
                           struct error *error);

#endif
