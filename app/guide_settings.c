/*
 * guide_settings.c - facts from the table of settings: what each is, and each side of it
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/guide_facts.h"
#include "app/text_buffer.h"
#include "config/config.h"

/* What people call a setting, and what they want of it. */
struct setting_words {
    const char *key;
    const char *names;
    const char *actions;
};

static const struct setting_words setting_words[] = {
    {"model", "the model file; the model path; which model is used",
     "(open|load|use|run|start|choose|pick) (a|another|my own|a different) "
     "model; "
     "(open|load|use) a (model file|GGUF file); use a file as the model"},
    {"template", "the chat template; the template name; the template of the chat",
     "(use|choose|pick|force) (another|a different|the chatml) (chat|) template"},
    {"threads", "the number of threads; the thread count; how many threads compute",
     "(use|give it|run on|compute with) (more|fewer|all|four|two) (threads|cores); "
     "(limit|reduce) "
     "the (number of threads|CPU load)"},
    {"context", "the context size; the context length; the size of the context",
     "(get|have|make|use) (more|a longer|a larger|a bigger) context; make room for a longer "
     "conversation; have longer conversations; (enlarge|raise) the context"},
    {"kv", "the kv type; the type of keys and values; the kv cache type",
     "(store|keep) keys and values (in|as) (f32|f16|another type); (change|choose) the type of "
     "the "
     "kv cache"},
    {"cpu", "the kernel level; the cpu level; the highest kernel level",
     "(use|force|choose) (another|a lower) kernel level; (switch off|avoid|disable) "
     "(avx512|AVX); "
     "lower the kernel level"},
    {"chunk", "the chunk size; the size of a chunk; the prefill chunk",
     "(change|choose) how many tokens (of a prompt|) are read (in one pass|at once); read the "
     "prompt in (smaller|larger) pieces"},
    {"system", "the system prompt; the system message; the system text",
     "(set|give) a system prompt (at the start|from the shell|on the command line)"},
    {"think", "the thinking mode; the mode of thinking; whether it thinks",
     "(set|choose) the thinking mode (at the start|from the shell)"},
    {"think_budget", "the thinking budget; the budget for thinking; the thinking limit",
     "(limit|cap|shorten|bound) (the|its|) thinking; (make|let) the model think "
     "(less|shorter); end "
     "thinking (early|sooner|after some tokens)"},
    {"max_tokens", "the longest answer; the answer length; the length of an answer",
     "(limit|cap|restrict|shorten) (the|an|its) (answer|reply|length of the answer|length of "
     "answers); (get|make|have) (shorter|longer|short) answers; cut answers off"},
    {"temperature", "the sampling temperature; temperature; the heat of sampling",
     "(make|have|get) (the answers|answers|it) (more|less) (random|creative|varied); "
     "(make|have) "
     "answers always the same; (raise|lower|reduce|increase) the (temperature|randomness); use "
     "greedy decoding"},
    {"top_k", "top k; top-k sampling; the k of top k",
     "(choose|pick|sample) (only|) among the (N|few|k) (likeliest|best|most likely) tokens; "
     "limit "
     "the number of candidate tokens"},
    {"top_p", "top p; nucleus sampling; the p of top p",
     "(use|switch on) nucleus sampling; choose among tokens that together have a probability"},
    {"min_p", "min p; min-p sampling; the p of min p",
     "(drop|leave out|remove) (very|) (unlikely|improbable|rare) tokens; drop tokens much less "
     "likely than the first"},
    {"presence_penalty", "the presence penalty; the penalty for presence; penalising presence",
     "(punish|penalise|penalize) (tokens|words) that (were used|occurred) already; make it "
     "talk "
     "about new things"},
    {"frequency_penalty",
     "the frequency penalty; the penalty for frequency; penalising frequency",
     "(punish|penalise|penalize) (tokens|words) (each time|more the more often) they occur; "
     "penalise frequent words"},
    {"repetition_penalty",
     "the repetition penalty; the penalty for repetition; the repeat penalty",
     "(stop|avoid|reduce|prevent|lessen) (repetition|repetitions|loops); (keep|stop) the model "
     "from "
     "repeating itself"},
    {"seed", "the random seed; the seed of the conversation; the seed value",
     "(get|have) the same answer (again|every time|twice); (fix|choose|set) the "
     "(seed|randomness); "
     "make answers (reproducible|repeatable)"},
    {"color", "the colours; colours on the screen; the colors",
     "(switch off|disable|turn off|avoid|remove|switch on|turn on) (the|) (colours|colors); "
     "have a "
     "screen (without|with) (colours|colors)"},
    {"ascii", "the ASCII mode; ASCII drawing; drawing in ASCII",
     "(draw|show) (everything|lines|the screen) (in|with) ASCII (only|alone|characters); avoid "
     "special characters on the screen"},
    {"show_thinking", "showing of thinking; unfolded thinking; whether thinking is shown",
     "(always|) (show|see) thinking (unfolded|from the start|in full|by default); print the "
     "thinking "
     "with -p"},
    {"history",
     "the input history setting; keeping of the history; whether the history is kept",
     "(keep|remember|store|forget) (my|the) (input history|lines between runs|typed lines); "
     "(switch off|disable|turn off) the (input|) history; keep no history"},
    {"leave_transcript",
     "the transcript on leaving; the last exchange on leaving; the text left "
     "after closing",
     "(print|keep|show|see) the last (exchange|answer) (after|when) (leaving|closing|I leave); "
     "leave nothing on the terminal (after|when) (leaving|closing)"},
};

