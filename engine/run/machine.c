/*
 * machine.c - threads that read a buffer or multiply registers, and the time they take
 */
#include "engine/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "engine/kernels/peak.h"
#include "engine/run/pool.h"
#include "engine/run/run_clock.h"
#include "engine/train/kernels_internal.h"

static const uint64_t BUFFER_BYTES = (uint64_t)512 << 20;
static const uint64_t BUFFER_LEAST = (uint64_t)16 << 20;
static const double GAIN = 0.95; /* of the time, at most: a smaller one is noise */
static const uint64_t HUGE_BYTES = (uint64_t)2 << 20; /* a page, and what parts are whole of */

enum {
    AHEAD_BYTES = 1024, /* as far as the kernels ask ahead */
    TRIALS = 3,         /* reads of both kinds, before one is chosen */
    PEAK_NANOSECONDS = 2 * 1000 * 1000,
    PEAK_ROUNDS = 4,
    SPIN_FLOATS = 12 * 16
};

struct machine {
    struct pool *pool; /* owned */
    const struct peak_kernels *peak;
    const struct matrix_kernel *f32;
    unsigned char *mapping,
        *buffer; /* the mapping is owned; the buffer begins with a huge page */
    uint64_t mapping_bytes, buffer_bytes;
    size_t bytes_ahead;
    size_t int8_steps, f32_steps; /* of a round; 0: not known yet */
    uint64_t seen;                /* what the loops gave, so that they are not left out */
};

struct section {
    struct machine *machine;
    size_t bytes_ahead, n_steps;
    uint64_t seen[1024];
};

enum { SECTION_PARTS = sizeof((struct section *)0)->seen / sizeof(uint64_t) };

static uint64_t buffer_size(uint64_t wanted)
{
    const long pages = sysconf(_SC_AVPHYS_PAGES), page_bytes = sysconf(_SC_PAGESIZE);
    const uint64_t quarter =
        pages > 0 && page_bytes > 0 ? (uint64_t)pages * (uint64_t)page_bytes / 4 : BUFFER_BYTES;
    uint64_t size = wanted > 0 ? wanted : quarter < BUFFER_BYTES ? quarter : BUFFER_BYTES;

    size = size < BUFFER_LEAST ? BUFFER_LEAST : size;
    return size / HUGE_BYTES * HUGE_BYTES;
}

/* The part's bytes of the buffer: whole huge pages. */
static unsigned char *part_of(const struct machine *machine, uint32_t part, uint32_t n_parts,
                              size_t *n_bytes)
{
    const uint64_t n_pages = machine->buffer_bytes / HUGE_BYTES;
    const uint64_t first = n_pages * part / n_parts, end = n_pages * (part + 1) / n_parts;

    *n_bytes = (size_t)((end - first) * HUGE_BYTES);
    return machine->buffer + first * HUGE_BYTES;
}

/* The thread that will read touches first, where memory has a place. */
static void fill_part(void *context, uint32_t part, uint32_t n_parts)
{
    const struct section *section = context;
    size_t n_bytes;
    unsigned char *bytes = part_of(section->machine, part, n_parts, &n_bytes);

    memset(bytes, 1 + (int)(part % 100), n_bytes);
}

static void read_part(void *context, uint32_t part, uint32_t n_parts)
{
    struct section *section = context;
    size_t n_bytes;
    const unsigned char *bytes = part_of(section->machine, part, n_parts, &n_bytes);

    section->seen[part] = section->machine->peak->read(bytes, n_bytes, section->bytes_ahead);
}

static void int8_part(void *context, uint32_t part, uint32_t n_parts)
{
    struct section *section = context;

    (void)n_parts;
    section->seen[part] = section->machine->peak->int8(section->n_steps);
}

static void f32_part(void *context, uint32_t part, uint32_t n_parts)
{
    struct section *section = context;
    float values[SPIN_FLOATS] = {0.5f, 1.0f};

    (void)n_parts;
    section->machine->f32->spin(section->n_steps, values);
    section->seen[part] = values[0] > 0;
}

/* Seconds of a section in which each part takes part once. */
static double run(struct machine *machine, pool_job job, size_t bytes_ahead, size_t n_steps,
                  int n_threads)
{
    struct section section = {
        .machine = machine, .bytes_ahead = bytes_ahead, .n_steps = n_steps};
    const int most = machine_thread_count(machine);
    const uint32_t n_parts = (uint32_t)(n_threads < 1      ? 1
                                        : n_threads > most ? most
                                                           : n_threads);
    const int64_t start = run_clock_now();

    pool_run(machine->pool, job, &section, n_parts);
    const int64_t end = run_clock_now();
    for (uint32_t i = 0; i < n_parts; i++)
        machine->seen ^= section.seen[i];
    return end > start ? (double)(end - start) * 1e-9 : 1e-9;
}

/* Asking ahead gains much with some memory controllers and loses with others: try. */
static void choose_read(struct machine *machine)
{
    double best[2] = {1e9, 1e9};

    for (int trial = 0; trial < 2 * TRIALS; trial++) {
        const size_t ahead = trial % 2 ? AHEAD_BYTES : 0;
        const double seconds = run(machine, read_part, ahead, 0, machine_thread_count(machine));

        if (seconds < best[trial % 2])
            best[trial % 2] = seconds;
    }
    machine->bytes_ahead = best[1] < GAIN * best[0] ? AHEAD_BYTES : 0;
}

