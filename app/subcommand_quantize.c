/*
 * subcommand_quantize.c - `banter quantize`: a model file in other tensor types
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/interrupt.h"
#include "app/model_text.h"
#include "app/output.h"
#include "app/report.h"
#include "app/signals.h"
#include "app/subcommands.h"
#include "config/config.h"
#include "engine/quantize.h"
#include "ui/ui.h"

/* A share of the work on one line of a terminal, when it changes. */
static void show_progress(void *context, uint64_t done, uint64_t total)
{
    int *shown = context;
    int percent = total > 0 ? (int)(100.0 * (double)done / (double)total) : 100;

    if (percent == *shown)
        return;
    *shown = percent;
    fprintf(stderr, "\r%3d %%", percent);
}

static int print_result(const char *path, const struct quantize_result *result)
{
    struct text_buffer text = {0};
    struct output output;
    char name[1024];

    ui_filter_line(path, strlen(path), name, sizeof name);
    text_printf(&text, "%s: ", name);
    text_add_bytes(&text, result->bytes_before);
    text_add(&text, " became ");
    text_add_bytes(&text, result->bytes_after);
    text_printf(&text, "; %u tensors converted, %u kept", result->n_quantised, result->n_kept);
    if (result->n_fallback > 0)
        text_printf(&text, "; %u in a type of smaller blocks, which fits their rows",
                    result->n_fallback);
    text_add(&text, "\n");
    output_init(&output, STDOUT_FILENO, "standard output", true);
    output_bytes(&output, text.bytes, text.n_bytes);
    text_release(&text);
    return output_exit_code(&output);
}

static int quantize(const struct invocation *invocation)
{
    const char *in_path = invocation->arguments[0], *out_path = invocation->arguments[1];
    struct quantize_result result;
    struct error error = {0};
    int shown = -1;
    char name[512];
    const struct quantize_options options = {
        .mix = invocation->values[FLAG_TYPE],
        .n_threads = (int)config_values(invocation->store)->threads,
        .cancel = interrupt_wanted(),
        .progress = isatty(STDERR_FILENO) ? show_progress : NULL,
        .context = &shown,
    };

    /* For the message when the file is cut while it is mapped. */
    ui_filter_line(in_path, strlen(in_path), name, sizeof name);
    signals_name_model(name);
    interrupt_catch();
    enum status status = quantize_file(in_path, out_path, &options, &result, &error);
    if (shown >= 0)
        fputs("\r      \r", stderr);
    if (status == STATUS_CANCELLED)
        interrupt_raise();
    return status == STATUS_OK ? print_result(out_path, &result) : report_error(&error);
}

int subcommand_quantize(struct invocation *invocation)
{
    if (invocation->n_arguments != 2)
        return usage_error(invocation, "quantize needs two files: the model, and the new one");
    if (invocation->values[FLAG_TYPE] == NULL)
        return usage_error(invocation, "quantize needs --type");
    int code = invocation_load(invocation);
    return code != 0 ? code : quantize(invocation);
}
