/*
 * interrupt.h - SIGINT, SIGTERM and SIGHUP of a program without a screen
 *
 * The first asks to stop: what there is gets printed, then the signal is raised again, so that the
 * parent sees it.  A second one ends the program at once.  One that was ignored when the program
 * started (nohup, a background job) stays ignored.
 *
 * Thread: the main thread.
 */
#ifndef APP_INTERRUPT_H
#define APP_INTERRUPT_H

#include <stdatomic.h>

void interrupt_catch(void);
/* Becomes true with the signal; for the engine's cancel. */
const atomic_bool *interrupt_wanted(void);
/* End by the signal that came; returns when none did. */
void interrupt_raise(void);

/*
 * For a program that waits for events: the signals stay blocked in this thread and all that it
 * starts from now on, but for interrupt_wait(), so that none is lost between a look and a wait.
 */
void interrupt_hold(void);
/*
 * Until fd is readable or a signal comes; returns the seconds that the process was stopped
 * (SIGTSTP) meanwhile.
 */
double interrupt_wait(int fd);

#endif
