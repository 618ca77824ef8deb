/*
 * draft_model.h - the smaller model that drafts: opened when it is first wanted, kept until another
 * one is
 *
 * Thread: the engine thread.
 */
#ifndef ENGINE_RUN_DRAFT_MODEL_H
#define ENGINE_RUN_DRAFT_MODEL_H

#include "engine/run/kept_states.h"
#include "engine/session.h"

/* All zero: none is open. */
struct draft_model {
    char *path; /* owned, as all below */
    struct model *model;
    struct session *session;
    struct kept_states kept; /* of session */
};

struct draft_options {
    const char *path;
    enum kernel_level level;
    enum weights_cache_mode weights_cache;
    const char *weights_cache_folder;
    /* workers_of: the target's; n_context: the target's, or what the draft has. */
    struct session_options session;
    void (*progress)(void *context, enum model_load_phase phase, uint64_t done, uint64_t total);
    void *context;
    const atomic_bool *cancel;
};

/* Is it this file that is open? */
bool draft_model_is(const struct draft_model *draft, const char *path);
/*
 * Open a file as a draft.  *out is written on success alone, and holds nothing before.
 * Errors: those of model_open() and session_new(); CANCELLED.
 */
enum status draft_model_open(struct draft_model *out, const struct draft_options *options,
                             struct error *error);
void draft_model_release(struct draft_model *draft);

#endif
