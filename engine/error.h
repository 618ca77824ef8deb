/*
 * error.h - how every function of the engine reports failure
 *
 * A function that can fail returns enum status and takes a struct error * as its last parameter
 * (NULL is allowed: the caller wants the status alone).  The error is raised once, where it is
 * understood; callers may add a place with error_where(), they never raise it again.
 * Messages may quote names from files: they pass the screen's filter before they are shown.
 *
 * Thread: any; a struct error belongs to the caller.
 */
#ifndef ENGINE_ERROR_H
#define ENGINE_ERROR_H

/* Values 1..78 are the program's exit codes (man page, EXIT STATUS). */
enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1,    /* run-time failure without a code of its own */
    STATUS_USAGE = 2,     /* an argument is out of range */
    STATUS_NOT_FOUND = 3, /* model file not found */
    STATUS_NO_MEMORY = 4,
    STATUS_CONTEXT_FULL = 5, /* the tokens do not fit the context */
    STATUS_SERVER = 6,       /* server unreachable or refused */
    STATUS_DAMAGED = 65,     /* a file is damaged or not what it claims to be */
    STATUS_UNSUPPORTED = 66, /* well-formed, but banter cannot run it */
    STATUS_IO = 74,          /* input/output error, disk full */
    STATUS_CONFIG = 78,
    STATUS_CANCELLED = 256 /* the caller asked to stop; never an exit code */
};

struct error {
    enum status status;
    char what[320]; /* one sentence for a person: what is wrong, with the name of the thing */
    char where
        [256]; /* the place: "model.gguf, offset 1234", "blk.7.ssm_out.weight"; may be "" */
    char action[192]; /* what to do about it; may be "" */
};

/* Fill *error and return status, so that `return error_set(...)` reads as one step. */
enum status error_set(struct error *error, enum status status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Put a place in front of the one that is there: outer place, inner place. */
void error_where(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Put a file's path in front (its end, if it is long), unless it stands there already. */
void error_path(struct error *error, const char *path);
/* Say what to do about it. */
void error_action(struct error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Empty the error: STATUS_OK and empty strings. */
void error_clear(struct error *error);
/* "where: what (action)" on one line, always terminated; returns buffer. */
const char *error_text(const struct error *error, char *buffer, unsigned long n_bytes);

#endif
