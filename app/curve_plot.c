/*
 * curve_plot.c - a line of dots on a grid: braille has 2 x 4 dots in a character, ASCII one
 */
#include "app/curve_plot.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABEL_COLUMNS = 8, /* "  1.234 " in front of a line, where there is room */
    WIDTH_FOR_LABELS = 24,
    LEGEND_COLUMNS = 40,
    SMALLEST_WIDTH = 4,
    LARGEST = 1000,
    MARKED = 1 << 8 /* mark of a cell, besides its eight dots */
};

struct grid {
    unsigned n_columns, n_lines;     /* cells */
    unsigned dots_across, dots_down; /* of a cell */
    unsigned *cells;                 /* owned; [n_lines][n_columns]: bits of dots */
    double lowest, highest;          /* values at the lower and upper border */
    uint64_t first, last;            /* places at the left and right border */
};

static bool is_drawn(float value)
{
    return isfinite(value) && value >= 0;
}

static void widen(struct grid *grid, float value, bool *any)
{
    if (!is_drawn(value))
        return;
    if (!*any || (double)value < grid->lowest)
        grid->lowest = (double)value;
    if (!*any || (double)value > grid->highest)
        grid->highest = (double)value;
    *any = true;
}

/* false: there is nothing to draw. */
static bool measure(struct grid *grid, const struct curve_plot *plot)
{
    bool any = false;

    for (size_t i = 0; i < plot->n_points; i++) {
        widen(grid, plot->points[i].line, &any);
        widen(grid, plot->points[i].mark, &any);
    }
    if (!any)
        return false;
    grid->first = plot->points[0].x;
    grid->last = plot->points[plot->n_points - 1].x;
    /* All the same: a line through the middle. */
    const double spread = grid->highest > 1 ? grid->highest / 2 : 0.5;
    if (grid->highest - grid->lowest < 1e-6 * spread) {
        grid->highest += spread;
        grid->lowest = grid->lowest > spread ? grid->lowest - spread : 0;
    }
    return true;
}

/* Dots from the left, of a place. */
static unsigned across(const struct grid *grid, uint64_t x)
{
    unsigned n = grid->n_columns * grid->dots_across;
    uint64_t range = grid->last - grid->first;

    if (range == 0)
        return 0;
    return (unsigned)((double)(x - grid->first) / (double)range * (n - 1) + 0.5);
}

/* Dots from the top, of a value. */
static unsigned down(const struct grid *grid, float value)
{
    unsigned n = grid->n_lines * grid->dots_down;
    double share = (grid->highest - (double)value) / (grid->highest - grid->lowest);

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

/* Mean values by dots from the left; a negative one: there is none. */
static void mean_values(const struct grid *grid, const struct curve_plot *plot, float *means)
{
    for (unsigned x = 0; x < grid->n_columns * grid->dots_across; x++)
        means[x] = -1;
    for (size_t i = 0; i < plot->n_points;) {
        unsigned x = across(grid, plot->points[i].x);
        double sum = 0;
        size_t n = 0;

        for (; i < plot->n_points && across(grid, plot->points[i].x) == x; i++) {
            if (is_drawn(plot->points[i].line)) {
                sum += (double)plot->points[i].line;
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
static void draw_line(const struct grid *grid, const struct curve_plot *plot)
{
    unsigned n = grid->n_columns * grid->dots_across, last = 0;
    float *means = app_resize(NULL, n, sizeof *means);
    int before = -1;

    mean_values(grid, plot, means);
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

static void draw_marks(const struct grid *grid, const struct curve_plot *plot)
{
    for (size_t i = 0; i < plot->n_points; i++) {
        const struct curve_point *point = &plot->points[i];

        if (is_drawn(point->mark))
            *cell_of(grid, across(grid, point->x), down(grid, point->mark)) |= MARKED;
    }
}

static void put_cell(struct text_buffer *out, unsigned cell, bool ascii)
{
    const unsigned code = 0x2800 + (cell & 0xff);
    const char braille[] = {(char)(0xe0 | code >> 12), (char)(0x80 | (code >> 6 & 0x3f)),
                            (char)(0x80 | (code & 0x3f)), '\0'};

    if (cell & MARKED)
        text_add(out, ascii ? "o" : "\u25cf");
    else if (cell == 0)
        text_add(out, " ");
    else
        text_add(out, ascii ? "*" : braille);
}

static void put_lines(const struct grid *grid, const struct curve_plot *plot, bool labels,
                      struct text_buffer *out)
{
    for (unsigned line = 0; line < grid->n_lines; line++) {
        double share = grid->n_lines > 1 ? (double)line / (double)(grid->n_lines - 1) : 0;
        double value = grid->highest - share * (grid->highest - grid->lowest);

        if (labels && (line % 4 == 0 || line + 1 == grid->n_lines))
            text_printf(out,
                        value < 999      ? "%7.3f "
                        : value < 999999 ? "%7.0f "
                                         : "%7.1e ",
                        value);
        else if (labels)
            text_printf(out, "%*s", LABEL_COLUMNS, "");
        text_add(out, plot->ascii ? "|" : "\u2502");
        for (unsigned i = 0; i < grid->n_columns; i++)
            put_cell(out, grid->cells[line * grid->n_columns + i], plot->ascii);
        text_add(out, "\n");
    }
}

/* The places at both ends, and what the marks mean, as far as there is room. */
static void put_legend(const struct grid *grid, const struct curve_plot *plot, bool labels,
                       struct text_buffer *out)
{
    char first[64], last[80];
    unsigned room = grid->n_columns + 1;

    snprintf(first, sizeof first, "%s %llu", plot->x_name, (unsigned long long)grid->first);
    snprintf(last, sizeof last, "%llu", (unsigned long long)grid->last);
    if (strlen(first) + strlen(last) + 1 > room)
        return;
    text_printf(out, "%*s%s%*s\n", labels ? LABEL_COLUMNS : 0, "", first,
                (int)(room - strlen(first)), last);
    if (room < LEGEND_COLUMNS)
        return;
    text_printf(out, "%*s%s %s", labels ? LABEL_COLUMNS : 0, "", plot->ascii ? "*" : "\u2840",
                plot->line_name);
    if (plot->mark_name != NULL)
        text_printf(out, "   %s %s", plot->ascii ? "o" : "\u25cf", plot->mark_name);
    text_add(out, "\n");
}

static unsigned within(unsigned value, unsigned lowest, unsigned highest)
{
    return value < lowest ? lowest : value > highest ? highest : value;
}

void curve_plot_draw(const struct curve_plot *plot, struct text_buffer *out)
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
