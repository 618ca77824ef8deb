/*
 * layout.c - text and a width in, rows out (layout.h)
 *
 * Greedy: a row takes clusters until one does not fit, then it ends at the last place where a
 * line may break, or right there when there is none.  Lines break behind spaces, behind a
 * hyphen between letters, and between wide characters, but not before closing nor behind
 * opening punctuation. Spaces that open a line are its indentation, no place to break.
 */
#include "ui/layout.h"
#include "ui/text.h"

#include <stdlib.h>

/* Wide punctuation that may not open a row, and that may not end one; in rising order. */
static const uint16_t closing[] = {
    0x3001, 0x3002, 0x3005, 0x3009, 0x300B, 0x300D, 0x300F, 0x3011, 0x3015, 0x3017,
    0x3019, 0x301B, 0x301F, 0x3041, 0x3043, 0x3045, 0x3047, 0x3049, 0x3063, 0x3083,
    0x3085, 0x3087, 0x308E, 0x309D, 0x309E, 0x30A1, 0x30A3, 0x30A5, 0x30A7, 0x30A9,
    0x30C3, 0x30E3, 0x30E5, 0x30E7, 0x30EE, 0x30FB, 0x30FC, 0x30FD, 0x30FE, 0xFF01,
    0xFF09, 0xFF0C, 0xFF0E, 0xFF1A, 0xFF1B, 0xFF1F, 0xFF3D, 0xFF5D, 0xFF60};
static const uint16_t opening[] = {0x3008, 0x300A, 0x300C, 0x300E, 0x3010, 0x3014, 0x3016,
                                   0x3018, 0x301A, 0x301D, 0xFF08, 0xFF3B, 0xFF5B, 0xFF5F};

static bool is_in(uint32_t c, const uint16_t *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (list[i] == c)
            return true;
    return false;
}

static bool is_space(uint32_t c)
{
    return c == ' ' || c == '\t' || c == 0x3000;
}

static bool is_letter(uint32_t c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c >= 0xC0;
}

/* What the search for a place to break remembers of the row so far. */
struct row_state {
    int column;
    bool only_spaces;          /* nothing but indentation yet */
    uint32_t before, previous; /* the last two clusters */
    int previous_width;
    size_t break_at; /* bytes into the row; 0: none yet */
    size_t break_shown;
    int break_columns;
};

/* May the line break between the previous cluster and this one? */
static bool may_break(const struct row_state *state, const struct text_cluster *next)
{
    if (state->only_spaces || state->previous == 0 || is_space(next->first))
        return false;
    if (is_space(state->previous))
        return true;
    if (state->previous == '-' && is_letter(state->before) && is_letter(next->first))
        return true;
    if (state->previous == 0x2014) /* em dash */
        return is_letter(next->first);
    if (state->previous_width == 2 || next->columns == 2)
        return !is_in(next->first, closing, sizeof closing / sizeof closing[0]) &&
               !is_in(state->previous, opening, sizeof opening / sizeof opening[0]);
    return false;
}

int layout_cluster_columns(const struct text_cluster *cluster, int column, int columns)
{
    if (cluster->first == '\t')
        return LAYOUT_TAB - column % LAYOUT_TAB;
    return cluster->columns > columns ? columns : cluster->columns;
}

/* Spaces that do not fit hang over the edge: they belong to this row and are not drawn. */
static size_t take_hanging(const char *text, size_t n_bytes, size_t at)
{
    while (at < n_bytes && (text[at] == ' ' || text[at] == '\t'))
        at++;
    return at;
}

