/*
 * guide_facts.h - what the model in the box knows: facts and the ways to ask for them
 *
 * A fact has one answer, so that the same question is always answered by the same text.  It is
 * asked for by a wording ("scroll up") in a frame ("how do I {x}?"); the kinds of a wording say
 * which frames fit it.
 *
 * Thread: one at a time.
 */
#ifndef APP_GUIDE_FACTS_H
#define APP_GUIDE_FACTS_H

#include <stdbool.h>
#include <stddef.h>

/* What a wording is, and so which frames it fits into. */
enum guide_kind {
    GUIDE_ACTION = 1 << 0,  /* "scroll up": how do I ...? */
    GUIDE_KEY = 1 << 1,     /* the same, asked for a key */
    GUIDE_COMMAND = 1 << 2, /* asked for a command of the chat */
    GUIDE_SETTING = 1 << 3, /* asked for a setting */
    GUIDE_SHELL = 1 << 4,   /* asked for a command of the shell */
    GUIDE_NAME = 1 << 5,    /* "/regen": what does ... do? */
    GUIDE_CONCEPT = 1 << 6, /* "a GGUF file": what is ...? */
    GUIDE_DEFAULT = 1 << 7, /* the rest: a setting's name, asked for one side of it */
    GUIDE_ENVIRONMENT = 1 << 8,
    GUIDE_FLAG = 1 << 9,
    GUIDE_RANGE = 1 << 10,
    GUIDE_SECTION = 1 << 11,
    GUIDE_CHANGE = 1 << 12, /* can it be changed while chatting? */
    GUIDE_SET = 1 << 13,    /* how is it set? */
    GUIDE_USAGE = 1 << 14,  /* "/regen": which arguments? */
    GUIDE_CODE = 1 << 15,   /* "65": which exit code is it? */
    GUIDE_MEANS = 1 << 16,  /* "a full disk": which exit code has it? */
    GUIDE_PLACE = 1 << 17,  /* "the history": where is it? */
    GUIDE_WHOLE = 1 << 18,  /* a question by itself */
    GUIDE_PERSON = 1 << 19, /* of the world outside: who is ...? */
    GUIDE_COUNTRY = 1 << 20,
    GUIDE_THING = 1 << 21,
    GUIDE_WRITING = 1 << 22, /* write a poem about ... */
    GUIDE_KIND_COUNT = 23
};

struct guide_wording {
    char *text; /* owned */
    unsigned kinds;
    bool held_out; /* never trained on */
};

struct guide_fact {
    char *id;     /* owned; "option/top_k/default" */
    char *answer; /* owned */
    char *expect; /* owned; what a right answer contains; several are separated by newlines */
    char *about;  /* owned; a few words for a thought */
    unsigned weight; /* how often it is asked for, against the others */
    struct guide_wording *wordings;
    size_t n_wordings;
};

struct guide_facts {
    struct guide_fact *facts;
    size_t n_facts, room;
};

/* All facts, from the program's tables and from the texts; wordings are held out by rule. */
void guide_facts_make(struct guide_facts *facts);
void guide_facts_release(struct guide_facts *facts);
/* Index by id; n_facts when there is none. */
size_t guide_fact_find(const struct guide_facts *facts, const char *id);

/*
 * For the sources of facts.  patterns: wordings with ';' between them; "(a|b|)" stands for each
 * of its parts; a wording that begins with '?' is a whole question.  The fact stays valid until
 * the next one is added.
 */
struct guide_fact *guide_fact_add(struct guide_facts *facts, const char *id, const char *answer,
                                  const char *expect, const char *about, unsigned weight);
void guide_fact_ask(struct guide_fact *fact, unsigned kinds, const char *patterns);
/* Each expansion of the patterns, in order. */
void guide_expand(const char *patterns, void (*take)(void *taker, const char *text),
                  void *taker);

/* Rows of a table of facts that are written by hand. */
struct guide_row {
    const char *id;
    unsigned kinds;
    unsigned weight;
    const char *answer, *expect, *about, *patterns;
};
void guide_rows_add(struct guide_facts *facts, const struct guide_row *rows, size_t n_rows);

void guide_tables_add(struct guide_facts *facts);   /* guide_tables.c */
void guide_settings_add(struct guide_facts *facts); /* guide_settings.c */
void guide_manual_add(struct guide_facts *facts);   /* guide_manual.c */
void guide_concepts_add(struct guide_facts *facts); /* guide_concepts.c */

#endif
