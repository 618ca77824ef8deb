/*
 * command_conversation.c - /new, /regen, /quit
 */
#include <stdlib.h>
#include <string.h>

#include "app/chat_internal.h"
#include "app/commands.h"
#include "app/engine_settings.h"

void command_new(struct chat *chat, const char *arguments)
{
    (void)arguments;
    chat_new(chat);
    display_hint(&chat->display, "a new conversation");
}

void command_quit(struct chat *chat, const char *arguments)
{
    (void)arguments;
    chat->leaving = true;
}

/* What /regen may change for one answer. */
static const char *const regen_keys[] = {"temperature",
                                         "top_k",
                                         "top_p",
                                         "min_p",
                                         "presence_penalty",
                                         "frequency_penalty",
                                         "repetition_penalty",
                                         "seed",
                                         "think",
                                         "think_budget",
                                         "max_tokens",
                                         "policy"};

static bool regen_key(const char *key)
{
    for (size_t i = 0; i < sizeof regen_keys / sizeof regen_keys[0]; i++) {
        if (strcmp(key, regen_keys[i]) == 0)
            return true;
    }
    return false;
}

/* One KEY=VALUE into the store of this answer; false: an error was shown. */
static bool take_setting(struct chat *chat, struct config_store *store, char *word)
{
    struct config_error problem;
    char *value = strchr(word, '=');

    if (value == NULL) {
        display_say(&chat->display, UI_BLOCK_ERROR, "/regen takes KEY=VALUE, not \"%s\"", word);
        return false;
    }
    *value++ = '\0';
    if (config_find(word) != NULL && !regen_key(word)) {
        display_say(&chat->display, UI_BLOCK_ERROR,
                    "/regen cannot change %s for one answer; /set may", word);
        return false;
    }
    if (!config_set(store, word, value, CONFIG_SET, &problem)) {
        display_say(&chat->display, UI_BLOCK_ERROR, "%s", problem.what);
        return false;
    }
    return true;
}

/* Lay the settings of one answer over the general ones. */
static void overlay(struct answer_settings *settings, const struct config_store *store)
{
    const struct config *config = config_values(store);
    struct sampling_choice sampling = sampling_settings(store);

    sampling_overlay(&settings->sampling, &sampling);
    if (config_given(store, "seed") && config->seed >= 0)
        settings->seed = (uint64_t)config->seed;
    if (config_given(store, "think"))
        settings->thinking = thinking_setting(config);
    if (config_given(store, "think_budget"))
        settings->thinking_budget = (uint32_t)config->think_budget;
    if (config_given(store, "max_tokens"))
        settings->max_tokens = (size_t)config->max_tokens;
}

/* The policy of one answer; false: an error was shown. */
static bool overlay_policy(struct chat *chat, struct answer_settings *settings,
                           const struct config_store *store)
{
    return !config_given(store, "policy") ||
           chat_find_policy(chat, config_values(store)->policy, &settings->policy);
}

void command_regen(struct chat *chat, const char *arguments)
{
    struct answer_settings settings = chat_answer_settings(chat);
    struct config_store *store;
    char *words, *word, *rest;
    bool good = true;

    if (!chat_may_ask_again(chat))
        return;
    store = config_new();
    if (store == NULL)
        return;
    words = app_copy(arguments, strlen(arguments));
    for (word = strtok_r(words, " \t\n", &rest); good && word != NULL;
         word = strtok_r(NULL, " \t\n", &rest))
        good = take_setting(chat, store, word);
    overlay(&settings, store);
    free(words);
    if (good && overlay_policy(chat, &settings, store))
        chat_regenerate(chat, &settings);
    config_free(&store);
}

void complete_regen(struct chat *chat, size_t n, const char *before,
                    const struct completer *completer)
{
    struct text_buffer text = {0};

    (void)chat;
    (void)n;
    (void)before;
    for (size_t i = 0; i < sizeof regen_keys / sizeof regen_keys[0]; i++) {
        const struct config_option *option = config_find(regen_keys[i]);
        text_clear(&text);
        text_printf(&text, "%s=", regen_keys[i]);
        offer(completer, text_string(&text), option != NULL ? option->help : NULL);
    }
    text_release(&text);
}
