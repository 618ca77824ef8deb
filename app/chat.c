/*
 * chat.c - the chat: life cycle, and what happens to a line that was typed
 */
#include "app/chat_internal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "app/commands.h"
#include "app/engine_settings.h"
#include "app/report.h"
#include "app/signals.h"
#include "app/trace.h"

double chat_seconds(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double chat_clock(const struct chat *chat)
{
    return chat_seconds() - chat->stopped_time;
}

void chat_error(struct chat *chat, const struct error *error)
{
    char text[1024];

    display_say(&chat->display, UI_BLOCK_ERROR, "%s", error_text(error, text, sizeof text));
}

bool chat_busy(const struct chat *chat)
{
    return chat->request != 0;
}

/* Sending ------------------------------------------------------------------------------------ */

static void send_message(struct chat *chat, const char *text, size_t n_bytes)
{
    struct answer_settings settings = chat_answer_settings(chat);
    uint32_t block = display_add(&chat->display, UI_BLOCK_USER, "you");

    display_append(&chat->display, block, text, n_bytes);
    display_finish(&chat->display, block);
    compare_leave(chat);
    chat->variants.n = 0;
    conversation_ask(&chat->conversation, text, n_bytes);
    chat_ask(chat, &settings);
}

/* The queue ---------------------------------------------------------------------------------- */

void chat_note(struct chat *chat)
{
    struct ui_status *status = &chat->status;

    snprintf(status->note, sizeof status->note, "%s",
             chat->start->built_in ? "small built-in model" : "");
    if (chat->queue.n_texts > 0)
        snprintf(status->note, sizeof status->note, "%zu waiting", chat->queue.n_texts);
    if (chat->draft_works)
        snprintf(status->note, sizeof status->note, "draft model");
    chat->status_changed = true;
}

void chat_draft_works(struct chat *chat, bool works)
{
    if (chat->draft_works == works)
        return;
    chat->draft_works = works;
    chat_note(chat);
}

static void note_waiting(struct chat *chat)
{
    chat_note(chat);
    display_waiting(&chat->display);
}

static void queue_add(struct chat *chat, const char *text, size_t n_bytes)
{
    struct message_queue *queue = &chat->queue;

    queue->texts = app_resize(queue->texts, queue->n_texts + 1, sizeof queue->texts[0]);
    queue->texts[queue->n_texts] = (struct text_buffer){0};
    text_append(&queue->texts[queue->n_texts++], text, n_bytes);
    note_waiting(chat);
}

void chat_forget_waiting(struct chat *chat)
{
    for (size_t i = 0; i < chat->queue.n_texts; i++)
        text_release(&chat->queue.texts[i]);
    free(chat->queue.texts);
    chat->queue = (struct message_queue){0};
    note_waiting(chat);
}

void chat_send_waiting(struct chat *chat)
{
    struct message_queue *queue = &chat->queue;

    /* While two answers stand side by side, nobody has said yet which of them counts. */
    while (queue->n_texts > 0 && chat->state == CHAT_READY && !chat_busy(chat) &&
           !(chat->comparison != NULL && chat->display.ui != NULL)) {
        struct text_buffer text = queue->texts[0];
        queue->n_texts--;
        memmove(queue->texts, queue->texts + 1, queue->n_texts * sizeof queue->texts[0]);
        note_waiting(chat);
        send_message(chat, text_string(&text), text.n_bytes);
        text_release(&text);
    }
}

/* Lines -------------------------------------------------------------------------------------- */

static const char no_model[] =
    "There is no model to answer. Leave with Ctrl-D, then open one:\n"
    "  banter --model FILE.gguf";
static const char not_opened[] =
    "The model could not be opened, so nothing can answer. Leave with Ctrl-D and open another "
    "one.";

static void message_line(struct chat *chat, const char *text, size_t n_bytes)
{
    switch (chat->state) {
    case CHAT_NO_MODEL: display_say(&chat->display, UI_BLOCK_NOTICE, "%s", no_model); return;
    case CHAT_LOAD_FAILED:
        display_say(&chat->display, UI_BLOCK_NOTICE, "%s", not_opened);
        return;
    case CHAT_LOADING: queue_add(chat, text, n_bytes); return;
    case CHAT_READY: break;
    }
    if (chat_busy(chat))
        queue_add(chat, text, n_bytes);
    else
        send_message(chat, text, n_bytes);
}

void chat_line(struct chat *chat, const char *line, size_t n_bytes)
{
    struct command_line parsed = command_parse(line, n_bytes);

    switch (parsed.kind) {
    case COMMAND_LINE_EMPTY: break;
    case COMMAND_LINE_MESSAGE: message_line(chat, parsed.text, parsed.n_bytes); break;
    case COMMAND_LINE_COMMAND: command_run(chat, &parsed); break;
    case COMMAND_LINE_ERROR:
        display_say(&chat->display, UI_BLOCK_ERROR, "%s", parsed.problem);
        break;
    }
    command_line_release(&parsed);
    chat_send_waiting(chat);
}

/* Life cycle --------------------------------------------------------------------------------- */

void chat_stood_still(struct chat *chat, double seconds)
{
    chat->stopped_time += seconds;
    if (chat->engine != NULL)
        engine_add_suspended(chat->engine, seconds);
}

void chat_loaded(struct chat *chat)
{
    if (chat->state == CHAT_READY) {
        chat_send_waiting(chat);
        return;
    }
    if (chat->queue.n_texts > 0)
        display_say(&chat->display, UI_BLOCK_NOTICE,
                    "What you sent meanwhile was not answered; it is in the input history.");
    chat_forget_waiting(chat);
}

static void open_engine(struct chat *chat)
{
    struct engine_options options;
    struct error error;
    enum status status;

    if (chat->start->model_path == NULL && chat->start->script_path == NULL) {
        chat->state = CHAT_NO_MODEL;
        chat->status.phase = UI_PHASE_NO_MODEL;
        return;
    }
    status = engine_settings(chat->store, &options, &error);
    options.model_path = chat->start->model_path;
    options.script_path = chat->start->script_path;
    if (status == STATUS_OK)
        status = engine_open(&chat->engine, &options, &error);
    chat->state = CHAT_LOADING;
    chat->status.phase = UI_PHASE_LOADING;
    if (status != STATUS_OK) {
        chat->state = CHAT_LOAD_FAILED;
        chat->status.phase = UI_PHASE_NO_MODEL;
        chat->load_failure = status;
        chat_error(chat, &error);
    }
}

/* The path of the input history; false: none is kept. */
static bool history_path(struct chat *chat, char *path, size_t n_bytes)
{
    struct config_error problem;
    size_t length;

    if (!config_values(chat->store)->history || !config_folder_state(path, n_bytes))
        return false;
    if (!config_make_folder(path, &problem))
        return false;
    length = strlen(path);
    return (size_t)snprintf(path + length, n_bytes - length, "/history") < n_bytes - length;
}

static void complete(void *context, const char *line, size_t word_start, const char *word,
                     void (*add)(void *adder, const char *text, const char *description),
                     void *adder)
{
    command_complete(context, line, word_start, word, add, adder);
}

static enum ui_color color_setting(const struct config *config)
{
    if (config->color != NULL && strcmp(config->color, "always") == 0)
        return UI_COLOR_ALWAYS;
    if (config->color != NULL && strcmp(config->color, "never") == 0)
        return UI_COLOR_NEVER;
    return UI_COLOR_AUTO;
}

static void open_screen(struct chat *chat)
{
    const struct config *config = config_values(chat->store);
    struct ui_error error;
    char history[4096];
    struct ui_options options = {
        .keys_path = chat->start->keys_path,
        .history_path = history_path(chat, history, sizeof history) ? history : NULL,
        .color = color_setting(config),
        .ascii = config->ascii,
        .show_thinking = config->show_thinking,
        .prompt = "> ",
        .completion = {.candidates = complete, .context = chat},
    };

    if (chat->start->plain)
        return;
    if (!ui_open(&chat->display.ui, &options, &error)) {
        chat->display.ui = NULL;
        fprintf(stderr, "banter: %s; going on in plain mode\n", error.what);
    }
}

/* The last exchange stays readable in the normal screen. */
static void leave_transcript(struct chat *chat)
{
    const struct exchange *exchange = conversation_last(&chat->conversation);
    const struct answer *answer = exchange != NULL ? exchange_answer(exchange) : NULL;

    if (answer == NULL || !config_values(chat->store)->leave_transcript)
        return;
    display_print("you: ", text_string(&exchange->question), exchange->question.n_bytes);
    display_print("model: ", text_string(&answer->text), answer->text.n_bytes);
}

static void close_all(struct chat *chat)
{
    bool had_screen = chat->display.ui != NULL;

    ui_close(&chat->display.ui);
    if (had_screen)
        leave_transcript(chat);
    /* A second signal ends the program at once, whatever the engine is doing. */
    signals_unblock(true);
    compare_leave(chat);
    engine_close(&chat->engine);
    chat_forget_waiting(chat);
    free(chat->blind_tally);
    chat_policy_release(chat);
    conversation_release(&chat->conversation);
    close(chat->signal_fd);
}

int chat_main(struct config_store *store, const struct chat_start *start)
{
    struct chat chat = {.store = store, .start = start};
    struct error error;

    chat_begin_policy(&chat);
    /* Told before the screen is taken. */
    if (trace_open(&chat.trace, config_values(store)->trace, &error) != STATUS_OK)
        return report_error(&error);

    chat.signal_fd = signals_open();
    if (chat.signal_fd < 0) {
        fprintf(stderr, "banter: signals: %s\n", strerror(errno));
        return STATUS_FAILED;
    }
    app_on_out_of_memory(ui_emergency_restore);
    signals_catch_crashes(ui_emergency_restore);
    chat.display.queue = &chat.queue;
    chat.display.show_thinking = config_values(store)->show_thinking;
    conversation_init(&chat.conversation, seed_setting(config_values(store)));
    open_screen(&chat);
    if (chat.display.ui != NULL)
        ui_show_marks(chat.display.ui, config_values(store)->marks);
    open_engine(&chat);
    chat_status_policy(&chat);
    note_waiting(&chat);
    chat.last_turn = chat_seconds();
    if (chat.state != CHAT_LOAD_FAILED)
        welcome_show(&chat);
    if (chat.display.ui != NULL)
        loop_run(&chat);
    else
        plain_run(&chat);
    close_all(&chat);
    return chat.load_failure;
}
