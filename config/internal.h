/*
 * internal.h - what the files of config/ share
 *
 * Thread: one thread.
 */
#ifndef CONFIG_INTERNAL_H
#define CONFIG_INTERNAL_H

#include "config/config.h"

enum { CONFIG_OPTIONS_MAX = 64, CONFIG_FILE_BYTES_MAX = 1 << 20 };

/* A parsed value of any type. */
struct config_value {
    int64_t integer;
    double number;
    bool boolean;
    char *text; /* owned; NULL: none */
};

/* Problems as they are found: all are counted, the first `room` are kept. */
struct config_problems {
    struct config_error *errors;
    size_t room, count;
    const char *path; /* of the file; "" elsewhere */
};

/* line and column are 1-based; 0: none. */
void config_problem(struct config_problems *problems, int line, int column, const char *format,
                    ...) __attribute__((format(printf, 4, 5)));
/* Fill *error, which may be NULL; returns false, so that `return config_refuse(...)` reads as one step. */
bool config_refuse(struct config_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/*
 * Text to a value of the option's type.  folder: what a relative path is relative to; NULL: left
 * alone.  false: `what` says why, in words that name the option.
 */
bool config_value_parse(const struct config_option *option, const char *text,
                        const char *folder, struct config_value *out, char *what,
                        size_t n_bytes);
/* "a number in [0, 5]": what the option takes. */
const char *config_value_expected(const struct config_option *option, char *buffer,
                                  size_t n_bytes);
/* Shortest decimal text that reads back as the same number, whatever the locale. */
const char *config_number_text(double number, char *buffer, size_t n_bytes);

/* The home folder; NULL: none. */
const char *config_home(void);

/* Put a parsed value in its place; takes value->text over. */
void config_store_put(struct config_store *store, const struct config_option *option,
                      struct config_value *value, enum config_origin_kind kind,
                      const char *path, int line);
/* A copy of a path that lives as long as the store; NULL: out of memory. */
const char *config_store_keep_path(struct config_store *store, const char *path);

#endif
