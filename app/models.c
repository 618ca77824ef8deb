/*
 * models.c - looking for model files, read only and bounded
 */
#include "app/models.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "app/builtin_model.h"
#include "app/gguf_peek.h"
#include "app/text_buffer.h"
#include "config/config.h"

enum {
    DEPTH_MAX = 6,
    ENTRIES_MAX = 20000, /* directory entries, over all places: a search must end soon */
    MANIFEST_BYTES_MAX = 1 << 20
};

struct search {
    struct found_model *models; /* owned */
    uint64_t (*files)[2];       /* owned: device and inode of each, so that none comes twice */
    size_t n_models, limit;
    size_t n_entries;
    const char *origin; /* of the place that is being searched */
    bool built_in;      /* what is found there came with banter */
};

static bool ends_with(const char *text, const char *end)
{
    size_t n_text = strlen(text), n_end = strlen(end);

    return n_text >= n_end && strcmp(text + n_text - n_end, end) == 0;
}

/* "name-00002-of-00005.gguf": part and number of parts; false: not split. */
static bool split_parts(const char *name, unsigned *part, unsigned *n_parts)
{
    size_t n = strlen(name);
    int used = 0;

    return n > 20 && sscanf(name + n - 20, "-%5u-of-%5u.gguf%n", part, n_parts, &used) == 2 &&
           used == 20;
}

