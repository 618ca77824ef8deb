/*
 * help.c - the text of --help, from the same tables as the command line
 */
#include <stdio.h>
#include <string.h>

#include "app/options.h"
#include "config/config.h"

enum { COLUMNS = 80, HELP_COLUMN = 31, FLAG_INDENT = 2 };

/* Words at the given column, wrapped; the line so far is `used` columns long. */
static void add_wrapped(struct text_buffer *out, size_t used, size_t column, const char *words)
{
    bool first = true;

    if (used > 0 && used + 1 > column) {
        text_add(out, "\n");
        used = 0;
    }
    text_printf(out, "%*s", (int)(column - used), "");
    used = column;
    while (*words != '\0') {
        size_t n = strcspn(words, " ");

        if (!first && used + 1 + n > COLUMNS) {
            text_printf(out, "\n%*s", (int)column, "");
            used = column;
            first = true;
        }
        if (!first) {
            text_add(out, " ");
            used++;
        }
        text_append(out, words, n);
        used += n;
        words += n;
        words += strspn(words, " ");
        first = false;
    }
    text_add(out, "\n");
}

static void add_flag(struct text_buffer *out, char letter, const char *name, bool negatable,
                     const char *argument, const char *help)
{
    size_t before = out->n_bytes;

    if (letter != 0)
        text_printf(out, "  -%c, ", letter);
    else
        text_add(out, "      ");
    text_printf(out, "--%s%s%s%s", negatable ? "[no-]" : "", name, argument != NULL ? "=" : "",
                argument != NULL ? argument : "");
    add_wrapped(out, out->n_bytes - before, HELP_COLUMN, help);
}

static void add_flags(struct text_buffer *out, const struct option_flag *flags)
{
    for (; flags != NULL && flags->name != NULL; flags++)
        add_flag(out, flags->letter, flags->name, false, flags->argument, flags->help);
}

/* The choices or the built-in value belong to what a person wants to know. */
static void add_setting(struct text_buffer *out, const struct config_option *option)
{
    struct text_buffer help = {0};

    text_add(&help, option->help);
    if (option->choices != NULL) {
        for (const char *const *choice = option->choices; *choice != NULL; choice++)
            text_printf(&help, "%s%s", choice == option->choices ? " (" : ", ", *choice);
        text_add(&help, ")");
    }
    if (option->built_in != NULL && option->type != CONFIG_BOOLEAN)
        text_printf(&help, " [%s]", option->built_in);
    else if (option->type == CONFIG_BOOLEAN)
        text_printf(&help, " [%s]", strcmp(option->built_in, "true") == 0 ? "yes" : "no");
    add_flag(out, option->letter, option->flag, option->type == CONFIG_BOOLEAN,
             option->argument, text_string(&help));
    text_release(&help);
}

static void add_settings(struct text_buffer *out, const struct subcommand *command)
{
    static const struct {
        const char *section, *title;
    } titles[] = {
        {"engine", "Model and engine"},
        {"chat", "Chat"},
        {"sampling", "Sampling (without a value here: the model's own)"},
        {"decode", "Decoding (never changes the text)"},
        {"screen", "Screen"},
    };
    size_t n_options;
    const struct config_option *options = config_options(&n_options);
    const char *section = "";

    for (size_t i = 0; i < n_options; i++) {
        if (options[i].flag == NULL || !subcommand_takes(command, &options[i]))
            continue;
        if (strcmp(section, options[i].section) != 0) {
            section = options[i].section;
            const char *title = section;
            for (size_t t = 0; t < sizeof titles / sizeof *titles; t++) {
                if (strcmp(titles[t].section, section) == 0)
                    title = titles[t].title;
            }
            text_printf(out, "\n%s:\n", title);
        }
        add_setting(out, &options[i]);
    }
}

static void add_commands(struct text_buffer *out)
{
    text_add(out, "\nCommands (each has its own --help):\n");
    for (const struct subcommand *command = subcommands; command->name != NULL; command++) {
        if (command->name[0] == '\0')
            continue;
        size_t before = out->n_bytes;
        text_printf(out, "  %s", command->name);
        add_wrapped(out, out->n_bytes - before, 16, command->summary);
    }
}

void options_help(const struct subcommand *command, struct text_buffer *out)
{
    const char *lead = "Usage: ";

    for (const char *const *synopsis = command->synopses; *synopsis != NULL; synopsis++) {
        text_printf(out, "%sbanter%s%s%s%s\n", lead, command->name[0] != '\0' ? " " : "",
                    command->name, (*synopsis)[0] != '\0' ? " " : "", *synopsis);
        lead = "       ";
    }
    text_add(out, "\n");
    add_wrapped(out, 0, 0, command->summary);
    if (command->name[0] == '\0')
        add_commands(out);
    text_add(out, "\nOptions:\n");
    add_flags(out, command->flags);
    add_flags(out, common_flags);
    add_settings(out, command);
    text_add(out, "\nThe manual: man banter, man banter-config, man banter-policy\n");
}
