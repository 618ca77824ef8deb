/*
 * curve_plot.h - a curve, and single marks, drawn in text
 *
 * Thread: any.
 */
#ifndef APP_CURVE_PLOT_H
#define APP_CURVE_PLOT_H

#include <stdbool.h>
#include <stdint.h>

#include "app/text_buffer.h"

/* A value that is negative or no number is not drawn. */
struct curve_point {
    uint64_t x;
    float line, mark;
};

struct curve_plot {
    const struct curve_point *points; /* ascending x */
    size_t n_points;
    unsigned width, height; /* columns and lines of the whole drawing; any */
    bool ascii;             /* no braille */
    const char *x_name,
        *line_name;        /* "step", "loss of the training data": at most 24 columns */
    const char *mark_name; /* NULL: there are no marks */
};

/*
 * Add the drawing, lines of at most `width` columns: the mean of each place as a line, marks by
 * themselves.  Nothing for no points.
 */
void curve_plot_draw(const struct curve_plot *plot, struct text_buffer *out);

#endif
