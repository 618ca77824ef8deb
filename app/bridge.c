/*
 * bridge.c - engine events become blocks and status
 *
 * Events are taken many at a time, and the status goes to the screen once afterwards; but not
 * without end: keys and signals get their turn however fast the engine is.
 * Events of a request that is not the running one (it was abandoned by /new) are dropped.
 */
#include <stdio.h>
#include <string.h>

#include "app/chat_internal.h"
#include "app/signals.h"

enum { MOST_EVENTS = 256 };

/* Loading ------------------------------------------------------------------------------------ */

static void on_loading(struct chat *chat, const struct engine_event *event)
{
    struct ui_status *status = &chat->status;

    /* A draft model is opened inside a request; that one may have been abandoned. */
    if (event->load.draft && !chat_busy(chat))
        return;
    chat_draft_works(chat, event->load.draft);
    status->phase = UI_PHASE_LOADING;
    status->done = event->load.done;
    status->total = event->load.total;
    status->fraction = 0;
    status->remaining = -1;
    if (event->load.phase != MODEL_LOAD_WEIGHTS || event->load.total == 0) {
        if (!event->load.draft)
            chat->submitted = chat_clock(chat);
        return;
    }
    status->fraction = (double)event->load.done / (double)event->load.total;
    /* The first few percent say little about the rest. */
    if (status->fraction > 0.05 && !event->load.draft)
        status->remaining =
            (chat_clock(chat) - chat->submitted) * (1 - status->fraction) / status->fraction;
}

static void on_ready(struct chat *chat)
{
    const struct model_info *info = engine_info(chat->engine);
    char path[384];

    chat->state = CHAT_READY;
    chat->status.phase = UI_PHASE_IDLE;
    chat->status.remaining = chat->status.first_token = -1;
    if (info != NULL) {
        snprintf(chat->status.model, sizeof chat->status.model, "%.60s%s%s", info->name,
                 info->quantisation[0] != '\0' ? " " : "", info->quantisation);
        chat->status.n_context = session_context_choice(
            (uint32_t)config_values(chat->store)->context, info->n_context);
        if (info->template_notice[0] != '\0')
            display_say(&chat->display, UI_BLOCK_NOTICE, "%s", info->template_notice);
        if (info->path != NULL) {
            ui_filter_line(info->path, strlen(info->path), path, sizeof path);
            signals_name_model(path);
        }
    }
    chat_loaded(chat);
}

static void on_load_failed(struct chat *chat, const struct engine_event *event)
{
    chat->state = CHAT_LOAD_FAILED;
    chat->status.phase = UI_PHASE_NO_MODEL;
    chat->load_failure = event->failure.status;
    chat_error(chat, &event->failure);
    chat_loaded(chat);
}

/* Answering ---------------------------------------------------------------------------------- */

static void on_prefill(struct chat *chat, const struct engine_event *event)
{
    struct ui_status *status = &chat->status;

    chat_draft_works(chat, event->prefill.draft);
    chat_statistics_prefill(chat, event);
    status->phase = UI_PHASE_PREFILL;
    status->done = event->prefill.done;
    status->total = event->prefill.total;
    status->fraction = event->prefill.total > 0
                           ? (double)event->prefill.done / (double)event->prefill.total
                           : 1;
    status->rate = event->prefill.rate;
    status->remaining = event->prefill.remaining;
    if (event->prefill.draft)
        return;
    status->n_cached = event->prefill.cached;
    status->n_prompt = event->prefill.cached + event->prefill.total;
    status->position = event->prefill.cached + event->prefill.done;
    /* Without a screen one line has to do, and only when there is something to wait for. */
    if (chat->display.ui == NULL && !chat->told_prefill && event->prefill.remaining > 2) {
        chat->told_prefill = true;
        printf("status: reading the prompt, %u tokens, about %.0f seconds\n",
               event->prefill.total, event->prefill.remaining);
        fflush(stdout);
    }
}

static void thinking_summary(const struct chat *chat, char *summary, size_t n_bytes)
{
    double seconds = chat_clock(chat) - chat->thinking_started;

    snprintf(summary, n_bytes, "thought for %.1f s, %u token%s", seconds, chat->n_thinking,
             chat->n_thinking == 1 ? "" : "s");
}

