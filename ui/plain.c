/*
 * plain.c - lines without a screen
 *
 * readline draws by itself on the real terminal: for dumb terminals and screen readers.  Ctrl-C
 * gives up the line and returns an empty one; the signal is let in only while a key is waited
 * for.
 */
#include "ui/internal.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include <readline/readline.h>

static volatile sig_atomic_t interrupted;

static void note_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

/* The signals that are let in while the line is waited for. */
static sigset_t waiting_mask;

static int read_byte(FILE *stream)
{
    struct pollfd input = {.fd = fileno(stream), .events = POLLIN};
    while (!interrupted) {
        unsigned char byte;
        if (ppoll(&input, 1, NULL, &waiting_mask) < 0) {
            if (errno == EINTR)
                continue;
            return EOF;
        }
        ssize_t n = read(input.fd, &byte, 1);
        if (n == 1)
            return byte;
        if (n == 0 || (errno != EINTR && errno != EAGAIN))
            return EOF;
    }
    rl_free_line_state();
    rl_replace_line("", 1);
    return '\n';
}

char *ui_plain_read_line(const char *prompt)
{
    struct sigaction ours = {.sa_handler = note_interrupt}, kept;
    sigset_t interrupt, mask;
    sigemptyset(&interrupt);
    sigaddset(&interrupt, SIGINT);
    interrupted = 0;
    pthread_sigmask(SIG_BLOCK, &interrupt, &mask);
    sigaction(SIGINT, &ours, &kept);
    waiting_mask = mask;
    sigdelset(&waiting_mask, SIGINT);
    rl_catch_signals = 0;
    rl_getc_function = read_byte;
    char *line = readline(prompt);
    rl_getc_function = rl_getc;
    sigaction(SIGINT, &kept, NULL);
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    return line;
}
