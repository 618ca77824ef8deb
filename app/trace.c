/*
 * trace.c - passes of the model as lines of JSON
 */
#include "app/trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/json.h"
#include "app/text_buffer.h"

struct trace {
    int fd;
    bool ended;         /* writing failed: no more */
    bool regular;       /* a part of a line can be taken back */
    atomic_int failure; /* errno for trace_failed(); 0: none */
    char path[];
};

static enum status cannot(struct error *error, const char *path, int number)
{
    error_set(error, STATUS_IO, "the trace cannot be written: %s", strerror(number));
    error_path(error, path);
    return STATUS_IO;
}

enum status trace_open(struct trace **out, const char *path, struct error *error)
{
    struct stat status;

    *out = NULL;
    if (path == NULL)
        return STATUS_OK;
    /* Not blocking: a reader of a pipe that sleeps must not hold up the engine. */
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600);
    if (fd < 0)
        return cannot(error, path, errno);
    bool regular = fstat(fd, &status) == 0 && S_ISREG(status.st_mode);
    if (regular && (status.st_mode & 077) != 0 && status.st_uid == geteuid() &&
        fchmod(fd, 0600) != 0) {
        int number = errno;

        close(fd);
        return cannot(error, path, number);
    }
    struct trace *trace = app_resize(NULL, 1, sizeof *trace + strlen(path) + 1);
    *trace = (struct trace){.fd = fd, .regular = regular};
    atomic_init(&trace->failure, 0);
    memcpy(trace->path, path, strlen(path) + 1);
    *out = trace;
    return STATUS_OK;
}

static void write_line(struct trace *trace, const char *line, size_t n_bytes)
{
    off_t before = trace->regular ? lseek(trace->fd, 0, SEEK_CUR) : -1;

    for (size_t n_done = 0; n_done < n_bytes;) {
        ssize_t n = write(trace->fd, line + n_done, n_bytes - n_done);

        if (n > 0) {
            n_done += (size_t)n;
        } else if (n == 0 || errno != EINTR) {
            trace->ended = true;
            atomic_store(&trace->failure, n == 0 ? EIO : errno);
            /* Best effort: a whole line less reads better than half of one. */
            if (before < 0 || ftruncate(trace->fd, before) != 0)
                return;
            return;
        }
    }
}

static json_t *text(const char *string)
{
    return string != NULL ? json_text(string, strlen(string)) : json_null();
}

void trace_cycle(void *context, const struct policy_cycle *cycle)
{
    struct trace *trace = context;

    if (trace->ended)
        return;
    json_t *line = json_object();
    json_put(line, "position", json_integer(cycle->position));
    json_put(line, "source", text(policy_source_name(cycle->source)));
    json_put(line, "state", text(policy_state_name(cycle->state)));
    json_put(line, "proposed", json_integer(cycle->proposed));
    json_put(line, "verified", json_integer(cycle->verified));
    json_put(line, "accepted", json_integer(cycle->accepted));
    json_put(line, "emitted", json_integer(cycle->emitted));
    json_put(line, "draft_seconds", json_real(cycle->draft_seconds));
    json_put(line, "verify_seconds", json_real(cycle->verify_seconds));
    json_put(line, "rollback_seconds", json_real(cycle->rollback_seconds));
    json_put(line, "plain_seconds", json_real(cycle->plain_seconds));
    json_put(line, "decision", text(cycle->decision));
    json_put(line, "reason", text(cycle->reason));
    char *bytes = json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII | JSON_REAL_PRECISION(9));
    if (bytes == NULL)
        app_out_of_memory();
    size_t n_bytes = strlen(bytes);
    bytes = app_resize(bytes, n_bytes + 2, 1);
    bytes[n_bytes] = '\n';
    write_line(trace, bytes, n_bytes + 1);
    free(bytes);
    json_decref(line);
}

bool trace_failed(struct trace *trace, struct error *error)
{
    int number = trace != NULL ? atomic_exchange(&trace->failure, 0) : 0;

    if (number == 0)
        return false;
    error_set(error, STATUS_IO, "the trace ends here, the answer goes on: %s",
              strerror(number));
    error_path(error, trace->path);
    return true;
}

void trace_close(struct trace **trace)
{
    if (*trace == NULL)
        return;
    close((*trace)->fd);
    free(*trace);
    *trace = NULL;
}
