/*
 * report.h - what the program says on standard error, one line each
 *
 * Names and texts in a message may come from files or from the command line, so every line passes
 * the screen's filter before it is written.
 *
 * Thread: the main thread.
 */
#ifndef APP_REPORT_H
#define APP_REPORT_H

#include <stddef.h>

#include "config/config.h"
#include "engine/error.h"

/* "banter: " and the message. */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The same for an error of the engine; returns the program's exit code. */
int report_error(const struct error *error);
/* Problems of the configuration; on a terminal each with its line and a caret. */
void report_config_errors(const struct config_error *errors, size_t n_kept, size_t n_errors);

#endif
