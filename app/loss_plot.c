/*
 * loss_plot.c - a line of dots on a grid: braille has 2 x 4 dots in a character, ASCII one
 */
#include "app/loss_plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABEL_COLUMNS = 8, /* "  1.234 " in front of a line, where there is room */
    WIDTH_FOR_LABELS = 24,
    SMALLEST_WIDTH = 4,
    LARGEST = 1000,
    HELD_OUT = 1 << 8 /* mark of a cell, besides its eight dots */
};

struct grid {
    unsigned n_columns, n_lines;     /* cells */
    unsigned dots_across, dots_down; /* of a cell */
    unsigned *cells;                 /* owned; [n_lines][n_columns]: bits of dots */
    double lowest, highest;          /* losses at the lower and upper border */
    uint64_t first_step, last_step;  /* at the left and right border */
};

static bool is_drawn(float loss)
{
    return isfinite(loss) && loss >= 0;
}

static void widen(struct grid *grid, float loss, bool *any)
{
    if (!is_drawn(loss))
        return;
    if (!*any || (double)loss < grid->lowest)
        grid->lowest = (double)loss;
    if (!*any || (double)loss > grid->highest)
        grid->highest = (double)loss;
    *any = true;
}

/* false: there is nothing to draw. */
static bool measure(struct grid *grid, const struct loss_plot *plot)
{
    bool any = false;

    for (size_t i = 0; i < plot->n_points; i++) {
        widen(grid, plot->points[i].loss, &any);
        widen(grid, plot->points[i].held_out_loss, &any);
    }
    if (!any)
        return false;
    grid->first_step = plot->points[0].step;
    grid->last_step = plot->points[plot->n_points - 1].step;
    /* All the same: a line through the middle. */
    const double spread = grid->highest > 1 ? grid->highest / 2 : 0.5;
    if (grid->highest - grid->lowest < 1e-6 * spread) {
        grid->highest += spread;
        grid->lowest = grid->lowest > spread ? grid->lowest - spread : 0;
    }
    return true;
}

/* Dots from the left, of a step. */
static unsigned across(const struct grid *grid, uint64_t step)
{
    unsigned n = grid->n_columns * grid->dots_across;
    uint64_t range = grid->last_step - grid->first_step;

    if (range == 0)
        return 0;
    return (unsigned)((double)(step - grid->first_step) / (double)range * (n - 1) + 0.5);
}

/* Dots from the top, of a loss. */
static unsigned down(const struct grid *grid, float loss)
{
    unsigned n = grid->n_lines * grid->dots_down;
    double share = (grid->highest - (double)loss) / (grid->highest - grid->lowest);

    return (unsigned)(share * (double)(n - 1) + 0.5);
}

static unsigned *cell_of(const struct grid *grid, unsigned x, unsigned y)
{
    return &grid->cells[y / grid->dots_down * grid->n_columns + x / grid->dots_across];
}

/* Braille numbers its dots 1 2 3 7 downwards on the left, 4 5 6 8 on the right. */
static void set_dot(const struct grid *grid, unsigned x, unsigned y)
{
    static const unsigned bits[2][4] = {{0x01, 0x02, 0x04, 0x40}, {0x08, 0x10, 0x20, 0x80}};

    *cell_of(grid, x, y) |= bits[x % grid->dots_across][y % grid->dots_down];
}

/* Mean losses by dots from the left; a negative one: there is none. */
static void mean_losses(const struct grid *grid, const struct loss_plot *plot, float *means)
{
    for (unsigned x = 0; x < grid->n_columns * grid->dots_across; x++)
        means[x] = -1;
    for (size_t i = 0; i < plot->n_points;) {
        unsigned x = across(grid, plot->points[i].step);
        double sum = 0;
        size_t n = 0;

        for (; i < plot->n_points && across(grid, plot->points[i].step) == x; i++) {
            if (is_drawn(plot->points[i].loss)) {
                sum += (double)plot->points[i].loss;
                n++;
            }
        }
        if (n > 0)
            means[x] = (float)(sum / (double)n);
    }
}

/* The dots of one column, joined with the one on its left. */
static void draw_column(const struct grid *grid, unsigned x, unsigned y, int before)
{
    unsigned from = y, to = y;

    if (before >= 0 && (unsigned)before < y)
        from = (unsigned)before + 1;
    if (before >= 0 && (unsigned)before > y)
        to = (unsigned)before - 1;
    for (unsigned i = from; i <= to; i++)
        set_dot(grid, x, i);
}

