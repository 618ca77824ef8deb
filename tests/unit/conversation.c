/*
 * conversation.c - test: turns alternate, variants count up, nothing that was said is lost
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "app/conversation.h"

static const struct answer_settings plain_settings = {.seed = 7};

static void say(struct exchange *exchange, const char *text)
{
    exchange_begin(exchange, &plain_settings);
    answer_add(exchange_answer(exchange), CHAT_PART_ANSWER, text, strlen(text), NULL, 0);
    assert_true(exchange_end(exchange, ANSWER_COMPLETE));
}

static void assert_message(const struct chat_message *message, enum chat_role role,
                           const char *text)
{
    assert_int_equal(message->role, role);
    assert_int_equal(message->n_bytes, strlen(text));
    assert_memory_equal(message->text, text, message->n_bytes);
}

static void messages_take_turns(void **state)
{
    (void)state;
    struct conversation conversation;
    struct chat_message *messages;

    conversation_init(&conversation, 7);
    assert_null(conversation_last(&conversation));
    say(conversation_ask(&conversation, "one", 3), "first");
    conversation_ask(&conversation, "two", 3);
    size_t n = conversation_messages(&conversation, 1, "be brief", &messages);
    assert_int_equal(n, 4);
    assert_message(&messages[0], CHAT_SYSTEM, "be brief");
    assert_message(&messages[1], CHAT_USER, "one");
    assert_message(&messages[2], CHAT_ASSISTANT, "first");
    assert_message(&messages[3], CHAT_USER, "two");
    free(messages);
    /* An empty system prompt is none; an earlier exchange ends the prompt with its question. */
    n = conversation_messages(&conversation, 0, "", &messages);
    assert_int_equal(n, 1);
    assert_message(&messages[0], CHAT_USER, "one");
    free(messages);
    conversation_release(&conversation);
}

static void an_unanswered_question_is_no_history(void **state)
{
    (void)state;
    struct conversation conversation;
    struct chat_message *messages;

    conversation_init(&conversation, 7);
    struct exchange *exchange = conversation_ask(&conversation, "lost", 4);
    exchange_begin(exchange, &plain_settings);
    assert_false(exchange_end(exchange, ANSWER_FAILED));
    assert_null(exchange_answer(exchange));
    conversation_ask(&conversation, "again", 5);
    size_t n = conversation_messages(&conversation, 1, NULL, &messages);
    assert_int_equal(n, 1);
    assert_message(&messages[0], CHAT_USER, "again");
    free(messages);
    conversation_release(&conversation);
}

static void a_stop_keeps_what_was_said(void **state)
{
    (void)state;
    struct conversation conversation;
    struct chat_message *messages;
    const int32_t ids[] = {5, 6};

    conversation_init(&conversation, 7);
    struct exchange *exchange = conversation_ask(&conversation, "q", 1);
    exchange_begin(exchange, &plain_settings);
    answer_add(exchange_answer(exchange), CHAT_PART_THINKING, "hmm", 3, NULL, 0);
    assert_true(exchange_end(exchange, ANSWER_STOPPED));
    assert_string_equal(text_string(&exchange_answer(exchange)->thinking), "hmm");
    assert_int_equal(exchange_answer(exchange)->text.n_bytes, 0);

    exchange = conversation_ask(&conversation, "r", 1);
    exchange_begin(exchange, &plain_settings);
    answer_add(exchange_answer(exchange), CHAT_PART_ANSWER, "ab", 2, ids, 1);
    answer_add(exchange_answer(exchange), CHAT_PART_ANSWER, "cd", 2, ids + 1, 1);
    assert_true(exchange_end(exchange, ANSWER_STOPPED));
    conversation_ask(&conversation, "s", 1);
    size_t n = conversation_messages(&conversation, 2, NULL, &messages);
    assert_int_equal(n, 5);
    assert_message(&messages[1], CHAT_ASSISTANT, "");
    assert_null(messages[1].ids);
    assert_int_equal(messages[1].n_thinking, 3);
    assert_message(&messages[3], CHAT_ASSISTANT, "abcd");
    assert_int_equal(messages[3].n_ids, 2);
    assert_memory_equal(messages[3].ids, ids, sizeof ids);
    free(messages);
    conversation_release(&conversation);
}

