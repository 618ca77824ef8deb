/*
 * invocation.c - what every command does before its own work
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/builtin_model.h"
#include "app/engine_settings.h"
#include "app/policies.h"
#include "app/report.h"
#include "app/signals.h"
#include "app/subcommands.h"
#include "config/config.h"
#include "ui/ui.h"

enum { ERRORS_SHOWN = 20 };

int usage_error(const struct invocation *invocation, const char *format, ...)
{
    const char *name = invocation->command->name;
    char text[512];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    report("%s", text);
    fprintf(stderr, "Try 'banter%s%s --help'.\n", name[0] != '\0' ? " " : "", name);
    return STATUS_USAGE;
}

static int apply_flags(struct invocation *invocation)
{
    for (size_t i = 0; i < invocation->n_settings; i++) {
        const char *key = invocation->settings[2 * i];
        struct config_error error;

        if (!config_set(invocation->store, key, invocation->settings[2 * i + 1], CONFIG_FLAG,
                        &error))
            return usage_error(invocation, "--%s: %s", config_find(key)->flag, error.what);
    }
    return 0;
}

int invocation_load(struct invocation *invocation)
{
    struct config_error errors[ERRORS_SHOWN];
    size_t n_errors = 0;

    invocation->store = config_new();
    if (invocation->store == NULL)
        app_out_of_memory();
    if (invocation->values[FLAG_NO_CONFIG] == NULL)
        n_errors = config_load(invocation->store, invocation->values[FLAG_CONFIG], errors,
                               ERRORS_SHOWN);
    size_t n_kept = n_errors < ERRORS_SHOWN ? n_errors : ERRORS_SHOWN;
    n_errors +=
        config_load_environment(invocation->store, errors + n_kept, ERRORS_SHOWN - n_kept);
    if (n_errors > 0) {
        report_config_errors(errors, ERRORS_SHOWN, n_errors);
        return STATUS_CONFIG;
    }
    return apply_flags(invocation);
}

/* For the message when the file is cut while it is mapped. */
static void name_model(const char *path)
{
    char name[512];

    ui_filter_line(path, strlen(path), name, sizeof name);
    signals_name_model(name);
}

const char *invocation_model(const struct invocation *invocation)
{
    struct model_choice choice = model_choice(invocation->store);
    char path[4096];

    if (choice.named) {
        name_model(choice.path);
        return choice.path;
    }
    if (config_folder_config(path, sizeof path))
        report("no model: give one with --model FILE, or name it in %s/config.yaml "
               "(\"banter models\" lists those on this machine)",
               path);
    else
        report("no model: give one with --model FILE");
    return NULL;
}

const char *invocation_model_that_answers(const struct invocation *invocation)
{
    struct model_choice choice = model_choice(invocation->store);

    if (choice.named || choice.path == NULL)
        return invocation_model(invocation);
    name_model(choice.path);
    report("%s answers, the small model that comes with banter; --model FILE opens another",
           builtin_model_name(BUILTIN_GUIDE));
    return choice.path;
}

static int open_at(const struct invocation *invocation, const char *path, bool vocabulary_only,
                   struct model **model)
{
    struct engine_options options;
    struct error error = {0};

    if (engine_settings(invocation->store, &options, &error) != STATUS_OK)
        return report_error(&error);
    const struct model_options model_options = {
        .level = options.level,
        .n_threads = options.n_threads,
        .vocabulary_only = vocabulary_only,
        .template_name = options.template_name,
        .weights_cache = options.weights_cache,
        .weights_cache_folder = options.weights_cache_folder,
    };
    if (model_open(model, path, &model_options, &error) != STATUS_OK)
        return report_error(&error);
    return 0;
}

int invocation_open_model(const struct invocation *invocation, bool vocabulary_only,
                          struct model **model)
{
    const char *path = invocation_model(invocation);

    return path != NULL ? open_at(invocation, path, vocabulary_only, model) : STATUS_NOT_FOUND;
}

int invocation_open_model_that_answers(const struct invocation *invocation,
                                       struct model **model)
{
    const char *path = invocation_model_that_answers(invocation);

    return path != NULL ? open_at(invocation, path, false, model) : STATUS_NOT_FOUND;
}

int invocation_open_draft(const struct invocation *invocation, struct model **model)
{
    const char *path = policies_draft(invocation->store);

    return path != NULL ? open_at(invocation, path, false, model) : 0;
}

static const char *flag_name(const struct invocation *invocation, enum flag flag)
{
    const struct option_flag *option = invocation->command->flags;

    while (option != NULL && option->name != NULL && option->flag != flag)
        option++;
    return option != NULL && option->name != NULL ? option->name : "";
}

int invocation_number(const struct invocation *invocation, enum flag flag, uint64_t minimum,
                      uint64_t maximum, uint64_t *number)
{
    const char *text = invocation->values[flag];

    if (text == NULL)
        return 0;
    const size_t n = strlen(text);
    const bool is_number = n > 0 && n <= 18 && strspn(text, "0123456789") == n;
    const uint64_t value = is_number ? strtoull(text, NULL, 10) : 0;
    if (!is_number || value < minimum || value > maximum)
        return usage_error(invocation,
                           "--%s must be a whole number from %llu to %llu, got \"%s\"",
                           flag_name(invocation, flag), (unsigned long long)minimum,
                           (unsigned long long)maximum, text);
    *number = value;
    return 0;
}

int invocation_new_session(const struct invocation *invocation, const struct model *model,
                           size_t n_context, struct session **session)
{
    struct engine_options options;
    struct error error = {0};

    if (engine_settings(invocation->store, &options, &error) != STATUS_OK)
        return report_error(&error);
    const struct session_options session_options = {
        .n_threads = options.n_threads,
        .n_context = options.n_context != 0 ? options.n_context : (uint32_t)n_context,
        .kv = options.kv,
        .chunk = options.chunk,
    };
    if (session_new(session, model, &session_options, &error) != STATUS_OK)
        return report_error(&error);
    return 0;
}

int invocation_policy(const struct invocation *invocation, struct policy_file *policy)
{
    const char *setting = config_values(invocation->store)->policy;
    const char *name = setting != NULL ? setting : "";
    struct config_origin origin = config_origin(invocation->store, config_find("policy"));
    struct config_error errors[ERRORS_SHOWN];

    if (!policies_find(name, policy, errors)) {
        if (origin.kind == CONFIG_FLAG)
            return usage_error(invocation, "--policy: %s", errors[0].what);
        if (origin.kind == CONFIG_FILE)
            report("%s:%d: %s", origin.path, origin.line, errors[0].what);
        else
            report("BANTER_POLICY: %s", errors[0].what);
        return STATUS_CONFIG;
    }
    size_t n_errors = policies_load(policy, errors, ERRORS_SHOWN);
    report_config_errors(errors, ERRORS_SHOWN, n_errors);
    return n_errors > 0 ? STATUS_CONFIG : 0;
}

int invocation_draft(const struct invocation *invocation, const struct policy_file *policy,
                     const char **path)
{
    const struct policy_settings *settings = &policy->settings;
    bool asks = false;

    for (uint32_t i = 0; i < settings->n_sources; i++)
        asks = asks || settings->sources[i] == POLICY_SOURCE_DRAFT;
    asks = asks && settings->kind != POLICY_GREEDY;
    *path = asks ? policies_draft(invocation->store) : NULL;
    if (*path == NULL && settings->kind == POLICY_SPECULATIVE)
        return usage_error(invocation,
                           "the policy \"%s\" needs a draft model: name one with --draft-model",
                           policy->name);
    return 0;
}
