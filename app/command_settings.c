/*
 * command_settings.c - /system, /think, /set, /get
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/chat_internal.h"
#include "app/commands.h"
#include "app/engine_settings.h"

/* A setting by its key; false: the error was shown. */
static bool set(struct chat *chat, const char *key, const char *value)
{
    struct config_error problem;

    if (config_set(chat->store, key, value, CONFIG_SET, &problem))
        return true;
    display_say(&chat->display, UI_BLOCK_ERROR, "%s", problem.what);
    return false;
}

/* /system and /think ------------------------------------------------------------------------- */

void command_system(struct chat *chat, const char *arguments)
{
    const char *system = config_values(chat->store)->system;

    if (arguments[0] == '\0') {
        if (system == NULL || system[0] == '\0')
            display_say(&chat->display, UI_BLOCK_NOTICE, "There is no system prompt.");
        else
            display_say(&chat->display, UI_BLOCK_NOTICE, "System prompt:\n%s", system);
        return;
    }
    bool off = strcmp(arguments, "off") == 0;
    if (set(chat, "system", off ? "" : arguments))
        display_say(&chat->display, UI_BLOCK_NOTICE, "%s",
                    off ? "The system prompt is removed." : "The system prompt is set.");
}

static void tell_thinking(struct chat *chat)
{
    const struct config *config = config_values(chat->store);
    enum thinking_mode mode = thinking_setting(config);
    const struct model *model = chat->state == CHAT_READY ? engine_model(chat->engine) : NULL;
    char budget[64] = "";

    if (config->think_budget > 0 && mode != THINKING_OFF)
        snprintf(budget, sizeof budget, ", at most %" PRId64 " tokens", config->think_budget);
    if (model != NULL && !chat_can_think(model))
        display_say(&chat->display, UI_BLOCK_NOTICE,
                    "This model does not think before it answers.");
    else if (mode == THINKING_DEFAULT)
        display_say(&chat->display, UI_BLOCK_NOTICE, "Thinking: auto%s%s.",
                    model == NULL                   ? ""
                    : chat_thinks_by_default(model) ? " (this model thinks)"
                                                    : " (this model does not)",
                    budget);
    else
        display_say(&chat->display, UI_BLOCK_NOTICE, "Thinking: %s%s.",
                    mode == THINKING_ON ? "on" : "off", budget);
}

void command_think(struct chat *chat, const char *arguments)
{
    bool done = true;

    if (arguments[0] >= '0' && arguments[0] <= '9')
        done = set(chat, "think_budget", arguments) && set(chat, "think", "on");
    else if (arguments[0] != '\0')
        done = set(chat, "think", arguments);
    if (done)
        tell_thinking(chat);
}

/* /set --------------------------------------------------------------------------------------- */

/* What follows from a setting besides the next request. */
static void apply(struct chat *chat, const struct config_option *option)
{
    const struct config *config = config_values(chat->store);

    if (strcmp(option->key, "seed") == 0)
        chat->conversation.seed = seed_setting(config);
    chat->display.show_thinking = config->show_thinking;
    if (chat->display.ui != NULL)
        ui_show_marks(chat->display.ui, config->marks);
}

/*
 * Settings that are opened when they are set; a wrong one leaves the old value.  false: an error
 * was shown.
 */
static bool set_opened(struct chat *chat, const struct config_option *option, const char *value)
{
    char before[4096];

    if (strcmp(option->key, "policy") == 0)
        return chat_choose_policy(chat, value);
    if (strcmp(option->key, "trace") != 0)
        return set(chat, option->key, value);
    if (chat_busy(chat)) {
        display_say(&chat->display, UI_BLOCK_ERROR, "an answer is running; Esc stops it");
        return false;
    }
    config_get(chat->store, option, before, sizeof before);
    if (!set(chat, option->key, value))
        return false;
    if (chat_open_trace(chat))
        return true;
    set(chat, option->key, before);
    return false;
}

void command_set(struct chat *chat, const char *arguments)
{
    size_t length = strcspn(arguments, " \t\n=");
    const char *value = arguments + length;
    const struct config_option *option;
    char key[64], text[256];

    snprintf(key, sizeof key, "%.*s", length < 60 ? (int)length : 60, arguments);
    value += strspn(value, " \t\n=");
    if (key[0] == '\0' || (value[0] == '\0' && config_find(key) != NULL)) {
        display_say(&chat->display, UI_BLOCK_ERROR,
                    "/set takes KEY VALUE; /get shows the settings");
        return;
    }
    option = config_find(key);
    if (option != NULL && !option->at_run_time) {
        display_say(&chat->display, UI_BLOCK_ERROR,
                    "%s counts from the start of the program: leave, and give --%s", key,
                    option->flag != NULL ? option->flag : key);
        return;
    }
    if (option == NULL ? !set(chat, key, value) : !set_opened(chat, option, value))
        return;
    apply(chat, option);
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s is %s.", key,
                config_get(chat->store, option, text, sizeof text));
}

/* /get --------------------------------------------------------------------------------------- */

static void origin_text(const struct chat *chat, const struct config_option *option, char *text,
                        size_t n_bytes)
{
    struct config_origin origin = config_origin(chat->store, option);

    switch (origin.kind) {
    case CONFIG_BUILT_IN: snprintf(text, n_bytes, "default"); break;
    case CONFIG_FILE: snprintf(text, n_bytes, "%s:%d", origin.path, origin.line); break;
    case CONFIG_ENVIRONMENT:
        snprintf(text, n_bytes, "$%s", option->environment != NULL ? option->environment : "?");
        break;
    case CONFIG_FLAG:
        snprintf(text, n_bytes, "--%s", option->flag != NULL ? option->flag : option->key);
        break;
    case CONFIG_SET: snprintf(text, n_bytes, "/set"); break;
    }
}

