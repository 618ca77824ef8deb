/*
 * vocabulary_training.h - a byte-level BPE vocabulary from texts
 *
 * The splitter is qwen35's (engine/text/pretokenizer.h), the byte map and merge rule those of the
 * tokenizer; so what was trained is what is used.  Sennrich et al., Neural Machine Translation of
 * Rare Words with Subword Units: the most frequent pair is merged, ties go to the pair of lowest
 * ids.  The result depends on the texts' multiset of words alone.
 *
 * Thread: the calling thread.
 */
#ifndef ENGINE_VOCABULARY_TRAINING_H
#define ENGINE_VOCABULARY_TRAINING_H

#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct vocabulary_training;

enum { VOCABULARY_TRAINING_MIN = 256 + 5, VOCABULARY_TRAINING_MAX = 1 << 20 };

/*
 * n_tokens: size wanted, special tokens included.  Errors: USAGE (out of the range above),
 * NO_MEMORY.  On failure *out is NULL.
 */
enum status vocabulary_training_new(struct vocabulary_training **out, uint32_t n_tokens,
                                    struct error *error);
void vocabulary_training_free(struct vocabulary_training **training); /* NULL is allowed */
/*
 * Count the words of a text; any bytes.  Text that spells a special token is text.
 * Errors: NO_MEMORY, USAGE (4 GiB of text and more).
 */
enum status vocabulary_training_add(struct vocabulary_training *training, const char *text,
                                    size_t n_bytes, struct error *error);
/*
 * Merge, and write a GGUF file that holds a vocabulary alone: tokenizer.ggml.model gpt2, pre qwen35,
 * tokens, types, merges, ids of end and padding, a chat template that does as "qwen3.5".  Tokens: the
 * 256 bytes, the merged ones in the order of their making (none longer than 256 bytes), then the
 * special ones <|endoftext|> <|im_start|> <|im_end|> <think> </think>.
 * *n_got (NULL allowed): tokens in all; fewer than wanted when no pair occurs twice.
 * Errors: IO, NO_MEMORY, USAGE.  More texts may be added after it, and another file written.
 */
enum status vocabulary_training_write(struct vocabulary_training *training, const char *path,
                                      uint32_t *n_got, struct error *error);

#endif
