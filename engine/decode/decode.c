/*
 * decode.c - the loop of all policies
 *
 * Invariant: between two cycles the target has consumed all tokens that the sink was given but
 * the pending one, which the next pass consumes first.
 */
#include "engine/decode/decode.h"

#include "engine/decode/proposals.h"

#include <stdio.h>
#include <string.h>

_Static_assert((int)POLICY_MAX_CANDIDATES <= (int)SAMPLER_AHEAD_MAX, "tokens before a row");

struct run {
    struct decode *decode;
    const struct generation *generation;
    struct generation_result *result;
    struct error *error;
    struct decode_cycle cycle;
    int32_t pending;       /* chosen, given to the sink, not consumed */
    const int32_t *forced; /* follow it; borrowed from the sink */
    size_t n_forced;
    double choosing; /* seconds of this pass in the sampler */
};

static uint32_t position_of(const struct run *run)
{
    return run->decode->target.position(run->decode->target.context);
}

static uint32_t room_of(const struct run *run)
{
    return run->decode->target.room(run->decode->target.context);
}

static bool is_cancelled(const struct generation *generation)
{
    return generation->cancel && atomic_load_explicit(generation->cancel, memory_order_relaxed);
}

static bool is_full(const struct run *run)
{
    return run->generation->max_tokens > 0 &&
           run->result->n_tokens >= run->generation->max_tokens;
}

/* Give a token to the sink; false: the generation ends, for the reason in the result. */
static bool give(struct run *run, int32_t id)
{
    const struct generation *generation = run->generation;
    struct decode *decode = run->decode;
    bool more = true;

    sampler_accept(decode->sampler, id);
    if (decode->index.capacity > 0)
        ngram_index_append(&decode->index, id);
    run->pending = id;
    run->forced = NULL;
    run->n_forced = 0;
    run->result->n_tokens++;
    decode->statistics.emitted++;
    if (generation->sink)
        more = generation->sink(generation->context, id, &run->forced, &run->n_forced);
    if (!more)
        run->result->reason = STOP_SINK;
    else if (is_full(run))
        run->result->reason = STOP_LENGTH;
    return more && !is_full(run);
}

/* Forced tokens take the place of choices.  *more: as give() says. */
static enum status follow_forced(struct run *run, bool *more)
{
    const struct decode_target *target = &run->decode->target;
    enum status status = STATUS_OK;

    while (*more && run->n_forced > 0 && status == STATUS_OK) {
        const int32_t id = run->forced[0];
        const int32_t *rest = run->forced + 1;
        const size_t n_rest = run->n_forced - 1;
        if (room_of(run) == 0) {
            run->result->reason = STOP_CONTEXT;
            *more = false;
            break;
        }
        status = target->consume(target->context, &run->pending, 1, NULL, NULL, run->error);
        if (status != STATUS_OK)
            break;
        run->decode->statistics.forced++;
        run->decode->token_source = POLICY_SOURCE_NONE;
        *more = give(run, id);
        if (run->n_forced == 0) { /* the sink has nothing new to say */
            run->forced = rest;
            run->n_forced = n_rest;
        }
    }
    return status;
}

/* A choice from a row; -1 with an error: there is none. */
static enum status choose(struct run *run, struct head_row *row, uint32_t position, int32_t *id)
{
    const struct generation *generation = run->generation;
    const double begin = decode_now(run->decode);

    *id = sampler_choose_row(run->decode->sampler, &generation->sampling, row,
                             generation->noise_seed, position);
    run->choosing += decode_now(run->decode) - begin;
    if (*id < 0)
        return error_set(run->error, STATUS_FAILED,
                         "no token can be chosen at position %u: no logit is a number",
                         position);
    return STATUS_OK;
}

static bool ends_answer(struct run *run, int32_t id)
{
    const struct decode_target *target = &run->decode->target;

    if (run->generation->ignore_stop || !target->is_stop(target->context, id))
        return false;
    run->result->reason = STOP_TOKEN;
    run->result->stop_token = id;
    return true;
}

