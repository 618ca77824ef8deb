/*
 * document.c - YAML, read strictly: the passes that every file of settings goes through
 *
 * The bytes: no NUL, well-formed UTF-8.  The events: one document, no anchor, alias or tag, depth
 * and number of values bounded; it runs before anything is built, so a hostile file costs no more
 * than its size.  Then the document is built.
 */
#include "config/document.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DEPTH_MAX = 16, VALUES_MAX = 10000 };

void config_problem_at(struct config_document *document, yaml_mark_t mark, const char *what)
{
    config_problem(&document->problems, (int)mark.line + 1, (int)mark.column + 1, "%s", what);
}

/* Line and column of a byte; columns count characters. */
static yaml_mark_t mark_of(const struct config_document *document, size_t offset)
{
    yaml_mark_t mark = {.index = offset};

    for (size_t i = 0; i < offset && i < document->n_bytes; i++) {
        if (document->bytes[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if (((unsigned char)document->bytes[i] & 0xc0) != 0x80) {
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

static bool check_bytes(struct config_document *document)
{
    const unsigned char *bytes = (const unsigned char *)document->bytes;

    for (size_t i = 0; i < document->n_bytes;) {
        size_t n = utf8_length(bytes + i, document->n_bytes - i);

        if (n == 0) {
            config_problem_at(document, mark_of(document, i), "not well-formed UTF-8");
            return false;
        }
        if (bytes[i] == '\0') {
            config_problem_at(document, mark_of(document, i), "a NUL byte");
            return false;
        }
        i += n;
    }
    return true;
}

static void syntax_problem(struct config_document *document, const yaml_parser_t *parser)
{
    const char *problem = parser->problem != NULL ? parser->problem : "cannot be read";
    yaml_mark_t mark = parser->problem_mark;
    char what[240];

    if (parser->error == YAML_MEMORY_ERROR) {
        config_problem(&document->problems, 0, 0, "out of memory");
        return;
    }
    if (parser->error == YAML_READER_ERROR)
        mark = mark_of(document, parser->problem_offset);
    if (parser->context != NULL)
        snprintf(what, sizeof what, "not valid YAML: %s %s", problem, parser->context);
    else
        snprintf(what, sizeof what, "not valid YAML: %s", problem);
    config_problem_at(document, mark, what);
}

static bool start_parser(struct config_document *document, yaml_parser_t *parser)
{
    if (!yaml_parser_initialize(parser)) {
        config_problem(&document->problems, 0, 0, "out of memory");
        return false;
    }
    /* Without this the library would take a file with another mark of order for UTF-16. */
    yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(parser, (const unsigned char *)document->bytes,
                                 document->n_bytes);
    return true;
}

/* What an event may not carry; false: stop reading. */
static bool check_event(struct config_document *document, const yaml_event_t *event,
                        int *n_documents, int *depth, int *n_values)
{
    const unsigned char *anchor = NULL, *tag = NULL;

    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (event->data.document_start.tag_directives.start !=
            event->data.document_start.tag_directives.end)
            config_problem_at(document, event->start_mark, "tags are not allowed");
        if (++*n_documents > 1) {
            config_problem_at(document, event->start_mark, "a second document: one is allowed");
            return false;
        }
        return true;
    case YAML_ALIAS_EVENT:
        config_problem_at(document, event->start_mark, "aliases are not allowed");
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
        config_problem_at(document, event->start_mark, "anchors are not allowed");
    if (tag != NULL)
        config_problem_at(document, event->start_mark, "tags are not allowed");
    if (*depth > DEPTH_MAX) {
        config_problem_at(document, event->start_mark, "nested too deeply");
        return false;
    }
    if (++*n_values > VALUES_MAX) {
        config_problem_at(document, event->start_mark, "too many values");
        return false;
    }
    return true;
}

/* false: the document is not to be built. */
static bool check_events(struct config_document *document)
{
    yaml_parser_t parser;
    bool good = true, ended = false;
    int n_documents = 0, depth = 0, n_values = 0;

    if (!start_parser(document, &parser))
        return false;
    while (good && !ended) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            syntax_problem(document, &parser);
            good = false;
            break;
        }
        ended = event.type == YAML_STREAM_END_EVENT;
        good = check_event(document, &event, &n_documents, &depth, &n_values);
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    return good;
}

const char *config_scalar_text(const yaml_node_t *node)
{
    if (node->type != YAML_SCALAR_NODE ||
        strlen((const char *)node->data.scalar.value) != node->data.scalar.length)
        return NULL;
    return (const char *)node->data.scalar.value;
}

bool config_is_plain(const yaml_node_t *node)
{
    return node->type == YAML_SCALAR_NODE && node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

bool config_is_empty(const yaml_node_t *node)
{
    return config_is_plain(node) && node->data.scalar.length == 0;
}

const char *config_key_text(struct config_document *document, const yaml_node_t *node)
{
    const char *key = config_scalar_text(node);

    if (key == NULL)
        config_problem_at(document, node->start_mark, "a key must be a word");
    return key;
}

void config_given_twice(struct config_document *document, const yaml_node_t *key,
                        int first_line)
{
    char what[160];

    snprintf(what, sizeof what, "\"%.64s\" is given twice (first on line %d)",
             config_scalar_text(key), first_line);
    config_problem_at(document, key->start_mark, what);
}

bool config_document_open(struct config_document *document)
{
    yaml_parser_t parser;

    if (document->n_bytes > CONFIG_FILE_BYTES_MAX) {
        config_problem(&document->problems, 0, 0, "larger than 1 MiB");
        return false;
    }
    if (!check_bytes(document) || !check_events(document) || !start_parser(document, &parser))
        return false;
    bool good = yaml_parser_load(&parser, &document->yaml) != 0;
    if (!good)
        syntax_problem(document, &parser);
    yaml_parser_delete(&parser);
    return good;
}

void config_document_close(struct config_document *document)
{
    yaml_document_delete(&document->yaml);
}

static int by_place(const void *a, const void *b)
{
    const struct config_error *left = a, *right = b;

    if (left->line != right->line)
        return left->line < right->line ? -1 : 1;
    return (left->column > right->column) - (left->column < right->column);
}

size_t config_document_problems(struct config_document *document)
{
    struct config_problems *problems = &document->problems;
    size_t n_kept = problems->count < problems->room ? problems->count : problems->room;

    if (n_kept > 1)
        qsort(problems->errors, n_kept, sizeof *problems->errors, by_place);
    return problems->count;
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

char *config_read_file(const char *path, bool named, struct config_problems *problems,
                       size_t *n_bytes)
{
    struct stat status;
    char *bytes = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | (named ? 0 : O_NONBLOCK));

    if (fd < 0) {
        if (named || (errno != ENOENT && errno != ENOTDIR))
            config_problem(problems, 0, 0, "%s", strerror(errno));
        return NULL;
    }
    if (!named && (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))) {
        config_problem(problems, 0, 0, "not a regular file");
    } else if ((bytes = malloc(CONFIG_FILE_BYTES_MAX + 1)) == NULL) {
        config_problem(problems, 0, 0, "out of memory");
    } else if (!read_all(fd, bytes, n_bytes)) {
        config_problem(problems, 0, 0, "%s", strerror(errno));
        free(bytes);
        bytes = NULL;
    }
    close(fd);
    return bytes;
}
