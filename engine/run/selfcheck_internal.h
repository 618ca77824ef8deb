/*
 * selfcheck_internal.h - what the comparisons of a self-check share
 *
 * A text of the model's own tokens is consumed token by token: logits of every position, and the
 * state at three of them, are what everything else is compared with, by bytes.
 *
 * Thread: the caller's of selfcheck_run().
 */
#ifndef ENGINE_RUN_SELFCHECK_INTERNAL_H
#define ENGINE_RUN_SELFCHECK_INTERNAL_H

#include "engine/selfcheck.h"

enum {
    SELFCHECK_ROWS = 64, /* most rows of logits of a pass that is compared */
    SELFCHECK_ANSWERS = 3
};

/* An answer as plain decoding gives it. */
struct selfcheck_answer {
    int32_t *ids; /* owns; [check->n_answer] */
    size_t n;
    struct generation_result result;
    struct snapshot *end; /* owns */
};

struct selfcheck {
    const struct model *model;
    const struct selfcheck_options *options;
    int n_threads; /* of all sessions but where threads are compared */
    uint32_t n_vocab, n_context;
    uint32_t n_tokens; /* of the text */
    uint32_t n_answer; /* tokens of an answer, at most n_tokens / 2 */
    int32_t *tokens;   /* owns, as all that follows; [n_tokens] */
    float *logits;     /* [n_tokens][n_vocab] */
    float *rows;       /* [SELFCHECK_ROWS][n_vocab], what is compared with them */
    struct snapshot *middle, *before_last, *end; /* at n_tokens / 2, n_tokens - 1, n_tokens */
    struct selfcheck_answer answers[SELFCHECK_ANSWERS];
};

/* What a comparison found; the first difference stays. */
struct finding {
    bool differs;
    char text[160];
};

/* Errors: FAILED counts as a difference; others end the self-check. */
typedef enum status (*compare_function)(struct selfcheck *check, uint32_t argument,
                                        struct finding *finding, struct error *error);

/* A line of the report. */
struct comparison {
    compare_function compare;
    uint32_t argument;
    char what[96];
};

/* A session of the model; n_threads, chunk: 0: as the others. */
enum status selfcheck_session(const struct selfcheck *check, int n_threads, uint32_t chunk,
                              struct session **out, struct error *error);
void found_difference(struct finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* What is said if nothing differs. */
void found_equal(struct finding *finding, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Rows [n][n_vocab] of the positions from `first` on. */
void compare_rows(const struct selfcheck *check, struct finding *finding, const float *rows,
                  uint32_t first, uint32_t n);
enum status compare_state(const struct session *session, const struct snapshot *wanted,
                          struct finding *finding, struct error *error);

/* The text step by step, measured: fills n_tokens rows of logits and the snapshots. */
enum status selfcheck_steps(struct selfcheck *check, uint32_t argument, struct finding *finding,
                            struct error *error);
/* argument: tokens of a chunk */
enum status selfcheck_chunks(struct selfcheck *check, uint32_t n_chunk, struct finding *finding,
                             struct error *error);
/* argument: threads */
enum status selfcheck_threads(struct selfcheck *check, uint32_t n_threads,
                              struct finding *finding, struct error *error);
enum status selfcheck_verify(struct selfcheck *check, uint32_t argument,
                             struct finding *finding, struct error *error);
enum status selfcheck_restore(struct selfcheck *check, uint32_t argument,
                              struct finding *finding, struct error *error);
enum status selfcheck_lanes(struct selfcheck *check, uint32_t argument, struct finding *finding,
                            struct error *error);

/* Makes the plain answers, and compares them with the same at once. */
enum status selfcheck_answers(struct selfcheck *check, uint32_t argument,
                              struct finding *finding, struct error *error);
enum status selfcheck_script(struct selfcheck *check, uint32_t argument,
                             struct finding *finding, struct error *error);
/* argument: enum policy_kind */
enum status selfcheck_policy(struct selfcheck *check, uint32_t kind, struct finding *finding,
                             struct error *error);

#endif
