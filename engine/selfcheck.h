/*
 * selfcheck.h - the law of the engine, proved on one model and one machine
 *
 * Compares bytes: chunks against steps, thread counts, verified and rejected rows against steps,
 * a restored and a forked state against a fresh one, every policy's text against the plain one at
 * several temperatures.
 *
 * Thread: the caller's; it makes sessions of its own.
 */
#ifndef ENGINE_SELFCHECK_H
#define ENGINE_SELFCHECK_H

#include "engine/session.h"

struct selfcheck_step {
    char what[96];   /* "chunks of 1, 7, 64 against steps" */
    char found[160]; /* "512 positions, logits and state equal"; or the first difference */
    uint32_t done, total;
    bool passed;
};

struct selfcheck_options {
    const struct model *draft; /* NULL, or borrows: same vocabulary */
    uint32_t n_tokens;         /* of each comparison; 0: chosen by the model's size */
    enum kv_type kv;
    int n_threads; /* most; 0: chosen */
    const atomic_bool *cancel;
    void (*report)(void *context, const struct selfcheck_step *step); /* after each */
    void *context;
};

/*
 * Errors: FAILED: something differed (which, where; the report said so too); CANCELLED;
 * NO_MEMORY; those of a session.  The steps after a difference are still made.
 */
enum status selfcheck_run(const struct model *model, const struct selfcheck_options *options,
                          struct error *error);

#endif
