/*
 * model_lanes.c - several answers from one prompt: one after another, or together
 *
 * The prompt is read once, by the model and by a draft model that some lane wants; copies of both
 * states are what every lane begins with.  So the lanes differ in nothing but what they were asked
 * to differ in, whichever comes first, and what is timed of a lane is its decoding alone.
 */
#include <stdlib.h>
#include <string.h>

#include "engine/lanes.h"
#include "engine/run/model_source.h"

/* What one lane said in one round. */
struct said {
    struct byte_buffer tokens; /* int32_t */
    struct generation_result result;
    bool is_there;
};

struct lanes_run {
    struct answering *answering;
    struct snapshot *behind; /* the prompt but for its last token */
    struct snapshot *draft;  /* the draft's state there; NULL: no lane drafts with a model */
    struct said first;       /* lane 0 of the first round */
    struct said base;        /* lane 0 of this round; is_there: it has ended */
    /* Sums over lanes and rounds. */
    uint64_t n_generated, n_thinking, n_timed; /* n_timed: tokens after the first ones */
    double decode, thinking_seconds;
    double first_token; /* of the lane that came first; 0: none has */
    enum stop_reason reason;
};

static const struct engine_request *wanted_of(const struct lanes_run *run)
{
    return &run->answering->request->wanted;
}

/* Comparing --------------------------------------------------------------------------------- */

static uint32_t count(const struct said *said)
{
    return (uint32_t)(said->tokens.n_bytes / sizeof(int32_t));
}

/* Its token at a place, the one that ended it included; -1: there is none. */
static int32_t token_at(const struct said *said, uint32_t at)
{
    if (at < count(said))
        return ((const int32_t *)said->tokens.bytes)[at];
    return said->result.reason == STOP_TOKEN && at == count(said) ? said->result.stop_token
                                                                  : -1;
}

/*
 * The difference of two tokens' logits behind the prompt and what both lanes said: the prefix is
 * evaluated again.  Not a number: it cannot be known.
 */
static float find_margin(struct lanes_run *run, const struct said *one, uint32_t at,
                         int32_t token, int32_t other)
{
    struct model_source *source = run->answering->source;
    const struct chat_prompt *prompt = &run->answering->prompt;
    struct session_hooks hooks = {.cancel = &run->answering->request->cancel};
    const size_t n_vocab = model_info(source->model)->n_vocab;
    float *logits = malloc(n_vocab * sizeof *logits);
    float margin = __builtin_nanf("");
    enum status status = session_restore(source->session, run->behind, NULL);

    if (status == STATUS_OK && logits != NULL) {
        status = session_eval(source->session, &prompt->ids[prompt->n_ids - 1], 1,
                              at == 0 ? 1 : 0, at == 0 ? logits : NULL, &hooks, NULL);
        if (status == STATUS_OK && at > 0)
            status = session_eval(source->session, (const int32_t *)one->tokens.bytes, at, 1,
                                  logits, &hooks, NULL);
        if (status == STATUS_OK)
            margin = logits[token] - logits[other];
    }
    free(logits);
    return margin;
}

static void compare(struct lanes_run *run, const struct said *said, struct engine_event *event)
{
    const struct said *base = run->base.is_there ? &run->base : &run->first;
    const uint32_t n = count(base) < count(said) ? count(base) : count(said);
    uint32_t at = 0;

    event->lane.identical = true;
    event->lane.margin = __builtin_nanf("");
    if (!base->is_there)
        return;
    while (at < n && token_at(base, at) == token_at(said, at))
        at++;
    event->lane.n_compared = n;
    const int32_t token = token_at(base, at);
    const int32_t other = token_at(said, at);
    if (token < 0 || other < 0 || token == other) /* one was cut short there */
        return;
    event->lane.identical = false;
    event->lane.first_difference = at;
    event->lane.margin = find_margin(run, base, at, token, other);
}

static void move_said(struct said *to, struct said *from)
{
    byte_buffer_release(&to->tokens);
    *to = *from;
    to->is_there = true;
    memset(from, 0, sizeof *from);
}

static enum status remember(struct lanes_run *run, struct said *said, uint32_t round,
                            struct error *error)
{
    if (round == 0 &&
        !byte_buffer_append(&run->first.tokens, said->tokens.bytes, said->tokens.n_bytes))
        return error_set(error, STATUS_NO_MEMORY, "no memory to compare lanes");
    if (round == 0) {
        run->first.result = said->result;
        run->first.is_there = true;
    }
    move_said(&run->base, said);
    return STATUS_OK;
}

