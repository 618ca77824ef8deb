/*
 * options.c - argv by getopt_long, with the arrays built from the two tables
 *
 * getopt runs in the mode that hands out plain words in their place ("-"), so that the element it
 * works on is always argv[optind] as it was before the call: that is how abbreviations are found.
 */
#include "app/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

enum {
    LONG_MAX_COUNT = 160,
    NEGATED_LENGTH = 40,
    /* Values that getopt_long() returns for long flags; letters are below 256. */
    VALUE_SETTING = 1000,
    VALUE_NEGATED = 2000,
    VALUE_FLAG = 3000
};

const struct option_flag common_flags[] = {
    {FLAG_CONFIG, "config", 0, "FILE", NULL, "read this configuration file and no other"},
    {FLAG_NO_CONFIG, "no-config", 0, NULL, NULL, "read no configuration file"},
    {FLAG_HELP, "help", 'h', NULL, NULL, "show this help"},
    {FLAG_VERSION, "version", 'V', NULL, NULL, "show version, kernel level and licence"},
    {0},
};

/* getopt's view of one command. */
struct flag_table {
    struct option longs[LONG_MAX_COUNT];
    size_t n_longs;
    char negated[LONG_MAX_COUNT / 2][NEGATED_LENGTH]; /* "no-ascii" */
    size_t n_negated;
    char letters[2 * LONG_MAX_COUNT];
};

bool subcommand_takes(const struct subcommand *command, const struct config_option *option)
{
    const char *const *name = command->settings;

    for (; name != NULL && *name != NULL; name++) {
        if (strcmp(*name, option->section) == 0 || strcmp(*name, option->key) == 0)
            return true;
    }
    return false;
}

const struct subcommand *subcommand_find(const char *name)
{
    for (const struct subcommand *command = subcommands; command->name != NULL; command++) {
        if (strcmp(command->name, name) == 0)
            return command;
    }
    return NULL;
}

static void add_long(struct flag_table *table, const char *name, int has_argument, int value)
{
    if (table->n_longs + 1 < LONG_MAX_COUNT)
        table->longs[table->n_longs++] = (struct option){name, has_argument, NULL, value};
}

static void add_letter(struct flag_table *table, char letter, bool argument)
{
    size_t n = strlen(table->letters);

    if (letter != 0 && n + 3 < sizeof table->letters)
        snprintf(table->letters + n, 3, "%c%s", letter, argument ? ":" : "");
}

static void add_setting(struct flag_table *table, const struct config_option *option,
                        size_t index)
{
    bool boolean = option->type == CONFIG_BOOLEAN;

    add_long(table, option->flag, boolean ? optional_argument : required_argument,
             VALUE_SETTING + (int)index);
    add_letter(table, option->letter, !boolean);
    if (boolean && table->n_negated < LONG_MAX_COUNT / 2) {
        char *name = table->negated[table->n_negated++];

        snprintf(name, NEGATED_LENGTH, "no-%s", option->flag);
        add_long(table, name, no_argument, VALUE_NEGATED + (int)index);
    }
}

static void add_flags(struct flag_table *table, const struct option_flag *flags)
{
    for (; flags != NULL && flags->name != NULL; flags++) {
        bool argument = flags->argument != NULL;

        add_long(table, flags->name, argument ? required_argument : no_argument,
                 VALUE_FLAG + (int)flags->flag);
        add_letter(table, flags->letter, argument);
    }
}

static void build_table(struct flag_table *table, const struct subcommand *command)
{
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    memset(table, 0, sizeof *table);
    /* Plain words in their place; a missing argument is told apart from an unknown flag. */
    snprintf(table->letters, sizeof table->letters, "-:");
    for (size_t i = 0; i < n_options; i++) {
        if (options[i].flag != NULL && subcommand_takes(command, &options[i]))
            add_setting(table, &options[i], i);
    }
    add_flags(table, command->flags);
    add_flags(table, common_flags);
}

/* A letter to the value of its long flag; -1: none. */
static int value_of_letter(const struct subcommand *command, int letter)
{
    const struct option_flag *lists[] = {command->flags, common_flags};
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    for (size_t i = 0; i < n_options; i++) {
        if (options[i].letter == letter && subcommand_takes(command, &options[i]))
            return VALUE_SETTING + (int)i;
    }
    for (size_t i = 0; i < 2; i++) {
        for (const struct option_flag *flag = lists[i]; flag != NULL && flag->name != NULL;
             flag++) {
            if (flag->letter == letter)
                return VALUE_FLAG + (int)flag->flag;
        }
    }
    return -1;
}

