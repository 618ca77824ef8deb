/*
 * subcommand_info.c - `banter info` and `banter models`
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/model_text.h"
#include "app/models.h"
#include "app/output.h"
#include "app/report.h"
#include "app/subcommands.h"
#include "config/config.h"

enum { MODELS_SHOWN = 200 };

static void put_line(void *context, const char *line, size_t n_bytes)
{
    struct output *output = context;

    output_text(output, line, n_bytes);
    output_text(output, "\n", 1);
}

/* Names of files may hold anything, newlines too. */
static void put_name(struct text_buffer *text, const char *name)
{
    char line[1024];

    ui_filter_line(name, strlen(name), line, sizeof line);
    text_add(text, line);
}

static void put_model(struct text_buffer *text, const struct found_model *model)
{
    put_name(text, model->path);
    text_add(text, "\n    ");
    put_name(text, model->name);
    if (model->architecture[0] != '\0')
        text_add(text, ", "), put_name(text, model->architecture);
    if (model->quantisation[0] != '\0')
        text_printf(text, ", %s", model->quantisation);
    text_add(text, ", ");
    text_add_bytes(text, model->n_bytes);
    if (model->n_parts > 1)
        text_printf(text, " in the first of %u parts", model->n_parts);
    text_printf(text, ", %s%s", model->built_in ? "" : "from ", model->origin);
    if (model->why_not[0] != '\0')
        text_printf(text, "; banter cannot run it: %s", model->why_not);
    text_add(text, "\n");
}

/* Those that run first. */
static int list_models(void)
{
    struct found_model *models;
    size_t n_models = models_find(&models, MODELS_SHOWN);
    struct text_buffer text = {0};
    struct output output;

    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < n_models; i++) {
            if ((models[i].why_not[0] != '\0') == (pass == 1))
                put_model(&text, &models[i]);
        }
    }
    models_free(&models, n_models);
    if (n_models == 0)
        report("no model files were found; BANTER_MODELS may name more folders");
    output_init(&output, STDOUT_FILENO, "standard output", false);
    output_text(&output, text_string(&text), text.n_bytes);
    text_release(&text);
    return output_exit_code(&output);
}

int subcommand_models(struct invocation *invocation)
{
    (void)invocation;
    return list_models();
}

int subcommand_info(struct invocation *invocation)
{
    struct model *model = NULL;
    struct text_buffer text = {0};
    struct output output;
    struct config_error error;
    int code = invocation_load(invocation);

    if (code == 0 && invocation->n_arguments > 0 &&
        !config_set(invocation->store, "model", invocation->arguments[0], CONFIG_FLAG, &error))
        code = usage_error(invocation, "%s", error.what);
    if (code == 0)
        code = invocation_open_model(invocation, true, &model);
    if (code != 0)
        return code;
    output_init(&output, STDOUT_FILENO, "standard output", false);
    model_text(model_info(model), &text);
    model_cache_text(model_weights_cache(model), &text);
    output_text(&output, text_string(&text), text.n_bytes);
    bool all_keys = invocation->values[FLAG_ALL_KEYS] != NULL;
    bool tensors = invocation->values[FLAG_TENSORS] != NULL;
    if (all_keys || tensors) {
        output_text(&output, "\n", 1);
        model_describe(model, all_keys, tensors, put_line, &output);
    }
    text_release(&text);
    model_close(&model);
    return output_exit_code(&output);
}
