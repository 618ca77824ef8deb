/*
 * detokenizer.h - token bytes to text for a screen, as they come
 *
 * A token may end inside a character.  What comes out is valid UTF-8, always: the start of a
 * character waits for its rest, and broken bytes become U+FFFD, one for each maximal subpart
 * (Unicode 14, section 3.9).  So the text does not depend on how the bytes were cut.
 *
 * Thread: one thread at a time.
 */
#ifndef ENGINE_TEXT_DETOKENIZER_H
#define ENGINE_TEXT_DETOKENIZER_H

#include <stdbool.h>
#include <stddef.h>

struct detokenizer {
    char *text;     /* owns; what the last call gave */
    size_t n_bytes; /* of text */
    char *input;    /* owns; the start of a character, then the new bytes */
    size_t n_waiting;
    size_t longest;
};

/* longest: the most bytes of one push.  Nothing is allocated later.  false: out of memory. */
bool detokenizer_create(struct detokenizer *detokenizer, size_t longest);
void detokenizer_release(struct detokenizer *detokenizer);
/* bytes [n_bytes], n_bytes <= longest; the result is in .text [.n_bytes] until the next call. */
void detokenizer_push(struct detokenizer *detokenizer, const char *bytes, size_t n_bytes);
/* The end of the text: what waits is broken. */
void detokenizer_finish(struct detokenizer *detokenizer);

#endif