/* The end of a lane ------------------------------------------------------------------------- */

static void add_up(struct lanes_run *run, const struct speaker *speaker,
                   const struct engine_statistics *statistics)
{
    const struct answering *answering = run->answering;

    if (run->first_token == 0 && speaker->meter.n_tokens > 0)
        run->first_token = run_clock_between(
            answering->link->clock, answering->request->submitted, speaker->meter.first);
    run->n_generated += statistics->n_generated;
    run->n_thinking += statistics->n_thinking;
    run->n_timed += statistics->n_generated > 0 ? statistics->n_generated - 1 : 0;
    run->thinking_seconds += statistics->thinking_seconds;
}

/* ENGINE_LANE_DONE; the speaker's tokens become those of `said`. */
static enum status end_lane(struct lanes_run *run, struct speaker *speaker,
                            const struct generation_result *result, struct error *error)
{
    const struct answering *answering = run->answering;
    const struct engine_lane *lane = &wanted_of(run)->lanes[speaker->lane];
    struct engine_event event = {.type = ENGINE_LANE_DONE, .request = answering->request->id};
    struct engine_statistics *statistics = &event.lane.statistics;
    struct said said = {.tokens = speaker->tokens, .result = *result};
    enum status status = STATUS_OK;

    memset(&speaker->tokens, 0, sizeof speaker->tokens);
    *statistics = *answering->statistics;
    statistics->noise_seed = sampling_noise_seed(wanted_of(run)->conversation_seed,
                                                 wanted_of(run)->message, lane->variant);
    statistics->policy = speaker->policy != NULL ? lane->policy.kind : POLICY_GREEDY;
    statistics->position = snapshot_position(run->behind) + 1 + count(&said);
    meter_statistics(&speaker->meter, statistics);
    if (speaker->policy != NULL)
        statistics->speculation = *policy_statistics(speaker->policy);
    if (!run_wants_draft(&lane->policy, wanted_of(run)->draft_path))
        statistics->draft_prefill = 0;
    event.lane.lane = speaker->lane;
    event.lane.round = speaker->round;
    event.lane.reason = result->reason;
    if (speaker->lane == 0 && speaker->round == 0)
        status = remember(run, &said, 0, error);
    compare(run, speaker->lane == 0 && speaker->round == 0 ? &run->first : &said, &event);
    if (speaker->lane == 0 && speaker->round > 0)
        status = remember(run, &said, speaker->round, error);
    byte_buffer_release(&said.tokens);
    add_up(run, speaker, statistics);
    if (speaker->lane == 0)
        run->reason = result->reason;
    if (status == STATUS_OK && !event_ring_push(answering->link->ring, &event))
        status = error_set(error, STATUS_NO_MEMORY, "no memory for the end of a lane");
    return status;
}

static struct generation generation_of(const struct lanes_run *run, struct speaker *speaker)
{
    const struct engine_request *wanted = wanted_of(run);
    const struct engine_lane *lane = &wanted->lanes[speaker->lane];

    return (struct generation){
        .sampling = sampling_for_model(run->answering->source->model,
                                       run->answering->prompt.thinking, &lane->sampling),
        .noise_seed =
            sampling_noise_seed(wanted->conversation_seed, wanted->message, lane->variant),
        .max_tokens = wanted->max_tokens,
        .cancel = &run->answering->request->cancel,
        .sink = speaker_take,
        .context = speaker,
        .policy = speaker->policy,
    };
}

/* One after another ------------------------------------------------------------------------- */

static enum status begin_lane(struct lanes_run *run, const struct engine_lane *lane,
                              struct error *error)
{
    struct model_source *source = run->answering->source;
    enum status status =
        model_policy_set(run->answering, &lane->policy, wanted_of(run)->draft_path, error);

    if (status == STATUS_OK)
        status = session_restore(source->session, run->behind, error);
    if (status == STATUS_OK && run->draft != NULL)
        status = session_restore(source->draft.session, run->draft, error);
    return status;
}

static enum status answer_lane(struct lanes_run *run, struct speaker *speaker,
                               struct error *error)
{
    struct answering *answering = run->answering;
    struct model_source *source = answering->source;
    const struct chat_prompt *prompt = &answering->prompt;
    const struct session_hooks hooks = {.cancel = &answering->request->cancel};
    struct generation_result result = {0};

