/*
 * policies.c - where decode policies lie, and which draft goes with a model
 */
#include "app/policies.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "app/builtin_model.h"
#include "app/text_buffer.h"

enum { NAMES_MAX = 1000 }; /* of a listing */

static const char suffix[] = ".yaml";

/* Names of policies as they are collected; each once. */
struct names {
    char (*list)[POLICY_NAME_ROOM]; /* owned */
    size_t count;
};

static bool fits(int n, size_t n_bytes)
{
    return n > 0 && (size_t)n < n_bytes;
}

/* The folder beside a configuration file, counted from the most important one. */
static bool folder_of_settings(size_t index, char *folder, size_t n_bytes)
{
    static const char file[] = "config.yaml", folder_name[] = "policies";
    size_t n_files = 0;

    /* Where there is no home folder the last index fails: the others count all the same. */
    while (config_file_path(n_files, folder, n_bytes))
        n_files++;
    if (index >= n_files || !config_file_path(n_files - 1 - index, folder, n_bytes))
        return false;
    _Static_assert(sizeof folder_name <= sizeof file, "it takes the place of the other");
    memcpy(folder + strlen(folder) - (sizeof file - 1), folder_name, sizeof folder_name);
    return true;
}

bool policies_folder(size_t index, char *folder, size_t n_bytes)
{
    static const char *const beside[] = {"/../../config/policies", "/../share/banter/policies"};
    char own[POLICY_PATH_ROOM], settings[POLICY_PATH_ROOM];
    size_t n_settings = 0;

    if (folder_of_settings(index, folder, n_bytes))
        return true;
    while (folder_of_settings(n_settings, settings, sizeof settings))
        n_settings++;
    index -= n_settings;
    if (index < 2 && program_folder(own, sizeof own))
        return fits(snprintf(folder, n_bytes, "%s%s", own, beside[index]), n_bytes);
    if (index <= 2) /* a folder that is named twice does no harm */
        return fits(snprintf(folder, n_bytes, "%s/policies", BANTER_DATADIR), n_bytes);
    return false;
}

static bool is_file(const char *path)
{
    struct stat status;

    return stat(path, &status) == 0 && !S_ISDIR(status.st_mode);
}

/* A name that can be that of a file in a folder and of nothing else. */
static bool is_name(const char *name)
{
    size_t n = strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            "-_+.");

    return n > 0 && name[n] == '\0' && n < POLICY_NAME_ROOM && name[0] != '.';
}

static bool has_suffix(const char *name)
{
    size_t n = strlen(name), n_suffix = sizeof suffix - 1;

    return n > n_suffix && strcmp(name + n - n_suffix, suffix) == 0;
}

static bool is_kind(const char *name)
{
    for (int kind = 0; kind < POLICY_KIND_COUNT; kind++) {
        if (strcmp(name, policy_kind_name((enum policy_kind)kind)) == 0)
            return true;
    }
    return false;
}

static void add_name(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->count; i++) {
        if (strcmp(names->list[i], name) == 0)
            return;
    }
    if (names->count == NAMES_MAX)
        return;
    names->list = app_resize(names->list, names->count + 1, sizeof *names->list);
    snprintf(names->list[names->count++], POLICY_NAME_ROOM, "%s", name);
}

