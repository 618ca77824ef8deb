/*
 * child_process.c - posix_spawn, two pipes, and a clock
 */
#include "app/child_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { SLICE_MILLISECONDS = 50, OUT_BYTES = 16 << 20, ERR_BYTES = 4096 };

extern char **environ;

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int spawn(pid_t *pid, const char *const *argv, int out, int err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    int code;

    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err, STDERR_FILENO);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP);
    posix_spawnattr_setpgroup(&attributes, 0);
    code = posix_spawnp(pid, argv[0], &actions, &attributes, (char *const *)argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

/* What is there to read; false: the end. */
static bool take(int fd, struct text_buffer *text, size_t room)
{
    char bytes[65536];
    const ssize_t n = read(fd, bytes, sizeof bytes);

    if (n <= 0)
        return n < 0 && (errno == EINTR || errno == EAGAIN);
    const size_t left = text->n_bytes < room ? room - text->n_bytes : 0;
    text_append(text, bytes, (size_t)n < left ? (size_t)n : left);
    return true;
}

/* Of a long text the last line says why it ended. */
static void keep_last_line(struct text_buffer *text)
{
    const char *line = text_string(text);
    size_t end = strlen(line), begin;
    char last[256];

    while (end > 0 && (line[end - 1] == '\n' || line[end - 1] == '\r' || line[end - 1] == ' '))
        end--;
    for (begin = end; begin > 0 && line[begin - 1] != '\n'; begin--)
        ;
    const size_t n = end - begin < sizeof last ? end - begin : sizeof last - 1;
    memcpy(last, line + begin, n);
    text_clear(text);
    text_append(text, last, n);
}

/* Errors come in any length: what is kept are the last bytes. */
static bool take_errors(int fd, struct text_buffer *text)
{
    const bool more = take(fd, text, text->n_bytes + 65536);

    if (text->n_bytes > ERR_BYTES) {
        char last[ERR_BYTES];

        memcpy(last, text->bytes + text->n_bytes - ERR_BYTES, ERR_BYTES);
        text_clear(text);
        text_append(text, last, ERR_BYTES);
    }
    return more;
}

/* Until both pipes end, the limit is over or the flag is set. */
static void listen(struct child_result *result, const int fds[2], double start, double limit,
                   const atomic_bool *cancel)
{
    struct pollfd polls[2] = {{.fd = fds[0], .events = POLLIN},
                              {.fd = fds[1], .events = POLLIN}};

    while (polls[0].fd >= 0 || polls[1].fd >= 0) {
        const int n = poll(polls, 2, SLICE_MILLISECONDS);

        if (cancel != NULL && atomic_load(cancel)) {
            result->end = CHILD_STOPPED;
            return;
        }
        if (seconds_now() - start > limit) {
            result->end = CHILD_TIMED_OUT;
            return;
        }
        if (n <= 0)
            continue;
        if (polls[0].revents != 0) {
            if (!take(polls[0].fd, &result->out, OUT_BYTES))
                polls[0].fd = -1;
            else if (result->first_byte <= 0)
                result->first_byte = seconds_now() - start;
        }
        if (polls[1].revents != 0 && !take_errors(polls[1].fd, &result->err))
            polls[1].fd = -1;
    }
}

/* Its pipes are closed: it is about to end, unless it hangs without them. */
static void wait_for(struct child_result *result, pid_t pid, double start, double limit,
                     const atomic_bool *cancel)
{
    int status = 0;
    pid_t ended = 0;

    while (result->end == CHILD_EXITED) {
        ended = waitpid(pid, &status, WNOHANG);
        if (ended != 0)
            break;
        if (cancel != NULL && atomic_load(cancel))
            result->end = CHILD_STOPPED;
        else if (seconds_now() - start > limit)
            result->end = CHILD_TIMED_OUT;
        else
            poll(NULL, 0, 1);
    }
    if (ended == 0) {
        kill(-pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
            ;
    } else if (WIFSIGNALED(status)) {
        result->end = CHILD_SIGNALLED;
        result->code = WTERMSIG(status);
    } else {
        result->code = WEXITSTATUS(status);
    }
}

void child_run(struct child_result *result, const char *const *argv, double limit_seconds,
               const atomic_bool *cancel)
{
    int out[2], err[2];
    pid_t pid;

    *result = (struct child_result){.end = CHILD_NOT_STARTED};
    if (pipe2(out, O_CLOEXEC) != 0) {
        result->code = errno;
        return;
    }
    if (pipe2(err, O_CLOEXEC) != 0) {
        result->code = errno;
        close(out[0]);
        close(out[1]);
        return;
    }
    const double start = seconds_now();
    result->code = spawn(&pid, argv, out[1], err[1]);
    close(out[1]);
    close(err[1]);
    if (result->code == 0) {
        result->end = CHILD_EXITED;
        listen(result, (const int[]){out[0], err[0]}, start, limit_seconds, cancel);
        wait_for(result, pid, start, limit_seconds, cancel);
        result->seconds = seconds_now() - start;
    }
    close(out[0]);
    close(err[0]);
    keep_last_line(&result->err);
}

void child_result_release(struct child_result *result)
{
    text_release(&result->out);
    text_release(&result->err);
}
