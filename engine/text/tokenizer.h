/*
 * tokenizer.h - text to token ids
 *
 * Text of any bytes has tokens, and their bytes joined are the text again.  Text is not normalised
 * (no NFC): what a person wrote is what the model reads.
 *
 * Thread: pure function of the vocabulary and the text.
 */
#ifndef ENGINE_TEXT_TOKENIZER_H
#define ENGINE_TEXT_TOKENIZER_H

#include "engine/error.h"
#include "engine/text/token_list.h"
#include "engine/text/vocabulary.h"

/*
 * Append the tokens of text to the list.  special: what spells a control or user-defined token
 * becomes that token, the leftmost and longest first; without it text never gives one.
 * Errors: NO_MEMORY, USAGE (4 GiB of text and more); the list is then as it was.
 */
enum status tokenizer_append(const struct vocabulary *vocabulary, const char *text,
                             size_t n_bytes, bool special, struct token_list *list,
                             struct error *error);

#endif
