/*
 * status_line.c - fields in, a line of the status out (status_line.h)
 */
#include "ui/status_line.h"
#include "ui/text.h"

#include <stdio.h>
#include <string.h>

#define BAR_MIN   8
#define BAR_MAX   40
#define SPARK_MIN 5
#define CUT_MIN   12 /* columns; less of a text says nothing */

struct field *line_add(struct line *line, enum rank rank, const char *text)
{
    struct field *field = &line->fields[line->n_fields];
    if (line->n_fields < N_FIELDS_MAX - 1)
        line->n_fields++;
    *field = (struct field){.rank = rank, .brief_rank = rank};
    snprintf(field->text, FIELD_BYTES, "%s", text);
    return field;
}

struct field *line_add_right(struct line *line, enum rank rank, const char *text,
                             const char *brief)
{
    struct field *field = line_add(line, rank, text);
    field->right = true;
    snprintf(field->brief, FIELD_BYTES, "%s", brief);
    return field;
}

/* What the field takes at least. */
static int columns_of(const struct field *field)
{
    switch (field->kind) {
    case FIELD_BAR: return BAR_MIN;
    case FIELD_SPARK: return SPARK_MIN;
    default: return ui_text_columns(field->text, strlen(field->text));
    }
}

/* Blanks before it, when something is before it. */
static int gap_of(const struct line *line, const struct field *field)
{
    return line->tight || field->close ? 1 : 2;
}

/* With a margin at both ends. */
static int width_of(const struct line *line)
{
    int columns = line->n_fields > 0 ? 2 : 1;
    for (int i = 0; i < line->n_fields; i++) {
        const struct field *field = &line->fields[i];
        columns += columns_of(field) + (i > 0 ? gap_of(line, field) : 0);
    }
    return columns;
}

static void become_brief(struct field *field)
{
    if (field->brief[0] == '\0')
        return;
    memcpy(field->text, field->brief, FIELD_BYTES);
    field->brief[0] = '\0';
    field->rank = field->brief_rank;
}

static void tighten(struct line *line)
{
    line->tight = true;
    for (int i = 0; i < line->n_fields; i++)
        become_brief(&line->fields[i]);
}

static bool cut(struct field *field, int excess)
{
    int columns = columns_of(field) - excess;
    if (!field->cuts || columns < CUT_MIN)
        return false;
    field->text[line_fitting(field->text, columns - 2)] = '\0';
    line_put(field->text, strlen(field->text), "..");
    field->cuts = false;
    return true;
}

static void give_way(struct line *line, int excess, struct line *below)
{
    int weakest = 0;
    for (int i = 1; i < line->n_fields; i++) {
        const struct field *field = &line->fields[i], *other = &line->fields[weakest];
        if (field->rank < other->rank ||
            (field->rank == other->rank && field->kind == FIELD_BAR))
            weakest = i;
    }
    struct field *field = &line->fields[weakest];
    if (line->tightens && !line->tight && field->rank >= RANK_SPARK) {
        tighten(line);
        return;
    }
    if (field->brief[0] != '\0') {
        become_brief(field);
        return;
    }
    if (cut(field, excess))
        return;
    if (field->moves && below != NULL)
        line_add(below, field->rank, field->text);
    line->n_fields--;
    memmove(field, field + 1, (size_t)(line->n_fields - weakest) * sizeof *field);
}

void line_fit(struct line *line, int columns, struct line *below)
{
    int width;
    while (line->n_fields > 0 && (width = width_of(line)) > columns)
        give_way(line, width - columns, below);
}

/* Rendering -------------------------------------------------------------------------------- */

size_t line_put(char *out, size_t at, const char *text)
{
    size_t n_bytes = strlen(text);
    if (n_bytes > STATUS_LINE - 1 - at)
        return at;
    memcpy(out + at, text, n_bytes + 1);
    return at + n_bytes;
}

size_t line_put_blanks(char *out, size_t at, int n)
{
    for (int i = 0; i < n; i++)
        at = line_put(out, at, " ");
    return at;
}

size_t line_fitting(const char *text, int columns)
{
    size_t at = 0, n_bytes = strlen(text);
    int used = 0;
    while (at < n_bytes) {
        struct text_cluster cluster;
        text_cluster_at(text + at, n_bytes - at, &cluster);
        if (used + cluster.columns > columns)
            break;
        used += cluster.columns;
        at += cluster.n_bytes;
    }
    return at;
}

static size_t put_bar(const struct line *line, char *out, size_t at, int columns, bool ascii)
{
    int inside = columns - 2;
    double fraction = line->fraction > 0 ? line->fraction : 0;
    int percent = fraction >= 1 ? 100 : (int)(fraction * 100);
    int full = percent * inside / 100;
    at = line_put(out, at, "[");
    for (int i = 0; i < inside; i++)
        at = line_put(out, at, i < full ? (ascii ? "=" : "\u2588") : (ascii ? "." : "\u2591"));
    return line_put(out, at, "]");
}

/* It never takes more columns than there are samples for. */
static size_t put_spark(const struct line *line, char *out, size_t at, int spare, bool ascii)
{
    char text[SPARK_BYTES];
    int columns = SPARK_MIN + spare;
    int wanted = line->spark->n_samples > SPARK_MIN ? line->spark->n_samples : SPARK_MIN;
    spark_draw(line->spark, columns < wanted ? columns : wanted, ascii, text);
    return line_put(out, at, text);
}

static size_t put_field(const struct line *line, const struct field *field, char *out,
                        size_t at, int spare, bool ascii)
{
    int more = spare < BAR_MAX - BAR_MIN ? spare : BAR_MAX - BAR_MIN;
    switch (field->kind) {
    case FIELD_BAR: return put_bar(line, out, at, BAR_MIN + more, ascii);
    case FIELD_SPARK: return put_spark(line, out, at, spare, ascii);
    default: return line_put(out, at, field->text);
    }
}

static int width_at_right(const struct line *line)
{
    int columns = 0;
    for (int i = 0; i < line->n_fields; i++)
        if (line->fields[i].right)
            columns += columns_of(&line->fields[i]) +
                       (columns > 0 ? gap_of(line, &line->fields[i]) : 0);
    return columns;
}

void line_render(const struct line *line, int columns, bool ascii, char out[STATUS_LINE])
{
    int spare = columns - width_of(line), right = width_at_right(line);
    size_t at = 0;
    out[0] = '\0';
    at = line_put(out, at, columns > 0 ? " " : "");
    for (int i = 0; i < line->n_fields; i++) {
        const struct field *field = &line->fields[i];
        if (field->right)
            continue;
        at = line_put_blanks(out, at, at > 1 ? gap_of(line, field) : 0);
        at = put_field(line, field, out, at, spare, ascii);
    }
    if (right == 0)
        return;
    at = line_put_blanks(out, at, columns - 1 - right - ui_text_columns(out, at));
    bool first = true;
    for (int i = 0; i < line->n_fields; i++) {
        if (!line->fields[i].right)
            continue;
        at = line_put_blanks(out, at, first ? 0 : gap_of(line, &line->fields[i]));
        at = line_put(out, at, line->fields[i].text);
        first = false;
    }
}