static const struct option_flag *flag_of(const struct subcommand *command, enum flag wanted)
{
    const struct option_flag *lists[] = {command->flags, common_flags};

    for (size_t i = 0; i < 2; i++) {
        for (const struct option_flag *flag = lists[i]; flag != NULL && flag->name != NULL;
             flag++) {
            if (flag->flag == wanted)
                return flag;
        }
    }
    return NULL;
}

/* "banter generate" or "banter". */
static const char *subcommand_title(const struct subcommand *command, char *buffer,
                                    size_t n_bytes)
{
    snprintf(buffer, n_bytes, "banter%s%s", command->name[0] != '\0' ? " " : "", command->name);
    return buffer;
}

/* `word` begins with two dashes and names no flag of the command. */
static void unknown_long(const struct flag_table *table, const struct subcommand *command,
                         const char *word, char *what, size_t n_bytes)
{
    const char *names[LONG_MAX_COUNT];
    char name[64], title[64];

    snprintf(name, sizeof name, "%.*s", (int)strcspn(word + 2, "="), word + 2);
    for (size_t i = 0; i < table->n_longs; i++)
        names[i] = table->longs[i].name;
    const char *suggestion = config_suggest(name, names, table->n_longs);
    size_t n_same = 0;
    for (size_t i = 0; i < table->n_longs && name[0] != '\0'; i++) {
        if (strncmp(names[i], name, strlen(name)) == 0) {
            suggestion = names[i];
            n_same++;
        }
    }
    subcommand_title(command, title, sizeof title);
    if (suggestion != NULL && n_same <= 1)
        snprintf(what, n_bytes, "unknown option --%s (did you mean --%s?)", name, suggestion);
    else
        snprintf(what, n_bytes, "\"%s\" has no option --%s", title, name);
}

/* getopt returned '?' or ':' while it worked on `word`. */
static void refused(const struct flag_table *table, const struct subcommand *command,
                    const char *word, int result, char *what, size_t n_bytes)
{
    bool is_long = strncmp(word, "--", 2) == 0;
    int n_name = (int)strcspn(word, "=");

    if (result == ':' && is_long)
        snprintf(what, n_bytes, "%.*s needs a value", n_name, word);
    else if (result == ':')
        snprintf(what, n_bytes, "-%c needs a value", optopt);
    else if (!is_long)
        snprintf(what, n_bytes, "unknown option -%c", optopt);
    else if (optopt != 0)
        snprintf(what, n_bytes, "%.*s takes no value", n_name, word);
    else
        unknown_long(table, command, word, what, n_bytes);
}

static void add_setting_value(struct invocation *invocation, const char *key, const char *value)
{
    size_t n = invocation->n_settings;

    invocation->settings =
        app_resize(invocation->settings, 2 * (n + 1), sizeof *invocation->settings);
    invocation->settings[2 * n] = key;
    invocation->settings[2 * n + 1] = value;
    invocation->n_settings++;
}

static bool take_flag(struct invocation *invocation, const struct option_flag *flag,
                      const char *value, char *what, size_t n_bytes)
{
    size_t n = 0;

    if (flag->choices != NULL) {
        while (flag->choices[n] != NULL && strcmp(flag->choices[n], value) != 0)
            n++;
        if (flag->choices[n] == NULL) {
            int used = snprintf(what, n_bytes, "--%s must be one of", flag->name);
            for (size_t i = 0; i < n && used > 0 && (size_t)used < n_bytes; i++)
                used += snprintf(what + used, n_bytes - (size_t)used, "%s %s", i ? "," : "",
                                 flag->choices[i]);
            if (used > 0 && (size_t)used < n_bytes)
                snprintf(what + used, n_bytes - (size_t)used, ", got \"%.40s\"", value);
            return false;
        }
    }
    invocation->values[flag->flag] = value;
    return true;
}

static void take_word(struct invocation *invocation, const char *word)
{
    invocation->arguments =
        app_resize(invocation->arguments, invocation->n_arguments + 1, sizeof(char *));
    invocation->arguments[invocation->n_arguments++] = word;
}

/* One value that getopt_long() returned; the argument is in optarg. */
static bool take_value(struct invocation *invocation, int value, char *what, size_t n_bytes)
{
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    if (value == 1) {
        take_word(invocation, optarg);
        return true;
    }
    if (value < 256)
        value = value_of_letter(invocation->command, value);
    if (value >= VALUE_FLAG)
        return take_flag(invocation,
                         flag_of(invocation->command, (enum flag)(value - VALUE_FLAG)),
                         optarg != NULL ? optarg : "", what, n_bytes);
    if (value >= VALUE_NEGATED)
        add_setting_value(invocation, options[value - VALUE_NEGATED].key, "false");
    else
        add_setting_value(invocation, options[value - VALUE_SETTING].key,
                          optarg != NULL ? optarg : "true");
    return true;
}

