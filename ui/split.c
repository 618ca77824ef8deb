/*
 * split.c - two texts beside each other, and how they share the screen (split.h)
 */
#include "ui/split.h"

#include <stdlib.h>

#define RULES_ROWS 16 /* fewer rows leave the rules out */
#define TITLE_ROWS 7
#define KEYS_ROWS  4
#define TEXT_ROWS  2 /* of a pane, before the table gets one */

/* What is left for the panes when the other parts have theirs; the table takes the rest. */
struct budget {
    int first, rows; /* for headings and texts */
    bool beside;
};

static int at_most(int value, int limit)
{
    return value < limit ? value : limit;
}

static void take_bottom(struct budget *budget, int *top)
{
    *top = budget->first + --budget->rows;
}

static void take_top(struct budget *budget, int *top)
{
    *top = budget->first++;
    budget->rows--;
}

static void place_around(struct budget *budget, const struct area *area, size_t n_table_lines,
                         struct split_shape *shape)
{
    bool ruled = area->rows >= RULES_ROWS;
    if (area->rows >= TITLE_ROWS)
        take_top(budget, &shape->title_top);
    if (ruled)
        take_top(budget, &shape->rule_tops[0]);
    if (area->rows >= KEYS_ROWS)
        take_bottom(budget, &shape->keys_top);
    int needed = (budget->beside ? 1 : 2) * (1 + TEXT_ROWS) + ruled;
    int spare = budget->rows - needed;
    int n = n_table_lines < 1000 ? (int)n_table_lines : 1000;
    n = at_most(at_most(n, spare), area->rows / 2);
    if (n < 1)
        return;
    budget->rows -= n;
    shape->table = (struct area){budget->first + budget->rows, area->left, n, area->columns};
    if (ruled)
        take_bottom(budget, &shape->rule_tops[1]);
}

/* A heading and the text under it. */
static void place_pane(struct pane_shape *pane, struct area area)
{
    pane->heading_top = -1;
    if (area.rows > 1) {
        pane->heading_top = area.top++;
        area.rows--;
    }
    pane->text = area;
    pane->text.left++; /* a margin */
    pane->text.columns = area.columns > 2 ? area.columns - 1 : 1;
    if (area.columns < 2)
        pane->text.left--;
}

struct split_shape split_shape_of(struct area area, size_t n_table_lines)
{
    struct split_shape shape = {.title_top = -1, .keys_top = -1, .upright_left = -1};
    struct budget budget = {area.top, area.rows, area.columns >= SPLIT_BESIDE_COLUMNS};
    for (size_t i = 0; i < sizeof shape.rule_tops / sizeof shape.rule_tops[0]; i++)
        shape.rule_tops[i] = -1;
    place_around(&budget, &area, n_table_lines, &shape);
    struct area a = {budget.first, area.left, budget.rows, area.columns}, b = a;
    if (budget.beside) {
        a.columns = (area.columns - 1) / 2;
        shape.upright_left = area.left + a.columns;
        b.left = shape.upright_left + 1;
        b.columns = area.columns - a.columns - 1;
    } else {
        a.rows = (budget.rows + 1) / 2;
        b.top += a.rows;
        b.rows -= a.rows;
        if (area.rows >= RULES_ROWS + 4 && b.rows > 1 + TEXT_ROWS) { /* a rule between them */
            shape.rule_tops[2] = b.top++;
            b.rows--;
        }
    }
    place_pane(&shape.panes[UI_PANE_A], a);
    place_pane(&shape.panes[UI_PANE_B], b);
    if (budget.beside)
        shape.panes[UI_PANE_A].text.columns--; /* a margin before the rule */
    return shape;
}

/* The texts -------------------------------------------------------------------------------- */

void split_clear(struct split *split, int pane)
{
    struct transcript *text = &split->panes[pane].text;
    transcript_remove(text, 1);
    transcript_add(text, UI_BLOCK_ANSWER, NULL);
    view_follow(&split->panes[pane].view);
}

void split_open(struct split *split, const char *title)
{
    split_close(split);
    for (int i = 0; i < UI_PANE_COUNT; i++) {
        transcript_init(&split->panes[i].text, true);
        split_clear(split, i);
    }
    split->title = text_filtered_line(title);
    split->open = true;
}

void split_close(struct split *split)
{
    for (int i = 0; i < UI_PANE_COUNT; i++) {
        transcript_release(&split->panes[i].text);
        free(split->panes[i].heading);
    }
    lines_release(&split->table);
    free(split->title);
    free(split->keys);
    *split = (struct split){0};
}

void split_append(struct split *split, int pane, const char *bytes, size_t n_bytes,
                  enum ui_mark mark)
{
    transcript_append_marked(&split->panes[pane].text, 1, bytes, n_bytes, mark);
}

void split_choose(struct split *split, const struct split_shape *shape, bool back)
{
    bool has_table = shape->table.rows > 0 && split->table.n_lines > (size_t)shape->table.rows;
    int n = has_table ? SPLIT_TABLE + 1 : SPLIT_TABLE;
    split->focus = (enum split_focus)(((int)split->focus + (back ? n - 1 : 1)) % n);
}

void split_scroll(struct split *split, const struct split_shape *shape, long rows)
{
    if (split->focus == SPLIT_TABLE) {
        lines_scroll(&split->table, shape->table.rows, rows);
        return;
    }
    for (int i = 0; i < UI_PANE_COUNT; i++) {
        struct pane *pane = &split->panes[i];
        bool is_meant = split->focus == SPLIT_BOTH || (int)split->focus - SPLIT_A == i;
        if (is_meant)
            view_scroll(&pane->view, &pane->text, shape->panes[i].text.rows, rows);
    }
}

void split_update(struct split *split, const struct split_shape *shape)
{
    for (int i = 0; i < UI_PANE_COUNT; i++) {
        struct pane *pane = &split->panes[i];
        transcript_set_shape(&pane->text, shape->panes[i].text.columns, TRANSCRIPT_BARE);
        transcript_update(&pane->text);
        view_settle(&pane->view, &pane->text, shape->panes[i].text.rows);
    }
}
