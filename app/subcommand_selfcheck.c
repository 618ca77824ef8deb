/*
 * subcommand_selfcheck.c - `banter selfcheck`: every way of computing gives the same, or not
 */
#include <string.h>
#include <unistd.h>

#include "app/engine_settings.h"
#include "app/interrupt.h"
#include "app/json.h"
#include "app/report.h"
#include "app/subcommands.h"
#include "app/text_buffer.h"
#include "engine/selfcheck.h"
#include "ui/ui.h"

enum { TOKENS_MAX = 1 << 16 };

struct selfcheck {
    const struct invocation *invocation;
    struct model *model, *draft; /* owned; draft may be NULL */
    struct output output;
    bool json;
    json_t *steps; /* owned until they are put */
    unsigned n_steps, n_failed;
    uint64_t n_tokens;
};

static void write_name(const struct model *model, struct output *output)
{
    const char *name = model_info(model)->name;
    char text[300];

    ui_filter_line(name, strlen(name), text, sizeof text);
    output_printf(output, "%s", text);
}

static void write_title(struct selfcheck *check)
{
    write_name(check->model, &check->output);
    if (check->draft != NULL) {
        output_printf(&check->output, " with the draft ");
        write_name(check->draft, &check->output);
    }
    output_printf(&check->output, ", kernels %s\n",
                  kernel_level_name(model_info(check->model)->level));
}

static void take_step(void *context, const struct selfcheck_step *step)
{
    struct selfcheck *check = context;
    char what[200], found[400];

    check->n_steps++;
    check->n_failed += !step->passed;
    if (check->json) {
        json_t *object = json_object();

        json_put(object, "what", json_text(step->what, strlen(step->what)));
        json_put(object, "found", json_text(step->found, strlen(step->found)));
        json_put(object, "passed", json_boolean(step->passed));
        if (json_array_append_new(check->steps, object) != 0)
            app_out_of_memory();
        return;
    }
    ui_filter_line(step->what, strlen(step->what), what, sizeof what);
    ui_filter_line(step->found, strlen(step->found), found, sizeof found);
    output_printf(&check->output, "%-9s %2u/%u  %s: %s\n", step->passed ? "ok" : "DIFFERENT",
                  step->done, step->total, what, found);
}

static void write_json(struct selfcheck *check, bool cancelled)
{
    json_t *object = json_object();

    json_put(object, "model", json_model(model_info(check->model)));
    json_put(object, "draft_model",
             check->draft != NULL ? json_model(model_info(check->draft)) : json_null());
    json_put(object, "steps", check->steps);
    check->steps = NULL;
    json_put(object, "differences", json_integer(check->n_failed));
    json_put(object, "passed", json_boolean(check->n_failed == 0 && !cancelled));
    json_put(object, "cancelled", json_boolean(cancelled));
    json_write(&check->output, object);
    json_decref(object);
}

static void write_verdict(struct selfcheck *check, bool cancelled)
{
    if (check->json)
        write_json(check, cancelled);
    else if (cancelled)
        output_printf(&check->output, "stopped: not everything was compared\n");
    else if (check->n_failed > 0)
        output_printf(&check->output,
                      "%u of %u comparisons DIFFER: this is a fault of banter\n",
                      check->n_failed, check->n_steps);
    else
        output_printf(&check->output, "all %u comparisons are equal in every byte\n",
                      check->n_steps);
}

static int run(struct selfcheck *check)
{
    struct engine_options settings;
    struct error error = {0};
    int code = 0;

    if (engine_settings(check->invocation->store, &settings, &error) != STATUS_OK)
        return report_error(&error);
    const struct selfcheck_options options = {
        .draft = check->draft,
        .n_tokens = (uint32_t)check->n_tokens,
        .kv = settings.kv,
        .n_threads = settings.n_threads,
        .cancel = interrupt_wanted(),
        .report = take_step,
        .context = check,
    };
    if (!check->json)
        write_title(check);
    const enum status status = selfcheck_run(check->model, &options, &error);
    if (status != STATUS_OK && status != STATUS_CANCELLED)
        code = report_error(&error);
    if (status == STATUS_OK || status == STATUS_CANCELLED || check->n_failed > 0)
        write_verdict(check, status == STATUS_CANCELLED);
    return code;
}

int subcommand_selfcheck(struct invocation *invocation)
{
    const char *format = invocation->values[FLAG_OUTPUT];
    struct selfcheck check = {
        .invocation = invocation,
        .json = invocation->values[FLAG_JSON] != NULL ||
                (format != NULL && strcmp(format, "json") == 0),
    };
    int code = invocation_load(invocation);

    if (code == 0)
        code = invocation_number(invocation, FLAG_TOKENS, 1, TOKENS_MAX, &check.n_tokens);
    if (code != 0)
        return code;
    output_init(&check.output, STDOUT_FILENO, "standard output", false);
    check.steps = json_array();
    interrupt_catch();
    code = invocation_open_model_that_answers(invocation, &check.model);
    if (code == 0)
        code = invocation_open_draft(invocation, &check.draft);
    if (code == 0)
        code = run(&check);
    model_close(&check.draft);
    model_close(&check.model);
    json_decref(check.steps);
    const int written = output_exit_code(&check.output);
    interrupt_raise();
    return code != 0 ? code : written;
}
