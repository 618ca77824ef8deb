/*
 * compare.c - two ways to answer the last message: the request and its events
 *
 * The conversation does not change until one of the two is kept (compare_choice.c).
 */
#include "app/compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Asking ------------------------------------------------------------------------------------- */

static void forget(struct chat *chat)
{
    struct comparison *comparison = chat->comparison;

    for (size_t i = 0; i < 2; i++)
        answer_release(&comparison->sides[i].answer);
    free(comparison->settings.system);
    free(comparison);
    chat->comparison = NULL;
}

bool compare_ask(struct chat *chat, uint32_t rounds)
{
    struct comparison *comparison = chat->comparison;
    struct chat_message *messages;
    struct engine_lane lanes[2];
    struct error error;
    struct engine_request request = chat_request(chat, chat->conversation.n_exchanges - 1,
                                                 &comparison->settings, &messages);

    /* Who is first changes from round to round, also where rounds are asked for one by one. */
    comparison->turned = comparison->sides[0].figures.n_rounds % 2 == 1;
    for (size_t i = 0; i < 2; i++) {
        const struct compare_way *way = &comparison->sides[i ^ comparison->turned].way;
        lanes[i] = (struct engine_lane){.policy = way->policy.settings,
                                        .sampling = way->sampling,
                                        .variant = comparison->settings.variant};
    }
    request.lanes = lanes;
    request.n_lanes = 2;
    request.rounds = rounds;
    request.together = comparison->plan.together;
    enum status status = engine_submit(chat->engine, &request, &chat->request, &error);
    free(messages);
    if (status != STATUS_OK) {
        chat->request = 0;
        chat_error(chat, &error);
        return false;
    }
    comparison->running = true;
    comparison->n_wanted = comparison->sides[0].figures.n_rounds + rounds;
    chat_request_began(chat, TASK_COMPARE);
    return true;
}

static void start(struct chat *chat, const struct compare_plan *plan)
{
    struct comparison *comparison = app_resize(NULL, 1, sizeof *comparison);
    struct answer_settings settings = chat_answer_settings(chat);

    settings.variant = exchange_next_variant(conversation_last(&chat->conversation));
    if (settings.system != NULL)
        settings.system = app_copy(settings.system, strlen(settings.system));
    *comparison = (struct comparison){.plan = *plan, .settings = settings};
    comparison->verdict.margin = NAN;
    for (size_t i = 0; i < 2; i++) {
        struct compare_side *side = &comparison->sides[i];
        side->way = plan->ways[i];
        side->answer.settings = settings;
        side->answer.settings.system =
            settings.system != NULL ? app_copy(settings.system, strlen(settings.system)) : NULL;
        side->answer.settings.policy = side->way.policy;
        side->answer.settings.sampling = side->way.sampling;
        side->figures.name = side->way.name;
        side->figures.speculation = &side->speculation;
    }
    chat->comparison = comparison;
    if (!compare_ask(chat, plan->rounds)) {
        compare_leave(chat);
        return;
    }
    compare_show_open(chat);
}

void compare_again(struct chat *chat)
{
    struct compare_plan plan = chat->comparison->plan;

    forget(chat);
    start(chat, &plan);
}

void compare_start(struct chat *chat, const struct compare_plan *plan)
{
    compare_leave(chat);
    if (plan->together && !plan->blind)
        display_say(&chat->display, UI_BLOCK_NOTICE,
                    "Together, in one pass for each token: the two policies are not used.");
    start(chat, plan);
}

void compare_leave(struct chat *chat)
{
    if (chat->comparison == NULL)
        return;
    if (chat->comparison->running && chat_busy(chat)) {
        engine_cancel(chat->engine);
        chat_request_over(chat);
    }
    forget(chat);
    chat_status_policy(chat);
    if (chat->display.ui != NULL && ui_split_is_open(chat->display.ui))
        ui_split_close(chat->display.ui);
}

/* Events ------------------------------------------------------------------------------------- */

/* The status line tells of the side that runs, if it may be told which it is. */
static void show_status(struct chat *chat, size_t index)
{
    const struct comparison *comparison = chat->comparison;
    const struct compare_side *side = &comparison->sides[index];

    if (comparison->plan.blind || comparison->plan.together)
        chat_status_show_policy(chat, "", POLICY_SOURCE_NONE, NULL);
    else
        chat_status_show_policy(chat, side->way.name, POLICY_SOURCE_NONE, &side->live);
}

static void on_text(struct chat *chat, size_t index, const struct engine_event *event)
{
    struct compare_side *side = &chat->comparison->sides[index];
    struct ui_status *status = &chat->status;

    /* Every round gives the same text: the first one's is kept. */
    if (!side->complete)
        answer_add(&side->answer, event->text.part, event->text.bytes, event->text.n_bytes,
                   event->text.ids, event->text.n_ids);
    compare_show_text(chat, index, event);
    side->began = true;
    side->part = event->text.part;
    side->n_tokens = event->text.n_tokens;
    side->rate_now = event->text.rate_now;
    chat_draft_works(chat, false);
    status->phase = UI_PHASE_GENERATING;
    status->n_tokens = event->text.n_tokens;
    status->rate_now = event->text.rate_now;
    status->rate_average = event->text.rate_average;
    status->position = status->n_prompt + event->text.n_tokens;
    show_status(chat, index);
    compare_show_heading(chat, index);
}

