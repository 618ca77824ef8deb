/*
 * chat_messages.h - the messages of a line: {"messages": [{"role": ..., "content": ...}]}
 *
 * Thread: any.
 */
#ifndef APP_CHAT_MESSAGES_H
#define APP_CHAT_MESSAGES_H

#include <jansson.h>

#include "engine/chat.h"

struct chat_messages {
    struct chat_message *messages; /* owned; texts point into the JSON */
    size_t n_messages;
};

/*
 * One object on a line; duplicate names are refused.
 * Errors: DAMAGED: no JSON; the column is in the message.
 */
enum status json_line_read(json_t **out, const char *line, size_t n_bytes, struct error *error);
/* The list's messages; what else they hold is ignored.  Errors: DAMAGED: what is wrong. */
enum status chat_messages_read(struct chat_messages *out, const json_t *list,
                               struct error *error);
void chat_messages_release(struct chat_messages *messages);

#endif
