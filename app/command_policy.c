/*
 * command_policy.c - /policy: choose a decode policy, or list them
 */
#include <stdio.h>
#include <string.h>

#include "app/chat_internal.h"
#include "app/commands.h"
#include "app/policies.h"

static void add_entry(const struct chat *chat, const struct policy_entry *entry,
                      struct text_buffer *text)
{
    const struct policy_file *file = &entry->file;
    bool chosen = strcmp(file->name, chat->policy.name) == 0;
    char line[768];

    ui_filter_line(file->name, strlen(file->name), line, sizeof line);
    text_printf(text, "%s%c %-12s", text->n_bytes > 0 ? "\n" : "", chosen ? '*' : ' ', line);
    if (entry->good)
        ui_filter_line(file->description, strlen(file->description), line, sizeof line);
    else
        config_error_text(&entry->error, line, sizeof line);
    text_printf(text, " %s%s", entry->good ? "" : "wrong: ", line);
    if (file->path[0] == '\0')
        return;
    ui_filter_line(file->path, strlen(file->path), line, sizeof line);
    text_printf(text, "\n    %s", line);
}

static void list_policies(struct chat *chat)
{
    struct text_buffer text = {0};
    size_t n_entries;
    struct policy_entry *entries = policies_list(&n_entries);

    for (size_t i = 0; i < n_entries; i++)
        add_entry(chat, &entries[i], &text);
    policies_list_free(&entries);
    text_add(&text, "\nThe text is the same with all of them. /policy NAME chooses one.");
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s", text_string(&text));
    text_release(&text);
}

void command_policy(struct chat *chat, const char *arguments)
{
    if (arguments[0] == '\0') {
        list_policies(chat);
        return;
    }
    if (chat_choose_policy(chat, arguments))
        display_say(
            &chat->display, UI_BLOCK_NOTICE, "The decode policy is %s%s.", chat->policy.name,
            chat_busy(chat) && chat->task == TASK_ANSWER ? ", from the next token on" : "");
}

void complete_policy_names(const struct completer *completer)
{
    size_t n_entries;
    struct policy_entry *entries = policies_list(&n_entries);

    for (size_t i = 0; i < n_entries; i++)
        offer(completer, entries[i].file.name, entries[i].file.description);
    policies_list_free(&entries);
}

void complete_policy(struct chat *chat, size_t n, const char *before,
                     const struct completer *completer)
{
    (void)chat;
    (void)before;
    if (n == 0)
        complete_policy_names(completer);
}