/* The block of a part; it is added when its first text comes. */
static uint32_t part_block(struct chat *chat, enum chat_part part)
{
    const struct answer *answer = exchange_answer(conversation_last(&chat->conversation));
    uint32_t *block = part == CHAT_PART_THINKING ? &chat->thinking_block : &chat->answer_block;
    char heading[48] = "model", summary[96];

    if (*block != 0)
        return *block;
    if (part == CHAT_PART_ANSWER && chat->thinking_block != 0) {
        thinking_summary(chat, summary, sizeof summary);
        display_finish(&chat->display, chat->thinking_block);
        display_fold(&chat->display, chat->thinking_block,
                     !config_values(chat->store)->show_thinking, summary);
    }
    if (answer->settings.variant > 0)
        snprintf(heading, sizeof heading, "model, variant %u", answer->settings.variant + 1);
    if (part == CHAT_PART_THINKING) {
        chat->thinking_started = chat_clock(chat);
        *block = display_add(&chat->display, UI_BLOCK_THINKING, "thinking");
        /* Open while it grows; it folds when the answer begins. */
        display_fold(&chat->display, *block, false, NULL);
    } else {
        *block = display_add(&chat->display, UI_BLOCK_ANSWER, heading);
    }
    if (chat->answer_first == 0)
        chat->answer_first = *block;
    return *block;
}

enum ui_mark mark_of(enum policy_source source)
{
    switch (source) {
    case POLICY_SOURCE_NGRAM: return UI_MARK_NGRAM;
    case POLICY_SOURCE_DRAFT: return UI_MARK_DRAFT;
    case POLICY_SOURCE_MTP: return UI_MARK_MTP;
    case POLICY_SOURCE_NONE:
    case POLICY_SOURCE_COUNT: break;
    }
    return UI_MARK_NONE;
}

static void on_text(struct chat *chat, const struct engine_event *event)
{
    struct ui_status *status = &chat->status;
    struct answer *answer = exchange_answer(conversation_last(&chat->conversation));

    if (status->first_token < 0)
        status->first_token = chat_clock(chat) - chat->submitted;
    answer_add(answer, event->text.part, event->text.bytes, event->text.n_bytes,
               event->text.ids, event->text.n_ids);
    if (event->text.part == CHAT_PART_THINKING)
        chat->n_thinking = event->text.n_tokens;
    if (event->text.n_bytes > 0)
        display_append_marked(&chat->display, part_block(chat, event->text.part),
                              event->text.bytes, event->text.n_bytes,
                              mark_of(event->text.source));
    chat_statistics_text(chat, event);
    chat_draft_works(chat, false);
    status->phase = UI_PHASE_GENERATING;
    status->thinking = event->text.part == CHAT_PART_THINKING;
    status->n_tokens = event->text.n_tokens;
    status->rate_now = event->text.rate_now;
    status->rate_average = event->text.rate_average;
    status->position = status->n_prompt + event->text.n_tokens;
}

/* Why an answer ended early; an answer that the model ended needs no words. */
static void tell_reason(struct chat *chat, enum stop_reason reason, bool kept, bool empty,
                        const struct engine_statistics *statistics)
{
    switch (reason) {
    case STOP_TOKEN:
    case STOP_SINK: break;
    case STOP_LENGTH:
        display_say(&chat->display, UI_BLOCK_NOTICE,
                    "The answer ends here: it reached max_tokens (%lld).",
                    (long long)config_values(chat->store)->max_tokens);
        break;
    case STOP_CONTEXT:
        display_say(&chat->display, UI_BLOCK_NOTICE,
                    "The context is full (%u tokens). /new begins another conversation; "
                    "--context N makes room for more.",
                    statistics->n_context);
        break;
    case STOP_CANCELLED:
        if (!kept)
            display_say(&chat->display, UI_BLOCK_NOTICE,
                        "Stopped before the answer began. /regen asks again.");
        else if (empty)
            display_say(&chat->display, UI_BLOCK_NOTICE,
                        "Stopped while thinking; the answer is empty. /regen asks again.");
        else
            display_say(&chat->display, UI_BLOCK_NOTICE, "Stopped; the answer so far is kept.");
        break;
    }
}

