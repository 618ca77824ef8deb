/*
 * compare_runs.h - two decode policies on the same prompts, in turns
 *
 * A round answers a prompt by both, from copies of one state; every other round begins with the
 * second: A B, B A, A B ...  The ratio of a round is the rate of B over that of A; the ratio of
 * a prompt is the median of its rounds.
 *
 * Thread: one.
 */
#ifndef APP_COMPARE_RUNS_H
#define APP_COMPARE_RUNS_H

#include "app/paired_statistics.h"
#include "app/prompts.h"
#include "app/timed_answer.h"

enum { SIDE_A, SIDE_B, SIDE_COUNT };

/* Two texts as tokens. */
struct first_difference {
    bool identical;
    size_t at;               /* equal tokens before it */
    int32_t ids[SIDE_COUNT]; /* -1: the text ends there */
    /*
     * The logit of A's token less that of B's, by plain steps behind the equal tokens: 0 is a
     * tie.  Without sampling the right token's is the larger.
     */
    double margin;
    bool has_margin;
};

/* identical, at and ids. */
struct first_difference difference_of(const int32_t *a, size_t n_a, const int32_t *b,
                                      size_t n_b);

/*
 * Its margin: plain steps along the equal tokens of `answer`, from the state behind the prompt.
 * None where one of the texts ends.  Errors: as session_eval().
 */
enum status difference_weigh(struct first_difference *difference,
                             const struct answer_start *start, const struct model *model,
                             const int32_t *answer, struct error *error);

struct compared_prompt {
    const struct prompt *prompt;        /* borrows */
    size_t n_tokens;                    /* of A's answer in the first round */
    size_t n_rounds;                    /* that both sides ended */
    double rate[SIDE_COUNT];            /* tokens a second, the median of the rounds; 0: none */
    double ratio;                       /* B over A; 0: an answer had one token or none */
    struct first_difference difference; /* of the first round that has one */
    enum stop_reason reason;            /* of A's answer in the first round */
};

struct compared_side {
    uint64_t n_tokens;
    double seconds; /* of all but each answer's first token */
    uint64_t n_timed;
    struct policy_statistics statistics;
};

struct comparison {
    struct compared_prompt *prompts; /* owned */
    size_t n_prompts, n_rounds;      /* that were wanted */
    size_t n_compared;               /* prompts with at least one whole round */
    size_t n_identical, n_answers;   /* pairs of answers */
    struct compared_side sides[SIDE_COUNT];
    /* Ratios of prompts; of the rounds where there is one prompt alone. */
    struct paired_statistics ratio;
    bool over_rounds;
    bool cancelled;
};

struct comparison_plan {
    const struct prompts *prompts;
    size_t n_rounds;
    struct session *session, *draft;     /* draft may be NULL */
    struct policy *policies[SIDE_COUNT]; /* of the session */
    size_t max_tokens;
    bool ignore_stop;
    const struct sampling_choice *sampling;
    uint64_t seed; /* of the texts: each prompt is the first message of its own conversation */
    const atomic_bool *cancel;
    /* Before each round; may be NULL. */
    void (*progress)(void *context, const struct comparison *comparison, size_t prompt,
                     size_t round);
    void *context;
};

/*
 * Prompt by prompt, then the figures.
 * A cancel is no error: `cancelled`, and figures of the rounds that were ended.
 * Errors: those of sessions and policies.
 */
enum status comparison_run(struct comparison *out, const struct comparison_plan *plan,
                           struct error *error);
void comparison_release(struct comparison *comparison);

#endif
