/*
 * bench_opening.c - how long until a model is there, and until its first token
 *
 * These figures are taken before the bench opens the model for itself, so that it never lies in
 * memory twice.  Cold: the system was asked to forget the file before.  A first token is that of
 * a new process, from its start to the first byte that it writes: nothing else says what a person
 * waits.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/bench_model.h"
#include "app/child_process.h"
#include "app/interrupt.h"
#include "config/config.h"

enum { PROMPT_TOKENS = 32 };

static const double CHILD_SECONDS = 600;

/* The share of a file that the system holds in memory; negative: it does not say. */
static double cached_share(int fd, size_t n_bytes)
{
    const size_t page = (size_t)sysconf(_SC_PAGESIZE), n_pages = (n_bytes + page - 1) / page;
    void *mapping =
        n_bytes > 0 ? mmap(NULL, n_bytes, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
    unsigned char *pages;
    size_t n_cached = 0;
    double share = -1;

    if (mapping == MAP_FAILED)
        return -1;
    pages = app_resize(NULL, n_pages, 1);
    if (mincore(mapping, n_bytes, pages) == 0) {
        for (size_t i = 0; i < n_pages; i++)
            n_cached += pages[i] & 1;
        share = (double)n_cached / (double)n_pages;
    }
    free(pages);
    munmap(mapping, n_bytes);
    return share;
}

/* Ask the system to forget the file, and look whether it did. */
static void drop_file(struct model_bench *bench)
{
    const int fd = open(bench->path, O_RDONLY | O_CLOEXEC);
    struct stat state;

    if (fd < 0)
        return;
    if (fstat(fd, &state) == 0) {
        fdatasync(fd); /* what is not written yet cannot be forgotten */
        posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
        const double share = cached_share(fd, (size_t)state.st_size);
        if (share > bench->cached_most)
            bench->cached_most = share;
        bench->dropped = share >= 0 && bench->cached_most < 0.01;
    }
    close(fd);
}

static enum status load(const struct model_bench *bench, double *seconds, struct error *error)
{
    struct model *model = NULL;
    const double start = bench_seconds_now();
    const enum status status = bench_open_file(bench, &model, error);

    *seconds = bench_seconds_now() - start;
    model_close(&model);
    return status;
}

static enum status measure_cold_load(void *context, struct figure *figure, double *seconds,
                                     struct error *error)
{
    struct model_bench *bench = context;

    (void)figure;
    drop_file(bench);
    return load(bench, seconds, error);
}

static enum status measure_warm_load(void *context, struct figure *figure, double *seconds,
                                     struct error *error)
{
    const struct model_bench *bench = context;

    (void)figure;
    return load(bench, seconds, error);
}

/* banter generate, one token behind a few. */
static enum status run_banter(const struct model_bench *bench, double *seconds,
                              struct error *error)
{
    const struct config *config = config_values(bench->invocation->store);
    struct text_buffer tokens = {0};
    struct child_result result;
    char threads[20];
    enum status status = STATUS_OK;

    for (int i = 0; i < PROMPT_TOKENS; i++)
        text_printf(&tokens, i > 0 ? ",%d" : "%d", 1 + i);
    snprintf(threads, sizeof threads, "%d", machine_thread_count(bench->machine));
    const char *const argv[] = {"/proc/self/exe",
                                "generate",
                                "--no-config",
                                "--model",
                                bench->path,
                                "--tokens",
                                text_string(&tokens),
                                "--threads",
                                threads,
                                "--cpu",
                                kernel_level_name(bench->limits.level),
                                "--kv",
                                config->kv,
                                "--max-tokens",
                                "1",
                                "--temperature",
                                "0",
                                "--policy",
                                "greedy",
                                "--ignore-eos",
                                NULL};
    child_run(&result, argv, CHILD_SECONDS, interrupt_wanted());
    *seconds = result.first_byte;
    if (result.end == CHILD_STOPPED)
        status = error_set(error, STATUS_CANCELLED, "stopped");
    else if (result.end != CHILD_EXITED || result.code != 0 || result.first_byte <= 0)
        status = error_set(error, STATUS_FAILED, "banter generate gave no token: %s",
                           text_string(&result.err));
    child_result_release(&result);
    text_release(&tokens);
    return status;
}

static enum status measure_cold_token(void *context, struct figure *figure, double *seconds,
                                      struct error *error)
{
    struct model_bench *bench = context;

    (void)figure;
    drop_file(bench);
    return run_banter(bench, seconds, error);
}

static enum status measure_warm_token(void *context, struct figure *figure, double *seconds,
                                      struct error *error)
{
    (void)figure;
    return run_banter(context, seconds, error);
}

void bench_add_opening(struct model_bench *bench)
{
    struct stat state;
    struct figures *figures = &bench->opening;
    const double n_bytes = stat(bench->path, &state) == 0 ? (double)state.st_size : 0;

    if (bench->parts[PART_LOAD]) {
        figures_add(figures, "load", measure_cold_load, "load, cold");
        figures_add(figures, "load", measure_warm_load, "load, warm");
    }
    if (bench->parts[PART_FIRST_TOKEN]) {
        figures_add(figures, "first-token", measure_cold_token, "process to token, cold");
        figures_add(figures, "first-token", measure_warm_token, "process to token, warm");
    }
    for (size_t i = 0; i < figures->n; i++)
        figures->figures[i].bytes = n_bytes;
}

/* Memory ----------------------------------------------------------------------------------- */

uint64_t bench_resident_bytes(bool most)
{
    FILE *file = fopen("/proc/self/status", "re");
    unsigned long long kilobytes, bytes = 0;
    char line[256];

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, most ? "VmHWM: %llu kB" : "VmRSS: %llu kB", &kilobytes) == 1)
            bytes = kilobytes * 1024;
    }
    if (file != NULL)
        fclose(file);
    return bytes;
}

void bench_resident_reset(void)
{
    FILE *file = fopen("/proc/self/clear_refs", "we");

    if (file != NULL) {
        fputs("5", file);
        fclose(file);
    }
}
