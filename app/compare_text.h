/*
 * compare_text.h - two ways to answer one message: the verdict and the table
 *
 * Pure.  Thread: the main thread.
 */
#ifndef APP_COMPARE_TEXT_H
#define APP_COMPARE_TEXT_H

#include "app/text_buffer.h"
#include "engine/engine.h"

enum { COMPARE_MAX_ROUNDS = 32 };

/* One of the two, with its figures by round. */
struct compare_figures {
    const char *name;                   /* raw */
    uint32_t n_rounds;                  /* that are over */
    double rates[COMPARE_MAX_ROUNDS];   /* tokens per second; 0: too few tokens */
    double seconds[COMPARE_MAX_ROUNDS]; /* from the end of the prompt to the last token */
    const struct policy_statistics *speculation; /* of the last round */
};

struct compare_verdict {
    bool known, identical;
    uint32_t n_compared;       /* tokens */
    uint32_t n_tokens[2];      /* of the two answers */
    uint32_t first_difference; /* index from 0 */
    float margin;              /* NAN: not known */
    const char *tokens[2];     /* there, raw; NULL: not known */
};

/* "identical: 312/312 tokens", "first difference at token 57 (A " the", B " a", margin 0.031)" */
void compare_verdict_text(const struct compare_verdict *verdict, struct text_buffer *text);
/*
 * Rows of rate, time, drafted and accepted, mean length, with B/A where it means something; +- is
 * half of the range over the rounds.  policies: false where the lanes do not use theirs.
 */
void compare_table_text(const struct compare_figures figures[2], bool policies, int columns,
                        struct text_buffer *text);

#endif
