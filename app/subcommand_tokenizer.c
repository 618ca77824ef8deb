/*
 * subcommand_tokenizer.c - `banter tokenizer`: a vocabulary trained on files
 *
 * A file whose name ends in .jsonl holds an object in each line; the texts in it are the strings
 * under the keys below, however deep they lie.  Any other file is one text.
 */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/input.h"
#include "app/output.h"
#include "app/report.h"
#include "app/subcommands.h"
#include "engine/vocabulary_training.h"
#include "ui/ui.h"

/* A chat's roles stand in its template, with a line break behind them. */
static enum status add_role(struct vocabulary_training *training, const char *role,
                            struct error *error)
{
    struct text_buffer text = {0};

    text_printf(&text, "%s\n\n", role);
    enum status status =
        vocabulary_training_add(training, text_string(&text), text.n_bytes, error);
    text_release(&text);
    return status;
}

static enum status add_string(struct vocabulary_training *training, const char *key,
                              const json_t *value, size_t *n_texts, struct error *error)
{
    static const char *const texts[] = {"content", "thinking", "text"};

    if (strcmp(key, "role") == 0)
        return add_role(training, json_string_value(value), error);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (strcmp(key, texts[i]) != 0)
            continue;
        ++*n_texts;
        return vocabulary_training_add(training, json_string_value(value),
                                       json_string_length(value), error);
    }
    return STATUS_OK;
}

/* The reader of JSON bounds the depth. */
static enum status add_value(struct vocabulary_training *training, json_t *value,
                             size_t *n_texts, struct error *error)
{
    enum status status = STATUS_OK;
    const char *key;
    json_t *inner;

    for (size_t i = 0; i < json_array_size(value) && status == STATUS_OK; i++)
        status = add_value(training, json_array_get(value, i), n_texts, error);
    json_object_foreach(value, key, inner)
    {
        if (status != STATUS_OK)
            break;
        if (json_is_string(inner))
            status = add_string(training, key, inner, n_texts, error);
        else
            status = add_value(training, inner, n_texts, error);
    }
    return status;
}

/* offset: of the line in its file. */
static enum status add_line(struct vocabulary_training *training, const char *line,
                            size_t n_bytes, size_t offset, struct error *error)
{
    json_error_t wrong;
    json_t *value = json_loadb(line, n_bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &wrong);
    size_t n_texts = 0;
    enum status status;

    if (value == NULL)
        return error_set(error, STATUS_DAMAGED, "not JSON: %s (column %d, offset %zu)",
                         wrong.text, wrong.column, offset + (size_t)wrong.position);
    status = add_value(training, value, &n_texts, error);
    if (status == STATUS_OK && n_texts == 0)
        status = error_set(error, STATUS_DAMAGED,
                           "no text: there is no \"content\", \"thinking\" or \"text\" "
                           "(offset %zu)",
                           offset);
    json_decref(value);
    return status;
}

static bool is_blank(const char *line, size_t n_bytes)
{
    return strspn(line, " \t\r\n") >= n_bytes;
}

static enum status io_error(const char *path, struct error *error)
{
    /* "Not found" is the model's exit code. */
    error_set(error, errno == ENOENT ? STATUS_USAGE : STATUS_IO, "%s", strerror(errno));
    error_where(error, "%s", path);
    return error->status;
}

/* A file of any length, line by line. */
static enum status add_lines(struct vocabulary_training *training, const char *path,
                             struct error *error)
{
    FILE *file = fopen(path, "re");
    enum status status = STATUS_OK;
    char *line = NULL;
    size_t room = 0, offset = 0;
    ssize_t n;

    if (file == NULL)
        return io_error(path, error);
    errno = 0;
    for (size_t number = 1; status == STATUS_OK && (n = getline(&line, &room, file)) >= 0;
         number++) {
        if (!is_blank(line, (size_t)n))
            status = add_line(training, line, (size_t)n, offset, error);
        if (status != STATUS_OK)
            error_where(error, "%s:%zu", path, number);
        offset += (size_t)n;
    }
    if (status == STATUS_OK && ferror(file))
        status = io_error(path, error);
    free(line);
    fclose(file);
    return status;
}

static enum status add_file(struct vocabulary_training *training, const char *path,
                            struct error *error)
{
    struct text_buffer text = {0};
    size_t n = strlen(path);
    enum status status;

    if (n > 6 && strcmp(path + n - 6, ".jsonl") == 0)
        return add_lines(training, path, error);
    status = input_read(path, &text, error);
    if (status == STATUS_NOT_FOUND)
        status = error->status = STATUS_USAGE; /* "not found" is the model's exit code */
    if (status == STATUS_OK)
        status = vocabulary_training_add(training, text_string(&text), text.n_bytes, error);
    text_release(&text);
    return status;
}

static int print_result(const char *path, uint32_t n_wanted, uint32_t n_got)
{
    struct text_buffer text = {0};
    struct output output;
    char name[1024];

    ui_filter_line(path, strlen(path), name, sizeof name);
    if (n_got < n_wanted)
        report("%u tokens instead of %u: no two tokens stand side by side twice any more",
               n_got, n_wanted);
    text_printf(&text, "%s: %u tokens\n", name, n_got);
    output_init(&output, STDOUT_FILENO, "standard output", true);
    output_bytes(&output, text.bytes, text.n_bytes);
    text_release(&text);
    return output_exit_code(&output);
}

static int train(const struct invocation *invocation, uint32_t n_tokens)
{
    const char *out_path = invocation->values[FLAG_OUT];
    struct vocabulary_training *training = NULL;
    struct error error = {0};
    uint32_t n_got = 0;
    enum status status = vocabulary_training_new(&training, n_tokens, &error);

    if (status == STATUS_OK)
        status = add_file(training, invocation->values[FLAG_DATA], &error);
    for (size_t i = 0; i < invocation->n_arguments && status == STATUS_OK; i++)
        status = add_file(training, invocation->arguments[i], &error);
    if (status == STATUS_OK)
        status = vocabulary_training_write(training, out_path, &n_got, &error);
    vocabulary_training_free(&training);
    return status == STATUS_OK ? print_result(out_path, n_tokens, n_got) : report_error(&error);
}

/* A number of decimal digits; false: it is none, or too large. */
static bool read_size(const char *text, uint32_t *out)
{
    char *end;

    errno = 0;
    unsigned long value = strtoul(text, &end, 10);
    *out = (uint32_t)value;
    return *text >= '0' && *text <= '9' && *end == '\0' && errno == 0 &&
           value <= VOCABULARY_TRAINING_MAX;
}

int subcommand_tokenizer(struct invocation *invocation)
{
    const char *const *values = invocation->values;
    uint32_t n_tokens = 0;

    if (values[FLAG_DATA] == NULL || values[FLAG_SIZE] == NULL || values[FLAG_OUT] == NULL)
        return usage_error(invocation, "tokenizer needs --data, --size and --out");
    if (!read_size(values[FLAG_SIZE], &n_tokens) || n_tokens < VOCABULARY_TRAINING_MIN)
        return usage_error(invocation, "--size must be a number in [%d, %d], got \"%s\"",
                           VOCABULARY_TRAINING_MIN, VOCABULARY_TRAINING_MAX, values[FLAG_SIZE]);
    int code = invocation_load(invocation);
    return code != 0 ? code : train(invocation, n_tokens);
}
