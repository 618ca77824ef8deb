/*
 * quiet_thread.c - threads that no ordinary signal is delivered to
 */
#include "engine/run/quiet_thread.h"

#include <signal.h>
#include <stddef.h>

/* A new thread inherits the mask of its maker, so it has no moment with signals open. */
int quiet_thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
                       void *argument)
{
    static const int own[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP, SIGSYS, SIGABRT};
    sigset_t quiet;
    sigset_t before;

    sigfillset(&quiet);
    for (size_t i = 0; i < sizeof own / sizeof own[0]; i++)
        sigdelset(&quiet, own[i]);
    pthread_sigmask(SIG_SETMASK, &quiet, &before);
    int problem = pthread_create(thread, NULL, run, argument);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (problem == 0)
        pthread_setname_np(*thread, name);
    return problem;
}
