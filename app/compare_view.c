/*
 * compare_view.c - two answers side by side: panes on the screen, else labelled blocks
 */
#include <stdio.h>
#include <string.h>

#include "app/compare.h"

const char *compare_label(const struct comparison *comparison, size_t side)
{
    static const char *const labels[2][2] = {{"A", "B"}, {"1", "2"}};

    return labels[comparison->plan.blind][side];
}

/* "A greedy  PLAIN  12.3 t/s  71%"; blind: nothing that could give a side away. */
void compare_show_heading(struct chat *chat, size_t index)
{
    const struct comparison *comparison = chat->comparison;
    const struct compare_side *side = &comparison->sides[index];
    struct text_buffer text = {0};

    if (chat->display.ui == NULL)
        return;
    text_add(&text, compare_label(comparison, index));
    if (!comparison->plan.blind) {
        text_printf(&text, " %s", side->way.name);
        if (side->began && !comparison->plan.together)
            text_printf(&text, "  %s", policy_state_name(side->live.state));
        if (side->rate_now > 0)
            text_printf(&text, "  %.1f t/s", side->rate_now);
        if (side->live.verified > 0)
            text_printf(&text, "  %.0f%%", 100 * policy_acceptance(&side->live));
    }
    if (side->n_tokens > 0)
        text_printf(&text, "  %u tok", side->n_tokens);
    ui_split_heading(chat->display.ui, (int)index, text_string(&text));
    text_release(&text);
}

void compare_add_table(const struct comparison *comparison, int columns,
                       struct text_buffer *text)
{
    const struct compare_figures figures[2] = {comparison->sides[0].figures,
                                               comparison->sides[1].figures};

    compare_verdict_text(&comparison->verdict, text);
    if (comparison->plan.blind || figures[0].n_rounds + figures[1].n_rounds == 0)
        return;
    struct text_buffer table = {0};
    compare_table_text(figures, !comparison->plan.together, columns, &table);
    text_printf(text, "%s%s", text->n_bytes > 0 ? "\n" : "", text_string(&table));
    text_release(&table);
}

static void show_table(struct chat *chat)
{
    struct text_buffer text = {0};

    if (chat->display.ui == NULL)
        return;
    compare_add_table(chat->comparison, display_columns(&chat->display), &text);
    ui_split_table(chat->display.ui, text_string(&text));
    text_release(&text);
}

static void show_title(struct chat *chat)
{
    const struct comparison *comparison = chat->comparison;
    uint32_t n_over =
        comparison->sides[0].figures.n_rounds < comparison->sides[1].figures.n_rounds
            ? comparison->sides[0].figures.n_rounds
            : comparison->sides[1].figures.n_rounds;
    char title[160];

    if (chat->display.ui == NULL)
        return;
    if (comparison->plan.blind)
        snprintf(title, sizeof title, "Which is better? %s",
                 comparison->running ? "(running)" : "1 or 2");
    else if (comparison->plan.together)
        snprintf(title, sizeof title, "A/B together: one pass for both, policies are not used");
    else if (comparison->running && n_over < comparison->n_wanted)
        snprintf(title, sizeof title, "A/B one after the other: round %u of %u", n_over + 1,
                 comparison->n_wanted);
    else
        snprintf(title, sizeof title, "A/B one after the other: %u round%s over", n_over,
                 n_over == 1 ? "" : "s");
    ui_split_title(chat->display.ui, title);
}

static void show_keys(struct chat *chat)
{
    const struct comparison *comparison = chat->comparison;

    if (chat->display.ui == NULL)
        return;
    ui_split_keys(chat->display.ui, comparison->running ? "Esc stops  q leaves"
                                    : comparison->plan.blind
                                        ? "1 keep 1  2 keep 2  r again  q leave"
                                        : "a keep A  b keep B  r again  + round  q leave");
}

void compare_show_open(struct chat *chat)
{
    if (chat->display.ui == NULL)
        return;
    if (!ui_split_is_open(chat->display.ui))
        ui_split_open(chat->display.ui, "");
    for (int i = 0; i < UI_PANE_COUNT; i++)
        ui_split_clear(chat->display.ui, i);
    compare_show_all(chat);
}

void compare_show_all(struct chat *chat)
{
    show_title(chat);
    show_keys(chat);
    compare_show_heading(chat, 0);
    compare_show_heading(chat, 1);
    show_table(chat);
}

/* Text ---------------------------------------------------------------------------------------- */

/* Without a screen the first round's answer is a block with a label. */
static void print_text(struct chat *chat, size_t index, const char *bytes, size_t n_bytes)
{
    struct compare_side *side = &chat->comparison->sides[index];
    char heading[COMPARE_NAME_ROOM + 16];

    if (side->block == 0) {
        if (chat->comparison->plan.blind)
            snprintf(heading, sizeof heading, "answer %s",
                     compare_label(chat->comparison, index));
        else
            snprintf(heading, sizeof heading, "%s (%s)", compare_label(chat->comparison, index),
                     side->way.name);
        side->block = display_add(&chat->display, UI_BLOCK_ANSWER, heading);
    }
    display_append(&chat->display, side->block, bytes, n_bytes);
}

void compare_show_text(struct chat *chat, size_t index, const struct engine_event *event)
{
    struct compare_side *side = &chat->comparison->sides[index];
    bool part_changed = side->began && side->part != event->text.part;

    if (chat->display.ui == NULL) {
        /* Together both come at once: each is printed when it is over. */
        if (!side->complete && !chat->comparison->plan.together &&
            event->text.part == CHAT_PART_ANSWER)
            print_text(chat, index, event->text.bytes, event->text.n_bytes);
        return;
    }
    if (!side->began)
        ui_split_clear(chat->display.ui, (int)index);
    if (part_changed)
        ui_split_append(chat->display.ui, (int)index, "\n\n", 2, UI_MARK_NONE);
    ui_split_append(chat->display.ui, (int)index, event->text.bytes, event->text.n_bytes,
                    mark_of(event->text.source));
}

void compare_print_over(struct chat *chat, size_t index)
{
    struct compare_side *side = &chat->comparison->sides[index];

    if (chat->display.ui != NULL)
        return;
    if (chat->comparison->plan.together)
        print_text(chat, index, text_string(&side->answer.text), side->answer.text.n_bytes);
    display_finish(&chat->display, side->block);
}
