/*
 * prompts.h - prompts from a file or from the command line, as a model reads them
 *
 * A file holds one object on each line: {"prompt": "text"}, or {"messages": [...]} as in files
 * of chats, where an assistant's message at the end is the answer that was given, and left out.
 * "think": true or false beside them says whether that answer is to think first.  Blank lines
 * are skipped.
 *
 * Thread: one.
 */
#ifndef APP_PROMPTS_H
#define APP_PROMPTS_H

#include "engine/chat.h"

struct prompt {
    char *label;  /* owned; the question's first bytes, unfiltered */
    int32_t *ids; /* owned; up to the opening of the answer */
    size_t n_ids;
    bool thinking; /* the answer begins with thinking */
};

struct prompts {
    const struct model *model;   /* borrows */
    enum thinking_mode thinking; /* where a line does not say */
    const char *system;          /* in front of prompts without a system message; NULL: none */
    struct prompt *prompts;      /* owned */
    size_t n_prompts;
    size_t longest; /* tokens */
};

/* Add all prompts of a file ("-": standard input).  Errors: USAGE: there is no such file; IO;
 * DAMAGED: a line is wrong (its number and offset), or there is no prompt. */
enum status prompts_add_file(struct prompts *prompts, const char *path, struct error *error);
enum status prompts_add_text(struct prompts *prompts, const char *text, size_t n_bytes,
                             struct error *error);
void prompts_release(struct prompts *prompts);

#endif
