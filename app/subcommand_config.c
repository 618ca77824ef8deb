/*
 * subcommand_config.c - `banter config`: show, check, schema
 *
 * What `show` prints is a configuration file again: settings without a value stand in it as
 * comments.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/json.h"
#include "app/output.h"
#include "app/report.h"
#include "app/subcommands.h"
#include "config/config.h"

enum { ERRORS_SHOWN = 100 };

/* Written without quotes only what no reader of YAML could take for anything else. */
static bool is_plain_scalar(const char *text)
{
    static const char first[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ/~._"
                                "0123456789";

    if (text[0] == '\0' || strchr(first, text[0]) == NULL)
        return false;
    for (const char *c = text; *c != '\0'; c++) {
        if ((unsigned char)*c <= ' ' ? *c != ' '
                                     : strchr(":#\"'\\,[]{}&*!|>%@`\x7f", *c) != NULL)
            return false;
    }
    return text[strlen(text) - 1] != ' ';
}

/* A text as YAML; double quotes with escapes where it is not a plain word. */
static void add_scalar(struct text_buffer *out, const char *text)
{
    if (is_plain_scalar(text)) {
        text_add(out, text);
        return;
    }
    text_add(out, "\"");
    for (const char *c = text; *c != '\0'; c++) {
        if (*c == '"' || *c == '\\')
            text_printf(out, "\\%c", *c);
        else if (*c == '\n')
            text_add(out, "\\n");
        else if ((unsigned char)*c < ' ' || *c == 0x7f)
            text_printf(out, "\\x%02x", (unsigned)(unsigned char)*c);
        else
            text_append(out, c, 1);
    }
    text_add(out, "\"");
}

static void add_origin(struct text_buffer *out, const struct config_store *store,
                       const struct config_option *option)
{
    struct config_origin origin = config_origin(store, option);

    switch (origin.kind) {
    case CONFIG_BUILT_IN: text_add(out, "built-in"); break;
    case CONFIG_FILE: text_printf(out, "%s:%d", origin.path, origin.line); break;
    case CONFIG_ENVIRONMENT: text_add(out, option->environment); break;
    case CONFIG_FLAG: text_printf(out, "--%s", option->flag); break;
    case CONFIG_SET: text_add(out, "/set"); break;
    }
}

/* A text of any length: config_get() cuts to its buffer. */
static const char *whole_text(const struct config_store *store,
                              const struct config_option *option)
{
    return *(const char *const *)((const char *)config_values(store) + option->offset);
}

static void add_setting(struct text_buffer *out, const struct config_store *store,
                        const struct config_option *option, bool origin)
{
    bool is_text = option->type == CONFIG_STRING || option->type == CONFIG_PATH ||
                   option->type == CONFIG_CHOICE;
    bool none = option->built_in == NULL && !config_given(store, option->key);
    struct text_buffer line = {0};
    char value[64];

    text_printf(&line, "  %s%s:", none ? "# " : "", option->key);
    if (!none && is_text) {
        text_add(&line, " ");
        add_scalar(&line, whole_text(store, option));
    } else if (!none) {
        text_printf(&line, " %s", config_get(store, option, value, sizeof value));
    }
    if (origin) {
        text_printf(&line, "%*s # ", line.n_bytes < 32 ? (int)(32 - line.n_bytes) : 1, "");
        if (none && config_origin(store, option).kind == CONFIG_BUILT_IN)
            text_add(&line, "not set");
        else
            add_origin(&line, store, option);
    }
    text_add(out, text_string(&line));
    text_add(out, "\n");
    text_release(&line);
}

static int show(struct invocation *invocation)
{
    struct text_buffer text = {0};
    struct output output;
    size_t n_options;
    const struct config_option *options = config_options(&n_options);
    int code = invocation_load(invocation);

    if (code != 0)
        return code;
    text_add(&text, "version: 1\n");
    for (size_t i = 0; i < n_options; i++) {
        if (i == 0 || strcmp(options[i].section, options[i - 1].section) != 0)
            text_printf(&text, "%s:\n", options[i].section);
        add_setting(&text, invocation->store, &options[i],
                    invocation->values[FLAG_ORIGIN] != NULL);
    }
    output_init(&output, STDOUT_FILENO, "standard output", false);
    output_text(&output, text_string(&text), text.n_bytes);
    output_end_text(&output);
    text_release(&text);
    return output_exit_code(&output);
}

/* One file into a store of its own; returns the number of problems. */
static size_t check_file(const char *path, struct output *output)
{
    struct config_error errors[ERRORS_SHOWN];
    struct config_store *store = config_new();

    if (store == NULL)
        app_out_of_memory();
    size_t n_errors = config_load(store, path, errors, ERRORS_SHOWN);
    report_config_errors(errors, ERRORS_SHOWN, n_errors);
    if (n_errors == 0) {
        output_text(output, path, strlen(path));
        output_text(output, ": good\n", 7);
    }
    config_free(&store);
    return n_errors;
}

/* A misspelt variable is no error: it may be meant for another version.  It is told here alone. */
static void tell_unknown_variables(void)
{
    static const char *const others[] = {"BANTER_MODELS", "BANTER_GUIDE"};
    const char *names[128];
    size_t n_options, n_names = sizeof others / sizeof *others;
    const struct config_option *options = config_options(&n_options);

    memcpy(names, others, sizeof others);
    for (size_t i = 0; i < n_options && n_names < sizeof names / sizeof *names; i++)
        names[n_names++] = options[i].environment;
    for (char **entry = environ; entry != NULL && *entry != NULL; entry++) {
        char name[64];
        size_t i = 0;

        if (strncmp(*entry, "BANTER_", 7) != 0 || strncmp(*entry, "BANTER_TEST_", 12) == 0)
            continue;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(*entry, "="), *entry);
        while (i < n_names && strcmp(names[i], name) != 0)
            i++;
        if (i < n_names)
            continue;
        const char *suggestion = config_suggest(name, names, n_names);
        report("the variable %s means nothing to banter%s%s%s", name,
               suggestion != NULL ? " (did you mean " : "",
               suggestion != NULL ? suggestion : "", suggestion != NULL ? "?)" : "");
    }
}

