/*
 * bench.c - what the benches on a model share
 */
#include "app/bench.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/interrupt.h"
#include "app/report.h"
#include "app/text_buffer.h"
#include "ui/ui.h"

enum { INTERVAL_SEED = 1, ROUNDS_MAX = 1000 };

/* Lines that come again, so that a search for repetition has something to find. */
static const char prompt_text[] =
    "Write these lines again, one by one.\n"
    "The first line is about the sea. The second line is about the wind.\n"
    "The first line is about the sea. The second line is about the wind.\n"
    "The first line is about the sea. The second line is about the wind.\n";

int bench_read_flags(struct bench_model *bench, const struct invocation *invocation,
                     uint64_t least_tokens, uint64_t most_tokens)
{
    bench->invocation = invocation;
    int code = invocation_number(invocation, FLAG_ROUNDS, 1, ROUNDS_MAX, &bench->n_rounds);

    if (code == 0)
        code = invocation_number(invocation, FLAG_TOKENS, least_tokens, most_tokens,
                                 &bench->n_tokens);
    return code;
}

/* The text's tokens, again and again. */
static enum status make_prompt(struct bench_model *bench, size_t n_prompt, struct error *error)
{
    int32_t *ids = NULL;
    size_t n_ids = 0;
    enum status status = model_tokenize(bench->model, prompt_text, strlen(prompt_text), false,
                                        &ids, &n_ids, error);

    if (status == STATUS_OK && n_ids == 0)
        status = error_set(error, STATUS_UNSUPPORTED, "the model has no vocabulary");
    if (status == STATUS_OK) {
        bench->n_prompt = n_prompt > 0 ? n_prompt : n_ids;
        bench->prompt = app_resize(NULL, bench->n_prompt, sizeof *bench->prompt);
        for (size_t i = 0; i < bench->n_prompt; i++)
            bench->prompt[i] = ids[i % n_ids];
    }
    free(ids);
    return status;
}

static enum status read_prompt(struct bench_model *bench, struct error *error)
{
    const struct session_hooks hooks = {.cancel = interrupt_wanted()};
    enum status status = STATUS_OK;

    bench_progress("reading %zu tokens", bench->n_prompt);
    if (bench->n_prompt > 1)
        status = session_eval(bench->session, bench->prompt, bench->n_prompt - 1, 0, NULL,
                              &hooks, error);
    if (status == STATUS_OK)
        status = session_snapshot(bench->session, &bench->start, error);
    return status;
}

int bench_open(struct bench_model *bench, size_t n_prompt, size_t n_more)
{
    struct error error = {0};
    int code;

    interrupt_catch();
    bench_progress("opening the model");
    code = invocation_open_model_that_answers(bench->invocation, &bench->model);
    if (code != 0)
        return code;
    if (make_prompt(bench, n_prompt, &error) != STATUS_OK)
        return report_error(&error);
    code = invocation_new_session(bench->invocation, bench->model, bench->n_prompt + n_more,
                                  &bench->session);
    if (code == 0 && read_prompt(bench, &error) != STATUS_OK) {
        bench_progress(NULL);
        interrupt_raise();
        code = report_error(&error);
    }
    return code;
}

void bench_release(struct bench_model *bench)
{
    snapshot_free(&bench->start);
    session_free(&bench->session);
    model_close(&bench->model);
    free(bench->prompt);
    bench->prompt = NULL;
}

void samples_add(struct samples *samples, double value)
{
    if (samples->n == samples->room) {
        samples->room = samples->room * 2 + 16;
        samples->values = app_resize(samples->values, samples->room, sizeof value);
    }
    samples->values[samples->n++] = value;
}

double samples_median(const struct samples *samples)
{
    return median_of(samples->values, samples->n);
}

struct paired_statistics samples_statistics(const struct samples *samples)
{
    return paired_statistics_of(samples->values, samples->n, INTERVAL_SEED);
}

void samples_release(struct samples *samples)
{
    free(samples->values);
    *samples = (struct samples){0};
}

bool bench_wants_json(const struct invocation *invocation)
{
    const char *format = invocation->values[FLAG_OUTPUT];

    return invocation->values[FLAG_JSON] != NULL ||
           (format != NULL && strcmp(format, "json") == 0);
}

int bench_print(const struct invocation *invocation, const void *work,
                json_t *(*as_json)(const void *work),
                void (*write_table)(const void *work, struct output *output))
{
    struct output output;

    output_init(&output, STDOUT_FILENO, "standard output", false);
    if (bench_wants_json(invocation)) {
        json_t *object = as_json(work);

        json_write(&output, object);
        json_decref(object);
    } else {
        write_table(work, &output);
    }
    return output_exit_code(&output);
}

void bench_write_title(const struct bench_model *bench, struct output *output)
{
    const struct model_info *info = model_info(bench->model);
    const int n_threads = session_thread_count(bench->session);
    char name[300];

    ui_filter_line(info->name, strlen(info->name), name, sizeof name);
    output_printf(output, "%s, %d thread%s, kernels %s", name, n_threads,
                  n_threads == 1 ? "" : "s", kernel_level_name(info->level));
}

json_t *bench_json(const struct bench_model *bench)
{
    json_t *object = json_object();

    json_put(object, "model", json_model(model_info(bench->model)));
    json_put(object, "threads", json_integer(session_thread_count(bench->session)));
    json_put(object, "rounds", json_integer((json_int_t)bench->n_rounds));
    json_put(object, "prompt_tokens", json_integer((json_int_t)bench->n_prompt));
    return object;
}

void json_add(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        app_out_of_memory();
}

json_t *json_paired(const struct paired_statistics *statistics)
{
    json_t *object = json_object();

    json_put(object, "median", json_real(statistics->median.value));
    json_put(object, "low", json_real(statistics->median.low));
    json_put(object, "high", json_real(statistics->median.high));
    json_put(object, "least", json_real(statistics->least));
    json_put(object, "most", json_real(statistics->most));
    json_put(object, "n", json_integer((json_int_t)statistics->n));
    return object;
}

void bench_progress(const char *format, ...)
{
    va_list arguments;

    if (!isatty(STDERR_FILENO))
        return;
    fputs("\r\033[K", stderr);
    if (format != NULL) {
        va_start(arguments, format);
        vfprintf(stderr, format, arguments);
        va_end(arguments);
    }
    fflush(stderr);
}
