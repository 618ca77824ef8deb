/*
 * loss_plot.c - losses as a curve, held-out ones as its marks
 */
#include "app/loss_plot.h"

#include <stdlib.h>

#include "app/curve_plot.h"

void loss_plot_draw(const struct loss_plot *plot, struct text_buffer *out)
{
    struct curve_point *points = app_resize(NULL, plot->n_points + 1, sizeof *points);
    const struct curve_plot curve = {
        .points = points,
        .n_points = plot->n_points,
        .width = plot->width,
        .height = plot->height,
        .ascii = plot->ascii,
        .x_name = "step",
        .line_name = "loss of the training data",
        .mark_name = "held-out data",
    };

    for (size_t i = 0; i < plot->n_points; i++)
        points[i] = (struct curve_point){plot->points[i].step, plot->points[i].loss,
                                         plot->points[i].held_out_loss};
    curve_plot_draw(&curve, out);
    free(points);
}
