/*
 * load.c - how long a model takes to open, what memory it holds, and how fast it then decodes
 *
 * usage: BANTER_MODEL=FILE [BANTER_THREADS=N] [BANTER_CACHE=FOLDER] load
 *
 * Without a model nothing is measured.  With a folder packed weights are kept there; then the load
 * is measured, and the steps while they are written, and the time until they are.
 *
 * Processor time is that of all threads: on a machine that others use too it says more than the
 * clock.  Resident memory is taken from /proc/self/status after the steps, in MB of 10^6 bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "engine/session.h"

enum { STEPS = 24 };

static double now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static double seconds_of(struct timeval time)
{
    return (double)time.tv_sec + 1e-6 * (double)time.tv_usec;
}

static int compare(const void *a, const void *b)
{
    const double *x = a, *y = b;

    return (*x > *y) - (*x < *y);
}

/* Median milliseconds of one token. */
static double step_milliseconds(struct session *session, uint32_t n_vocab)
{
    float *logits = malloc(n_vocab * sizeof *logits);
    double times[STEPS];
    int32_t token = 1;

    for (int i = 0; i < STEPS; i++) {
        const double begin = now();
        session_eval(session, &token, 1, 1, logits, NULL, NULL);
        times[i] = 1e3 * (now() - begin);
    }
    free(logits);
    qsort(times, STEPS, sizeof *times, compare);
    return times[STEPS / 2];
}

static void print_memory(void)
{
    static const char *const names[] = {"VmHWM:", "RssAnon:", "RssFile:"};
    FILE *file = fopen("/proc/self/status", "r");
    char line[200];

    while (file && fgets(line, sizeof line, file))
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strncmp(line, names[i], strlen(names[i])) == 0)
                printf("  %s %.0f", names[i], strtod(line + strlen(names[i]), NULL) * 1.024e-3);
    if (file)
        fclose(file);
    file = fopen("/proc/self/smaps_rollup", "r");
    while (file && fgets(line, sizeof line, file))
        if (strncmp(line, "FilePmdMapped:", 14) == 0)
            printf("  huge %.0f", strtod(line + 14, NULL) * 1.024e-3);
    if (file)
        fclose(file);
}

int main(void)
{
    const char *path = getenv("BANTER_MODEL"), *threads = getenv("BANTER_THREADS");
    struct model_options options = {.level = kernel_level_best(),
                                    .n_threads = threads ? (int)strtol(threads, NULL, 10) : 0};
    const char *folder = getenv("BANTER_CACHE");
    struct session_options session_options = {.n_threads = options.n_threads, .n_context = 256};
    struct model *model = NULL;
    struct session *session = NULL;
    struct error error = {0};
    struct rusage used;
    double begin = now(), seconds;
    char text[800];

    options.weights_cache = folder ? WEIGHTS_CACHE_ON : WEIGHTS_CACHE_OFF;
    options.weights_cache_folder = folder;
    if (!path) {
        printf("load: BANTER_MODEL names no model\n");
        return 0;
    }
    if (model_open(&model, path, &options, &error) != STATUS_OK) {
        printf("load: %s\n", error_text(&error, text, sizeof text));
        return 1;
    }
    static const char *const states[] = {"none",    "absent",  "mapped",
                                         "writing", "written", "refused"};
    seconds = now() - begin;
    getrusage(RUSAGE_SELF, &used);
    if (session_new(&session, model, &session_options, &error) != STATUS_OK) {
        printf("load: %s\n", error_text(&error, text, sizeof text));
        model_close(&model);
        return 1;
    }
    const struct model_info *info = model_info(model);
    printf("load %.3f s (read %.3f, vocabulary %.3f, weights %.3f)", seconds,
           info->load_seconds[MODEL_LOAD_READ], info->load_seconds[MODEL_LOAD_VOCABULARY],
           info->load_seconds[MODEL_LOAD_WEIGHTS]);
    printf("  processor %.3f user, %.3f system", seconds_of(used.ru_utime),
           seconds_of(used.ru_stime));
    printf("  step %.2f ms", step_milliseconds(session, info->n_vocab));
    print_memory();
    printf("  cache %s\n", states[model_weights_cache(model)]);
    fflush(stdout);
    if (model_weights_cache(model) == WEIGHTS_CACHE_WRITING) {
        while (model_weights_cache(model) == WEIGHTS_CACHE_WRITING)
            nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        printf("cache %s after %.3f s", states[model_weights_cache(model)], now() - begin);
        printf("  step then %.2f ms\n", step_milliseconds(session, info->n_vocab));
    }
    session_free(&session);
    begin = now();
    model_close(&model);
    printf("close %.3f s\n", now() - begin);
    return 0;
}