/* Lay out the row that starts at `start`; returns where the next one starts. */
static size_t lay_out_row(const char *text, size_t n_bytes, size_t start, int columns,
                          struct layout_row *row)
{
    struct row_state state = {.only_spaces = true};
    struct text_cluster cluster;
    size_t at = start;
    *row = (struct layout_row){.start = start};
    while (at < n_bytes) {
        if (text[at] == '\n') {
            row->ends_in_newline = true;
            break;
        }
        text_cluster_at(text + at, n_bytes - at, &cluster);
        if (may_break(&state, &cluster)) {
            state.break_at = state.break_shown = at - start;
            state.break_columns = state.column;
        }
        int width = layout_cluster_columns(&cluster, state.column, columns);
        if (state.column + width > columns) {
            if (cluster.first == ' ' || cluster.first == '\t') {
                row->n_shown = at - start;
                row->columns = state.column;
                at = take_hanging(text, n_bytes, at);
                row->ends_in_newline = at < n_bytes && text[at] == '\n';
                return at + row->ends_in_newline;
            }
            if (state.break_at > 0) {
                row->n_shown = state.break_shown;
                row->columns = state.break_columns;
                return start + state.break_at;
            }
            break;
        }
        state.column += width;
        state.only_spaces = state.only_spaces && is_space(cluster.first);
        state.before = state.previous;
        state.previous = cluster.first;
        state.previous_width = cluster.columns;
        at += cluster.n_bytes;
    }
    row->n_shown = at - start;
    row->columns = state.column;
    return at + row->ends_in_newline;
}

void layout_init(struct layout *layout, int columns)
{
    *layout = (struct layout){.columns = columns > 0 ? columns : 1};
}

void layout_release(struct layout *layout)
{
    free(layout->rows);
    *layout = (struct layout){.columns = 1};
}

void layout_reset(struct layout *layout, int columns)
{
    layout->n_rows = 0;
    layout->n_bytes = 0;
    layout->columns = columns > 0 ? columns : 1;
}

static bool reserve_row(struct layout *layout)
{
    if (layout->n_rows < layout->capacity)
        return true;
    size_t capacity = layout->capacity * 2 + 8;
    if (capacity > SIZE_MAX / sizeof *layout->rows)
        return false;
    struct layout_row *rows = realloc(layout->rows, capacity * sizeof *rows);
    if (rows == NULL)
        return false;
    layout->rows = rows;
    layout->capacity = capacity;
    return true;
}

bool layout_append(struct layout *layout, const char *text, size_t n_bytes)
{
    size_t at = layout->n_bytes;
    if (layout->n_rows > 0 && at < n_bytes && !layout->rows[layout->n_rows - 1].ends_in_newline)
        at = layout->rows[--layout->n_rows].start;
    while (at < n_bytes) {
        if (!reserve_row(layout))
            return false;
        at = lay_out_row(text, n_bytes, at, layout->columns, &layout->rows[layout->n_rows]);
        layout->n_rows++;
        layout->n_bytes = at;
    }
    return true;
}

size_t layout_row_at(const struct layout *layout, size_t offset)
{
    size_t low = 0, high = layout->n_rows;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (layout->rows[middle].start <= offset)
            low = middle;
        else
            high = middle;
    }
    return low;
}

/* Walk over the drawn part of a row until `stop` bytes or `stop_column` columns. */
static size_t walk_row(const struct layout *layout, const char *text, size_t row, size_t stop,
                       int stop_column, int *column)
{
    const struct layout_row *r = &layout->rows[row];
    size_t at = r->start, end = r->start + r->n_shown;
    struct text_cluster cluster;
    *column = 0;
    while (at < end && at < stop) {
        text_cluster_at(text + at, end - at, &cluster);
        int width = layout_cluster_columns(&cluster, *column, layout->columns);
        if (*column + width > stop_column || at + cluster.n_bytes > stop)
            break;
        *column += width;
        at += cluster.n_bytes;
    }
    return at;
}

int layout_column_at(const struct layout *layout, const char *text, size_t row, size_t offset)
{
    int column;
    walk_row(layout, text, row, offset, layout->columns, &column);
    return column;
}

size_t layout_offset_at(const struct layout *layout, const char *text, size_t row, int column)
{
    int reached;
    return walk_row(layout, text, row, SIZE_MAX, column, &reached);
}