/* A pass ------------------------------------------------------------------------------- */

/* What a row's choice is to the proposal; false: nothing behind it is valid. */
static bool compare(struct run *run, struct decode_rows *rows, int32_t id, bool is_pass)
{
    struct decode *decode = run->decode;
    struct proposal *proposal = &decode->proposal;

    if (proposal->at >= proposal->n) {
        if (is_pass)
            decode->statistics.bonus++;
        else
            decode->statistics.plain++;
        return false;
    }
    rows->rejected = id != proposal->ids[proposal->at];
    cycle_count(decode, !rows->rejected);
    if (rows->rejected) {
        decode->statistics.corrections++;
        return false;
    }
    proposal->at++;
    rows->n_accepted++;
    return true;
}

/* Choose at every row while candidates are right. */
static enum status take_rows(struct run *run, struct decode_rows *rows, bool *more)
{
    const uint32_t first = position_of(run) + (rows->n > 1 ? 1 : 0);
    const bool is_pass =
        run->cycle.told.source != POLICY_SOURCE_NONE && run->decode->proposal.n > 0;

    for (uint32_t i = 0; i < rows->n; i++) {
        int32_t id;
        enum status status = choose(run, &rows->rows[i], first + i, &id);
        bool right;
        rows->n_consumed = i + 1;
        if (status != STATUS_OK)
            return status;
        if (ends_answer(run, id)) {
            *more = false;
            break;
        }
        right = compare(run, rows, id, is_pass);
        rows->n_emitted++;
        run->decode->token_source = right ? run->decode->proposal.source : POLICY_SOURCE_NONE;
        *more = give(run, id);
        rows->dropped = !*more || run->n_forced > 0;
        if (!right || rows->dropped)
            break;
        if (i + 1 < rows->n && is_cancelled(run->generation)) {
            run->result->reason = STOP_CANCELLED;
            *more = false;
            break;
        }
    }
    return STATUS_OK;
}

/* Rows of candidates that this pass verifies. */
static uint32_t candidate_rows(const struct run *run, uint32_t limit)
{
    const struct proposal *proposal = &run->decode->proposal;
    uint32_t n = proposal->n - proposal->at;

    n = n < proposal->stage ? n : proposal->stage;
    return n < limit ? n : limit;
}

/* Candidates behind the pending token that could be shown. */
static uint32_t limit_of(const struct run *run)
{
    const struct generation *generation = run->generation;
    const uint32_t room = room_of(run) - 1;
    const size_t left =
        generation->max_tokens > 0 ? generation->max_tokens - run->result->n_tokens - 1 : room;

    return left < room ? (uint32_t)left : room;
}

/*
 * The pending token and candidates through the target.  A verify that fails commits nothing: the
 * plain step that follows tells whether the text itself is at fault.
 */
static enum status pass(struct run *run, uint32_t n_candidates, struct decode_rows *rows,
                        bool *was_cancelled)
{
    struct decode *decode = run->decode;
    const struct decode_target *target = &decode->target;
    const struct proposal *proposal = &decode->proposal;
    enum status status = STATUS_OK;
    int32_t tokens[POLICY_MAX_CANDIDATES + 1];

    *was_cancelled = false;
    if (n_candidates > 0) {
        tokens[0] = run->pending;
        memcpy(tokens + 1, proposal->ids + proposal->at, n_candidates * sizeof *tokens);
        *rows = (struct decode_rows){.rows = decode->rows.rows, .n = n_candidates + 1};
        for (uint32_t i = 0; i < rows->n; i++) /* a row is used if all before it are right */
            sampler_ask(decode->sampler, &run->generation->sampling, tokens + 1, i,
                        &rows->rows[i]);
        status = target->verify(target->context, tokens, rows->n, rows->rows,
                                run->generation->cancel, run->error);
        *was_cancelled = status == STATUS_CANCELLED;
        if (status == STATUS_OK || *was_cancelled)
            return STATUS_OK;
        error_clear(run->error);
        proposals_settle(decode, proposal->at, false);
        proposals_disable(decode);
        run->cycle.told.source = POLICY_SOURCE_NONE;
        snprintf(run->cycle.reason, sizeof run->cycle.reason, "a verify failed");
    }
    *rows = (struct decode_rows){.rows = decode->row, .n = 1};
    sampler_ask(decode->sampler, &run->generation->sampling, NULL, 0, rows->rows);
    return target->consume(target->context, &run->pending, 1, rows->rows, NULL, run->error);
}

