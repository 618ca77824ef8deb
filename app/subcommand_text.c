/*
 * subcommand_text.c - `banter tokenize` and `banter detokenize`
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/input.h"
#include "app/output.h"
#include "app/report.h"
#include "app/subcommands.h"

static void write_ids(struct output *output, const int32_t *ids, size_t n_ids)
{
    struct text_buffer line = {0};

    for (size_t i = 0; i < n_ids; i++)
        text_printf(&line, "%s%d", i > 0 ? "," : "", (int)ids[i]);
    text_add(&line, "\n");
    output_bytes(output, line.bytes, line.n_bytes);
    text_release(&line);
}

int subcommand_tokenize(struct invocation *invocation)
{
    struct text_buffer text = {0};
    struct model *model = NULL;
    int32_t *ids = NULL;
    size_t n_ids = 0;
    struct output output;
    struct error error = {0};
    int code = invocation_load(invocation);

    output_init(&output, STDOUT_FILENO, "standard output", true);
    if (code == 0)
        code = invocation_open_model(invocation, true, &model);
    if (code == 0 && invocation->n_arguments > 0 && strcmp(invocation->arguments[0], "-") != 0)
        text_add(&text, invocation->arguments[0]);
    else if (code == 0 && input_read("-", &text, &error) != STATUS_OK)
        code = report_error(&error);
    if (code == 0 && model_tokenize(model, text_string(&text), text.n_bytes,
                                    invocation->values[FLAG_SPECIAL] != NULL, &ids, &n_ids,
                                    &error) != STATUS_OK)
        code = report_error(&error);
    if (code == 0)
        write_ids(&output, ids, n_ids);
    free(ids);
    text_release(&text);
    model_close(&model);
    int written = output_exit_code(&output);
    return code != 0 ? code : written;
}

/* All lists of the command line one after another; without one, standard input. */
static int read_lists(const struct invocation *invocation, struct token_list *list)
{
    struct error error = {0};

    if (invocation->n_arguments == 0 && token_list_argument(list, "-", &error) != STATUS_OK)
        return report_error(&error);
    for (size_t i = 0; i < invocation->n_arguments; i++) {
        if (token_list_argument(list, invocation->arguments[i], &error) != STATUS_OK)
            return report_error(&error);
    }
    return 0;
}

int subcommand_detokenize(struct invocation *invocation)
{
    struct token_list list = {0};
    struct model *model = NULL;
    char *text = NULL;
    size_t n_bytes = 0;
    struct output output;
    struct error error = {0};
    int code = invocation_load(invocation);

    output_init(&output, STDOUT_FILENO, "standard output",
                invocation->values[FLAG_RAW] != NULL);
    if (code == 0)
        code = read_lists(invocation, &list);
    if (code == 0)
        code = invocation_open_model(invocation, true, &model);
    if (code == 0 &&
        model_detokenize(model, list.ids, list.n_ids, invocation->values[FLAG_SPECIAL] != NULL,
                         &text, &n_bytes, &error) != STATUS_OK)
        code = report_error(&error);
    if (code == 0) {
        output_text(&output, text, n_bytes);
        output_end_text(&output);
    }
    free(text);
    token_list_release(&list);
    model_close(&model);
    int written = output_exit_code(&output);
    return code != 0 ? code : written;
}
