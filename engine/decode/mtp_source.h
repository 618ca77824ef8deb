/*
 * mtp_source.h - candidates from the model's own block for the token after next
 *
 * A pass drafts a short stage; after one that was wholly accepted the next drafts up to gamma.  A
 * first candidate that is hardly ahead of the second best ends drafting, as a rejection does.
 */
#ifndef ENGINE_DECODE_MTP_SOURCE_H
#define ENGINE_DECODE_MTP_SOURCE_H

#include "engine/decode/draft_source.h"
#include "engine/policy.h"

/* The block.  It keeps its own rows in step with what the target commits. */
struct mtp_proposer {
    void *context;
    /*
     * The pending token, chosen for `position`, with the trunk's hidden row before it: what row
     * wants of the logits of the token behind it.
     */
    enum status (*first)(void *context, int32_t token, uint32_t position, struct head_row *row,
                         struct error *error);
    /* One further, from the block's own hidden row. */
    enum status (*next)(void *context, int32_t token, struct head_row *row,
                        struct error *error);
};

/* The block of a session whose model has one.  Borrows it. */
struct session;
struct mtp_proposer session_block(struct session *session);

struct mtp_source {
    struct mtp_proposer proposer; /* borrows its context */
    struct sampler sampler;
    struct head_rows head; /* a row */
    bool grown;            /* the last proposal was wholly accepted */
};

enum status mtp_source_init(struct mtp_source *out, const struct mtp_proposer *proposer,
                            uint32_t n_vocab, struct error *error);
void mtp_source_release(struct mtp_source *source);
/*
 * ids: [n_wanted]; *n: how many.  *unsure: the first candidate was below min_margin, and none is
 * proposed.
 */
enum status mtp_source_propose(struct mtp_source *source,
                               const struct proposal_request *request, double min_margin,
                               bool (*is_stop)(void *context, int32_t id), void *context,
                               int32_t *ids, uint32_t *n, bool *unsure, struct error *error);

#endif
