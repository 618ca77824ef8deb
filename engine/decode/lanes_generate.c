/*
 * lanes_generate.c - plain decoding of several sequences, a token of each in every pass
 *
 * Invariant: between two passes a lane has consumed all tokens that its sink was given but the
 * pending one, which the next pass consumes.
 */
#include "engine/lanes.h"

#include "engine/model/model_internal.h"
#include "engine/run/pool.h"
#include "engine/state/session_internal.h"

struct lane {
    struct session *session;
    const struct generation *generation;
    struct generation_result *result;
    int32_t pending;       /* chosen, given to the sink, not consumed */
    const int32_t *forced; /* follow it; borrowed from the sink */
    size_t n_forced;
    int32_t choice; /* of the row of this pass */
    bool ended;
};

struct round {
    struct lane *lanes[LANES_MAX]; /* that have not ended */
    uint32_t n;
    struct head_rows head; /* a row for each lane of the pass */
};

static void end(struct lane *lane, enum stop_reason reason)
{
    lane->result->reason = reason;
    lane->ended = true;
}

static void give(struct lane *lane, int32_t id)
{
    const struct generation *generation = lane->generation;
    bool more = true;

    sampler_accept(&lane->session->sampler, id);
    lane->pending = id;
    lane->forced = NULL;
    lane->n_forced = 0;
    lane->result->n_tokens++;
    if (generation->sink)
        more = generation->sink(generation->context, id, &lane->forced, &lane->n_forced);
    if (!more)
        end(lane, STOP_SINK);
    else if (generation->max_tokens > 0 && lane->result->n_tokens >= generation->max_tokens)
        end(lane, STOP_LENGTH);
}

/* What follows the consumed token: forced, or the choice. */
static void follow(struct lane *lane)
{
    if (lane->n_forced > 0) {
        const int32_t *rest = lane->forced + 1;
        const size_t n_rest = lane->n_forced - 1;
        give(lane, lane->forced[0]);
        if (lane->n_forced == 0) { /* the sink has nothing new to say */
            lane->forced = rest;
            lane->n_forced = n_rest;
        }
    } else if (!lane->generation->ignore_stop &&
               model_is_stop_token(lane->session->model, lane->choice)) {
        end(lane, STOP_TOKEN);
        lane->result->stop_token = lane->choice;
    } else {
        give(lane, lane->choice);
    }
}

/* Each lane has a sampler of its own: rows are chosen from side by side. */
static void choose_part(void *context, uint32_t part, uint32_t n_parts)
{
    const struct round *round = context;
    uint32_t first, count;

    pool_range(round->n, part, n_parts, &first, &count);
    for (uint32_t i = first; i < first + count; i++) {
        struct lane *lane = round->lanes[i];
        if (lane->n_forced == 0)
            lane->choice = sampler_choose_row(
                &lane->session->sampler, &lane->generation->sampling, &round->head.rows[i],
                lane->generation->noise_seed, session_position(lane->session));
    }
}

/* Lanes that go on.  A full context ends a lane, but not before its first token. */
static void gather(struct round *round, struct lane *lanes, uint32_t n_lanes, bool is_first)
{
    round->n = 0;
    for (uint32_t i = 0; i < n_lanes; i++) {
        const struct session *session = lanes[i].session;
        if (!lanes[i].ended && !is_first &&
            session_position(session) == session_context(session))
            end(&lanes[i], STOP_CONTEXT);
        if (!lanes[i].ended)
            round->lanes[round->n++] = &lanes[i];
    }
}

/* A pass, and a token of each lane, or its end. */
static enum status make_round(struct round *round, const atomic_bool *cancel,
                              struct error *error)
{
    struct session *sessions[LANES_MAX];
    int32_t tokens[LANES_MAX];
    bool is_wanted = false;
    enum status status;

    for (uint32_t i = 0; i < round->n; i++) {
        sessions[i] = round->lanes[i]->session;
        tokens[i] = round->lanes[i]->pending;
        is_wanted = is_wanted || round->lanes[i]->n_forced == 0;
        sampler_ask(&sessions[i]->sampler, &round->lanes[i]->generation->sampling, NULL, 0,
                    &round->head.rows[i]);
    }
    status = lanes_step_rows(sessions, round->n, tokens, is_wanted ? round->head.rows : NULL,
                             cancel, error);
    if (status != STATUS_OK)
        return status;
    if (is_wanted)
        pool_run(sessions[0]->pool, choose_part, round, round->n);
    for (uint32_t i = 0; i < round->n; i++)
        if (round->lanes[i]->n_forced == 0 && round->lanes[i]->choice < 0)
            return error_set(error, STATUS_FAILED,
                             "no token can be chosen at position %u: no logit is a number",
                             session_position(sessions[i]));
    for (uint32_t i = 0; i < round->n; i++)
        follow(round->lanes[i]);
    return STATUS_OK;
}

static void begin(struct lane *out, struct session *session, int32_t last,
                  struct lane_generation *generation)
{
    *out = (struct lane){.session = session,
                         .generation = &generation->generation,
                         .result = &generation->result,
                         .pending = last};
    generation->result = (struct generation_result){.reason = STOP_LENGTH, .stop_token = -1};
    sampler_begin(&session->sampler);
}

enum status lanes_generate(struct session *const *sessions, uint32_t n_lanes,
                           const int32_t *last, struct lane_generation *lanes,
                           struct error *error)
{
    struct lane all[LANES_MAX];
    struct round round = {.n = 0};
    const atomic_bool *cancel;
    bool is_first = true;
    enum status status = STATUS_OK;

    if (n_lanes == 0 || n_lanes > LANES_MAX)
        return error_set(error, STATUS_USAGE, "%u sequences to generate: 1 .. %d", n_lanes,
                         LANES_MAX);
    cancel = lanes[0].generation.cancel;
    status = head_rows_init(&round.head, n_lanes,
                            model_hyperparameters(sessions[0]->model)->n_vocab, error);
    if (status != STATUS_OK)
        return status;
    for (uint32_t i = 0; i < n_lanes; i++)
        begin(&all[i], sessions[i], last[i], &lanes[i]);
    for (gather(&round, all, n_lanes, true); status == STATUS_OK && round.n > 0;
         gather(&round, all, n_lanes, false)) {
        status = make_round(&round, cancel, error);
        if (status == STATUS_CANCELLED && !is_first) {
            for (uint32_t i = 0; i < round.n; i++)
                end(round.lanes[i], STOP_CANCELLED);
            status = STATUS_OK;
        }
        is_first = false;
    }
    head_rows_release(&round.head);
    return status;
}
