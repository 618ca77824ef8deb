/*
 * proposals.c - sources in order, their gates and their schedules
 */
#include "engine/decode/proposals.h"

#include "engine/decode/sources.h"

#include <string.h>

static const uint32_t OFF_FOR_GOOD = UINT32_MAX;

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

void proposals_switch_off(struct decode *decode, enum policy_source source)
{
    decode->cooldown[source] =
        decode->settings.decay > 0 ? decode->settings.decay : OFF_FOR_GOOD;
    decode->statistics.fallbacks++;
}

void proposals_fail(struct decode *decode, struct decode_cycle *cycle, struct error *error)
{
    const enum policy_source source = decode->proposal.source;

    cycle_say(cycle, POLICY_FALLBACK, "%s failed: %.70s", policy_source_name(source),
              error->what);
    cycle->told.source = POLICY_SOURCE_NONE;
    error_clear(error);
    decode->proposal = (struct proposal){.n = 0};
    decode->cooldown[source] = OFF_FOR_GOOD;
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

/* Policies ------------------------------------------------------------------------------ */

static void explain_cooling(struct decode *decode, struct decode_cycle *cycle)
{
    for (uint32_t i = 0; i < decode->settings.n_sources; i++) {
        const enum policy_source s = decode->settings.sources[i];
        if (decode->cooldown[s] == 0)
            continue;
        decode->statistics.cooldown = decode->cooldown[s];
        if (decode->cooldown[s] == OFF_FOR_GOOD)
            cycle_say(cycle, POLICY_FALLBACK, "%s is off for this answer",
                      policy_source_name(s));
        else
            cycle_say(cycle, s == POLICY_SOURCE_DRAFT ? POLICY_FALLBACK : POLICY_COOLDOWN,
                      "%s again after %u plain tokens", policy_source_name(s),
                      decode->cooldown[s]);
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
            wanted = sources_mtp_wanted(asking);
        if (wanted == 0)
            continue;
        status = sources_ask(asking, s, wanted, error);
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
    missing = sources_missing(decode);
    if (!decode->script && !draft_source_has_room(&decode->draft, decode->index.n_tokens))
        return STATUS_OK;
    decode->proposal = (struct proposal){.source = POLICY_SOURCE_DRAFT};
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

    if (may_ask(decode, POLICY_SOURCE_MTP) && sources_mtp_wanted(asking) > 0)
        most[POLICY_SOURCE_MTP] = decode->settings.mtp.gamma;
    status = survey_draft(asking, most, error);
    for (int s = 0; s < POLICY_SOURCE_COUNT; s++)
        if (most[s] > asking->limit)
            most[s] = asking->limit;
    if (status == STATUS_OK && may_ask(decode, POLICY_SOURCE_NGRAM)) {
        status = sources_ask(asking, POLICY_SOURCE_NGRAM, 0, error);
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
        status = sources_ask(asking, choice.source, choice.n, error);
    } else {
        decode->proposal.n = 0;
    }
    if (decode->proposal.n > 0 || choice.source == POLICY_SOURCE_NONE) {
        if (asking->cycle->told.state != POLICY_GATED || choice.state != POLICY_PLAIN)
            cycle_say(asking->cycle, choice.state, "%s", decode->automatic.reason);
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
        cycle_say(cycle, POLICY_PLAIN, "greedy");
        return STATUS_OK;
    }
    cycle_say(cycle, POLICY_PLAIN, "nothing to propose");
    if (proposal->at < proposal->n) {
        cycle_say(cycle, POLICY_DRAFTING, "%s: the next stage",
                  policy_source_name(proposal->source));
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
        proposals_switch_off(decode, POLICY_SOURCE_DRAFT);
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
            proposals_switch_off(decode, POLICY_SOURCE_NGRAM);
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
            proposals_switch_off(decode, POLICY_SOURCE_MTP);
        break;
    default: break;
    }
}
