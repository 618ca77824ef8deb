/*
 * bench.h - what `banter bench` measures, one function for each word behind it
 *
 * Thread: the main thread.
 */
#ifndef APP_BENCH_H
#define APP_BENCH_H

#include "app/json.h"
#include "app/paired_statistics.h"
#include "app/subcommands.h"

/* Each returns the exit code, with its result written or its failure told. */
int bench_model(const struct invocation *invocation);
/* The flags of bench_model() alone: 0, or the exit code with the problem told. */
int bench_model_check(const struct invocation *invocation);
int bench_machine(const struct invocation *invocation);
int bench_train(const struct invocation *invocation);
int bench_policies(const struct invocation *invocation);
int bench_lanes(const struct invocation *invocation);
int bench_verify(const struct invocation *invocation);

/* What those on a model share. */
struct bench_model {
    const struct invocation *invocation;
    struct model *model;     /* owned */
    struct session *session; /* owned */
    struct snapshot *start;  /* owned; behind all tokens of the prompt but the last */
    int32_t *prompt;         /* owned */
    size_t n_prompt;
    uint64_t n_rounds, n_tokens;
};

/* --rounds and --tokens, at least `least`, where they are not what bench->... holds. */
int bench_read_flags(struct bench_model *bench, const struct invocation *invocation,
                     uint64_t least_tokens, uint64_t most_tokens);
/* Open the model, read a prompt of n_prompt tokens (0: that of the text itself), leave room. */
int bench_open(struct bench_model *bench, size_t n_prompt, size_t n_more);
void bench_release(struct bench_model *bench);

/* Numbers that were measured again and again. */
struct samples {
    double *values; /* owned */
    size_t n, room;
};

void samples_add(struct samples *samples, double value);
double samples_median(const struct samples *samples);
struct paired_statistics samples_statistics(const struct samples *samples);
void samples_release(struct samples *samples);

bool bench_wants_json(const struct invocation *invocation);
/* The result on standard output, as a table or with -o json; returns the exit code. */
int bench_print(const struct invocation *invocation, const void *work,
                json_t *(*as_json)(const void *work),
                void (*write_table)(const void *work, struct output *output));
/* "guide, 2 threads, kernels avx512", filtered; then the rest of the line. */
void bench_write_title(const struct bench_model *bench, struct output *output);
/* Model and threads. */
json_t *bench_json(const struct bench_model *bench);
/* Append; memory that runs out ends the program. */
void json_add(json_t *array, json_t *value);
/* {"median": ..., "low": ..., "high": ..., "least": ..., "most": ..., "n": ...} */
json_t *json_paired(const struct paired_statistics *statistics);
/* On a terminal: one line that changes; NULL ends it. */
void bench_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
