/*
 * bench_curves.c - figures of one part as a curve
 *
 * Beside each measured curve stand marks: what the machine would allow at that place.
 */
#include "app/bench_curves.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "app/curve_plot.h"
#include "config/config.h"

enum { WIDTH_DEFAULT = 80, WIDTH_MOST = 100, HEIGHT = 16 };

static unsigned terminal_width(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0)
        return WIDTH_DEFAULT;
    return size.ws_col < WIDTH_MOST ? size.ws_col : WIDTH_MOST;
}

static const struct curve {
    const char *part, *title, *x_name, *line_name;
    bool by_depth; /* else by n */
} curves[] = {
    {"verify", "a pass over rows, milliseconds", "rows", "measured", false},
    {"lanes", "sequences at once, tokens a second of all", "sequences", "measured", false},
    {"decode", "decoding behind a text, tokens a second", "depth", "measured", true},
    {"prefill", "reading a prompt, tokens a second", "tokens", "measured", false},
};
enum { N_CURVES = sizeof curves / sizeof *curves };

/* What the machine allows: the value over the share, or, of a time, times the share. */
static float limit_of(const struct figure *figure)
{
    const double share = samples_median(&figure->share), value = figure_value(figure);

    if (share <= 0)
        return -1;
    return (float)(figure->tokens > 0 ? value / share : 1e3 * value * share);
}

static void write_curve(const struct model_bench *bench, const struct curve *curve,
                        struct output *output)
{
    const struct figures *figures = &bench->figures;
    struct curve_point *points = app_resize(NULL, figures->n + 1, sizeof *points);
    struct text_buffer text = {0};
    struct curve_plot plot = {
        .points = points,
        .width = terminal_width(),
        .height = HEIGHT,
        .ascii = config_values(bench->invocation->store)->ascii,
        .x_name = curve->x_name,
        .line_name = curve->line_name,
        .mark_name = "the machine's limit",
    };

    for (size_t i = 0; i < figures->n; i++) {
        const struct figure *figure = &figures->figures[i];

        if (strcmp(figure->part, curve->part) != 0 || figure->seconds.n == 0)
            continue;
        points[plot.n_points++] = (struct curve_point){
            .x = curve->by_depth ? figure->depth : figure->n,
            .line = (float)(figure->tokens > 0 ? 1 : 1e3) * (float)figure_value(figure),
            .mark = limit_of(figure),
        };
    }
    if (plot.n_points > 1) {
        curve_plot_draw(&plot, &text);
        output_printf(output, "\n%s\n%s", curve->title, text_string(&text));
    }
    text_release(&text);
    free(points);
}

void bench_curves_write(const struct model_bench *bench, struct output *output)
{
    for (size_t i = 0; i < N_CURVES; i++)
        write_curve(bench, &curves[i], output);
}
