/*
 * loss_plot.h - the loss curve drawn in text
 *
 * Thread: any.
 */
#ifndef APP_LOSS_PLOT_H
#define APP_LOSS_PLOT_H

#include <stdbool.h>

#include "app/text_buffer.h"
#include "engine/train.h"

struct loss_plot {
    const struct train_point *points; /* ascending steps */
    size_t n_points;
    unsigned width, height; /* columns and lines of the whole drawing; any */
    bool ascii;             /* no braille */
};

/*
 * Add the drawing, lines of at most `width` columns: the mean training loss of each place as a
 * line, held-out losses as single marks.  Nothing for no points.
 */
void loss_plot_draw(const struct loss_plot *plot, struct text_buffer *out);

#endif
