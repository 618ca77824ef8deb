/*
 * training_data.c - chats and texts to sequences of tokens
 */
#include "app/training_data.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/input.h"
#include "app/text_buffer.h"

enum { MESSAGES_MAX = 1024 };

/* The line that is being read. */
struct line {
    struct training_data *data;
    const char *path;
    size_t number;   /* from 1; 0: a file of plain text */
    uint64_t offset; /* of its first byte */
    struct error *error;
};

/* Ids that grow. */
struct ids {
    int32_t *ids;
    size_t n, room;
};

static enum status bad(const struct line *line, size_t column, uint64_t offset,
                       const char *format, ...) __attribute__((format(printf, 4, 5)));

static enum status bad(const struct line *line, size_t column, uint64_t offset,
                       const char *format, ...)
{
    char text[240];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    error_set(line->error, STATUS_DAMAGED, "%s (offset %llu)", text,
              (unsigned long long)offset);
    error_where(line->error, "%s:%zu:%zu", line->path, line->number, column);
    return STATUS_DAMAGED;
}

/* What is wrong with the line as a whole. */
static enum status bad_line(const struct line *line, const char *what)
{
    return bad(line, 1, line->offset, "%s", what);
}

static void append(struct ids *ids, const int32_t *more, size_t n)
{
    if (n == 0)
        return;
    if (ids->n + n > ids->room) {
        ids->room = 2 * (ids->n + n);
        ids->ids = app_resize(ids->ids, ids->room, sizeof *ids->ids);
    }
    memcpy(ids->ids + ids->n, more, n * sizeof *more);
    ids->n += n;
}

static enum status append_text(const struct line *line, struct ids *ids, const char *text,
                               size_t n_bytes, bool special)
{
    int32_t *more = NULL;
    size_t n = 0;
    enum status status =
        model_tokenize(line->data->model, text, n_bytes, special, &more, &n, line->error);

    if (status == STATUS_OK)
        append(ids, more, n);
    free(more);
    return status;
}

/* A control token, spelt. */
static enum status append_control(const struct line *line, struct ids *ids, const char *token)
{
    size_t n_before = ids->n;
    enum status status = append_text(line, ids, token, strlen(token), true);

    if (status == STATUS_OK && ids->n != n_before + 1)
        return error_set(line->error, STATUS_UNSUPPORTED, "the vocabulary has no token %s",
                         token);
    return status;
}

static void add_sequence(struct training_data *data, const int32_t *ids, size_t n_ids,
                         size_t n_prompt)
{
    struct train_sequence *sequence;

    if (data->n_sequences == data->room) {
        data->room = data->room < 64 ? 64 : 2 * data->room;
        data->sequences = app_resize(data->sequences, data->room, sizeof *data->sequences);
    }
    sequence = &data->sequences[data->n_sequences++];
    sequence->ids = app_resize(NULL, n_ids, sizeof *ids);
    memcpy(sequence->ids, ids, n_ids * sizeof *ids);
    sequence->n_ids = (uint32_t)n_ids;
    sequence->n_prompt = (uint32_t)n_prompt;
    data->n_tokens += n_ids;
}

/* Windows share one token, so that each but the first of the text is predicted once. */
static enum status take_text(const struct line *line, const char *text, size_t n_bytes)
{
    struct ids ids = {0};
    size_t window = line->data->window;
    enum status status = append_text(line, &ids, text, n_bytes, false);

    if (status == STATUS_OK && ids.n > 0)
        status = append_control(line, &ids, "<|endoftext|>");
    for (size_t first = 0; status == STATUS_OK && first + 1 < ids.n; first += window) {
        size_t left = ids.n - first;

        add_sequence(line->data, ids.ids + first, left < window + 1 ? left : window + 1, 0);
    }
    free(ids.ids);
    return status;
}

static bool role_of(const char *name, enum chat_role *role)
{
    static const char *const names[] = {
        [CHAT_SYSTEM] = "system", [CHAT_USER] = "user", [CHAT_ASSISTANT] = "assistant"};

    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (name != NULL && strcmp(name, names[i]) == 0) {
            *role = (enum chat_role)i;
            return true;
        }
    }
    return false;
}

/* One element of "messages"; texts are borrowed from it. */
static enum status read_message(const struct line *line, size_t index, json_t *value,
                                struct chat_message *message)
{
    json_t *content = json_object_get(value, "content");
    json_t *thinking = json_object_get(value, "thinking");
    char what[160];

    *message = (struct chat_message){0};
    if (!role_of(json_string_value(json_object_get(value, "role")), &message->role))
        snprintf(what, sizeof what, "message %zu needs a \"role\": system, user or assistant",
                 index + 1);
    else if (!json_is_string(content))
        snprintf(what, sizeof what, "message %zu needs a \"content\" that is a string",
                 index + 1);
    else if (thinking != NULL && (!json_is_string(thinking) || message->role != CHAT_ASSISTANT))
        snprintf(what, sizeof what,
                 "message %zu: \"thinking\" is a string of an assistant's message", index + 1);
    else {
        message->text = json_string_value(content);
        message->n_bytes = json_string_length(content);
        message->thinking = thinking != NULL ? json_string_value(thinking) : "";
        message->n_thinking = thinking != NULL ? json_string_length(thinking) : 0;
        return STATUS_OK;
    }
    return bad_line(line, what);
}

/* The answer after the prompt: what the model itself would have written. */
static enum status append_answer(const struct line *line, struct ids *ids,
                                 const struct chat_message *answer, bool thinking)
{
    const struct model *model = line->data->model;
    enum status status = STATUS_OK;

    if (thinking) {
        size_t n_end;
        const int32_t *end = chat_end_thinking_ids(model, &n_end);

        status = append_text(line, ids, answer->thinking, answer->n_thinking, false);
        append(ids, end, n_end);
    }
    if (status == STATUS_OK)
        status = append_text(line, ids, answer->text, answer->n_bytes, false);
    if (status == STATUS_OK)
        status = append_control(line, ids, "<|im_end|>");
    return status;
}

