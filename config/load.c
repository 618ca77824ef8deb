/*
 * load.c - configuration files: sections and keys of the schema, each once, each of its type
 *
 * All problems of a file are collected; with any of them no value of it is taken.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/document.h"

/* One file on its way into a store. */
struct loading {
    struct config_document document;
    char *folder; /* owned: of the file, for relative paths; NULL: none */
    struct config_value values[CONFIG_OPTIONS_MAX];
    int lines[CONFIG_OPTIONS_MAX]; /* of the key; 0: not in the file */
};

static void read_value(struct loading *loading, size_t index, const yaml_node_t *node)
{
    size_t n_options;
    const struct config_option *option = &config_options(&n_options)[index];
    bool text_type = option->type == CONFIG_STRING || option->type == CONFIG_PATH;
    const char *text = config_scalar_text(node);
    char expected[160], what[320];

    config_value_expected(option, expected, sizeof expected);
    if (node->type != YAML_SCALAR_NODE) {
        snprintf(what, sizeof what, "\"%s\" must be %s, got a %s", option->key, expected,
                 node->type == YAML_SEQUENCE_NODE ? "list" : "mapping");
    } else if (text == NULL) {
        snprintf(what, sizeof what, "\"%s\" must not hold a NUL character", option->key);
    } else if (config_is_empty(node)) {
        snprintf(what, sizeof what, "\"%s\" has no value", option->key);
    } else if (!text_type && option->type != CONFIG_CHOICE && !config_is_plain(node)) {
        snprintf(what, sizeof what, "\"%s\" must be %s without quotes, got \"%.40s\" in quotes",
                 option->key, expected, text);
    } else if (config_value_parse(option, text, loading->folder, &loading->values[index], what,
                                  sizeof what)) {
        return;
    }
    config_problem_at(&loading->document, node->start_mark, what);
}

static void unknown_key(struct loading *loading, const char *section, const yaml_node_t *node)
{
    const char *names[CONFIG_OPTIONS_MAX];
    const char *key = config_scalar_text(node);
    size_t n_options, n_names = 0;
    const struct config_option *options = config_options(&n_options);
    char what[320];

    for (size_t i = 0; i < n_options; i++) {
        if (strcmp(options[i].section, section) == 0)
            names[n_names++] = options[i].key;
    }
    const char *suggestion = config_suggest(key, names, n_names);
    const struct config_option *elsewhere = config_find(key);
    if (suggestion != NULL)
        snprintf(what, sizeof what, "unknown key \"%.64s\" in \"%s\" (did you mean \"%s\"?)",
                 key, section, suggestion);
    else if (elsewhere != NULL)
        snprintf(what, sizeof what, "unknown key \"%.64s\" in \"%s\" (it belongs in \"%s\")",
                 key, section, elsewhere->section);
    else
        snprintf(what, sizeof what, "unknown key \"%.64s\" in \"%s\"", key, section);
    config_problem_at(&loading->document, node->start_mark, what);
}

static void read_pair(struct loading *loading, const char *section, const yaml_node_t *key_node,
                      const yaml_node_t *value_node)
{
    const char *key = config_key_text(&loading->document, key_node);
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    if (key == NULL)
        return;
    for (size_t i = 0; i < n_options; i++) {
        if (strcmp(options[i].key, key) != 0 || strcmp(options[i].section, section) != 0)
            continue;
        if (loading->lines[i] != 0) {
            config_given_twice(&loading->document, key_node, loading->lines[i]);
        } else {
            loading->lines[i] = (int)key_node->start_mark.line + 1;
            read_value(loading, i, value_node);
        }
        return;
    }
    unknown_key(loading, section, key_node);
}

static void read_section(struct loading *loading, const char *section, yaml_node_t *node)
{
    char what[160];

    if (config_is_empty(node))
        return; /* all its lines are comments */
    if (node->type != YAML_MAPPING_NODE) {
        snprintf(what, sizeof what, "\"%s\" must be a mapping of keys to values", section);
        config_problem_at(&loading->document, node->start_mark, what);
        return;
    }
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++)
        read_pair(loading, section, yaml_document_get_node(&loading->document.yaml, pair->key),
                  yaml_document_get_node(&loading->document.yaml, pair->value));
}

static void read_version(struct loading *loading, const yaml_node_t *node)
{
    const char *text = config_scalar_text(node);

    if (!config_is_plain(node) || text == NULL || strcmp(text, "1") != 0)
        config_problem_at(&loading->document, node->start_mark, "\"version\" must be 1");
}

