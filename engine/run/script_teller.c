/*
 * script_teller.c - tokens at the pace of a script, and the figures of a policy that would be
 */
#include "engine/run/script_teller.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum {
    BYTES_OF_TOKEN = 4,
    CANDIDATES = 4,                      /* of a pass */
    SLICE_NANOSECONDS = 4 * 1000 * 1000, /* of waiting: a cancel is seen so soon */
    POLICY_NANOSECONDS = 100 * 1000 * 1000
};

/* What costs are said to be: a step's where the script has no rate, and shares of a step. */
static const double STEP_SECONDS = 0.02;
static const double PASS_STEPS = 1.25;
static const double DRAFT_STEPS = 0.05;

bool script_stopped(const struct script_scene *scene)
{
    return atomic_load(&scene->request->cancel) || atomic_load(scene->link->closing);
}

void script_sleep(int64_t due)
{
    int64_t left = due - run_clock_now();

    if (left > SLICE_NANOSECONDS)
        left = SLICE_NANOSECONDS;
    if (left > 0)
        nanosleep(&(struct timespec){0, (long)left}, NULL);
}

bool script_wait(const struct script_scene *scene, int64_t due)
{
    while (!script_stopped(scene) && run_clock_now() < due)
        script_sleep(due);
    return !script_stopped(scene);
}

bool script_is_setting(enum script_step_kind kind)
{
    return kind == SCRIPT_RATE || kind == SCRIPT_SPLIT || kind == SCRIPT_SOURCE ||
           kind == SCRIPT_STATE;
}

void script_teller_init(struct script_teller *teller, const struct script_scene *scene,
                        const struct engine_lane *lane, int64_t submitted)
{
    *teller = (struct script_teller){.scene = scene,
                                     .has_policy = true,
                                     .settings = lane->policy,
                                     .position = scene->position,
                                     .due = run_clock_now()};
    meter_init(&teller->meter, scene->link->clock, submitted);
}

void script_teller_release(struct script_teller *teller)
{
    meter_release(&teller->meter);
    byte_buffer_release(&teller->tokens);
}

static void end(struct script_teller *teller, enum stop_reason reason)
{
    teller->reason = reason;
    teller->ended = true;
}

/* The policy -------------------------------------------------------------------------------- */

static double step_seconds(const struct script_teller *teller)
{
    return teller->rate > 0 ? 1.0 / teller->rate : STEP_SECONDS;
}

static void count_pass(struct script_teller *teller, uint32_t n_accepted)
{
    struct policy_statistics *s = &teller->speculation;
    struct policy_count *count = &s->by_source[teller->passes.source];
    const double step = step_seconds(teller);

    s->cycles++;
    s->passes++;
    s->pass_tokens += n_accepted + 1;
    s->plain_age += n_accepted + 1;
    s->proposed += CANDIDATES;
    s->verified += CANDIDATES;
    s->rejected += CANDIDATES - n_accepted;
    count->proposed += CANDIDATES;
    count->verified += CANDIDATES;
    s->lengths[n_accepted]++;
    for (uint32_t i = 0; i < CANDIDATES; i++) {
        s->position_verified[i] += i <= n_accepted;
        s->position_accepted[i] += i < n_accepted;
    }
    s->draft_seconds += DRAFT_STEPS * CANDIDATES * step;
    s->verify_seconds += PASS_STEPS * step;
    s->wasted_verify += PASS_STEPS * step * (CANDIDATES - n_accepted) / (CANDIDATES + 1);
}

static void count_plain(struct script_teller *teller)
{
    struct policy_statistics *s = &teller->speculation;

    s->plain++;
    s->cycles++;
    s->plain_steps++;
    s->plain_step = step_seconds(teller);
    s->plain_seconds += s->plain_step;
    s->plain_age = 0;
}

/* Who proposes the next token; the first one comes with the prompt. */
static enum policy_source next_source(struct script_teller *teller)
{
    struct script_passes *passes = &teller->passes;
    struct policy_statistics *s = &teller->speculation;

