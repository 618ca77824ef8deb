/*
 * plain.c - the chat without a screen: a line is read, its answer is printed
 *
 * For TERM=dumb, screen readers and --plain: labelled lines, no redraw, the same commands.  While
 * an answer runs, signals come through the loop as on the screen, and Ctrl-C stops the answer.
 * While a line is read, readline has the terminal in its own mode and the loop does not run: the
 * handlers here put the mode back before the signal does what it always does.  Ctrl-C gives up
 * the line (ui_plain_read_line()).
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include "app/chat_internal.h"
#include "app/signals.h"

static const int while_reading[] = {SIGHUP, SIGTERM, SIGQUIT, SIGTSTP};

enum { N_WHILE_READING = sizeof while_reading / sizeof while_reading[0] };

/* The terminal's mode outside readline; written before a handler can read it. */
static struct termios normal_mode;
static bool has_normal_mode, may_paste;

static void catch_while_reading(bool catch);

/* Async-signal-safe, as the handler below; also for a crash. */
static void give_terminal_back(void)
{
    static const char end_paste[] = "\033[?2004l\r";

    if (may_paste && write(STDOUT_FILENO, end_paste, sizeof end_paste - 1) < 0)
        may_paste = false;
    if (has_normal_mode)
        tcsetattr(STDIN_FILENO, TCSANOW, &normal_mode);
}

static void on_signal_while_reading(int number)
{
    struct termios editing_mode;
    bool has_editing_mode = tcgetattr(STDIN_FILENO, &editing_mode) == 0;
    sigset_t this_one;

    give_terminal_back();
    catch_while_reading(false);
    sigemptyset(&this_one);
    sigaddset(&this_one, number);
    raise(number);
    pthread_sigmask(SIG_UNBLOCK, &this_one, NULL);
    /* Only SIGTSTP comes back. */
    catch_while_reading(true);
    if (has_editing_mode)
        tcsetattr(STDIN_FILENO, TCSANOW, &editing_mode);
}

static void catch_while_reading(bool catch)
{
    struct sigaction action = {.sa_handler = catch ? on_signal_while_reading : SIG_DFL};

    for (size_t i = 0; i < N_WHILE_READING; i++)
        sigaction(while_reading[i], &action, NULL);
}

static char *read_line(void)
{
    const char *terminal = getenv("TERM");

    has_normal_mode = tcgetattr(STDIN_FILENO, &normal_mode) == 0;
    may_paste = terminal != NULL && strcmp(terminal, "dumb") != 0;
    catch_while_reading(true);
    signals_unblock(false);
    char *line = ui_plain_read_line("you: ");
    signals_block();
    catch_while_reading(false);
    return line;
}

void plain_run(struct chat *chat)
{
    char *line;

    signals_catch_crashes(give_terminal_back);
    if (chat->state == CHAT_LOADING) {
        puts("status: opening the model");
        fflush(stdout);
        loop_until_idle(chat);
    }
    while (!chat->leaving && (line = read_line()) != NULL) {
        bridge_drain(chat);
        chat_line(chat, line, strlen(line));
        free(line);
        loop_until_idle(chat);
    }
}
