/*
 * train_options.h - the command line of `banter train` as settings of the trainer
 *
 * Thread: the main thread.
 */
#ifndef APP_TRAIN_OPTIONS_H
#define APP_TRAIN_OPTIONS_H

#include "app/options.h"
#include "engine/train.h"

struct train_options {
    struct train_settings settings; /* without data and what is called back */
    struct sampling_choice sampling;
    bool keeps_checkpoint; /* it was named: it stays when the training is done */
    char *checkpoint_path; /* owned; what settings.checkpoint_path is */
};

/* 0, or the exit code, told.  Released in every case. */
int train_options_read(struct train_options *options, struct invocation *invocation);
void train_options_release(struct train_options *options);

#endif