/* A straight line from one mean to the next. */
static void draw_line(const struct grid *grid, const struct loss_plot *plot)
{
    unsigned n = grid->n_columns * grid->dots_across, last = 0;
    float *means = app_resize(NULL, n, sizeof *means);
    int before = -1;

    mean_losses(grid, plot, means);
    for (unsigned x = 0; x < n; x++) {
        if (means[x] < 0)
            continue;
        for (unsigned i = before < 0 ? x : last + 1; i <= x; i++) {
            float share = i == x ? 1 : (float)(i - last) / (float)(x - last);
            unsigned y = down(grid, means[last] + share * (means[x] - means[last]));

            if (before < 0)
                y = down(grid, means[x]);
            draw_column(grid, i, y, before);
            before = (int)y;
        }
        last = x;
    }
    free(means);
}

static void draw_marks(const struct grid *grid, const struct loss_plot *plot)
{
    for (size_t i = 0; i < plot->n_points; i++) {
        const struct train_point *point = &plot->points[i];

        if (is_drawn(point->held_out_loss))
            *cell_of(grid, across(grid, point->step), down(grid, point->held_out_loss)) |=
                HELD_OUT;
    }
}

static void put_cell(struct text_buffer *out, unsigned cell, bool ascii)
{
    const unsigned code = 0x2800 + (cell & 0xff);
    const char braille[] = {(char)(0xe0 | code >> 12), (char)(0x80 | (code >> 6 & 0x3f)),
                            (char)(0x80 | (code & 0x3f)), '\0'};

    if (cell & HELD_OUT)
        text_add(out, ascii ? "o" : "\u25cf");
    else if (cell == 0)
        text_add(out, " ");
    else
        text_add(out, ascii ? "*" : braille);
}

static void put_lines(const struct grid *grid, const struct loss_plot *plot, bool labels,
                      struct text_buffer *out)
{
    for (unsigned line = 0; line < grid->n_lines; line++) {
        double share = grid->n_lines > 1 ? (double)line / (double)(grid->n_lines - 1) : 0;
        double loss = grid->highest - share * (grid->highest - grid->lowest);

        if (labels && (line % 4 == 0 || line + 1 == grid->n_lines))
            text_printf(out, loss < 999 ? "%7.3f " : "%7.2g ", loss);
        else if (labels)
            text_printf(out, "%*s", LABEL_COLUMNS, "");
        text_add(out, plot->ascii ? "|" : "\u2502");
        for (unsigned i = 0; i < grid->n_columns; i++)
            put_cell(out, grid->cells[line * grid->n_columns + i], plot->ascii);
        text_add(out, "\n");
    }
}

/* The steps at both ends, and what the marks mean, as far as there is room. */
static void put_legend(const struct grid *grid, const struct loss_plot *plot, bool labels,
                       struct text_buffer *out)
{
    char first[32], last[80];
    unsigned room = grid->n_columns + 1;

    snprintf(first, sizeof first, "step %llu", (unsigned long long)grid->first_step);
    snprintf(last, sizeof last, "%llu", (unsigned long long)grid->last_step);
    if (strlen(first) + strlen(last) + 1 > room)
        return;
    text_printf(out, "%*s%s%*s\n", labels ? LABEL_COLUMNS : 0, "", first,
                (int)(room - strlen(first)), last);
    if (room >= 40)
        text_printf(out, "%*s%s\n", labels ? LABEL_COLUMNS : 0, "",
                    plot->ascii ? "* loss of the training data   o held-out data"
                                : "\u2840 loss of the training data   \u25cf held-out data");
}

static unsigned within(unsigned value, unsigned lowest, unsigned highest)
{
    return value < lowest ? lowest : value > highest ? highest : value;
}

void loss_plot_draw(const struct loss_plot *plot, struct text_buffer *out)
{
    bool labels = plot->width >= WIDTH_FOR_LABELS;
    unsigned width = within(plot->width, SMALLEST_WIDTH, LARGEST);
    struct grid grid = {
        .n_columns = width - 1 - (labels ? LABEL_COLUMNS : 0),
        .n_lines = within(plot->height, 4, LARGEST) - 2,
        .dots_across = plot->ascii ? 1 : 2,
        .dots_down = plot->ascii ? 1 : 4,
    };

    if (plot->n_points == 0 || !measure(&grid, plot))
        return;
    grid.cells = app_resize(NULL, (size_t)grid.n_columns * grid.n_lines, sizeof *grid.cells);
    memset(grid.cells, 0, (size_t)grid.n_columns * grid.n_lines * sizeof *grid.cells);
    draw_line(&grid, plot);
    draw_marks(&grid, plot);
    put_lines(&grid, plot, labels, out);
    put_legend(&grid, plot, labels, out);
    free(grid.cells);
}
