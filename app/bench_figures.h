/*
 * bench_figures.h - figures of `banter bench`: measured again and again, each beside the machine
 *
 * A figure is one kind of measurement.  Each time it is taken between two readings of what the
 * machine allows at that moment, and what it cannot do without (bytes to read, operations to
 * multiply) gives the least time that it could have taken there: its share of the limit is that
 * time over the one it took.
 *
 * Thread: the main thread.
 */
#ifndef APP_BENCH_FIGURES_H
#define APP_BENCH_FIGURES_H

#include "app/bench.h"
#include "engine/machine.h"

struct figure;
/* Take one measurement; *seconds is what counts of it.  context: that of the caller's figures. */
typedef enum status (*figure_measure)(void *context, struct figure *figure, double *seconds,
                                      struct error *error);

struct figure {
    const char *part; /* "decode" */
    char name[48];    /* "decode 128, depth 4096" */
    figure_measure measure;
    uint32_t n, depth;        /* rows, sequences or tokens; tokens in front: measure's own */
    double tokens;            /* of a measurement, for a rate; 0: a time */
    double bytes, operations; /* at least read and multiplied; 0 and 0: no limit is known */
    const char *ratio_name;   /* what `ratio` says: "of a step"; NULL: nothing */

    struct samples seconds, share;
    struct samples read, int8; /* of the moments, a second */
    struct samples ratio;      /* measure adds to it */
    double spent;              /* seconds, with everything around the measurements */
    uint64_t n_disturbed;      /* measurements in which others used the processors */
    double disturbed_most;     /* by how much, 0 .. 1 */
};

struct figures {
    struct figure *figures; /* owned */
    size_t n;
};

/* A figure with everything but part, name and measure still to be set; valid until the next one. */
struct figure *figures_add(struct figures *figures, const char *part, figure_measure measure,
                           const char *name, ...) __attribute__((format(printf, 4, 5)));
void figures_release(struct figures *figures);

/* The least seconds that bytes and operations take at the rates of a moment. */
double figure_least_seconds(const struct figure *figure, const struct machine_moment *moment);
/* A measurement, more than 0 seconds, between two moments. */
void figure_take(struct figure *figure, double seconds, const struct machine_moment *before,
                 const struct machine_moment *after);
/* "read" or "int8": which limit holds at the median rates; "" where none is known. */
const char *figure_limit_name(const struct figure *figure);
/* Tokens a second, or seconds, of the median. */
double figure_value(const struct figure *figure);

/* Those that were measured. */
void figures_write(const struct figures *figures, struct output *output);
json_t *figures_json(const struct figures *figures);

#endif
