/*
 * child_process.h - another program, run to its end or to a limit, with what it wrote
 *
 * Thread: the main thread.
 */
#ifndef APP_CHILD_PROCESS_H
#define APP_CHILD_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>

#include "app/text_buffer.h"

enum child_end {
    CHILD_EXITED,      /* with `code` */
    CHILD_SIGNALLED,   /* by signal `code` */
    CHILD_NOT_STARTED, /* for the errno `code` */
    CHILD_TIMED_OUT,   /* and was killed */
    CHILD_STOPPED      /* so was this: the caller's flag was set */
};

struct child_result {
    enum child_end end;
    int code;
    double first_byte,
        seconds; /* from the start: to the first byte of output (0: none), to the end */
    struct text_buffer out; /* standard output, its first 16 MB */
    struct text_buffer err; /* standard error, the last line that is not empty */
};

/*
 * Run argv[0] (a path, or a name in PATH) without a shell, standard input empty, in a process group
 * of its own that is killed as a whole.  cancel may be NULL.  Release the result in every case.
 */
void child_run(struct child_result *result, const char *const *argv, double limit_seconds,
               const atomic_bool *cancel);
void child_result_release(struct child_result *result);

#endif
