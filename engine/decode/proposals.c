/*
 * proposals.c - sources in order, their gates and their schedules
 */
#include "engine/decode/proposals.h"

#include "engine/decode/risk_gate.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const uint32_t OFF_FOR_GOOD = UINT32_MAX;

double decode_now(const struct decode *decode)
{
    return decode->virtual_seconds + (decode->clock ? decode->clock(decode->clock_context) : 0);
}

static void reset_schedule(struct decode *decode)
{
    decode->gamma = decode->settings.speculative.gamma;
    decode->streak = 0;
    decode->growth_allowed = true;
}

void proposals_begin(struct decode *decode)
{
    proposals_switch(decode);
    memset(decode->cooldown, 0, sizeof decode->cooldown);
    decode->proposal = (struct proposal){.n = 0};
    decode->n_proposals = 0;
    decode->mtp.grown = false;
    reset_schedule(decode);
    draft_source_begin(&decode->draft);
    auto_policy_begin(&decode->automatic);
}

void proposals_switch(struct decode *decode)
{
    if (!decode->switches)
        return;
    decode->switches = false;
    if (decode->proposal.n > 0)
        proposals_settle(decode, decode->proposal.at, false);
    decode->settings = decode->next;
    auto_policy_set(&decode->automatic, decode->settings.kind == POLICY_AUTO,
                    decode->settings.automatic.budget, decode->settings.decay);
    ngram_index_set_min(&decode->index, decode->settings.ngram.min);
    memset(decode->cooldown, 0, sizeof decode->cooldown);
    decode->n_proposals = 0;
    decode->mtp.grown = false;
    reset_schedule(decode);
}

static void switch_off(struct decode *decode, enum policy_source source)
{
    decode->cooldown[source] =
        decode->settings.decay > 0 ? decode->settings.decay : OFF_FOR_GOOD;
    decode->statistics.fallbacks++;
}

void proposals_disable(struct decode *decode)
{
    for (int s = 0; s < POLICY_SOURCE_COUNT; s++)
        decode->cooldown[s] = OFF_FOR_GOOD;
}

void proposals_cool(struct decode *decode)
{
    for (int s = 0; s < POLICY_SOURCE_COUNT; s++)
        if (decode->cooldown[s] > 0 && decode->cooldown[s] != OFF_FOR_GOOD &&
            --decode->cooldown[s] == 0 && s == POLICY_SOURCE_DRAFT)
            reset_schedule(decode);
}

__attribute__((format(printf, 3, 4))) static void say(struct decode_cycle *cycle,
                                                      enum policy_state state,
                                                      const char *format, ...)
{
    va_list arguments;

    cycle->told.state = state;
    va_start(arguments, format);
    vsnprintf(cycle->reason, sizeof cycle->reason, format, arguments);
    va_end(arguments);
}

/* Asking the sources -------------------------------------------------------------------- */

struct asking {
    struct decode *decode;
    const struct generation *generation;
    struct decode_cycle *cycle;
    uint32_t limit;
};

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
        say(asking->cycle, POLICY_GATED, "ngram: %u candidates that nothing speaks for", n);
        return;
    }
    risk = s->ngram.risk_gate ? risk_of(proposal->ids, n, match.length, s->ngram.risk_min_size,
                                        s->ngram.risk_tightened)
                              : NULL;
    if (risk) {
        switch_off(decode, POLICY_SOURCE_NGRAM);
        say(asking->cycle, POLICY_GATED, "ngram: %s", risk);
        return;
    }
    proposal->n = n;
    proposal->stage = s->ngram.stage_min > 0 && n >= s->ngram.stage_min ? s->ngram.stage : n;
    say(asking->cycle, POLICY_DRAFTING, "ngram: %u tokens seen before", match.length);
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
        say(asking->cycle, POLICY_DRAFTING, "scripted draft: gamma %u", wanted);
    else
        say(asking->cycle, POLICY_PLAIN, "the scripted draft has nothing to propose");
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
        say(asking->cycle, POLICY_DRAFTING, "the draft missed the pending token");
        proposal->source = POLICY_SOURCE_DRAFT;
        auto_policy_missed(&decode->automatic, POLICY_SOURCE_DRAFT);
        proposals_settle(decode, 0, true);
    } else if (proposal->n > 0) {
        say(asking->cycle, POLICY_DRAFTING, "draft: gamma %u", request.n_wanted);
    } else if (status == STATUS_OK) {
        say(asking->cycle, POLICY_PLAIN, "the draft has nothing to propose");
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
        switch_off(decode, POLICY_SOURCE_MTP);
        say(asking->cycle, POLICY_GATED, "mtp: the first candidate is hardly ahead");
    } else if (proposal->n > 0) {
        say(asking->cycle, POLICY_DRAFTING, "mtp: %u", request.n_wanted);
    }
    return status;
}

