/*
 * subcommand_policy.c - `banter policy`: list, show, check, schema
 *
 * What `show` prints is a policy file again, with every key.
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/json.h"
#include "app/policies.h"
#include "app/report.h"
#include "app/subcommands.h"
#include "config/config.h"

enum { ERRORS_SHOWN = 100, VALUE_ROOM = 160 };

static bool wants_json(const struct invocation *invocation)
{
    const char *format = invocation->values[FLAG_OUTPUT];

    return format != NULL && strcmp(format, "json") == 0;
}

/* On one line, for output_text() to filter. */
static void add_line(struct text_buffer *out, const char *text)
{
    for (; *text != '\0'; text++)
        text_append(out, *text == '\n' ? " " : text, 1);
}

static int write_text(struct text_buffer *text)
{
    struct output output;

    output_init(&output, STDOUT_FILENO, "standard output", false);
    output_text(&output, text_string(text), text->n_bytes);
    output_end_text(&output);
    text_release(text);
    return output_exit_code(&output);
}

static int write_json(json_t *value)
{
    struct output output;

    output_init(&output, STDOUT_FILENO, "standard output", true);
    json_write(&output, value);
    json_decref(value);
    return output_exit_code(&output);
}

/* A value as a number, a boolean or a text. */
static json_t *json_value(const struct policy_settings *settings, const struct policy_key *key)
{
    char value[VALUE_ROOM];

    policy_get_key(settings, key->name, value, sizeof value);
    switch (key->type) {
    case POLICY_VALUE_FLAG: return json_boolean(strcmp(value, "true") == 0);
    case POLICY_VALUE_COUNT: return json_integer(strtoll(value, NULL, 10));
    case POLICY_VALUE_REAL: return json_real(strtod(value, NULL));
    case POLICY_VALUE_NAME: break;
    }
    return json_string(value);
}

/* All keys, those with a dot in an object of their own. */
static json_t *json_settings(const struct policy_settings *settings)
{
    json_t *all = json_object();
    size_t n_keys;
    const struct policy_key *keys = policy_keys(&n_keys);

    for (size_t i = 0; i < n_keys; i++) {
        const char *dot = strchr(keys[i].name, '.');
        json_t *object = all;
        char section[VALUE_ROOM];

        if (dot != NULL) {
            memcpy(section, keys[i].name, (size_t)(dot - keys[i].name));
            section[dot - keys[i].name] = '\0';
            object = json_object_get(all, section);
            if (object == NULL) {
                object = json_object();
                json_put(all, section, object);
            }
        }
        json_put(object, dot != NULL ? dot + 1 : keys[i].name, json_value(settings, &keys[i]));
    }
    return all;
}

static json_t *json_file(const struct policy_file *file)
{
    json_t *object = json_object();

    json_put(object, "name", json_text(file->name, strlen(file->name)));
    json_put(object, "description", json_text(file->description, strlen(file->description)));
    json_put(object, "path",
             file->path[0] != '\0' ? json_text(file->path, strlen(file->path)) : json_null());
    return object;
}

static json_t *json_entry(const struct policy_entry *entry)
{
    json_t *object = json_file(&entry->file);
    char text[sizeof entry->error.path + sizeof entry->error.what + 32];

    json_put(object, "kind",
             entry->good ? json_string(policy_kind_name(entry->file.settings.kind))
                         : json_null());
    if (!entry->good) {
        config_error_text(&entry->error, text, sizeof text);
        json_put(object, "problem", json_text(text, strlen(text)));
    }
    return object;
}

static void add_entry(struct text_buffer *out, const struct policy_entry *entry, int width)
{
    const struct policy_file *file = &entry->file;
    char text[sizeof entry->error.path + sizeof entry->error.what + 32];

    text_printf(out, "%-*s  %-11s  ", width, file->name,
                entry->good ? policy_kind_name(file->settings.kind) : "wrong");
    add_line(out, entry->good ? file->description
                              : config_error_text(&entry->error, text, sizeof text));
    text_printf(out, "\n%*s  ", width, "");
    add_line(out, file->path[0] != '\0' ? file->path : "without a file");
    text_add(out, "\n");
}

