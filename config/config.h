/*
 * config.h - settings: one table of options, read from files, environment and flags
 *
 * Precedence: built-in < /etc/xdg/banter/config.yaml ($XDG_CONFIG_DIRS) <
 * $XDG_CONFIG_HOME/banter/config.yaml < environment < flags < /set.  Every value remembers where it
 * came from.  The table of options feeds the YAML schema, getopt_long, --help, the environment
 * names, /set and /get, completion, and a test that the manual names each of them.
 *
 * Thread: one thread (the screen's).
 */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum config_type {
    CONFIG_STRING,
    CONFIG_PATH,    /* a leading ~/ is the home folder; relative to the file that names it */
    CONFIG_INTEGER, /* int64_t */
    CONFIG_NUMBER,  /* double, finite */
    CONFIG_BOOLEAN, /* true | false; on, off, yes, no are accepted too */
    CONFIG_CHOICE   /* char *, one of option->choices */
};

/* All settings; the table in schema.c has one row for each field. */
struct config {
    /* engine */
    char *model;         /* path; NULL: none */
    char *template_name; /* NULL: chosen by the file */
    int64_t threads;     /* 0: chosen */
    int64_t context;     /* tokens; 0: chosen */
    char *kv;            /* "f16" | "f32" */
    char *cpu;           /* kernel level; NULL: best */
    int64_t chunk;       /* prefill tokens in a pass; 0: chosen */
    char *weights_cache; /* "auto" | "on" | "off" */
    /* chat */
    char *system;         /* system prompt; NULL: none */
    char *think;          /* "auto" | "on" | "off" */
    int64_t think_budget; /* tokens; 0: none */
    int64_t max_tokens;   /* of an answer; 0: until the context is full */
    /* sampling: a value counts only when it was given (config_given), else the model's own */
    double temperature, top_p, min_p;
    int64_t top_k;
    double presence_penalty, frequency_penalty, repetition_penalty;
    int64_t seed; /* the conversation's seed; -1: random, shown by /get seed */
    /* decode */
    char *policy;      /* name of a decode policy */
    char *draft_model; /* path; NULL: guide-draft for guide, else none */
    char *trace;       /* path of a file for one JSON line for each pass; NULL: none */
    /* screen */
    char *color; /* "auto" | "always" | "never" */
    bool ascii;
    bool show_thinking;
    bool marks;            /* underline tokens of an answer that were proposed */
    bool history;          /* keep the input history */
    bool leave_transcript; /* print the last exchange in the normal screen on exit */
};

struct config_option {
    const char *key;         /* in YAML and for /set: "temperature" */
    const char *flag;        /* long flag without dashes; NULL: none */
    char letter;             /* short flag; 0: none */
    const char *environment; /* "BANTER_TEMPERATURE"; NULL: none */
    enum config_type type;
    size_t offset;              /* of the field in struct config */
    double minimum, maximum;    /* of INTEGER and NUMBER */
    const char *const *choices; /* NULL-terminated, for CHOICE */
    const char *built_in;       /* default as text; NULL: not set */
    const char *argument;       /* "N", "FILE": for --help */
    const char *
        section; /* "engine", "chat", "sampling", "decode", "screen": YAML mapping, --help group */
    const char *help;   /* one line */
    bool at_run_time;   /* /set may change it in a running chat */
    bool open_minimum;  /* the minimum itself is not allowed */
    bool open_maximum;  /* the maximum itself is not allowed */
    bool counts_tokens; /* a k after the number means 1024 */
};

enum config_origin_kind {
    CONFIG_BUILT_IN,
    CONFIG_FILE,
    CONFIG_ENVIRONMENT,
    CONFIG_FLAG,
    CONFIG_SET
};

struct config_origin {
    enum config_origin_kind kind;
    const char *path; /* of a file; owned by the store */
    int line;         /* 1-based */
};

