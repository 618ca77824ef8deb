/*
 * mtp_source.c - choosing ahead with the block
 */
#include "engine/decode/mtp_source.h"

#include "engine/file/checked.h"

#include <stdlib.h>
#include <string.h>

enum status mtp_source_init(struct mtp_source *out, const struct mtp_proposer *proposer,
                            uint32_t n_vocab, struct error *error)
{
    enum status status;

    *out = (struct mtp_source){.proposer = *proposer};
    out->logits = checked_allocate(n_vocab, sizeof *out->logits);
    if (!out->logits)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a draft");
    status = sampler_init(&out->sampler, n_vocab, error);
    if (status != STATUS_OK)
        mtp_source_release(out);
    return status;
}

void mtp_source_release(struct mtp_source *source)
{
    free(source->logits);
    sampler_release(&source->sampler);
    memset(source, 0, sizeof *source);
}

/* How far the largest logit is above the second. */
static float margin(const float *logits, uint32_t n)
{
    float best = -__builtin_inff(), second = best;

    for (uint32_t i = 0; i < n; i++) {
        if (logits[i] > best) {
            second = best;
            best = logits[i];
        } else if (logits[i] > second) {
            second = logits[i];
        }
    }
    return best - second;
}

enum status mtp_source_propose(struct mtp_source *source,
                               const struct proposal_request *request, double min_margin,
                               bool (*is_stop)(void *context, int32_t id), void *context,
                               int32_t *ids, uint32_t *n, bool *unsure, struct error *error)
{
    enum status status =
        source->proposer.first(source->proposer.context, request->text[request->n_text - 1],
                               request->n_text - 1, source->logits, error);

    *n = 0;
    *unsure = status == STATUS_OK && min_margin > 0 &&
              (double)margin(source->logits, source->sampler.n_vocab) < min_margin;
    if (*unsure)
        return status;
    sampler_copy_counts(&source->sampler, request->sampler);
    while (status == STATUS_OK) {
        const int32_t id = sampler_choose(&source->sampler, request->sampling, source->logits,
                                          request->noise_seed, request->n_text + *n);
        if (id < 0 || (!request->ignore_stop && is_stop(context, id)))
            break;
        ids[(*n)++] = id;
        if (*n == request->n_wanted)
            break;
        sampler_accept(&source->sampler, id);
        status = source->proposer.next(source->proposer.context, id, source->logits, error);
    }
    return status;
}