/* Candidates that the block may draft now; 0: it may not. */
static uint32_t mtp_wanted(const struct asking *asking)
{
    const struct policy_settings *s = &asking->decode->settings;

    if (asking->limit + 1 < s->mtp.min_remaining)
        return 0;
    return asking->decode->mtp.grown ? s->mtp.gamma : s->mtp.stage;
}

enum { NEARLY_THERE = 2 }; /* tokens for a draft to read that count as part of a proposal */

static uint32_t missing_of_draft(struct decode *decode)
{
    return decode->script ? 0
                          : draft_source_missing(&decode->draft, decode->index.tokens,
                                                 decode->index.n_tokens);
}

static enum status ask(const struct asking *asking, enum policy_source source, uint32_t wanted,
                       struct error *error)
{
    struct decode *decode = asking->decode;
    const bool reads = source == POLICY_SOURCE_DRAFT && missing_of_draft(decode) > NEARLY_THERE;
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

/* Policies ------------------------------------------------------------------------------ */

static void explain_cooling(struct decode *decode, struct decode_cycle *cycle)
{
    for (uint32_t i = 0; i < decode->settings.n_sources; i++) {
        const enum policy_source s = decode->settings.sources[i];
        if (decode->cooldown[s] == 0)
            continue;
        decode->statistics.cooldown = decode->cooldown[s];
        if (decode->cooldown[s] == OFF_FOR_GOOD)
            say(cycle, POLICY_FALLBACK, "%s is off for this answer", policy_source_name(s));
        else
            say(cycle, s == POLICY_SOURCE_DRAFT ? POLICY_FALLBACK : POLICY_COOLDOWN,
                "%s again after %u plain tokens", policy_source_name(s), decode->cooldown[s]);
        return;
    }
}

static enum status ask_in_order(const struct asking *asking, struct error *error)
{
    struct decode *decode = asking->decode;
    enum status status = STATUS_OK;

