/*
 * draft_model.c - opening a draft
 */
#include "engine/run/draft_model.h"

#include <stdlib.h>
#include <string.h>

bool draft_model_is(const struct draft_model *draft, const char *path)
{
    return draft->path != NULL && strcmp(draft->path, path) == 0;
}

static enum status open_parts(struct draft_model *draft, const struct draft_options *options,
                              struct error *error)
{
    const struct model_options model = {.level = options->level,
                                        .n_threads =
                                            session_thread_count(options->session.workers_of),
                                        .weights_cache = options->weights_cache,
                                        .weights_cache_folder = options->weights_cache_folder,
                                        .progress = options->progress,
                                        .progress_context = options->context,
                                        .cancel = options->cancel};
    struct session_options session = options->session;
    enum status status = model_open(&draft->model, options->path, &model, error);

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
