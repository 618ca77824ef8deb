/*
 * subcommand_bench.c - `banter bench`: the word that says what is measured
 */
#include <string.h>

#include "app/bench.h"
#include "config/config.h"

static const struct mode {
    const char *name;
    int (*run)(const struct invocation *invocation);
    bool on_model;   /* takes the settings of the engine, --rounds and --tokens */
    bool with_draft; /* takes --draft-model and --draft-cost */
} modes[] = {
    {"train", bench_train, false, false},
    {"policies", bench_policies, true, true},
    {"lanes", bench_lanes, true, false},
    {"verify", bench_verify, true, false},
};
enum { N_MODES = sizeof modes / sizeof *modes };

#define MODE_NAMES "train, policies, lanes or verify"

static bool takes_setting(const struct mode *mode, const char *key)
{
    if (strcmp(key, "threads") == 0 || strcmp(key, "cpu") == 0)
        return true;
    return strcmp(key, "draft_model") == 0 ? mode->with_draft : mode->on_model;
}

/* Flags that mean nothing to this mode are refused, as another command's are. */
static int check_flags(const struct invocation *invocation, const struct mode *mode)
{
    for (size_t i = 0; i < invocation->n_settings; i++) {
        const char *key = invocation->settings[2 * i];

        if (!takes_setting(mode, key))
            return usage_error(invocation, "\"bench %s\" has no option --%s", mode->name,
                               config_find(key)->flag);
    }
    if (!mode->on_model && invocation->values[FLAG_ROUNDS] != NULL)
        return usage_error(invocation, "\"bench %s\" has no option --rounds", mode->name);
    if (!mode->on_model && invocation->values[FLAG_TOKENS] != NULL)
        return usage_error(invocation, "\"bench %s\" has no option --tokens", mode->name);
    if (!mode->with_draft && invocation->values[FLAG_DRAFT_COST] != NULL)
        return usage_error(invocation, "\"bench %s\" has no option --draft-cost", mode->name);
    return 0;
}

int subcommand_bench(struct invocation *invocation)
{
    int code = invocation_load(invocation);

    if (code != 0)
        return code;
    if (invocation->n_arguments == 0)
        return usage_error(invocation, "what is to be measured is missing: " MODE_NAMES);
    for (size_t i = 0; i < N_MODES; i++) {
        if (strcmp(invocation->arguments[0], modes[i].name) != 0)
            continue;
        code = check_flags(invocation, &modes[i]);
        return code == 0 ? modes[i].run(invocation) : code;
    }
    return usage_error(invocation, "\"%s\" is nothing that bench measures: " MODE_NAMES,
                       invocation->arguments[0]);
}