    explain_cooling(decode, asking->cycle);
    for (uint32_t i = 0; i < decode->settings.n_sources && status == STATUS_OK; i++) {
        const enum policy_source s = decode->settings.sources[i];
        uint32_t wanted = decode->gamma;
        if (!decode->is_there[s] || decode->cooldown[s] > 0)
            continue;
        if (s == POLICY_SOURCE_MTP)
            wanted = mtp_wanted(asking);
        if (wanted == 0)
            continue;
        status = ask(asking, s, wanted, error);
        if (decode->proposal.n > 0 || asking->cycle->told.decision != NULL)
            break;
    }
    return status;
}

/* A draft that is far behind catches up in slices that the account covers. */
static enum status read_slice(const struct asking *asking, uint32_t n_missing,
                              uint32_t n_without, struct error *error)
{
    struct decode *decode = asking->decode;
    const uint32_t n = auto_policy_may_read(&decode->automatic, n_missing - 1, n_without);
    double begin, seconds;
    enum status status;

    if (n == 0)
        return STATUS_OK;
    begin = decode_now(decode);
    status = draft_source_read(&decode->draft, decode->index.tokens, decode->index.n_tokens, n,
                               asking->generation->cancel, error);
    if (status == STATUS_CANCELLED) { /* the pass that follows ends the answer */
        error_clear(error);
        status = STATUS_OK;
    }
    seconds = decode_now(decode) - begin;
    asking->cycle->told.draft_seconds += seconds;
    auto_policy_read(&decode->automatic, n, seconds);
    return status;
}

/* Is a source named, there and not switched off? */
static bool may_ask(const struct decode *decode, enum policy_source source)
{
    bool is_named = false;

    for (uint32_t i = 0; i < decode->settings.n_sources; i++)
        is_named = is_named || decode->settings.sources[i] == source;
    return is_named && decode->is_there[source] && decode->cooldown[source] == 0;
}

static enum status survey_draft(const struct asking *asking, uint32_t most[POLICY_SOURCE_COUNT],
                                struct error *error)
{
    struct decode *decode = asking->decode;
    uint32_t missing;

    if (!may_ask(decode, POLICY_SOURCE_DRAFT))
        return STATUS_OK;
    missing = missing_of_draft(decode);
    if (!decode->script && !draft_source_has_room(&decode->draft, decode->index.n_tokens))
        return STATUS_OK;
    if (missing > NEARLY_THERE)
        return read_slice(asking, missing, most[POLICY_SOURCE_MTP], error);
    most[POLICY_SOURCE_DRAFT] = decode->settings.speculative.max_gamma;
    return STATUS_OK;
}

/* What each source could propose; the n-gram's candidates are in decode->proposal. */
static enum status survey(const struct asking *asking, uint32_t most[POLICY_SOURCE_COUNT],
                          struct error *error)
{
    struct decode *decode = asking->decode;
    enum status status;

    if (may_ask(decode, POLICY_SOURCE_MTP) && mtp_wanted(asking) > 0)
        most[POLICY_SOURCE_MTP] = decode->settings.mtp.gamma;
    status = survey_draft(asking, most, error);
    for (int s = 0; s < POLICY_SOURCE_COUNT; s++)
        if (most[s] > asking->limit)
            most[s] = asking->limit;
    if (status == STATUS_OK && may_ask(decode, POLICY_SOURCE_NGRAM)) {
        status = ask(asking, POLICY_SOURCE_NGRAM, 0, error);
        most[POLICY_SOURCE_NGRAM] = decode->proposal.n;
    }
    return status;
}

static enum status ask_what_pays(const struct asking *asking, struct error *error)
{
    struct decode *decode = asking->decode;
    uint32_t most[POLICY_SOURCE_COUNT] = {0};
    struct auto_choice choice;
    enum status status = survey(asking, most, error);

