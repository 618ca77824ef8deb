/*
 * conversation.h - what was said: questions, and the answers to each
 *
 * An exchange is one message of the person with the answers that the model gave to it; one of them
 * counts, the last one unless /keep chose another, and the rest are variants.  An answer that
 * ended without a single character (an error, a stop while the prompt was read) is dropped, and an
 * exchange without an answer is no part of the history that a model reads: so user and assistant
 * take turns in every prompt.
 *
 * Pure data: no screen, no engine thread.  Thread: one.
 */
#ifndef APP_CONVERSATION_H
#define APP_CONVERSATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/text_buffer.h"
#include "engine/engine.h"

/* A decode policy by the name that a person knows it by. */
struct named_policy {
    char name[64];
    struct policy_settings settings;
};

enum answer_end { ANSWER_RUNNING, ANSWER_COMPLETE, ANSWER_STOPPED, ANSWER_FAILED };

/* What an answer was asked with: enough to ask for it again, and for /prompt. */
struct answer_settings {
    char *system; /* owned; NULL: no system prompt */
    enum thinking_mode thinking;
    uint32_t thinking_budget;
    struct sampling_choice sampling;
    uint64_t seed; /* of the conversation */
    uint32_t variant;
    size_t max_tokens;
    struct named_policy policy; /* that ran last, where it was switched in mid-answer */
};

struct answer {
    struct answer_settings settings;
    bool has_statistics; /* the engine said how it went */
    struct engine_statistics statistics;
    struct text_buffer text;
    struct text_buffer thinking;
    int32_t *ids; /* owned: the ids that the model generated for text */
    size_t n_ids, ids_room;
    enum answer_end end;
};

struct exchange {
    struct text_buffer question;
    struct answer *answers; /* owned; in the order they were given */
    size_t n_answers;
    size_t counts; /* index of the answer that counts; there may be none yet */
    size_t before; /* the one that counted before the running ones */
};

struct conversation {
    struct exchange *exchanges; /* owned */
    size_t n_exchanges;
    uint64_t seed;
};

void conversation_init(struct conversation *conversation, uint64_t seed);
/* Free everything; to be initialised before it is used again. */
void conversation_release(struct conversation *conversation);

struct exchange *conversation_ask(struct conversation *conversation, const char *text,
                                  size_t n_bytes);
/* Undo conversation_ask(): the last exchange, which has no answer, was never asked. */
void conversation_take_back(struct conversation *conversation);
/* The last exchange, or NULL. */
struct exchange *conversation_last(const struct conversation *conversation);
/*
 * A new answer of an exchange, which counts from now on: its variant number is the next one.  The
 * settings' system prompt is copied.  Several may run at once.
 */
struct answer *exchange_begin(struct exchange *exchange,
                              const struct answer_settings *settings);
/* The variant number that no answer has: one above the highest. */
uint32_t exchange_next_variant(const struct exchange *exchange);
/* The answer that counts, or NULL. */
struct answer *exchange_answer(const struct exchange *exchange);
void answer_add(struct answer *answer, enum chat_part part, const char *bytes, size_t n_bytes,
                const int32_t *ids, size_t n_ids);
/*
 * All running answers are over.  false: nothing had been said and they were dropped, so that an
 * earlier variant counts again if there is one.
 */
bool exchange_end(struct exchange *exchange, enum answer_end end);
/* An answer that was made elsewhere (side by side), over already; it counts.  Taken over. */
struct answer *exchange_adopt(struct exchange *exchange, struct answer *answer);
/* Another answer counts from now on; false: there is no such one. */
bool exchange_keep(struct exchange *exchange, size_t index);
void answer_release(struct answer *answer);

/*
 * The messages of a prompt that asks for an answer to exchange number `last`: system, the history
 * before it, its question.  Texts and ids are borrowed from the conversation and from system; the
 * array is the caller's.
 */
size_t conversation_messages(const struct conversation *conversation, size_t last,
                             const char *system, struct chat_message **out);

#endif