/* The proposal is done with when it failed, is used up, or no longer fits the text. */
static void settle(struct run *run, const struct decode_rows *rows)
{
    const struct proposal *proposal = &run->decode->proposal;

    if (proposal->n > 0 && (rows->rejected || rows->dropped || proposal->at == proposal->n))
        proposals_settle(run->decode, proposal->at, rows->rejected);
}

/* One pass of the target: at least one token, or the end.  *more: false at the end. */
static enum status make_cycle(struct run *run, bool *more)
{
    struct decode *decode = run->decode;
    const struct decode_target *target = &decode->target;
    const uint32_t limit = limit_of(run);
    uint32_t n_candidates, n_compared;
    bool was_cancelled, is_serial;
    struct decode_rows rows;
    double begin, middle, end;
    enum status status;

    run->cycle.told = (struct policy_cycle){.position = position_of(run)};
    run->choosing = 0;
    decode->statistics.cooldown = 0;
    proposals_switch(decode);
    if (proposals_next(decode, run->generation, limit, &run->cycle, run->error) != STATUS_OK)
        proposals_fail(decode, &run->cycle, run->error);
    n_candidates = candidate_rows(run, limit);
    is_serial = n_candidates == 0 && decode->proposal.at < decode->proposal.n;
    begin = decode_now(decode);
    status = pass(run, n_candidates, &rows, &was_cancelled);
    middle = decode_now(decode);
    if (status != STATUS_OK)
        return status;
    if (was_cancelled) {
        run->result->reason = STOP_CANCELLED;
        *more = false;
        return STATUS_OK;
    }
    n_candidates = rows.n - 1;
    status = take_rows(run, &rows, more);
    end = decode_now(decode);
    if (n_candidates > 0) {
        struct error ignored;
        const enum status accepted = target->accept(
            target->context, rows.n_consumed, status == STATUS_OK ? run->error : &ignored);
        status = status == STATUS_OK ? accepted : status;
    }
    if (status != STATUS_OK)
        return status;
    end = decode_now(decode) - end;
    /* A candidate that a known choice was compared with counts as verified, without a row. */
    n_compared = rows.n_accepted + (rows.rejected ? 1 : 0);
    n_compared = n_compared > n_candidates ? n_compared : n_candidates;
    cycle_book(decode, &run->cycle, &rows, n_candidates, middle - begin + run->choosing + end);
    cycle_tell(decode, &run->cycle, &rows, is_serial && n_compared == 0 ? 1 : n_compared,
               middle - begin + run->choosing, end);
    settle(run, &rows);
    if (n_candidates == 0 && !is_serial && rows.n_emitted > 0)
        proposals_cool(decode);
    return STATUS_OK;
}

/* The loop ------------------------------------------------------------------------------ */

static enum status go_on(struct run *run, bool more)
{
    enum status status = STATUS_OK;

    while (status == STATUS_OK && more) {
        status = follow_forced(run, &more);
        if (status != STATUS_OK || !more)
            break;
        if (room_of(run) == 0) {
            run->result->reason = STOP_CONTEXT;
            break;
        }
        if (is_cancelled(run->generation)) {
            run->result->reason = STOP_CANCELLED;
            break;
        }
        status = make_cycle(run, &more);
    }
    return status;
}

