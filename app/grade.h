/*
 * grade.h - how well a model answers held-out questions, and how often its drafts are right
 *
 * Answers are greedy.  A question's line says how its answer is graded:
 *   fact      every expected string is named, none of the rejected ones
 *   refusal   one of the expected strings is there: the answer says that it cannot know
 *   exercise  the answer is exactly the one given
 *   chat      graded as a fact where it expects something, else only read for drafts
 *
 * Acceptance, as in speculative decoding with greedy drafts of DRAFT_TOKENS: accepted drafts of
 * verified ones.  Every draft up to the first one that differs from the model's own choice is
 * verified.  Of the multi-token-prediction block: its first token, along the model's own answers.
 *
 * Thread: one.
 */
#ifndef APP_GRADE_H
#define APP_GRADE_H

#include <jansson.h>

#include "app/chat_messages.h"
#include "app/text_buffer.h"
#include "engine/session.h"

enum grade_kind { GRADE_FACT, GRADE_REFUSAL, GRADE_EXERCISE, GRADE_CHAT, GRADE_KIND_COUNT };
enum { DRAFT_TOKENS = 4, ANSWER_TOKENS_MAX = 400 };

extern const char *const grade_kind_names[GRADE_KIND_COUNT];

/* One line of a held-out file. */
struct grade_item {
    json_t *line;              /* owned: what the others point into */
    struct chat_messages chat; /* owned; the question and what was said before */
    bool thinking;
    enum grade_kind kind;
    const json_t *expect, *reject; /* arrays of strings, or NULL */
    const char *exact;             /* of an exercise */
};

/* Errors: DAMAGED (what is wrong with the line; the caller knows its number). */
enum status grade_item_read(struct grade_item *item, const char *line, size_t n_bytes,
                            struct error *error);
void grade_item_release(struct grade_item *item);

/* A model's answer to one item. */
struct grade_answer {
    struct text_buffer text;
    int32_t *ids;           /* owned: the prompt, then the answer, its stop token included */
    size_t n_prompt, n_ids; /* n_ids counts both */
    bool ended;             /* by itself */
    bool leaked;            /* a control token, or text that spells one */
};

enum status grade_answer_to(struct grade_answer *answer, const struct grade_item *item,
                            const struct model *model, struct session *session,
                            struct error *error);
void grade_answer_release(struct grade_answer *answer);
bool grade_is_right(const struct grade_item *item, const struct grade_answer *answer);

struct acceptance {
    uint64_t verified, accepted;
};

/* Add the drafts of a model with the same vocabulary along the answer. */
enum status acceptance_of_draft(struct acceptance *acceptance,
                                const struct grade_answer *answer, struct session *draft,
                                uint32_t n_vocab, struct error *error);
/* Add those of the model's own multi-token-prediction block. */
enum status acceptance_of_mtp(struct acceptance *acceptance, const struct grade_answer *answer,
                              struct session *session, struct error *error);

#endif