/* The texts of one setting. */
struct setting {
    const struct config_option *option;
    const struct setting_words *words;
    char names[400]; /* patterns */
};

static const struct setting_words *words_of(const char *key)
{
    for (size_t i = 0; i < sizeof setting_words / sizeof *setting_words; i++) {
        if (strcmp(setting_words[i].key, key) == 0)
            return &setting_words[i];
    }
    return NULL;
}

static struct guide_fact *add(struct guide_facts *facts, const struct setting *setting,
                              const char *side, unsigned weight, const char *about,
                              const struct text_buffer *answer, const char *expect)
{
    char id[96], subject[96];

    snprintf(id, sizeof id, "option/%s/%s", setting->option->key, side);
    snprintf(subject, sizeof subject, "%s %s", about, setting->option->key);
    return guide_fact_add(facts, id, text_string(answer), expect, subject, weight);
}

static void add_is(struct guide_facts *facts, const struct setting *setting)
{
    const struct config_option *option = setting->option;
    struct text_buffer text = {0}, names = {0};
    char *gist = app_copy(option->help, strcspn(option->help, ";,:("));

    text_printf(&text, "%s: %s.", option->key, option->help);
    struct guide_fact *fact = add(facts, setting, "is", 2, "what is", &text, gist);
    guide_fact_ask(fact, GUIDE_NAME, setting->names);
    text_printf(&names,
                "--%s; the flag --%s; the option --%s; the --%s flag; the --%s option; %s; "
                "the variable %s",
                option->flag, option->flag, option->flag, option->flag, option->flag,
                option->environment, option->environment);
    if (option->letter != 0)
        text_printf(&names, "; -%c; the flag -%c; the -%c flag; banter -%c", option->letter,
                    option->letter, option->letter, option->letter);
    guide_fact_ask(fact, GUIDE_NAME, text_string(&names));
    text_release(&names);
    text_release(&text);
    free(gist);
}

/* What stands behind the flag: " N", or nothing for a switch. */
static void add_argument(struct text_buffer *text, const struct config_option *option)
{
    if (option->argument != NULL)
        text_printf(text, " %s", option->argument);
}

static void add_set(struct guide_facts *facts, const struct setting *setting)
{
    const struct config_option *option = setting->option;
    struct text_buffer text = {0}, expect = {0};
    const char *value = option->argument != NULL ? option->argument : "on";

    text_printf(&expect, "--%s", option->flag);
    if (option->at_run_time)
        text_printf(&text, "Use --%s%s%s, or /set %s %s in the chat.", option->flag,
                    option->argument != NULL ? " " : "",
                    option->argument != NULL ? option->argument : "", option->key, value);
    else if (option->type == CONFIG_BOOLEAN)
        text_printf(&text, "Use --%s or --no-%s at the start.", option->flag, option->flag);
    else
        text_printf(&text, "Use --%s %s at the start.", option->flag, option->argument);
    struct guide_fact *fact =
        add(facts, setting, "set", 3, "how to set", &text, text_string(&expect));
    guide_fact_ask(fact, GUIDE_SET, setting->names);
    if (setting->words != NULL)
        guide_fact_ask(fact, GUIDE_ACTION | GUIDE_SETTING, setting->words->actions);
    text_release(&text);
    text_release(&expect);
}

static void add_flag(struct guide_facts *facts, const struct setting *setting)
{
    const struct config_option *option = setting->option;
    struct text_buffer text = {0}, expect = {0};

    text_printf(&expect, "--%s", option->flag);
    text_printf(&text, "The flag is --%s", option->flag);
    add_argument(&text, option);
    if (option->type == CONFIG_BOOLEAN)
        text_printf(&text, " or --no-%s", option->flag);
    if (option->letter != 0)
        text_printf(&text, ", short -%c", option->letter);
    text_add(&text, ".");
    guide_fact_ask(add(facts, setting, "flag", 1, "the flag of", &text, text_string(&expect)),
                   GUIDE_FLAG, setting->names);
    text_release(&text);
    text_release(&expect);
}

