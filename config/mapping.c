/*
 * mapping.c - a small YAML mapping that has a schema of its own
 *
 * Scalars, lists of scalars, and one level of mappings, whose keys are joined by a dot.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/document.h"

enum { KEY_ROOM = 160, VALUE_ROOM = 1024 };

struct mapping {
    struct config_document document;
    const struct config_visitor *visitor;
};

/* The items of a list as "a, b"; false with the problem noted. */
static bool join_list(struct mapping *mapping, const char *key, const yaml_node_t *list,
                      char *text, size_t n_bytes)
{
    size_t n_used = 0;
    char what[320];

    text[0] = '\0';
    for (const yaml_node_item_t *item = list->data.sequence.items.start;
         item < list->data.sequence.items.top; item++) {
        const yaml_node_t *node = yaml_document_get_node(&mapping->document.yaml, *item);
        const char *word = config_scalar_text(node);

        if (word == NULL || config_is_empty(node)) {
            snprintf(what, sizeof what, "\"%.100s\" must be a list of words", key);
            config_problem_at(&mapping->document, node->start_mark, what);
            return false;
        }
        int n = snprintf(text + n_used, n_bytes - n_used, "%s%s", n_used > 0 ? ", " : "", word);
        if (n < 0 || (size_t)n >= n_bytes - n_used) {
            snprintf(what, sizeof what, "\"%.100s\" is too long", key);
            config_problem_at(&mapping->document, node->start_mark, what);
            return false;
        }
        n_used += (size_t)n;
    }
    return true;
}

/* A scalar or a list of scalars on its way to the visitor. */
static void visit_value(struct mapping *mapping, const char *key, yaml_mark_t key_mark,
                        const yaml_node_t *node)
{
    const char *text = config_scalar_text(node);
    yaml_mark_t mark = node->start_mark;
    char joined[VALUE_ROOM], what[320] = "";

    if (node->type == YAML_SEQUENCE_NODE) {
        if (!join_list(mapping, key, node, joined, sizeof joined))
            return;
        text = joined;
    }
    if (node->type == YAML_MAPPING_NODE)
        snprintf(what, sizeof what, "\"%.100s\" is nested too deeply", key);
    else if (text == NULL)
        snprintf(what, sizeof what, "\"%.100s\" must not hold a NUL character", key);
    else if (config_is_empty(node))
        snprintf(what, sizeof what, "\"%.100s\" has no value", key);
    if (what[0] == '\0') {
        enum config_visit found =
            mapping->visitor->visit(mapping->visitor->context, key, text, (int)mark.line + 1,
                                    (int)mark.column + 1, what, sizeof what);

        if (found == CONFIG_TAKEN)
            return;
        if (found == CONFIG_WRONG_KEY)
            mark = key_mark;
    }
    config_problem_at(&mapping->document, mark, what);
}

/* The line of the same key before `end` in this mapping; 0: it stands there once. */
static int line_before(struct mapping *mapping, const yaml_node_t *node,
                       const yaml_node_pair_t *end, const char *key)
{
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < end; pair++) {
        const yaml_node_t *other = yaml_document_get_node(&mapping->document.yaml, pair->key);
        const char *text = config_scalar_text(other);

        if (text != NULL && strcmp(text, key) == 0)
            return (int)other->start_mark.line + 1;
    }
    return 0;
}

static void visit_pairs(struct mapping *mapping, const char *section, const yaml_node_t *node);

static void visit_pair(struct mapping *mapping, const char *section, const yaml_node_t *node,
                       const yaml_node_pair_t *pair)
{
    yaml_document_t *yaml = &mapping->document.yaml;
    const yaml_node_t *key_node = yaml_document_get_node(yaml, pair->key);
    const yaml_node_t *value = yaml_document_get_node(yaml, pair->value);
    const char *key = config_key_text(&mapping->document, key_node);
    char path[KEY_ROOM], what[320];

    if (key == NULL)
        return;
    int first_line = line_before(mapping, node, pair, key);
    int n = snprintf(path, sizeof path, "%s%s%s", section, section[0] != '\0' ? "." : "", key);
    if (first_line != 0) {
        config_given_twice(&mapping->document, key_node, first_line);
    } else if (n < 0 || (size_t)n >= sizeof path) {
        config_problem_at(&mapping->document, key_node->start_mark, "the key is too long");
    } else if (strchr(key, '.') != NULL) {
        /* Otherwise there were two ways to write a key, and it could stand there twice. */
        snprintf(what, sizeof what,
                 "\"%.100s\": a key has no dot; what stands before it is a mapping of its own",
                 key);
        config_problem_at(&mapping->document, key_node->start_mark, what);
    } else if (value->type == YAML_MAPPING_NODE && section[0] == '\0') {
        visit_pairs(mapping, path, value);
    } else {
        visit_value(mapping, path, key_node->start_mark, value);
    }
}

static void visit_pairs(struct mapping *mapping, const char *section, const yaml_node_t *node)
{
    for (const yaml_node_pair_t *pair = node->data.mapping.pairs.start;
         pair < node->data.mapping.pairs.top; pair++)
        visit_pair(mapping, section, node, pair);
}

static void visit_root(struct mapping *mapping)
{
    const yaml_node_t *root = yaml_document_get_root_node(&mapping->document.yaml);

    if (root == NULL || config_is_empty(root))
        return; /* nothing but comments */
    if (root->type != YAML_MAPPING_NODE)
        config_problem_at(&mapping->document, root->start_mark,
                          "must be a mapping of keys to values");
    else
        visit_pairs(mapping, "", root);
}

size_t config_read_mapping_memory(const char *name, const char *bytes, size_t n_bytes,
                                  const struct config_visitor *visitor,
                                  struct config_error *errors, size_t room)
{
    struct mapping mapping = {
        .document =
            {
                .problems = {.errors = errors, .room = room, .path = name},
                .bytes = bytes,
                .n_bytes = n_bytes,
            },
        .visitor = visitor,
    };

    if (config_document_open(&mapping.document)) {
        visit_root(&mapping);
        config_document_close(&mapping.document);
    }
    return config_document_problems(&mapping.document);
}

size_t config_read_mapping(const char *path, const struct config_visitor *visitor,
                           struct config_error *errors, size_t room)
{
    struct config_problems problems = {.errors = errors, .room = room, .path = path};
    size_t n_bytes;
    char *bytes = config_read_file(path, true, &problems, &n_bytes);

    if (bytes != NULL)
        problems.count =
            config_read_mapping_memory(path, bytes, n_bytes, visitor, errors, room);
    free(bytes);
    return problems.count;
}
