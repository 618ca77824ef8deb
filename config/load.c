/*
 * load.c - configuration files: YAML, read strictly
 *
 * Three passes over at most 1 MiB.  The bytes: no NUL, well-formed UTF-8.  The events: one
 * document, no anchor, alias or tag, depth and number of values bounded; it runs before anything is
 * built, so a hostile file costs no more than its size.  The document: sections and keys of the
 * schema, each once, each of its type.  All problems are collected; with any of them no value of
 * the file is taken.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <yaml.h>

#include "config/internal.h"

enum { DEPTH_MAX = 16, VALUES_MAX = 10000 };

/* One file on its way into a store. */
struct loading {
    struct config_problems problems;
    const char *bytes; /* borrowed */
    size_t n_bytes;
    char *folder; /* owned: of the file, for relative paths; NULL: none */
    yaml_document_t document;
    struct config_value values[CONFIG_OPTIONS_MAX];
    int lines[CONFIG_OPTIONS_MAX]; /* of the key; 0: not in the file */
};

static void problem_at(struct loading *loading, yaml_mark_t mark, const char *what)
{
    config_problem(&loading->problems, (int)mark.line + 1, (int)mark.column + 1, "%s", what);
}

/* Line and column of a byte; columns count characters. */
static yaml_mark_t mark_of(const struct loading *loading, size_t offset)
{
    yaml_mark_t mark = {.index = offset};

    for (size_t i = 0; i < offset && i < loading->n_bytes; i++) {
        if (loading->bytes[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if (((unsigned char)loading->bytes[i] & 0xc0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

/* Bytes of the well-formed UTF-8 sequence at the start; 0: there is none. */
static size_t utf8_length(const unsigned char *bytes, size_t n_bytes)
{
    unsigned char first = bytes[0];
    size_t n = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;

    if (n == 0 || first > 0xf4 || n > n_bytes)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((bytes[i] & 0xc0) != 0x80)
            return 0;
    }
    /* Overlong forms, surrogates, beyond U+10FFFF. */
    if ((first == 0xe0 && bytes[1] < 0xa0) || (first == 0xed && bytes[1] > 0x9f) ||
        (first == 0xf0 && bytes[1] < 0x90) || (first == 0xf4 && bytes[1] > 0x8f))
        return 0;
    return n;
}

static bool check_bytes(struct loading *loading)
{
    const unsigned char *bytes = (const unsigned char *)loading->bytes;

    for (size_t i = 0; i < loading->n_bytes;) {
        size_t n = utf8_length(bytes + i, loading->n_bytes - i);

        if (n == 0) {
            problem_at(loading, mark_of(loading, i), "not well-formed UTF-8");
            return false;
        }
        if (bytes[i] == '\0') {
            problem_at(loading, mark_of(loading, i), "a NUL byte");
            return false;
        }
        i += n;
    }
    return true;
}

static void syntax_problem(struct loading *loading, const yaml_parser_t *parser)
{
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";
    yaml_mark_t mark = parser->problem_mark;
    char what[240];

    if (parser->error == YAML_MEMORY_ERROR) {
        config_problem(&loading->problems, 0, 0, "out of memory");
        return;
    }
    if (parser->error == YAML_READER_ERROR)
        mark = mark_of(loading, parser->problem_offset);
    if (parser->context != NULL)
        snprintf(what, sizeof what, "not valid YAML: %s %s", problem, parser->context);
    else
        snprintf(what, sizeof what, "not valid YAML: %s", problem);
    problem_at(loading, mark, what);
}

static bool start_parser(struct loading *loading, yaml_parser_t *parser)
{
    if (!yaml_parser_initialize(parser)) {
        config_problem(&loading->problems, 0, 0, "out of memory");
        return false;
    }
    /* Without this the library would take a file with another mark of order for UTF-16. */
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)loading->bytes,
                                 loading->n_bytes);
    return true;
}

/* What an event may not carry; false: stop reading. */
static bool check_event(struct loading *loading, const yaml_event_t *event, int *n_documents,
                        int *depth, int *n_values)
{
    const unsigned char *anchor = NULL, *tag = NULL;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end)
            problem_at(loading, event->start_mark, "tags are not allowed");
        if (++*n_documents > 1) {
            problem_at(loading, event->start_mark, "a second document: one is allowed");
            return false;
        }
        return true;
    case YAML_ALIAS_EVENT:
        problem_at(loading, event->start_mark, "aliases are not allowed");
        break;
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        ++*depth;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        ++*depth;
        break;
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT: --*depth; return true;
    default: return true;
    }
    if (anchor != NULL)
        problem_at(loading, event->start_mark, "anchors are not allowed");
    if (tag != NULL)
        problem_at(loading, event->start_mark, "tags are not allowed");
    if (*depth > DEPTH_MAX) {
        problem_at(loading, event->start_mark, "nested too deeply");
        return false;
    }
    if (++*n_values > VALUES_MAX) {
        problem_at(loading, event->start_mark, "too many values");
        return false;
    }
    return true;
}

/* false: the document is not to be built. */
static bool check_events(struct loading *loading)
{
    yaml_parser_t parser;
    bool good = true, ended = false;
    int n_documents = 0, depth = 0, n_values = 0;

    if (!start_parser(loading, &parser))
        return false;
    while (good && !ended) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            syntax_problem(loading, &parser);
            good = false;
            break;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        good = check_event(loading, &event, &n_documents, &depth, &n_values);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return good;
}

/* The text of a scalar, for messages and comparisons; NULL: no scalar, or it holds a NUL. */
static const char *scalar_text(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE ||
        strlen((const char *)node->data.scalar.value) != node->data.scalar.length)
        return NULL;
    return (const char *)node->data.scalar.value;
}

