/*
 * bench_figures.c - figures, their shares of the limit, and how they are shown
 */
#include "app/bench_figures.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct figure *figures_add(struct figures *figures, const char *part, figure_measure measure,
                           const char *name, ...)
{
    struct figure *figure;
    va_list arguments;

    figures->figures = app_resize(figures->figures, figures->n + 1, sizeof *figures->figures);
    figure = &figures->figures[figures->n++];
    *figure = (struct figure){.part = part, .measure = measure};
    va_start(arguments, name);
    vsnprintf(figure->name, sizeof figure->name, name, arguments);
    va_end(arguments);
    return figure;
}

void figures_release(struct figures *figures)
{
    for (size_t i = 0; i < figures->n; i++) {
        struct figure *figure = &figures->figures[i];

        samples_release(&figure->seconds);
        samples_release(&figure->share);
        samples_release(&figure->read);
        samples_release(&figure->int8);
        samples_release(&figure->ratio);
    }
    free(figures->figures);
    *figures = (struct figures){0};
}

double figure_least_seconds(const struct figure *figure, const struct machine_moment *moment)
{
    const double read = figure->bytes / moment->read;
    const double multiply = figure->operations / moment->int8;

    return read > multiply ? read : multiply;
}

/* The rate over both moments together. */
static double between(double a, double b)
{
    return 2 / (1 / a + 1 / b);
}

void figure_take(struct figure *figure, double seconds, const struct machine_moment *before,
                 const struct machine_moment *after)
{
    const struct machine_moment moment = {.read = between(before->read, after->read),
                                          .int8 = between(before->int8, after->int8)};
    const double least = figure_least_seconds(figure, &moment);

    samples_add(&figure->seconds, seconds);
    samples_add(&figure->read, moment.read);
    samples_add(&figure->int8, moment.int8);
    if (least > 0)
        samples_add(&figure->share, least / seconds);
}

static struct machine_moment median_moment(const struct figure *figure)
{
    return (struct machine_moment){.read = samples_median(&figure->read),
                                   .int8 = samples_median(&figure->int8)};
}

const char *figure_limit_name(const struct figure *figure)
{
    const struct machine_moment moment = median_moment(figure);

    if (figure->share.n == 0)
        return "";
    return figure->bytes / moment.read >= figure->operations / moment.int8 ? "read" : "int8";
}

double figure_value(const struct figure *figure)
{
    const double seconds = samples_median(&figure->seconds);

    return figure->tokens > 0 && seconds > 0 ? figure->tokens / seconds : seconds;
}

/* Table ------------------------------------------------------------------------------------ */

/* Four digits that count. */
static void write_number(char *out, size_t room, double value)
{
    snprintf(out, room, value < 10 ? "%.3f" : value < 100 ? "%.2f" : "%.1f", value);
}

static void write_figure(const struct figure *figure, struct output *output)
{
    const struct paired_statistics seconds = samples_statistics(&figure->seconds);
    const double median = samples_median(&figure->seconds);
    const bool rate = figure->tokens > 0;
    const double scale = rate ? figure->tokens : 1e3;
    char value[24], low[24], high[24], share[16] = "", ratio[64] = "", disturbed[48] = "";

    write_number(value, sizeof value, rate ? scale / median : scale * median);
    write_number(low, sizeof low, rate ? scale / seconds.most : scale * seconds.least);
    write_number(high, sizeof high, rate ? scale / seconds.least : scale * seconds.most);
    if (figure->share.n > 0)
        snprintf(share, sizeof share, "%.1f %%", 100 * samples_median(&figure->share));
    if (figure->ratio_name != NULL && figure->ratio.n > 0)
        snprintf(ratio, sizeof ratio, "  %.3f %s", samples_median(&figure->ratio),
                 figure->ratio_name);
    if (figure->n_disturbed > 0)
        snprintf(disturbed, sizeof disturbed, "  disturbed: %llu of %zu",
                 (unsigned long long)figure->n_disturbed, figure->seconds.n);
    output_printf(output, "%-27s %9s %-5s %9s %9s %3zu %7.1f %8s %-4s%s%s\n", figure->name,
                  value, rate ? "tok/s" : "ms", low, high, figure->seconds.n,
                  1e-9 * samples_median(&figure->read), share, figure_limit_name(figure), ratio,
                  disturbed);
}

void figures_write(const struct figures *figures, struct output *output)
{
    const char *part = NULL;

    output_printf(output, "%-27s %9s %-5s %9s %9s %3s %7s %8s %s\n", "", "median", "", "least",
                  "most", "n", "read", "of the", "limit");
    output_printf(output, "%-27s %9s %-5s %9s %9s %3s %7s %8s %s\n", "", "", "", "", "", "",
                  "GB/s", "limit", "is");
    for (size_t i = 0; i < figures->n; i++) {
        const struct figure *figure = &figures->figures[i];

        if (figure->seconds.n == 0)
            continue;
        if (part != NULL && strcmp(part, figure->part) != 0)
            output_printf(output, "\n");
        part = figure->part;
        write_figure(figure, output);
    }
}

/* JSON ------------------------------------------------------------------------------------- */

static json_t *json_share(const struct figure *figure, double least)
{
    const double seconds = samples_median(&figure->seconds);

    return least > 0 ? json_real(least / seconds) : json_null();
}

static json_t *json_figure(const struct figure *figure)
{
    const struct paired_statistics seconds = samples_statistics(&figure->seconds);
    const struct machine_moment moment = median_moment(figure);
    const char *limit = figure_limit_name(figure);
    json_t *object = json_object();

    json_put(object, "part", json_string(figure->part));
    json_put(object, "name", json_string(figure->name));
    json_put(object, "n", json_integer(figure->n));
    json_put(object, "depth", json_integer(figure->depth));
    json_put(object, "tokens", json_real(figure->tokens));
    json_put(object, "seconds", json_paired(&seconds));
    json_put(object, "tokens_per_second",
             figure->tokens > 0 ? json_real(figure_value(figure)) : json_null());
    json_put(object, "bytes", json_real(figure->bytes));
    json_put(object, "operations", json_real(figure->operations));
    json_put(object, "read_bytes_per_second", json_real(moment.read));
    json_put(object, "int8_operations_per_second", json_real(moment.int8));
    json_put(object, "share_of_read", json_share(figure, figure->bytes / moment.read));
    json_put(object, "share_of_int8", json_share(figure, figure->operations / moment.int8));
    if (figure->share.n > 0) {
        const struct paired_statistics share = samples_statistics(&figure->share);

        json_put(object, "share", json_paired(&share));
    } else {
        json_put(object, "share", json_null());
    }
    json_put(object, "limit", *limit != '\0' ? json_string(limit) : json_null());
    if (figure->ratio_name != NULL && figure->ratio.n > 0) {
        const struct paired_statistics ratio = samples_statistics(&figure->ratio);

        json_put(object, "ratio", json_paired(&ratio));
        json_put(object, "ratio_name", json_string(figure->ratio_name));
    }
    json_put(object, "disturbed", json_integer((json_int_t)figure->n_disturbed));
    json_put(object, "disturbed_most", json_real(figure->disturbed_most));
    return object;
}

json_t *figures_json(const struct figures *figures)
{
    json_t *array = json_array();

    for (size_t i = 0; i < figures->n; i++) {
        if (figures->figures[i].seconds.n > 0)
            json_add(array, json_figure(&figures->figures[i]));
    }
    return array;
}
