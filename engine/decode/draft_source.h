/*
 * draft_source.h - candidates from a smaller model
 *
 * The draft chooses as the target would: same noise, same positions, same settings, same
 * penalties; a model that drafts for itself is always right.  What it has consumed is compared
 * with the text when it is used next, and only then put right: a token that was never drafted
 * from costs it nothing.
 *
 * Thread: that of its target.
 */
#ifndef ENGINE_DECODE_DRAFT_SOURCE_H
#define ENGINE_DECODE_DRAFT_SOURCE_H

#include "engine/decode/sampler.h"
#include "engine/decode/target.h"

/* What every source is asked for. */
struct proposal_request {
    const int32_t *text; /* [n_text], the pending token at its end */
    uint32_t n_text;
    uint32_t n_wanted; /* at least 1 */
    const struct sampler *sampler;
    const struct sampling *sampling;
    uint64_t noise_seed;
    bool ignore_stop;
    const atomic_bool *cancel; /* may be NULL */
};

struct draft_source {
    struct decode_target target; /* borrows its context */
    struct sampler sampler;
    struct head_rows head; /* a row: of the last consumed token */
    uint32_t n_agreed;     /* consumed tokens known to be the text's */
    uint32_t n_behind;     /* tokens to read when it began to catch up; 0: it does not */
    bool awaits_pending; /* it has consumed all but the pending token, for a full acceptance */
    void (*progress)(void *context, size_t done, size_t total); /* of catching up; or NULL */
    void *progress_context;
};

enum status draft_source_init(struct draft_source *out, const struct decode_target *target,
                              struct error *error);
void draft_source_release(struct draft_source *source);
/* Another text may stand there now. */
void draft_source_begin(struct draft_source *source);
/* Tokens that it has to read before it can propose. */
uint32_t draft_source_missing(struct draft_source *source, const int32_t *text,
                              uint32_t n_text);
/* Has its context room for so many tokens and a proposal? */
bool draft_source_has_room(const struct draft_source *source, uint32_t n_text);
/* Read at most n_tokens of them, but never the pending one.  Errors: CANCELLED besides. */
enum status draft_source_read(struct draft_source *source, const int32_t *text, uint32_t n_text,
                              uint32_t n_tokens, const atomic_bool *cancel,
                              struct error *error);
/*
 * ids: [n_wanted]; *n: how many, 0 when it has no room, was cancelled, or (early_reject) would
 * not have chosen the pending token; *early says the latter.
 */
enum status draft_source_propose(struct draft_source *source,
                                 const struct proposal_request *request, bool early_reject,
                                 int32_t *ids, uint32_t *n, bool *early, struct error *error);

#endif
