/*
 * compare.h - two ways to answer the last message, side by side
 *
 * Policies (/ab): the same text at different speeds; or sampling, blind (/abx): which is better is
 * asked before it is said which is which.  Both are lanes of one request, from one prompt.
 *
 * Thread: the main thread.
 */
#ifndef APP_COMPARE_H
#define APP_COMPARE_H

#include "app/chat_internal.h"
#include "app/compare_text.h"

enum { COMPARE_NAME_ROOM = 96 };

struct compare_way {
    char name[COMPARE_NAME_ROOM]; /* raw: of a policy, or "temperature=0.3" */
    struct named_policy policy;
    struct sampling_choice sampling;
};

struct compare_plan {
    struct compare_way ways[2];
    uint32_t rounds; /* at least 1 */
    bool together;   /* one pass for both; their policies are not used */
    bool blind;
};

/* Ask; an error is shown.  There is a last exchange, and nothing runs. */
void compare_start(struct chat *chat, const struct compare_plan *plan);

/* What the files of the comparison share ------------------------------------------------------ */

/* One of the two while it runs, and what came of it. */
struct compare_side {
    struct compare_way way;
    struct answer answer; /* owned; of the first round */
    bool began, over;     /* in the round that runs */
    bool complete;        /* the first round is over */
    enum chat_part part;  /* of its last text */
    uint32_t n_tokens;
    double rate_now;
    struct policy_statistics live;
    struct compare_figures figures;
    struct policy_statistics speculation; /* of the last round that is over */
    uint32_t block;                       /* without a screen; 0: none yet */
};

struct comparison {
    struct compare_plan plan;
    struct answer_settings settings; /* what both have in common; system is owned */
    struct compare_side sides[2];
    bool running;
    uint32_t n_wanted; /* rounds, when what runs is over */
    bool turned;       /* the request's first lane is the second side */
    struct compare_verdict verdict;
    char tokens[2][48];
};

/* compare.c */
/* Ask for `rounds` more; false: an error was shown. */
bool compare_ask(struct chat *chat, uint32_t rounds);
/* The same again, from nothing. */
void compare_again(struct chat *chat);

/* compare_view.c */
/* "A" or "B"; blind: "1" or "2". */
const char *compare_label(const struct comparison *comparison, size_t side);
/* Verdict and table of what is over. */
void compare_add_table(const struct comparison *comparison, int columns,
                       struct text_buffer *text);
/* Open the split view, empty, where there is a screen. */
void compare_show_open(struct chat *chat);
void compare_show_heading(struct chat *chat, size_t index);
void compare_show_all(struct chat *chat);
/* Text of an answer, as it comes. */
void compare_show_text(struct chat *chat, size_t index, const struct engine_event *event);
/* Without a screen: the first round of a side is over. */
void compare_print_over(struct chat *chat, size_t index);

#endif