/* A long flag that getopt took for an abbreviation. */
static bool is_abbreviated(const struct flag_table *table, const char *word)
{
    size_t n = strcspn(word + 2, "=");

    for (size_t i = 0; i < table->n_longs; i++) {
        if (strlen(table->longs[i].name) == n && memcmp(table->longs[i].name, word + 2, n) == 0)
            return false;
    }
    return true;
}

static enum options_result read_flags(struct invocation *invocation,
                                      const struct flag_table *table, int argc, char **argv,
                                      char *what, size_t n_bytes)
{
    optind = 0; /* GNU: start afresh */
    opterr = 0;
    for (;;) {
        const char *word = argv[optind != 0 && optind < argc ? optind : argc > 1 ? 1 : 0];
        int value = getopt_long(argc, argv, table->letters, table->longs, NULL);

        if (value == -1)
            break;
        if (value == '?' || value == ':') {
            refused(table, invocation->command, word, value, what, n_bytes);
            return OPTIONS_WRONG;
        }
        if (value >= VALUE_SETTING && is_abbreviated(table, word)) {
            unknown_long(table, invocation->command, word, what, n_bytes);
            return OPTIONS_WRONG;
        }
        if (!take_value(invocation, value, what, n_bytes))
            return OPTIONS_WRONG;
        if (invocation->values[FLAG_HELP] != NULL)
            return OPTIONS_HELP;
        if (invocation->values[FLAG_VERSION] != NULL)
            return OPTIONS_VERSION;
    }
    while (optind < argc)
        take_word(invocation, argv[optind++]); /* after "--" */
    return OPTIONS_RUN;
}

static void unknown_command(const char *word, char *what, size_t n_bytes)
{
    const char *names[32];
    size_t n_names = 0, n = strlen(word);

    for (const struct subcommand *command = subcommands; command->name != NULL && n_names < 32;
         command++) {
        if (command->name[0] != '\0')
            names[n_names++] = command->name;
    }
    const char *suggestion = config_suggest(word, names, n_names);
    if (suggestion != NULL)
        snprintf(what, n_bytes, "unknown command \"%.64s\" (did you mean \"%s\"?)", word,
                 suggestion);
    else if (strchr(word, '/') != NULL || (n > 5 && strcmp(word + n - 5, ".gguf") == 0))
        snprintf(what, n_bytes, "a model is named by --model: banter --model %.160s", word);
    else
        snprintf(what, n_bytes, "unknown command \"%.64s\" (a prompt is given by -p)", word);
}

enum options_result options_parse(struct invocation *invocation, int argc, char **argv,
                                  char *what, size_t n_bytes)
{
    struct flag_table table;
    int n_before = 0; /* words before the flags: the command's name */

    *invocation = (struct invocation){.command = &subcommands[0]};
    if (argc > 1 && argv[1][0] != '-') {
        invocation->command = subcommand_find(argv[1]);
        if (invocation->command == NULL || argv[1][0] == '\0') {
            invocation->command = &subcommands[0];
            unknown_command(argv[1], what, n_bytes);
            return OPTIONS_WRONG;
        }
        n_before = 1;
    }
    build_table(&table, invocation->command);
    enum options_result result =
        read_flags(invocation, &table, argc - n_before, argv + n_before, what, n_bytes);
    if (result != OPTIONS_RUN)
        return result;
    if (invocation->n_arguments > invocation->command->n_arguments_max) {
        const char *word = invocation->arguments[invocation->command->n_arguments_max];

        if (invocation->command == &subcommands[0] && subcommand_find(word) != NULL)
            snprintf(what, n_bytes, "a command comes first: banter %s ...", word);
        else if (invocation->command == &subcommands[0])
            unknown_command(word, what, n_bytes);
        else
            snprintf(what, n_bytes, "unexpected \"%.64s\"", word);
        return OPTIONS_WRONG;
    }
    return OPTIONS_RUN;
}

void invocation_release(struct invocation *invocation)
{
    free(invocation->settings);
    free(invocation->arguments);
    invocation->settings = NULL;
    invocation->arguments = NULL;
    invocation->n_settings = 0;
    invocation->n_arguments = 0;
    config_free(&invocation->store);
}
