/*
 * signals.c - signals of the chat: ordinary ones are read, crashes restore the terminal
 */
#include "app/signals.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "engine/error.h"

static const int ordinary[] = {SIGWINCH, SIGTSTP, SIGCONT, SIGHUP, SIGTERM, SIGINT, SIGQUIT};
static const int crashes[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};

enum { N_CRASHES = sizeof crashes / sizeof crashes[0] };

/* Read by the crash handler; written before it can run. */
static void (*restore)(void);
static struct sigaction before[N_CRASHES];
static char bus_message[512];
static volatile sig_atomic_t bus_message_length;

/* SIGSTKSZ is not a constant since glibc 2.34; the handler needs little. */
static _Alignas(16) unsigned char alternate_stack[64 * 1024];

static sigset_t ordinary_set(void)
{
    sigset_t set;

    sigemptyset(&set);
    for (size_t i = 0; i < sizeof ordinary / sizeof ordinary[0]; i++)
        sigaddset(&set, ordinary[i]);
    return set;
}

void signals_block(void)
{
    sigset_t set = ordinary_set();

    pthread_sigmask(SIG_BLOCK, &set, NULL);
}

void signals_unblock(bool interrupt)
{
    sigset_t set = ordinary_set();

    if (!interrupt)
        sigdelset(&set, SIGINT);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

/*
 * SIGTSTP is blocked, so this never runs; but a signal with the default action is one that ncurses
 * sets to be ignored while it draws, and that throws a pending one away.
 */
static void keep_pending(int number)
{
    (void)number;
}

int signals_open(void)
{
    sigset_t set = ordinary_set();
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    struct sigaction keep = {.sa_handler = keep_pending};

    signals_block();
    sigaction(SIGTSTP, &keep, NULL);
    /* A reader that went away shows as a failed write. */
    sigaction(SIGPIPE, &ignore, NULL);
    return signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
}

int signals_next(int signal_fd)
{
    struct signalfd_siginfo information;

    if (read(signal_fd, &information, sizeof information) != (ssize_t)sizeof information)
        return 0;
    return (int)information.ssi_signo;
}

/*
 * One thread deals with a crash.  Worker threads fault together when a page of the model is gone:
 * the others wait here for the end, lest the process ends before the terminal is restored.
 */
static bool first_to_crash(void)
{
    static atomic_int first;
    int none = 0, self = (int)gettid();

    if (atomic_compare_exchange_strong(&first, &none, self))
        return true;
    while (none != self)
        pause();
    return false;
}

/*
 * Async-signal-safe throughout.  The handlers that were there before (a sanitizer's) are put
 * back and get the signal when this one returns.
 */
static void on_crash(int number, siginfo_t *information, void *context)
{
    (void)context;
    /* A crash of the handler itself goes straight on. */
    if (first_to_crash())
        restore();
    /* A page of a mapped file that is not there: the file became shorter, or its disk failed. */
    if (number == SIGBUS && information->si_code == BUS_ADRERR && bus_message_length > 0) {
        ssize_t n_written = write(STDERR_FILENO, bus_message, (size_t)bus_message_length);
        (void)n_written;
        _exit(STATUS_IO);
    }
    for (size_t i = 0; i < N_CRASHES; i++)
        sigaction(crashes[i], &before[i], NULL);
    raise(number);
}

void signals_catch_crashes(void (*restore_terminal)(void))
{
    stack_t stack = {.ss_sp = alternate_stack, .ss_size = sizeof alternate_stack};
    struct sigaction action = {.sa_sigaction = on_crash, .sa_flags = SA_SIGINFO | SA_ONSTACK};

    bool installed = restore != NULL;

    restore = restore_terminal;
    /* Once: a second time our own handler would be taken for the one that was there before. */
    if (installed)
        return;
    sigaltstack(&stack, NULL);
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < N_CRASHES; i++)
        sigaction(crashes[i], &action, &before[i]);
}

void signals_name_model(const char *name)
{
    bus_message_length = 0;
    int n_bytes =
        snprintf(bus_message, sizeof bus_message,
                 "banter: the model file can no longer be read: it was cut or replaced "
                 "while in use (%s)\n",
                 name);
    if (n_bytes > 0)
        bus_message_length =
            n_bytes < (int)sizeof bus_message ? n_bytes : (int)sizeof bus_message - 1;
}

void signals_stop(bool group)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    struct sigaction saved;
    struct timespec now = {0};
    sigset_t stop, go_on, mask;

    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    sigemptyset(&go_on);
    sigaddset(&go_on, SIGCONT);
    sigaction(SIGTSTP, &standard, &saved);
    if (group)
        kill(0, SIGTSTP);
    else
        raise(SIGTSTP);
    pthread_sigmask(SIG_UNBLOCK, &stop, &mask);
    /* Here the process stands still until SIGCONT. */
    pthread_sigmask(SIG_SETMASK, &mask, NULL);
    sigaction(SIGTSTP, &saved, NULL);
    /* The SIGCONT that woke us is dealt with. */
    sigtimedwait(&go_on, NULL, &now);
}

void signals_die(int signal_number)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t set;

    sigaction(signal_number, &standard, NULL);
    sigemptyset(&set);
    sigaddset(&set, signal_number);
    raise(signal_number);
    pthread_sigmask(SIG_UNBLOCK, &set, NULL);
    _exit(128 + signal_number);
}

void signals_ignore_keys(bool ignore)
{
    struct sigaction action = {.sa_handler = ignore ? SIG_IGN : SIG_DFL};
    sigset_t keys;
    struct timespec now = {0};

    sigemptyset(&keys);
    sigaddset(&keys, SIGINT);
    sigaddset(&keys, SIGQUIT);
    /* A blocked signal is kept even when it is ignored: throw away what came. */
    while (!ignore && sigtimedwait(&keys, NULL, &now) > 0)
        continue;
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGQUIT, &action, NULL);
}

void signals_reset(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;

    for (size_t i = 0; i < sizeof ordinary / sizeof ordinary[0]; i++)
        sigaction(ordinary[i], &standard, NULL);
    for (size_t i = 0; i < N_CRASHES; i++)
        sigaction(crashes[i], &standard, NULL);
    sigaction(SIGPIPE, &standard, NULL);
    sigaction(SIGXFSZ, &standard, NULL);
    sigemptyset(&none);
    pthread_sigmask(SIG_SETMASK, &none, NULL);
}
