/*
 * store.c - the settings, and where each came from
 */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/internal.h"

struct config_path {
    struct config_path *next;
    char text[];
};

struct config_store {
    struct config values;
    struct config_origin origins[CONFIG_OPTIONS_MAX];
    bool unset[CONFIG_OPTIONS_MAX]; /* taken back to "none" by an empty text */
    struct config_path *paths;      /* owned; origins point into them */
};

void config_problem(struct config_problems *problems, int line, int column, const char *format,
                    ...)
{
    if (problems->count < problems->room) {
        struct config_error *error = &problems->errors[problems->count];
        va_list arguments;

        snprintf(error->path, sizeof error->path, "%s", problems->path);
        error->line = line;
        error->column = column;
        va_start(arguments, format);
        vsnprintf(error->what, sizeof error->what, format, arguments);
        va_end(arguments);
    }
    problems->count++;
}

bool config_refuse(struct config_error *error, const char *format, ...)
{
    if (error != NULL) {
        va_list arguments;

        *error = (struct config_error){0};
        va_start(arguments, format);
        vsnprintf(error->what, sizeof error->what, format, arguments);
        va_end(arguments);
    }
    return false;
}

const char *config_error_text(const struct config_error *error, char *buffer, size_t n_bytes)
{
    if (error->path[0] == '\0')
        snprintf(buffer, n_bytes, "%s", error->what);
    else if (error->line == 0)
        snprintf(buffer, n_bytes, "%s: %s", error->path, error->what);
    else
        snprintf(buffer, n_bytes, "%s:%d:%d: %s", error->path, error->line, error->column,
                 error->what);
    return buffer;
}

static size_t index_of(const struct config_option *option)
{
    size_t n_options;
    return (size_t)(option - config_options(&n_options));
}

static bool holds_text(const struct config_option *option)
{
    return option->type == CONFIG_STRING || option->type == CONFIG_PATH ||
           option->type == CONFIG_CHOICE;
}

static void *field_of(struct config_store *store, const struct config_option *option)
{
    return (char *)&store->values + option->offset;
}

void config_store_put(struct config_store *store, const struct config_option *option,
                      struct config_value *value, enum config_origin_kind kind,
                      const char *path, int line)
{
    void *field = field_of(store, option);

    switch (option->type) {
    case CONFIG_INTEGER: *(int64_t *)field = value->integer; break;
    case CONFIG_NUMBER: *(double *)field = value->number; break;
    case CONFIG_BOOLEAN: *(bool *)field = value->boolean; break;
    case CONFIG_STRING:
    case CONFIG_PATH:
    case CONFIG_CHOICE:
        free(*(char **)field); /* with no value left in it, the setting counts as not given */
        *(char **)field = value->text;
        value->text = NULL;
        break;
    }
    store->unset[index_of(option)] = holds_text(option) && *(char **)field == NULL;
    store->origins[index_of(option)] = (struct config_origin){kind, path, line};
}

const char *config_store_keep_path(struct config_store *store, const char *path)
{
    size_t n_bytes = strlen(path) + 1;
    struct config_path *kept = malloc(sizeof *kept + n_bytes);

    if (kept == NULL)
        return NULL;
    memcpy(kept->text, path, n_bytes);
    kept->next = store->paths;
    store->paths = kept;
    return kept->text;
}

struct config_store *config_new(void)
{
    struct config_store *store = calloc(1, sizeof *store);
    size_t n_options;
    const struct config_option *options = config_options(&n_options);
    char what[320];

    for (size_t i = 0; store != NULL && i < n_options; i++) {
        struct config_value value;

        if (options[i].built_in == NULL)
            continue;
        if (config_value_parse(&options[i], options[i].built_in, NULL, &value, what,
                               sizeof what))
            config_store_put(store, &options[i], &value, CONFIG_BUILT_IN, NULL, 0);
        else
            config_free(&store);
    }
    return store;
}

