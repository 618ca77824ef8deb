/*
 * chat.h - the chat: the program's front end on a terminal
 *
 * chat_main() opens the screen (or goes on in plain mode where there is none), starts the engine and
 * runs until the person leaves.  One-shot answers and subcommands are elsewhere (app/main.c).
 */
#ifndef APP_CHAT_H
#define APP_CHAT_H

#include <stdbool.h>

struct config_store;
struct policy_file;

struct chat_start {
    const char *model_path;  /* NULL: the screen opens without a model */
    const char *script_path; /* scripted engine (--engine script:FILE); NULL: the real one */
    const char *keys_path;   /* scripted keys (--keys FILE); NULL: none */
    bool plain;              /* --plain: lines instead of a screen */
    bool built_in;           /* the model is the small one that comes with banter */
    const struct policy_file *policy; /* the decode policy to begin with */
};

/*
 * Returns the program's exit code, 0 when the person left.  After a signal that ends a program
 * (SIGHUP, SIGTERM, SIGINT) the terminal is restored and the signal is raised again, so that the
 * function does not return.
 * Thread: the main thread, before any other thread exists: signals are blocked here.
 */
int chat_main(struct config_store *store, const struct chat_start *start);

#endif