    if (status != STATUS_OK)
        return status;
    choice = auto_policy_choose(&decode->automatic, most);
    if (choice.source == POLICY_SOURCE_NGRAM) {
        decode->proposal.n = decode->proposal.stage = choice.n;
    } else if (choice.source != POLICY_SOURCE_NONE) {
        status = ask(asking, choice.source, choice.n, error);
    } else {
        decode->proposal.n = 0;
    }
    if (decode->proposal.n > 0 || choice.source == POLICY_SOURCE_NONE) {
        if (asking->cycle->told.state != POLICY_GATED || choice.state != POLICY_PLAIN)
            say(asking->cycle, choice.state, "%s", decode->automatic.reason);
    }
    return status;
}

static uint32_t stage_of(const struct decode *decode)
{
    const enum policy_verify verify = decode->settings.verify;

    if (decode->settings.kind == POLICY_AUTO) /* costs of a pass are what it goes by */
        return decode->proposal.stage;
    if (verify == POLICY_VERIFY_SERIAL ||
        (verify == POLICY_VERIFY_HYBRID && decode->n_proposals == 1))
        return 0;
    return decode->proposal.stage;
}

enum status proposals_next(struct decode *decode, const struct generation *generation,
                           uint32_t limit, struct decode_cycle *cycle, struct error *error)
{
    const struct asking asking = {decode, generation, cycle,
                                  limit < POLICY_MAX_CANDIDATES ? limit
                                                                : POLICY_MAX_CANDIDATES};
    struct proposal *proposal = &decode->proposal;
    enum status status;

    if (decode->settings.kind == POLICY_GREEDY) {
        say(cycle, POLICY_PLAIN, "greedy");
        return STATUS_OK;
    }
    say(cycle, POLICY_PLAIN, "nothing to propose");
    if (proposal->at < proposal->n) {
        say(cycle, POLICY_DRAFTING, "%s: the next stage", policy_source_name(proposal->source));
        cycle->told.source = proposal->source;
        return STATUS_OK;
    }
    proposal->n = 0;
    if (asking.limit == 0)
        return STATUS_OK;
    status = decode->settings.kind == POLICY_AUTO ? ask_what_pays(&asking, error)
                                                  : ask_in_order(&asking, error);
    if (status == STATUS_OK && proposal->n > 0) {
        decode->n_proposals++;
        proposal->stage = stage_of(decode);
        cycle->told.source = proposal->source;
        cycle->told.proposed = proposal->n;
        decode->statistics.proposed += proposal->n;
        decode->statistics.by_source[proposal->source].proposed += proposal->n;
    }
    return status;
}

/* Outcomes ------------------------------------------------------------------------------ */

static void grow(struct decode *decode)
{
    const struct policy_settings *s = &decode->settings;
    const uint32_t needed =
        decode->gamma >= s->speculative.fast_grow_from ? 1 : s->speculative.grow_streak;
    uint32_t gamma = decode->gamma;

    if (!decode->growth_allowed || gamma >= s->speculative.max_gamma)
        return;
    decode->streak++;
    if (s->speculative.bootstrap_gamma > gamma && gamma == s->speculative.gamma) {
        if (decode->streak >= s->speculative.bootstrap_streak)
            gamma = s->speculative.bootstrap_gamma;
    } else if (decode->streak >= needed) {
        gamma *= 2;
    }
    if (gamma != decode->gamma) {
        decode->streak = 0;
        decode->gamma = gamma < s->speculative.max_gamma ? gamma : s->speculative.max_gamma;
    }
}

static void shrink(struct decode *decode)
{
    const struct policy_settings *s = &decode->settings;

    decode->streak = 0;
    decode->growth_allowed = false;
    decode->gamma = decode->gamma > 1 ? decode->gamma / 2 : 1;
    if (s->speculative.fallback && decode->gamma <= s->speculative.fallback_gamma)
        switch_off(decode, POLICY_SOURCE_DRAFT);
}

void proposals_settle(struct decode *decode, uint32_t n_accepted, bool rejected)
{
    const struct policy_settings *s = &decode->settings;
    struct proposal *proposal = &decode->proposal;
    const bool full = proposal->n > 0 && n_accepted == proposal->n;

    if (proposal->n > 0)
        decode->statistics.lengths[n_accepted]++;
    proposal->n = proposal->at = 0;
    if (s->kind == POLICY_AUTO) /* the account judges */
        return;
    switch (proposal->source) {
    case POLICY_SOURCE_NGRAM:
        if (rejected && s->ngram.disable_after_reject)
            switch_off(decode, POLICY_SOURCE_NGRAM);
        break;
    case POLICY_SOURCE_DRAFT:
        if (rejected)
            shrink(decode);
        else if (full)
            grow(decode);
        break;
    case POLICY_SOURCE_MTP:
        decode->mtp.grown = full;
        if (rejected && s->mtp.disable_after_reject)
            switch_off(decode, POLICY_SOURCE_MTP);
        break;
    default: break;
    }
}
