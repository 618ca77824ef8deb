/*
 * commands.h - lines that begin with a slash
 *
 * One table names every command; help, completion and parsing read it.  A unique beginning of a
 * name is enough.  An unknown command is an error and is never sent to the model; a line that
 * begins with two slashes is a message that begins with one.
 */
#ifndef APP_COMMANDS_H
#define APP_COMMANDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct chat;
struct sampling_choice;

/* Candidates for the word that is typed; offer() passes on those that begin with it. */
struct completer {
    const char *word;
    void (*add)(void *adder, const char *text, const char *description);
    void *adder;
};
void offer(const struct completer *completer, const char *text, const char *description);

struct command {
    const char *name;
    const char *arguments; /* "[KEY=VALUE ...]"; "" */
    const char *help;      /* a few words */
    const char *more;      /* a few sentences for /help NAME; NULL: none */
    void (*run)(struct chat *chat, const char *arguments);
    /* Argument number n (from 0) is being typed; `before` is the first one.  NULL: none. */
    void (*complete)(struct chat *chat, size_t n, const char *before,
                     const struct completer *completer);
};

const struct command *command_table(size_t *n_commands);

/* What /help keys shows: a row for each key, "NAMES  what it does". */
const char *command_keys(void);

enum command_line_kind {
    COMMAND_LINE_EMPTY,
    COMMAND_LINE_MESSAGE,
    COMMAND_LINE_COMMAND,
    COMMAND_LINE_ERROR
};

struct command_line {
    enum command_line_kind kind;
    const char *text; /* of a message; borrowed from the line */
    size_t n_bytes;
    const struct command *command;
    char *arguments;   /* owned; trimmed, "" when there are none */
    char problem[240]; /* of an error; raw text, to be filtered */
};

struct command_line command_parse(const char *line, size_t n_bytes);
void command_line_release(struct command_line *line);
void command_run(struct chat *chat, const struct command_line *line);
/* The app's candidates for struct ui_completion. */
void command_complete(struct chat *chat, const char *line, size_t word_start, const char *word,
                      void (*add)(void *adder, const char *text, const char *description),
                      void *adder);

/* The handlers, by file ---------------------------------------------------------------------- */

/* command_conversation.c */
void command_new(struct chat *chat, const char *arguments);
void command_regen(struct chat *chat, const char *arguments);
void command_quit(struct chat *chat, const char *arguments);
void complete_regen(struct chat *chat, size_t n, const char *before,
                    const struct completer *completer);
/* command_settings.c */
void command_system(struct chat *chat, const char *arguments);
void command_think(struct chat *chat, const char *arguments);
void command_set(struct chat *chat, const char *arguments);
void command_get(struct chat *chat, const char *arguments);
void complete_system(struct chat *chat, size_t n, const char *before,
                     const struct completer *completer);
void complete_think(struct chat *chat, size_t n, const char *before,
                    const struct completer *completer);
void complete_set(struct chat *chat, size_t n, const char *before,
                  const struct completer *completer);
void complete_get(struct chat *chat, size_t n, const char *before,
                  const struct completer *completer);
/* command_policy.c */
void command_policy(struct chat *chat, const char *arguments);
void complete_policy(struct chat *chat, size_t n, const char *before,
                     const struct completer *completer);
void complete_policy_names(const struct completer *completer);
/* command_stats.c */
void command_stats(struct chat *chat, const char *arguments);
void complete_stats(struct chat *chat, size_t n, const char *before,
                    const struct completer *completer);
/* command_compare.c */
void command_ab(struct chat *chat, const char *arguments);
void command_abx(struct chat *chat, const char *arguments);
void command_best(struct chat *chat, const char *arguments);
void command_keep(struct chat *chat, const char *arguments);
void complete_ab(struct chat *chat, size_t n, const char *before,
                 const struct completer *completer);
void complete_abx(struct chat *chat, size_t n, const char *before,
                  const struct completer *completer);

enum { COMPARE_WORD_ROOM = 96 };
struct ab_arguments {
    char names[2][COMPARE_WORD_ROOM]; /* of policies; "": the present one and greedy */
    uint32_t rounds;
    bool together;
};
/* false: problem says what is wrong. */
bool ab_parse(const char *arguments, struct ab_arguments *ab, char *problem, size_t n_bytes);
/* "temperature=0.3,top_k=20"; false: problem says what is wrong. */
bool sampling_list_parse(const char *list, struct sampling_choice *choice, char *problem,
                         size_t n_bytes);
/* command_selfcheck.c */
void command_selfcheck(struct chat *chat, const char *arguments);
/* command_show.c */
void command_info(struct chat *chat, const char *arguments);
void command_prompt(struct chat *chat, const char *arguments);

#endif
