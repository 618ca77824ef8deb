/*
 * commands.c - the table of commands: parsing, completion, help
 */
#include "app/commands.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/chat_internal.h"

static void command_help(struct chat *chat, const char *arguments);
static void complete_help(struct chat *chat, size_t n, const char *before,
                          const struct completer *completer);

/* clang-format off */
static const struct command commands[] = {
    {"help", "[TOPIC]", "this list, or more about a command, a setting, keys",
     "Topics: the name of a command or of a setting, \"keys\", \"settings\".",
     command_help, complete_help},
    {"new", "", "begin another conversation",
     "The conversation on the screen is forgotten; the input history and the settings stay. "
     "An answer that runs is stopped.",
     command_new, NULL},
    {"regen", "[KEY=VALUE ...]", "answer the last message again, differently",
     "The answer is another variant: the same message and settings with other noise. Sampling "
     "settings, seed, think and max_tokens can be given for this answer alone: "
     "/regen temperature=0.2 think=off",
     command_regen, complete_regen},
    {"system", "[TEXT|off]", "show, set or remove the system prompt",
     "It stands before the conversation and counts from the next message on; the model then "
     "reads the conversation once more.",
     command_system, complete_system},
    {"think", "on|off|auto|N", "think before the answer; N: so many tokens at most",
     "auto leaves it to the model. A thinking block that reaches N tokens is closed, and the "
     "answer begins.",
     command_think, complete_think},
    {"set", "KEY VALUE", "change a setting until you leave",
     "/get shows the settings; Tab completes their names and values.",
     command_set, complete_set},
    {"get", "[KEY]", "settings: values and where they come from",
     "Sampling values that nobody gave are the model's own. The seed is the one that this "
     "conversation uses; the same seed, messages and settings give the same answers.",
     command_get, complete_get},
    {"info", "", "the model and the memory it takes", NULL, command_info, NULL},
    {"prompt", "[TEXT]", "the exact text and token ids of the last request",
     "With TEXT: of the request that sending TEXT would make. `banter generate --tokens` takes "
     "the ids.",
     command_prompt, NULL},
    {"policy", "[NAME]", "choose the decode policy, or list them",
     "A policy says how tokens are proposed. The text is the same with each; the speed is not. "
     "It counts from the next token on, also while an answer runs. F4 chooses from a menu; "
     "banter-policy(5) tells how to write one.",
     command_policy, complete_policy},
    {"stats", "[turn|session|json]", "how fast the last answer was, and what speculation gained",
     "F2 opens the same as a panel that follows the answer. Acceptance is accepted over verified "
     "tokens; the mean length counts all tokens of a pass that verifies; the speed-up is "
     "estimated from plain steps that were measured.",
     command_stats, complete_stats},
    {"ab", "[A B [ROUNDS]]", "answer the last message by two policies, side by side",
     "One after the other from the same state, ROUNDS times; without A and B greedy against the "
     "present policy. Keys: a and b keep that answer, r does it again, + adds a round, q leaves. "
     "/ab A B together computes both in one pass, without their policies.",
     command_ab, complete_ab},
    {"abx", "[A B]", "compare two ways to choose tokens without knowing which is which",
     "A and B are lists such as temperature=0.3 and temperature=1.2,top_k=20; without them the "
     "present settings and temperature=0. Keys 1 and 2 or /keep choose; then it is told which "
     "was which, and how you chose so far.",
     command_abx, complete_abx},
    {"best", "[N]", "N variants of the last answer in one go",
     "From 2 to 32, without N 4: the weights are read once for all of them. The last one counts "
     "unless /keep chooses another.",
     command_best, NULL},
    {"keep", "A|B|N", "which of the answers counts",
     "A or B after /ab, 1 or 2 after /abx, the number of a variant after /best (0: the answer "
     "before them). The others stay as variants.",
     command_keep, NULL},
    {"selfcheck", "", "prove on this machine that every way of computing gives the same",
     "Chunks against steps, one thread against several, policies against plain decoding and more "
     "are compared byte by byte, with the open model. Esc stops it.",
     command_selfcheck, NULL},
    {"quit", "", "leave", NULL, command_quit, NULL},
};
/* clang-format on */

enum { N_COMMANDS = sizeof commands / sizeof commands[0] };

const struct command *command_table(size_t *n_commands)
{
    *n_commands = N_COMMANDS;
    return commands;
}

/* Parsing ------------------------------------------------------------------------------------ */

static bool is_space(char byte)
{
    return byte == ' ' || byte == '\t' || byte == '\n' || byte == '\r';
}

