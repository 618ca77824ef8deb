/*
 * policies.h - decode policies by name: found, read, listed; and the draft model that goes with them
 *
 * A policy is a YAML file NAME.yaml in one of the folders of policies_folder(), the first that has
 * it; the five kinds of engine/policy.h have their names and defaults without a file too.
 *
 * Thread: the main thread.
 */
#ifndef APP_POLICIES_H
#define APP_POLICIES_H

#include <stdbool.h>
#include <stddef.h>

#include "config/config.h"
#include "engine/policy.h"

enum { POLICY_NAME_ROOM = 64, POLICY_PATH_ROOM = 4096, POLICY_DESCRIPTION_ROOM = 160 };

struct policy_file {
    char name[POLICY_NAME_ROOM];               /* "careful" */
    char path[POLICY_PATH_ROOM];               /* "": one of the kinds, without a file */
    char description[POLICY_DESCRIPTION_ROOM]; /* one line, of the file: unfiltered; "": none */
    struct policy_settings settings;
};

/*
 * Where files are looked for, the most important folder first; false: no such index.  The user's,
 * the system's, then beside the program and where `make install` puts the shipped ones.
 */
bool policies_folder(size_t index, char *folder, size_t n_bytes);
/*
 * Name and path of a policy that a person names, without its contents: a name with a slash or with
 * .yaml at its end is the path of a file.  false: *error says what is wrong, with the name that is
 * probably meant; *out is untouched then.
 */
bool policies_find(const char *name, struct policy_file *out, struct config_error *error);
/*
 * Read the file at file->path (with "": the defaults of the kind file->name).  Returns the number
 * of problems, the first `room` of them in errors; with any, description and settings are untouched.
 */
size_t policies_load(struct policy_file *file, struct config_error *errors, size_t room);
/* The same for a file in memory. */
size_t policies_load_memory(struct policy_file *file, const char *bytes, size_t n_bytes,
                            struct config_error *errors, size_t room);
/* Find and load; false: *error holds the first problem, and *out is untouched. */
bool policies_read(const char *name, struct policy_file *out, struct config_error *error);

/* A policy that could be named; one whose file is wrong is listed with its first problem. */
struct policy_entry {
    struct policy_file file;
    bool good;                 /* settings are there */
    struct config_error error; /* without good */
};
/* All of them, the kinds first, then by name; *n_entries is at least their number.  Free it. */
struct policy_entry *policies_list(size_t *n_entries);
void policies_list_free(struct policy_entry **entries); /* NULL is allowed */

/*
 * The draft model of the settings: draft_model, where "guide-draft" names the built-in one; without
 * it the built-in draft for the built-in model.  NULL: none.  Lives until the setting changes.
 */
const char *policies_draft(const struct config_store *store);

#endif