/* The model's own value of a sampling setting; false: the key is none. */
static bool sampling_text(const struct sampling *sampling, const char *key, char *text,
                          size_t n_bytes)
{
    const struct {
        const char *key;
        double value;
    } rows[] = {
        {"temperature", (double)sampling->temperature},
        {"top_k", (double)sampling->top_k},
        {"top_p", (double)sampling->top_p},
        {"min_p", (double)sampling->min_p},
        {"presence_penalty", (double)sampling->presence_penalty},
        {"frequency_penalty", (double)sampling->frequency_penalty},
        {"repetition_penalty", (double)sampling->repetition_penalty},
    };

    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (strcmp(rows[i].key, key) != 0)
            continue;
        snprintf(text, n_bytes, "%.6g", rows[i].value);
        return true;
    }
    return false;
}

/* Does the next answer begin with thinking? */
static bool next_thinks(const struct model *model, enum thinking_mode mode)
{
    if (!chat_can_think(model))
        return false;
    return mode == THINKING_ON || (mode == THINKING_DEFAULT && chat_thinks_by_default(model));
}

/* The value in force and where it comes from. */
static void setting_in_force(const struct chat *chat, const struct config_option *option,
                             char *value, size_t n_value, char *origin, size_t n_origin)
{
    struct sampling sampling = {0};
    const struct model *model = chat->state == CHAT_READY ? engine_model(chat->engine) : NULL;
    bool given = config_given(chat->store, option->key);

    config_get(chat->store, option, value, n_value);
    origin_text(chat, option, origin, n_origin);
    if (strcmp(option->key, "seed") == 0) {
        snprintf(value, n_value, "%" PRIu64, chat->conversation.seed);
        if (config_values(chat->store)->seed < 0)
            snprintf(origin, n_origin, "random, of this conversation");
        return;
    }
    if (given)
        return;
    if (model != NULL) {
        bool thinks = next_thinks(model, thinking_setting(config_values(chat->store)));
        sampling = sampling_for_model(model, thinks, NULL);
    }
    if (!sampling_text(&sampling, option->key, value, n_value))
        return;
    snprintf(origin, n_origin, "the model's own");
    if (model == NULL)
        snprintf(value, n_value, "-");
}

/* One setting on a line: in columns where there is room, else without what goes without saying. */
static void add_setting(const struct chat *chat, const struct config_option *option, bool wide,
                        struct text_buffer *text)
{
    char value[512], origin[512];

    setting_in_force(chat, option, value, sizeof value, origin, sizeof origin);
    if (wide)
        text_printf(text, "\n  %-20s %-14s %s", option->key, value[0] != '\0' ? value : "-",
                    origin);
    else if (strcmp(origin, "default") == 0)
        text_printf(text, "\n  %s %s", option->key, value[0] != '\0' ? value : "-");
    else
        text_printf(text, "\n  %s %s (%s)", option->key, value, origin);
}

static void get_all(struct chat *chat)
{
    struct text_buffer text = {0};
    bool wide = display_columns(&chat->display) >= 60;
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    for (size_t i = 0; i < n_options; i++) {
        if (i == 0)
            text_printf(&text, "%s", options[i].section);
        else if (strcmp(options[i - 1].section, options[i].section) != 0)
            text_printf(&text, "\n\n%s", options[i].section);
        add_setting(chat, &options[i], wide, &text);
    }
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s", text_string(&text));
    text_release(&text);
}

void command_get(struct chat *chat, const char *arguments)
{
    const struct config_option *option = config_find(arguments);
    char value[512], origin[512];

    if (arguments[0] == '\0') {
        get_all(chat);
    } else if (option == NULL) {
        display_say(&chat->display, UI_BLOCK_ERROR,
                    "no setting is called \"%s\"; /get lists them", arguments);
    } else {
        setting_in_force(chat, option, value, sizeof value, origin, sizeof origin);
        display_say(&chat->display, UI_BLOCK_NOTICE, "%s %s (%s)", option->key,
                    value[0] != '\0' ? value : "-", origin);
    }
}

/* Completion --------------------------------------------------------------------------------- */

void complete_system(struct chat *chat, size_t n, const char *before,
                     const struct completer *completer)
{
    (void)chat;
    (void)before;
    if (n == 0)
        offer(completer, "off", "no system prompt");
}

void complete_think(struct chat *chat, size_t n, const char *before,
                    const struct completer *completer)
{
    (void)chat;
    (void)before;
    if (n != 0)
        return;
    offer(completer, "auto", "as the model is made");
    offer(completer, "off", "answer at once");
    offer(completer, "on", "think first");
}

void complete_set(struct chat *chat, size_t n, const char *before,
                  const struct completer *completer)
{
    size_t n_options;
    const struct config_option *options = config_options(&n_options);
    const struct config_option *option = config_find(before);

    (void)chat;
    for (size_t i = 0; n == 0 && i < n_options; i++) {
        if (options[i].at_run_time)
            offer(completer, options[i].key, options[i].help);
    }
    if (n != 1 || option == NULL)
        return;
    for (size_t i = 0; option->choices != NULL && option->choices[i] != NULL; i++)
        offer(completer, option->choices[i], NULL);
    if (strcmp(option->key, "policy") == 0)
        complete_policy_names(completer);
    if (option->type == CONFIG_BOOLEAN) {
        offer(completer, "false", NULL);
        offer(completer, "true", NULL);
    }
}

void complete_get(struct chat *chat, size_t n, const char *before,
                  const struct completer *completer)
{
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    (void)chat;
    (void)before;
    for (size_t i = 0; n == 0 && i < n_options; i++)
        offer(completer, options[i].key, options[i].help);
}