/* The command that `name` means; NULL with the reason in problem. */
static const struct command *find_command(const char *name, size_t length, char *problem,
                                          size_t room)
{
    const struct command *found = NULL;
    const char *names[N_COMMANDS];
    size_t n_found = 0;
    char word[64];

    snprintf(word, sizeof word, "%.*s", length < 60 ? (int)length : 60, name);
    for (size_t i = 0; i < N_COMMANDS; i++) {
        names[i] = commands[i].name;
        if (strncmp(commands[i].name, name, length) != 0)
            continue;
        if (commands[i].name[length] == '\0')
            return &commands[i];
        found = &commands[i];
        n_found++;
    }
    if (n_found == 1)
        return found;
    if (n_found > 1) {
        size_t used = (size_t)snprintf(problem, room, "/%s is short for several:", word);
        for (size_t i = 0; i < N_COMMANDS && used < room; i++) {
            if (strncmp(commands[i].name, name, length) == 0)
                used += (size_t)snprintf(problem + used, room - used, " /%s", names[i]);
        }
        return NULL;
    }
    const char *close = config_suggest(word, names, N_COMMANDS);
    snprintf(problem, room,
             "no command is called /%s%s%s%s; /help lists them, and // begins a message that "
             "starts with a slash",
             word, close != NULL ? " (did you mean /" : "", close != NULL ? close : "",
             close != NULL ? "?)" : "");
    return NULL;
}

struct command_line command_parse(const char *line, size_t n_bytes)
{
    struct command_line parsed = {.kind = COMMAND_LINE_MESSAGE};
    size_t start = 1, end;

    while (n_bytes > 0 && is_space(line[n_bytes - 1]))
        n_bytes--;
    parsed.text = line;
    parsed.n_bytes = n_bytes;
    if (n_bytes == 0) {
        parsed.kind = COMMAND_LINE_EMPTY;
        return parsed;
    }
    if (line[0] != '/')
        return parsed;
    if (n_bytes > 1 && line[1] == '/') {
        parsed.text++;
        parsed.n_bytes--;
        return parsed;
    }
    while (start < n_bytes && !is_space(line[start]))
        start++;
    parsed.kind = COMMAND_LINE_ERROR;
    if (start == 1) {
        snprintf(parsed.problem, sizeof parsed.problem,
                 "a command's name is missing after the slash; /help lists them");
        return parsed;
    }
    parsed.command = find_command(line + 1, start - 1, parsed.problem, sizeof parsed.problem);
    if (parsed.command == NULL)
        return parsed;
    parsed.kind = COMMAND_LINE_COMMAND;
    end = n_bytes;
    while (start < end && is_space(line[start]))
        start++;
    parsed.arguments = app_copy(line + start, end - start);
    if (parsed.command->arguments[0] == '\0' && parsed.arguments[0] != '\0') {
        parsed.kind = COMMAND_LINE_ERROR;
        snprintf(parsed.problem, sizeof parsed.problem, "/%s takes no argument",
                 parsed.command->name);
    }
    return parsed;
}

void command_line_release(struct command_line *line)
{
    free(line->arguments);
    line->arguments = NULL;
}

void command_run(struct chat *chat, const struct command_line *line)
{
    line->command->run(chat, line->arguments);
}

/* Completion --------------------------------------------------------------------------------- */

void offer(const struct completer *completer, const char *text, const char *description)
{
    if (strncmp(text, completer->word, strlen(completer->word)) == 0)
        completer->add(completer->adder, text, description);
}

static void complete_name(const struct completer *completer)
{
    char name[64];

    for (size_t i = 0; i < N_COMMANDS; i++) {
        snprintf(name, sizeof name, "/%s", commands[i].name);
        offer(completer, name, commands[i].help);
    }
}

void command_complete(struct chat *chat, const char *line, size_t word_start, const char *word,
                      void (*add)(void *adder, const char *text, const char *description),
                      void *adder)
{
    struct completer completer = {.word = word, .add = add, .adder = adder};
    struct command_line parsed;
    char first[64] = "";
    size_t n_arguments = 0;

    if (word_start == 0) {
        if (word[0] == '/')
            complete_name(&completer);
        return;
    }
    /* Only what stands before the word decides what the word may be. */
    parsed = command_parse(line, word_start);
    if (parsed.kind == COMMAND_LINE_COMMAND && parsed.command->complete != NULL) {
        for (const char *at = parsed.arguments; *at != '\0'; n_arguments++) {
            size_t length = strcspn(at, " \t\n");
            if (n_arguments == 0)
                snprintf(first, sizeof first, "%.*s", (int)length, at);
            at += length;
            at += strspn(at, " \t\n");
        }
        parsed.command->complete(chat, n_arguments, first, &completer);
    }
    command_line_release(&parsed);
}

/* Help --------------------------------------------------------------------------------------- */

