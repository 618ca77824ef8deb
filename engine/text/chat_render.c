/*
 * chat_render.c - messages to the token ids of a prompt
 *
 * A prompt is built of literals, which may hold control tokens, and texts, which never do.  Each is
 * tokenised by itself.  Joined and tokenised at once they would give the same ids: a text stands
 * between a line break and a control token, and the qwen3.5 template leaves no whitespace at its
 * ends.
 *
 * qwen3.5 is the published template for messages without tools, but for two points:
 *   - a text from a person is never taken for a tool's response, whatever it spells, since earlier
 *     answers would then change their form;
 *   - an answer at the end is written as history (without thinking), so that every prompt starts
 *     with the ids of its history.
 * chatml does not strip texts.
 */
#include "engine/text/template_internal.h"

#include <stdlib.h>
#include <string.h>

#include "engine/text/tokenizer.h"
#include "engine/text/utf8.h"

struct piece {
    const char *bytes;
    size_t n_bytes;
};

struct builder {
    const struct chat_template *chat_template;
    struct token_list list;
    char *text; /* owns */
    size_t n_bytes, capacity;
    struct error *error;
};

static enum status append_bytes(struct builder *builder, const char *bytes, size_t n_bytes)
{
    size_t capacity = builder->capacity ? builder->capacity : 1024;
    char *grown;

    if (n_bytes > SIZE_MAX / 4 - builder->n_bytes)
        return error_set(builder->error, STATUS_NO_MEMORY, "the messages are too long");
    /* One byte more for the terminator. */
    while (capacity <= builder->n_bytes + n_bytes)
        capacity *= 2;
    if (capacity != builder->capacity) {
        grown = realloc(builder->text, capacity);
        if (!grown)
            return error_set(builder->error, STATUS_NO_MEMORY,
                             "not enough memory for a prompt of %zu bytes",
                             builder->n_bytes + n_bytes);
        builder->text = grown;
        builder->capacity = capacity;
    }
    if (n_bytes)
        memcpy(builder->text + builder->n_bytes, bytes, n_bytes);
    builder->n_bytes += n_bytes;
    builder->text[builder->n_bytes] = '\0';
    return STATUS_OK;
}

static enum status append(struct builder *builder, struct piece piece, bool literal)
{
    enum status status = append_bytes(builder, piece.bytes, piece.n_bytes);

    if (status != STATUS_OK)
        return status;
    return tokenizer_append(builder->chat_template->vocabulary, piece.bytes, piece.n_bytes,
                            literal, &builder->list, builder->error);
}

static enum status literal(struct builder *builder, const char *text)
{
    return append(builder, (struct piece){text, strlen(text)}, true);
}

/* Texts -------------------------------------------------------------------------------------- */

/* Behind the last </think>, without leading line breaks; all of it when there is none. */
static struct piece without_thinking(struct piece text)
{
    static const char mark[] = "</think>";
    size_t n_mark = sizeof mark - 1;
    const char *next = text.bytes, *end = text.bytes + text.n_bytes;

    if (!text.n_bytes)
        return text;
    while ((next = memmem(next, (size_t)(end - next), mark, n_mark)) != NULL) {
        next += n_mark;
        text.bytes = next;
        while (text.bytes < end && *text.bytes == '\n')
            text.bytes++;
    }
    text.n_bytes = (size_t)(end - text.bytes);
    return text;
}

/* What the template keeps of a message's text. */
static struct piece kept_text(const struct chat_template *chat_template,
                              const struct chat_message *message)
{
    struct piece text = {message->text, message->n_bytes};

    if (chat_template->style != TEMPLATE_QWEN35)
        return text;
    text.bytes = utf8_strip(text.bytes, &text.n_bytes);
    /* Thinking that is given apart is not looked for in the text. */
    if (message->role == CHAT_ASSISTANT && !message->thinking)
        text = without_thinking(text);
    return text;
}

/* Are these ids ordinary tokens (control tokens would forge turns) that spell the text? */
static bool spell(const struct vocabulary *vocabulary, const int32_t *ids, size_t n_ids,
                  struct piece text)
{
    size_t at = 0;

