/*
 * bench_train.c - `banter bench train`: products of the trainer beside the machine's peak
 *
 * Shares are of the highest peak that was measured, so that a moment in which the machine was
 * busy flatters none.
 */
#include <string.h>
#include <unistd.h>

#include "app/bench.h"
#include "app/interrupt.h"
#include "app/report.h"
#include "config/config.h"
#include "engine/kernel_level.h"
#include "engine/train.h"

enum { N_TOKENS = 2048, SIZES = 4, PRODUCTS = 3, RUNS = 2 };

static const char *const product_names[PRODUCTS] = {
    [TRAIN_FORWARD] = "forward",
    [TRAIN_INPUT_GRADIENT] = "input gradient",
    [TRAIN_WEIGHT_GRADIENT] = "weight gradient",
};

/* Projections, both ways through a feed-forward layer, and the output over a vocabulary. */
static const struct {
    size_t n_in, n_out;
} sizes[SIZES] = {{256, 256}, {256, 768}, {768, 256}, {256, 3000}};

struct bench {
    enum kernel_level level;
    int n_runs; /* one thread, and all; one alone where that is the same */
    int n_threads[RUNS];
    double peak[RUNS]; /* Gop/s */
    double achieved[SIZES][PRODUCTS][RUNS];
};

static enum status measure_run(struct bench *bench, int run, struct error *error)
{
    for (int size = 0; size < SIZES; size++) {
        for (int product = 0; product < PRODUCTS; product++) {
            struct train_speed speed;
            if (*interrupt_wanted())
                return STATUS_CANCELLED;
            enum status status = train_measure(
                (enum train_product)product, N_TOKENS, sizes[size].n_in, sizes[size].n_out,
                bench->n_threads[run], bench->level, &speed, error);
            if (status != STATUS_OK)
                return status;
            bench->n_threads[run] = speed.n_threads;
            bench->achieved[size][product][run] = speed.achieved;
            if (speed.peak > bench->peak[run])
                bench->peak[run] = speed.peak;
        }
    }
    return STATUS_OK;
}

/* All threads first: it says how many they are. */
static enum status measure(struct bench *bench, int n_threads, struct error *error)
{
    bench->n_runs = 1;
    bench->n_threads[0] = n_threads;
    enum status status = measure_run(bench, 0, error);
    if (status == STATUS_OK && bench->n_threads[0] > 1) {
        bench->n_runs = 2;
        bench->n_threads[1] = 1;
        status = measure_run(bench, 1, error);
    }
    return status;
}

static double share(const struct bench *bench, int size, int product, int run)
{
    return bench->achieved[size][product][run] / bench->peak[run];
}

static void write_table(const struct bench *bench, struct output *output)
{
    output_printf(output, "f32 products of training, %d tokens, kernels %s\n", N_TOKENS,
                  kernel_level_name(bench->level));
    output_printf(output, "\n%-15s %6s %6s", "", "", "");
    for (int run = 0; run < bench->n_runs; run++)
        output_printf(output, "  %8d thread%s", bench->n_threads[run],
                      bench->n_threads[run] == 1 ? " " : "s");
    output_printf(output, "\n%-15s %6s %6s", "product", "in", "out");
    for (int run = 0; run < bench->n_runs; run++)
        output_printf(output, "  %8s %7s", "Gop/s", "of peak");
    output_printf(output, "\n%-15s %6s %6s", "peak", "", "");
    for (int run = 0; run < bench->n_runs; run++)
        output_printf(output, "  %8.1f %7s", bench->peak[run], "");
    for (int size = 0; size < SIZES; size++) {
        for (int product = 0; product < PRODUCTS; product++) {
            output_printf(output, "\n%-15s %6zu %6zu", product_names[product], sizes[size].n_in,
                          sizes[size].n_out);
            for (int run = 0; run < bench->n_runs; run++)
                output_printf(output, "  %8.1f %5.1f %%", bench->achieved[size][product][run],
                              100 * share(bench, size, product, run));
        }
    }
    output_printf(output, "\n");
}

static json_t *json_runs(const struct bench *bench, int size, int product)
{
    json_t *runs = json_array();

    for (int run = 0; run < bench->n_runs; run++) {
        json_t *object = json_object();

        json_put(object, "threads", json_integer(bench->n_threads[run]));
        if (size < 0) {
            json_put(object, "gops", json_float((float)bench->peak[run]));
        } else {
            json_put(object, "gops", json_float((float)bench->achieved[size][product][run]));
            json_put(object, "share", json_float((float)share(bench, size, product, run)));
        }
        if (json_array_append_new(runs, object) != 0)
            app_out_of_memory();
    }
    return runs;
}

static void write_json(const struct bench *bench, struct output *output)
{
    json_t *object = json_object(), *products = json_array();

    json_put(
        object, "level",
        json_text(kernel_level_name(bench->level), strlen(kernel_level_name(bench->level))));
    json_put(object, "tokens", json_integer(N_TOKENS));
    json_put(object, "peak", json_runs(bench, -1, 0));
    for (int size = 0; size < SIZES; size++) {
        for (int product = 0; product < PRODUCTS; product++) {
            json_t *row = json_object();

            json_put(row, "product",
                     json_text(product_names[product], strlen(product_names[product])));
            json_put(row, "in", json_integer((json_int_t)sizes[size].n_in));
            json_put(row, "out", json_integer((json_int_t)sizes[size].n_out));
            json_put(row, "runs", json_runs(bench, size, product));
            if (json_array_append_new(products, row) != 0)
                app_out_of_memory();
        }
    }
    json_put(object, "products", products);
    json_write(output, object);
    json_decref(object);
}

int bench_train(const struct invocation *invocation)
{
    const struct config *config = config_values(invocation->store);
    struct bench bench = {.n_runs = 0};
    struct output output;
    struct error error = {0};

    if (!kernel_level_choose(config->cpu, &bench.level))
        return usage_error(invocation, "no kernel level is called \"%s\"", config->cpu);
    if (bench.level == KERNEL_LEVEL_REFERENCE) /* the trainer's first level */
        bench.level = KERNEL_LEVEL_GENERIC;
    interrupt_catch();
    enum status status = measure(&bench, (int)config->threads, &error);
    if (status == STATUS_CANCELLED)
        interrupt_raise();
    if (status != STATUS_OK)
        return report_error(&error);
    output_init(&output, STDOUT_FILENO, "standard output", false);
    if (bench_wants_json(invocation))
        write_json(&bench, &output);
    else
        write_table(&bench, &output);
    return output_exit_code(&output);
}
