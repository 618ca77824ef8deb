/*
 * recurrence.c - rows that are accepted, wait, and are applied: see state.h
 */
#include "engine/state/state.h"

#include "engine/kernels/kernels.h"
#include "engine/model/hyperparameters.h"

#include <string.h>

static uint32_t waiting_count(const struct state *state)
{
    return state->position - state->settled;
}

/* First waiting row in its log. */
static uint32_t first_waiting(const struct state *state)
{
    return state->settled - state->logs[state->waiting_log].first;
}

static void wait_for(struct state *state, int log)
{
    state->waiting_log = log;
    if (state->n_applied > 0)
        memset(state->applied, 0, state->n_applied);
}

/* Does the live buffer hold the marked state and nothing else? */
static bool live_is_marked(const struct state *state)
{
    return state->marked && !state->mark_apart && state->settled == state->mark_position;
}

void state_forget(struct state *state)
{
    state->settled = state->position;
    state->n_verified = 0;
    state->marked = false;
    state->hidden.n = 0;
    state->hidden.n_drafted = 0;
}

struct recurrence state_plan(struct state *state, uint32_t n_tokens, bool verify)
{
    struct recurrence plan = {.run = RUN_THERE, .log = -1};
    const uint32_t n_logged = state->position - state->mark_position;
    const bool waits = waiting_count(state) > 0;
    bool keeps_live;

    state->n_verified = 0;
    if (state->marked && (n_logged > VERIFY_ROWS_MAX || n_tokens > VERIFY_ROWS_MAX - n_logged))
        state->marked = false;
    keeps_live = live_is_marked(state) && waits;
    if (state->marked) {
        plan.log = state->mark_log;
        plan.first_row = n_logged;
    } else if (verify) {
        plan.log = waits ? !state->waiting_log : state->waiting_log;
        state->logs[plan.log].first = state->position;
    }
    if (verify || (state->marked && n_tokens > 1)) {
        plan.run = RUN_ASIDE;
        plan.to_spare = keeps_live;
    } else if (n_tokens > 1 || keeps_live) {
        plan.to_spare = true;
    } else if (state->marked && !state->mark_apart) {
        plan.run = RUN_IN_SPARE;
    }
    if (plan.log >= 0 && state->logs[plan.log].most < plan.first_row + n_tokens)
        state->logs[plan.log].most = plan.first_row + n_tokens;
    return plan;
}

bool recurrence_in_place(const struct recurrence *recurrence)
{
    return recurrence->run == RUN_THERE && !recurrence->to_spare;
}

/* What waited is applied; where that was in the spare buffer, it is the live one now. */
static void settled_by(struct state *state, const struct recurrence *recurrence)
{
    state->settled = state->position;
    if (recurrence->to_spare || recurrence->run == RUN_IN_SPARE) {
        state->live = !state->live;
        state->mark_apart = state->marked;
    }
}

void state_keep(struct state *state, const int32_t *tokens, uint32_t n_tokens,
                const struct recurrence *recurrence)
{
    memcpy(state->tokens + state->position, tokens, n_tokens * sizeof *tokens);
    settled_by(state, recurrence);
    state->n_verified = n_tokens;
    state->verified = *recurrence;
}

void state_accept(struct state *state, uint32_t n_rows)
{
    state->n_verified = 0;
    if (n_rows == 0)
        return;
    wait_for(state, state->verified.log);
    state->position += n_rows;
}

void state_commit(struct state *state, const int32_t *tokens, uint32_t n_tokens,
                  const struct recurrence *recurrence)
{
    if (recurrence->run == RUN_ASIDE) {
        state_keep(state, tokens, n_tokens, recurrence);
        state_accept(state, n_tokens);
        return;
    }
    memcpy(state->tokens + state->position, tokens, n_tokens * sizeof *tokens);
    state->position += n_tokens;
    settled_by(state, recurrence);
}

void state_mark(struct state *state)
{
    const bool waits = waiting_count(state) > 0;

    state->n_verified = 0;
    state->marked = true;
    state->mark_apart = false;
    state->mark_position = state->position;
    state->mark_log = waits ? !state->waiting_log : state->waiting_log;
    state->logs[state->mark_log].first = state->position;
}

void state_rewind(struct state *state, uint32_t position)
{
    state->n_verified = 0;
    if (position == state->position)
        return;
    if (state->mark_apart) {
        state->live = !state->live;
        state->mark_apart = false;
        state->settled = state->mark_position;
        wait_for(state, state->mark_log);
    }
    state->position = position;
}

/* Pieces of a pass ---------------------------------------------------------------------- */

static uint32_t slice_count(const struct state *state)
{
    return state->parameters->n_value_heads * (state->parameters->state_dim / DELTA_SLICE);
}

struct logged_row state_logged_row(const struct state *state, int log, uint32_t layer,
                                   uint32_t row)
{
    const struct hyperparameters *p = state->parameters;
    const size_t ordinal = state->layers[layer].ordinal;
    struct logged_row out;

    out.raw = state->logs[log].rows + (ordinal * VERIFY_ROWS_MAX + row) * state->row_floats;
    out.key = out.raw + p->conv_width;
    out.delta = out.key + p->key_width;
    out.decay = out.delta + p->value_width;
    return out;
}