/* The names of the sections, and "version"; returns their number. */
static size_t section_names(const char **names)
{
    size_t n_options, n_names = 0;
    const struct config_option *options = config_options(&n_options);

    names[n_names++] = "version";
    for (size_t i = 0; i < n_options; i++) {
        if (i == 0 || strcmp(options[i].section, options[i - 1].section) != 0)
            names[n_names++] = options[i].section;
    }
    return n_names;
}

static void unknown_section(struct loading *loading, const char *key, yaml_mark_t mark,
                            const char *const *names, size_t n_names)
{
    const struct config_option *option = config_find(key);
    const char *suggestion = config_suggest(key, names, n_names);
    char what[240];

    if (option != NULL)
        snprintf(what, sizeof what, "\"%.64s\" belongs in the section \"%s\"", key,
                 option->section);
    else if (suggestion != NULL)
        snprintf(what, sizeof what, "unknown key \"%.64s\" (did you mean \"%s\"?)", key,
                 suggestion);
    else
        snprintf(what, sizeof what, "unknown key \"%.64s\"", key);
    config_problem_at(&loading->document, mark, what);
}

static void read_root(struct loading *loading)
{
    yaml_node_t *root = yaml_document_get_root_node(&loading->document.yaml);
    const char *names[CONFIG_OPTIONS_MAX + 1];
    int lines[CONFIG_OPTIONS_MAX + 1] = {0};
    size_t n_names = section_names(names);

    if (root == NULL || config_is_empty(root))
        return; /* nothing but comments */
    if (root->type != YAML_MAPPING_NODE) {
        config_problem_at(&loading->document, root->start_mark,
                          "must be a mapping of sections, such as "
                          "\"sampling:\"");
        return;
    }
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        yaml_node_t *key_node = yaml_document_get_node(&loading->document.yaml, pair->key);
        yaml_node_t *value = yaml_document_get_node(&loading->document.yaml, pair->value);
        const char *key = config_key_text(&loading->document, key_node);
        size_t i = 0;

        if (key == NULL)
            continue;
        while (i < n_names && strcmp(names[i], key) != 0)
            i++;
        if (i == n_names) {
            unknown_section(loading, key, key_node->start_mark, names, n_names);
        } else if (lines[i] != 0) {
            config_given_twice(&loading->document, key_node, lines[i]);
        } else {
            lines[i] = (int)key_node->start_mark.line + 1;
            if (i == 0)
                read_version(loading, value);
            else
                read_section(loading, key, value);
        }
    }
}

/* All or nothing. */
static void commit(struct loading *loading, struct config_store *store, const char *name)
{
    size_t n_options;
    const struct config_option *options = config_options(&n_options);
    const char *kept = NULL;

    if (loading->document.problems.count == 0) {
        kept = config_store_keep_path(store, name);
        if (kept == NULL)
            config_problem(&loading->document.problems, 0, 0, "out of memory");
    }
    for (size_t i = 0; i < n_options; i++) {
        if (loading->lines[i] != 0 && loading->document.problems.count == 0)
            config_store_put(store, &options[i], &loading->values[i], CONFIG_FILE, kept,
                             loading->lines[i]);
        free(loading->values[i].text);
    }
}

size_t config_load_memory(struct config_store *store, const char *name, const char *bytes,
                          size_t n_bytes, struct config_error *errors, size_t room)
{
    struct loading loading = {
        .document =
            {
                .problems = {.errors = errors, .room = room, .path = name},
                .bytes = bytes,
                .n_bytes = n_bytes,
            },
    };
    const char *slash = strrchr(name, '/');

    if (slash != NULL)
        loading.folder = slash == name ? strdup("/") : strndup(name, (size_t)(slash - name));
    if (slash != NULL && loading.folder == NULL) {
        config_problem(&loading.document.problems, 0, 0, "out of memory");
    } else if (config_document_open(&loading.document)) {
        read_root(&loading);
        config_document_close(&loading.document);
    }
    commit(&loading, store, name);
    free(loading.folder);
    return config_document_problems(&loading.document);
}

static size_t load_file(struct config_store *store, const char *path, bool named,
                        struct config_error *errors, size_t room)
{
    struct config_problems problems = {.errors = errors, .room = room, .path = path};
    size_t n_bytes;
    char *bytes = config_read_file(path, named, &problems, &n_bytes);

    if (bytes != NULL)
        problems.count = config_load_memory(store, path, bytes, n_bytes, errors, room);
    free(bytes);
    return problems.count;
}

size_t config_load(struct config_store *store, const char *path, struct config_error *errors,
                   size_t room)
{
    char candidate[4096];
    size_t count = 0;

    if (path != NULL)
        return load_file(store, path, true, errors, room);
    for (size_t i = 0; config_file_path(i, candidate, sizeof candidate); i++) {
        size_t used = count < room ? count : room;
        count += load_file(store, candidate, false, errors + used, room - used);
    }
    return count;
}
