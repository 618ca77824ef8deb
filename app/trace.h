/*
 * trace.h - one line of JSON for each pass of the model, in a file (--trace)
 *
 * Lines are whole: each is written at once, and one that does not fit the disk is taken back.  When
 * the file cannot be written any more the trace ends; what it traces goes on.
 */
#ifndef APP_TRACE_H
#define APP_TRACE_H

#include "engine/policy.h"

struct trace;

/*
 * Make the file, for nobody else (0600), or empty the one that is there.  path NULL: *out is NULL.
 * Errors: IO (it cannot be written).
 */
enum status trace_open(struct trace **out, const char *path, struct error *error);
/* A policy_trace; the context is the struct trace.  Thread: the engine's. */
void trace_cycle(void *context, const struct policy_cycle *cycle);
/*
 * Did writing fail since the last call?  true once, with *error filled: tell it, as a notice.
 * Thread: any; NULL is allowed.
 */
bool trace_failed(struct trace *trace, struct error *error);
/* After the last cycle; *trace becomes NULL; NULL is allowed. */
void trace_close(struct trace **trace);

#endif
