/*
 * draft_source.c - catching up, then choosing ahead
 */
#include "engine/decode/draft_source.h"

#include <string.h>

enum { SLICE = 128 }; /* tokens read between two reports of progress */

enum status draft_source_init(struct draft_source *out, const struct decode_target *target,
                              struct error *error)
{
    enum status status;

    *out = (struct draft_source){.target = *target};
    status = head_rows_init(&out->head, 1, target->n_vocab, error);
    if (status == STATUS_OK)
        status = sampler_init(&out->sampler, target->n_vocab, error);
    if (status == STATUS_OK && target->kernels)
        out->sampler.kernels = target->kernels;
    if (status != STATUS_OK)
        draft_source_release(out);
    return status;
}

void draft_source_release(struct draft_source *source)
{
    head_rows_release(&source->head);
    sampler_release(&source->sampler);
    memset(source, 0, sizeof *source);
}

void draft_source_begin(struct draft_source *source)
{
    source->n_agreed = source->n_behind = 0;
    source->awaits_pending = false;
}

static uint32_t position(const struct draft_source *source)
{
    return source->target.position(source->target.context);
}

/* n_agreed: consumed tokens that are the text's, up to the first that is not or is pending */
static void compare(struct draft_source *source, const int32_t *text, uint32_t n_text)
{
    const int32_t *consumed = source->target.tokens(source->target.context);
    const uint32_t n = position(source);

    if (source->n_agreed > n_text - 1)
        source->n_agreed = n_text - 1;
    while (source->n_agreed < n && source->n_agreed < n_text - 1 &&
           consumed[source->n_agreed] == text[source->n_agreed])
        source->n_agreed++;
}

/* The tokens that are left when what is not the text's is gone. */
static uint32_t kept(const struct draft_source *source)
{
    if (position(source) <= source->n_agreed)
        return position(source);
    return source->n_agreed >= source->target.reach(source->target.context) ? source->n_agreed
                                                                            : 0;
}

uint32_t draft_source_missing(struct draft_source *source, const int32_t *text, uint32_t n_text)
{
    compare(source, text, n_text);
    return n_text - kept(source);
}

/* Back to a state that has consumed nothing but the text. */
static enum status drop_foreign(struct draft_source *source, struct error *error)
{
    const uint32_t n = kept(source);
    enum status status = STATUS_OK;

    if (n == position(source))
        return STATUS_OK;
    if (n > 0)
        status = source->target.rewind(source->target.context, n, error);
    else
        source->target.reset(source->target.context);
    source->n_agreed = n;
    source->awaits_pending = false;
    return status;
}

/*
 * One token and what the draft holds for the next.  The sampler counts what stands before that
 * one.
 */
static enum status step(struct draft_source *source, const struct proposal_request *request,
                        int32_t token, struct error *error)
{
    sampler_ask(&source->sampler, request->sampling, NULL, 0, source->head.rows);
    return source->target.consume(source->target.context, &token, 1, source->head.rows, NULL,
                                  error);
}

bool draft_source_has_room(const struct draft_source *source, uint32_t n_text)
{
    return position(source) + source->target.room(source->target.context) > n_text;
}

/* A text that is read in several slices is worth a report. */
static void report(struct draft_source *source, uint32_t n_left)
{
    if (source->progress && source->n_behind > SLICE)
        source->progress(source->progress_context, source->n_behind - n_left, source->n_behind);
    if (n_left == 0)
        source->n_behind = 0;
}

enum status draft_source_read(struct draft_source *source, const int32_t *text, uint32_t n_text,
                              uint32_t n_tokens, const atomic_bool *cancel, struct error *error)
{
    enum status status;
    uint32_t at, n_left;

    compare(source, text, n_text);
    status = drop_foreign(source, error);
    at = position(source);
    if (status != STATUS_OK || at + 1 >= n_text)
        return status;
    n_left = n_text - 1 - at;
    n_tokens = n_tokens < n_left ? n_tokens : n_left;
    if (n_tokens > source->target.room(source->target.context))
        return STATUS_OK;
    if (n_left > source->n_behind)
        source->n_behind = n_left;
    status = source->target.consume(source->target.context, text + at, n_tokens, NULL, cancel,
                                    error);
    source->n_agreed = position(source);
    if (status == STATUS_OK)
        report(source, n_left - n_tokens);
    return status;
}