void state_look_back(const struct state *state, uint32_t layer, uint32_t first, uint32_t n,
                     float *out)
{
    const struct hyperparameters *p = state->parameters;
    const uint32_t n_back = p->n_taps - 1, n_waiting = waiting_count(state);
    const float *remembered =
        state->convolution[state->live] + state->layers[layer].convolution;

    /* Row i of all that is remembered and waits; the last n_back of them. */
    for (uint32_t i = n_waiting; i < n_waiting + n_back; i++, out += p->conv_width) {
        const float *row = remembered + (size_t)i * p->conv_width;
        if (i >= n_back)
            row = state_logged_row(state, state->waiting_log, layer,
                                   first_waiting(state) + i - n_back)
                      .raw;
        memcpy(out + first, row + first, n * sizeof *out);
    }
}

static unsigned char *slice_flag(const struct state *state, uint32_t layer, uint32_t slice)
{
    return state->applied + (size_t)state->layers[layer].ordinal * slice_count(state) + slice;
}

static unsigned char *convolution_flag(const struct state *state, uint32_t layer,
                                       uint32_t key_head)
{
    return state->applied + (size_t)state->n_recurrent_layers * slice_count(state) +
           (size_t)state->layers[layer].ordinal * state->parameters->n_key_heads + key_head;
}

bool state_slice_waits(const struct state *state, uint32_t layer, uint32_t slice)
{
    return waiting_count(state) > 0 && !*slice_flag(state, layer, slice);
}

bool state_convolution_waits(const struct state *state, uint32_t layer, uint32_t key_head)
{
    return waiting_count(state) > 0 && !*convolution_flag(state, layer, key_head);
}

void state_slice_done(struct state *state, uint32_t layer, uint32_t slice)
{
    *slice_flag(state, layer, slice) = 1;
}

void state_convolution_done(struct state *state, uint32_t layer, uint32_t key_head)
{
    *convolution_flag(state, layer, key_head) = 1;
}

void state_apply_waiting(const struct state *state, uint32_t layer, uint32_t slice,
                         uint32_t n_slices, float *slices)
{
    const struct hyperparameters *p = state->parameters;
    const uint32_t per_head = p->state_dim / DELTA_SLICE, head = slice / per_head;
    const struct logged_row row =
        state_logged_row(state, state->waiting_log, layer, first_waiting(state));

    state->kernels->delta_apply(&(struct delta_rule_job){
        .state = slices,
        .n_key = p->state_dim,
        .n_slices = n_slices,
        .n_tokens = waiting_count(state),
        .key = row.key + (size_t)(head % p->n_key_heads) * p->state_dim,
        .decay = row.decay + head,
        .delta = row.delta + (size_t)slice * DELTA_SLICE,
        .key_stride = state->row_floats,
        .gate_stride = state->row_floats,
        .delta_stride = state->row_floats,
    });
}

/* Settling ------------------------------------------------------------------------------ */

/* Channels first .. first + n - 1. */
static void settle_channels(struct state *state, uint32_t layer, uint32_t first, uint32_t n)
{
    const struct hyperparameters *p = state->parameters;
    const uint32_t n_back = p->n_taps - 1, n_waiting = waiting_count(state);
    float *rows = state->convolution[state->live] + state->layers[layer].convolution + first;

    for (uint32_t i = 0; i < n_back; i++) {
        const float *row = rows + (size_t)(i + n_waiting) * p->conv_width;
        if (i + n_waiting >= n_back)
            row = state_logged_row(state, state->waiting_log, layer,
                                   first_waiting(state) + i + n_waiting - n_back)
                      .raw +
                  first;
        memcpy(rows + (size_t)i * p->conv_width, row, n * sizeof *rows);
    }
}

static void settle_convolution(struct state *state, uint32_t layer)
{
    const struct hyperparameters *p = state->parameters;

    for (uint32_t key_head = 0; key_head < p->n_key_heads; key_head++)
        if (state_convolution_waits(state, layer, key_head))
            for (uint32_t i = 0; i < key_head_ranges(p); i++)
                settle_channels(state, layer, key_head_channel(p, key_head, i), p->state_dim);
}

static void settle_layer(struct state *state, uint32_t layer)
{
    const struct hyperparameters *p = state->parameters;
    float *slices = state->recurrent[state->live] + state->layers[layer].recurrent;
    const size_t slice_floats = (size_t)p->state_dim * DELTA_SLICE;

    settle_convolution(state, layer);
    for (uint32_t i = 0; i < slice_count(state); i++)
        if (state_slice_waits(state, layer, i))
            state_apply_waiting(state, layer, i, 1, slices + i * slice_floats);
}

void state_settle(struct state *state)
{
    const struct hyperparameters *p = state->parameters;

    if (waiting_count(state) == 0)
        return;
    if (live_is_marked(state)) {
        const int spare = !state->live;
        if (state->n_recurrent > 0) {
            memcpy(state->recurrent[spare], state->recurrent[state->live],
                   state->n_recurrent * sizeof(float));
            memcpy(state->convolution[spare], state->convolution[state->live],
                   state->n_convolution * sizeof(float));
        }
        state->live = spare;
        state->mark_apart = true;
    }
    for (uint32_t i = 0; i < p->n_layers; i++)
        if (p->layers[i].recurrent)
            settle_layer(state, i);
    state->settled = state->position;
}