    speaker->policy = source->policy;
    speaker->keeps_tokens = true;
    const struct generation generation = generation_of(run, speaker);
    model_policy_begin(answering);
    enum status status = session_generate(source->session, &prompt->ids[prompt->n_ids - 1], 1,
                                          &generation, &hooks, &result, error);
    model_policy_end(source);
    if (status == STATUS_CANCELLED) {
        result.reason = STOP_CANCELLED;
        status = STATUS_OK;
    }
    const double seconds =
        run_clock_between(answering->link->clock, speaker->meter.first, speaker->meter.last);
    run->decode += speaker->meter.n_tokens > 0 ? seconds : 0;
    if (status == STATUS_OK)
        status = speaker_finish(speaker, error);
    if (status == STATUS_OK)
        status = end_lane(run, speaker, &result, error);
    if (status == STATUS_OK && result.reason == STOP_CANCELLED)
        status = STATUS_CANCELLED;
    return status;
}

static enum status answer_round(struct lanes_run *run, uint32_t round, struct error *error)
{
    const uint32_t n = wanted_of(run)->n_lanes;
    enum status status = STATUS_OK;

    run->base.is_there = false;
    for (uint32_t i = 0; i < n && status == STATUS_OK; i++) {
        struct speaker speaker;
        const uint32_t lane = round % 2 == 0 ? i : n - 1 - i;
        if (atomic_load(&run->answering->request->cancel))
            return STATUS_CANCELLED;
        if ((status = begin_lane(run, &wanted_of(run)->lanes[lane], error)) != STATUS_OK)
            break;
        status = speaker_init(&speaker, run->answering, run_clock_now(), error);
        speaker.lane = lane;
        speaker.round = round;
        if (status == STATUS_OK)
            status = answer_lane(run, &speaker, error);
        speaker_release(&speaker);
    }
    return status;
}

static enum status answer_in_turn(struct lanes_run *run, struct error *error)
{
    const uint32_t rounds = wanted_of(run)->rounds == 0 ? 1 : wanted_of(run)->rounds;
    enum status status = STATUS_OK;

    for (uint32_t round = 0; round < rounds && status == STATUS_OK; round++)
        status = answer_round(run, round, error);
    return status;
}

/* Together ---------------------------------------------------------------------------------- */

struct together {
    struct session
        *sessions[ENGINE_MAX_LANES]; /* the first is borrowed, the others are owned */
    struct speaker speakers[ENGINE_MAX_LANES];
    struct lane_generation lanes[ENGINE_MAX_LANES];
    int32_t last[ENGINE_MAX_LANES];
    uint32_t n;
};

static enum status fork_sessions(struct lanes_run *run, struct together *all,
                                 struct error *error)
{
    struct model_source *source = run->answering->source;
    const struct session_options options = {.workers_of = source->session,
                                            .n_context = session_context(source->session),
                                            .kv = source->options.kv,
                                            .chunk = 1};
    enum status status = STATUS_OK;

    all->sessions[0] = source->session;
    for (uint32_t i = 0; i < all->n && status == STATUS_OK; i++) {
        if (i > 0)
            status = session_new(&all->sessions[i], source->model, &options, error);
        if (status == STATUS_OK)
            status = session_restore(all->sessions[i], run->behind, error);
    }
    return status;
}

static enum status prepare_together(struct lanes_run *run, struct together *all,
                                    struct error *error)
{
    const struct chat_prompt *prompt = &run->answering->prompt;
    const int64_t now = run_clock_now();
    enum status status = STATUS_OK;

    for (uint32_t i = 0; i < all->n && status == STATUS_OK; i++) {
        struct speaker *speaker = &all->speakers[i];
        status = speaker_init(speaker, run->answering, now, error);
        speaker->lane = i;
        speaker->keeps_tokens = true;
        all->lanes[i].generation = generation_of(run, speaker);
        all->last[i] = prompt->ids[prompt->n_ids - 1];
    }
    return status;
}

static double time_together(const struct lanes_run *run, const struct together *all)
{
    int64_t first = INT64_MAX;
    int64_t last = 0;

    for (uint32_t i = 0; i < all->n; i++) {
        const struct meter *meter = &all->speakers[i].meter;
        if (meter->n_tokens == 0)
            continue;
        first = meter->first < first ? meter->first : first;
        last = meter->last > last ? meter->last : last;
    }
    return last > first ? run_clock_between(run->answering->link->clock, first, last) : 0;
}

static enum status tell_together(struct lanes_run *run, struct together *all,
                                 struct error *error)
{
    enum status status = STATUS_OK;
    bool cancelled = false;