static int list(const struct invocation *invocation)
{
    size_t n_entries;
    struct policy_entry *entries = policies_list(&n_entries);
    struct text_buffer text = {0};
    json_t *array = json_array();
    int width = 0;

    for (size_t i = 0; i < n_entries; i++) {
        int n = (int)strlen(entries[i].file.name);

        width = n > width ? n : width;
    }
    for (size_t i = 0; i < n_entries; i++) {
        if (json_array_append_new(array, json_entry(&entries[i])) != 0)
            app_out_of_memory();
        add_entry(&text, &entries[i], width);
    }
    policies_list_free(&entries);
    if (wants_json(invocation)) {
        text_release(&text);
        return write_json(array);
    }
    json_decref(array);
    return write_text(&text);
}

/* As a file: sections once, and above each key what it trades. */
static void add_settings(struct text_buffer *out, const struct policy_settings *settings)
{
    size_t n_keys, n_section = 0;
    const struct policy_key *keys = policy_keys(&n_keys);

    for (size_t i = 0; i < n_keys; i++) {
        const char *dot = strchr(keys[i].name, '.');
        size_t n = dot != NULL ? (size_t)(dot - keys[i].name) : 0;
        const char *margin = dot != NULL ? "  " : "";
        bool is_list = strcmp(keys[i].name, "sources") == 0;
        char value[VALUE_ROOM];

        if (n != 0 &&
            (n != n_section || i == 0 || memcmp(keys[i - 1].name, keys[i].name, n + 1) != 0))
            text_printf(out, "\n%.*s:\n", (int)n, keys[i].name);
        n_section = n;
        policy_get_key(settings, keys[i].name, value, sizeof value);
        if (is_list && strcmp(value, "none") == 0)
            value[0] = '\0';
        text_printf(out, "%s# %s\n", margin, keys[i].help);
        text_printf(out, "%s%s: %s%s%s\n", margin, dot != NULL ? dot + 1 : keys[i].name,
                    is_list ? "[" : "", value, is_list ? "]" : "");
    }
}