void config_free(struct config_store **store)
{
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    if (*store == NULL)
        return;
    for (size_t i = 0; i < n_options; i++) {
        if (holds_text(&options[i]))
            free(*(char **)field_of(*store, &options[i]));
    }
    while ((*store)->paths != NULL) {
        struct config_path *next = (*store)->paths->next;
        free((*store)->paths);
        (*store)->paths = next;
    }
    free(*store);
    *store = NULL;
}

const struct config *config_values(const struct config_store *store)
{
    return &store->values;
}

/* "unknown setting", with the closest known name. */
static bool refuse_unknown(struct config_error *error, const char *key)
{
    const char *names[CONFIG_OPTIONS_MAX];
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    for (size_t i = 0; i < n_options; i++)
        names[i] = options[i].key;
    const char *suggestion = config_suggest(key, names, n_options);
    if (suggestion != NULL)
        return config_refuse(error, "unknown setting \"%.64s\" (did you mean \"%s\"?)", key,
                             suggestion);
    return config_refuse(error, "unknown setting \"%.64s\"", key);
}

bool config_set(struct config_store *store, const char *key, const char *value,
                enum config_origin_kind origin, struct config_error *error)
{
    const struct config_option *option = config_find(key);
    struct config_value parsed;
    char what[sizeof error->what];

    if (option == NULL)
        return refuse_unknown(error, key);
    if (origin == CONFIG_SET && !option->at_run_time)
        return config_refuse(error,
                             "\"%s\" is read when banter starts: give --%s or put it in the "
                             "configuration file",
                             option->key, option->flag);
    if (!holds_text(option) &&
        (strcmp(value, "default") == 0 || (value[0] == '\0' && option->built_in == NULL))) {
        if (option->built_in != NULL) {
            value = option->built_in;
        } else { /* a sampling setting goes back to the model's own value */
            parsed = (struct config_value){0};
            config_store_put(store, option, &parsed, origin, NULL, 0);
            store->unset[index_of(option)] = true;
            return true;
        }
    }
    if (!config_value_parse(option, value, NULL, &parsed, what, sizeof what))
        return config_refuse(error, "%s", what);
    config_store_put(store, option, &parsed, origin, NULL, 0);
    return true;
}

const char *config_get(const struct config_store *store, const struct config_option *option,
                       char *buffer, size_t n_bytes)
{
    const void *field = (const char *)&store->values + option->offset;
    const char *text;

    if (n_bytes == 0)
        return buffer;
    buffer[0] = '\0';
    if (option->built_in == NULL && !config_given(store, option->key))
        return buffer;
    switch (option->type) {
    case CONFIG_INTEGER: snprintf(buffer, n_bytes, "%" PRId64, *(const int64_t *)field); break;
    case CONFIG_NUMBER: config_number_text(*(const double *)field, buffer, n_bytes); break;
    case CONFIG_BOOLEAN:
        snprintf(buffer, n_bytes, "%s", *(const bool *)field ? "true" : "false");
        break;
    case CONFIG_STRING:
    case CONFIG_PATH:
    case CONFIG_CHOICE:
        text = *(const char *const *)field;
        snprintf(buffer, n_bytes, "%s", text != NULL ? text : "");
        break;
    }
    return buffer;
}

struct config_origin config_origin(const struct config_store *store,
                                   const struct config_option *option)
{
    return store->origins[index_of(option)];
}

bool config_given(const struct config_store *store, const char *key)
{
    const struct config_option *option = config_find(key);

    if (option == NULL)
        return false;
    size_t i = index_of(option);
    return store->origins[i].kind != CONFIG_BUILT_IN && !store->unset[i];
}

size_t config_load_environment(struct config_store *store, struct config_error *errors,
                               size_t room)
{
    struct config_problems problems = {.errors = errors, .room = room, .path = ""};
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    for (size_t i = 0; i < n_options; i++) {
        const char *value =
            options[i].environment != NULL ? getenv(options[i].environment) : NULL;
        struct config_error error;

        if (value == NULL || value[0] == '\0')
            continue;
        if (!config_set(store, options[i].key, value, CONFIG_ENVIRONMENT, &error))
            config_problem(&problems, 0, 0, "%s: %.240s", options[i].environment, error.what);
    }
    return problems.count;
}
