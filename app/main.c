/*
 * main.c - the program's entry: surroundings, command line, dispatch, exit code
 */
#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/options.h"
#include "app/output.h"
#include "app/report.h"
#include "app/signals.h"
#include "app/subcommands.h"
#include "engine/kernel_level.h"

/*
 * A standard descriptor that the parent closed would be given to the next file that is opened:
 * a model could end up under standard output.  The stand-in cannot be written to.
 */
static void open_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) != -1 || errno != EBADF)
            continue;
        if (open("/dev/null", fd == STDERR_FILENO ? O_WRONLY : O_RDONLY) != fd)
            _exit(STATUS_IO);
    }
}

static int show_help(const struct subcommand *command)
{
    struct text_buffer text = {0};
    struct output output;

    options_help(command, &text);
    output_init(&output, STDOUT_FILENO, "standard output", true);
    output_bytes(&output, text_string(&text), text.n_bytes);
    text_release(&text);
    return output_exit_code(&output);
}

/* Also with a broken configuration: only a flag and the environment can lower the level. */
static int show_version(const struct invocation *invocation)
{
    enum kernel_level level = kernel_level_best();
    const char *wanted = getenv("BANTER_CPU");
    struct output output;

    for (size_t i = 0; i < invocation->n_settings; i++) {
        if (strcmp(invocation->settings[2 * i], "cpu") == 0)
            wanted = invocation->settings[2 * i + 1];
    }
    if (!kernel_level_choose(wanted, &level))
        return usage_error(invocation, "no kernel level is called \"%s\"", wanted);
    output_init(&output, STDOUT_FILENO, "standard output", true);
    output_printf(&output,
                  "banter %s\n"
                  "Kernel level: %s\n"
                  "Licence GPL-3.0-or-later: GNU GPL version 3 or later "
                  "<https://gnu.org/licenses/gpl.html>\n"
                  "This is free software: you are free to change and redistribute it.\n"
                  "There is NO WARRANTY, to the extent permitted by law.\n",
                  BANTER_VERSION, kernel_level_name(level));
    return output_exit_code(&output);
}

int main(int argc, char **argv)
{
    struct invocation invocation;
    char what[320];
    int code = STATUS_USAGE;

    open_standard_descriptors();
    setlocale(LC_ALL, "");
    /* Numbers are written and read the same way everywhere. */
    setlocale(LC_NUMERIC, "C");
    /* Both are errors of a write, which is where they are told. */
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN);
    signals_catch_crashes(ui_emergency_restore);
    app_on_out_of_memory(ui_emergency_restore);
    switch (options_parse(&invocation, argc, argv, what, sizeof what)) {
    case OPTIONS_RUN: code = invocation.command->run(&invocation); break;
    case OPTIONS_HELP: code = show_help(invocation.command); break;
    case OPTIONS_VERSION: code = show_version(&invocation); break;
    case OPTIONS_WRONG: code = usage_error(&invocation, "%s", what); break;
    }
    invocation_release(&invocation);
    return code;
}