static enum status learn_answer(const struct line *line, const struct chat_message *messages,
                                size_t n_messages, bool thinks)
{
    const struct chat_message *answer = &messages[n_messages - 1];
    struct chat_prompt prompt = {0};
    struct ids ids = {0};
    enum status status;

    if (thinks && !chat_can_think(line->data->model))
        return bad_line(line, "an answer thinks, but the template knows no thinking");
    status = chat_render(line->data->model, messages, n_messages - 1,
                         thinks ? THINKING_ON : THINKING_OFF, true, &prompt, line->error);
    if (status == STATUS_USAGE)
        return bad_line(line, line->error->what);
    if (status != STATUS_OK)
        return status;
    append(&ids, prompt.ids, prompt.n_ids);
    status = append_answer(line, &ids, answer, prompt.thinking);
    if (status == STATUS_OK && prompt.n_ids > line->data->pass)
        status = bad(line, 1, line->offset,
                     "%zu tokens before the answer, but a pass takes %u (--micro)",
                     prompt.n_ids, (unsigned)line->data->pass);
    if (status == STATUS_OK)
        add_sequence(line->data, ids.ids, ids.n, prompt.n_ids);
    free(ids.ids);
    chat_prompt_release(&prompt);
    return status;
}

static enum status take_chat(const struct line *line, json_t *object, json_t *list)
{
    json_t *think = json_object_get(object, "think");
    size_t n = json_array_size(list);
    struct chat_message *messages;
    enum status status = STATUS_OK;

    if (!json_is_array(list) || n == 0)
        return bad_line(line, "\"messages\" must be a list of messages");
    if (n > MESSAGES_MAX)
        return bad(line, 1, line->offset, "%zu messages; %d are the most", n, MESSAGES_MAX);
    if (think != NULL && !json_is_boolean(think))
        return bad_line(line, "\"think\" must be true or false");
    messages = app_resize(NULL, n, sizeof *messages);
    for (size_t i = 0; i < n && status == STATUS_OK; i++)
        status = read_message(line, i, json_array_get(list, i), &messages[i]);
    if (status == STATUS_OK && messages[n - 1].role != CHAT_ASSISTANT)
        status = bad_line(line, "the last message must be the assistant's");
    if (status == STATUS_OK) {
        json_t *thinking = json_object_get(json_array_get(list, n - 1), "thinking");
        bool thinks = think != NULL ? json_is_true(think) : thinking != NULL;

        if (!thinks && thinking != NULL && json_string_length(thinking) > 0)
            status = bad_line(line, "\"think\" is false, but the answer has \"thinking\"");
        else
            status = learn_answer(line, messages, n, thinks);
    }
    free(messages);
    return status;
}

static enum status take_line(const struct line *line, const char *bytes, size_t n_bytes)
{
    json_error_t problem;
    json_t *object =
        json_loadb(bytes, n_bytes, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &problem);
    json_t *messages, *text;
    enum status status;

    if (object == NULL)
        return bad(line, problem.column > 0 ? (size_t)problem.column : 1,
                   line->offset + (problem.position > 0 ? (uint64_t)problem.position : 0),
                   "not JSON: %s", problem.text);
    messages = json_object_get(object, "messages");
    text = json_object_get(object, "text");
    if (messages != NULL && text == NULL)
        status = take_chat(line, object, messages);
    else if (json_is_string(text) && messages == NULL)
        status = take_text(line, json_string_value(text), json_string_length(text));
    else
        status = bad_line(line, "an object with \"messages\" or with a \"text\" is expected");
    json_decref(object);
    return status;
}

static bool is_blank(const char *bytes, size_t n_bytes)
{
    return strspn(bytes, " \t\r\n") >= n_bytes;
}

static enum status read_lines(struct line *line)
{
    FILE *file = fopen(line->path, "re");
    enum status status = STATUS_OK;
    char *bytes = NULL;
    size_t room = 0;
    ssize_t n = 0;

    errno = file != NULL ? 0 : errno;
    while (file != NULL && status == STATUS_OK && (n = getline(&bytes, &room, file)) >= 0) {
        line->number++;
        if (!is_blank(bytes, (size_t)n))
            status = take_line(line, bytes, (size_t)n);
        line->offset += (uint64_t)n;
    }
    if (file == NULL || (status == STATUS_OK && ferror(file))) {
        status = errno == ENOENT ? STATUS_NOT_FOUND : STATUS_IO;
        error_set(line->error, status, "%s", strerror(errno));
        error_where(line->error, "%s", line->path);
    }
    free(bytes);
    if (file != NULL)
        fclose(file);
    return status;
}

enum status training_data_read(struct training_data *data, const char *path,
                               struct error *error)
{
    struct line line = {.data = data, .path = path, .error = error};
    struct text_buffer text = {0};
    size_t n = strlen(path);
    enum status status;

    if (n > 6 && strcmp(path + n - 6, ".jsonl") == 0)
        return read_lines(&line);
    status = input_read(path, &text, error);
    if (status == STATUS_OK)
        status = take_text(&line, text_string(&text), text.n_bytes);
    text_release(&text);
    return status;
}

void training_data_release(struct training_data *data)
{
    for (size_t i = 0; i < data->n_sequences; i++)
        free(data->sequences[i].ids);
    free(data->sequences);
    data->sequences = NULL;
    data->n_sequences = data->room = 0;
}
