/*
 * checkpoint_lock.c - one training at a time writes a checkpoint
 *
 * The checkpoint itself cannot carry the lock: each writing puts another file in its place.
 */
#include "engine/train/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static enum status refuse(enum status status, const char *path, const char *what,
                          struct error *error)
{
    error_set(error, status, "%s", what);
    error_path(error, path);
    return status;
}

/* Did who held it before us remove the file?  Then the lock is on a file that nobody finds. */
static bool is_removed(int fd, const char *path)
{
    struct stat locked, there;

    return fstat(fd, &locked) != 0 || stat(path, &there) != 0 ||
           locked.st_ino != there.st_ino || locked.st_dev != there.st_dev;
}

enum status checkpoint_lock_take(struct checkpoint_lock *lock, const char *path,
                                 struct error *error)
{
    size_t n_name = strlen(path) + sizeof ".lock";

    *lock = (struct checkpoint_lock){.path = malloc(n_name), .fd = -1};
    if (lock->path == NULL)
        return error_set(error, STATUS_NO_MEMORY, "no memory to lock a checkpoint");
    snprintf(lock->path, n_name, "%s.lock", path);
    do {
        if (lock->fd >= 0)
            close(lock->fd);
        lock->fd = open(lock->path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0666);
        if (lock->fd < 0) {
            enum status status = refuse(STATUS_IO, lock->path, strerror(errno), error);

            free(lock->path);
            lock->path = NULL;
            return status;
        }
        /* A file system without locks is no reason not to train. */
        if (flock(lock->fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
            close(lock->fd);
            free(lock->path);
            *lock = (struct checkpoint_lock){.fd = -1};
            return refuse(STATUS_FAILED, path, "another training uses this checkpoint", error);
        }
    } while (is_removed(lock->fd, lock->path));
    return STATUS_OK;
}

void checkpoint_lock_release(struct checkpoint_lock *lock)
{
    if (lock->path == NULL)
        return;
    unlink(lock->path);
    close(lock->fd);
    free(lock->path);
    *lock = (struct checkpoint_lock){.fd = -1};
}
