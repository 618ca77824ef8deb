/*
 * history.c - what the person typed in earlier runs (history.h)
 *
 * Locking: every writer opens the file, takes flock(LOCK_EX), and checks that the path still
 * names the file that it locked, because a rewrite replaces it.  An entry is one write(2) at
 * the end.  A line that a crash cut short is ended before the next entry is written.
 */
#include "ui/history.h"
#include "ui/text.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FILE_MAX (64u << 20) /* of a larger file only this much of the end is read */

bool history_wants(const char *text, size_t n_bytes)
{
    if (n_bytes == 0 || n_bytes > HISTORY_ENTRY_MAX || text[0] == ' ' ||
        memchr(text, '\0', n_bytes) != NULL)
        return false;
    for (size_t i = 0; i < n_bytes; i++)
        if (strchr(" \t\r\n", text[i]) == NULL)
            return true;
    return false;
}

static bool append_escaped(struct text_buffer *out, const char *text, size_t n_bytes)
{
    if (!text_buffer_reserve(out, 2 * n_bytes + 2))
        return false;
    for (size_t i = 0; i < n_bytes; i++) {
        char c = text[i];
        char escape = c == '\n' ? 'n' : c == '\r' ? 'r' : c == '\\' ? '\\' : '\0';
        if (escape != '\0') {
            out->bytes[out->n_bytes++] = '\\';
            c = escape;
        }
        out->bytes[out->n_bytes++] = c;
    }
    out->bytes[out->n_bytes++] = '\n';
    return true;
}

static char *unescape(const char *line, size_t n_bytes)
{
    char *text = malloc(n_bytes + 1);
    size_t n = 0;
    if (text == NULL)
        return NULL;
    for (size_t i = 0; i < n_bytes; i++) {
        char c = line[i];
        if (c == '\\' && i + 1 < n_bytes) {
            c = line[++i];
            c = c == 'n' ? '\n' : c == 'r' ? '\r' : c;
        }
        text[n++] = c;
    }
    text[n] = '\0';
    return text;
}

/* Folders on the way to the file; those that are there are left alone. */
static void make_folders(const char *path)
{
    char folder[PATH_MAX];
    size_t n_bytes = strlen(path);
    if (n_bytes >= sizeof folder)
        return;
    for (size_t i = 1; i < n_bytes; i++) {
        if (path[i] != '/')
            continue;
        memcpy(folder, path, i);
        folder[i] = '\0';
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return;
    }
}

/* Another banter holds the lock for the time of one write; who holds it longer is not waited
 * for. */
static bool lock(int fd)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0)
            return true;
        if (errno != EWOULDBLOCK && errno != EINTR)
            return false;
        nanosleep(&(struct timespec){.tv_nsec = 5 * 1000 * 1000}, NULL);
    }
    return false;
}

/* Open and lock; the lock ends with close().  -1: errno says why. */
static int open_locked(const char *path, int flags)
{
    for (int attempt = 0; attempt < 100; attempt++) {
        struct stat opened, named;
        int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
        if (fd < 0)
            return -1;
        bool usable = lock(fd) && fstat(fd, &opened) == 0 && S_ISREG(opened.st_mode);
        if (usable && stat(path, &named) == 0 && named.st_ino == opened.st_ino &&
            named.st_dev == opened.st_dev) {
            if ((opened.st_mode & 077) != 0)
                (void)fchmod(fd, opened.st_mode & 0600);
            return fd;
        }
        close(fd);
        if (!usable)
            break;
    }
    errno = EIO;
    return -1;
}