/* The token of an answer at an index, where thinking does not shift it. */
static bool token_text(const struct chat *chat, const struct answer *answer, uint32_t index,
                       char *text, size_t n_bytes)
{
    const struct model *model = engine_model(chat->engine);
    size_t length;

    if (model == NULL || answer->thinking.n_bytes > 0 || index >= answer->n_ids)
        return false;
    const char *bytes = model_token_text(model, answer->ids[index], &length);
    if (bytes == NULL)
        return false;
    ui_filter_line(bytes, length, text, n_bytes);
    return true;
}

static void take_verdict(struct chat *chat, const struct engine_event *event)
{
    struct comparison *comparison = chat->comparison;
    struct compare_verdict *verdict = &comparison->verdict;
    bool first_of_all = event->lane.lane == 0 && event->lane.round == 0;

    /* One difference is enough; what came before or after it changes nothing. */
    if (first_of_all || event->lane.reason == STOP_CANCELLED ||
        (verdict->known && !verdict->identical))
        return;
    verdict->known = true;
    verdict->identical = event->lane.identical;
    verdict->n_compared = event->lane.n_compared;
    verdict->first_difference = event->lane.first_difference;
    verdict->margin = comparison->turned ? -event->lane.margin : event->lane.margin;
    for (size_t i = 0; i < 2 && !verdict->identical; i++) {
        bool known = token_text(chat, &comparison->sides[i].answer, verdict->first_difference,
                                comparison->tokens[i], sizeof comparison->tokens[i]);
        verdict->tokens[i] = known ? comparison->tokens[i] : NULL;
    }
}

static void on_lane_done(struct chat *chat, size_t index, const struct engine_event *event)
{
    struct comparison *comparison = chat->comparison;
    struct compare_side *side = &comparison->sides[index];
    const struct engine_statistics *statistics = &event->lane.statistics;
    struct compare_figures *figures = &side->figures;

    if (chat->display.ui != NULL)
        ui_split_finish(chat->display.ui, (int)index);
    if (!side->complete) {
        side->answer.end =
            event->lane.reason == STOP_CANCELLED ? ANSWER_STOPPED : ANSWER_COMPLETE;
        side->answer.statistics = *statistics;
        side->answer.has_statistics = true;
        comparison->verdict.n_tokens[index] = statistics->n_generated;
        compare_print_over(chat, index);
    }
    if (event->lane.reason != STOP_CANCELLED && figures->n_rounds < COMPARE_MAX_ROUNDS) {
        figures->rates[figures->n_rounds] = statistics->rate;
        figures->seconds[figures->n_rounds++] = statistics->decode;
        side->speculation = statistics->speculation;
    }
    side->complete = true;
    side->began = false;
    side->live = statistics->speculation;
    side->rate_now = statistics->rate;
    side->n_tokens = statistics->n_generated;
    session_totals_add(&chat->statistics.session, statistics);
    take_verdict(chat, event);
    compare_show_all(chat);
}

static void on_over(struct chat *chat)
{
    struct comparison *comparison = chat->comparison;
    struct text_buffer text = {0};

    comparison->running = false;
    chat_request_over(chat);
    /* A lane that was stopped before it said so, or never began. */
    for (size_t i = 0; i < 2; i++) {
        if (!comparison->sides[i].complete)
            comparison->sides[i].answer.end = ANSWER_STOPPED;
        comparison->sides[i].began = false;
    }
    compare_show_all(chat);
    if (chat->display.ui != NULL)
        return;
    compare_add_table(comparison, display_columns(&chat->display), &text);
    text_printf(&text, "%s/keep %s or /keep %s keeps that answer.",
                text.n_bytes > 0 ? "\n" : "", compare_label(comparison, 0),
                compare_label(comparison, 1));
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s", text_string(&text));
    text_release(&text);
}

void compare_event(struct chat *chat, const struct engine_event *event)
{
    bool turned = chat->comparison->turned;

    switch (event->type) {
    case ENGINE_TEXT:
        if (event->text.lane < 2)
            on_text(chat, event->text.lane ^ turned, event);
        break;
    case ENGINE_POLICY:
        if (event->policy.lane < 2) {
            chat->comparison->sides[event->policy.lane ^ turned].live =
                event->policy.statistics;
            compare_show_heading(chat, event->policy.lane ^ turned);
        }
        break;
    case ENGINE_LANE_DONE:
        if (event->lane.lane < 2)
            on_lane_done(chat, event->lane.lane ^ turned, event);
        break;
    case ENGINE_DONE: on_over(chat); break;
    case ENGINE_FAILED:
        chat_request_over(chat);
        compare_leave(chat);
        chat_error(chat, &event->failure);
        chat_send_waiting(chat);
        break;
    default: break;
    }
}
