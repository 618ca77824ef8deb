/*
 * paths.c - folders by the XDG base directory specification
 *
 * A variable that holds a relative path is ignored, as the specification says.
 */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config/internal.h"

const char *config_home(void)
{
    const char *home = getenv("HOME");

    if (home == NULL || home[0] != '/') {
        const struct passwd *entry = getpwuid(getuid());
        home = entry != NULL ? entry->pw_dir : NULL;
    }
    return home != NULL && home[0] == '/' ? home : NULL;
}

/* $variable/banter, or ~/fallback/banter. */
static bool folder(const char *variable, const char *fallback, char *buffer, size_t n_bytes)
{
    const char *base = getenv(variable);
    int n;

    if (base != NULL && base[0] == '/') {
        n = snprintf(buffer, n_bytes, "%s/banter", base);
    } else {
        const char *home = config_home();

        if (home == NULL)
            return false;
        n = snprintf(buffer, n_bytes, "%s/%s/banter", home, fallback);
    }
    return n > 0 && (size_t)n < n_bytes;
}

bool config_folder_config(char *buffer, size_t n_bytes)
{
    return folder("XDG_CONFIG_HOME", ".config", buffer, n_bytes);
}

bool config_folder_data(char *buffer, size_t n_bytes)
{
    return folder("XDG_DATA_HOME", ".local/share", buffer, n_bytes);
}

bool config_folder_state(char *buffer, size_t n_bytes)
{
    return folder("XDG_STATE_HOME", ".local/state", buffer, n_bytes);
}

bool config_folder_cache(char *buffer, size_t n_bytes)
{
    return folder("XDG_CACHE_HOME", ".cache", buffer, n_bytes);
}

/* Entry `wanted` of a list of folders that is split by colons, relative ones left out. */
static const char *list_entry(const char *list, size_t wanted, size_t *length)
{
    for (;; list++) {
        *length = strcspn(list, ":");
        if (*length > 0 && list[0] == '/' && wanted-- == 0)
            return list;
        list += *length;
        if (*list == '\0')
            return NULL;
    }
}

bool config_file_path(size_t index, char *buffer, size_t n_bytes)
{
    const char *list = getenv("XDG_CONFIG_DIRS");
    size_t length, n_folders = 0;
    int n;

    if (list == NULL || list[0] == '\0')
        list = "/etc/xdg";
    while (list_entry(list, n_folders, &length) != NULL)
        n_folders++;
    if (index > n_folders)
        return false;
    if (index == n_folders) {
        char own[4000];

        if (!config_folder_config(own, sizeof own))
            return false;
        n = snprintf(buffer, n_bytes, "%s/config.yaml", own);
    } else {
        /* The first folder of the list is the most important one: it is read last. */
        const char *entry = list_entry(list, n_folders - 1 - index, &length);
        n = snprintf(buffer, n_bytes, "%.*s/banter/config.yaml", (int)length, entry);
    }
    return n > 0 && (size_t)n < n_bytes;
}

/* Ours, a folder, and for nobody else; the descriptor keeps it from being exchanged meanwhile. */
static bool check_folder(const char *path, struct config_error *error)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = true;

    if (fd < 0)
        return config_refuse(error, "%.200s: %s", path, strerror(errno));
    if (fstat(fd, &status) != 0)
        good = config_refuse(error, "%.200s: %s", path, strerror(errno));
    else if (status.st_uid != geteuid())
        good = config_refuse(error, "%.200s: the folder belongs to somebody else", path);
    else if ((status.st_mode & 07777) != 0700 && fchmod(fd, 0700) != 0)
        good = config_refuse(error, "%.200s: %s", path, strerror(errno));
    close(fd);
    return good;
}

bool config_make_folder(const char *path, struct config_error *error)
{
    char part[4096];
    size_t n = strlen(path);

    if (n == 0 || n >= sizeof part)
        return config_refuse(error, "%.200s: the path is too long", path);
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        /* chmod: a umask may have taken away what the owner needs. */
        if (mkdir(part, 0700) == 0) {
            if (chmod(part, 0700) != 0)
                return config_refuse(error, "%.200s: %s", part, strerror(errno));
        } else if (errno != EEXIST && errno != EROFS && errno != EACCES) {
            return config_refuse(error, "%.200s: cannot be made: %s", part, strerror(errno));
        }
    }
    return check_folder(path, error);
}
