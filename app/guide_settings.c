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
    {"model",
     "the model (file|path); the (path|file) of the model; which model (is used|runs); the "
     "path to a model",
     "(open|load|use|run|start|choose|pick) (a|another|my own|a different) model; (open|load|"
     "use) a (model file|GGUF file); use a file as the model"},
    {"template",
     "the chat template; the template name; the name of the template; the template (in use|of "
     "the chat|of a chat)",
     "(use|choose|pick|force) (another|a different|the chatml) (chat|) template"},
    {"threads",
     "the (number|count) of threads; the thread (count|number); how many threads (compute|run|"
     "are used)",
     "(use|give it|run on|compute with) (more|fewer|all|four|two) (threads|cores); (limit|"
     "reduce) the (number of threads|CPU load)"},
    {"context",
     "the context (size|length|room); the (size|length) of the context; context (size|length)",
     "(get|have|make|use) (more|a longer|a larger|a bigger) context; make room for a longer "
     "conversation; have longer conversations; (enlarge|raise) the context"},
    {"kv",
     "the kv (type|cache type|format); the type of (the kv cache|keys and values|stored keys "
     "and values); the kv cache setting",
     "(store|keep) keys and values (in|as) (f32|f16|another type); (change|choose) the type "
     "of the kv cache"},
    {"cpu",
     "the (kernel|cpu) level; the (highest|highest allowed) kernel level; the level of the cpu",
     "(use|force|choose) (another|a lower) kernel level; (switch off|avoid|disable) (avx512|"
     "AVX); lower the kernel level"},
    {"chunk",
     "the (chunk|prefill chunk) size; the size of (a chunk|chunks|the chunks); the prefill "
     "chunk",
     "(change|choose) how many tokens (of a prompt|) are read (in one pass|at once); read the "
     "prompt in (smaller|larger) pieces"},
    {"weights_cache",
     "the weights cache; the cache of (packed weights|weights|models); (the|) keeping of "
     "packed "
     "weights; whether (packed weights|weights) are kept (on disk|)",
     "(keep|cache|store) (packed weights|weights|the weights) on disk; (switch|turn) (on|off) "
     "the "
     "(weights cache|cache of weights); make the (next|second) start faster; open (a "
     "large|the) "
     "model faster (the second time|)"},
    {"system",
     "the system (prompt|message|text) setting; the setting for the system (prompt|message|"
     "text)",
     "(set|give) a system prompt (at the start|from the shell|on the command line)"},
    {"think",
     "the thinking mode; the mode (of|for) thinking; whether (it|the model) thinks; the mode "
     "in which it thinks",
     "(set|choose) the thinking mode (at the start|from the shell)"},
    {"think_budget",
     "the thinking (budget|limit); the (budget|limit) (for|of) thinking; think budget",
     "(limit|cap|shorten|bound) (the|its|) thinking; (make|let) the model think (less|"
     "shorter); end thinking (early|sooner|after some tokens)"},
    {"max_tokens",
     "the (longest|maximal|maximum) answer; the (answer length|length of answers|length of an "
     "answer); the maximum (answer length|length); max tokens",
     "(limit|cap|restrict|shorten) (the|an|its) (answer|reply|length of the answer|length of "
     "answers); (get|make|have) (shorter|longer|short) answers; cut answers off"},
    {"temperature",
     "the sampling temperature; temperature; the temperature (of sampling|value)",
     "(make|have|get) (the answers|answers|it) (more|less) (random|creative|varied); (make|"
     "have) answers always the same; (raise|lower|reduce|increase) the (temperature|"
     "randomness); use greedy decoding"},
    {"top_k", "top k; (top-k|top k) sampling; the k (of|in) top k",
     "(choose|pick|sample) (only|) among the (N|few|k) (likeliest|best|most likely) tokens; "
     "limit the number of candidate tokens"},
    {"top_p", "top p; (top-p|top p|nucleus) sampling; the p (of|in) top p",
     "(use|switch on) nucleus sampling; choose among tokens that together have a probability"},
    {"min_p", "min p; (min-p|min p) sampling; the p (of|in) min p",
     "(drop|leave out|remove) (very|) (unlikely|improbable|rare) tokens; drop tokens much "
     "less likely than the first"},
    {"presence_penalty",
     "(the|a) presence penalty; the penalty (for|on|of) presence; presence penalties",
     "(punish|penalise|penalize) (tokens|words) that (were used|occurred) already; make it "
     "talk about new things"},
    {"frequency_penalty",
     "(the|a) frequency penalty; the penalty (for|on|of) frequency; frequency penalties",
     "(punish|penalise|penalize) (tokens|words) (each time|more the more often) they occur; "
     "penalise frequent words"},
    {"repetition_penalty",
     "(the|a) (repetition|repeat) penalty; the penalty (for|on|of) repetition; repetition "
     "penalties",
     "(stop|avoid|reduce|prevent|lessen) (repetition|repetitions|loops); (keep|stop) the "
     "model from repeating itself"},
    {"seed", "the (random|sampling) seed; the seed (value|of the conversation|number)",
     "(get|have) the same answer (again|every time|twice); (fix|choose|set) the (seed|"
     "randomness); make answers (reproducible|repeatable)"},
    {"policy",
     "the (policy name|name of the policy); the (policy|decode policy) option; policy as a "
     "setting; which policy is set; the policy (in config.yaml|for every chat)",
     "(choose|set|fix|give) (a|the) policy (at the start|from the shell|on the command "
     "line|for "
     "good); start with (another|a certain) policy"},
    {"draft_model",
     "the draft (file|path|model's file|model file); the (path|file) of the (draft|draft "
     "model); "
     "which draft (is used|proposes tokens)",
     "(use|choose|load|give) (a|another|my own) draft (model|); (use|load) a smaller model "
     "(for "
     "drafting|as a draft|that proposes tokens); let a smaller model (draft|propose tokens)"},
    {"trace",
     "the trace (file|path); the (path|file) of the trace; tracing; the trace of passes",
     "(write|get|save|log|record) (a|the) trace (of decoding|of an answer|); (write|log|get) a "
     "line for each pass; (see|log|record) what each pass (does|did|proposes)"},
    {"marks",
     "(the|) marks (of|on|under) (tokens|proposed tokens); the (underlining|marking) of "
     "(tokens|"
     "proposed tokens); whether proposed tokens are (underlined|marked)",
     "(mark|underline|highlight) (the|) (proposed|accepted|drafted) tokens; (see|show) which "
     "tokens were (proposed|drafted); (switch|turn) (on|off) (the marks|the underlining)"},
    {"color", "(the|) (colours|colors); (colours|colors) on the screen",
     "(switch off|disable|turn off|avoid|remove|switch on|turn on) (the|) (colours|colors); "
     "have a screen (without|with) (colours|colors)"},
    {"ascii",
     "the ASCII mode; ASCII (drawing|mode|characters alone); drawing in ASCII; drawing with "
     "ASCII",
     "(draw|show) (everything|lines|the screen) (in|with) ASCII (only|alone|characters); "
     "avoid special characters on the screen"},
    {"show_thinking",
     "(the|) showing of thinking; unfolded thinking; whether thinking is (shown|unfolded); "
     "show thinking",
     "(always|) (show|see) thinking (unfolded|from the start|in full|by default); print the "
     "thinking with -p"},
    {"history",
     "the (input history|history of input) setting; (the|) keeping of the history; whether "
     "the history is kept; keeping the history",
     "(keep|remember|store|forget) (my|the) (input history|lines between runs|typed lines); "
     "(switch off|disable|turn off) the (input|) history; keep no history"},
    {"leave_transcript",
     "the transcript (on|when) leaving; the last exchange (on|when) leaving; the text left "
     "after (closing|leaving); leave transcript",
     "(print|keep|show|see) the last (exchange|answer) (after|when) (leaving|closing|I "
     "leave); leave nothing on the terminal (after|when) (leaving|closing)"},
};

