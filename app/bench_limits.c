/*
 * bench_limits.c - `banter bench machine`: reads and multiplications, one thread and all
 */
#include "app/bench_limits.h"

#include <stdio.h>

#include "app/interrupt.h"
#include "app/report.h"
#include "config/config.h"

enum { ROUNDS_DEFAULT = 9, ROUNDS_QUICK = 3, ROUNDS_MOST = 1000 };

static enum status open_machines(struct limits *limits, int n_threads,
                                 struct machine *machines[LIMIT_PAGES], struct error *error)
{
    enum status status = STATUS_OK;

    for (int pages = 0; pages < LIMIT_PAGES && status == STATUS_OK; pages++) {
        const struct machine_options options = {
            .level = limits->level, .n_threads = n_threads, .small_pages = pages == 1};

        status = machine_new(&machines[pages], &options, error);
        if (status == STATUS_OK)
            limits->reads_ahead[pages] = machine_reads_ahead(machines[pages]);
    }
    if (status != STATUS_OK)
        return status;
    limits->n_threads[0] = machine_thread_count(machines[0]);
    limits->n_threads[1] = 1;
    limits->n_runs = limits->n_threads[0] > 1 ? 2 : 1;
    limits->buffer_bytes = machine_buffer_bytes(machines[0]);
    limits->huge_bytes = machine_huge_bytes(machines[0]);
    return STATUS_OK;
}

enum status limits_measure(struct limits *limits, enum kernel_level level, int n_threads,
                           uint64_t n_rounds, struct machine **machine, struct error *error)
{
    struct machine *machines[LIMIT_PAGES] = {NULL, NULL};
    enum status status;

    limits->level = level;
    bench_progress("measuring the machine");
    status = open_machines(limits, n_threads, machines, error);
    for (uint64_t round = 0; round < n_rounds && status == STATUS_OK; round++) {
        if (*interrupt_wanted())
            status = error_set(error, STATUS_CANCELLED, "stopped");
        for (int run = 0; run < limits->n_runs && status == STATUS_OK; run++) {
            const int n = limits->n_threads[run];

            for (int pages = 0; pages < LIMIT_PAGES; pages++)
                samples_add(&limits->read[pages][run], machine_read(machines[pages], n));
            samples_add(&limits->int8[run], machine_int8(machines[0], n));
            samples_add(&limits->f32[run], machine_f32(machines[0], n));
        }
    }
    machine_free(&machines[1]);
    *machine = machines[0];
    return status;
}

void limits_release(struct limits *limits)
{
    for (int run = 0; run < LIMIT_THREADS; run++) {
        for (int pages = 0; pages < LIMIT_PAGES; pages++)
            samples_release(&limits->read[pages][run]);
        samples_release(&limits->int8[run]);
        samples_release(&limits->f32[run]);
    }
}

static void write_row(const struct limits *limits, const char *name, const char *unit,
                      const struct samples samples[LIMIT_THREADS], struct output *output)
{
    output_printf(output, "%-24s", name);
    for (int run = 0; run < limits->n_runs; run++) {
        const struct paired_statistics s = samples_statistics(&samples[run]);

        output_printf(output, "%10.1f %8.1f %8.1f", 1e-9 * samples_median(&samples[run]),
                      1e-9 * s.least, 1e-9 * s.most);
    }
    output_printf(output, "  %s\n", unit);
}

void limits_write(const struct limits *limits, struct output *output)
{
    char huge[80];

    if (limits->int8[0].n == 0)
        return;
    output_printf(output, "%-24s", "the machine");
    for (int run = 0; run < limits->n_runs; run++)
        output_printf(output, "%10s%d thread%s%*s", "", limits->n_threads[run],
                      limits->n_threads[run] == 1 ? "" : "s",
                      limits->n_threads[run] == 1 ? 9 : 8, "");
    output_printf(output, "\n%-24s", "");
    for (int run = 0; run < limits->n_runs; run++)
        output_printf(output, "%10s %8s %8s", "median", "least", "most");
    output_printf(output, "\n");
    write_row(limits, "read, huge pages", "GB/s", limits->read[0], output);
    write_row(limits, "read, small pages", "GB/s", limits->read[1], output);
    write_row(limits, "int8 multiply-adds", "Gop/s", limits->int8, output);
    write_row(limits, "f32 multiply-adds", "Gop/s", limits->f32, output);
    snprintf(huge, sizeof huge, "%llu of %llu MB", (unsigned long long)limits->huge_bytes >> 20,
             (unsigned long long)limits->buffer_bytes >> 20);
    output_printf(output, "the system gave huge pages for %s; lines are %sasked for ahead\n",
                  huge, limits->reads_ahead[0] ? "" : "not ");
}

static json_t *json_rates(const struct limits *limits,
                          const struct samples samples[LIMIT_THREADS])
{
    json_t *array = json_array();

    for (int run = 0; run < limits->n_runs; run++) {
        const struct paired_statistics s = samples_statistics(&samples[run]);
        json_t *object = json_paired(&s);

        json_put(object, "threads", json_integer(limits->n_threads[run]));
        json_add(array, object);
    }
    return array;
}

json_t *limits_json(const struct limits *limits)
{
    json_t *object = json_object();

    json_put(object, "level", json_string(kernel_level_name(limits->level)));
    json_put(object, "buffer_bytes", json_integer((json_int_t)limits->buffer_bytes));
    json_put(object, "huge_page_bytes", json_integer((json_int_t)limits->huge_bytes));
    json_put(object, "reads_ahead", json_boolean(limits->reads_ahead[0]));
    json_put(object, "read_bytes_per_second", json_rates(limits, limits->read[0]));
    json_put(object, "read_small_pages_bytes_per_second", json_rates(limits, limits->read[1]));
    json_put(object, "int8_operations_per_second", json_rates(limits, limits->int8));
    json_put(object, "f32_operations_per_second", json_rates(limits, limits->f32));
    return object;
}

/* The word `machine` ----------------------------------------------------------------------- */

static void write_table(const void *context, struct output *output)
{
    const struct limits *limits = context;

    output_printf(output, "kernels %s, rounds: %zu\n\n", kernel_level_name(limits->level),
                  limits->int8[0].n);
    limits_write(limits, output);
}

static json_t *as_json(const void *context)
{
    return limits_json(context);
}

int bench_machine(const struct invocation *invocation)
{
    const struct config *config = config_values(invocation->store);
    uint64_t n_rounds = invocation->values[FLAG_QUICK] != NULL ? ROUNDS_QUICK : ROUNDS_DEFAULT;
    struct limits limits = {0};
    struct machine *machine = NULL;
    struct error error = {0};
    enum kernel_level level;
    int code = invocation_number(invocation, FLAG_ROUNDS, 1, ROUNDS_MOST, &n_rounds);

    if (code != 0)
        return code;
    if (!kernel_level_choose(config->cpu, &level))
        return usage_error(invocation, "no kernel level is called \"%s\"", config->cpu);
    interrupt_catch();
    const enum status status =
        limits_measure(&limits, level, (int)config->threads, n_rounds, &machine, &error);
    bench_progress(NULL);
    if (status != STATUS_OK && status != STATUS_CANCELLED)
        code = report_error(&error);
    else if (limits.int8[0].n > 0)
        code = bench_print(invocation, &limits, as_json, write_table);
    machine_free(&machine);
    limits_release(&limits);
    interrupt_raise();
    return code;
}
