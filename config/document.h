/*
 * document.h - one YAML document, read strictly, whatever its schema
 *
 * At most 1 MiB of well-formed UTF-8 without NUL; one document without anchors, aliases and tags;
 * depth and number of values bounded.
 *
 * Thread: one thread.
 */
#ifndef CONFIG_DOCUMENT_H
#define CONFIG_DOCUMENT_H

#include <yaml.h>

#include "config/internal.h"

struct config_document {
    struct config_problems problems;
    const char *bytes; /* borrowed */
    size_t n_bytes;
    yaml_document_t yaml;
};

/*
 * Read document->bytes; problems may be added in any case.  true: document->yaml is there, and
 * config_document_close() frees it.
 */
bool config_document_open(struct config_document *document);
void config_document_close(struct config_document *document);
/* The number of problems; those that are kept are put in the order of their places. */
size_t config_document_problems(struct config_document *document);

void config_problem_at(struct config_document *document, yaml_mark_t mark, const char *what);
/* The problem of a key that stands there already. */
void config_given_twice(struct config_document *document, const yaml_node_t *key,
                        int first_line);

/* The text of a scalar; NULL: no scalar, or it holds a NUL. */
const char *config_scalar_text(const yaml_node_t *node);
/* Without quotes. */
bool config_is_plain(const yaml_node_t *node);
/* Nothing where a value could stand. */
bool config_is_empty(const yaml_node_t *node);
/* The key of a pair as text; NULL with the problem noted. */
const char *config_key_text(struct config_document *document, const yaml_node_t *node);

/*
 * All bytes of a file; NULL with a problem, or without one where a file that is not `named` is not
 * there.  A named file may be anything that can be read; another one only a regular file.
 */
char *config_read_file(const char *path, bool named, struct config_problems *problems,
                       size_t *n_bytes);

#endif