static void tell_statistics(struct chat *chat, const struct engine_statistics *statistics)
{
    if (chat->display.ui != NULL)
        return;
    printf("status: %u token%s", statistics->n_generated,
           statistics->n_generated == 1 ? "" : "s");
    if (statistics->rate > 0)
        printf(", %.1f tokens per second", statistics->rate);
    if (statistics->speculation.verified > 0)
        printf(", %.0f percent of drafts accepted",
               100 * policy_acceptance(&statistics->speculation));
    printf(", first after %.2f s\n", statistics->first_token);
    fflush(stdout);
}

static void on_done(struct chat *chat, const struct engine_event *event)
{
    const struct engine_statistics *statistics = &event->done.statistics;
    const struct exchange *exchange = conversation_last(&chat->conversation);
    struct ui_status *status = &chat->status;
    bool stopped = event->done.reason == STOP_CANCELLED;
    struct answer *answer = exchange_answer(exchange);
    bool empty = answer->text.n_bytes == 0;
    bool kept = !stopped || !empty || answer->thinking.n_bytes > 0;

    status->first_token = statistics->n_generated > 0 ? statistics->first_token : -1;
    status->rate_average = statistics->rate;
    status->n_tokens = statistics->n_generated;
    status->position = statistics->position;
    status->n_context = statistics->n_context;
    status->n_cached = statistics->n_cached;
    status->n_prompt = statistics->n_prompt;
    answer->statistics = *statistics;
    answer->has_statistics = true;
    chat_statistics_done(chat, statistics);
    chat_finish_blocks(chat);
    tell_reason(chat, event->done.reason, kept, empty, statistics);
    tell_statistics(chat, statistics);
    chat_answer_over(chat, stopped ? ANSWER_STOPPED : ANSWER_COMPLETE);
    chat_send_waiting(chat);
}

static void on_failed(struct chat *chat, const struct engine_event *event)
{
    chat_finish_blocks(chat);
    chat_error(chat, &event->failure);
    chat_answer_over(chat, ANSWER_FAILED);
    chat_send_waiting(chat);
}

/* Events of the running request, for those who asked. */
static void on_answer_event(struct chat *chat, const struct engine_event *event)
{
    switch (event->type) {
    case ENGINE_TEXT: on_text(chat, event); break;
    case ENGINE_POLICY:
        if (event->policy.refused[0] != '\0')
            chat_policy_refused(chat, event->policy.refused);
        chat_statistics_policy(chat, &event->policy.statistics);
        break;
    case ENGINE_DONE: on_done(chat, event); break;
    case ENGINE_FAILED: on_failed(chat, event); break;
    default: break;
    }
}

static void on_request_event(struct chat *chat, const struct engine_event *event)
{
    if (event->type == ENGINE_PREFILL) {
        on_prefill(chat, event);
        return;
    }
    switch (chat->task) {
    case TASK_ANSWER: on_answer_event(chat, event); break;
    case TASK_COMPARE: compare_event(chat, event); break;
    case TASK_VARIANTS: variants_event(chat, event); break;
    case TASK_CHECK: selfcheck_event(chat, event); break;
    }
    if (!chat_busy(chat))
        chat_tell_trace(chat);
}

static void on_event(struct chat *chat, const struct engine_event *event)
{
    switch (event->type) {
    case ENGINE_LOADING: on_loading(chat, event); break;
    case ENGINE_READY: on_ready(chat); break;
    case ENGINE_LOAD_FAILED: on_load_failed(chat, event); break;
    default:
        if (event->request != 0 && event->request == chat->request)
            on_request_event(chat, event);
        break;
    }
    chat->status_changed = true;
}

void bridge_drain(struct chat *chat)
{
    struct engine_event event;

    for (int i = 0; i < MOST_EVENTS && chat->engine != NULL; i++) {
        if (!engine_next_event(chat->engine, &event))
            break;
        on_event(chat, &event);
    }
}
