/*
 * marks.c - who proposed which bytes of a text (marks.h)
 */
#include "ui/marks.h"

#include <stdlib.h>

void marks_release(struct marks *marks)
{
    free(marks->runs);
    *marks = (struct marks){0};
}

void marks_add(struct marks *marks, size_t start, enum ui_mark mark)
{
    /* A run of no bytes gives way. */
    if (marks->n_runs > 0 && marks->runs[marks->n_runs - 1].start == start)
        marks->n_runs--;
    enum ui_mark before =
        marks->n_runs > 0 ? marks->runs[marks->n_runs - 1].mark : UI_MARK_NONE;
    if (mark == before)
        return;
    if (marks->n_runs == marks->capacity) {
        size_t capacity = marks->capacity * 2 + 8;
        struct mark_run *runs = realloc(marks->runs, capacity * sizeof *runs);
        if (runs == NULL)
            return;
        marks->runs = runs;
        marks->capacity = capacity;
    }
    marks->runs[marks->n_runs++] = (struct mark_run){start, mark};
}

enum ui_mark marks_at(const struct marks *marks, size_t offset, size_t *end)
{
    size_t low = 0, high = marks->n_runs; /* runs before low start at or before the offset */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (marks->runs[middle].start <= offset)
            low = middle + 1;
        else
            high = middle;
    }
    *end = low < marks->n_runs ? marks->runs[low].start : SIZE_MAX;
    return low > 0 ? marks->runs[low - 1].mark : UI_MARK_NONE;
}