    s->emitted++;
    if (!passes->is_open && teller->meter.n_tokens > 0 && teller->has_policy &&
        teller->settings.kind != POLICY_GREEDY && passes->source != POLICY_SOURCE_NONE) {
        passes->credit += CANDIDATES * passes->percent;
        passes->left = passes->credit / 100;
        passes->credit %= 100;
        passes->is_open = true;
        passes->is_bonus = passes->left == CANDIDATES;
        count_pass(teller, passes->left);
    }
    if (!passes->is_open) {
        count_plain(teller);
        return POLICY_SOURCE_NONE;
    }
    if (passes->left > 0) {
        passes->left--;
        s->accepted++;
        s->by_source[passes->source].accepted++;
        return passes->source;
    }
    passes->is_open = false;
    if (passes->is_bonus)
        s->bonus++;
    else
        s->corrections++;
    return POLICY_SOURCE_NONE;
}

static void tell_state(struct script_teller *teller, enum policy_source source)
{
    struct policy_statistics *s = &teller->speculation;

    if (teller->state != NULL) {
        s->state = (enum policy_state)teller->state->number;
        snprintf(s->reason, sizeof s->reason, "%s", teller->state->bytes);
        s->cooldown = s->state == POLICY_COOLDOWN ? 16 : 0;
        return;
    }
    s->cooldown = 0;
    if (teller->settings.kind == POLICY_GREEDY) {
        s->state = POLICY_PLAIN;
        snprintf(s->reason, sizeof s->reason, "greedy");
    } else if (teller->passes.is_open || source != POLICY_SOURCE_NONE) {
        s->state = POLICY_DRAFTING;
        snprintf(s->reason, sizeof s->reason, "%s: %d candidates",
                 policy_source_name(teller->passes.source), CANDIDATES);
    } else {
        s->state = POLICY_PLAIN;
        snprintf(s->reason, sizeof s->reason, "nothing to propose");
    }
}

static void follow_switch(struct script_teller *teller)
{
    const struct script_scene *scene = teller->scene;
    struct policy_settings settings;
    struct error error = {0};
    char *draft_path;

    if (scene->request->wanted.n_lanes > 0 ||
        !run_request_take_switch(scene->request, &settings, &draft_path))
        return;
    if (scene->have_draft(scene->context, scene, &settings, draft_path, &error) == STATUS_OK)
        teller->settings = settings;
    else
        run_push_refused(scene->link, scene->request, &teller->speculation, &error);
    free(draft_path);
}

static void tell_policy(struct script_teller *teller, int64_t now)
{
    if (!teller->has_policy || now - teller->policy_told < POLICY_NANOSECONDS)
        return;
    teller->policy_told = now;
    run_push_policy(teller->scene->link, teller->scene->request, teller->lane,
                    &teller->speculation);
}

/* A pass that was cut short: candidates behind the end are verified by nobody. */
static void close_pass(struct script_teller *teller)
{
    struct policy_statistics *s = &teller->speculation;
    const uint32_t n_left = teller->passes.left;

    s->verified -= n_left;
    s->ignored += n_left;
    s->by_source[teller->passes.source].verified -= n_left;
    teller->passes.left = 0;
    teller->passes.is_open = false;
}

/* Tokens ------------------------------------------------------------------------------------ */

/* Bytes of the next token. */
static size_t next_token(const struct script_teller *teller, const char *bytes, size_t n_bytes)
{
    size_t n = teller->split > 0 ? teller->split : BYTES_OF_TOKEN;

    if (n >= n_bytes)
        return n_bytes;
    for (int more = 0; teller->split == 0 && more < 3 && n < n_bytes; more++, n++)
        if (((unsigned char)bytes[n] & 0xC0) != 0x80)
            break;
    return n;
}

static bool remember(struct script_teller *teller, const struct run_text *text)
{
    uint32_t hash = 2166136261u + (uint32_t)text->part;

    for (size_t i = 0; i < text->n_bytes; i++)
        hash = (hash ^ (unsigned char)text->bytes[i]) * 16777619u;
    return byte_buffer_append(&teller->tokens, &hash, sizeof hash);
}

