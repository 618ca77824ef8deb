/*
 * welcome.c - the first words on the screen
 *
 * With a model one line; with the built-in one, what it is and how to open a real one; without one,
 * the model files that were found on this machine and how to open one of them.
 */
#include <stdio.h>
#include <string.h>

#include "app/chat_internal.h"
#include "app/model_text.h"
#include "app/models.h"

enum {
    MOST_MODELS = 12,
    ROWS_FOR_LIST = 20, /* a smaller screen has no room for files beside the first words */
    FILES_BELOW = 3     /* below the first words of the built-in model */
};

static void add_model(struct text_buffer *text, const struct found_model *model)
{
    char line[512];

    ui_filter_line(model->name, strlen(model->name), line, sizeof line);
    text_printf(text, "\n  %s", line);
    if (model->quantisation[0] != '\0' && strstr(model->name, model->quantisation) == NULL) {
        ui_filter_line(model->quantisation, strlen(model->quantisation), line, sizeof line);
        text_printf(text, " %s", line);
    }
    text_add(text, ", ");
    text_add_bytes(text, model->n_bytes);
    if (model->n_parts > 1)
        text_printf(text, " and %u more parts", model->n_parts - 1);
    text_printf(text, " (%s)", model->origin);
    if (model->why_not[0] != '\0')
        text_printf(text, "\n    banter cannot run it: %s", model->why_not);
    ui_filter_line(model->path, strlen(model->path), line, sizeof line);
    text_printf(text, "\n    %s", line);
}

static void add_models(struct text_buffer *text)
{
    struct found_model *models = NULL;
    size_t n_models = models_find(&models, MOST_MODELS);

    if (n_models == 0)
        text_add(text, "\n\nNo GGUF file was found in the usual places.");
    else
        text_add(text, "\n\nFound on this computer:");
    for (size_t i = 0; i < n_models; i++)
        add_model(text, &models[i]);
    if (n_models == MOST_MODELS)
        text_add(text, "\n  and perhaps more");
    models_free(&models, n_models);
}

static bool has_room_for_list(const struct chat *chat)
{
    int n_rows = ROWS_FOR_LIST, n_columns;

    if (chat->display.ui != NULL)
        ui_size(chat->display.ui, &n_rows, &n_columns);
    return n_rows >= ROWS_FOR_LIST;
}

/* The models of this machine, besides our own, that banter can run: some of them, and how many. */
static void add_real_models(const struct chat *chat, struct text_buffer *text)
{
    struct found_model *models = NULL;
    size_t n_models = models_find(&models, MOST_MODELS), n_real = 0;
    size_t n_listed = has_room_for_list(chat) ? FILES_BELOW : 0;
    char path[512];

    for (size_t i = 0; i < n_models; i++) {
        if (models[i].built_in || models[i].why_not[0] != '\0' || n_real++ >= n_listed)
            continue;
        ui_filter_line(models[i].path, strlen(models[i].path), path, sizeof path);
        text_printf(text, "%s\n  %s", n_real == 1 ? "\nFound on this computer:" : "", path);
    }
    if (n_real > n_listed)
        text_printf(text, "\n\"banter models\" lists %s%zu files.",
                    n_models == MOST_MODELS ? "more than " : "", n_real);
    models_free(&models, n_models);
}

/* The built-in model introduces itself. */
static void introduce(struct chat *chat)
{
    struct text_buffer text = {0};

    text_add(&text,
             "I am guide, a small model that comes with banter. I know its commands, keys "
             "and settings, and little else. /help lists commands, Ctrl-D leaves.\n"
             "Real ones: banter --model FILE.gguf\n"
             "or: make chat MODEL=FILE.gguf");
    add_real_models(chat, &text);
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s", text_string(&text));
    text_release(&text);
}

void welcome_show(struct chat *chat)
{
    struct text_buffer text = {0};

    if (chat->state != CHAT_NO_MODEL && !chat->start->built_in) {
        display_say(
            &chat->display, UI_BLOCK_NOTICE,
            "Type a message and press Enter. /help lists commands, /help keys the keys; "
            "Ctrl-D leaves.");
        return;
    }
    /* The screen stands before folders are searched. */
    if (chat->display.ui != NULL)
        ui_draw_now(chat->display.ui);
    if (chat->start->built_in) {
        introduce(chat);
        return;
    }
    text_add(&text, "Welcome to banter: a language model on your own processor. "
                    "No model is open yet.");
    add_models(&text);
    text_add(&text, "\n\nLeave with Ctrl-D, then open one:\n"
                    "  banter --model FILE.gguf\n"
                    "or, where banter was built:\n"
                    "  make chat MODEL=FILE.gguf");
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s", text_string(&text));
    text_release(&text);
}
