/*
 * command_stats.c - /stats: how fast the last answer was, and what speculation gained
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/chat_internal.h"
#include "app/commands.h"
#include "app/json.h"

/* One object on one line, in the transcript or on standard output. */
static void show_json(struct chat *chat)
{
    struct stats_view view = chat_stats_view(chat);
    json_t *object = stats_json(&view);
    char *line = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(9) | JSON_ENSURE_ASCII);

    if (line == NULL)
        app_out_of_memory();
    if (chat->display.ui != NULL) {
        display_say(&chat->display, UI_BLOCK_NOTICE, "%s", line);
    } else {
        puts(line);
        fflush(stdout);
    }
    free(line);
    json_decref(object);
}

static void show_text(struct chat *chat, bool session)
{
    struct stats_view view = chat_stats_view(chat);
    struct text_buffer text = {0};

    if (session)
        stats_session_text(&view, &text);
    else
        stats_turn_text(&view, &text);
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s", text_string(&text));
    text_release(&text);
}

void command_stats(struct chat *chat, const char *arguments)
{
    bool session = strcmp(arguments, "session") == 0;

    if (arguments[0] != '\0' && !session && strcmp(arguments, "turn") != 0 &&
        strcmp(arguments, "json") != 0) {
        display_say(&chat->display, UI_BLOCK_ERROR,
                    "/stats takes turn, session or json, not \"%s\"", arguments);
    } else if (!session && !chat->statistics.any) {
        display_say(&chat->display, UI_BLOCK_NOTICE, "There is no answer yet.");
    } else if (strcmp(arguments, "json") == 0) {
        show_json(chat);
    } else if (chat->display.ui == NULL) {
        show_text(chat, session);
    } else {
        chat->statistics.panel_of_session = session;
        if (!ui_panel_open(chat->display.ui))
            chat_panel_toggle(chat);
        else
            chat_panel_update(chat);
    }
}

void complete_stats(struct chat *chat, size_t n, const char *before,
                    const struct completer *completer)
{
    (void)chat;
    (void)before;
    if (n != 0)
        return;
    offer(completer, "turn", "the last answer");
    offer(completer, "session", "all answers since the start");
    offer(completer, "json", "as one JSON object");
}