static bool write_all(int fd, const char *bytes, size_t n_bytes)
{
    while (n_bytes > 0) {
        ssize_t n = write(fd, bytes, n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        n_bytes -= (size_t)n;
    }
    return true;
}

bool history_append(const char *path, const char *text, size_t n_bytes)
{
    struct text_buffer line = {0};
    bool done = false;
    char last = '\n';
    make_folders(path);
    int fd = open_locked(path, O_RDWR | O_APPEND | O_CREAT);
    if (fd < 0)
        return false;
    off_t end = lseek(fd, 0, SEEK_END);
    if (end > 0 && pread(fd, &last, 1, end - 1) != 1)
        goto out;
    if (last != '\n' && !text_buffer_append(&line, "\n", 1))
        goto out;
    if (!append_escaped(&line, text, n_bytes))
        goto out;
    done = write_all(fd, line.bytes, line.n_bytes);
    if (!done && end >= 0) /* a disk that is full keeps no half entry */
        (void)!ftruncate(fd, end);
out:
    text_buffer_release(&line);
    close(fd);
    return done;
}

static bool read_file(int fd, struct text_buffer *out)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return false;
    off_t at = status.st_size > (off_t)FILE_MAX ? status.st_size - (off_t)FILE_MAX : 0;
    bool from_start = at == 0;
    if (!text_buffer_reserve(out, (size_t)(status.st_size - at) + 1))
        return false;
    while (at < status.st_size) {
        ssize_t n = pread(fd, out->bytes + out->n_bytes, (size_t)(status.st_size - at), at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        out->n_bytes += (size_t)n;
        at += n;
    }
    if (!from_start) { /* the first line is cut */
        const char *newline = memchr(out->bytes, '\n', out->n_bytes);
        size_t skip = newline == NULL ? out->n_bytes : (size_t)(newline - out->bytes) + 1;
        out->n_bytes -= skip;
        memmove(out->bytes, out->bytes + skip, out->n_bytes);
    }
    return true;
}

/* A set of strings that others own, in open addressing; at most half full. */
struct string_set {
    const char **slots;
    size_t n_slots; /* a power of two */
};

static bool set_insert(struct string_set *set, const char *text)
{
    uint64_t hash = 14695981039346656037u; /* FNV-1a */
    for (const char *c = text; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * 1099511628211u;
    for (size_t i = (size_t)hash;; i++) {
        const char **slot = &set->slots[i & (set->n_slots - 1)];
        if (*slot == NULL) {
            *slot = text;
            return true;
        }
        if (strcmp(*slot, text) == 0)
            return false;
    }
}

/* From the newest line backward, until `limit` different ones are found. */
static bool collect(const struct text_buffer *file, size_t limit, struct history_list *list,
                    size_t *n_lines)
{
    struct string_set seen = {.n_slots = 16};
    while (seen.n_slots / 2 <= limit)
        seen.n_slots *= 2;
    seen.slots = calloc(seen.n_slots, sizeof *seen.slots);
    list->entries = calloc(limit + 1, sizeof *list->entries);
    bool good = seen.slots != NULL && list->entries != NULL;
    size_t end = file->n_bytes;
    *n_lines = 0;
    while (good && end > 0) {
        size_t stop = file->bytes[end - 1] == '\n' ? end - 1 : end;
        size_t start = stop;
        while (start > 0 && file->bytes[start - 1] != '\n')
            start--;
        ++*n_lines;
        if (list->n_entries < limit && stop > start &&
            memchr(file->bytes + start, '\0', stop - start) == NULL) {
            char *entry = unescape(file->bytes + start, stop - start);
            good = entry != NULL;
            if (good && set_insert(&seen, entry))
                list->entries[list->n_entries++] = entry;
            else
                free(entry);
        }
        end = start;
    }
    free(seen.slots);
    for (size_t i = 0; i < list->n_entries / 2; i++) {
        char *other = list->entries[list->n_entries - 1 - i];
        list->entries[list->n_entries - 1 - i] = list->entries[i];
        list->entries[i] = other;
    }
    return good;
}

/* Replace the file, which is locked, by what was loaded from it. */
static void rewrite_file(const char *path, const struct history_list *list)
{
    char temporary[PATH_MAX];
    struct text_buffer text = {0};
    size_t n_path = strlen(path);
    if (n_path + 5 > sizeof temporary)
        return;
    memcpy(temporary, path, n_path);
    memcpy(temporary + n_path, ".new", 5);
    unlink(temporary); /* left by a crash; the lock is ours */
    int fd = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return;
    bool good = true;
    for (size_t i = 0; good && i < list->n_entries; i++)
        good = append_escaped(&text, list->entries[i], strlen(list->entries[i]));
    good = good && write_all(fd, text.bytes, text.n_bytes) && fsync(fd) == 0;
    good = close(fd) == 0 && good;
    if (!good || rename(temporary, path) != 0)
        unlink(temporary);
    text_buffer_release(&text);
}

bool history_load(const char *path, size_t limit, struct history_list *list)
{
    struct text_buffer file = {0};
    size_t n_lines = 0;
    *list = (struct history_list){0};
    int fd = open_locked(path, O_RDONLY);
    if (fd < 0)
        return errno == ENOENT;
    bool good = read_file(fd, &file) && collect(&file, limit, list, &n_lines);
    if (good && n_lines > 4 * limit + 1000)
        rewrite_file(path, list);
    text_buffer_release(&file);
    close(fd);
    if (!good)
        history_release(list);
    return good;
}

void history_release(struct history_list *list)
{
    for (size_t i = 0; i < list->n_entries; i++)
        free(list->entries[i]);
    free(list->entries);
    *list = (struct history_list){0};
}
