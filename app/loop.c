/*
 * loop.c - the one poll(): keys, engine events, signals
 *
 * The only place where the main thread waits.  Nothing is polled for: with no event and nothing
 * to draw the wait has no end, so an idle chat uses no processor time.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

#include "app/chat_internal.h"
#include "app/commands.h"
#include "app/signals.h"

/* Stopping and going on ---------------------------------------------------------------------- */

static void stand_still(struct chat *chat, bool group)
{
    double before = chat_seconds();

    if (chat->display.ui != NULL)
        ui_suspend(chat->display.ui);
    signals_stop(group);
    if (chat->display.ui != NULL)
        ui_resume(chat->display.ui);
    chat_stood_still(chat, chat_seconds() - before);
}

/*
 * SIGCONT after a stop that was not ours (SIGSTOP): the terminal may have been used by others.
 * The loop ran last before it, and while an answer runs it runs often.
 */
static void go_on(struct chat *chat)
{
    if (chat->display.ui != NULL) {
        ui_suspend(chat->display.ui);
        ui_resume(chat->display.ui);
    }
    if (chat_busy(chat))
        chat_stood_still(chat, chat_seconds() - chat->last_turn);
}

static void hung_up(struct chat *chat)
{
    if (chat->display.ui != NULL)
        ui_abandon(chat->display.ui);
    signals_die(SIGHUP);
}

static void on_signal(struct chat *chat, int number)
{
    switch (number) {
    case SIGWINCH:
        if (chat->display.ui != NULL)
            ui_resized(chat->display.ui);
        break;
    case SIGTSTP: stand_still(chat, false); break;
    case SIGCONT: go_on(chat); break;
    case SIGHUP: hung_up(chat); break;
    case SIGINT:
        if (chat_busy(chat)) {
            chat_stop(chat);
            break;
        }
        ui_close(&chat->display.ui);
        signals_die(number);
    case SIGTERM:
    case SIGQUIT: ui_close(&chat->display.ui); signals_die(number);
    default: break;
    }
}

/* A function key: what a command of the same purpose does. */
static void on_function(struct chat *chat, int number)
{
    switch (number) {
    case 2: chat_panel_toggle(chat); break;
    case 4: chat_policy_menu(chat); break;
    case 6:
        if (chat->comparison == NULL)
            command_ab(chat, "");
        break;
    default: break;
    }
}

static void on_view_key(struct chat *chat, int key)
{
    if (ui_panel_open(chat->display.ui))
        chat_panel_key(chat, key);
    else if (chat->comparison != NULL)
        compare_key(chat, key);
}

/* The panel closes without more; two answers side by side are left. */
static void on_view_closed(struct chat *chat)
{
    if (chat->comparison == NULL || ui_split_is_open(chat->display.ui))
        return;
    compare_leave(chat);
    chat_send_waiting(chat);
}

/* Keys --------------------------------------------------------------------------------------- */

static void on_ui_event(struct chat *chat, const struct ui_event *event)
{
    switch (event->type) {
    case UI_SUBMIT:
        ui_history_add(chat->display.ui, event->text, event->n_bytes);
        chat_line(chat, event->text, event->n_bytes);
        break;
    case UI_INTERRUPT:
        if (chat_busy(chat))
            chat_stop(chat);
        else if (chat->queue.n_texts > 0)
            chat_forget_waiting(chat);
        else
            display_hint(&chat->display, "Ctrl-D or /quit leaves");
        break;
    case UI_QUIT: chat->leaving = true; break;
    case UI_SUSPEND: stand_still(chat, true); break;
    case UI_EDITOR: editor_run(chat, event->text, event->n_bytes); break;
    case UI_FUNCTION: on_function(chat, event->number); break;
    case UI_VIEW_KEY: on_view_key(chat, event->number); break;
    case UI_VIEW_CLOSED: on_view_closed(chat); break;
    case UI_MENU_CHOSEN: chat_policy_menu_chosen(chat, event->number); break;
    case UI_MENU_CLOSED: break;
    case UI_KEYS_END: chat->keys_ended = true; break;
    }
}

static void read_screen(struct chat *chat)
{
    struct ui_event event;

    ui_read(chat->display.ui);
    while (!chat->leaving && ui_next_event(chat->display.ui, &event)) {
        on_ui_event(chat, &event);
        free(event.text);
    }
}

/* One turn ----------------------------------------------------------------------------------- */

static void turn(struct chat *chat)
{
    struct ui *ui = chat->display.ui;
    struct pollfd fds[] = {
        {.fd = ui != NULL ? ui_fd(ui) : -1, .events = POLLIN},
        {.fd = chat->engine != NULL ? engine_event_fd(chat->engine) : -1, .events = POLLIN},
        {.fd = chat->signal_fd, .events = POLLIN},
    };
    int n_ready = poll(fds, 3, ui != NULL ? ui_timeout_ms(ui) : -1);
    int number;

    if (n_ready < 0 && errno != EINTR)
        chat->leaving = true;
    while ((number = signals_next(chat->signal_fd)) != 0)
        on_signal(chat, number);
    if (fds[0].revents & (POLLHUP | POLLERR | POLLNVAL))
        hung_up(chat);
    bridge_drain(chat);
    if (ui != NULL) {
        /* Also without input: a lone Esc waits for its time while an answer wakes the loop. */
        read_screen(chat);
        if (chat->status_changed) {
            ui_set_status(ui, &chat->status);
            chat_panel_update(chat);
        }
        ui_draw(ui);
    }
    chat->status_changed = false;
    chat->last_turn = chat_seconds();
}

void loop_run(struct chat *chat)
{
    while (!chat->leaving) {
        turn(chat);
        /* Scripted keys are used up: leave when their last answer is there. */
        if (chat->keys_ended && chat->state != CHAT_LOADING && !chat_busy(chat))
            chat->leaving = true;
    }
}

void loop_until_idle(struct chat *chat)
{
    while (chat->state == CHAT_LOADING || chat_busy(chat))
        turn(chat);
}
