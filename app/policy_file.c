/*
 * policy_file.c - the text of a decode policy's file, key by key
 *
 * "kind" comes first, because it sets the defaults of all others.  A file with any problem changes
 * nothing.
 */
#include <stdio.h>
#include <string.h>

#include "app/policies.h"

enum { KEYS_MAX = 64 };

/* One file on its way into settings. */
struct reading {
    struct policy_settings settings;
    bool has_kind, complete; /* complete: no key was refused */
    char description[POLICY_DESCRIPTION_ROOM];
    struct {
        int line, column;
    } places[KEYS_MAX]; /* by the order of policy_keys(); line 0: not in the file */
};

/* Index in policy_keys(); KEYS_MAX: no such key. */
static size_t index_of(const char *name, size_t n_name)
{
    size_t n_keys;
    const struct policy_key *keys = policy_keys(&n_keys);

    for (size_t i = 0; i < n_keys && i < KEYS_MAX; i++) {
        if (strlen(keys[i].name) == n_name && memcmp(keys[i].name, name, n_name) == 0)
            return i;
    }
    return KEYS_MAX;
}

/* A key of another place, "gamma" for "ngram.gamma"; NULL: none or several. */
static const char *whole_name(const char *last)
{
    size_t n_keys;
    const struct policy_key *keys = policy_keys(&n_keys);
    const char *found = NULL;

    for (size_t i = 0; i < n_keys; i++) {
        const char *dot = strchr(keys[i].name, '.');

        if (dot == NULL || strcmp(dot + 1, last) != 0)
            continue;
        if (found != NULL)
            return NULL;
        found = keys[i].name;
    }
    return found;
}

static enum config_visit unknown_key(const char *key, char *what, size_t n_bytes)
{
    const char *names[KEYS_MAX + 1];
    size_t n_keys, n_names = 0;
    const struct policy_key *keys = policy_keys(&n_keys);
    const char *dot = strchr(key, '.');
    const char *meant = whole_name(dot != NULL ? dot + 1 : key);

    names[n_names++] = "description";
    for (size_t i = 0; i < n_keys && i < KEYS_MAX; i++)
        names[n_names++] = keys[i].name;
    if (meant == NULL)
        meant = config_suggest(key, names, n_names);
    if (meant != NULL)
        snprintf(what, n_bytes, "unknown key \"%.64s\" (did you mean \"%s\"?)", key, meant);
    else
        snprintf(what, n_bytes, "unknown key \"%.64s\"", key);
    return CONFIG_WRONG_KEY;
}

static enum config_visit take_description(struct reading *reading, const char *value,
                                          char *what, size_t n_bytes)
{
    size_t n = strlen(value);

    if (n >= sizeof reading->description || strchr(value, '\n') != NULL) {
        snprintf(what, n_bytes, "\"description\" must be one line of at most %zu bytes",
                 sizeof reading->description - 1);
        return CONFIG_WRONG_VALUE;
    }
    memcpy(reading->description, value, n + 1);
    return CONFIG_TAKEN;
}

static enum config_visit visit(void *context, const char *key, const char *value, int line,
                               int column, char *what, size_t n_bytes)
{
    struct reading *reading = context;
    struct error error = {0};
    bool is_kind = strcmp(key, "kind") == 0;

    if (strcmp(key, "description") == 0)
        return take_description(reading, value, what, n_bytes);
    size_t index = index_of(key, strlen(key));
    if (index == KEYS_MAX)
        return unknown_key(key, what, n_bytes);
    if (!is_kind && !reading->has_kind && reading->complete) {
        /* Told once: the keys behind it would say the same. */
        reading->complete = false;
        snprintf(what, n_bytes, "\"kind\" must come before \"%.64s\"", key);
        return CONFIG_WRONG_KEY;
    }
    reading->places[index].line = line;
    reading->places[index].column = column;
    if (policy_set_key(&reading->settings, key, value, &error) != STATUS_OK) {
        reading->complete = false;
        snprintf(what, n_bytes, "%s", error.what);
        return CONFIG_WRONG_VALUE;
    }
    reading->has_kind = reading->has_kind || is_kind;
    return CONFIG_TAKEN;
}

/* Add a problem behind those that are there. */
static void add_problem(struct config_error *errors, size_t room, size_t *count,
                        const char *path, int line, int column, const char *what)
{
    if (*count < room) {
        struct config_error *error = &errors[*count];

        *error = (struct config_error){.line = line, .column = column};
        snprintf(error->path, sizeof error->path, "%s", path);
        snprintf(error->what, sizeof error->what, "%s", what);
    }
    ++*count;
}

/* What only all keys together show; its place is that of the key that the message begins with. */
static void check_whole(const struct reading *reading, const char *path,
                        struct config_error *errors, size_t room, size_t *count)
{
    struct error error = {0};

    if (*count > 0)
        return;
    if (!reading->has_kind) {
        add_problem(errors, room, count, path, 1, 1,
                    "\"kind\" is missing: greedy, ngram, speculative, mtp or auto");
        return;
    }
    if (policy_check(&reading->settings, &error) == STATUS_OK)
        return;
    size_t index = index_of(error.what, strcspn(error.what, ":"));
    size_t kind = index_of("kind", 4);
    if (index == KEYS_MAX || reading->places[index].line == 0)
        index = kind;
    add_problem(errors, room, count, path, reading->places[index].line,
                reading->places[index].column, error.what);
}

static size_t finish(struct policy_file *file, const struct reading *reading,
                     struct config_error *errors, size_t room, size_t count)
{
    check_whole(reading, file->path, errors, room, &count);
    if (count == 0) {
        file->settings = reading->settings;
        memcpy(file->description, reading->description, sizeof file->description);
    }
    return count;
}

/* A kind that has no file of its name. */
static bool take_kind(struct policy_file *file)
{
    for (int kind = 0; kind < POLICY_KIND_COUNT; kind++) {
        if (strcmp(file->name, policy_kind_name((enum policy_kind)kind)) != 0)
            continue;
        file->settings = policy_defaults((enum policy_kind)kind);
        snprintf(file->description, sizeof file->description, "%s", "built in");
        return true;
    }
    return false;
}

size_t policies_load(struct policy_file *file, struct config_error *errors, size_t room)
{
    struct reading reading = {.complete = true};
    const struct config_visitor visitor = {.visit = visit, .context = &reading};
    size_t count = 0;

    if (file->path[0] == '\0') {
        if (!take_kind(file))
            add_problem(errors, room, &count, "", 0, 0, "a policy without a file is a kind");
        return count;
    }
    count = config_read_mapping(file->path, &visitor, errors, room);
    return finish(file, &reading, errors, room, count);
}

size_t policies_load_memory(struct policy_file *file, const char *bytes, size_t n_bytes,
                            struct config_error *errors, size_t room)
{
    struct reading reading = {.complete = true};
    const struct config_visitor visitor = {.visit = visit, .context = &reading};
    size_t count =
        config_read_mapping_memory(file->path, bytes, n_bytes, &visitor, errors, room);

    return finish(file, &reading, errors, room, count);
}