static void add_names_of(struct names *names, const char *folder)
{
    DIR *directory = opendir(folder);
    struct dirent *entry;

    while (directory != NULL && (entry = readdir(directory)) != NULL) {
        char name[sizeof entry->d_name];

        if (!has_suffix(entry->d_name))
            continue;
        snprintf(name, sizeof name, "%s", entry->d_name);
        name[strlen(name) - (sizeof suffix - 1)] = '\0';
        if (is_name(name))
            add_name(names, name);
    }
    if (directory != NULL)
        closedir(directory);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* Every name: the kinds in their order, then the others in the order of letters. */
static struct names all_names(void)
{
    struct names names = {0};
    char folder[POLICY_PATH_ROOM];

    for (int kind = 0; kind < POLICY_KIND_COUNT; kind++)
        add_name(&names, policy_kind_name((enum policy_kind)kind));
    for (size_t i = 0; policies_folder(i, folder, sizeof folder); i++)
        add_names_of(&names, folder);
    qsort(names.list[POLICY_KIND_COUNT], names.count - POLICY_KIND_COUNT, sizeof *names.list,
          by_name);
    return names;
}

static bool refuse_name(const char *name, struct config_error *error)
{
    struct names names = all_names();
    const char **list = app_resize(NULL, names.count, sizeof *list);

    for (size_t i = 0; i < names.count; i++)
        list[i] = names.list[i];
    const char *meant = config_suggest(name, list, names.count);
    *error = (struct config_error){0};
    if (meant != NULL)
        snprintf(error->what, sizeof error->what,
                 "no decode policy is called \"%.100s\" (did you mean \"%s\"?)", name, meant);
    else
        snprintf(error->what, sizeof error->what,
                 "no decode policy is called \"%.100s\" (\"banter policy list\" names them)",
                 name);
    free(list);
    free(names.list);
    return false;
}

/* ~/ is the shell's to replace on a command line, and ours in a file. */
static bool find_path(const char *path, struct policy_file *out, struct config_error *error)
{
    const char *home = getenv("HOME"), *slash = strrchr(path, '/');
    bool in_home = strncmp(path, "~/", 2) == 0 && home != NULL;
    int n = snprintf(out->path, sizeof out->path, "%s%s", in_home ? home : "",
                     in_home ? path + 1 : path);

    snprintf(out->name, sizeof out->name, "%s", slash != NULL ? slash + 1 : path);
    if (has_suffix(out->name))
        out->name[strlen(out->name) - (sizeof suffix - 1)] = '\0';
    if (fits(n, sizeof out->path))
        return true;
    *error = (struct config_error){.what = "the path of the policy is too long"};
    return false;
}

bool policies_find(const char *name, struct policy_file *out, struct config_error *error)
{
    struct policy_file found = {0};
    char folder[POLICY_PATH_ROOM];

    if (strchr(name, '/') != NULL || has_suffix(name)) {
        if (!find_path(name, &found, error))
            return false;
        *out = found;
        return true;
    }
    if (!is_name(name))
        return refuse_name(name, error);
    snprintf(found.name, sizeof found.name, "%s", name);
    for (size_t i = 0; policies_folder(i, folder, sizeof folder); i++) {
        int n = snprintf(found.path, sizeof found.path, "%.*s/%s%s",
                         (int)(sizeof found.path - POLICY_NAME_ROOM - 8), folder, name, suffix);

        if (fits(n, sizeof found.path) && is_file(found.path)) {
            char *straight = realpath(found.path, NULL);

            if (straight != NULL && strlen(straight) < sizeof found.path)
                snprintf(found.path, sizeof found.path, "%s", straight);
            free(straight);
            *out = found;
            return true;
        }
    }
    if (!is_kind(name))
        return refuse_name(name, error);
    found.path[0] = '\0';
    *out = found;
    return true;
}

bool policies_read(const char *name, struct policy_file *out, struct config_error *error)
{
    struct policy_file found;

    if (!policies_find(name, &found, error) || policies_load(&found, error, 1) > 0)
        return false;
    *out = found;
    return true;
}

struct policy_entry *policies_list(size_t *n_entries)
{
    struct names names = all_names();
    struct policy_entry *entries = app_resize(NULL, names.count, sizeof *entries);

    *n_entries = 0;
    for (size_t i = 0; i < names.count; i++) {
        struct policy_entry *entry = &entries[*n_entries];

        *entry = (struct policy_entry){0};
        /* A file may have gone meanwhile. */
        if (!policies_find(names.list[i], &entry->file, &entry->error))
            continue;
        entry->good = policies_load(&entry->file, &entry->error, 1) == 0;
        ++*n_entries;
    }
    free(names.list);
    return entries;
}

void policies_list_free(struct policy_entry **entries)
{
    free(*entries);
    *entries = NULL;
}

static bool same_file(const char *a, const char *b)
{
    struct stat left, right;

    return stat(a, &left) == 0 && stat(b, &right) == 0 && left.st_dev == right.st_dev &&
           left.st_ino == right.st_ino;
}

const char *policies_draft(const struct config_store *store)
{
    const char *draft = draft_choice(store);
    const char *model = model_choice(store).path;
    const char *guide = builtin_model_path(BUILTIN_GUIDE);

    if (draft != NULL)
        return draft;
    if (model == NULL || guide == NULL || !same_file(model, guide))
        return NULL;
    return builtin_model_path(BUILTIN_GUIDE_DRAFT);
}