static enum status map_buffer(struct machine *machine, const struct machine_options *options,
                              struct error *error)
{
    void *mapping;

    machine->buffer_bytes = buffer_size(options->buffer_bytes);
    machine->mapping_bytes = machine->buffer_bytes + HUGE_BYTES;
    mapping = mmap(NULL, machine->mapping_bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED)
        return error_set(error, STATUS_NO_MEMORY, "no memory for a buffer of %llu MB to read",
                         (unsigned long long)(machine->buffer_bytes >> 20));
    machine->mapping = mapping;
    machine->buffer =
        machine->mapping + (HUGE_BYTES - (uintptr_t)mapping % HUGE_BYTES) % HUGE_BYTES;
    madvise(machine->buffer, machine->buffer_bytes,
            options->small_pages ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);
    return STATUS_OK;
}

enum status machine_new(struct machine **out, const struct machine_options *options,
                        struct error *error)
{
    struct machine *machine = calloc(1, sizeof *machine);
    enum status status;

    *out = NULL;
    if (machine == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory for measuring the machine");
    machine->peak = peak_kernels_for(options->level);
    machine->f32 =
        train_kernels_for(options->level == KERNEL_LEVEL_REFERENCE ? KERNEL_LEVEL_GENERIC
                                                                   : options->level)
            ->matrix;
    status = pool_new(&machine->pool, options->n_threads, error);
    if (status == STATUS_OK && pool_thread_count(machine->pool) > SECTION_PARTS)
        status = error_set(error, STATUS_FAILED, "more than %d threads", SECTION_PARTS);
    if (status == STATUS_OK)
        status = map_buffer(machine, options, error);
    if (status != STATUS_OK) {
        machine_free(&machine);
        return status;
    }
    run(machine, fill_part, 0, 0, machine_thread_count(machine));
    choose_read(machine);
    *out = machine;
    return STATUS_OK;
}

void machine_free(struct machine **machine)
{
    if (machine == NULL || *machine == NULL)
        return;
    if ((*machine)->mapping != NULL)
        munmap((*machine)->mapping, (*machine)->mapping_bytes);
    pool_free(&(*machine)->pool);
    free(*machine);
    *machine = NULL;
}

int machine_thread_count(const struct machine *machine)
{
    return pool_thread_count(machine->pool);
}

uint64_t machine_buffer_bytes(const struct machine *machine)
{
    return machine->buffer_bytes;
}

bool machine_reads_ahead(const struct machine *machine)
{
    return machine->bytes_ahead > 0;
}

/* Lines of "smaps": a mapping's range, then its figures, AnonHugePages among them. */
uint64_t machine_huge_bytes(const struct machine *machine)
{
    const unsigned long long begin = (uintptr_t)machine->buffer;
    FILE *file = fopen("/proc/self/smaps", "re");
    char line[512];
    unsigned long long from, to, kilobytes, total = 0;
    bool ours = false;

    while (file != NULL && fgets(line, sizeof line, file) != NULL) {
        if (sscanf(line, "%llx-%llx ", &from, &to) == 2)
            ours = from >= begin && to <= begin + machine->buffer_bytes;
        else if (ours && sscanf(line, "AnonHugePages: %llu kB", &kilobytes) == 1)
            total += kilobytes * 1024;
    }
    if (file != NULL)
        fclose(file);
    return total;
}

double machine_read(struct machine *machine, int n_threads)
{
    return (double)machine->buffer_bytes /
           run(machine, read_part, machine->bytes_ahead, 0, n_threads);
}

/* The best of a few rounds of two milliseconds: what interrupts one is not the processor's limit. */
static double best_rate(struct machine *machine, pool_job job, size_t *n_steps,
                        size_t operations, int n_threads)
{
    const int most = machine_thread_count(machine);
    const int used = n_threads < 1 ? 1 : n_threads > most ? most : n_threads;
    double best = 1e9;

    if (*n_steps == 0) {
        *n_steps = 1024;
        while (run(machine, job, 0, *n_steps, 1) * 1e9 < PEAK_NANOSECONDS)
            *n_steps *= 2;
    }
    for (int round = 0; round < PEAK_ROUNDS; round++) {
        const double seconds = run(machine, job, 0, *n_steps, used);

        best = seconds < best ? seconds : best;
    }
    return (double)*n_steps * (double)operations * used / best;
}

double machine_int8(struct machine *machine, int n_threads)
{
    return best_rate(machine, int8_part, &machine->int8_steps, machine->peak->int8_operations,
                     n_threads);
}

double machine_f32(struct machine *machine, int n_threads)
{
    return best_rate(machine, f32_part, &machine->f32_steps, 2 * machine->f32->spin_operations,
                     n_threads);
}

struct machine_moment machine_moment(struct machine *machine)
{
    const int n_threads = machine_thread_count(machine);
    const double read = machine_read(machine, n_threads);

    return (struct machine_moment){.read = read, .int8 = machine_int8(machine, n_threads)};
}
