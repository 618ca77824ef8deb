/*
 * schema.c - the one table of options
 *
 * A row here is a setting everywhere: in YAML, as an environment variable, as a flag, for /set and
 * /get, in --help and in completion.  The manual names each; a test compares the two.
 */
#include <string.h>

#include "config/internal.h"

static const char *const kv_choices[] = {"f16", "f32", NULL};
static const char *const cpu_choices[] = {"reference", "generic", "neon",
                                          "avx2",      "avx512",  NULL};
static const char *const think_choices[] = {"auto", "on", "off", NULL};
static const char *const weights_cache_choices[] = {"auto", "on", "off", NULL};
static const char *const color_choices[] = {"auto", "always", "never", NULL};
static const char *const template_choices[] = {"qwen3.5", "chatml", NULL};

#define FIELD(name) offsetof(struct config, name)

/* clang-format off */
static const struct config_option options[] = {
    {.key = "model", .flag = "model", .letter = 'm', .environment = "BANTER_MODEL",
     .type = CONFIG_PATH, .offset = FIELD(model), .argument = "FILE", .section = "engine",
     .help = "model file (GGUF); guide: the small one that comes with banter"},
    {.key = "template", .flag = "template", .environment = "BANTER_TEMPLATE",
     .type = CONFIG_CHOICE, .choices = template_choices, .offset = FIELD(template_name),
     .argument = "NAME", .section = "engine",
     .help = "chat template instead of the one that fits the file"},
    {.key = "threads", .flag = "threads", .letter = 't', .environment = "BANTER_THREADS",
     .type = CONFIG_INTEGER, .offset = FIELD(threads), .minimum = 0, .maximum = 1024,
     .built_in = "0", .argument = "N", .section = "engine",
     .help = "threads that compute; 0: one for each core"},
    {.key = "context", .flag = "context", .letter = 'c', .environment = "BANTER_CONTEXT",
     .type = CONFIG_INTEGER, .offset = FIELD(context), .minimum = 0, .maximum = 16777216,
     .counts_tokens = true, .built_in = "0", .argument = "TOKENS", .section = "engine",
     .help = "room for the conversation; 0: the model's, at most 32k"},
    {.key = "kv", .flag = "kv", .environment = "BANTER_KV", .type = CONFIG_CHOICE,
     .choices = kv_choices, .offset = FIELD(kv), .built_in = "f16", .argument = "TYPE",
     .section = "engine", .help = "type of stored keys and values"},
    {.key = "cpu", .flag = "cpu", .environment = "BANTER_CPU", .type = CONFIG_CHOICE,
     .choices = cpu_choices, .offset = FIELD(cpu), .argument = "LEVEL", .section = "engine",
     .help = "highest kernel level; it can only lower what the processor has"},
    {.key = "chunk", .flag = "chunk", .environment = "BANTER_CHUNK", .type = CONFIG_INTEGER,
     .offset = FIELD(chunk), .minimum = 0, .maximum = 65536, .counts_tokens = true,
     .built_in = "0", .argument = "TOKENS", .section = "engine",
     .help = "tokens read in one pass; 0: chosen; never changes the answer"},
    {.key = "weights_cache", .flag = "weights-cache", .environment = "BANTER_WEIGHTS_CACHE",
     .type = CONFIG_CHOICE, .choices = weights_cache_choices, .offset = FIELD(weights_cache),
     .built_in = "auto", .argument = "WHEN", .section = "engine",
     .help = "keep packed weights on disk for the next start; auto: of large models"},

    {.key = "system", .flag = "system", .letter = 's', .environment = "BANTER_SYSTEM",
     .type = CONFIG_STRING, .offset = FIELD(system), .argument = "TEXT", .section = "chat",
     .help = "system prompt", .at_run_time = true},
    {.key = "think", .flag = "think", .environment = "BANTER_THINK", .type = CONFIG_CHOICE,
     .choices = think_choices, .offset = FIELD(think), .built_in = "auto", .argument = "WHEN",
     .section = "chat", .help = "think before answering; auto: as the model is used to",
     .at_run_time = true},
    {.key = "think_budget", .flag = "think-budget", .environment = "BANTER_THINK_BUDGET",
     .type = CONFIG_INTEGER, .offset = FIELD(think_budget), .minimum = 0, .maximum = 16777216,
     .counts_tokens = true, .built_in = "0", .argument = "TOKENS", .section = "chat",
     .help = "end thinking after so many tokens; 0: no limit", .at_run_time = true},
    {.key = "max_tokens", .flag = "max-tokens", .letter = 'n', .environment = "BANTER_MAX_TOKENS",
     .type = CONFIG_INTEGER, .offset = FIELD(max_tokens), .minimum = 0, .maximum = 16777216,
     .counts_tokens = true, .built_in = "0", .argument = "TOKENS", .section = "chat",
     .help = "longest answer; 0: until the context is full", .at_run_time = true},

    {.key = "temperature", .flag = "temperature", .environment = "BANTER_TEMPERATURE",
     .type = CONFIG_NUMBER, .offset = FIELD(temperature), .minimum = 0, .maximum = 5,
     .argument = "X", .section = "sampling",
     .help = "how freely tokens are chosen; 0: always the likeliest", .at_run_time = true},
    {.key = "top_k", .flag = "top-k", .environment = "BANTER_TOP_K", .type = CONFIG_INTEGER,
     .offset = FIELD(top_k), .minimum = 0, .maximum = 1000000, .argument = "N",
     .section = "sampling", .help = "only the N likeliest tokens; 0: off", .at_run_time = true},
    {.key = "top_p", .flag = "top-p", .environment = "BANTER_TOP_P", .type = CONFIG_NUMBER,
     .offset = FIELD(top_p), .minimum = 0, .open_minimum = true, .maximum = 1, .argument = "X",
     .section = "sampling", .help = "only the likeliest tokens that make up X together; 1: off",
     .at_run_time = true},
    {.key = "min_p", .flag = "min-p", .environment = "BANTER_MIN_P", .type = CONFIG_NUMBER,
     .offset = FIELD(min_p), .minimum = 0, .maximum = 1, .open_maximum = true, .argument = "X",
     .section = "sampling", .help = "only tokens at least X times as likely as the first; 0: off",
     .at_run_time = true},
    {.key = "presence_penalty", .flag = "presence-penalty",
     .environment = "BANTER_PRESENCE_PENALTY", .type = CONFIG_NUMBER,
     .offset = FIELD(presence_penalty), .minimum = -2, .maximum = 2, .argument = "X",
     .section = "sampling", .help = "against tokens that the answer holds already; 0: off",
     .at_run_time = true},
    {.key = "frequency_penalty", .flag = "frequency-penalty",
     .environment = "BANTER_FREQUENCY_PENALTY", .type = CONFIG_NUMBER,
     .offset = FIELD(frequency_penalty), .minimum = -2, .maximum = 2, .argument = "X",
     .section = "sampling", .help = "the same for each time it holds them; 0: off",
     .at_run_time = true},
    {.key = "repetition_penalty", .flag = "repetition-penalty",
     .environment = "BANTER_REPETITION_PENALTY", .type = CONFIG_NUMBER,
     .offset = FIELD(repetition_penalty), .minimum = 0, .open_minimum = true, .maximum = 10,
     .argument = "X", .section = "sampling", .help = "divides the logits of such tokens; 1: off",
     .at_run_time = true},
    /* The maximum is the largest integer that a double, and so JSON, holds exactly. */
    {.key = "seed", .flag = "seed", .environment = "BANTER_SEED", .type = CONFIG_INTEGER,
     .offset = FIELD(seed), .minimum = -1, .maximum = 9007199254740991.0, .built_in = "-1",
     .argument = "N", .section = "sampling", .help = "seed of the conversation; -1: random",
     .at_run_time = true},

    {.key = "policy", .flag = "policy", .letter = 'P', .environment = "BANTER_POLICY",
     .type = CONFIG_STRING, .offset = FIELD(policy), .built_in = "auto", .argument = "NAME",
     .section = "decode",
     .help = "decode policy: how tokens are proposed; never changes the text",
     .at_run_time = true},
    {.key = "draft_model", .flag = "draft-model", .environment = "BANTER_DRAFT_MODEL",
     .type = CONFIG_PATH, .offset = FIELD(draft_model), .argument = "FILE", .section = "decode",
     .help = "smaller model with the same vocabulary that drafts tokens", .at_run_time = true},
    {.key = "trace", .flag = "trace", .environment = "BANTER_TRACE", .type = CONFIG_PATH,
     .offset = FIELD(trace), .argument = "FILE", .section = "decode",
     .help = "write one JSON line for each pass of the model to FILE", .at_run_time = true},

    {.key = "color", .flag = "color", .environment = "BANTER_COLOR", .type = CONFIG_CHOICE,
     .choices = color_choices, .offset = FIELD(color), .built_in = "auto", .argument = "WHEN",
     .section = "screen", .help = "colours on the screen; auto heeds NO_COLOR"},
    {.key = "ascii", .flag = "ascii", .environment = "BANTER_ASCII", .type = CONFIG_BOOLEAN,
     .offset = FIELD(ascii), .built_in = "false", .section = "screen",
     .help = "draw with ASCII characters alone"},
    {.key = "show_thinking", .flag = "show-thinking", .environment = "BANTER_SHOW_THINKING",
     .type = CONFIG_BOOLEAN, .offset = FIELD(show_thinking), .built_in = "false",
     .section = "screen", .help = "show thinking unfolded; with -p on standard error",
     .at_run_time = true},
    {.key = "marks", .flag = "marks", .environment = "BANTER_MARKS", .type = CONFIG_BOOLEAN,
     .offset = FIELD(marks), .built_in = "false", .section = "screen",
     .help = "underline the tokens of an answer that were proposed", .at_run_time = true},
    {.key = "history", .flag = "history", .environment = "BANTER_HISTORY",
     .type = CONFIG_BOOLEAN, .offset = FIELD(history), .built_in = "true", .section = "screen",
     .help = "keep the history of the input line between runs"},
    {.key = "leave_transcript", .flag = "leave-transcript",
     .environment = "BANTER_LEAVE_TRANSCRIPT", .type = CONFIG_BOOLEAN,
     .offset = FIELD(leave_transcript), .built_in = "true", .section = "screen",
     .help = "print the last exchange when the screen closes", .at_run_time = true},
};
/* clang-format on */

_Static_assert(sizeof options / sizeof *options <= CONFIG_OPTIONS_MAX, "grow the limit");

const struct config_option *config_options(size_t *n_options)
{
    *n_options = sizeof options / sizeof *options;
    return options;
}

const struct config_option *config_find(const char *key)
{
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        const char *a = options[i].key;
        const char *b = key;

        while (*a != '\0' && (*a == *b || (*a == '_' && *b == '-'))) {
            a++;
            b++;
        }
        if (*a == '\0' && *b == '\0')
            return &options[i];
    }
    return NULL;
}
