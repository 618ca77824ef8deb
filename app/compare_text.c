/*
 * compare_text.c - two ways to answer one message: the verdict and the table
 */
#include "app/compare_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>

enum { NARROW = 60 }; /* columns below which a table is without spreads */

struct spread {
    double mean, half_range;
    size_t n;
};

/* Of the values that are known. */
static struct spread spread_of(const double *values, size_t n_values)
{
    struct spread spread = {0};
    double least = 0, most = 0;

    for (size_t i = 0; i < n_values; i++) {
        if (!(values[i] > 0))
            continue;
        least = spread.n == 0 || values[i] < least ? values[i] : least;
        most = spread.n == 0 || values[i] > most ? values[i] : most;
        spread.mean += values[i];
        spread.n++;
    }
    if (spread.n > 0)
        spread.mean /= (double)spread.n;
    spread.half_range = (most - least) / 2;
    return spread;
}

static void spread_text(const struct spread *spread, const char *before, bool wide, char *text,
                        size_t n_bytes)
{
    /* About four digits, also of rates in the thousands and of times in milliseconds. */
    int digits = spread->mean >= 100 ? 1 : spread->mean >= 0.1 ? 2 : 4;

    if (spread->n == 0)
        snprintf(text, n_bytes, "-");
    else if (wide && spread->n > 1)
        snprintf(text, n_bytes, "%s%.*f +-%.*f", before, digits, spread->mean, digits,
                 spread->half_range);
    else
        snprintf(text, n_bytes, "%s%.*f", before, digits, spread->mean);
}

/* B over A, round by round: what is common to a round cancels out. */
static struct spread ratio_of(const double *a, size_t n_a, const double *b, size_t n_b)
{
    double ratios[COMPARE_MAX_ROUNDS] = {0};
    size_t n = n_a < n_b ? n_a : n_b;

    for (size_t i = 0; i < n; i++)
        ratios[i] = a[i] > 0 ? b[i] / a[i] : 0;
    return spread_of(ratios, n);
}

static void line(struct text_buffer *text, bool wide, const char *name, const char *a,
                 const char *b, const char *ratio)
{
    text_printf(text, wide ? "%s%-13s %-16s %-16s %s" : "%s%-11s %-9s %-9s %s",
                text->n_bytes > 0 ? "\n" : "", name, a, b, ratio);
    while (text->n_bytes > 0 && text->bytes[text->n_bytes - 1] == ' ')
        text->bytes[--text->n_bytes] = '\0';
}

static void number_line(struct text_buffer *text, bool wide, const char *name, const double *a,
                        size_t n_a, const double *b, size_t n_b)
{
    struct spread of_a = spread_of(a, n_a), of_b = spread_of(b, n_b);
    struct spread ratio = ratio_of(a, n_a, b, n_b);
    char cells[3][48];

    spread_text(&of_a, "", wide, cells[0], sizeof cells[0]);
    spread_text(&of_b, "", wide, cells[1], sizeof cells[1]);
    spread_text(&ratio, "x", wide, cells[2], sizeof cells[2]);
    line(text, wide, name, cells[0], cells[1], cells[2]);
}

static void drafted(const struct policy_statistics *s, bool wide, char *text, size_t n_bytes)
{
    if (s == NULL || s->proposed == 0)
        snprintf(text, n_bytes, "-");
    else if (wide)
        snprintf(text, n_bytes, "%" PRIu64 "/%" PRIu64 " (%.0f%%)", s->proposed, s->accepted,
                 100 * policy_acceptance(s));
    else
        snprintf(text, n_bytes, "%" PRIu64 "/%" PRIu64, s->proposed, s->accepted);
}

static void mean_length(const struct policy_statistics *s, char *text, size_t n_bytes)
{
    if (s == NULL || s->passes == 0)
        snprintf(text, n_bytes, "-");
    else
        snprintf(text, n_bytes, "%.2f", policy_mean_length(s));
}

void compare_table_text(const struct compare_figures figures[2], bool policies, int columns,
                        struct text_buffer *text)
{
    const struct compare_figures *a = &figures[0], *b = &figures[1];
    bool wide = columns >= NARROW;
    char names[2][20], cells[2][48];

    for (size_t i = 0; i < 2; i++)
        snprintf(names[i], sizeof names[i], "%c %.*s", (int)('A' + i), wide ? 14 : 7,
                 figures[i].name);
    line(text, wide, "", names[0], names[1], "B/A");
    number_line(text, wide, "decode t/s", a->rates, a->n_rounds, b->rates, b->n_rounds);
    number_line(text, wide, "wall s", a->seconds, a->n_rounds, b->seconds, b->n_rounds);
    if (!policies)
        return;
    drafted(a->speculation, wide, cells[0], sizeof cells[0]);
    drafted(b->speculation, wide, cells[1], sizeof cells[1]);
    line(text, wide, "drafted/acc", cells[0], cells[1], "");
    mean_length(a->speculation, cells[0], sizeof cells[0]);
    mean_length(b->speculation, cells[1], sizeof cells[1]);
    line(text, wide, "mean length", cells[0], cells[1], "");
}

void compare_verdict_text(const struct compare_verdict *verdict, struct text_buffer *text)
{
    const char *const *tokens = verdict->tokens;

    if (!verdict->known)
        return;
    if (verdict->identical) {
        uint32_t most = verdict->n_tokens[0] > verdict->n_tokens[1] ? verdict->n_tokens[0]
                                                                    : verdict->n_tokens[1];
        text_printf(text, "identical: %" PRIu32 "/%" PRIu32 " tokens", verdict->n_compared,
                    most > verdict->n_compared ? most : verdict->n_compared);
        return;
    }
    text_printf(text, "first difference at token %" PRIu32, verdict->first_difference + 1);
    char margin[32] = "";
    if (!isnan(verdict->margin))
        snprintf(margin, sizeof margin, "margin %.3f", (double)verdict->margin);
    if (tokens[0] != NULL && tokens[1] != NULL)
        text_printf(text, " (A \"%s\", B \"%s\"%s%s)", tokens[0], tokens[1],
                    margin[0] != '\0' ? ", " : "", margin);
    else if (margin[0] != '\0')
        text_printf(text, " (%s)", margin);
}
