/*
 * draft_model.c - opening a draft, and whether its vocabulary is the target's
 */
#include "engine/run/draft_model.h"

#include <stdlib.h>
#include <string.h>

bool draft_model_is(const struct draft_model *draft, const char *path)
{
    return draft->path != NULL && strcmp(draft->path, path) == 0;
}

/* A draft says token numbers: the same number has to be the same text. */
static enum status check_vocabulary(const struct model *draft, const struct model *target,
                                    struct error *error)
{
    const uint32_t n = model_info(target)->n_vocab;
    const uint32_t n_draft = model_info(draft)->n_vocab;

    if (n_draft != n)
        return error_set(error, STATUS_USAGE,
                         "the draft model has another vocabulary: %u tokens instead of %u",
                         n_draft, n);
    for (uint32_t id = 0; id < n; id++) {
        size_t n_bytes = 0;
        size_t n_draft_bytes = 0;
        const char *text = model_token_text(target, (int32_t)id, &n_bytes);
        const char *draft_text = model_token_text(draft, (int32_t)id, &n_draft_bytes);
        if (n_bytes != n_draft_bytes || (n_bytes > 0 && memcmp(text, draft_text, n_bytes) != 0))
            return error_set(error, STATUS_USAGE,
                             "the draft model has another vocabulary: token %u differs", id);
    }
    return STATUS_OK;
}

static enum status open_parts(struct draft_model *draft, const struct draft_options *options,
                              struct error *error)
{
    const struct model_options model = {.level = options->level,
                                        .n_threads = options->session.n_threads,
                                        .progress = options->progress,
                                        .progress_context = options->context,
                                        .cancel = options->cancel};
    struct session_options session = options->session;
    enum status status = model_open(&draft->model, options->path, &model, error);

    if (status == STATUS_OK)
        status = check_vocabulary(draft->model, options->target, error);
    if (status != STATUS_OK)
        return status;
    if (session.n_context > model_info(draft->model)->n_context)
        session.n_context = model_info(draft->model)->n_context;
    return session_new(&draft->session, draft->model, &session, error);
}

enum status draft_model_open(struct draft_model *out, const struct draft_options *options,
                             struct error *error)
{
    struct draft_model draft = {.path = strdup(options->path)};
    enum status status;

    if (draft.path == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the draft model");
    kept_states_init(&draft.kept);
    status = open_parts(&draft, options, error);
    if (status != STATUS_OK) {
        if (error != NULL && status != STATUS_CANCELLED)
            error_path(error, options->path);
        draft_model_release(&draft);
        return status;
    }
    *out = draft;
    return STATUS_OK;
}

void draft_model_release(struct draft_model *draft)
{
    kept_states_release(&draft->kept);
    session_free(&draft->session);
    model_close(&draft->model);
    free(draft->path);
    *draft = (struct draft_model){0};
}
