/*
 * error.c - filling in struct error
 */
#include "engine/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum status error_set(struct error *error, enum status status, const char *format, ...)
{
    if (error) {
        va_list arguments;
        error->status = status;
        error->where[0] = '\0';
        error->action[0] = '\0';
        va_start(arguments, format);
        vsnprintf(error->what, sizeof error->what, format, arguments);
        va_end(arguments);
    }
    return status;
}

void error_where(struct error *error, const char *format, ...)
{
    char inner[sizeof error->where];
    char outer[sizeof error->where];
    va_list arguments;

    if (!error)
        return;
    va_start(arguments, format);
    vsnprintf(outer, sizeof outer, format, arguments);
    va_end(arguments);
    memcpy(inner, error->where, sizeof inner);
    /* Both parts are bounded, so that the inner place, the more exact one, is not the one cut. */
    snprintf(error->where, sizeof error->where, "%.120s%s%.120s", outer, inner[0] ? ", " : "",
             inner);
}

void error_path(struct error *error, const char *path)
{
    char shown[112];
    size_t n_bytes;

    if (!error || !path)
        return;
    n_bytes = strlen(path);
    if (n_bytes >= sizeof shown) /* the end of a path says more than its start */
        snprintf(shown, sizeof shown, "...%s", path + n_bytes - (sizeof shown - 4));
    else
        snprintf(shown, sizeof shown, "%s", path);
    n_bytes = strlen(shown);
    if (strncmp(error->where, shown, n_bytes) != 0 ||
        (error->where[n_bytes] != '\0' && error->where[n_bytes] != ','))
        error_where(error, "%s", shown);
}

void error_action(struct error *error, const char *format, ...)
{
    va_list arguments;

    if (!error)
        return;
    va_start(arguments, format);
    vsnprintf(error->action, sizeof error->action, format, arguments);
    va_end(arguments);
}

void error_clear(struct error *error)
{
    if (error)
        memset(error, 0, sizeof *error);
}

const char *error_text(const struct error *error, char *buffer, unsigned long n_bytes)
{
    snprintf(buffer, n_bytes, "%s%s%s%s%s%s", error->where, error->where[0] ? ": " : "",
             error->what, error->action[0] ? " (" : "", error->action,
             error->action[0] ? ")" : "");
    return buffer;
}
