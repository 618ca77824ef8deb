/*
 * editor.c - the line in an external editor
 *
 * The text goes through a private file; $VISUAL or $EDITOR is a shell command, as everywhere.
 * The answer that runs meanwhile goes on: the engine never waits for the screen.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "app/chat_internal.h"
#include "app/signals.h"

enum { EDITED_LIMIT = 16 * 1024 * 1024 }; /* a line of more bytes is a mistake */

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

static bool read_all(const char *path, struct text_buffer *text)
{
    char piece[4096];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = -1;

    if (fd < 0)
        return false;
    while (text->n_bytes <= EDITED_LIMIT && (n = read(fd, piece, sizeof piece)) > 0)
        text_append(text, piece, (size_t)n);
    close(fd);
    return n == 0;
}

/* Editors end a file with a newline; it is not part of the line. */
static void drop_last_newline(struct text_buffer *text)
{
    if (text->n_bytes > 0 && text->bytes[text->n_bytes - 1] == '\n')
        text->bytes[--text->n_bytes] = '\0';
}

static const char *editor_command(void)
{
    const char *names[] = {"VISUAL", "EDITOR"};

    for (size_t i = 0; i < 2; i++) {
        const char *value = getenv(names[i]);
        if (value != NULL && value[0] != '\0')
            return value;
    }
    return "vi";
}

/* Exit status of the editor, -1 when it could not be started or was killed. */
static int run_editor(struct chat *chat, const char *path)
{
    struct text_buffer command = {0};
    int status = 0;

    text_printf(&command, "%s \"$@\"", editor_command());
    pid_t child = fork();
    if (child == 0) {
        signals_reset();
        execl("/bin/sh", "sh", "-c", text_string(&command), "banter", path, (char *)NULL);
        _exit(127);
    }
    text_release(&command);
    if (child < 0)
        return -1;
    for (;;) {
        double before = chat_seconds();
        if (waitpid(child, &status, WUNTRACED) < 0) {
            if (errno == EINTR)
                continue;
            return -1;
        }
        if (!WIFSTOPPED(status))
            break;
        /* Ctrl-Z in the editor stops the whole job, and `fg` wakes both. */
        signals_stop(false);
        kill(child, SIGCONT);
        chat_stood_still(chat, chat_seconds() - before);
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void edit_file(struct chat *chat, const char *path)
{
    struct text_buffer edited = {0};
    char hint[96];

    ui_suspend(chat->display.ui);
    signals_ignore_keys(true);
    int status = run_editor(chat, path);
    signals_ignore_keys(false);
    ui_resume(chat->display.ui);
    if (status == 0 && read_all(path, &edited)) {
        drop_last_newline(&edited);
        ui_input_set(chat->display.ui, text_string(&edited), edited.n_bytes);
    } else {
        if (status == 127)
            snprintf(hint, sizeof hint, "no editor: set VISUAL or EDITOR");
        else
            snprintf(hint, sizeof hint, "the editor failed; the line is as it was");
        ui_hint(chat->display.ui, hint);
    }
    text_release(&edited);
}

void editor_run(struct chat *chat, const char *text, size_t n_bytes)
{
    static const char suffix[] = ".md"; /* editors choose their mode by it */
    const char *folder = getenv("TMPDIR");
    struct text_buffer path = {0};

    if (folder == NULL || folder[0] != '/')
        folder = "/tmp";
    text_printf(&path, "%s/banter-XXXXXX%s", folder, suffix);
    int fd = mkostemps(path.bytes, (int)sizeof suffix - 1, O_CLOEXEC);
    if (fd < 0) {
        ui_hint(chat->display.ui, "the editor's file could not be made (TMPDIR?)");
        text_release(&path);
        return;
    }
    bool written = write_all(fd, text, n_bytes) && write_all(fd, "\n", 1);
    if (close(fd) == 0 && written)
        edit_file(chat, path.bytes);
    else
        ui_hint(chat->display.ui, "the editor's file could not be written");
    unlink(path.bytes);
    text_release(&path);
}
