/*
 * verify.c - what trying rows costs, on a model file
 *
 * usage: verify MODEL [THREADS] [POSITION]      default: chosen from the topology, position 256
 *
 * For k rows: the time of a verify pass over that of a plain step, and of a cycle that accepts one
 * row of k and then steps, over that of two plain steps.  Rows and steps are taken in turns, so
 * that a swing of the host meets both; each value is the median of 7.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/session.h"
#include "engine/state/verify.h"

enum { REPEATS = 7, DEFAULT_POSITION = 256 };

struct bench {
    struct model *model;
    struct session *session;
    struct snapshot *start;
    float *logits;
    int32_t tokens[VERIFY_ROWS_MAX + 1];
};

static void must(enum status status, const struct error *error)
{
    char line[800];

    if (status == STATUS_OK)
        return;
    fprintf(stderr, "verify: %s\n", error_text(error, line, sizeof line));
    exit(1);
}

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double step_seconds(const struct bench *bench)
{
    struct error error = {0};
    const double start = now();

    must(session_eval(bench->session, bench->tokens, 1, 1, bench->logits, NULL, &error),
         &error);
    return now() - start;
}

static double verify_seconds(const struct bench *bench, uint32_t n_rows, uint32_t n_accepted)
{
    struct error error = {0};
    const double start = now();

    must(session_verify(bench->session, bench->tokens, n_rows, bench->logits, NULL, &error),
         &error);
    must(session_accept(bench->session, n_accepted, &error), &error);
    return now() - start;
}

static void restart(const struct bench *bench)
{
    struct error error = {0};

    must(session_restore(bench->session, bench->start, &error), &error);
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double median(double *values)
{
    qsort(values, REPEATS, sizeof *values, compare);
    return values[REPEATS / 2];
}

static void bench_rows(const struct bench *bench, uint32_t n_rows)
{
    double step[REPEATS], verify[REPEATS], rejection[REPEATS];

    for (int i = 0; i < REPEATS; i++) {
        restart(bench);
        step_seconds(bench); /* warms what a restore has left cold */
        step[i] = (step_seconds(bench) + step_seconds(bench)) / 2;
        verify[i] = verify_seconds(bench, n_rows, 0);
        rejection[i] = verify_seconds(bench, n_rows, 1) + step_seconds(bench);
    }
    const double one = median(step);
    const double rows = median(verify), cycle = median(rejection);
    printf("%2u rows: step %8.3f ms, verify %8.3f ms, ratio %.2f; accept 1 and step %8.3f ms, "
           "ratio to 2 steps %.2f\n",
           n_rows, one * 1e3, rows * 1e3, rows / one, cycle * 1e3, cycle / (2 * one));
    fflush(stdout);
}

int main(int argc, char **argv)
{
    static const uint32_t counts[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 33};
    const struct model_options options = {.level = kernel_level_best()};
    struct session_options session = {.n_threads = argc > 2 ? atoi(argv[2]) : 0};
    const uint32_t position = argc > 3 ? (uint32_t)atoi(argv[3]) : DEFAULT_POSITION;
    struct bench bench = {0};
    struct error error = {0};
    int32_t *prompt = calloc(position + 1, sizeof *prompt);

    if (argc < 2 || !prompt) {
        puts("verify: no model given, nothing to do (ARGS=MODEL [THREADS] [POSITION])");
        free(prompt);
        return 0;
    }
    must(model_open(&bench.model, argv[1], &options, &error), &error);
    const uint32_t n_vocab = model_info(bench.model)->n_vocab;
    session.n_context = position + VERIFY_ROWS_MAX + 64;
    must(session_new(&bench.session, bench.model, &session, &error), &error);
    bench.logits = malloc((size_t)VERIFY_ROWS_MAX * n_vocab * sizeof *bench.logits);
    for (uint32_t i = 0; i < position; i++)
        prompt[i] = (int32_t)((i * 7919u + 11) % n_vocab);
    for (uint32_t i = 0; i <= VERIFY_ROWS_MAX; i++)
        bench.tokens[i] = (int32_t)((i * 104729u + 5) % n_vocab);
    must(session_eval(bench.session, prompt, position, 0, NULL, NULL, &error), &error);
    must(session_snapshot(bench.session, &bench.start, &error), &error);
    printf("%s, position %u, %d threads, level %s\n", model_info(bench.model)->name, position,
           session_thread_count(bench.session),
           kernel_level_name(model_info(bench.model)->level));
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++)
        bench_rows(&bench, counts[i]);
    snapshot_free(&bench.start);
    session_free(&bench.session);
    model_close(&bench.model);
    free(bench.logits);
    free(prompt);
    return 0;
}
