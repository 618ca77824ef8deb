/*
 * script_lanes.c - several answers of the scripted engine to one request, in turn or together
 */
#include <stdlib.h>

#include "engine/run/script_teller.h"

/* The lanes of a request; tellers of the first round's lane 0 and of this round's are compared. */
struct script_lanes {
    const struct script_scene *scene;
    struct run_outcome *outcome;
    struct script_teller *tellers; /* [n_lanes], of this round */
    struct byte_buffer first;      /* lane 0 of the first round */
    enum stop_reason first_reason;
};

static void compare(const struct script_lanes *lanes, uint32_t lane, struct engine_event *event)
{
    const struct script *script = lanes->scene->script;
    const struct script_teller *teller = &lanes->tellers[lane];
    const int32_t *base = (const int32_t *)lanes->first.bytes;
    const int32_t *tokens = (const int32_t *)teller->tokens.bytes;
    const uint32_t n_base = (uint32_t)(lanes->first.n_bytes / sizeof *base);
    const uint32_t n = (uint32_t)(teller->tokens.n_bytes / sizeof *tokens);
    const uint32_t both = n < n_base ? n : n_base;
    uint32_t at = 0;

    while (at < both && base[at] == tokens[at])
        at++;
    const bool ended =
        at == both &&
        ((n_base == n) || (n == both ? teller->reason : lanes->first_reason) != STOP_TOKEN);
    event->lane.n_compared = both;
    event->lane.identical = ended;
    event->lane.margin = __builtin_nanf("");
    if (ended)
        return;
    event->lane.first_difference = at;
    if (script->has_margin)
        event->lane.margin = (float)script->margin / 1000;
}

static enum status end_lane(struct script_lanes *lanes, uint32_t lane, uint32_t round,
                            struct error *error)
{
    const struct engine_request *wanted = &lanes->scene->request->wanted;
    struct engine_statistics *sum = &lanes->outcome->statistics;
    struct engine_event event = {.type = ENGINE_LANE_DONE,
                                 .request = lanes->scene->request->id};
    struct engine_statistics *own = &event.lane.statistics;
    struct script_teller *teller = &lanes->tellers[lane];

    *own = *sum;
    own->noise_seed = sampling_noise_seed(wanted->conversation_seed, wanted->message,
                                          wanted->lanes[lane].variant);
    script_teller_statistics(teller, own);
    own->position = teller->position;
    event.lane.lane = lane;
    event.lane.round = round;
    event.lane.reason = teller->reason;
    if (lane == 0 && round == 0) {
        lanes->first_reason = teller->reason;
        if (!byte_buffer_append(&lanes->first, teller->tokens.bytes, teller->tokens.n_bytes))
            return error_set(error, STATUS_NO_MEMORY, "no memory to compare lanes");
    }
    compare(lanes, lane, &event);
    if (lane == 0)
        lanes->outcome->reason = teller->reason;
    return event_ring_push(lanes->scene->link->ring, &event)
               ? STATUS_OK
               : error_set(error, STATUS_NO_MEMORY, "no memory for the end of a lane");
}

static enum status start_teller(struct script_lanes *lanes, uint32_t lane, uint32_t round,
                                struct error *error)
{
    const struct engine_request *wanted = &lanes->scene->request->wanted;
    const struct engine_lane *own = &wanted->lanes[lane];
    struct script_teller *teller = &lanes->tellers[lane];
    enum status status = STATUS_OK;

    if (!wanted->together)
        status = lanes->scene->have_draft(lanes->scene->context, lanes->scene, &own->policy,
                                          wanted->draft_path, error);
    script_teller_release(teller);
    script_teller_init(teller, lanes->scene, own, run_clock_now());
    teller->lane = lane;
    teller->round = round;
    teller->has_policy = !wanted->together;
    return status;
}

static enum status tell_in_turn(struct script_lanes *lanes, struct error *error)
{
    const struct engine_request *wanted = &lanes->scene->request->wanted;
    const uint32_t rounds = wanted->rounds == 0 ? 1 : wanted->rounds;
    enum status status = STATUS_OK;

    for (uint32_t i = 0; i < rounds * wanted->n_lanes && status == STATUS_OK; i++) {
        const uint32_t round = i / wanted->n_lanes;
        const uint32_t at = i % wanted->n_lanes;
        const uint32_t lane = round % 2 == 0 ? at : wanted->n_lanes - 1 - at;
        struct script_teller *teller = &lanes->tellers[lane];
        if (script_stopped(lanes->scene))
            return STATUS_CANCELLED;
        status = start_teller(lanes, lane, round, error);
        while (status == STATUS_OK && !teller->ended)
            status = script_teller_go_on(teller, error);
        if (status == STATUS_OK)
            status = end_lane(lanes, lane, round, error);
        if (status == STATUS_OK && teller->reason == STOP_CANCELLED)
            status = STATUS_CANCELLED;
    }
    return status;
}

static enum status tell_together(struct script_lanes *lanes, struct error *error)
{
    const uint32_t n = lanes->scene->request->wanted.n_lanes;
    enum status status = STATUS_OK;
    bool more = true;

    for (uint32_t i = 0; i < n && status == STATUS_OK; i++)
        status = start_teller(lanes, i, 0, error);
    while (more && status == STATUS_OK) {
        more = false;
        for (uint32_t i = 0; i < n && status == STATUS_OK; i++) {
            if (lanes->tellers[i].ended)
                continue;
            status = script_teller_go_on(&lanes->tellers[i], error);
            more = true;
        }
    }
    for (uint32_t i = 0; i < n && status == STATUS_OK; i++)
        status = end_lane(lanes, i, 0, error);
    return status == STATUS_OK && script_stopped(lanes->scene) ? STATUS_CANCELLED : status;
}

enum status script_lanes_answer(const struct script_scene *scene, struct run_outcome *outcome,
                                struct error *error)
{
    const struct engine_request *wanted = &scene->request->wanted;
    struct script_lanes lanes = {.scene = scene, .outcome = outcome};
    enum status status;

    lanes.tellers = calloc(wanted->n_lanes, sizeof *lanes.tellers);
    if (lanes.tellers == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for lanes");
    outcome->statistics.policy = wanted->lanes[0].policy.kind;
    status = wanted->together ? tell_together(&lanes, error) : tell_in_turn(&lanes, error);
    for (uint32_t i = 0; i < wanted->n_lanes; i++)
        script_teller_release(&lanes.tellers[i]);
    free(lanes.tellers);
    byte_buffer_release(&lanes.first);
    return status;
}