/* Quoted whatever it holds; control characters are left to the filter. */
static void add_description(struct text_buffer *out, const char *description)
{
    text_add(out, "description: \"");
    for (const char *c = description; *c != '\0'; c++)
        text_printf(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
    text_add(out, "\"\n");
}

static int show(struct invocation *invocation)
{
    struct policy_file file;
    struct text_buffer text = {0};
    struct config_error errors[ERRORS_SHOWN];

    if (invocation->n_arguments < 2)
        return usage_error(invocation, "policy show needs a name");
    if (!policies_find(invocation->arguments[1], &file, errors))
        return usage_error(invocation, "%s", errors[0].what);
    size_t n_errors = policies_load(&file, errors, ERRORS_SHOWN);
    if (n_errors > 0) {
        report_config_errors(errors, ERRORS_SHOWN, n_errors);
        return STATUS_CONFIG;
    }
    if (wants_json(invocation)) {
        json_t *object = json_file(&file);

        json_put(object, "kind", json_string(policy_kind_name(file.settings.kind)));
        json_put(object, "settings", json_settings(&file.settings));
        return write_json(object);
    }
    text_add(&text, "# ");
    add_line(&text, file.name);
    text_add(&text, ": ");
    add_line(&text, file.path[0] != '\0' ? file.path : "built in, without a file");
    text_add(&text, "\n");
    if (file.description[0] != '\0')
        add_description(&text, file.description);
    add_settings(&text, &file.settings);
    return write_text(&text);
}

/* One file; returns the number of problems, which are told. */
static size_t check_file(const struct policy_file *found, struct output *output)
{
    struct policy_file file = *found;
    struct config_error errors[ERRORS_SHOWN];
    size_t n_errors = policies_load(&file, errors, ERRORS_SHOWN);

    report_config_errors(errors, ERRORS_SHOWN, n_errors);
    if (n_errors == 0) {
        output_text(output, file.path, strlen(file.path));
        output_text(output, ": good\n", 7);
    }
    return n_errors;
}

/* What is named, as a file or as a policy; without a name every policy that has a file. */
static int check(struct invocation *invocation)
{
    struct config_error error;
    struct policy_file file = {0};
    struct output output;
    size_t n_errors = 0;

    output_init(&output, STDOUT_FILENO, "standard output", false);
    if (invocation->n_arguments > 1) {
        const char *name = invocation->arguments[1];

        if (access(name, F_OK) == 0 && strlen(name) < sizeof file.path)
            memcpy(file.path, name, strlen(name) + 1);
        else if (!policies_find(name, &file, &error))
            return usage_error(invocation, "%s", error.what);
        if (file.path[0] == '\0')
            return usage_error(invocation, "the policy \"%s\" has no file", name);
        n_errors = check_file(&file, &output);
    } else {
        size_t n_entries;
        struct policy_entry *entries = policies_list(&n_entries);

        for (size_t i = 0; i < n_entries; i++) {
            if (entries[i].file.path[0] != '\0')
                n_errors += check_file(&entries[i].file, &output);
        }
        policies_list_free(&entries);
    }
    int code = output_exit_code(&output);
    return n_errors > 0 ? STATUS_CONFIG : code;
}

static json_t *schema_row(const struct policy_key *key)
{
    static const char *const types[] = {
        [POLICY_VALUE_NAME] = "name",
        [POLICY_VALUE_FLAG] = "boolean",
        [POLICY_VALUE_COUNT] = "integer",
        [POLICY_VALUE_REAL] = "number",
    };
    json_t *row = json_object(), *defaults = json_object();

    json_put(row, "key", json_string(key->name));
    json_put(row, "type", json_string(types[key->type]));
    json_put(row, "argument", json_string(key->argument));
    if (key->minimum < key->maximum) {
        json_put(row, "minimum", json_real(key->minimum));
        json_put(row, "maximum", json_real(key->maximum));
    }
    for (int kind = 0; kind < POLICY_KIND_COUNT; kind++) {
        const struct policy_settings settings = policy_defaults((enum policy_kind)kind);

        json_put(defaults, policy_kind_name((enum policy_kind)kind),
                 json_value(&settings, key));
    }
    json_put(row, "defaults", defaults);
    json_put(row, "help", json_string(key->help));
    return row;
}

static int schema(void)
{
    size_t n_keys;
    const struct policy_key *keys = policy_keys(&n_keys);
    json_t *rows = json_array();

    for (size_t i = 0; i < n_keys; i++) {
        if (json_array_append_new(rows, schema_row(&keys[i])) != 0)
            app_out_of_memory();
    }
    return write_json(rows);
}

int subcommand_policy(struct invocation *invocation)
{
    const char *action = invocation->n_arguments > 0 ? invocation->arguments[0] : "";
    bool takes_file = strcmp(action, "show") == 0 || strcmp(action, "check") == 0;

    if (invocation->n_arguments > 1 && !takes_file)
        return usage_error(invocation, "unexpected \"%s\"", invocation->arguments[1]);
    if (strcmp(action, "list") == 0)
        return list(invocation);
    if (strcmp(action, "show") == 0)
        return show(invocation);
    if (strcmp(action, "check") == 0 && wants_json(invocation))
        return usage_error(invocation, "policy check has no --output");
    if (strcmp(action, "check") == 0)
        return check(invocation);
    if (strcmp(action, "schema") == 0)
        return schema();
    return usage_error(invocation, action[0] == '\0'
                                       ? "policy needs list, show, check or schema"
                                       : "policy knows list, show, check and schema");
}