/* One problem; several are collected. */
struct config_error {
    char path[256];   /* "" for flags and environment */
    int line, column; /* 1-based; 0: none */
    char what[320];   /* "unknown key \"polciy\" (did you mean \"policy\"?)" */
};
/* "path:line:column: what" in buffer, returned. */
const char *config_error_text(const struct config_error *error, char *buffer, size_t n_bytes);

/* The settings with their origins. */
struct config_store;

/* With the built-in values; NULL: out of memory. */
struct config_store *config_new(void);
void config_free(struct config_store **store);
/* Strings in it live until the next change of that setting. */
const struct config *config_values(const struct config_store *store);
const struct config_option *config_options(size_t *n_options);
/* By key; a dash is as good as an underscore.  NULL: none. */
const struct config_option *config_find(const char *key);

/*
 * Read the configuration files that are there (path NULL) or one that must be there.
 * Returns the number of problems; up to `room` are stored in errors.  With any problem no value of
 * that file is taken.
 */
size_t config_load(struct config_store *store, const char *path, struct config_error *errors,
                   size_t room);
/* The same for text in memory; name stands for its path in origins and errors. */
size_t config_load_memory(struct config_store *store, const char *name, const char *bytes,
                          size_t n_bytes, struct config_error *errors, size_t room);
/* Where config_load(NULL) looks, lowest precedence first; false: no such index. */
bool config_file_path(size_t index, char *buffer, size_t n_bytes);
/* An empty variable counts as not set. */
size_t config_load_environment(struct config_store *store, struct config_error *errors,
                               size_t room);
/*
 * One value as text; false with *error filled: unknown key, wrong type, out of range, or CONFIG_SET
 * for a setting that is read at the start only.  An empty text takes a setting without a built-in
 * value back to "none"; "default" takes a number or a boolean back to what it was built in with.
 */
bool config_set(struct config_store *store, const char *key, const char *value,
                enum config_origin_kind origin, struct config_error *error);
/* The value as text ("" where there is none); terminated; returns buffer. */
const char *config_get(const struct config_store *store, const struct config_option *option,
                       char *buffer, size_t n_bytes);
struct config_origin config_origin(const struct config_store *store,
                                   const struct config_option *option);
/* Has it a value that is not the built-in one? */
bool config_given(const struct config_store *store, const char *key);

/*
 * Read a small YAML mapping that has a schema of its own (a decode policy): each scalar is given to
 * visit() with its key path ("ngram.gamma"; a list of scalars comes as "a, b"), its text and the
 * place of that text.  visit() says what is wrong, of the key or of the value.  Problems are
 * collected as by config_load(); duplicate keys, anchors, tags, other documents and deeper nesting
 * are problems.
 */
enum config_visit { CONFIG_TAKEN, CONFIG_WRONG_KEY, CONFIG_WRONG_VALUE };
struct config_visitor {
    enum config_visit (*visit)(void *context, const char *key, const char *value, int line,
                               int column, char *what, size_t n_bytes);
    void *context;
};
size_t config_read_mapping(const char *path, const struct config_visitor *visitor,
                           struct config_error *errors, size_t room);
size_t config_read_mapping_memory(const char *name, const char *bytes, size_t n_bytes,
                                  const struct config_visitor *visitor,
                                  struct config_error *errors, size_t room);

/* Folders by the XDG base directory specification, "banter" appended; false: no home folder. */
bool config_folder_config(char *buffer, size_t n_bytes);
bool config_folder_data(char *buffer, size_t n_bytes);
bool config_folder_state(char *buffer, size_t n_bytes);
bool config_folder_cache(char *buffer, size_t n_bytes);
/* Make the folder and its parents with mode 0700 if missing; ours is tightened to 0700. */
bool config_make_folder(const char *path, struct config_error *error);

/* The name closest to a misspelt one (edit distance), or NULL when none is close. */
const char *config_suggest(const char *name, const char *const *names, size_t n_names);

#endif
