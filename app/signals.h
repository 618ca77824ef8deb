/*
 * signals.h - signals of the chat: ordinary ones are read, crashes restore the terminal
 *
 * Ordinary signals (SIGWINCH, SIGTSTP, SIGCONT, SIGHUP, SIGTERM, SIGINT, SIGQUIT) are blocked in
 * the main thread before any other thread exists, so every thread inherits the mask, and come in
 * through a signalfd.  A crash runs on an alternate stack, writes the bytes that restore the
 * terminal and raises itself again, so that the parent sees the signal and a core holds the stack.
 *
 * Thread: the main thread.
 */
#ifndef APP_SIGNALS_H
#define APP_SIGNALS_H

#include <stdbool.h>

/* Block the ordinary signals, ignore SIGPIPE; the signalfd, or -1 with errno. */
int signals_open(void);
/* The next signal, 0 when there is none. */
int signals_next(int signal_fd);
/*
 * Handlers of SIGSEGV, SIGBUS, SIGABRT, SIGFPE and SIGILL; the function must be safe in them.  A
 * later call changes the function.
 */
void signals_catch_crashes(void (*restore_terminal)(void));
/*
 * The file that the model is mapped from: a SIGBUS of a page that the file no longer has is told
 * in one line, with exit code 74.  The name must have passed the screen's filter.
 */
void signals_name_model(const char *name);

/*
 * Stop as SIGTSTP does, this process alone or its whole group as Ctrl-Z does; returns when it goes
 * on.  In an orphaned group, where nobody could wake it, it returns at once.  The terminal must be
 * given back before: a shell speaks as soon as one process of the group stands still.
 */
void signals_stop(bool group);
/* End by this signal: 128 + n for the parent.  The terminal must be restored already. */
void signals_die(int signal_number) __attribute__((noreturn));

/*
 * While a foreign program has the terminal: its Ctrl-C and Ctrl-\ are not ours.  signals_reset()
 * is for the child between fork() and exec().
 */
void signals_ignore_keys(bool ignore);
void signals_reset(void);

/* Let signals act on this thread; SIGINT only if it may interrupt.  And back. */
void signals_unblock(bool interrupt);
void signals_block(void);

#endif
