/*
 * trainer.h - what train_run() is made of
 */
#ifndef ENGINE_TRAIN_TRAINER_H
#define ENGINE_TRAIN_TRAINER_H

#include "engine/file/gguf.h"
#include "engine/train.h"
#include "engine/train/checkpoint.h"
#include "engine/train/data.h"
#include "engine/train/network.h"
#include "engine/train/optimizer.h"

struct pool;

/* Everything in it is owned, but for the settings. */
struct trainer {
    const struct train_settings *settings;
    struct gguf *keys; /* the vocabulary, or the model that is trained further */
    struct network *network;
    struct pool *pool;
    const struct train_kernels *kernels;
    struct tape *tape;
    struct optimizer *optimizer;
    struct data_order *order, *held_out;
    struct schedule schedule;
    struct checkpoint_lock lock;
    char *settings_text; /* see checkpoint.h */
    uint64_t step;       /* done */
    uint64_t n_tokens;   /* seen */
    struct train_point *curve;
    size_t n_points, room_points;
};

/* Check the settings and make all parts.  On failure, too, the trainer is to be released. */
enum status trainer_new(struct trainer *trainer, const struct train_settings *settings,
                        struct error *error);
void trainer_release(struct trainer *trainer);

#endif
