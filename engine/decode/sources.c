/*
 * sources.c - asking one source for candidates, with its gates
 */
#include "engine/decode/sources.h"

#include "engine/decode/proposals.h"
#include "engine/decode/risk_gate.h"

static struct proposal_request request_for(const struct asking *asking, uint32_t n_wanted)
{
    const struct decode *decode = asking->decode;

    return (struct proposal_request){
        .text = decode->index.tokens,
        .n_text = decode->index.n_tokens,
        .n_wanted = n_wanted,
        .sampler = decode->sampler,
        .sampling = &asking->generation->sampling,
        .noise_seed = asking->generation->noise_seed,
        .ignore_stop = asking->generation->ignore_stop,
        .cancel = asking->generation->cancel,
    };
}

/* Candidates from a stop token on would not be shown. */
static uint32_t before_stop(const struct asking *asking, const int32_t *ids, uint32_t n)
{
    const struct decode_target *target = &asking->decode->target;

    for (uint32_t i = 0; i < n && !asking->generation->ignore_stop; i++)
        if (target->is_stop(target->context, ids[i]))
            return i;
    return n;
}

static void ask_ngram(const struct asking *asking)
{
    struct decode *decode = asking->decode;
    const struct policy_settings *s = &decode->settings;
    const struct ngram_search search = {
        .gamma = s->ngram.gamma < asking->limit ? s->ngram.gamma : asking->limit,
        .min = s->ngram.min,
        .max = s->ngram.max,
        .min_candidates = s->ngram.min_candidates,
        .recursive = s->ngram.recursive,
    };
    struct proposal *proposal = &decode->proposal;
    const struct ngram_match match = ngram_index_find(&decode->index, &search, proposal->ids);
    const uint32_t n = before_stop(asking, proposal->ids, match.n);
    const char *risk;

    if (n == 0)
        return;
    if (s->ngram.corridor &&
        !corridor_holds(proposal->ids, n, match.length,
                        &(struct corridor){s->ngram.corridor_min_size,
                                           s->ngram.corridor_match_length,
                                           s->ngram.corridor_lag4, s->ngram.corridor_lag8,
                                           s->ngram.corridor_entropy})) {
        cycle_say(asking->cycle, POLICY_GATED, "ngram: %u candidates that nothing speaks for",
                  n);
        return;
    }
    risk = s->ngram.risk_gate ? risk_of(proposal->ids, n, match.length, s->ngram.risk_min_size,
                                        s->ngram.risk_tightened)
                              : NULL;
    if (risk) {
        proposals_switch_off(decode, POLICY_SOURCE_NGRAM);
        cycle_say(asking->cycle, POLICY_GATED, "ngram: %s", risk);
        return;
    }
    proposal->n = n;
    proposal->stage = s->ngram.stage_min > 0 && n >= s->ngram.stage_min ? s->ngram.stage : n;
    cycle_say(asking->cycle, POLICY_DRAFTING, "ngram: %u tokens seen before", match.length);
}

static int32_t wrong_token(const struct decode *decode, int32_t right)
{
    const struct decode_target *target = &decode->target;
    int32_t id = right;

    do
        id = (int32_t)(((uint32_t)id + 1) % target->n_vocab);
    while (id != right && target->is_stop(target->context, id));
    return id;
}

/* The draft of benches: what will be said, but for the candidates that are to be wrong. */
static void ask_script(const struct asking *asking, uint32_t wanted)
{
    struct decode *decode = asking->decode;
    struct proposal *proposal = &decode->proposal;
    const struct policy_script *script = decode->script;
    uint32_t n = 0;

    wanted = wanted < asking->limit ? wanted : asking->limit;
    for (uint32_t at = decode->index.n_tokens; n < wanted && at >= script->first_position &&
                                               at - script->first_position < script->n_tokens;
         at++) {
        int32_t id = script->tokens[at - script->first_position];
        if (sampling_noise(script->seed, at, 0) >= script->acceptance)
            id = wrong_token(decode, id);
        proposal->ids[n++] = id;
    }
    decode->virtual_seconds += n * script->seconds_per_token;
    proposal->n = proposal->stage = before_stop(asking, proposal->ids, n);
    if (proposal->n > 0)
        cycle_say(asking->cycle, POLICY_DRAFTING, "scripted draft: gamma %u", wanted);
    else
        cycle_say(asking->cycle, POLICY_PLAIN, "the scripted draft has nothing to propose");
}

