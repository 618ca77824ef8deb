/*
 * weights_cache.h - the folder of packed weights, for a listing and to clear it
 *
 * Any thread; other processes may use the folder at the same time.
 */
#ifndef ENGINE_WEIGHTS_CACHE_H
#define ENGINE_WEIGHTS_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cached_weights {
    char file[40];  /* its name in the folder */
    char model[65]; /* name of the model file; raw text (filter before showing) */
    uint64_t n_bytes;
    int64_t used; /* seconds since 1970: when it was written or mapped last */
    bool partial; /* it is being written, or was when its writer was killed */
};

/*
 * Up to `limit` files of the folder, the last used first; *entries is freed with free().  No folder
 * is an empty one.
 */
size_t cached_weights_list(const char *folder, struct cached_weights **entries, size_t limit);
/*
 * Remove one file of a list; one that a process writes at the moment stays.  A process that has
 * mapped it goes on with it.  false: it is still there.
 */
bool cached_weights_remove(const char *folder, const struct cached_weights *entry);

#endif
