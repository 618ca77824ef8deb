/*
 * input.c - reading for commands, bounded and checked
 */
#include "app/input.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { INPUT_MAX = 64 << 20 };

enum status input_read(const char *path, struct text_buffer *text, struct error *error)
{
    bool standard = strcmp(path, "-") == 0;
    int fd = standard ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    const char *name = standard ? "standard input" : path;
    enum status status = STATUS_OK;
    char piece[16384];
    ssize_t n = 1;

    if (fd < 0) {
        error_set(error, errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO, "%s", strerror(errno));
        error_where(error, "%s", name);
        return error->status;
    }
    while (status == STATUS_OK && n != 0) {
        n = read(fd, piece, sizeof piece);
        if (n > 0 && text->n_bytes + (size_t)n > INPUT_MAX) {
            status = error_set(error, STATUS_USAGE, "%s is longer than 64 MiB", name);
        } else if (n > 0) {
            text_append(text, piece, (size_t)n);
        } else if (n < 0 && errno != EINTR) {
            status = error_set(error, STATUS_IO, "%s", strerror(errno));
            error_where(error, "%s", name);
        }
    }
    if (!standard)
        close(fd);
    return status;
}

/* A token id of digits alone at text; *n is its length. */
static bool parse_id(const char *text, size_t n_bytes, size_t *n, int32_t *id)
{
    int64_t value = 0;

    *n = 0;
    while (*n < n_bytes && text[*n] >= '0' && text[*n] <= '9' && value <= INT32_MAX)
        value = value * 10 + (text[(*n)++] - '0');
    *id = (int32_t)value;
    return *n > 0 && value <= INT32_MAX;
}

static bool is_separator(char c)
{
    return c == ',' || c == ' ' || (c >= '\t' && c <= '\r');
}

enum status token_list_parse(struct token_list *list, const char *text, size_t n_bytes,
                             struct error *error)
{
    size_t room = list->n_ids;

    for (size_t i = 0; i < n_bytes;) {
        size_t n;
        int32_t id;

        if (is_separator(text[i])) {
            i++;
            continue;
        }
        if (!parse_id(text + i, n_bytes - i, &n, &id) ||
            (i + n < n_bytes && !is_separator(text[i + n])))
            return error_set(error, STATUS_USAGE,
                             "a token list holds numbers and commas, got \"%.*s\"",
                             (int)(n_bytes - i < 24 ? n_bytes - i : 24), text + i);
        if (list->n_ids == room) {
            room = room < 64 ? 64 : 2 * room;
            list->ids = app_resize(list->ids, room, sizeof *list->ids);
        }
        list->ids[list->n_ids++] = id;
        i += n;
    }
    return STATUS_OK;
}

enum status token_list_argument(struct token_list *list, const char *argument,
                                struct error *error)
{
    struct text_buffer text = {0};
    enum status status;

    if (argument[0] != '@' && strcmp(argument, "-") != 0)
        return token_list_parse(list, argument, strlen(argument), error);
    status = input_read(argument[0] == '@' ? argument + 1 : argument, &text, error);
    if (status == STATUS_NOT_FOUND)
        status = error->status = STATUS_USAGE; /* "not found" is the model's exit code */
    if (status == STATUS_OK)
        status = token_list_parse(list, text_string(&text), text.n_bytes, error);
    text_release(&text);
    return status;
}

void token_list_release(struct token_list *list)
{
    free(list->ids);
    *list = (struct token_list){0};
}
