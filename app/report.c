/*
 * report.c - messages on standard error, filtered
 */
#include "app/report.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ui/ui.h"

static void put_line(const char *prefix, const char *text)
{
    char line[1200];

    ui_filter_line(text, strlen(text), line, sizeof line);
    fprintf(stderr, "%s%s\n", prefix, line);
}

void report(const char *format, ...)
{
    char text[1024];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    put_line("banter: ", text);
}

int report_error(const struct error *error)
{
    char text[sizeof error->what + sizeof error->where + sizeof error->action + 16];

    put_line("banter: ", error_text(error, text, sizeof text));
    if (error->status > STATUS_OK && error->status <= STATUS_CONFIG)
        return (int)error->status;
    return STATUS_FAILED;
}

/* The line of the file and a caret under the column. */
static void show_place(const struct config_error *error)
{
    char *line = NULL;
    size_t room = 0;
    ssize_t n = 0;
    FILE *file = fopen(error->path, "r");

    for (int i = 0; file != NULL && i < error->line && n >= 0; i++)
        n = getline(&line, &room, file);
    if (n > 0 && n <= 200) {
        char shown[512];

        if (line[n - 1] == '\n')
            line[--n] = '\0';
        ui_filter_line(line, (size_t)n, shown, sizeof shown);
        fprintf(stderr, "    %s\n    %*s\n", shown, error->column, "^");
    }
    free(line);
    if (file != NULL)
        fclose(file);
}

void report_config_errors(const struct config_error *errors, size_t n_kept, size_t n_errors)
{
    for (size_t i = 0; i < n_errors && i < n_kept; i++) {
        char text[sizeof errors->path + sizeof errors->what + 32];

        put_line("", config_error_text(&errors[i], text, sizeof text));
        if (errors[i].line > 0 && isatty(STDERR_FILENO))
            show_place(&errors[i]);
    }
    if (n_errors > n_kept)
        report("%zu more problems are not shown", n_errors - n_kept);
}