static void a_failed_variant_gives_the_earlier_one_back(void **state)
{
    (void)state;
    struct conversation conversation;
    struct answer_settings settings = {.seed = 9};
    char system[] = "kept";

    conversation_init(&conversation, 9);
    struct exchange *exchange = conversation_ask(&conversation, "q", 1);
    say(exchange, "zero");
    settings.system = system;
    struct answer *second = exchange_begin(exchange, &settings);
    assert_int_equal(second->settings.variant, 1);
    assert_ptr_not_equal(second->settings.system, system);
    assert_string_equal(second->settings.system, "kept");
    assert_false(exchange_end(exchange, ANSWER_FAILED));
    assert_string_equal(text_string(&exchange_answer(exchange)->text), "zero");
    /* The number is free again: the same variant gives the same answer. */
    assert_int_equal(exchange_begin(exchange, &settings)->settings.variant, 1);
    answer_add(exchange_answer(exchange), CHAT_PART_ANSWER, "one", 3, NULL, 0);
    assert_true(exchange_end(exchange, ANSWER_COMPLETE));
    assert_false(exchange_end(exchange, ANSWER_STOPPED));
    assert_int_equal(exchange_begin(exchange, &settings)->settings.variant, 2);
    conversation_release(&conversation);
}

static void several_run_at_once_and_one_is_kept(void **state)
{
    (void)state;
    struct conversation conversation;

    conversation_init(&conversation, 3);
    struct exchange *exchange = conversation_ask(&conversation, "q", 1);
    say(exchange, "zero");
    for (int i = 0; i < 3; i++)
        exchange_begin(exchange, &plain_settings);
    answer_add(&exchange->answers[1], CHAT_PART_ANSWER, "one", 3, NULL, 0);
    answer_add(&exchange->answers[3], CHAT_PART_ANSWER, "three", 5, NULL, 0);
    /* The second of the three never began. */
    assert_true(exchange_end(exchange, ANSWER_STOPPED));
    assert_int_equal(exchange->n_answers, 3);
    assert_string_equal(text_string(&exchange_answer(exchange)->text), "three");
    assert_int_equal(exchange_answer(exchange)->settings.variant, 3);
    assert_int_equal(exchange->before, 0);
    assert_true(exchange_keep(exchange, 1));
    assert_string_equal(text_string(&exchange_answer(exchange)->text), "one");
    assert_false(exchange_keep(exchange, 3));
    /* The history that a model reads has the one that counts. */
    struct chat_message *messages;
    conversation_ask(&conversation, "r", 1);
    assert_int_equal(conversation_messages(&conversation, 1, NULL, &messages), 3);
    assert_message(&messages[1], CHAT_ASSISTANT, "one");
    free(messages);
    /* A further one that comes to nothing gives it back, not the last. */
    exchange = &conversation.exchanges[0];
    /* Its number is above those of all others: the same number would give the same answer. */
    assert_int_equal(exchange_begin(exchange, &plain_settings)->settings.variant, 4);
    assert_false(exchange_end(exchange, ANSWER_FAILED));
    assert_string_equal(text_string(&exchange_answer(exchange)->text), "one");
    conversation_release(&conversation);
}

static void an_answer_of_elsewhere_is_adopted(void **state)
{
    (void)state;
    struct conversation conversation;
    struct answer answer = {.settings = {.variant = 1, .policy = {.name = "ngram"}},
                            .end = ANSWER_COMPLETE};

    conversation_init(&conversation, 3);
    struct exchange *exchange = conversation_ask(&conversation, "q", 1);
    say(exchange, "zero");
    answer_add(&answer, CHAT_PART_ANSWER, "side", 4, NULL, 0);
    exchange_adopt(exchange, &answer);
    assert_int_equal(answer.text.n_bytes, 0);
    assert_string_equal(text_string(&exchange_answer(exchange)->text), "side");
    assert_string_equal(exchange_answer(exchange)->settings.policy.name, "ngram");
    assert_int_equal(exchange->before, 0);
    conversation_release(&conversation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_take_turns),
        cmocka_unit_test(an_unanswered_question_is_no_history),
        cmocka_unit_test(a_stop_keeps_what_was_said),
        cmocka_unit_test(a_failed_variant_gives_the_earlier_one_back),
        cmocka_unit_test(several_run_at_once_and_one_is_kept),
        cmocka_unit_test(an_answer_of_elsewhere_is_adopted),
    };

    return cmocka_run_group_tests_name("conversation", tests, NULL, NULL);
}
