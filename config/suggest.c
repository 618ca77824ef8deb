/*
 * suggest.c - the known name that a misspelt one was probably meant to be
 *
 * Optimal string alignment distance (insert, delete, replace, swap of neighbours), with a dash and
 * an underscore equal and letters compared without case.
 */
#include <string.h>

#include "config/config.h"

enum { NAME_MAX_LENGTH = 48 };

static char folded(char c)
{
    if (c >= 'A' && c <= 'Z')
        return (char)(c - 'A' + 'a');
    return c == '-' ? '_' : c;
}

static size_t smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
    size_t rows[3][NAME_MAX_LENGTH + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];

    for (size_t j = 0; j <= n_b; j++)
        last[j] = j;
    memset(before, 0, sizeof rows[0]);
    for (size_t i = 1; i <= n_a; i++) {
        row[0] = i;
        for (size_t j = 1; j <= n_b; j++) {
            size_t cost = folded(a[i - 1]) != folded(b[j - 1]);
            size_t best = smaller(smaller(row[j - 1], last[j]) + 1, last[j - 1] + cost);

            if (i > 1 && j > 1 && folded(a[i - 1]) == folded(b[j - 2]) &&
                folded(a[i - 2]) == folded(b[j - 1]))
                best = smaller(best, before[j - 2] + 1);
            row[j] = best;
        }
        size_t *spare = before;
        before = last;
        last = row;
        row = spare;
    }
    return last[n_b];
}

const char *config_suggest(const char *name, const char *const *names, size_t n_names)
{
    const char *best = NULL;
    size_t n_name = strnlen(name, NAME_MAX_LENGTH + 1);
    size_t limit = n_name <= 3 ? 1 : n_name / 3 + 1;

    if (n_name == 0 || n_name > NAME_MAX_LENGTH)
        return NULL;
    for (size_t i = 0; i < n_names; i++) {
        size_t n = strnlen(names[i], NAME_MAX_LENGTH + 1);

        if (n > NAME_MAX_LENGTH)
            continue;
        size_t far = distance(name, n_name, names[i], n);
        /* As many edits as letters would make any short name "close". */
        if (far <= limit && far < n) {
            best = names[i];
            if (far == 0)
                break;
            limit = far - 1;
        }
    }
    return best;
}
