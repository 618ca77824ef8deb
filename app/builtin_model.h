/*
 * builtin_model.h - the small model that comes with banter, and which model the settings choose
 *
 * "guide" answers when no other model is named; "guide-draft" is its draft.  Their files are looked
 * for where BANTER_GUIDE says, beside the source tree that the program was built in, and where
 * `make install` puts them.
 *
 * Thread: the main thread (paths are kept in memory of this file).
 */
#ifndef APP_BUILTIN_MODEL_H
#define APP_BUILTIN_MODEL_H

#include <stdbool.h>
#include <stddef.h>

enum builtin_model { BUILTIN_GUIDE, BUILTIN_GUIDE_DRAFT, BUILTIN_MODEL_COUNT };

/* "guide", "guide-draft". */
const char *builtin_model_name(enum builtin_model which);
/*
 * The path of its file, to the end of the program; NULL: there is none.  The path in BANTER_GUIDE is
 * not tried: a file that somebody named and that is missing is an error where it is opened.
 */
const char *builtin_model_path(enum builtin_model which);
/*
 * What a person calls a model, to a path: the name of a built-in model stands for its file, unless
 * a file of that name is there.  Anything else is returned as it is.
 */
const char *builtin_model_named(const char *name);

struct config_store;

struct model_choice {
    const char *path; /* lives until the setting changes; NULL: there is no model to open */
    bool named;       /* a setting names it; otherwise the built-in model stands in */
    bool is_built_in; /* it is one of ours, named or not */
};

/* The model of the settings; where they name none, guide. */
struct model_choice model_choice(const struct config_store *store);
/* The path that the setting draft_model names, a built-in model by its name; NULL: it names none. */
const char *draft_choice(const struct config_store *store);

/* The folder of the running program, without a slash at the end; false: it cannot be found. */
bool program_folder(char *folder, size_t n_bytes);

#endif
