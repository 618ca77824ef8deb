/*
 * options.h - the command line: settings of the option table, and each command's own flags
 *
 * The option table (config/schema.c) gives the flags that are settings; a command names the
 * sections and keys of it that mean something to it, and lists its own flags.  getopt_long, --help
 * and the tests of the manual are fed from these two.  A long flag is written out in full:
 * abbreviations are refused, because a flag added later would change what they mean.
 *
 * Thread: the main thread (getopt keeps its state in globals).
 */
#ifndef APP_OPTIONS_H
#define APP_OPTIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "app/text_buffer.h"

enum flag {
    FLAG_PROMPT,
    FLAG_ENGINE,
    FLAG_KEYS_FILE,
    FLAG_PLAIN,
    FLAG_CONFIG,
    FLAG_NO_CONFIG,
    FLAG_OUTPUT,
    FLAG_RAW,
    FLAG_TOKENS,
    FLAG_OUT,
    FLAG_IGNORE_EOS,
    FLAG_SPECIAL,
    FLAG_ALL_KEYS,
    FLAG_TENSORS,
    FLAG_ORIGIN,
    FLAG_DRAFT,
    FLAG_A,
    FLAG_B,
    FLAG_ROUNDS,
    FLAG_DRAFT_COST,
    FLAG_SHOW,
    FLAG_DATA,
    FLAG_SIZE,
    FLAG_TYPE,
    FLAG_SEED,
    FLAG_HELD_OUT,
    FLAG_VOCABULARY,
    FLAG_FROM,
    FLAG_NAME,
    FLAG_DESCRIPTION,
    FLAG_SAMPLING,
    FLAG_STEPS,
    FLAG_BATCH,
    FLAG_MICRO,
    FLAG_OPTIMIZER,
    FLAG_LEARNING_RATE,
    FLAG_RATE_FLOOR,
    FLAG_WARMUP,
    FLAG_WEIGHT_DECAY,
    FLAG_CLIP,
    FLAG_DROPOUT,
    FLAG_MTP_FACTOR,
    FLAG_CHECKPOINT,
    FLAG_CHECKPOINT_INTERVAL,
    FLAG_RESUME,
    FLAG_HELD_OUT_INTERVAL,
    FLAG_PLOT,
    FLAG_JSON,
    FLAG_LAYERS,
    FLAG_MTP,
    FLAG_EMBEDDING,
    FLAG_FFN,
    FLAG_HEADS,
    FLAG_KV_HEADS,
    FLAG_HEAD_DIM,
    FLAG_ROTARY,
    FLAG_ROPE_BASE,
    FLAG_KEY_HEADS,
    FLAG_VALUE_HEADS,
    FLAG_STATE_DIM,
    FLAG_CONTEXT,
    FLAG_UNTIED,
    FLAG_ONLY,
    FLAG_QUICK,
    FLAG_PROFILE,
    FLAG_PEER,
    FLAG_PEER_ARGUMENTS,
    FLAG_PEER_SECONDS,
    FLAG_WAIT_QUIET,
    FLAG_REQUIRE_QUIET,
    FLAG_CLEAR,
    FLAG_HELP,
    FLAG_VERSION,
    FLAG_COUNT
};

struct option_flag {
    enum flag flag;
    const char *name;           /* without dashes; NULL ends a list */
    char letter;                /* 0: none */
    const char *argument;       /* "FILE"; NULL: takes none */
    const char *const *choices; /* NULL-terminated; NULL: any text */
    const char *help;
};

struct invocation;

struct subcommand {
    const char *name;                /* "generate"; "" for the chat itself */
    const char *const *synopses;     /* what follows "banter"; NULL-terminated */
    const char *summary;             /* one line */
    const char *const *settings;     /* sections and keys of the option table; NULL: none */
    const struct option_flag *flags; /* its own; NULL: none */
    size_t n_arguments_max;          /* words that are no flags */
    int (*run)(struct invocation *invocation);
};

struct config_store;

/* A command line, read. */
struct invocation {
    const struct subcommand *command;
    struct config_store *store;     /* with files, environment and flags in it, once loaded */
    const char *values[FLAG_COUNT]; /* "" for a flag without argument; NULL: not given */
    const char **settings;          /* owned: key, value, key, value ... as given */
    size_t n_settings;              /* pairs */
    const char **arguments;         /* owned; the words borrow from argv */
    size_t n_arguments;
};

/* The commands, the chat first; the list ends with a NULL name. */
extern const struct subcommand subcommands[];
const struct subcommand *subcommand_find(const char *name);

enum options_result { OPTIONS_RUN, OPTIONS_HELP, OPTIONS_VERSION, OPTIONS_WRONG };

/*
 * Read argv.  argv[1] is the command's name unless it begins with a dash.  With OPTIONS_WRONG
 * `what` holds one line for a person.  Release in every case.
 */
enum options_result options_parse(struct invocation *invocation, int argc, char **argv,
                                  char *what, size_t n_bytes);
void invocation_release(struct invocation *invocation);

/* The text of --help, at most 80 columns wide. */
void options_help(const struct subcommand *command, struct text_buffer *out);
/* Does the command take this setting of the option table? */
struct config_option;
bool subcommand_takes(const struct subcommand *command, const struct config_option *option);
/* Flags that every command takes; ends with a NULL name. */
extern const struct option_flag common_flags[];

#endif
