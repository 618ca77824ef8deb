/*
 * interrupt.c - a request to stop, kept until the work has come to an end
 */
#include "app/interrupt.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <time.h>

static const int caught[] = {SIGINT, SIGTERM, SIGHUP};
static atomic_bool wanted;
static atomic_int which;
static atomic_bool stop_asked; /* SIGTSTP */
static sigset_t mask_before;

_Static_assert(ATOMIC_BOOL_LOCK_FREE == 2 && ATOMIC_INT_LOCK_FREE == 2, "used in handlers");

static void on_signal(int number)
{
    if (number == SIGTSTP) {
        atomic_store(&stop_asked, true);
        return;
    }
    atomic_store(&which, number);
    atomic_store(&wanted, true);
}

static void handle(int number, int flags)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = flags};
    struct sigaction before;

    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler == SIG_IGN)
        return;
    sigaction(number, &action, NULL);
}

void interrupt_catch(void)
{
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
        handle(caught[i], (int)SA_RESETHAND);
}

const atomic_bool *interrupt_wanted(void)
{
    return &wanted;
}

void interrupt_raise(void)
{
    int number = atomic_load(&which);
    sigset_t set;

    if (number == 0)
        return;
    signal(number, SIG_DFL);
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
}

void interrupt_hold(void)
{
    sigset_t set;

    handle(SIGTSTP, 0);
    sigemptyset(&set);
    sigaddset(&set, SIGTSTP);
    for (size_t i = 0; i < sizeof caught / sizeof *caught; i++)
        sigaddset(&set, caught[i]);
    sigprocmask(SIG_BLOCK, &set, &mask_before);
}

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double interrupt_wait(int fd)
{
    struct pollfd wait = {.fd = fd, .events = POLLIN};

    ppoll(&wait, 1, NULL, &mask_before);
    if (!atomic_exchange(&stop_asked, false))
        return 0;
    double before = seconds_now();
    raise(SIGSTOP);
    return seconds_now() - before;
}
