/*
 * marks.h - who proposed which bytes of a text
 *
 * Runs of bytes with the same mark, not a mark for each byte: pieces that follow each other
 * with the same mark are one run, and a text without marks takes no memory.
 *
 * Pure.
 */
#ifndef UI_MARKS_H
#define UI_MARKS_H

#include "ui/ui.h"

struct mark_run {
    size_t start; /* byte; the run ends where the next one starts */
    enum ui_mark mark;
};

struct marks {
    struct mark_run *runs; /* owned; by rising start, neighbours differ */
    size_t n_runs, capacity;
};

void marks_release(struct marks *marks);
/* Bytes from `start` on have this mark; start never falls.  Out of memory: they keep the one
 * before. */
void marks_add(struct marks *marks, size_t start, enum ui_mark mark);
/* The mark of byte `offset`, and in *end where its run ends (SIZE_MAX: nowhere yet). */
enum ui_mark marks_at(const struct marks *marks, size_t offset, size_t *end);

#endif