    for (size_t i = 0; i < n_ids; i++) {
        enum token_kind kind = vocabulary_kind(vocabulary, ids[i]);
        size_t n_bytes;
        const char *bytes = vocabulary_bytes(vocabulary, ids[i], &n_bytes);
        if (kind == TOKEN_CONTROL || kind == TOKEN_UNKNOWN || kind == TOKEN_UNUSED ||
            n_bytes > text.n_bytes - at || memcmp(text.bytes + at, bytes, n_bytes) != 0)
            return false;
        at += n_bytes;
    }
    return at == text.n_bytes;
}

static enum status append_message_text(struct builder *builder,
                                       const struct chat_message *message)
{
    struct piece text = kept_text(builder->chat_template, message);
    enum status status;

    if (message->role != CHAT_ASSISTANT || !message->ids ||
        !spell(builder->chat_template->vocabulary, message->ids, message->n_ids, text))
        return append(builder, text, false);
    status = append_bytes(builder, text.bytes, text.n_bytes);
    if (status != STATUS_OK)
        return status;
    for (size_t i = 0; i < message->n_ids; i++)
        if (!token_list_add(&builder->list, message->ids[i]))
            return error_set(builder->error, STATUS_NO_MEMORY,
                             "not enough memory for a prompt of %zu tokens", builder->list.n);
    return STATUS_OK;
}

/* Messages ----------------------------------------------------------------------------------- */

static enum status check_order(const struct chat_message *messages, size_t n_messages,
                               bool generation_prompt, struct error *error)
{
    size_t first = n_messages && messages[0].role == CHAT_SYSTEM;

    if (!n_messages)
        return error_set(error, STATUS_USAGE, "there are no messages");
    for (size_t i = first; i < n_messages; i++)
        if (messages[i].role != ((i - first) % 2 ? CHAT_ASSISTANT : CHAT_USER))
            return error_set(error, STATUS_USAGE,
                             "message %zu: user and assistant do not take turns", i + 1);
    if (generation_prompt && messages[n_messages - 1].role != CHAT_USER)
        return error_set(error, STATUS_USAGE, "there is no message to answer");
    return STATUS_OK;
}

static enum status append_message(struct builder *builder, const struct chat_message *message)
{
    static const char *const openings[] = {
        [CHAT_SYSTEM] = "<|im_start|>system\n",
        [CHAT_USER] = "<|im_start|>user\n",
        [CHAT_ASSISTANT] = "<|im_start|>assistant\n",
    };
    enum status status = literal(builder, openings[message->role]);

    if (status == STATUS_OK)
        status = append_message_text(builder, message);
    if (status == STATUS_OK)
        status = literal(builder, "<|im_end|>\n");
    return status;
}

static enum status append_generation_prompt(struct builder *builder, struct chat_prompt *out)
{
    enum status status = literal(builder, "<|im_start|>assistant\n");

    out->n_stable = builder->list.n;
    if (status == STATUS_OK && builder->chat_template->style == TEMPLATE_QWEN35)
        status = literal(builder, out->thinking ? "<think>\n" : "<think>\n\n</think>\n\n");
    return status;
}

enum status chat_template_render(const struct chat_template *chat_template,
                                 const struct chat_message *messages, size_t n_messages,
                                 enum thinking_mode thinking, bool generation_prompt,
                                 struct chat_prompt *out, struct error *error)
{
    struct builder builder = {.chat_template = chat_template, .error = error};
    enum status status = check_order(messages, n_messages, generation_prompt, error);

    *out = (struct chat_prompt){0};
    if (status != STATUS_OK)
        return status;
    if (chat_template->missing)
        return error_set(error, STATUS_UNSUPPORTED,
                         "the model's vocabulary has no token %s, which the chat template "
                         "\"%s\" needs",
                         chat_template->missing, chat_template_name(chat_template));
    for (size_t i = 0; i < n_messages && status == STATUS_OK; i++)
        status = append_message(&builder, &messages[i]);
    out->n_stable = builder.list.n;
    if (status == STATUS_OK && generation_prompt) {
        out->thinking = chat_template_can_think(chat_template) &&
                        (thinking == THINKING_ON ||
                         (thinking == THINKING_DEFAULT && chat_template->thinks_by_default));
        status = append_generation_prompt(&builder, out);
    }
    out->ids = builder.list.ids;
    out->n_ids = builder.list.n;
    out->text = builder.text;
    out->n_bytes = builder.n_bytes;
    if (status != STATUS_OK)
        chat_prompt_release(out);
    return status;
}

void chat_prompt_release(struct chat_prompt *prompt)
{
    free(prompt->ids);
    free(prompt->text);
    *prompt = (struct chat_prompt){0};
}