static bool is_plain(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

static bool is_empty(const yaml_node_t *node)
{
    return is_plain(node) && node->data.scalar.length == 0;
}

static void read_value(struct loading *loading, size_t index, const yaml_node_t *node)
{
    size_t n_options;
    const struct config_option *option = &config_options(&n_options)[index];
    bool text_type = option->type == CONFIG_STRING || option->type == CONFIG_PATH;
    const char *text = scalar_text(node);
    char expected[160], what[320];

    config_value_expected(option, expected, sizeof expected);
    if (node->type != YAML_SCALAR_NODE) {
        snprintf(what, sizeof what, "\"%s\" must be %s, got a %s", option->key, expected,
                 node->type == YAML_SEQUENCE_NODE ? "list" : "mapping");
    } else if (text == NULL) {
        snprintf(what, sizeof what, "\"%s\" must not hold a NUL character", option->key);
    } else if (is_empty(node)) {
        snprintf(what, sizeof what, "\"%s\" has no value", option->key);
    } else if (!text_type && option->type != CONFIG_CHOICE && !is_plain(node)) {
        snprintf(what, sizeof what, "\"%s\" must be %s without quotes, got \"%.40s\" in quotes",
                 option->key, expected, text);
    } else if (config_value_parse(option, text, loading->folder, &loading->values[index], what,
                                  sizeof what)) {
        return;
    }
    problem_at(loading, node->start_mark, what);
}

static void unknown_key(struct loading *loading, const char *section, const yaml_node_t *node)
{
    const char *names[CONFIG_OPTIONS_MAX];
    const char *key = scalar_text(node);
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
    problem_at(loading, node->start_mark, what);
}

/* The key of a pair as text; NULL with the problem noted. */
static const char *key_text(struct loading *loading, const yaml_node_t *node)
{
    const char *key = scalar_text(node);

    if (key == NULL)
        problem_at(loading, node->start_mark, "a key must be a word");
    return key;
}

static void duplicate_key(struct loading *loading, const yaml_node_t *node, int first_line)
{
    char what[160];

    snprintf(what, sizeof what, "\"%.64s\" is given twice (first on line %d)",
             scalar_text(node), first_line);
    problem_at(loading, node->start_mark, what);
}

static void read_pair(struct loading *loading, const char *section, const yaml_node_t *key_node,
                      const yaml_node_t *value_node)
{
    const char *key = key_text(loading, key_node);
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    if (key == NULL)
        return;
    for (size_t i = 0; i < n_options; i++) {
        if (strcmp(options[i].key, key) != 0 || strcmp(options[i].section, section) != 0)
            continue;
        if (loading->lines[i] != 0) {
            duplicate_key(loading, key_node, loading->lines[i]);
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

    if (is_empty(node))
        return; /* all its lines are comments */
    if (node->type != YAML_MAPPING_NODE) {
        snprintf(what, sizeof what, "\"%s\" must be a mapping of keys to values", section);
        problem_at(loading, node->start_mark, what);
        return;
    }
    for (yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++)
        read_pair(loading, section, yaml_document_get_node(&loading->document, pair->key),
                  yaml_document_get_node(&loading->document, pair->value));
}

static void read_version(struct loading *loading, const yaml_node_t *node)
{
    const char *text = scalar_text(node);

    if (!is_plain(node) || text == NULL || strcmp(text, "1") != 0)
        problem_at(loading, node->start_mark, "\"version\" must be 1");
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
    problem_at(loading, mark, what);
}

static void read_root(struct loading *loading)
{
    yaml_node_t *root = yaml_document_get_root_node(&loading->document);
    const char *names[CONFIG_OPTIONS_MAX + 1];
    int lines[CONFIG_OPTIONS_MAX + 1] = {0};
    size_t n_names = section_names(names);

    if (root == NULL || is_empty(root))
        return; /* nothing but comments */
    if (root->type != YAML_MAPPING_NODE) {
        problem_at(loading, root->start_mark,
                   "must be a mapping of sections, such as "
                   "\"sampling:\"");
        return;
    }
    for (yaml_node_pair_t *pair = root->data.mapping.pairs.start;
         pair < root->data.mapping.pairs.top; pair++) {
        yaml_node_t *key_node = yaml_document_get_node(&loading->document, pair->key);
        yaml_node_t *value = yaml_document_get_node(&loading->document, pair->value);
        const char *key = key_text(loading, key_node);
        size_t i = 0;

        if (key == NULL)
            continue;
        while (i < n_names && strcmp(names[i], key) != 0)
            i++;
        if (i == n_names) {
            unknown_section(loading, key, key_node->start_mark, names, n_names);
        } else if (lines[i] != 0) {
            duplicate_key(loading, key_node, lines[i]);
        } else {
            lines[i] = (int)key_node->start_mark.line + 1;
            if (i == 0)
                read_version(loading, value);
            else
                read_section(loading, key, value);
        }
    }
}

static void read_document(struct loading *loading)
{
    yaml_parser_t parser;

    if (!start_parser(loading, &parser))
        return;
    if (yaml_parser_load(&parser, &loading->document)) {
        read_root(loading);
        yaml_document_delete(&loading->document);
    } else {
        syntax_problem(loading, &parser);
    }
    yaml_parser_delete(&parser);
}

static int by_place(const void *a, const void *b)
{
    const struct config_error *left = a, *right = b;

    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    return (left->column > right->column) - (left->column < right->column);
}

/* All or nothing. */
static void commit(struct loading *loading, struct config_store *store, const char *name)
{
    size_t n_options;
    const struct config_option *options = config_options(&n_options);
    const char *kept = NULL;

    if (loading->problems.count == 0) {
        kept = config_store_keep_path(store, name);
        if (kept == NULL)
            config_problem(&loading->problems, 0, 0, "out of memory");
    }
    for (size_t i = 0; i < n_options; i++) {
        if (loading->lines[i] != 0 && loading->problems.count == 0)
            config_store_put(store, &options[i], &loading->values[i], CONFIG_FILE, kept,
                             loading->lines[i]);
        free(loading->values[i].text);
    }
}

size_t config_load_memory(struct config_store *store, const char *name, const char *bytes,
                          size_t n_bytes, struct config_error *errors, size_t room)
{
    struct loading loading = {
        .problems = {.errors = errors, .room = room, .path = name},
        .bytes = bytes,
        .n_bytes = n_bytes,
    };
    const char *slash = strrchr(name, '/');

    if (slash != NULL)
        loading.folder = slash == name ? strdup("/") : strndup(name, (size_t)(slash - name));
    if (slash != NULL && loading.folder == NULL)
        config_problem(&loading.problems, 0, 0, "out of memory");
    else if (n_bytes > CONFIG_FILE_BYTES_MAX)
        config_problem(&loading.problems, 0, 0, "larger than 1 MiB");
    else if (check_bytes(&loading) && check_events(&loading))
        read_document(&loading);
    commit(&loading, store, name);
    free(loading.folder);
    size_t n_kept = loading.problems.count < room ? loading.problems.count : room;
    if (n_kept > 1)
        qsort(errors, n_kept, sizeof *errors, by_place);
    return loading.problems.count;
}

/* At most one byte more than is allowed, so that too large a file shows. */
static bool read_all(int fd, char *bytes, size_t *n_bytes)
{
    *n_bytes = 0;
    while (*n_bytes < CONFIG_FILE_BYTES_MAX + 1) {
        ssize_t n = read(fd, bytes + *n_bytes, CONFIG_FILE_BYTES_MAX + 1 - *n_bytes);

        if (n == 0)
            return true;
        if (n > 0)
            *n_bytes += (size_t)n;
        else if (errno != EINTR)
            return false;
    }
    return true;
}

/* A named file may be anything that can be read; one of the usual places only a regular file. */
static size_t load_file(struct config_store *store, const char *path, bool named,
                        struct config_error *errors, size_t room)
{
    struct config_problems problems = {.errors = errors, .room = room, .path = path};
    struct stat status;
    char *bytes = NULL;
    size_t n_bytes;
    int fd = open(path, O_RDONLY | O_CLOEXEC | (named ? 0 : O_NONBLOCK));

    if (fd < 0) {
        if (named || (errno != ENOENT && errno != ENOTDIR))
            config_problem(&problems, 0, 0, "%s", strerror(errno));
        return problems.count;
    }
    if (!named && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))) {
        config_problem(&problems, 0, 0, "not a regular file");
    } else if ((bytes = malloc(CONFIG_FILE_BYTES_MAX + 1)) == NULL) {
        config_problem(&problems, 0, 0, "out of memory");
    } else if (!read_all(fd, bytes, &n_bytes)) {
        config_problem(&problems, 0, 0, "%s", strerror(errno));
    } else {
        problems.count = config_load_memory(store, path, bytes, n_bytes, errors, room);
    }
    free(bytes);
    close(fd);
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