static const char help_keys[] =
    "Enter            send; while an answer runs the message waits for it\n"
    "Ctrl-J, Alt-Enter  a new line in the message\n"
    "Esc, Ctrl-C      stop the answer; what it said so far stays\n"
    "Ctrl-C           clear the line\n"
    "Ctrl-D           leave, on an empty line\n"
    "Tab              complete a command, a setting, a value\n"
    "Up, Down         lines of the message, then earlier messages\n"
    "Ctrl-R           search earlier messages\n"
    "Ctrl-X Ctrl-E    the line in $VISUAL or $EDITOR\n"
    "PgUp, PgDn       scroll\n"
    "Alt-T            fold or unfold thinking\n"
    "F2               statistics\n"
    "F4               choose a decode policy\n"
    "F6               compare two policies on the last message\n"
    "Ctrl-L           draw the screen again\n"
    "Ctrl-Z           suspend; fg comes back\n"
    "All other keys are readline's and follow your inputrc ($if banter).";

const char *command_keys(void)
{
    return help_keys;
}

/* Two columns where there is room, else the words under the name. */
static void help_row(struct text_buffer *text, bool wide, const char *name, const char *words)
{
    if (text->n_bytes > 0)
        text_add(text, "\n");
    if (wide)
        text_printf(text, "%-26s %s", name, words);
    else
        text_printf(text, "%s\n  %s", name, words);
}

static void help_all(struct chat *chat)
{
    struct text_buffer text = {0};
    bool wide = display_columns(&chat->display) >= 76;
    char usage[80];

    for (size_t i = 0; i < N_COMMANDS; i++) {
        snprintf(usage, sizeof usage, "/%s%s%s", commands[i].name,
                 commands[i].arguments[0] != '\0' ? " " : "", commands[i].arguments);
        help_row(&text, wide, usage, commands[i].help);
    }
    help_row(&text, wide, "//...", "a message that begins with a slash");
    text_add(&text, "\nA unique beginning of a name is enough. /help keys, /help settings.");
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s", text_string(&text));
    text_release(&text);
}

static void help_settings(struct chat *chat)
{
    struct text_buffer text = {0};
    bool wide = display_columns(&chat->display) >= 76;
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    for (size_t i = 0; i < n_options; i++)
        help_row(&text, wide, options[i].key, options[i].help);
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s", text_string(&text));
    text_release(&text);
}

static void help_command(struct chat *chat, const struct command *command)
{
    display_say(&chat->display, UI_BLOCK_NOTICE, "/%s%s%s\n%s.%s%s", command->name,
                command->arguments[0] != '\0' ? " " : "", command->arguments, command->help,
                command->more != NULL ? "\n" : "", command->more != NULL ? command->more : "");
}

static void help_setting(struct chat *chat, const struct config_option *option)
{
    struct text_buffer text = {0};

    text_printf(&text, "%s: %s.", option->key, option->help);
    if (option->choices != NULL) {
        text_add(&text, "\nOne of:");
        for (size_t i = 0; option->choices[i] != NULL; i++)
            text_printf(&text, " %s", option->choices[i]);
    }
    if (option->built_in != NULL)
        text_printf(&text, "\nDefault: %s.", option->built_in);
    if (option->flag != NULL)
        text_printf(&text, "\nFlag: --%s.", option->flag);
    if (!option->at_run_time)
        text_add(&text, "\nIt counts from the start of the program: /set cannot change it.");
    display_say(&chat->display, UI_BLOCK_NOTICE, "%s", text_string(&text));
    text_release(&text);
}

static void command_help(struct chat *chat, const char *arguments)
{
    const char *topic = arguments[0] == '/' ? arguments + 1 : arguments;
    const struct config_option *option = config_find(topic);
    char problem[240];

    if (topic[0] == '\0') {
        help_all(chat);
    } else if (strcmp(topic, "keys") == 0) {
        display_say(&chat->display, UI_BLOCK_NOTICE, "%s", help_keys);
    } else if (strcmp(topic, "settings") == 0) {
        help_settings(chat);
    } else {
        const struct command *command =
            find_command(topic, strlen(topic), problem, sizeof problem);
        /* "system" and "think" name both: the command says more. */
        if (command != NULL && (option == NULL || strcmp(command->name, topic) == 0))
            help_command(chat, command);
        else if (option != NULL)
            help_setting(chat, option);
        else
            display_say(&chat->display, UI_BLOCK_ERROR,
                        "there is no help about \"%s\"; /help lists it", topic);
    }
}

static void complete_help(struct chat *chat, size_t n, const char *before,
                          const struct completer *completer)
{
    size_t n_options;
    const struct config_option *options = config_options(&n_options);

    (void)chat;
    (void)before;
    if (n != 0)
        return;
    for (size_t i = 0; i < N_COMMANDS; i++)
        offer(completer, commands[i].name, commands[i].help);
    offer(completer, "keys", "what the keys do");
    offer(completer, "settings", "all settings");
    for (size_t i = 0; i < n_options; i++)
        offer(completer, options[i].key, options[i].help);
}
