/*
 * chat_policy.c - the chosen decode policy: by name, for the next request or the running one
 *
 * The setting `policy` names it; its file is read when it is chosen, so that a file that is wrong
 * is refused at once and the one that runs stays.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/chat_internal.h"
#include "app/policies.h"
#include "app/trace.h"

/* What an answer keeps of a policy. */
static struct named_policy named(const struct policy_file *file)
{
    struct named_policy policy = {.settings = file->settings};

    snprintf(policy.name, sizeof policy.name, "%s", file->name);
    return policy;
}

void chat_begin_policy(struct chat *chat)
{
    chat->policy = named(chat->start->policy);
}

bool chat_find_policy(struct chat *chat, const char *name, struct named_policy *policy)
{
    struct config_error error;
    struct policy_file file;
    char text[768];

    if (policies_read(name, &file, &error)) {
        *policy = named(&file);
        return true;
    }
    display_say(&chat->display, UI_BLOCK_ERROR, "%s",
                config_error_text(&error, text, sizeof text));
    return false;
}

/* The policy of the running answer, as it is told to the person. */
static void name_running(struct chat *chat, const struct named_policy *policy)
{
    struct exchange *exchange = conversation_last(&chat->conversation);

    exchange_answer(exchange)->settings.policy = *policy;
    snprintf(chat->statistics.policy, sizeof chat->statistics.policy, "%s", policy->name);
}

/* The answer that runs goes on with another policy, from its next token on. */
static bool switch_running(struct chat *chat, const struct named_policy *policy)
{
    struct error error;

    if (!chat_busy(chat) || chat->task != TASK_ANSWER)
        return true;
    if (engine_switch_policy(chat->engine, &policy->settings, policies_draft(chat->store),
                             &error) != STATUS_OK) {
        chat_error(chat, &error);
        return false;
    }
    chat->policy_before =
        exchange_answer(conversation_last(&chat->conversation))->settings.policy;
    name_running(chat, policy);
    return true;
}

void chat_policy_refused(struct chat *chat, const char *why)
{
    struct config_error ignored;

    chat->policy = chat->policy_before;
    config_set(chat->store, "policy", chat->policy.name, CONFIG_SET, &ignored);
    name_running(chat, &chat->policy);
    display_say(&chat->display, UI_BLOCK_ERROR, "%s; %s goes on", why, chat->policy.name);
    chat_status_policy(chat);
}

/* A policy that cannot do without a draft model has one; false: an error was shown. */
static bool has_draft(struct chat *chat, const struct named_policy *policy)
{
    bool wants = false;

    for (uint32_t i = 0; i < policy->settings.n_sources; i++)
        wants = wants || policy->settings.sources[i] == POLICY_SOURCE_DRAFT;
    if (!wants || policy->settings.kind == POLICY_AUTO || policies_draft(chat->store) != NULL)
        return true;
    display_say(&chat->display, UI_BLOCK_ERROR,
                "%s drafts with a smaller model: name one with /set draft_model FILE",
                policy->name);
    return false;
}

bool chat_choose_policy(struct chat *chat, const char *name)
{
    struct named_policy policy;
    struct config_error problem;

    if (!chat_find_policy(chat, name, &policy) || !has_draft(chat, &policy) ||
        !switch_running(chat, &policy))
        return false;
    if (!config_set(chat->store, "policy", name, CONFIG_SET, &problem)) {
        display_say(&chat->display, UI_BLOCK_ERROR, "%s", problem.what);
        return false;
    }
    chat->policy = policy;
    chat_status_policy(chat);
    return true;
}

/* Requests ----------------------------------------------------------------------------------- */

bool chat_open_trace(struct chat *chat)
{
    struct trace *trace;
    struct error error;

    if (trace_open(&trace, config_values(chat->store)->trace, &error) != STATUS_OK) {
        chat_error(chat, &error);
        return false;
    }
    trace_close(&chat->trace);
    chat->trace = trace;
    return true;
}

void chat_tell_trace(struct chat *chat)
{
    struct error error;

    if (trace_failed(chat->trace, &error))
        chat_error(chat, &error);
}

void chat_request_policy(const struct chat *chat, const struct named_policy *policy,
                         struct engine_request *request)
{
    request->policy = &policy->settings;
    request->draft_path = policies_draft(chat->store);
    if (chat->trace != NULL) {
        request->trace = trace_cycle;
        request->trace_context = chat->trace;
    }
}

/* The menu ----------------------------------------------------------------------------------- */

static void forget_menu(struct chat *chat)
{
    for (size_t i = 0; i < chat->n_menu_names; i++)
        free(chat->menu_names[i]);
    free(chat->menu_names);
    chat->menu_names = NULL;
    chat->n_menu_names = 0;
}

void chat_policy_menu(struct chat *chat)
{
    size_t n_entries, n_rows = 0, selected = 0;
    struct policy_entry *entries = policies_list(&n_entries);
    struct ui_menu_row *rows = app_resize(NULL, n_entries + 1, sizeof *rows);

    forget_menu(chat);
    chat->menu_names = app_resize(NULL, n_entries + 1, sizeof chat->menu_names[0]);
    for (size_t i = 0; i < n_entries; i++) {
        const struct policy_file *file = &entries[i].file;
        if (strcmp(file->name, chat->policy.name) == 0)
            selected = n_rows;
        chat->menu_names[n_rows] = app_copy(file->name, strlen(file->name));
        rows[n_rows++] = (struct ui_menu_row){
            .name = file->name,
            .description = entries[i].good ? file->description : "its file is wrong",
        };
    }
    chat->n_menu_names = n_rows;
    ui_menu_show(chat->display.ui, "decode policy", rows, n_rows, selected);
    free(rows);
    policies_list_free(&entries);
}

void chat_policy_menu_chosen(struct chat *chat, int row)
{
    char hint[96];

    if (row < 0 || (size_t)row >= chat->n_menu_names ||
        !chat_choose_policy(chat, chat->menu_names[row]))
        return;
    snprintf(hint, sizeof hint, "decode policy: %s", chat->policy.name);
    display_hint(&chat->display, hint);
}

void chat_policy_release(struct chat *chat)
{
    forget_menu(chat);
    trace_close(&chat->trace);
}