static void add_default(struct guide_facts *facts, const struct setting *setting)
{
    const struct config_option *option = setting->option;
    struct text_buffer text = {0};
    const char *value = option->built_in;

    if (value != NULL)
        text_printf(&text, "The default of %s is %s.", option->key, value);
    else if (strcmp(option->section, "sampling") == 0)
        text_printf(&text, "The default of %s is the model's own value.", option->key);
    else
        text_printf(&text, "The default of %s is none.", option->key);
    if (value == NULL)
        value = strcmp(option->section, "sampling") == 0 ? "the model's own" : "none";
    guide_fact_ask(add(facts, setting, "default", 1, "the default of", &text, value),
                   GUIDE_DEFAULT, setting->names);
    text_release(&text);
}

static void add_environment(struct guide_facts *facts, const struct setting *setting)
{
    const struct config_option *option = setting->option;
    struct text_buffer text = {0};

    text_printf(&text, "The variable is %s.", option->environment);
    guide_fact_ask(
        add(facts, setting, "environment", 1, "the variable of", &text, option->environment),
        GUIDE_ENVIRONMENT, setting->names);
    text_release(&text);
}

static void add_range(struct guide_facts *facts, const struct setting *setting)
{
    const struct config_option *option = setting->option;
    struct text_buffer text = {0}, expect = {0};

    if (option->choices != NULL) {
        text_printf(&text, "%s is", option->key);
        for (size_t i = 0; option->choices[i] != NULL; i++) {
            text_printf(&text, "%s %s", i > 0 ? " or" : "", option->choices[i]);
            text_printf(&expect, "%s%s", i > 0 ? "\n" : "", option->choices[i]);
        }
        text_add(&text, ".");
    } else if (option->type == CONFIG_BOOLEAN) {
        text_printf(&text, "%s is true or false.", option->key);
        text_add(&expect, "true or false");
    } else if (option->type == CONFIG_STRING || option->type == CONFIG_PATH) {
        text_printf(&text, "%s is any %s.", option->key,
                    option->type == CONFIG_PATH ? "path" : "text");
        text_printf(&expect, "any %s", option->type == CONFIG_PATH ? "path" : "text");
    } else {
        text_printf(&text, "%s goes from %.16g to %.16g", option->key, option->minimum,
                    option->maximum);
        text_printf(&expect, "%.16g to %.16g", option->minimum, option->maximum);
        if (option->open_minimum || option->open_maximum)
            text_printf(&text, ", without %.16g",
                        option->open_minimum ? option->minimum : option->maximum);
        text_add(&text, ".");
    }
    guide_fact_ask(
        add(facts, setting, "range", 1, "the values of", &text, text_string(&expect)),
        GUIDE_RANGE, setting->names);
    text_release(&text);
    text_release(&expect);
}

static void add_section(struct guide_facts *facts, const struct setting *setting)
{
    const struct config_option *option = setting->option;
    struct text_buffer text = {0}, expect = {0};

    text_printf(&text, "In config.yaml %s stands in the section %s.", option->key,
                option->section);
    text_printf(&expect, "section %s", option->section);
    guide_fact_ask(
        add(facts, setting, "section", 1, "the section of", &text, text_string(&expect)),
        GUIDE_SECTION, setting->names);
    text_release(&text);
    text_release(&expect);
}

static void add_change(struct guide_facts *facts, const struct setting *setting)
{
    const struct config_option *option = setting->option;
    struct text_buffer text = {0};

    if (option->at_run_time)
        text_printf(&text, "Yes, with /set %s.", option->key);
    else
        text_printf(&text, "No, %s counts from the start.", option->key);
    guide_fact_ask(add(facts, setting, "change", 1, "changing", &text,
                       option->at_run_time ? "/set" : "from the start"),
                   GUIDE_CHANGE, setting->names);
    text_release(&text);
}

void guide_settings_add(struct guide_facts *facts)
{
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    for (size_t i = 0; i < n_options; i++) {
        struct setting setting = {.option = &options[i], .words = words_of(options[i].key)};
        const char *key = options[i].key;
        char spaced[64];

        /* "system" alone could mean anything, "top_k" cannot. */
        snprintf(spaced, sizeof spaced, "%s", strchr(key, '_') != NULL ? key : "");
        snprintf(setting.names, sizeof setting.names,
                 "the %s setting; the setting %s; the value of %s; the key %s; %s; %s", key,
                 key, key, key, spaced, setting.words != NULL ? setting.words->names : "");
        add_is(facts, &setting);
        add_set(facts, &setting);
        add_flag(facts, &setting);
        add_default(facts, &setting);
        add_environment(facts, &setting);
        add_range(facts, &setting);
        add_section(facts, &setting);
        add_change(facts, &setting);
    }
}