/* The texts of one setting. */
struct setting {
    const struct config_option *option;
    const struct setting_words *words;
    char names[600]; /* patterns */
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
    size_t n_gist = strcspn(option->help, ";,:(");
    while (n_gist > 0 && option->help[n_gist - 1] == ' ')
        n_gist--;
    char *gist = app_copy(option->help, n_gist);

    text_printf(&text, "%s: %s.", option->key, option->help);
    struct guide_fact *fact = add(facts, setting, "is", 3, "what is", &text, gist);
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
        add(facts, setting, "set", 4, "how to set", &text, text_string(&expect));
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
    guide_fact_ask(add(facts, setting, "flag", 2, "the flag of", &text, text_string(&expect)),
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
    guide_fact_ask(add(facts, setting, "default", 2, "the default of", &text, value),
                   GUIDE_DEFAULT, setting->names);
    text_release(&text);
}

static void add_environment(struct guide_facts *facts, const struct setting *setting)
{
    const struct config_option *option = setting->option;
    struct text_buffer text = {0};

    text_printf(&text, "The variable is %s.", option->environment);
    guide_fact_ask(
        add(facts, setting, "environment", 2, "the variable of", &text, option->environment),
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
        add(facts, setting, "range", 2, "the values of", &text, text_string(&expect)),
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
        add(facts, setting, "section", 2, "the section of", &text, text_string(&expect)),
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
    guide_fact_ask(add(facts, setting, "change", 2, "changing", &text,
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