static enum status ask_draft(const struct asking *asking, uint32_t wanted, struct error *error)
{
    struct decode *decode = asking->decode;
    struct proposal *proposal = &decode->proposal;
    const struct proposal_request request =
        request_for(asking, wanted < asking->limit ? wanted : asking->limit);
    bool early;
    const enum status status = draft_source_propose(&decode->draft, &request,
                                                    decode->settings.speculative.early_reject,
                                                    proposal->ids, &proposal->n, &early, error);

    proposal->stage = proposal->n;
    if (early) {
        struct policy_count *count = &decode->statistics.by_source[POLICY_SOURCE_DRAFT];
        decode->statistics.early_rejected++;
        decode->statistics.proposed++;
        decode->statistics.verified++;
        decode->statistics.rejected++;
        decode->statistics.position_verified[0]++;
        count->proposed++;
        count->verified++;
        asking->cycle->told.source = POLICY_SOURCE_DRAFT;
        asking->cycle->told.proposed = 1;
        asking->cycle->told.verified = 1;
        asking->cycle->told.decision = "early reject";
        cycle_say(asking->cycle, POLICY_DRAFTING, "the draft missed the pending token");
        proposal->source = POLICY_SOURCE_DRAFT;
        auto_policy_missed(&decode->automatic, POLICY_SOURCE_DRAFT);
        proposals_settle(decode, 0, true);
    } else if (proposal->n > 0) {
        cycle_say(asking->cycle, POLICY_DRAFTING, "draft: gamma %u", request.n_wanted);
    } else if (status == STATUS_OK) {
        cycle_say(asking->cycle, POLICY_PLAIN, "the draft has nothing to propose");
    }
    return status;
}

static enum status ask_mtp(const struct asking *asking, uint32_t wanted, struct error *error)
{
    struct decode *decode = asking->decode;
    const struct decode_target *target = &decode->target;
    struct proposal *proposal = &decode->proposal;
    const struct proposal_request request =
        request_for(asking, wanted < asking->limit ? wanted : asking->limit);
    bool unsure;
    const enum status status = mtp_source_propose(
        &decode->mtp, &request, decode->settings.mtp.min_margin, target->is_stop,
        target->context, proposal->ids, &proposal->n, &unsure, error);

    proposal->stage = proposal->n;
    if (unsure) {
        proposals_switch_off(decode, POLICY_SOURCE_MTP);
        cycle_say(asking->cycle, POLICY_GATED, "mtp: the first candidate is hardly ahead");
    } else if (proposal->n > 0) {
        cycle_say(asking->cycle, POLICY_DRAFTING, "mtp: %u", request.n_wanted);
    }
    return status;
}

/* Candidates that the block may draft now; 0: it may not. */
uint32_t sources_mtp_wanted(const struct asking *asking)
{
    const struct policy_settings *s = &asking->decode->settings;

    if (asking->limit + 1 < s->mtp.min_remaining)
        return 0;
    return asking->decode->mtp.grown ? s->mtp.gamma : s->mtp.stage;
}

uint32_t sources_missing(struct decode *decode)
{
    return decode->script ? 0
                          : draft_source_missing(&decode->draft, decode->index.tokens,
                                                 decode->index.n_tokens);
}

enum status sources_ask(const struct asking *asking, enum policy_source source, uint32_t wanted,
                        struct error *error)
{
    struct decode *decode = asking->decode;
    const bool reads = source == POLICY_SOURCE_DRAFT && sources_missing(decode) > NEARLY_THERE;
    const double begin = decode_now(decode);
    double seconds;
    enum status status = STATUS_OK;

    asking->decode->proposal = (struct proposal){.source = source};
    switch (source) {
    case POLICY_SOURCE_NGRAM: ask_ngram(asking); break;
    case POLICY_SOURCE_DRAFT:
        if (asking->decode->script)
            ask_script(asking, wanted);
        else
            status = ask_draft(asking, wanted, error);
        break;
    case POLICY_SOURCE_MTP: status = ask_mtp(asking, wanted, error); break;
    default: break;
    }
    seconds = decode_now(decode) - begin;
    asking->cycle->told.draft_seconds += seconds;
    if (!reads) /* the search in the text has no cost for each candidate */
        auto_policy_drafted(&decode->automatic, source,
                            source == POLICY_SOURCE_NGRAM ? 0 : decode->proposal.n, seconds);
    return status;
}
