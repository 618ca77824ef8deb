/*
 * script.c - scripted keys: a file of keys, fed as if they were typed
 *
 * The bytes go through the same tokenizer as the terminal's.  Written for people to read:
 *
 *   text        is typed as it is
 *   line end    Enter; of a line with nothing but waits, and after \ at its end, nothing
 *   \w          wait until the answer is there: not busy, and every event was taken
 *   \d500       wait 500 milliseconds
 *   \n  \j      Enter; Ctrl-J, which starts a new line in the input
 *   \e  \t  \b  Esc, or the start of an escape sequence; Tab; Backspace
 *   \cX         Ctrl-X, for a letter X
 *   \f2         F2; a line of nothing but such keys and waits sends no Enter
 *   \\          a backslash
 *
 * "\e" and text behind it are one key (Alt); "\e\d100" is the Esc key.  A file without
 * backslashes is a list of messages; they are queued when they come while an answer runs, as
 * for a person.
 */
#include "ui/internal.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SCRIPT_MAX  (16u << 20)
#define SETTLE_MS   60     /* idle this long is idle: the app may be about to start */
#define WAIT_MAX_MS 600000 /* of \d */
#define CHUNK       256    /* bytes typed at once: keys and their effects alternate */

bool keys_script_load(struct script *script, const char *path, struct ui_error *error)
{
    struct stat status;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &status) != 0 || status.st_size > (off_t)SCRIPT_MAX)
        goto failed;
    size_t room = (size_t)status.st_size;
    script->bytes = malloc(room + 1);
    if (script->bytes == NULL)
        goto failed;
    while (script->n_bytes < room) {
        ssize_t n = read(fd, script->bytes + script->n_bytes, room - script->n_bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        script->n_bytes += (size_t)n;
    }
    close(fd);
    return true;
failed:
    snprintf(error->what, sizeof error->what, "cannot read the keys in %.128s: %.80s", path,
             strerror(errno));
    if (fd >= 0)
        close(fd);
    return false;
}

void keys_script_release(struct script *script)
{
    free(script->bytes);
    *script = (struct script){0};
}

bool keys_script_is_done(const struct script *script)
{
    return script->at >= script->n_bytes && script->wait_until_ms == 0 && !script->waits_idle;
}

/* Digits of \d and \f. */
static int64_t read_number(struct script *script)
{
    int64_t value = 0;
    while (script->at < script->n_bytes && isdigit((unsigned char)script->bytes[script->at])) {
        value = value * 10 + (script->bytes[script->at++] - '0');
        if (value > WAIT_MAX_MS)
            value = WAIT_MAX_MS;
    }
    return value;
}

static void type(struct script *script, struct keys *keys, char byte, int64_t now_ms)
{
    keys_feed(keys, &byte, 1, now_ms);
    script->line_has_keys = true;
}

/* A function key, as xterm sends it. */
static void type_function(struct keys *keys, int64_t number, int64_t now_ms)
{
    static const char *const sequences[] = {
        "\033OP",   "\033OQ",   "\033OR",   "\033OS",   "\033[15~", "\033[17~",
        "\033[18~", "\033[19~", "\033[20~", "\033[21~", "\033[23~", "\033[24~",
    };
    if (number >= 1 && number <= (int64_t)(sizeof sequences / sizeof sequences[0]))
        keys_feed(keys, sequences[number - 1], strlen(sequences[number - 1]), now_ms);
}

/* What stands behind a backslash; the place is on the character after it. */
static void run_escape(struct script *script, struct keys *keys, int64_t now_ms)
{
    if (script->at == script->n_bytes)
        return;
    char c = script->bytes[script->at++];
    switch (c) {
    case 'w':
        script->waits_idle = true;
        script->wait_until_ms = now_ms + SETTLE_MS;
        break;
    case 'd': script->wait_until_ms = now_ms + read_number(script); break;
    case 'f': type_function(keys, read_number(script), now_ms); break;
    case 'n': type(script, keys, '\r', now_ms); break;
    case 'j': type(script, keys, '\n', now_ms); break;
    case 'e': type(script, keys, '\033', now_ms); break;
    case 't': type(script, keys, '\t', now_ms); break;
    case 'b': type(script, keys, '\177', now_ms); break;
    case 'c':
        if (script->at < script->n_bytes)
            type(script, keys, script->bytes[script->at++] & 0x1F, now_ms);
        break;
    case '\n': break;
    default: type(script, keys, c, now_ms); break;
    }
}

/* Is a wait over?  An idle wait starts again whenever something is under way. */
static bool wait_is_over(struct script *script, bool idle, int64_t now_ms)
{
    if (script->waits_idle && !idle) {
        script->wait_until_ms = now_ms + SETTLE_MS;
        return false;
    }
    if (script->wait_until_ms > now_ms)
        return false;
    script->wait_until_ms = 0;
    script->waits_idle = false;
    return true;
}

bool keys_script_step(struct script *script, struct keys *keys, bool idle, int64_t now_ms)
{
    size_t start = script->at;
    while (script->at < script->n_bytes && script->at - start < CHUNK) {
        if (!wait_is_over(script, idle, now_ms))
            break;
        char c = script->bytes[script->at++];
        if (c == '\\') {
            run_escape(script, keys, now_ms);
        } else if (c == '\n') {
            bool had_keys = script->line_has_keys;
            if (had_keys)
                type(script, keys, '\r', now_ms);
            script->line_has_keys = false;
            if (had_keys) /* let the line take effect before the next one is typed */
                break;
        } else {
            type(script, keys, c, now_ms);
        }
    }
    if (script->at == script->n_bytes)
        wait_is_over(script, idle, now_ms);
    return script->at != start;
}

int keys_script_timeout_ms(const struct script *script, bool idle, int64_t now_ms)
{
    if (script->bytes == NULL || keys_script_is_done(script))
        return -1;
    if (script->waits_idle && !idle)
        return -1;
    int64_t left = script->wait_until_ms - now_ms;
    return left > 0 ? (int)left : 0;
}
