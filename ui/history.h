/*
 * history.h - what the person typed in earlier runs
 *
 * One entry a line, newest last; backslash, newline and carriage return are written \\ \n \r.
 * The file is private (0600), only ever appended to under a lock, and rewritten without its
 * duplicates when it has grown far beyond what is loaded.  Two banters at once lose nothing of
 * each other.
 */
#ifndef UI_HISTORY_H
#define UI_HISTORY_H

#include <stdbool.h>
#include <stddef.h>

#define HISTORY_ENTRY_MAX (256u << 10) /* bytes; longer ones are not kept */

struct history_list {
    char **entries; /* owned, terminated strings, oldest first, no two equal */
    size_t n_entries;
};

/* Is this worth keeping?  Not: nothing but blanks, a leading space, a NUL byte, too long. */
bool history_wants(const char *text, size_t n_bytes);
/* Load the newest `limit` different entries; makes the file private.  A missing file is an
 * empty list; false: it is there and cannot be read, or no memory. */
bool history_load(const char *path, size_t limit, struct history_list *list);
void history_release(struct history_list *list);
/* Append one entry that history_wants(); folders are made (0700); false: not written. */
bool history_append(const char *path, const char *text, size_t n_bytes);

#endif
