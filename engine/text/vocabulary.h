/*
 * vocabulary.h - the tokens of a model file: their bytes, kinds and merges
 *
 * Built once when a model is opened, from the keys tokenizer.ggml.*.  A token's text is stored in
 * the file in the byte-mapped form of GPT-2 (ordinary tokens) or plainly (added tokens); here every
 * token is its bytes.  Merges are kept between token ids, so that tokenising compares no strings.
 *
 * Accepted: tokenizer.ggml.model "gpt2" with tokenizer.ggml.pre "qwen2" or "qwen35".
 *
 * Ownership: the vocabulary holds copies; the file may be closed before it.
 * Thread: read-only after vocabulary_load().
 */
#ifndef ENGINE_TEXT_VOCABULARY_H
#define ENGINE_TEXT_VOCABULARY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct gguf;
struct merge_table;
struct vocabulary;

/* Values are those of tokenizer.ggml.token_type. */
enum token_kind {
    TOKEN_UNDEFINED = 0, /* treated as normal */
    TOKEN_NORMAL = 1,
    TOKEN_UNKNOWN = 2,
    TOKEN_CONTROL = 3,      /* <|im_start|>: never from text, prints nothing */
    TOKEN_USER_DEFINED = 4, /* <think>: never from text, prints its text */
    TOKEN_UNUSED = 5,       /* padding of the table: prints nothing */
    TOKEN_BYTE = 6,
    TOKEN_KIND_COUNT = 7
};

/* How text is cut in words before merging (tokenizer.ggml.pre). */
enum pretokenizer { PRETOKENIZER_QWEN2, PRETOKENIZER_QWEN35 };

/*
 * Errors: UNSUPPORTED (no tokenizer in the file, another model or pre: named), DAMAGED (missing or
 * wrong arrays, merges of tokens that do not exist, ids out of range: key named), NO_MEMORY.
 * On failure *out is NULL.
 */
enum status vocabulary_load(struct vocabulary **out, struct gguf *file, struct error *error);
void vocabulary_free(struct vocabulary **vocabulary); /* NULL is allowed */

uint32_t vocabulary_size(const struct vocabulary *vocabulary);
enum pretokenizer vocabulary_pretokenizer(const struct vocabulary *vocabulary);
/* The bytes of the longest token. */
size_t vocabulary_longest(const struct vocabulary *vocabulary);

/* TOKEN_UNUSED for an id out of range. */
enum token_kind vocabulary_kind(const struct vocabulary *vocabulary, int32_t id);
/*
 * A token's bytes, whatever its kind; terminated, may hold NUL bytes and parts of characters.
 * "" for an id out of range.  n_bytes may be NULL.
 */
const char *vocabulary_bytes(const struct vocabulary *vocabulary, int32_t id, size_t *n_bytes);
/* What the token adds to a text: nothing for control, unknown and unused tokens unless special. */
const char *vocabulary_print(const struct vocabulary *vocabulary, int32_t id, bool special,
                             size_t *n_bytes);

/* The control or user-defined token with exactly this text; -1: there is none. */
int32_t vocabulary_find_special(const struct vocabulary *vocabulary, const char *text,
                                size_t n_bytes);
/* The longest control or user-defined token at the start of text; -1: there is none. */
int32_t vocabulary_match_special(const struct vocabulary *vocabulary, const char *text,
                                 size_t n_bytes, size_t *n_matched);

/* The token of a single byte; there is one for each of the 256. */
int32_t vocabulary_byte_token(const struct vocabulary *vocabulary, uint8_t byte);
const struct merge_table *vocabulary_merges(const struct vocabulary *vocabulary);

/* Does an answer end at this token?  eos, eot and eom of the file, <|im_end|>, <|endoftext|>. */
bool vocabulary_is_stop(const struct vocabulary *vocabulary, int32_t id);

#endif