static void tell_token(struct script_teller *teller, enum chat_part part, const char *bytes,
                       size_t n_bytes)
{
    const struct engine_request *wanted = &teller->scene->request->wanted;
    const bool thinking = part == CHAT_PART_THINKING;

    if (!script_wait(teller->scene, teller->due)) {
        end(teller, STOP_CANCELLED);
        return;
    }
    if (teller->position >= teller->scene->script->n_context) {
        end(teller, STOP_CONTEXT);
        return;
    }
    const enum policy_source source = next_source(teller);
    const int64_t now = run_clock_now();
    meter_token(&teller->meter, now, thinking);
    teller->position++;
    teller->due = now;
    if (teller->rate > 0)
        teller->due += 1000000000 / teller->rate;
    const int32_t id = (int32_t)teller->meter.n_tokens;
    const struct run_text text = {.part = part,
                                  .source = source,
                                  .lane = teller->lane,
                                  .round = teller->round,
                                  .bytes = bytes,
                                  .n_bytes = n_bytes,
                                  .ids = &id,
                                  .n_ids = thinking ? 0 : 1};
    tell_state(teller, source);
    teller->no_memory =
        !remember(teller, &text) ||
        !run_push_text(teller->scene->link, teller->scene->request, &teller->meter, &text);
    tell_policy(teller, now);
    follow_switch(teller);
    if (wanted->max_tokens > 0 && teller->meter.n_tokens >= wanted->max_tokens)
        end(teller, STOP_LENGTH);
}

static bool may_think(const struct script_teller *teller)
{
    const struct engine_request *wanted = &teller->scene->request->wanted;

    return wanted->thinking != THINKING_OFF &&
           (wanted->thinking_budget == 0 || teller->meter.n_thinking < wanted->thinking_budget);
}

static void next_step(struct script_teller *teller)
{
    teller->step++;
    teller->at = 0;
    teller->times = 0;
}

/* One token of it; false: there is none, and the next step's turn. */
static bool tell_spoken(struct script_teller *teller, const struct script_step *step)
{
    const bool thinking = step->kind == SCRIPT_THINK;

    if (teller->at == step->n_bytes) {
        teller->at = 0;
        teller->times++;
    }
    if (step->n_bytes == 0 || teller->times == step->repeat ||
        (thinking && !may_think(teller))) {
        next_step(teller);
        return false;
    }
    const char *bytes = step->bytes + teller->at;
    const size_t n = next_token(teller, bytes, step->n_bytes - teller->at);
    tell_token(teller, thinking ? CHAT_PART_THINKING : CHAT_PART_ANSWER, bytes, n);
    teller->at += n;
    return true;
}

/* A step without words. */
static enum status take_step(struct script_teller *teller, const struct script_step *step,
                             struct error *error)
{
    next_step(teller);
    switch (step->kind) {
    case SCRIPT_RATE: teller->rate = step->number; break;
    case SCRIPT_SPLIT: teller->split = step->number; break;
    case SCRIPT_SOURCE:
        close_pass(teller);
        teller->passes = (struct script_passes){.source = (enum policy_source)step->number,
                                                .percent = step->percent};
        break;
    case SCRIPT_STATE: teller->state = step; break;
    case SCRIPT_DELAY:
        if (!script_wait(teller->scene, run_clock_now() + (int64_t)step->number * 1000000))
            end(teller, STOP_CANCELLED);
        break;
    case SCRIPT_STOP: end(teller, (enum stop_reason)step->number); break;
    case SCRIPT_FAIL: return error_set(error, STATUS_FAILED, "%s", step->bytes);
    case SCRIPT_PREFILL: /* told before */
    case SCRIPT_THINK:
    case SCRIPT_TEXT: break;
    }
    return STATUS_OK;
}

enum status script_teller_go_on(struct script_teller *teller, struct error *error)
{
    enum status status = STATUS_OK;
    bool told = false;

    while (status == STATUS_OK && !told && !teller->ended) {
        if (teller->step == teller->scene->n_steps) {
            end(teller, STOP_TOKEN);
            break;
        }
        const struct script_step *step = &teller->scene->steps[teller->step];
        if (step->lane != SCRIPT_ALL_LANES && step->lane != teller->lane)
            next_step(teller);
        else if (step->kind == SCRIPT_THINK || step->kind == SCRIPT_TEXT)
            told = tell_spoken(teller, step);
        else
            status = take_step(teller, step, error);
    }
    if (teller->no_memory)
        return error_set(error, STATUS_NO_MEMORY, "no memory for the answer's text");
    return status;
}

void script_teller_statistics(struct script_teller *teller,
                              struct engine_statistics *statistics)
{
    close_pass(teller);
    meter_statistics(&teller->meter, statistics);
    statistics->policy = teller->has_policy ? teller->settings.kind : POLICY_GREEDY;
    if (teller->has_policy)
        statistics->speculation = teller->speculation;
}
