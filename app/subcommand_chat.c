/*
 * subcommand_chat.c - `banter` without a command: the chat, or one answer where there is no person
 */
#include <string.h>
#include <unistd.h>

#include "app/builtin_model.h"
#include "app/chat.h"
#include "app/policies.h"
#include "app/subcommands.h"
#include "config/config.h"

int subcommand_chat(struct invocation *invocation)
{
    const char *const *values = invocation->values;
    const char *engine = values[FLAG_ENGINE];
    int code = invocation_load(invocation);

    if (code != 0)
        return code;
    if (engine != NULL && (strncmp(engine, "script:", 7) != 0 || engine[7] == '\0'))
        return usage_error(invocation, "--engine takes script:FILE, got \"%s\"", engine);
    if (values[FLAG_PROMPT] != NULL && (values[FLAG_PLAIN] != NULL || values[FLAG_KEYS_FILE]))
        return usage_error(invocation,
                           "-p gives one answer: --plain and --keys are for a chat");
    if (values[FLAG_PROMPT] != NULL ||
        (values[FLAG_PLAIN] == NULL && values[FLAG_KEYS_FILE] == NULL &&
         (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))))
        return oneshot(invocation);
    if (values[FLAG_OUTPUT] != NULL || values[FLAG_RAW] != NULL)
        return usage_error(invocation, "--%s is for one answer: give a prompt with -p",
                           values[FLAG_OUTPUT] != NULL ? "output" : "raw");
    struct policy_file policy;
    const char *draft;
    code = invocation_policy(invocation, &policy);
    if (code == 0 && engine == NULL)
        code = invocation_draft(invocation, &policy, &draft);
    if (code != 0)
        return code;
    struct model_choice choice = model_choice(invocation->store);
    const struct chat_start start = {
        .model_path = engine != NULL ? NULL : choice.path,
        .built_in = engine == NULL && choice.is_built_in,
        .script_path = engine != NULL ? engine + 7 : NULL,
        .keys_path = values[FLAG_KEYS_FILE],
        .plain = values[FLAG_PLAIN] != NULL,
        .policy = &policy,
    };
    return chat_main(invocation->store, &start);
}
