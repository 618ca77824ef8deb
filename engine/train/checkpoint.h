/*
 * checkpoint.h - the trainer's state on disk
 *
 * One file of sections, little endian: the settings that the result depends on (as text, so
 * that the first that differs can be named), step and place in the data, loss curve, then for
 * each parameter its name, shape, values and moments, and an end.  Every section carries an
 * xxh3 of its head and its bytes.  Written beside its name, synced, renamed: a kill at any
 * moment leaves the old or the new one.
 *
 * Thread: the owner's.
 */
#ifndef ENGINE_TRAIN_CHECKPOINT_H
#define ENGINE_TRAIN_CHECKPOINT_H

#include "engine/train.h"
#include "engine/train/optimizer.h"

struct checkpoint {
    /*
     * Lines "name: value\n" of all that the result depends on.  Borrowed when written; when
     * reading, what the file must say.
     */
    const char *settings;
    uint64_t step;             /* done */
    uint64_t n_tokens;         /* seen */
    uint64_t epoch, cursor;    /* next sequence in the epoch's order */
    struct train_point *curve; /* borrowed when written, owned (free()) when read */
    size_t n_points;           /* one for each step, from step 1 on */
};

struct checkpoint_lock {
    char *path; /* owned; NULL: not held */
    int fd;
};

/*
 * Keep other trainings off the checkpoint: an advisory lock on a file beside it, PATH.lock, which
 * is removed by the release; the kernel lets go of it when the process is killed.  Errors: FAILED
 * (another training has it), IO (the folder cannot be written), NO_MEMORY; then it is not held.
 */
enum status checkpoint_lock_take(struct checkpoint_lock *lock, const char *path,
                                 struct error *error);
void checkpoint_lock_release(struct checkpoint_lock *lock); /* not held: nothing is done */

/* Errors: IO (the file of before is whole), NO_MEMORY. */
enum status checkpoint_write(const char *path, const struct checkpoint *checkpoint,
                             const struct parameter *parameters, size_t n_parameters,
                             struct optimizer *optimizer, struct error *error);
/*
 * checkpoint->settings is given, the rest is filled.  Errors: NOT_FOUND (no such file), DAMAGED
 * (name and offset), USAGE (of other settings or another shape: named), IO, NO_MEMORY.  On
 * failure parameters may be partly overwritten, and nothing is owned.
 */
enum status checkpoint_read(const char *path, struct checkpoint *checkpoint,
                            struct parameter *parameters, size_t n_parameters,
                            struct optimizer *optimizer, struct error *error);

#endif
