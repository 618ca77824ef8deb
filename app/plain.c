/*
 * plain.c - the chat without a screen: a line is read, its answer is printed
 *
 * For TERM=dumb, screen readers and --plain: labelled lines, no redraw, the same commands.  While
 * a line is read, signals have their defaults (readline gives the terminal back itself); while an
 * answer runs, Ctrl-C stops it.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/chat_internal.h"
#include "app/signals.h"

void plain_run(struct chat *chat)
{
    char *line;

    if (chat->state == CHAT_LOADING) {
        puts("status: opening the model");
        fflush(stdout);
        loop_until_idle(chat);
    }
    while (!chat->leaving) {
        signals_unblock();
        line = ui_plain_read_line("you: ");
        signals_block();
        if (line == NULL)
            break;
        bridge_drain(chat);
        chat_line(chat, line, strlen(line));
        free(line);
        loop_until_idle(chat);
    }
}