    run->decode = time_together(run, all);
    for (uint32_t i = 0; i < all->n && status == STATUS_OK; i++) {
        cancelled = cancelled || all->lanes[i].result.reason == STOP_CANCELLED;
        status = speaker_finish(&all->speakers[i], error);
        if (status == STATUS_OK)
            status = end_lane(run, &all->speakers[i], &all->lanes[i].result, error);
    }
    return status == STATUS_OK && cancelled ? STATUS_CANCELLED : status;
}

static enum status answer_together(struct lanes_run *run, struct error *error)
{
    struct together *all = calloc(1, sizeof *all);
    enum status status;

    if (all == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for lanes");
    all->n = wanted_of(run)->n_lanes;
    status = fork_sessions(run, all, error);
    if (status == STATUS_OK)
        status = prepare_together(run, all, error);
    if (status == STATUS_OK)
        status = lanes_generate(all->sessions, all->n, all->last, all->lanes, error);
    if (status == STATUS_CANCELLED) {
        for (uint32_t i = 0; i < all->n; i++)
            all->lanes[i].result.reason = STOP_CANCELLED;
        status = STATUS_OK;
    }
    if (status == STATUS_OK)
        status = tell_together(run, all, error);
    for (uint32_t i = 0; i < all->n; i++)
        speaker_release(&all->speakers[i]);
    for (uint32_t i = 1; i < all->n; i++)
        session_free(&all->sessions[i]);
    free(all);
    return status;
}

/* The request ------------------------------------------------------------------------------- */

/* The first lane that wants a draft model; NULL: none. */
static const struct engine_lane *drafting_lane(const struct engine_request *wanted)
{
    for (uint32_t i = 0; i < wanted->n_lanes && !wanted->together; i++)
        if (run_wants_draft(&wanted->lanes[i].policy, wanted->draft_path))
            return &wanted->lanes[i];
    return NULL;
}

/* A draft that is wanted is opened before anything is read: a wrong one costs no time. */
static enum status read_prompt(struct lanes_run *run, struct error *error)
{
    struct answering *answering = run->answering;
    struct model_source *source = answering->source;
    const struct chat_prompt *prompt = &answering->prompt;
    const struct engine_lane *drafting = drafting_lane(wanted_of(run));
    const struct session_hooks hooks = answering_hooks(answering);
    enum status status = STATUS_OK;

    if (drafting != NULL)
        status =
            model_policy_set(answering, &drafting->policy, wanted_of(run)->draft_path, error);
    if (status == STATUS_OK)
        status = answering_prefill(answering, error);
    const uint32_t at = session_position(source->session);
    if (status == STATUS_OK && at + 1 < prompt->n_ids)
        status = session_eval(source->session, prompt->ids + at, prompt->n_ids - 1 - at, 0,
                              NULL, &hooks, error);
    if (status == STATUS_OK)
        status = session_snapshot(source->session, &run->behind, error);
    if (status != STATUS_OK)
        return status;
    answering_prefilled(answering, run_clock_now());
    if (drafting != NULL)
        status = model_policy_read_draft(answering, error);
    if (status == STATUS_OK && drafting != NULL)
        status = session_snapshot(source->draft.session, &run->draft, error);
    return status;
}

static void fill_sums(const struct lanes_run *run, struct run_outcome *outcome)
{
    struct engine_statistics *statistics = &outcome->statistics;

    statistics->policy = wanted_of(run)->lanes[0].policy.kind;
    statistics->n_generated = (uint32_t)run->n_generated;
    statistics->n_thinking = (uint32_t)run->n_thinking;
    statistics->thinking_seconds = run->thinking_seconds;
    statistics->first_token = run->first_token;
    statistics->decode = run->decode;
    statistics->rate = run->decode > 0 ? (double)run->n_timed / run->decode : 0;
    statistics->position = session_position(run->answering->source->session);
    outcome->reason = run->reason;
}

enum status model_lanes_answer(struct answering *answering, struct run_outcome *outcome,
                               struct error *error)
{
    struct lanes_run run = {.answering = answering};
    enum status status = read_prompt(&run, error);

    if (status == STATUS_OK)
        status = wanted_of(&run)->together ? answer_together(&run, error)
                                           : answer_in_turn(&run, error);
    fill_sums(&run, outcome);
    byte_buffer_release(&run.first.tokens);
    byte_buffer_release(&run.base.tokens);
    snapshot_free(&run.behind);
    snapshot_free(&run.draft);
    return status;
}
