/*
 * quiet_thread.h - threads that no ordinary signal is delivered to
 *
 * Signals that a thread brings on itself (a bad address, a mapped file cut short) stay open: were
 * they blocked, the kernel would end the process before its handler had restored the terminal.
 */
#ifndef ENGINE_RUN_QUIET_THREAD_H
#define ENGINE_RUN_QUIET_THREAD_H

#include <pthread.h>

/* As pthread_create(); name: at most 15 bytes, for ps and debuggers. */
int quiet_thread_start(pthread_t *thread, const char *name, void *(*run)(void *),
                       void *argument);

#endif
