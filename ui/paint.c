/*
 * paint.c - filtered text and lines into the window of curses (paint.h)
 */
#include "ui/paint.h"

#include <limits.h>
#include <string.h>
#include <wchar.h>

attr_t paint_color(const struct screen *screen, enum color_pair pair)
{
    return screen->color ? (attr_t)COLOR_PAIR(pair) : 0;
}

/* What a character set without the code point shows in its place. */
static char stand_in(uint32_t c)
{
    switch (c) {
    case 0x00A0: return ' ';
    case 0x2018:
    case 0x2019:
    case 0x201A: return '\'';
    case 0x201C:
    case 0x201D:
    case 0x201E: return '"';
    case 0x2010:
    case 0x2011:
    case 0x2012:
    case 0x2013:
    case 0x2014:
    case 0x2212: return '-';
    case 0x2022:
    case 0x00B7: return '*';
    case 0x2026: return '.';
    case 0x00D7: return 'x';
    default: return '?';
    }
}

/* Can the terminal's character set say it, in as many columns as the layout gave it? */
static bool is_sayable(const struct screen *screen, const struct text_cluster *cluster)
{
    if (screen->utf8)
        return true;
    char bytes[MB_LEN_MAX];
    mbstate_t state = {0};
    return wcrtomb(bytes, (wchar_t)cluster->first, &state) != (size_t)-1 &&
           wcwidth((wchar_t)cluster->first) == cluster->columns;
}

static void draw_cluster(const struct screen *screen, int row, int column, int columns,
                         const struct text_cluster *cluster, attr_t attributes)
{
    wchar_t shown[TEXT_CELL_CODE_POINTS + 1] = {0};
    int n_shown = cluster->n_shown;
    if (cluster->columns > columns || !is_sayable(screen, cluster)) {
        char sign = cluster->columns > columns ? '?' : stand_in(cluster->first);
        for (int i = 0; i < columns; i++)
            mvaddch(row, column + i, (chtype)sign | attributes);
        return;
    }
    if (!screen->utf8)
        n_shown = 1;
    for (int i = 0; i < n_shown; i++)
        shown[i] = (wchar_t)cluster->shown[i];
    cchar_t cell;
    if (setcchar(&cell, shown, attributes & ~(attr_t)A_COLOR, (short)PAIR_NUMBER(attributes),
                 NULL) == OK)
        mvadd_wch(row, column, &cell);
}

/* How text of this mark looks: never by colour alone. */
static attr_t attributes_of(const struct screen *screen, enum ui_mark mark)
{
    switch (mark) {
    case UI_MARK_NGRAM: return A_UNDERLINE | paint_color(screen, PAIR_NGRAM);
    case UI_MARK_DRAFT: return A_UNDERLINE | paint_color(screen, PAIR_DRAFT);
    case UI_MARK_MTP: return A_UNDERLINE | paint_color(screen, PAIR_MTP);
    default: return A_NORMAL;
    }
}

/* Bytes of ASCII at the start that can be painted as they are, `enough` at most. */
static size_t plain_run(const char *text, size_t n_bytes, size_t enough)
{
    size_t run = 0;
    while (run < n_bytes && run < enough && text[run] >= 0x20 && text[run] < 0x7F)
        run++;
    /* The last one of a run may be the base of marks. */
    if (run < n_bytes && run > 0 && (text[run] & 0x80) != 0)
        run--;
    return run;
}

int paint_marked_text(const struct screen *screen, int row, int column, int limit,
                      const char *text, size_t n_bytes, attr_t attributes,
                      const struct marks *marks, size_t offset)
{
    int origin = column;
    size_t at = 0, mark_end = marks == NULL ? SIZE_MAX : 0;
    attr_t ink = attributes;
    attrset((int)ink);
    while (at < n_bytes && column < limit) {
        if (marks != NULL && offset + at >= mark_end) {
            ink = attributes | attributes_of(screen, marks_at(marks, offset + at, &mark_end));
            attrset((int)ink);
        }
        size_t room = (size_t)(limit - column), same = mark_end - offset - at;
        size_t run = plain_run(text + at, n_bytes - at, same < room ? same : room);
        if (run > 0) {
            mvaddnstr(row, column, text + at, (int)run);
            column += (int)run;
            at += run;
            continue;
        }
        struct text_cluster cluster;
        text_cluster_at(text + at, n_bytes - at, &cluster);
        int columns = layout_cluster_columns(&cluster, column - origin, limit - origin);
        if (columns > limit - column)
            break;
        if (cluster.first == '\t')
            mvhline(row, column, ' ' | ink, columns);
        else
            draw_cluster(screen, row, column, columns, &cluster, ink);
        column += columns;
        at += cluster.n_bytes;
    }
    return column;
}

int paint_text(const struct screen *screen, int row, int column, int limit, const char *text,
               size_t n_bytes, attr_t attributes)
{
    return paint_marked_text(screen, row, column, limit, text, n_bytes, attributes, NULL, 0);
}

void paint_blank(const struct screen *screen, int row, int column, int limit)
{
    attrset(A_NORMAL);
    if (column >= limit)
        return;
    if (limit < screen->n_columns) {
        mvhline(row, column, ' ', limit - column);
        return;
    }
    move(row, column);
    clrtoeol();
}

void paint_line(const struct screen *screen, int row, int column, int limit, const char *text,
                attr_t attributes)
{
    int end = paint_text(screen, row, column, limit, text, strlen(text), attributes);
    paint_blank(screen, row, end, limit);
}

void paint_cut_line(const struct screen *screen, int row, int column, int limit,
                    const char *text, size_t n_bytes, attr_t attributes)
{
    size_t seen = (size_t)(limit > column ? limit - column : 0) * 4 + 4; /* enough to know */
    bool is_cut = ui_text_columns(text, n_bytes < seen ? n_bytes : seen) > limit - column;
    if (is_cut && limit - column > 1) {
        int end = paint_text(screen, row, column, limit - 1, text, n_bytes, attributes);
        end = paint_text(screen, row, end, limit, screen->ascii ? "." : "\u2026",
                         screen->ascii ? 1 : 3, attributes);
        paint_blank(screen, row, end, limit);
        return;
    }
    int end = paint_text(screen, row, column, limit, text, n_bytes, attributes);
    paint_blank(screen, row, end, limit);
}

void paint_rule(const struct screen *screen, int row, int column, int limit)
{
    cchar_t line;
    if (column >= limit)
        return;
    if (screen->ascii || setcchar(&line, L"\u2500", A_DIM, 0, NULL) != OK)
        mvhline(row, column, '-' | A_DIM, limit - column);
    else
        mvhline_set(row, column, &line, limit - column);
}

void paint_upright_rule(const struct screen *screen, int row, int column, int n_rows)
{
    cchar_t line;
    if (n_rows < 1 || column >= screen->n_columns)
        return;
    if (screen->ascii || setcchar(&line, L"\u2502", A_DIM, 0, NULL) != OK)
        mvvline(row, column, '|' | A_DIM, n_rows);
    else
        mvvline_set(row, column, &line, n_rows);
}
