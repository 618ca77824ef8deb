/*
 * pretokenizer.h - cutting text in the words within which tokens merge
 *
 * The words are those of the regular expression that a model was trained with, found by hand-written
 * code: no regular expression engine, no recursion, linear in the text.
 *
 * Thread: pure function.
 */
#ifndef ENGINE_TEXT_PRETOKENIZER_H
#define ENGINE_TEXT_PRETOKENIZER_H

#include <stddef.h>

#include "engine/text/vocabulary.h"

/*
 * Length of the word at the start of text, 1 .. n_bytes (n_bytes >= 1).  text reaches to the end of
 * the segment: what follows decides where whitespace is cut.  A byte that is not part of UTF-8 is a
 * character of its own, of no class.
 */
size_t pretokenizer_word(enum pretokenizer pretokenizer, const char *text, size_t n_bytes);

#endif