/* Add the file unless it is there already; name: what a person calls it, NULL: by the file. */
static void add_file(struct search *search, const char *path, const char *name)
{
    const char *file_name = strrchr(path, '/') != NULL ? strrchr(path, '/') + 1 : path;
    struct gguf_peek peek;
    unsigned part = 1, n_parts = 1;

    if (search->n_models >= search->limit || !gguf_peek(path, &peek))
        return;
    if (strcmp(peek.architecture, "clip") == 0 || strncmp(file_name, "mmproj", 6) == 0)
        return; /* the eye of a model, not a model */
    if (split_parts(file_name, &part, &n_parts) && part != 1)
        return;
    for (size_t i = 0; i < search->n_models; i++) {
        if (search->files[i][0] == peek.device && search->files[i][1] == peek.inode)
            return;
    }
    size_t n = search->n_models++;
    search->models = app_resize(search->models, n + 1, sizeof *search->models);
    search->files = app_resize(search->files, n + 1, sizeof *search->files);
    search->files[n][0] = peek.device;
    search->files[n][1] = peek.inode;
    struct found_model *model = &search->models[n];
    *model = (struct found_model){.path = app_copy(path, strlen(path)),
                                  .origin = search->origin,
                                  .built_in = search->built_in,
                                  .n_bytes = peek.n_bytes,
                                  .n_parts = n_parts};
    snprintf(model->name, sizeof model->name, "%.127s",
             name != NULL ? name : (peek.name[0] != '\0' ? peek.name : file_name));
    snprintf(model->architecture, sizeof model->architecture, "%s", peek.architecture);
    snprintf(model->quantisation, sizeof model->quantisation, "%s", peek.quantisation);
    snprintf(model->why_not, sizeof model->why_not, "%s", peek.why_not);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_visible(const struct dirent *entry)
{
    return entry->d_name[0] != '.';
}

typedef void (*file_visitor)(struct search *search, const char *path);

/* Visit the files of a folder and of those in it, by name; a link to a folder is not followed. */
static void walk(struct search *search, const char *folder, int depth, file_visitor visit)
{
    struct dirent **entries = NULL;
    int n = scandir(folder, &entries, is_visible, by_name);

    for (int i = 0; i < n; i++) {
        struct text_buffer path = {0};
        struct stat status;

        text_printf(&path, "%s/%s", folder, entries[i]->d_name);
        free(entries[i]);
        if (search->n_entries++ < ENTRIES_MAX && lstat(path.bytes, &status) == 0) {
            if (S_ISDIR(status.st_mode) && depth > 0)
                walk(search, path.bytes, depth - 1, visit);
            else if (S_ISREG(status.st_mode) || S_ISLNK(status.st_mode))
                visit(search, path.bytes);
        }
        text_release(&path);
    }
    free(entries);
}

static void visit_gguf(struct search *search, const char *path)
{
    if (ends_with(path, ".gguf"))
        add_file(search, path, NULL);
}

static void search_folder(struct search *search, const char *origin, const char *folder,
                          int depth)
{
    search->origin = origin;
    walk(search, folder, depth, visit_gguf);
}

/* base/rest, where base comes from a variable or, with a NULL, from the home folder. */
static void search_under(struct search *search, const char *origin, const char *base,
                         const char *rest)
{
    char folder[4096];

    if (base == NULL || base[0] != '/')
        return;
    int n = snprintf(folder, sizeof folder, "%s%s", base, rest);
    if (n > 0 && (size_t)n < sizeof folder)
        search_folder(search, origin, folder, DEPTH_MAX);
}

/* ollama keeps files by digest; its manifests, JSON, say which digest is the model. */

/* A digest as it stands in a manifest to the name of its file; false: it is none. */
static bool blob_name(const char *digest, char *name, size_t room)
{
    if (strncmp(digest, "sha256:", 7) != 0 || strlen(digest) != 71 ||
        digest[7 + strspn(digest + 7, "0123456789abcdef")] != '\0')
        return false;
    snprintf(name, room, "sha256-%s", digest + 7);
    return true;
}

/* ".../manifests/REGISTRY/library/NAME/TAG" to "NAME:TAG". */
static void ollama_name(const char *manifest, char *name, size_t room)
{
    const char *tag = strrchr(manifest, '/');
    const char *start = tag;

    while (start > manifest && start[-1] != '/')
        start--;
    snprintf(name, room, "%.*s:%s", (int)(tag - start), start, tag + 1);
}

static void visit_manifest(struct search *search, const char *path)
{
    const char *manifests = strstr(path, "/manifests/");
    struct stat status;
    size_t index;
    json_t *layer;

    if (manifests == NULL || stat(path, &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_size > MANIFEST_BYTES_MAX)
        return;
    json_t *manifest = json_load_file(path, 0, NULL);
    json_array_foreach(json_object_get(manifest, "layers"), index, layer)
    {
        const char *type = json_string_value(json_object_get(layer, "mediaType"));
        const char *digest = json_string_value(json_object_get(layer, "digest"));
        char blob[80], name[128];
        struct text_buffer file = {0};

        if (type == NULL || digest == NULL ||
            strcmp(type, "application/vnd.ollama.image.model") != 0 ||
            !blob_name(digest, blob, sizeof blob))
            continue;
        ollama_name(path, name, sizeof name);
        text_printf(&file, "%.*s/blobs/%s", (int)(manifests - path), path, blob);
        add_file(search, file.bytes, name);
        text_release(&file);
    }
    json_decref(manifest);
}

static void search_ollama(struct search *search, const char *base, const char *rest)
{
    char folder[4096];

    if (base == NULL || base[0] != '/')
        return;
    int n = snprintf(folder, sizeof folder, "%s%s/manifests", base, rest);
    search->origin = "ollama";
    if (n > 0 && (size_t)n < sizeof folder)
        walk(search, folder, DEPTH_MAX, visit_manifest);
}

static void search_listed(struct search *search, const char *list)
{
    while (list != NULL && *list != '\0') {
        size_t n = strcspn(list, ":");
        char *folder = app_copy(list, n);

        if (n > 0)
            search_folder(search, "BANTER_MODELS", folder, DEPTH_MAX);
        free(folder);
        list += n + (list[n] == ':');
    }
}

/* First, so that a folder that holds them too does not claim them. */
static void search_built_in(struct search *search)
{
    search->origin = "built in";
    search->built_in = true;
    for (int i = 0; i < BUILTIN_MODEL_COUNT; i++) {
        const char *path = builtin_model_path((enum builtin_model)i);

        if (path != NULL)
            add_file(search, path, builtin_model_name((enum builtin_model)i));
    }
    search->built_in = false;
}

size_t models_find(struct found_model **models, size_t limit)
{
    struct search search = {.limit = limit};
    const char *home = getenv("HOME");
    char own[4096];

    search_built_in(&search);
    search_listed(&search, getenv("BANTER_MODELS"));
    search_folder(&search, "this folder", ".", 0);
    if (config_folder_data(own, sizeof own))
        search_under(&search, "banter", own, "/models");
    search_under(&search, "banter", BANTER_DATADIR, "/models");
    search_under(&search, "Hugging Face", getenv("HF_HUB_CACHE"), "");
    search_under(&search, "Hugging Face", getenv("HUGGINGFACE_HUB_CACHE"), "");
    search_under(&search, "Hugging Face", getenv("HF_HOME"), "/hub");
    search_under(&search, "Hugging Face", home, "/.cache/huggingface/hub");
    search_under(&search, "llama.cpp", getenv("LLAMA_CACHE"), "");
    search_under(&search, "llama.cpp", home, "/.cache/llama.cpp");
    search_under(&search, "LM Studio", home, "/.lmstudio/models");
    search_under(&search, "LM Studio", home, "/.cache/lm-studio/models");
    search_ollama(&search, getenv("OLLAMA_MODELS"), "");
    search_ollama(&search, home, "/.ollama/models");
    search_ollama(&search, "/usr/share/ollama", "/.ollama/models");
    free(search.files);
    *models = search.models;
    return search.n_models;
}

void models_free(struct found_model **models, size_t n_models)
{
    for (size_t i = 0; i < n_models; i++)
        free((*models)[i].path);
    free(*models);
    *models = NULL;
}
