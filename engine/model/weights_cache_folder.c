/*
 * weights_cache_folder.c - the files of the cache: a list of them, and removing
 */
#include "engine/weights_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "engine/file/checked.h"
#include "engine/model/weights_cache_file.h"

static bool ends_with(const char *name, const char *suffix)
{
    const size_t n = strlen(name), n_suffix = strlen(suffix);

    return n > n_suffix && strcmp(name + n - n_suffix, suffix) == 0;
}

/* false: not a file of the cache. */
static bool describe(int folder, const char *name, struct cached_weights *entry)
{
    const bool partial = ends_with(name, PARTIAL_SUFFIX);
    struct cache_head head = {.model = ""};
    struct stat status;
    int descriptor;

    if ((!partial && !ends_with(name, CACHE_SUFFIX)) || strlen(name) >= sizeof entry->file ||
        fstatat(folder, name, &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
        return false;
    *entry = (struct cached_weights){.n_bytes = (uint64_t)status.st_size,
                                     .used = (int64_t)status.st_mtim.tv_sec,
                                     .partial = partial};
    snprintf(entry->file, sizeof entry->file, "%s", name);
    descriptor = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (descriptor >= 0) {
        if (pread(descriptor, &head, sizeof head, 0) == (ssize_t)sizeof head &&
            memcmp(head.magic, cache_magic, sizeof head.magic) == 0)
            memcpy(entry->model, head.model, sizeof head.model);
        close(descriptor);
    }
    return true;
}

static int last_used_first(const void *a, const void *b)
{
    const struct cached_weights *x = a, *y = b;

    return (x->used < y->used) - (x->used > y->used);
}

size_t cached_weights_list(const char *folder, struct cached_weights **entries, size_t limit)
{
    DIR *directory = opendir(folder);
    const struct dirent *found;
    size_t n = 0;

    *entries = directory ? checked_allocate_zeroed(limit, sizeof **entries) : NULL;
    while (*entries && n < limit && (found = readdir(directory)) != NULL)
        n += describe(dirfd(directory), found->d_name, &(*entries)[n]);
    if (directory)
        closedir(directory);
    if (n > 0)
        qsort(*entries, n, sizeof **entries, last_used_first);
    return n;
}

/* A writer holds a lock on its file; see take_partial(). */
static bool is_being_written(int folder, const char *name)
{
    const int descriptor = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    const bool locked = descriptor >= 0 && flock(descriptor, LOCK_EX | LOCK_NB) != 0;

    if (descriptor >= 0)
        close(descriptor);
    return locked;
}

bool cached_weights_remove(const char *folder, const struct cached_weights *entry)
{
    const int descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool removed = false;

    if (descriptor < 0)
        return errno == ENOENT;
    if (!entry->partial || !is_being_written(descriptor, entry->file))
        removed = unlinkat(descriptor, entry->file, 0) == 0 || errno == ENOENT;
    close(descriptor);
    return removed;
}
