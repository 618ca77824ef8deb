/*
 * script.h - the text format of the scripted engine (described in script.c)
 *
 * Thread: a parsed script is read-only.
 */
#ifndef ENGINE_RUN_SCRIPT_H
#define ENGINE_RUN_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/session.h"

enum script_step_kind {
    SCRIPT_THINK,   /* bytes */
    SCRIPT_TEXT,    /* bytes */
    SCRIPT_DELAY,   /* number: milliseconds */
    SCRIPT_RATE,    /* number: tokens per second, 0: at once */
    SCRIPT_SPLIT,   /* number: bytes of a token, 0: whole characters */
    SCRIPT_PREFILL, /* number: tokens, milliseconds */
    SCRIPT_SOURCE,  /* number: enum policy_source; percent */
    SCRIPT_STATE,   /* number: enum policy_state; bytes: the reason */
    SCRIPT_STOP,    /* number: enum stop_reason */
    SCRIPT_FAIL     /* bytes: the message */
};

#define SCRIPT_ALL_LANES UINT32_MAX

struct script_step {
    enum script_step_kind kind;
    uint32_t lane; /* the one that it is for, or SCRIPT_ALL_LANES */
    char *bytes;   /* owned, or NULL */
    size_t n_bytes;
    uint32_t number;
    uint32_t milliseconds;
    uint32_t percent;
    uint32_t repeat; /* of THINK and TEXT, at least 1 */
};

struct script_answer {
    size_t first, count; /* of script.steps */
};

struct script_check {
    char *text; /* owned; "what: what was found" */
    bool passed;
};

struct script {
    char name[128];
    uint32_t n_context;
    uint32_t load_milliseconds;
    char *load_failure;          /* owned; NULL: loading succeeds */
    char *draft_failure;         /* owned; NULL: a draft model can be opened */
    bool has_margin;             /* the margin is known */
    uint32_t margin;             /* of the first difference of lanes, thousandths of a logit */
    struct script_check *checks; /* owned [n_checks] */
    size_t n_checks, checks_capacity;
    struct script_step *steps; /* owned [n_steps] */
    size_t n_steps, steps_capacity;
    struct script_answer *answers; /* owned [n_answers], at least one unless loading fails */
    size_t n_answers, answers_capacity;
};

/* Errors: NOT_FOUND, IO, NO_MEMORY, DAMAGED (path and line in error->where). */
enum status script_read(struct script *script, const char *path, struct error *error);
/* The same from memory; where errors say only the line. */
enum status script_parse(struct script *script, const char *text, size_t n_bytes,
                         struct error *error);
void script_release(struct script *script);

#endif