/* The choice for the position behind what was consumed. */
static int32_t choose(struct draft_source *source, const struct proposal_request *request)
{
    return sampler_choose_row(&source->sampler, request->sampling, source->head.rows,
                              request->noise_seed, position(source));
}

static bool is_cancelled(const struct proposal_request *request)
{
    return request->cancel && atomic_load_explicit(request->cancel, memory_order_relaxed);
}

/* Read up to the token before the pending one. */
static enum status catch_up(struct draft_source *source, const struct proposal_request *request,
                            struct error *error)
{
    enum status status = STATUS_OK;

    while (status == STATUS_OK && position(source) + 1 < request->n_text &&
           !is_cancelled(request))
        status = draft_source_read(source, request->text, request->n_text, SLICE,
                                   request->cancel, error);
    return status;
}

/*
 * After a full acceptance the last candidate is not consumed yet; consuming it alone shows what
 * the draft holds for the pending token.  A miss there saves a proposal that begins in doubt.
 */
static enum status is_missed(struct draft_source *source,
                             const struct proposal_request *request, bool *missed,
                             struct error *error)
{
    const int32_t pending = request->text[request->n_text - 1];
    enum status status;

    /* The sampler has counted the pending token already; leave it out where that matters. */
    sampler_copy_counts(&source->sampler, request->sampler);
    sampler_forget(&source->sampler, pending);
    status = step(source, request, request->text[request->n_text - 2], error);
    source->n_agreed = position(source);
    if (status == STATUS_OK)
        *missed = choose(source, request) != pending;
    return status;
}

static enum status choose_ahead(struct draft_source *source,
                                const struct proposal_request *request, int32_t *ids,
                                uint32_t *n, struct error *error)
{
    enum status status = STATUS_OK;

    while (status == STATUS_OK && *n < request->n_wanted && !is_cancelled(request)) {
        const int32_t id = choose(source, request);
        if (id < 0 ||
            (!request->ignore_stop && source->target.is_stop(source->target.context, id)))
            break;
        ids[(*n)++] = id;
        if (*n == request->n_wanted)
            break;
        sampler_accept(&source->sampler, id);
        status = step(source, request, id, error);
    }
    source->awaits_pending = true;
    return status;
}

static enum status propose(struct draft_source *source, const struct proposal_request *request,
                           bool early_reject, int32_t *ids, uint32_t *n, bool *early,
                           struct error *error)
{
    enum status status = drop_foreign(source, error);

    if (status == STATUS_OK && early_reject && source->awaits_pending && request->n_text >= 2 &&
        position(source) + 2 == request->n_text)
        status = is_missed(source, request, early, error);
    else if (status == STATUS_OK)
        status = catch_up(source, request, error);
    source->awaits_pending = false;
    if (status != STATUS_OK || *early || is_cancelled(request))
        return status;
    if (request->n_wanted > 1) /* a proposal of one consumes nothing that could be wrong */
        source->target.mark(source->target.context);
    sampler_copy_counts(&source->sampler, request->sampler);
    status = step(source, request, request->text[request->n_text - 1], error);
    source->n_agreed = position(source);
    return status == STATUS_OK ? choose_ahead(source, request, ids, n, error) : status;
}

enum status draft_source_propose(struct draft_source *source,
                                 const struct proposal_request *request, bool early_reject,
                                 int32_t *ids, uint32_t *n, bool *early, struct error *error)
{
    enum status status;

    *n = 0;
    *early = false;
    compare(source, request->text, request->n_text);
    if (!draft_source_has_room(source, request->n_text + request->n_wanted - 1))
        return STATUS_OK;
    status = propose(source, request, early_reject, ids, n, early, error);
    if (status == STATUS_OK)
        return status;
    *n = 0;
    *early = false;
    if (status == STATUS_CANCELLED) { /* what was read is good */
        error_clear(error);
        return STATUS_OK;
    }
    source->target.reset(source->target.context);
    source->n_agreed = 0;
    return status;
}
