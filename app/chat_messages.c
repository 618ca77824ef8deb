/*
 * chat_messages.c - the messages of a line of JSON
 */
#include "app/chat_messages.h"

#include <stdlib.h>
#include <string.h>

#include "app/text_buffer.h"

static bool read_role(const json_t *message, enum chat_role *role)
{
    static const char *const names[] = {"system", "user", "assistant"};
    const char *name = json_string_value(json_object_get(message, "role"));

    for (size_t i = 0; name != NULL && i < 3; i++) {
        if (strcmp(name, names[i]) == 0) {
            *role = (enum chat_role)i;
            return true;
        }
    }
    return false;
}

enum status json_line_read(json_t **out, const char *line, size_t n_bytes, struct error *error)
{
    json_error_t problem;

    *out = json_loadb(line, n_bytes, JSON_REJECT_DUPLICATES, &problem);
    if (*out == NULL)
        return error_set(error, STATUS_DAMAGED, "column %d: %.160s", problem.position,
                         problem.text);
    return STATUS_OK;
}

enum status chat_messages_read(struct chat_messages *out, const json_t *list,
                               struct error *error)
{
    const size_t n = json_array_size(list);

    *out = (struct chat_messages){0};
    if (n == 0)
        return error_set(error, STATUS_DAMAGED, "\"messages\" is no list of messages");
    out->messages = app_resize(NULL, n, sizeof *out->messages);
    memset(out->messages, 0, n * sizeof *out->messages);
    for (; out->n_messages < n; out->n_messages++) {
        struct chat_message *message = &out->messages[out->n_messages];
        const json_t *object = json_array_get(list, out->n_messages);
        const json_t *content = json_object_get(object, "content");

        if (!read_role(object, &message->role) || !json_is_string(content)) {
            chat_messages_release(out);
            return error_set(error, STATUS_DAMAGED,
                             "a message has no role (system, user, assistant) or content");
        }
        message->text = json_string_value(content);
        message->n_bytes = json_string_length(content);
        message->thinking = "";
    }
    return STATUS_OK;
}

void chat_messages_release(struct chat_messages *messages)
{
    free(messages->messages);
    *messages = (struct chat_messages){0};
}
