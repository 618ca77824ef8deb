/*
 * weights_cache_write.c - packed weights to disk, in the background and slowly
 *
 * A first answer must not wait for this: the thread runs when a processor is idle, and pauses after
 * each piece for a multiple of the time that the piece took.  (Priority alone was not enough: steps
 * of a 9B model took 48 % longer while it was written, for memory, disk and host are shared too.)  A piece is given to the disk at once, so that few pages are ever
 * waiting to be written; unless memory lies free, they are dropped when they are, for the same bytes
 * stand in the memory of this process.
 *
 * The file is locked while it is written, and gets its name when it is whole.  So of two processes
 * with the same model one writes; what a killed one left is unlocked, and goes with the next writer.
 */
#include "engine/model/weights_cache_file.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>
#include <xxhash.h>

#include "engine/file/gguf.h"
#include "engine/run/quiet_thread.h"
#include "engine/weights_cache.h"

enum {
    SHORTEST_PAUSE_MILLISECONDS = 8,
    PAUSE_FACTOR = 9, /* the thread is at work a tenth of the time */
    PIECES_ON_THEIR_WAY = 8,
    FILES_MAX = 1000 /* of the cache */
};
static const uint64_t MOST_BYTES = (uint64_t)32 << 30; /* of all files together */

/* Folder and disk --------------------------------------------------------------------------- */

static void make_folders(const char *path)
{
    char *part = strdup(path);

    for (char *slash = part; slash && (slash = strchr(slash + 1, '/')) != NULL; *slash = '/') {
        *slash = '\0';
        mkdir(part, 0700);
    }
    if (part)
        mkdir(part, 0700);
    free(part);
}

/* Keep twice the size free, whatever else the person needs the disk for. */
static bool has_room(const struct weights_cache *cache)
{
    struct statvfs disk;

    return cache->mode == WEIGHTS_CACHE_ON ||
           (statvfs(cache->folder, &disk) == 0 && disk.f_frsize > 0 &&
            cache->file_bytes <= (uint64_t)disk.f_bavail / 3 * (uint64_t)disk.f_frsize);
}

/* What killed writers left, and the least recently used files, until the new one fits. */
static bool sweep(const struct weights_cache *cache)
{
    const char *own = strrchr(cache->path, '/') + 1;
    struct cached_weights *entries;
    const size_t n = cached_weights_list(cache->folder, &entries, FILES_MAX);
    uint64_t total = cache->file_bytes;

    for (size_t i = 0; i < n; i++) {
        if (strcmp(entries[i].file, own) == 0)
            continue; /* it is replaced */
        total += entries[i].n_bytes;
        if ((entries[i].partial || total > MOST_BYTES) &&
            cached_weights_remove(cache->folder, &entries[i]))
            total -= entries[i].n_bytes;
    }
    free(entries);
    return total <= MOST_BYTES;
}

/* Did who held it before us rename or remove it?  Then we hold the lock of another file. */
static bool is_elsewhere(int descriptor, const char *path)
{
    struct stat locked, there;

    return fstat(descriptor, &locked) != 0 || stat(path, &there) != 0 ||
           locked.st_ino != there.st_ino || locked.st_dev != there.st_dev;
}

/* Open and lock the file to write; -1: another process writes it, or it cannot be made. */
static int take_partial(const struct weights_cache *cache)
{
    int descriptor = -1;

    do {
        if (descriptor >= 0)
            close(descriptor);
        descriptor = open(cache->partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (descriptor < 0)
            return -1;
        if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
            close(descriptor);
            return -1;
        }
    } while (is_elsewhere(descriptor, cache->partial));
    return descriptor;
}

/* Writing ----------------------------------------------------------------------------------- */

