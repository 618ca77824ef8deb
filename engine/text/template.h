/*
 * template.h - which of the built-in chat templates a model was trained with
 *
 * banter does not run the template of a file (it is a program in a language of its own, from a
 * stranger); it looks for marks in it and takes the built-in template that they stand for:
 * "qwen3.5" (architectures qwen35 and qwen35moe whose template speaks of <think>) or "chatml".
 * A template that is neither the published one word for word nor the one that banter writes into
 * files of its own gives a notice, not a refusal.
 *
 * Ownership: borrows the vocabulary, copies what it needs of the file.
 * Thread: read-only after chat_template_choose().
 */
#ifndef ENGINE_TEXT_TEMPLATE_H
#define ENGINE_TEXT_TEMPLATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"

struct chat_template;
struct gguf;
struct vocabulary;

/*
 * name: "qwen3.5" or "chatml"; NULL or "": by architecture and marks.
 * A vocabulary that lacks the template's control tokens is no error here (tokens can still be
 * generated from ids); chat_render() refuses with UNSUPPORTED.
 * Errors: USAGE (unknown name), DAMAGED (a key of the wrong type), NO_MEMORY.
 * On failure *out is NULL.
 */
enum status chat_template_choose(struct chat_template **out, const struct gguf *file,
                                 const struct vocabulary *vocabulary, const char *name,
                                 struct error *error);
void chat_template_free(struct chat_template **chat_template); /* NULL is allowed */

/* What banter writes as tokenizer.chat_template: "qwen3.5" without tools, thinking off by default. */
extern const char chat_template_text[];

const char *chat_template_name(const struct chat_template *chat_template);
/* "" or one line (under 160 bytes) for the person: the file's template is not the built-in one. */
const char *chat_template_notice(const struct chat_template *chat_template);
bool chat_template_can_think(const struct chat_template *chat_template);
bool chat_template_thinks_by_default(const struct chat_template *chat_template);
/* "\n</think>\n\n" as ids; none where the template cannot think. */
const int32_t *chat_template_end_thinking(const struct chat_template *chat_template,
                                          size_t *n_ids);

#endif
