/*
 * chat_request.c - asking the engine for an answer, and what becomes of the answer
 */
#include "app/chat_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/engine_settings.h"

/* Asking ------------------------------------------------------------------------------------- */

struct answer_settings chat_answer_settings(const struct chat *chat)
{
    const struct config *config = config_values(chat->store);

    return (struct answer_settings){
        .system = config->system,
        .thinking = thinking_setting(config),
        .thinking_budget = (uint32_t)config->think_budget,
        .sampling = sampling_settings(chat->store),
        .seed = chat->conversation.seed,
        .max_tokens = (size_t)config->max_tokens,
        .policy = chat->policy,
    };
}

struct engine_request chat_request(const struct chat *chat, size_t exchange,
                                   const struct answer_settings *settings,
                                   struct chat_message **messages)
{
    size_t n_messages =
        conversation_messages(&chat->conversation, exchange, settings->system, messages);

    struct engine_request request = {
        .messages = *messages,
        .n_messages = n_messages,
        .thinking = settings->thinking,
        .thinking_budget = settings->thinking_budget,
        .sampling = settings->sampling,
        .conversation_seed = settings->seed,
        .message = (uint32_t)exchange,
        .variant = settings->variant,
        .max_tokens = settings->max_tokens,
    };
    chat_request_policy(chat, &settings->policy, &request);
    return request;
}

bool chat_may_ask(struct chat *chat)
{
    if (chat->state == CHAT_LOADING)
        display_say(&chat->display, UI_BLOCK_ERROR, "the model is still being opened");
    else if (chat->state != CHAT_READY)
        display_say(&chat->display, UI_BLOCK_ERROR, "there is no model to answer");
    else if (chat_busy(chat))
        display_say(&chat->display, UI_BLOCK_ERROR, "an answer is running; Esc stops it");
    return chat->state == CHAT_READY && !chat_busy(chat);
}

bool chat_may_ask_again(struct chat *chat)
{
    /* Without a question nothing else matters. */
    if (conversation_last(&chat->conversation) == NULL) {
        display_say(&chat->display, UI_BLOCK_ERROR, "there is no message to answer again");
        return false;
    }
    return chat_may_ask(chat);
}

void chat_request_began(struct chat *chat, enum chat_task task)
{
    struct ui_status *status = &chat->status;

    chat->task = task;
    chat->stopping = false;
    chat->told_prefill = false;
    chat->submitted = chat_clock(chat);
    status->phase = UI_PHASE_PREFILL;
    status->fraction = 0;
    status->done = status->total = 0;
    status->rate = status->rate_now = status->rate_average = 0;
    status->remaining = status->first_token = -1;
    status->n_tokens = status->n_cached = status->n_prompt = 0;
    status->thinking = false;
    chat->status_changed = true;
    if (chat->display.ui != NULL)
        ui_set_busy(chat->display.ui, true);
}

void chat_request_over(struct chat *chat)
{
    chat->request = 0;
    chat->stopping = false;
    chat_draft_works(chat, false);
    chat->status.phase = UI_PHASE_IDLE;
    chat->status.thinking = false;
    chat->statistics.live = false;
    chat->status_changed = true;
    if (chat->display.ui != NULL)
        ui_set_busy(chat->display.ui, false);
}

void chat_ask(struct chat *chat, const struct answer_settings *settings)
{
    struct exchange *exchange = conversation_last(&chat->conversation);
    struct answer *answer = exchange_begin(exchange, settings);
    struct chat_message *messages;
    struct engine_request request =
        chat_request(chat, chat->conversation.n_exchanges - 1, &answer->settings, &messages);
    struct error error;

    chat->thinking_block = chat->answer_block = chat->answer_first = 0;
    chat->n_thinking = 0;
    enum status status = engine_submit(chat->engine, &request, &chat->request, &error);
    free(messages);
    if (status != STATUS_OK) {
        chat->request = 0;
        exchange_end(exchange, ANSWER_FAILED);
        chat_error(chat, &error);
        return;
    }
    chat_request_began(chat, TASK_ANSWER);
    chat_statistics_begin(chat, settings->policy.name);
}

/* What happens to an answer ------------------------------------------------------------------ */

void chat_show_answer(struct chat *chat, const struct answer *answer)
{
    bool folded = !config_values(chat->store)->show_thinking;
    char heading[48] = "model";

    if (answer->settings.variant > 0)
        snprintf(heading, sizeof heading, "model, variant %u", answer->settings.variant + 1);
    chat->answer_first = 0;

    if (answer->thinking.n_bytes > 0) {
        uint32_t block = display_add(&chat->display, UI_BLOCK_THINKING, "thinking");
        display_append(&chat->display, block, answer->thinking.bytes, answer->thinking.n_bytes);
        display_finish(&chat->display, block);
        display_fold(&chat->display, block, folded && answer->text.n_bytes > 0, "thought");
        chat->answer_first = block;
    }
    uint32_t block = display_add(&chat->display, UI_BLOCK_ANSWER, heading);
    display_append(&chat->display, block, text_string(&answer->text), answer->text.n_bytes);
    display_finish(&chat->display, block);
    if (chat->answer_first == 0)
        chat->answer_first = block;
}

void chat_finish_blocks(struct chat *chat)
{
    display_finish(&chat->display, chat->thinking_block);
    display_finish(&chat->display, chat->answer_block);
    chat->thinking_block = chat->answer_block = 0;
}

void chat_answer_over(struct chat *chat, enum answer_end end)
{
    struct exchange *exchange = conversation_last(&chat->conversation);

    chat_finish_blocks(chat);
    chat_request_over(chat);
    /* A variant that came to nothing gives its place to the one before it. */
    if (exchange != NULL && !exchange_end(exchange, end)) {
        const struct answer *earlier = exchange_answer(exchange);
        if (earlier != NULL && chat->display.ui != NULL)
            chat_show_answer(chat, earlier);
    }
}

void chat_stop(struct chat *chat)
{
    if (!chat_busy(chat) || chat->stopping)
        return;
    chat->stopping = true;
    engine_cancel(chat->engine);
}

/* Forget the running request: its events are not ours any more. */
static void abandon_request(struct chat *chat)
{
    if (!chat_busy(chat))
        return;
    engine_cancel(chat->engine);
    if (chat->task == TASK_ANSWER || chat->task == TASK_VARIANTS)
        chat_answer_over(chat, ANSWER_STOPPED);
    else
        chat_request_over(chat);
}

void chat_new(struct chat *chat)
{
    abandon_request(chat);
    compare_leave(chat);
    chat_forget_waiting(chat);
    chat->variants.n = 0;
    conversation_release(&chat->conversation);
    conversation_init(&chat->conversation, seed_setting(config_values(chat->store)));
    chat->answer_first = 0;
    display_clear(&chat->display);
    chat->status.position = 0;
    chat->status.rate_average = chat->status.rate_now = 0;
    chat->status.first_token = -1;
    chat->status.n_tokens = chat->status.n_cached = chat->status.n_prompt = 0;
    chat->status_changed = true;
}

void chat_regenerate(struct chat *chat, const struct answer_settings *settings)
{
    compare_leave(chat);
    chat->variants.n = 0;
    display_remove(&chat->display, chat->answer_first);
    chat_ask(chat, settings);
}