static bool write_fully(int descriptor, const uint8_t *bytes, uint64_t n_bytes, uint64_t offset)
{
    while (n_bytes > 0) {
        const ssize_t n = pwrite(descriptor, bytes, (size_t)n_bytes, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        n_bytes -= (uint64_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

static int64_t nanoseconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* Pause after a piece that was begun then; false: the model is being closed. */
static bool next_turn(struct weights_cache *cache, int64_t begun)
{
    const int64_t now = nanoseconds_now();
    int64_t until = now + PAUSE_FACTOR * (now - begun);
    int problem = 0;
    bool stop;

    if (until < now + SHORTEST_PAUSE_MILLISECONDS * 1000000)
        until = now + SHORTEST_PAUSE_MILLISECONDS * 1000000;
    const struct timespec turn = {.tv_sec = (time_t)(until / 1000000000),
                                  .tv_nsec = (long)(until % 1000000000)};
    pthread_mutex_lock(&cache->mutex);
    while (!cache->stop && problem == 0)
        problem = pthread_cond_timedwait(&cache->wake, &cache->mutex, &turn);
    stop = cache->stop;
    pthread_mutex_unlock(&cache->mutex);
    return !stop;
}

/* Wait until a piece has reached the disk. */
static void settle_piece(const struct weights_cache *cache, int descriptor, uint32_t index,
                         bool keep_pages)
{
    const off_t offset = (off_t)(cache->region_offset + (uint64_t)index * CACHE_PIECE_BYTES);
    const off_t n_bytes = (off_t)cache_piece_bytes(cache, index);

    sync_file_range(descriptor, offset, n_bytes,
                    SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE |
                        SYNC_FILE_RANGE_WAIT_AFTER);
    if (!keep_pages)
        posix_fadvise(descriptor, offset, n_bytes, POSIX_FADV_DONTNEED);
}

static bool write_region(struct weights_cache *cache, int descriptor)
{
    const uint8_t *region = cache->weights->packed;
    const uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const bool keep_pages = cache->file_bytes <= (uint64_t)sysconf(_SC_AVPHYS_PAGES) * page / 2;

    int64_t begun = nanoseconds_now();

    for (uint32_t i = 0; i < cache->n_pieces; i++) {
        const uint8_t *piece = region + (uint64_t)i * CACHE_PIECE_BYTES;
        const uint64_t n_bytes = cache_piece_bytes(cache, i);
        const uint64_t offset = cache->region_offset + (uint64_t)i * CACHE_PIECE_BYTES;
        if (!next_turn(cache, begun))
            return false;
        begun = nanoseconds_now();
        cache->hashes[i] = XXH3_64bits(piece, (size_t)n_bytes);
        if (!write_fully(descriptor, piece, n_bytes, offset))
            return false;
        sync_file_range(descriptor, (off_t)offset, (off_t)n_bytes, SYNC_FILE_RANGE_WRITE);
        if (i >= PIECES_ON_THEIR_WAY)
            settle_piece(cache, descriptor, i - PIECES_ON_THEIR_WAY, keep_pages);
    }
    for (uint32_t i =
             cache->n_pieces > PIECES_ON_THEIR_WAY ? cache->n_pieces - PIECES_ON_THEIR_WAY : 0;
         i < cache->n_pieces; i++)
        settle_piece(cache, descriptor, i, keep_pages);
    return true;
}

static bool write_head(const struct weights_cache *cache, int descriptor)
{
    const uint64_t hash = cache_head_hash(cache->head, cache->head_bytes);

    memcpy(cache->head + cache->head_bytes - sizeof hash, &hash, sizeof hash);
    return write_fully(descriptor, cache->head, cache->head_bytes, 0);
}

static bool write_file(struct weights_cache *cache)
{
    bool whole;
    int descriptor;

    make_folders(cache->folder);
    if (!sweep(cache) || !has_room(cache))
        return false;
    descriptor = take_partial(cache);
    if (descriptor < 0)
        return false;
    /* A full disk is found before it is full; a file system may not know how. */
    whole = ftruncate(descriptor, 0) == 0 &&
            (fallocate(descriptor, 0, 0, (off_t)cache->file_bytes) == 0 || errno != ENOSPC) &&
            ftruncate(descriptor, (off_t)cache->file_bytes) == 0 &&
            write_region(cache, descriptor) && write_head(cache, descriptor) &&
            gguf_is_unchanged(cache->file) && rename(cache->partial, cache->path) == 0;
    if (!whole)
        unlink(cache->partial);
    close(descriptor);
    return whole;
}

/* The thread -------------------------------------------------------------------------------- */

static void *writer_main(void *argument)
{
    struct weights_cache *cache = argument;

    /* It runs where nothing else wants to, and its reads and writes wait for those of others. */
    pthread_setschedparam(pthread_self(), SCHED_IDLE, &(struct sched_param){0});
    atomic_store(&cache->state,
                 write_file(cache) ? WEIGHTS_CACHE_WRITTEN : WEIGHTS_CACHE_REFUSED);
    return NULL;
}

void weights_cache_write(struct weights_cache *cache)
{
    pthread_condattr_t monotonic;

    pthread_mutex_init(&cache->mutex, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&cache->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    atomic_store(&cache->state, WEIGHTS_CACHE_WRITING);
    cache->has_thread =
        quiet_thread_start(&cache->thread, "banter-cache", writer_main, cache) == 0;
    if (!cache->has_thread) {
        atomic_store(&cache->state, WEIGHTS_CACHE_REFUSED);
        pthread_cond_destroy(&cache->wake);
        pthread_mutex_destroy(&cache->mutex);
    }
}

void cache_stop_writer(struct weights_cache *cache)
{
    if (!cache->has_thread)
        return;
    pthread_mutex_lock(&cache->mutex);
    cache->stop = true;
    pthread_cond_signal(&cache->wake);
    pthread_mutex_unlock(&cache->mutex);
    pthread_join(cache->thread, NULL);
    pthread_cond_destroy(&cache->wake);
    pthread_mutex_destroy(&cache->mutex);
    cache->has_thread = false;
}
