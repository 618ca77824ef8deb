/*
 * chat.h - messages to the token ids that a model was trained to read
 *
 * A template is a list of segments: literals, whose control tokens are emitted as ids by template
 * code, and texts from people or files, which are tokenised without any special token and never
 * merge with their neighbours.  So no text can forge a turn.
 *
 * Thread: pure functions of the model and the messages; any thread.
 */
#ifndef ENGINE_CHAT_H
#define ENGINE_CHAT_H

#include "engine/model.h"

enum chat_role { CHAT_SYSTEM, CHAT_USER, CHAT_ASSISTANT };

struct chat_message {
    enum chat_role role;
    const char *text; /* borrowed; any bytes */
    size_t n_bytes;
    /*
     * The ids that the model generated for text, or NULL: used instead of tokenising when their
     * bytes are exactly the text, so that a conversation's state can be continued.
     */
    const int32_t *ids;
    size_t n_ids;
    /*
     * Of an assistant message: kept by the app, never part of history.  NULL: not known, and what
     * the text has in front of its last </think> is taken for it; "" where there was none.
     */
    const char *thinking;
    size_t n_thinking;
};

enum thinking_mode { THINKING_DEFAULT, THINKING_OFF, THINKING_ON };

struct chat_prompt {
    int32_t *ids; /* owned */
    size_t n_ids;
    size_t n_stable; /* ids before the generation prompt's thinking tags: what history keeps */
    char *text;      /* owned; the same as text, control tokens spelled out; terminated */
    size_t n_bytes;
    bool thinking; /* the answer starts inside a thinking block */
};

/*
 * Render messages (system first if any, then user and assistant in turn).
 * generation_prompt: end with the opening of an assistant turn; without it the ids are a history
 * that a later prompt extends (its prefix, token by token).
 * Errors: USAGE (order of roles), UNSUPPORTED (the vocabulary lacks the template's control tokens).
 */
enum status chat_render(const struct model *model, const struct chat_message *messages,
                        size_t n_messages, enum thinking_mode thinking, bool generation_prompt,
                        struct chat_prompt *out, struct error *error);
void chat_prompt_release(struct chat_prompt *prompt);

/* Does the model think when nothing is said (by family and size)? */
bool chat_thinks_by_default(const struct model *model);
/* Can it think at all with the template in use? */
bool chat_can_think(const struct model *model);

/*
 * Splits a generated answer in thinking and text, token by token, and gives whole UTF-8 only.
 * Leading newlines of the answer are dropped; the first end-of-thinking token counts.
 */
struct chat_splitter;
enum chat_part { CHAT_PART_THINKING, CHAT_PART_ANSWER };

enum status chat_splitter_new(struct chat_splitter **out, const struct model *model,
                              bool starts_thinking, struct error *error);
void chat_splitter_free(struct chat_splitter **splitter);
/*
 * Take one token; bytes that became whole are in *bytes (borrowed until the next call), with the
 * part they belong to.  *counts is true when the id belongs to the answer's own ids
 * (chat_message.ids).
 */
void chat_splitter_token(struct chat_splitter *splitter, int32_t id, enum chat_part *part,
                         const char **bytes, size_t *n_bytes, bool *counts);
/* End: what was held back, broken UTF-8 as U+FFFD. */
void chat_splitter_finish(struct chat_splitter *splitter, enum chat_part *part,
                          const char **bytes, size_t *n_bytes);
/* Tokens that close a thinking block ("\n</think>\n\n"), for the thinking budget. */
const int32_t *chat_end_thinking_ids(const struct model *model, size_t *n_ids);

#endif
