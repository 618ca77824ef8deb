/*
 * command_selfcheck.c - /selfcheck: the law, proved on this model and this machine
 */
#include <stdio.h>
#include <string.h>

#include "app/chat_internal.h"
#include "app/commands.h"

static void add_line(struct chat *chat, const char *line)
{
    display_append(&chat->display, chat->check_block, line, strlen(line));
}

void command_selfcheck(struct chat *chat, const char *arguments)
{
    struct error error;

    (void)arguments;
    if (!chat_may_ask(chat))
        return;
    compare_leave(chat);
    if (engine_submit_selfcheck(chat->engine, &chat->request, &error) != STATUS_OK) {
        chat->request = 0;
        chat_error(chat, &error);
        return;
    }
    chat_request_began(chat, TASK_CHECK);
    chat->status.phase = UI_PHASE_CHECKING;
    chat->check_block = display_add(&chat->display, UI_BLOCK_NOTICE, NULL);
    add_line(chat, "self-check: bytes are compared, not texts");
}

static void on_check(struct chat *chat, const struct engine_event *event)
{
    struct text_buffer text = {0};

    text_printf(&text, "\n%s  %s: %s", event->check.passed ? "equal " : "DIFFER",
                event->check.what, event->check.found);
    add_line(chat, text_string(&text));
    text_release(&text);
    chat->status.phase = UI_PHASE_CHECKING;
    chat->status.done = event->check.done;
    chat->status.total = event->check.total;
    if (event->check.total > 0)
        chat->status.fraction = (double)event->check.done / event->check.total;
}

static void over(struct chat *chat, const char *verdict)
{
    add_line(chat, verdict);
    display_finish(&chat->display, chat->check_block);
    chat->check_block = 0;
    chat_request_over(chat);
}

void selfcheck_event(struct chat *chat, const struct engine_event *event)
{
    switch (event->type) {
    case ENGINE_CHECK: on_check(chat, event); break;
    case ENGINE_DONE:
        over(chat, event->done.reason == STOP_CANCELLED
                       ? "\nStopped; what was compared so far is above."
                       : "\nEvery way of computing gives the same.");
        chat_send_waiting(chat);
        break;
    case ENGINE_FAILED:
        over(chat, event->failure.status == STATUS_CANCELLED
                       ? "\nStopped; what was compared so far is above."
                       : "\nThe self-check failed.");
        if (event->failure.status != STATUS_CANCELLED)
            chat_error(chat, &event->failure);
        chat_send_waiting(chat);
        break;
    default: break;
    }
}
