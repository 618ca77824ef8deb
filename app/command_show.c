/*
 * command_show.c - /info and /prompt
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/chat_internal.h"
#include "app/commands.h"
#include "app/model_text.h"

/* /info -------------------------------------------------------------------------------------- */

/* The model to speak of; NULL: the reason was shown. */
static const struct model_info *open_model_info(struct chat *chat)
{
    const char *reason = "There is no model.";

    if (chat->state == CHAT_READY)
        return engine_info(chat->engine);
    if (chat->state == CHAT_LOADING)
        reason = "The model is still being opened.";
    else if (chat->state == CHAT_LOAD_FAILED)
        reason = "The model could not be opened.";
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s", reason);
    return NULL;
}

void command_info(struct chat *chat, const char *arguments)
{
    const struct model_info *info = open_model_info(chat);
    struct text_buffer text = {0};

    (void)arguments;
    if (info == NULL)
        return;
    model_text(info, &text);
    if (engine_model(chat->engine) != NULL)
        model_cache_text(model_weights_cache(engine_model(chat->engine)), &text);
    text_printf(&text, "%-14s %u of %u tokens used; trained for %u", "context",
                chat->status.position, chat->status.n_context, info->n_context);
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s", text_string(&text));
    text_release(&text);
}

/* /prompt ------------------------------------------------------------------------------------ */

static void show_prompt(struct chat *chat, const char *what, const char *policy,
                        const struct engine_request *request)
{
    struct chat_prompt prompt = {0};
    struct text_buffer text = {0};
    struct error error;

    if (engine_render(chat->engine, request, &prompt, &error) != STATUS_OK) {
        chat_error(chat, &error);
        return;
    }
    text_printf(&text, "%s: %zu tokens, decode policy %s.\nText:\n", what, prompt.n_ids,
                policy);
    text_append(&text, prompt.text, prompt.n_bytes);
    text_add(&text, "\nIds:\n");
    for (size_t i = 0; i < prompt.n_ids; i++)
        text_printf(&text, "%s%d", i > 0 ? "," : "", prompt.ids[i]);
    uint32_t block = display_add(&chat->display, UI_BLOCK_NOTICE, NULL);
    display_append(&chat->display, block, text_string(&text), text.n_bytes);
    display_finish(&chat->display, block);
    text_release(&text);
    chat_prompt_release(&prompt);
}

/* The request that sending a text would make: the conversation borrowed, one question more. */
static void show_next(struct chat *chat, const char *question)
{
    struct answer_settings settings = chat_answer_settings(chat);
    struct chat_message *messages;

    conversation_ask(&chat->conversation, question, strlen(question));
    struct engine_request request =
        chat_request(chat, chat->conversation.n_exchanges - 1, &settings, &messages);
    show_prompt(chat, "The request that this message would make", settings.policy.name,
                &request);
    free(messages);
    conversation_take_back(&chat->conversation);
}

void command_prompt(struct chat *chat, const char *arguments)
{
    const struct exchange *exchange = conversation_last(&chat->conversation);
    struct chat_message *messages;

    if (open_model_info(chat) == NULL)
        return;
    if (arguments[0] != '\0') {
        if (chat_busy(chat))
            display_say(&chat->display, UI_BLOCK_ERROR, "an answer is running; Esc stops it");
        else
            show_next(chat, arguments);
        return;
    }
    if (exchange == NULL) {
        display_say(&chat->display, UI_BLOCK_NOTICE,
                    "Nothing was sent yet. /prompt TEXT shows what sending TEXT would send.");
        return;
    }
    const struct answer *answer = exchange_answer(exchange);
    struct answer_settings settings =
        answer != NULL ? answer->settings : chat_answer_settings(chat);
    struct engine_request request =
        chat_request(chat, chat->conversation.n_exchanges - 1, &settings, &messages);
    show_prompt(chat, "The last request", settings.policy.name, &request);
    free(messages);
}
