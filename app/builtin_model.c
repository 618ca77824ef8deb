/*
 * builtin_model.c - the small model that comes with banter, and which model the settings choose
 */
#include "app/builtin_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/config.h"

enum { PATH_ROOM = 4096 };

static const char *const names[BUILTIN_MODEL_COUNT] = {"guide", "guide-draft"};

const char *builtin_model_name(enum builtin_model which)
{
    return names[which];
}

/* Anything but a folder: a pipe or a device is the engine's to judge. */
static bool is_file(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

bool program_folder(char *folder, size_t n_bytes)
{
    ssize_t n = readlink("/proc/self/exe", folder, n_bytes);

    if (n <= 0 || (size_t)n >= n_bytes)
        return false;
    folder[n] = '\0';
    char *slash = strrchr(folder, '/');
    if (slash == NULL)
        return false;
    *slash = '\0';
    return true;
}

/* folder, between and the model's file in one path; is it there? */
static bool found_at(const char *folder, const char *between, enum builtin_model which,
                     char *path)
{
    int n = snprintf(path, PATH_ROOM, "%s%s/%s.gguf", folder, between, names[which]);

    return n > 0 && n < PATH_ROOM && is_file(path);
}

/* BANTER_GUIDE names the model itself; its draft lies beside it. */
static bool beside_given(const char *given, enum builtin_model which, char *path)
{
    const char *slash = strrchr(given, '/');
    int n_folder = slash != NULL ? (int)(slash - given) + 1 : 0;
    int n;

    if (given[0] == '\0')
        return false;
    if (which == BUILTIN_GUIDE)
        n = snprintf(path, PATH_ROOM, "%s", given);
    else
        n = snprintf(path, PATH_ROOM, "%.*s%s.gguf", n_folder, given, names[which]);
    return n > 0 && n < PATH_ROOM && (which == BUILTIN_GUIDE || is_file(path));
}

static bool find(enum builtin_model which, char *path)
{
    const char *given = getenv("BANTER_GUIDE");
    char folder[PATH_ROOM];

    if (given != NULL)
        return beside_given(given, which, path);
    if (program_folder(folder, sizeof folder) &&
        (found_at(folder, "/../../config/models", which, path) || /* build/NAME/banter */
         found_at(folder, "/../share/banter/models", which, path)))
        return true;
    return found_at(BANTER_DATADIR, "/models", which, path);
}

/* The way back through "..", which a person should not have to read. */
static void straighten(char *path)
{
    char *straight = realpath(path, NULL);

    if (straight != NULL)
        snprintf(path, PATH_ROOM, "%s", straight);
    free(straight);
}

const char *builtin_model_path(enum builtin_model which)
{
    static struct {
        bool looked, found;
        char path[PATH_ROOM];
    } kept[BUILTIN_MODEL_COUNT];

    if (!kept[which].looked) {
        kept[which].looked = true;
        kept[which].found = find(which, kept[which].path);
        if (kept[which].found && getenv("BANTER_GUIDE") == NULL)
            straighten(kept[which].path);
    }
    return kept[which].found ? kept[which].path : NULL;
}

/* The file of the built-in model of that name; NULL: the name means something else. */
static const char *path_of_name(const char *name)
{
    for (int i = 0; i < BUILTIN_MODEL_COUNT; i++) {
        if (strcmp(name, names[i]) == 0)
            return builtin_model_path((enum builtin_model)i);
    }
    return NULL;
}

const char *builtin_model_named(const char *name)
{
    const char *path = !is_file(name) ? path_of_name(name) : NULL;

    return path != NULL ? path : name;
}

/* The setting as it was written: a path in a file got the folder of that file before it. */
static const char *as_written(const struct config_store *store, const char *key,
                              const char *model)
{
    struct config_origin origin = config_origin(store, config_find(key));
    const char *slash = origin.kind == CONFIG_FILE ? strrchr(origin.path, '/') : NULL;
    size_t n_folder = slash != NULL ? (size_t)(slash - origin.path) + 1 : 0;

    if (n_folder == 0 || strncmp(model, origin.path, n_folder) != 0)
        return model;
    return model + n_folder;
}

struct model_choice model_choice(const struct config_store *store)
{
    const char *model = config_values(store)->model;
    const char *built_in;

    if (model == NULL) {
        built_in = builtin_model_path(BUILTIN_GUIDE);
        return (struct model_choice){.path = built_in, .is_built_in = built_in != NULL};
    }
    built_in = !is_file(model) ? path_of_name(as_written(store, "model", model)) : NULL;
    return (struct model_choice){
        .path = built_in != NULL ? built_in : model,
        .named = true,
        .is_built_in = built_in != NULL,
    };
}

const char *draft_choice(const struct config_store *store)
{
    const char *draft = config_values(store)->draft_model;
    const char *built_in = NULL;

    if (draft != NULL && !is_file(draft))
        built_in = path_of_name(as_written(store, "draft_model", draft));
    return built_in != NULL ? built_in : draft;
}
