/*
 * prompts.c - lines of JSON to token ids
 */
#include "app/prompts.h"

#include <stdlib.h>
#include <string.h>

#include "app/chat_messages.h"
#include "app/input.h"
#include "app/text_buffer.h"

enum { LABEL_BYTES = 80 };

static enum status wrong(struct error *error, const char *what)
{
    return error_set(error, STATUS_DAMAGED, "%s", what);
}

static void keep(struct prompts *prompts, const struct chat_message *question,
                 struct chat_prompt *rendered)
{
    /* Grow at powers of two. */
    const size_t n = prompts->n_prompts;
    if ((n & (n - 1)) == 0)
        prompts->prompts =
            app_resize(prompts->prompts, n == 0 ? 1 : 2 * n, sizeof *prompts->prompts);
    const size_t n_label = question->n_bytes < LABEL_BYTES ? question->n_bytes : LABEL_BYTES;

    prompts->prompts[prompts->n_prompts++] = (struct prompt){
        .label = app_copy(question->text, n_label),
        .ids = rendered->ids,
        .n_ids = rendered->n_ids,
        .thinking = rendered->thinking,
    };
    if (rendered->n_ids > prompts->longest)
        prompts->longest = rendered->n_ids;
    rendered->ids = NULL;
    chat_prompt_release(rendered);
}

static enum status add_messages(struct prompts *prompts, const struct chat_message *messages,
                                size_t n_messages, enum thinking_mode thinking,
                                struct error *error)
{
    const bool with_system =
        prompts->system != NULL && (n_messages == 0 || messages[0].role != CHAT_SYSTEM);
    struct chat_message *all = app_resize(NULL, n_messages + 1, sizeof *all);
    struct chat_prompt rendered;
    size_t n = 0;

    if (with_system)
        all[n++] = (struct chat_message){
            .role = CHAT_SYSTEM, .text = prompts->system, .n_bytes = strlen(prompts->system)};
    memcpy(all + n, messages, n_messages * sizeof *all);
    n += n_messages;
    const enum status status =
        chat_render(prompts->model, all, n, thinking, true, &rendered, error);
    if (status == STATUS_OK)
        keep(prompts, &all[n - 1], &rendered);
    free(all);
    return status;
}

enum status prompts_add_text(struct prompts *prompts, const char *text, size_t n_bytes,
                             struct error *error)
{
    const struct chat_message message = {.role = CHAT_USER, .text = text, .n_bytes = n_bytes};

    return add_messages(prompts, &message, 1, prompts->thinking, error);
}

static enum status add_chat(struct prompts *prompts, const json_t *list,
                            enum thinking_mode thinking, struct error *error)
{
    struct chat_messages chat;
    enum status status = chat_messages_read(&chat, list, error);

    if (status != STATUS_OK)
        return status;
    size_t n = chat.n_messages;
    if (n > 0 && chat.messages[n - 1].role == CHAT_ASSISTANT)
        n--;
    if (n == 0 || chat.messages[n - 1].role != CHAT_USER)
        status = wrong(error, "no message of a user that is to be answered");
    else
        status = add_messages(prompts, chat.messages, n, thinking, error);
    if (status == STATUS_USAGE) /* the order of the roles; here it is the file's */
        status = error->status = STATUS_DAMAGED;
    chat_messages_release(&chat);
    return status;
}

static enum status add_line(struct prompts *prompts, const char *line, size_t n_bytes,
                            struct error *error)
{
    json_t *object;
    enum status status = json_line_read(&object, line, n_bytes, error);

    if (status != STATUS_OK)
        return status;
    const json_t *text = json_object_get(object, "prompt");
    const json_t *messages = json_object_get(object, "messages");
    const json_t *think = json_object_get(object, "think");
    const enum thinking_mode thinking = think == NULL         ? prompts->thinking
                                        : json_is_true(think) ? THINKING_ON
                                                              : THINKING_OFF;
    struct chat_message question = {.role = CHAT_USER};

    if (think != NULL && !json_is_boolean(think)) {
        status = wrong(error, "\"think\" must be true or false");
    } else if (json_is_string(text) && messages == NULL) {
        question.text = json_string_value(text);
        question.n_bytes = json_string_length(text);
        status = question.n_bytes > 0 ? add_messages(prompts, &question, 1, thinking, error)
                                      : wrong(error, "the prompt is empty");
    } else if (messages != NULL && text == NULL) {
        status = add_chat(prompts, messages, thinking, error);
    } else {
        status = wrong(error, "an object with a \"prompt\" or with \"messages\" is expected");
    }
    json_decref(object);
    return status;
}

static bool is_blank(const char *bytes, size_t n_bytes)
{
    while (n_bytes > 0 && strchr(" \t\r", bytes[n_bytes - 1]) != NULL)
        n_bytes--;
    return n_bytes == 0;
}

static enum status add_lines(struct prompts *prompts, const char *path,
                             const struct text_buffer *text, struct error *error)
{
    const char *at = text_string(text), *end = at + text->n_bytes;

    for (size_t number = 1; at < end; number++) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        const size_t n_bytes = (size_t)((newline != NULL ? newline : end) - at);

        if (!is_blank(at, n_bytes) && add_line(prompts, at, n_bytes, error) != STATUS_OK) {
            error_where(error, "%s:%zu, offset %zu", path, number,
                        (size_t)(at - text_string(text)));
            return error->status;
        }
        at += n_bytes + 1;
    }
    return STATUS_OK;
}

enum status prompts_add_file(struct prompts *prompts, const char *path, struct error *error)
{
    const char *name = strcmp(path, "-") == 0 ? "standard input" : path;
    const size_t n_before = prompts->n_prompts;
    struct text_buffer text = {0};
    enum status status = input_read(path, &text, error);

    if (status == STATUS_NOT_FOUND)
        status = error->status = STATUS_USAGE; /* "not found" is the model's exit code */
    if (status == STATUS_OK)
        status = add_lines(prompts, name, &text, error);
    if (status == STATUS_OK && prompts->n_prompts == n_before) {
        status = wrong(error, "no prompt is in the file");
        error_path(error, name);
    }
    text_release(&text);
    return status;
}

void prompts_release(struct prompts *prompts)
{
    for (size_t i = 0; i < prompts->n_prompts; i++) {
        free(prompts->prompts[i].label);
        free(prompts->prompts[i].ids);
    }
    free(prompts->prompts);
    prompts->prompts = NULL;
    prompts->n_prompts = 0;
}
