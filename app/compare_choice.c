/*
 * compare_choice.c - which of two answers is kept, and what the blind choices came to
 */
#include <stdio.h>
#include <string.h>

#include "app/compare.h"

/* How a blind comparison went, over the session. */
enum { MOST_BLIND_NAMES = 16 };
struct blind_tally {
    struct {
        char name[COMPARE_NAME_ROOM];
        uint32_t chosen, shown;
    } rows[MOST_BLIND_NAMES];
    size_t n_rows;
};

static void count_blind(struct chat *chat, const char *name, bool chosen)
{
    struct blind_tally *tally = chat->blind_tally;
    size_t i = 0;

    while (i < tally->n_rows && strcmp(tally->rows[i].name, name) != 0)
        i++;
    if (i == MOST_BLIND_NAMES)
        return;
    if (i == tally->n_rows)
        snprintf(tally->rows[tally->n_rows++].name, COMPARE_NAME_ROOM, "%s", name);
    tally->rows[i].shown++;
    tally->rows[i].chosen += chosen;
}

static void add_reveal(struct chat *chat, size_t kept, struct text_buffer *text)
{
    const struct comparison *comparison = chat->comparison;

    if (chat->blind_tally == NULL) {
        chat->blind_tally = app_resize(NULL, 1, sizeof *chat->blind_tally);
        *chat->blind_tally = (struct blind_tally){0};
    }
    for (size_t i = 0; i < 2; i++)
        count_blind(chat, comparison->sides[i].way.name, i == kept);
    text_printf(text,
                "1 was %s, 2 was %s: you chose %s.\nSo far:", comparison->sides[0].way.name,
                comparison->sides[1].way.name, comparison->sides[kept].way.name);
    for (size_t i = 0; i < chat->blind_tally->n_rows; i++)
        text_printf(text, "%s %s %u of %u", i > 0 ? "," : "", chat->blind_tally->rows[i].name,
                    chat->blind_tally->rows[i].chosen, chat->blind_tally->rows[i].shown);
    text_add(text, ".");
}

static void keep(struct chat *chat, size_t kept)
{
    struct comparison *comparison = chat->comparison;
    struct compare_side *side = &comparison->sides[kept];
    struct text_buffer text = {0};

    if (comparison->plan.blind) {
        add_reveal(chat, kept, &text);
    } else {
        struct text_buffer table = {0};
        compare_add_table(comparison, display_columns(&chat->display), &table);
        text_printf(&text, "%s (%s) is kept.%s%s", compare_label(comparison, kept),
                    side->way.name, table.n_bytes > 0 ? "\n" : "", text_string(&table));
        text_release(&table);
    }
    if (side->answer.has_statistics) {
        chat->statistics.turn = side->answer.statistics;
        chat->statistics.any = true;
        snprintf(chat->statistics.policy, sizeof chat->statistics.policy, "%s",
                 side->way.policy.name);
        chat->status.position = side->answer.statistics.position;
        chat_status_policy(chat);
    }
    struct answer *answer =
        exchange_adopt(conversation_last(&chat->conversation), &side->answer);
    compare_leave(chat);
    if (chat->display.ui != NULL) {
        display_remove(&chat->display, chat->answer_first);
        chat_show_answer(chat, answer);
    }
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s", text_string(&text));
    text_release(&text);
    chat->variants.n = 0;
    chat_send_waiting(chat);
}

bool compare_keep(struct chat *chat, const char *which)
{
    struct comparison *comparison = chat->comparison;

    if (comparison == NULL)
        return false;
    for (size_t i = 0; i < 2; i++) {
        char letter = comparison->plan.blind ? (char)('1' + i) : (char)('A' + i);
        if ((which[0] | 0x20) != (letter | 0x20) || which[1] != '\0')
            continue;
        if (comparison->running)
            display_hint(&chat->display, "both are still running; Esc stops them");
        else if (comparison->sides[i].answer.text.n_bytes == 0 &&
                 !comparison->sides[i].complete)
            display_hint(&chat->display, "that one never began");
        else
            keep(chat, i);
        return true;
    }
    return false;
}

void compare_key(struct chat *chat, int key)
{
    struct comparison *comparison = chat->comparison;
    char which[2] = {(char)key, '\0'};

    if (comparison == NULL)
        return;
    if (key > 0 && key < 128 && compare_keep(chat, which))
        return;
    if (key == 'q') {
        compare_leave(chat);
        chat_send_waiting(chat);
    } else if (!comparison->running && key == 'r') {
        compare_again(chat);
    } else if (!comparison->running && key == '+' && !comparison->plan.blind &&
               comparison->sides[0].figures.n_rounds < COMPARE_MAX_ROUNDS) {
        if (compare_ask(chat, 1))
            compare_show_all(chat);
    }
}