static size_t check_environment(void)
{
    struct config_error errors[ERRORS_SHOWN];
    struct config_store *store = config_new();

    if (store == NULL)
        app_out_of_memory();
    size_t n_errors = config_load_environment(store, errors, ERRORS_SHOWN);
    report_config_errors(errors, ERRORS_SHOWN, n_errors);
    tell_unknown_variables();
    config_free(&store);
    return n_errors;
}

/* The named file, or all that would be read, and the environment. */
static int check(struct invocation *invocation)
{
    const char *named = invocation->n_arguments > 1 ? invocation->arguments[1]
                                                    : invocation->values[FLAG_CONFIG];
    size_t n_errors = 0;
    char path[4096];
    struct output output;

    output_init(&output, STDOUT_FILENO, "standard output", false);
    if (named != NULL) {
        n_errors = check_file(named, &output);
    } else {
        for (size_t i = 0; config_file_path(i, path, sizeof path); i++) {
            if (access(path, F_OK) == 0)
                n_errors += check_file(path, &output);
            else
                output_printf(&output, "%s: not there\n", path);
        }
        n_errors += check_environment();
    }
    int code = output_exit_code(&output);
    return n_errors > 0 ? STATUS_CONFIG : code;
}

static const char *type_name(enum config_type type)
{
    switch (type) {
    case CONFIG_STRING: return "string";
    case CONFIG_PATH: return "path";
    case CONFIG_INTEGER: return "integer";
    case CONFIG_NUMBER: return "number";
    case CONFIG_BOOLEAN: return "boolean";
    case CONFIG_CHOICE: return "choice";
    }
    return "";
}

static json_t *optional_text(const char *text)
{
    return text != NULL ? json_text(text, strlen(text)) : json_null();
}

static json_t *schema_row(const struct config_option *option)
{
    json_t *row = json_object();

    json_put(row, "section", optional_text(option->section));
    json_put(row, "key", optional_text(option->key));
    json_put(row, "type", json_string(type_name(option->type)));
    json_put(row, "default", optional_text(option->built_in));
    if (option->type == CONFIG_INTEGER || option->type == CONFIG_NUMBER) {
        bool whole = option->type == CONFIG_INTEGER;
        json_put(row, "minimum",
                 whole ? json_integer((json_int_t)option->minimum)
                       : json_real(option->minimum));
        json_put(row, "maximum",
                 whole ? json_integer((json_int_t)option->maximum)
                       : json_real(option->maximum));
        json_put(row, "minimum_allowed", json_boolean(!option->open_minimum));
        json_put(row, "maximum_allowed", json_boolean(!option->open_maximum));
    }
    if (option->choices != NULL) {
        json_t *choices = json_array();
        for (size_t i = 0; option->choices[i] != NULL; i++)
            json_array_append_new(choices, optional_text(option->choices[i]));
        json_put(row, "choices", choices);
    }
    json_put(row, "flag", optional_text(option->flag));
    json_put(row, "environment", optional_text(option->environment));
    json_put(row, "at_run_time", json_boolean(option->at_run_time));
    json_put(row, "help", optional_text(option->help));
    return row;
}

static int schema(void)
{
    size_t n_options;
    const struct config_option *options = config_options(&n_options);
    json_t *rows = json_array();
    struct output output;

    for (size_t i = 0; i < n_options; i++)
        json_array_append_new(rows, schema_row(&options[i]));
    output_init(&output, STDOUT_FILENO, "standard output", true);
    json_write(&output, rows);
    json_decref(rows);
    return output_exit_code(&output);
}

int subcommand_config(struct invocation *invocation)
{
    const char *action = invocation->n_arguments > 0 ? invocation->arguments[0] : "";
    bool is_check = strcmp(action, "check") == 0;

    if (invocation->n_arguments > 1 && !is_check)
        return usage_error(invocation, "unexpected \"%s\"", invocation->arguments[1]);
    if (is_check)
        return check(invocation);
    if (strcmp(action, "show") == 0)
        return show(invocation);
    if (strcmp(action, "schema") == 0)
        return schema();
    return usage_error(invocation, action[0] == '\0' ? "config needs show, check or schema"
                                                     : "config knows show, check and schema");
}
