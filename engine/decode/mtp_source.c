/*
 * mtp_source.c - choosing ahead with the block
 */
#include "engine/decode/mtp_source.h"

#include "engine/model/logit_order.h"

#include <string.h>

enum status mtp_source_init(struct mtp_source *out, const struct mtp_proposer *proposer,
                            uint32_t n_vocab, struct error *error)
{
    enum status status;

    *out = (struct mtp_source){.proposer = *proposer};
    status = head_rows_init(&out->head, 1, n_vocab, error);
    if (status == STATUS_OK)
        status = sampler_init(&out->sampler, n_vocab, error);
    if (status != STATUS_OK)
        mtp_source_release(out);
    return status;
}

void mtp_source_release(struct mtp_source *source)
{
    head_rows_release(&source->head);
    sampler_release(&source->sampler);
    memset(source, 0, sizeof *source);
}

/* How far the largest logit is above the second, as the sampler sees them. */
static float margin(const struct head_row *row, uint32_t n_vocab)
{
    float best = -__builtin_inff(), second = best;

    if (row->strategy != HEAD_FULL)
        return row->n_keys < 2 ? __builtin_inff()
                               : key_logit(row->keys[0]) - key_logit(row->keys[1]);
    for (uint32_t i = 0; i < n_vocab; i++) {
        if (i % HEAD_BLOCK == 0 && !(row->maxima[i / HEAD_BLOCK] > second)) {
            i += HEAD_BLOCK - 1;
        } else if (row->logits[i] > best) {
            second = best;
            best = row->logits[i];
        } else if (row->logits[i] > second) {
            second = row->logits[i];
        }
    }
    return best - second;
}

/* What the sampler wants, and the two best where they are compared. */
static struct head_row *ask(struct mtp_source *source, const struct proposal_request *request,
                            double min_margin)
{
    struct head_row *row = source->head.rows;

    sampler_ask(&source->sampler, request->sampling, NULL, 0, row);
    if (min_margin > 0 && row->n_best < 2)
        row->n_best = 2;
    return row;
}

enum status mtp_source_propose(struct mtp_source *source,
                               const struct proposal_request *request, double min_margin,
                               bool (*is_stop)(void *context, int32_t id), void *context,
                               int32_t *ids, uint32_t *n, bool *unsure, struct error *error)
{
    enum status status;
    struct head_row *row;

    sampler_copy_counts(&source->sampler, request->sampler);
    row = ask(source, request, min_margin);
    status =
        source->proposer.first(source->proposer.context, request->text[request->n_text - 1],
                               request->n_text - 1, row, error);
    *n = 0;
    *unsure = status == STATUS_OK && min_margin > 0 &&
              (double)margin(row, source->sampler.n_vocab) < min_margin;
    if (*unsure)
        return status;
    while (status == STATUS_OK) {
        const int32_t id = sampler_choose_row(&source->sampler, request->sampling, row,
                                              request->noise_seed, request->n_text + *n);
        if (id < 0 || (!request->ignore_stop && is_stop(context, id)))
            break;
        ids[(*n)++] = id;
        if (*n == request->n_wanted)
            break;
        sampler_accept(&source->sampler, id);
        row = ask(source, request, 0);
        status = source->proposer.next(source->proposer.context, id, row, error);
    }
    return status;
}