static void read_text(struct decode *decode)
{
    const struct decode_target *target = &decode->target;
    const int32_t *tokens = target->tokens(target->context);
    const uint32_t n = target->position(target->context);

    ngram_index_clear(&decode->index);
    for (uint32_t i = 0; i < n; i++)
        ngram_index_append(&decode->index, tokens[i]);
}

enum status decode_run(struct decode *decode, const struct generation *generation,
                       struct generation_result *result, struct error *error)
{
    struct run run = {
        .decode = decode, .generation = generation, .result = result, .error = error};
    enum status status;
    bool more;
    int32_t id;

    *result = (struct generation_result){.reason = STOP_LENGTH, .stop_token = -1};
    sampler_begin(decode->sampler);
    if (decode->index.capacity > 0)
        read_text(decode);
    proposals_begin(decode);
    status = choose(&run, decode->row, position_of(&run), &id);
    if (status != STATUS_OK || ends_answer(&run, id))
        return status;
    decode->statistics.plain++;
    decode->token_source = POLICY_SOURCE_NONE;
    more = give(&run, id);
    status = go_on(&run, more);
    if (decode->proposal.n > 0)
        proposals_settle(decode, decode->proposal.at, false);
    decode->statistics.ignored = decode->statistics.proposed - decode->statistics.verified;
    return status;
}

void decode_init_plain(struct decode *out, const struct decode_parts *parts)
{
    *out = (struct decode){
        .settings = {.kind = POLICY_GREEDY},
        .target = *parts->target,
        .sampler = parts->sampler,
        .row = parts->row,
        .clock = parts->clock,
        .clock_context = parts->clock_context,
    };
}

static enum status init_sources(struct decode *out, const struct decode_parts *parts,
                                uint32_t n_context, struct error *error)
{
    const struct policy_settings *s = &out->settings;
    const uint32_t n_vocab = parts->target->n_vocab;
    const uint32_t capacity = n_context + 1 + POLICY_MAX_CANDIDATES;
    enum status status = ngram_index_init(&out->index, s->ngram.min, capacity, error);

    out->is_there[POLICY_SOURCE_NGRAM] = true;
    out->script = parts->script;
    out->is_there[POLICY_SOURCE_DRAFT] = parts->script || parts->draft;
    if (status == STATUS_OK && parts->draft)
        status = draft_source_init(&out->draft, parts->draft, error);
    if (status == STATUS_OK && parts->mtp) {
        status = mtp_source_init(&out->mtp, parts->mtp, n_vocab, error);
        if (status == STATUS_OK && parts->target->kernels)
            out->mtp.sampler.kernels = parts->target->kernels;
        out->is_there[POLICY_SOURCE_MTP] = true;
    }
    if (status == STATUS_OK)
        status = head_rows_init(&out->rows, POLICY_MAX_CANDIDATES + 1, n_vocab, error);
    return status;
}

enum status decode_init(struct decode *out, const struct policy_settings *settings,
                        const struct decode_parts *parts, uint32_t n_context,
                        struct error *error)
{
    enum status status;

    decode_init_plain(out, parts);
    out->settings = out->next = *settings;
    auto_policy_init(&out->automatic);
    auto_policy_set(&out->automatic, settings->kind == POLICY_AUTO, settings->automatic.budget,
                    settings->decay);
    status = init_sources(out, parts, n_context, error);
    if (status != STATUS_OK)
        decode_release(out);
    return status;
}

void decode_set(struct decode *decode, const struct policy_settings *settings)
{
    decode->next = *settings;
    decode->switches = true;
}

double decode_now(const struct decode *decode)
{
    return decode->virtual_seconds + (decode->clock ? decode->clock(decode->clock_context) : 0);
}

void decode_release(struct decode *decode)
{
    head_rows_release(&decode->rows);
    ngram_index_release(&decode->index);
    draft_source_release(&decode->draft);
    mtp_source_release(&decode->mtp);
    memset(decode, 0, sizeof *decode);
}
