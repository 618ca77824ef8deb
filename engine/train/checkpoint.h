/*
 * checkpoint.h - the trainer's state on disk
 *
 * One file: magic, version, a fingerprint of settings and data, step, place in the data, loss curve,
 * then for each parameter its name, shape, values and moments, little endian; every section carries
 * an xxh3 of its bytes.  Written beside its name, synced, renamed: a kill at any moment leaves the
 * old or the new one.
 */
#ifndef ENGINE_TRAIN_CHECKPOINT_H
#define ENGINE_TRAIN_CHECKPOINT_H

#include "engine/train.h"
#include "engine/train/optimizer.h"

struct checkpoint {
    uint64_t fingerprint;      /* of settings and data that the result depends on */
    uint64_t step;             /* done */
    uint64_t n_tokens;         /* seen */
    uint64_t epoch, cursor;    /* next sequence in the epoch's order */
    struct train_point *curve; /* borrowed when written, owned when read */
    size_t n_points;
};

enum status checkpoint_write(const char *path, const struct checkpoint *checkpoint,
                             struct parameter *parameters, size_t n_parameters,
                             struct optimizer *optimizer, struct error *error);
/*
 * Errors: NOT_FOUND (no such file), DAMAGED (name and offset), USAGE (of other settings or another
 * shape: named), IO, NO_MEMORY.  On failure parameters may be partly overwritten.
 */
enum status checkpoint_read(const char *path, uint64_t fingerprint,
                            struct checkpoint *checkpoint, struct parameter *parameters,
                            size_t n_parameters, struct optimizer *optimizer,
                            struct error *error);

#endif
