/*
 * conversation.c - what was said: questions, and the answers to each
 */
#include "app/conversation.h"

#include <stdlib.h>
#include <string.h>

void answer_release(struct answer *answer)
{
    free(answer->settings.system);
    text_release(&answer->text);
    text_release(&answer->thinking);
    free(answer->ids);
    *answer = (struct answer){0};
}

void conversation_init(struct conversation *conversation, uint64_t seed)
{
    *conversation = (struct conversation){.seed = seed};
}

static void exchange_release(struct exchange *exchange)
{
    for (size_t i = 0; i < exchange->n_answers; i++)
        answer_release(&exchange->answers[i]);
    free(exchange->answers);
    text_release(&exchange->question);
}

void conversation_release(struct conversation *conversation)
{
    for (size_t i = 0; i < conversation->n_exchanges; i++)
        exchange_release(&conversation->exchanges[i]);
    free(conversation->exchanges);
    *conversation = (struct conversation){0};
}

struct exchange *conversation_ask(struct conversation *conversation, const char *text,
                                  size_t n_bytes)
{
    conversation->exchanges = app_resize(conversation->exchanges, conversation->n_exchanges + 1,
                                         sizeof conversation->exchanges[0]);
    struct exchange *exchange = &conversation->exchanges[conversation->n_exchanges++];
    *exchange = (struct exchange){0};
    text_append(&exchange->question, text, n_bytes);
    return exchange;
}

void conversation_take_back(struct conversation *conversation)
{
    if (conversation->n_exchanges > 0)
        exchange_release(&conversation->exchanges[--conversation->n_exchanges]);
}

struct exchange *conversation_last(const struct conversation *conversation)
{
    if (conversation->n_exchanges == 0)
        return NULL;
    return &conversation->exchanges[conversation->n_exchanges - 1];
}

/* Room for one more answer, which counts from now on. */
static struct answer *add_answer(struct exchange *exchange, const struct answer *answer)
{
    bool running = exchange->n_answers > 0 &&
                   exchange->answers[exchange->n_answers - 1].end == ANSWER_RUNNING;

    exchange->answers =
        app_resize(exchange->answers, exchange->n_answers + 1, sizeof exchange->answers[0]);
    if (!running)
        exchange->before = exchange->counts;
    exchange->counts = exchange->n_answers;
    exchange->answers[exchange->n_answers] = *answer;
    return &exchange->answers[exchange->n_answers++];
}

uint32_t exchange_next_variant(const struct exchange *exchange)
{
    uint32_t next = 0;

    for (size_t i = 0; i < exchange->n_answers; i++) {
        if (exchange->answers[i].settings.variant >= next)
            next = exchange->answers[i].settings.variant + 1;
    }
    return next;
}

struct answer *exchange_begin(struct exchange *exchange, const struct answer_settings *settings)
{
    struct answer answer = {.settings = *settings, .end = ANSWER_RUNNING};

    answer.settings.variant = exchange_next_variant(exchange);
    if (settings->system != NULL)
        answer.settings.system = app_copy(settings->system, strlen(settings->system));
    return add_answer(exchange, &answer);
}

struct answer *exchange_adopt(struct exchange *exchange, struct answer *answer)
{
    struct answer *adopted = add_answer(exchange, answer);

    *answer = (struct answer){0};
    return adopted;
}

bool exchange_keep(struct exchange *exchange, size_t index)
{
    if (index >= exchange->n_answers)
        return false;
    exchange->counts = index;
    return true;
}

struct answer *exchange_answer(const struct exchange *exchange)
{
    return exchange->n_answers > 0 ? &exchange->answers[exchange->counts] : NULL;
}

void answer_add(struct answer *answer, enum chat_part part, const char *bytes, size_t n_bytes,
                const int32_t *ids, size_t n_ids)
{
    text_append(part == CHAT_PART_THINKING ? &answer->thinking : &answer->text, bytes, n_bytes);
    if (n_ids == 0)
        return;
    if (answer->n_ids + n_ids > answer->ids_room) {
        answer->ids_room = 2 * answer->ids_room + n_ids;
        answer->ids = app_resize(answer->ids, answer->ids_room, sizeof answer->ids[0]);
    }
    memcpy(answer->ids + answer->n_ids, ids, n_ids * sizeof ids[0]);
    answer->n_ids += n_ids;
}

bool exchange_end(struct exchange *exchange, enum answer_end end)
{
    size_t n_kept = 0;
    bool any = false;

    for (size_t i = 0; i < exchange->n_answers; i++) {
        struct answer *answer = &exchange->answers[i];
        if (answer->end == ANSWER_RUNNING) {
            answer->end = end;
            /* A model that answers with nothing has answered; a broken-off nothing is dropped. */
            if (end != ANSWER_COMPLETE && answer->text.n_bytes == 0 &&
                answer->thinking.n_bytes == 0) {
                answer_release(answer);
                continue;
            }
            any = true;
        }
        if (n_kept != i)
            exchange->answers[n_kept] = *answer;
        n_kept++;
    }
    exchange->n_answers = n_kept;
    if (any)
        exchange->counts = n_kept - 1;
    else if (exchange->counts >= n_kept)
        exchange->counts = exchange->before;
    return any;
}

static struct chat_message text_message(enum chat_role role, const char *text, size_t n_bytes)
{
    return (struct chat_message){.role = role, .text = text, .n_bytes = n_bytes};
}

size_t conversation_messages(const struct conversation *conversation, size_t last,
                             const char *system, struct chat_message **out)
{
    size_t n_messages = 0;
    struct chat_message *messages = app_resize(NULL, 2 * (last + 1) + 1, sizeof messages[0]);

    if (system != NULL && system[0] != '\0')
        messages[n_messages++] = text_message(CHAT_SYSTEM, system, strlen(system));
    for (size_t i = 0; i <= last && i < conversation->n_exchanges; i++) {
        const struct exchange *exchange = &conversation->exchanges[i];
        const struct answer *answer = exchange_answer(exchange);
        if (i < last && answer == NULL)
            continue;
        messages[n_messages++] = text_message(CHAT_USER, text_string(&exchange->question),
                                              exchange->question.n_bytes);
        if (i == last)
            break;
        struct chat_message message =
            text_message(CHAT_ASSISTANT, text_string(&answer->text), answer->text.n_bytes);
        message.ids = answer->n_ids > 0 ? answer->ids : NULL;
        message.n_ids = answer->n_ids;
        message.thinking = text_string(&answer->thinking);
        message.n_thinking = answer->thinking.n_bytes;
        messages[n_messages++] = message;
    }
    *out = messages;
    return n_messages;
}
