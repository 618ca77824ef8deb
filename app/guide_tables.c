/*
 * guide_tables.c - facts from the tables of commands, keys and subcommands
 *
 * The answers are the tables' own words, so a row that changes changes what is taught.  The
 * wordings beside them are written by hand; a row without any is asked for by its help.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/commands.h"
#include "app/guide_facts.h"
#include "app/options.h"
#include "app/text_buffer.h"

struct words_of {
    const char *name;
    const char *patterns;
};

static const struct words_of command_words[] = {
    {"help",
     "(see|show|list|get) (all|the|a list of) commands; (get|find|ask for) help; read the "
     "help; (see|know|find out) what I can type; (see|learn) what banter can do; "
     "(get|find) more about a (command|setting); (see|get) help (on|about) a command"},
    {"new", "(start|begin|open|make) (a new|another|a fresh) (chat|conversation); start "
            "(over|afresh|from scratch|again); (clear|forget|drop|reset|erase|throw away) the "
            "(chat|conversation); (clear|empty) the screen and begin again; forget everything"},
    {"regen",
     "(get|have|see|ask for) (another|a different|a second|a new) (answer|reply|response); "
     "(regenerate|redo|retry) the (last|) (answer|reply|response); answer (again|the last "
     "message again|differently); try (again|once more|the answer again); "
     "(make|have) the model answer again; (get|have) another try"},
    {"system",
     "(set|change|give|write|see|show|define) (the|a) system (prompt|message); tell the "
     "model (who it is|how to behave); give (general|standing) instructions; make the "
     "model play a role"},
    {"think", "(change|control|set) (thinking|the thinking) (in the chat|while chatting|); "
              "(choose|say) "
              "whether the model thinks in the chat; (change|control) how much the model "
              "thinks"},
    {"set",
     "(change|alter|modify|adjust) (a setting|settings|an option|the settings); set a "
     "(setting|value|option) (in the chat|while chatting|); (change|alter) settings (while "
     "chatting|in the chat|without restarting)"},
    {"get",
     "(see|show|list|view|print|read|look at) (the|all|my|the current) settings; (see|find "
     "out|know|learn) where a (value|setting) comes from; (see|show|look up) the value of a "
     "setting; (see|know) what is set"},
    {"info",
     "(see|show|know|find out) (which|what) model (runs|is open|is loaded); (see|show|get) "
     "(details|information|facts) about the model; (see|show|know) (how much memory|the "
     "memory) it takes; (see|show) the memory (use|usage)"},
    {"prompt",
     "(see|show|view|inspect|look at) the (exact|raw|full) (prompt|request|text that was "
     "sent); (see|show|get) the token ids (of the request|of my message|of the prompt); "
     "(see|look at) what (was sent|the model reads)"},
    {"quit", "(leave|quit|exit|close|end|stop) (banter|the program|the chat); get out; "
             "(leave|exit) by a command; end the session"},
    {"policy",
     "(choose|change|switch|select) (the|a|the decode) policy; (see|list|show|get) "
     "(the|all|all "
     "the) policies; (see|know|find out) which policy (runs|is used|is in use); (use|take|try) "
     "another policy; (choose|change) how tokens are proposed; change the policy (in the "
     "chat|while chatting|during an answer)"},
    {"stats",
     "(see|show|get|view) (the|) (statistics|stats) (of the last answer|of an answer|); (see|"
     "know|find out) how fast the (last|) answer was; (see|know) how many proposed tokens were "
     "(accepted|right); (see|know|find out) what speculation (gained|gains|brings); (see|show) "
     "the acceptance (rate|in the chat|by position); (see|show) the totals of the session"},
    {"ab",
     "(compare|try|run|race) two policies (side by side|on the last message|); answer (the "
     "last|a) message by two policies; (see|show) two (answers|policies) side by side; (make|"
     "do|start) an (A/B|AB) (test|comparison); (see|find out) which policy is (faster|fastest|"
     "better)"},
    {"abx",
     "(make|do|run|start) a blind (test|comparison); compare (two settings|two ways to choose "
     "tokens|answers) (blindly|blind|without knowing which is which); (see|find out) whether I "
     "can tell two (settings|answers) apart; vote without knowing which is which"},
    {"best",
     "(get|make|see|have|write) (several|many|some|four|N) (variants|versions) of (the "
     "last|an) "
     "answer; (get|make|have|write) (several|many|some|four) answers (at once|in one go|at the "
     "same time); choose among (several|many) answers"},
    {"keep",
     "(keep|take|choose|pick) one of (the|two|several|the two) (answers|variants); (say|choose|"
     "decide) which (answer|variant) (counts|stays|is kept); (keep|take|choose) (answer "
     "A|answer "
     "B|variant 2|the left answer|the right answer)"},
    {"selfcheck",
     "(run|start|do) (a|the) (self-check|self check|self-test); (prove|check|verify) that (all "
     "policies|threads|chunks and steps|all ways of computing) give the same (text|answer|); "
     "(prove|check|verify) (exactness|that banter is exact) (in the chat|)"},
};

static const struct words_of key_words[] = {
    {"Enter", "send (a|the|my) message; submit (a|the|my) (message|question|line); send what I "
              "typed; ask the model; hand the message over"},
    {"Ctrl-J",
     "(insert|make|add|begin|start|type|write) a (new line|line break|newline|second "
     "line); (break|split) the line; (write|type|enter) (several|more) lines; write a "
     "message of several lines; go to the next line without sending"},
    {"Esc",
     "(stop|interrupt|cancel|abort|halt|break off) (the|an) (answer|reply|response|output); "
     "(stop|interrupt|cut off) the model; make (it|the model) stop (talking|writing); stop "
     "generating; keep what was said and stop"},
    {"Ctrl-C", "(clear|empty|erase|delete|throw away) (the line|the input line|what I typed|my "
               "input|the whole line)"},
    {"Ctrl-D",
     "(leave|quit|exit) (with|by) a key; (leave|quit|exit) by keyboard; leave (on|from) "
     "an empty line"},
    {"Tab", "(complete|finish|autocomplete) a (command|setting|value|name|word); (get|use) "
            "completion; (see|get) (the possible|) completions; let banter finish the word"},
    {"Up",
     "(go|move|get) (to|back to) (an earlier|a previous|the last) (message|input|line); "
     "(recall|bring back|repeat) (an earlier|my last|a previous) (message|input); move "
     "(between|through) the lines of the message; (browse|walk through) the input history"},
    {"Ctrl-R",
     "(search|look through) (earlier|old|previous|past|my) messages; search (backwards "
     "in|) the (input|) history; find an (earlier|old) message"},
    {"Ctrl-X Ctrl-E",
     "(edit|write|open) (the line|the message|my message|my input) in (an|my|an "
     "external|the) editor; (use|open|call|start) (my|an|the) (own|external|) "
     "editor; (use|open) (vim|emacs|nano) for the message"},
    {"PgUp", "scroll (up|down|back|); scroll (the conversation|the text|the screen|the "
             "transcript); (see|read|look at) (earlier|older|previous) (text|parts|answers); "
             "(see|read) what was said before; (go|move) (up|back) in the "
             "(conversation|transcript|chat); page (up|down)"},
    {"Alt-T", "(fold|unfold|hide|show|open|see|expand|collapse) (the|all|its|) thinking; "
              "(see|read) what the model thought; (see|show|hide) the thoughts"},
    {"Ctrl-L", "(redraw|repaint|refresh|draw) the screen; draw the screen (again|anew); "
               "(repair|fix|clean) (a broken|a garbled|the) screen"},
    {"Ctrl-Z",
     "(suspend|pause) (banter|the program); put banter (in|into) the background; (go|get) "
     "back to the shell (for a moment|for a while|without leaving)"},
    {"F2",
     "(open|see|show|close) the (statistics|stats) (panel|by a key|with a key); (open|show|"
     "close) the panel (of figures|of statistics|)"},
    {"F4",
     "(open|see|show) the (menu of policies|policy menu|policies in a menu); (choose|change|"
     "switch|pick) (the|a) policy (by|with) a key; choose (a|the) policy (from|in) a menu"},
    {"F6",
     "(open|see|start|show) the (split|A/B|comparison) view; compare two policies (by|with) a "
     "key; (start|run) (a|the) comparison (of policies|) (by|with) a key; split the screen"},
    {"Shift-Enter", "(insert|make|add) a line break with shift"},
    {"Ctrl-P",
     "(go|move) one (row|line) (up|down) with control; go to the (next|previous) row"},
    {"Ctrl-A", "(go|move|jump) to the (beginning|start|front) of the line"},
    {"Ctrl-E", "(go|move|jump) to the end of the line"},
    {"Ctrl-K",
     "(delete|cut|kill|erase) (to|up to|everything to) the end of the line; delete the "
     "rest of the line"},
    {"Ctrl-U",
     "(delete|cut|kill|erase) (to|back to|everything to) the (beginning|start) of the "
     "line"},
    {"Ctrl-Up",
     "scroll (by|only|just) (one|a single|a) (row|line); scroll (line by line|row by "
     "row|slowly)"},
    {"Alt-<",
     "(go|jump|scroll|move) to the (top|beginning|start|first line) of the (conversation|"
     "chat|transcript)"},
    {"Alt->",
     "(go|jump|scroll|move) (back|) to the (bottom|end|last line) of the (conversation|"
     "chat|transcript); follow the answer again"},
    {"Alt-P", "(find|search|recall) (earlier|old) messages that begin (like|the same as) (the "
              "line|this); search by the beginning of a message"},
    {"Ctrl-S", "search (forward|forwards) (in the history|in earlier messages); search towards "
               "newer messages"},
    {"Ctrl-Left", "(go|move|jump) (by|over|back|forward) (a|one) word; move word by word"},
    {"Ctrl-W", "(delete|erase|kill|remove) (a|one|the last|the previous) word"},
    {"Ctrl-Y", "(put back|paste|yank|insert) what (I|was) (deleted|killed|cut)"},
    {"Ctrl-_",
     "undo (an edit|typing|a change|a paste|what I typed); take (back an edit|a paste "
     "back)"},
};

/* The keys that /help keys leaves to banter-keys(7) and to readline. */
static const char more_keys[] =
    "Shift-Enter  a new line, where the terminal tells it from Enter\n"
    "Ctrl-P, Ctrl-N  a row up or down in the message, then another message\n"
    "Ctrl-A, Home  the beginning of the line\n"
    "Ctrl-E, End  the end of the line\n"
    "Ctrl-K  delete to the end of the line\n"
    "Ctrl-U  delete to the beginning of the line\n"
    "Ctrl-Up, Ctrl-Down  scroll by one row\n"
    "Alt-<  the beginning of the conversation\n"
    "Alt->  the end of the conversation\n"
    "Alt-P, Alt-N  search messages that begin like the line\n"
    "Ctrl-S  search forward in earlier messages\n"
    "Ctrl-Left, Ctrl-Right  move by a word\n"
    "Ctrl-W  delete the word before the cursor\n"
    "Ctrl-Y  put back what was deleted\n"
    "Ctrl-_  undo the last edit\n";

static const struct words_of subcommand_words[] = {
    {"logits",
     "(write|get|dump|print|save) (the|) logits; (get|write) the logits (of|after) tokens"},
    {"generate", "(continue|complete|extend) (a list of|) tokens; generate (text|) without a "
                 "(chat|) template; generate from (token ids|tokens)"},
    {"tokenize", "(tokenize|tokenise) (a text|text|a sentence); (get|see|print) the (token ids|"
                 "tokens) of a text; turn text into (tokens|token ids)"},
    {"detokenize",
     "(detokenize|detokenise) (ids|tokens|token ids); turn (token ids|tokens|ids) "
     "(into|back into) text; (get|see|print) the text of (token ids|tokens)"},
    {"info",
     "(describe|inspect|look into|examine) (a|the) model file; (see|know|find out) what is "
     "(in|inside) a (model|GGUF) file"},
    {"models", "(list|find|see|show) (the|all|my) (models|model files); (list|find|see) (the|) "
               "models on this (machine|computer); (see|find out) which models I have"},
    {"weights", "(see|list|show) (the|) (packed weights|cached weights) (on disk|); (see|find "
                "out) how much "
                "disk (space|) the cache of weights (takes|uses)"},
    {"config",
     "(show|see|check|print) (the|my) (configuration|config|settings) from the shell; "
     "check (a|my|the) (configuration|config) file; (validate|test) (a|my) config file"},
    {"train",
     "(train|teach|make) a (model|new model|small model) (of my own|); (run|start) (the "
     "trainer|a training); (fine-tune|finetune) a model"},
    {"quantize", "(quantize|quantise) a (model|file|model file); make a model (file|) smaller; "
                 "(convert|turn) a model (to|into) (Q8_0|Q4_K_M|fewer bits)"},
    {"tokenizer", "(train|make|build|learn) a (tokenizer|vocabulary|BPE vocabulary)"},
    {"dataset",
     "(make|write|generate|build) (the|) training data; (make|write) the data of guide"},
    {"grade", "(grade|test|examine) (a|the) model; (see|measure) how good guide is"},
    {"bench", "(run|start) a benchmark; (measure|test) the speed (of banter|of this machine|)"},
    {"serve", "(run|start) a server"},
    {"ab",
     "compare two (decode|) policies (over|on) (many|all|some|a file of) prompts; "
     "(get|compute) "
     "(paired|) statistics (of|for) two policies; (run|do) an A/B test over (many|a file of) "
     "prompts; (measure|see) which policy is faster over many prompts"},
    {"selfcheck",
     "(run|start|do) (a|the) (selfcheck|check of the engine); (check|prove|verify) that (a|my) "
     "model (computes|gives) the same (on this machine|everywhere|every way); (prove|check) "
     "exactness (in a script|of a model|for a model)"},
    {"policy", "(check|validate|test) (a|my) (policy file|policy of my own); (list|show|see) "
               "the policies "
               "(of this machine|in a script); (show|see|print) (a policy|the values of a "
               "policy|the keys "
               "of a policy); (find|see) (mistakes|errors) in a policy file"},
};

static const char *words_find(const struct words_of *table, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(table[i].name, name) == 0)
            return table[i].patterns;
    }
    return NULL;
}

#define WORDS(table, name) words_find(table, sizeof(table) / sizeof *(table), name)

/* What a right answer cannot leave out: the help up to its first mark. */
static char *gist(const char *help)
{
    size_t n = strcspn(help, ",;:(");

    while (n > 0 && help[n - 1] == ' ')
        n--;
    return app_copy(help, n);
}

/* "key/%s/do" */
static char *format_text(const char *format, const char *a, const char *b)
{
    struct text_buffer text = {0};

    for (; *format != '\0'; format++) {
        if (*format == '%' && format[1] == '1')
            text_add(&text, a), format++;
        else if (*format == '%' && format[1] == '2')
            text_add(&text, b), format++;
        else
            text_append(&text, format, 1);
    }
    char *copy = app_copy(text_string(&text), text.n_bytes);
    text_release(&text);
    return copy;
}

/* A fact whose texts are made of two strings: %1 and %2. */
static struct guide_fact *add(struct guide_facts *facts, const char *id, const char *answer,
                              const char *expect, const char *about, unsigned weight,
                              const char *a, const char *b)
{
    char *texts[4] = {format_text(id, a, b), format_text(answer, a, b),
                      format_text(expect, a, b), format_text(about, a, b)};
    struct guide_fact *fact =
        guide_fact_add(facts, texts[0], texts[1], texts[2], texts[3], weight);

    for (size_t i = 0; i < 4; i++)
        free(texts[i]);
    return fact;
}

static void ask(struct guide_fact *fact, unsigned kinds, const char *patterns, const char *a,
                const char *b)
{
    char *text = format_text(patterns, a, b);

    guide_fact_ask(fact, kinds, text);
    free(text);
}

/* Commands of the chat --------------------------------------------------------------------- */

static void add_command(struct guide_facts *facts, const struct command *command)
{
    const char *words = WORDS(command_words, command->name);
    char *help = gist(command->help);
    char usage[128];

    snprintf(usage, sizeof usage, "%s%s%s", command->name,
             command->arguments[0] != '\0' ? " " : "", command->arguments);
    struct guide_fact *fact = add(facts, "command/%1/do", "Type /%1: %2.", "/%1",
                                  "the command /%1", 4, command->name, command->help);
    guide_fact_ask(fact, GUIDE_ACTION | GUIDE_COMMAND, words != NULL ? words : help);
    fact = add(facts, "command/%1/is", "/%1: %2.", "", "what /%1 does", 3, command->name,
               command->help);
    free(fact->expect);
    fact->expect = app_copy(help, strlen(help));
    ask(fact, GUIDE_NAME, "/%1; the command /%1; the /%1 command; the slash command /%1",
        command->name, "");
    if (command->arguments[0] != '\0')
        fact = add(facts, "command/%1/usage", "Usage: /%2", "/%2", "how to write /%1", 2,
                   command->name, usage);
    else
        fact = add(facts, "command/%1/usage", "Usage: /%1, without arguments.", "/%1",
                   "how to write /%1", 2, command->name, "");
    ask(fact, GUIDE_USAGE, "/%1; the command /%1; the /%1 command; the slash command /%1",
        command->name, "");
    free(help);
}

/* Keys ----------------------------------------------------------------------------------- */

/* Other ways to write the name of a key. */
static void ask_key_name(struct guide_fact *fact, const char *name)
{
    static const char *const modifiers[][4] = {{"Ctrl-", "Ctrl+", "Control-", "C-"},
                                               {"Alt-", "Alt+", "Meta-", "M-"},
                                               {"Shift-", "Shift+", "shift ", "S-"}};

    ask(fact, GUIDE_NAME, "%1; the key %1; the %1 key; pressing %1", name, "");
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(modifiers[i][0]);
        if (strncmp(name, modifiers[i][0], n) != 0)
            continue;
        for (size_t j = 1; j < 4; j++)
            ask(fact, GUIDE_NAME, "%1%2; the key %1%2", modifiers[i][j], name + n);
    }
    if (strcmp(name, "PgUp") == 0)
        ask(fact, GUIDE_NAME, "Page Up; PageUp; the key Page Up", "", "");
    if (strcmp(name, "PgDn") == 0)
        ask(fact, GUIDE_NAME, "Page Down; PageDown; the key Page Down", "", "");
    if (strcmp(name, "Esc") == 0)
        ask(fact, GUIDE_NAME, "Escape; the escape key; the key Escape", "", "");
    if (strcmp(name, "Enter") == 0)
        ask(fact, GUIDE_NAME, "Return; the return key; the key Return", "", "");
}

struct key_row {
    char *names[4];
    size_t n_names;
    char *help;
};

/* "Ctrl-J, Alt-Enter  a new line"; false: a line that is no row. */
static bool read_row(const char *line, size_t n, struct key_row *row)
{
    const char *gap = memmem(line, n, "  ", 2);
    const char *at = line;

    *row = (struct key_row){0};
    if (gap == NULL)
        return false;
    while (at < gap && row->n_names < 4) {
        const char *comma = memchr(at, ',', (size_t)(gap - at));
        const char *end = comma != NULL ? comma : gap;
        row->names[row->n_names++] = app_copy(at, (size_t)(end - at));
        at = end < gap ? end + 2 : gap;
    }
    while (gap < line + n && *gap == ' ')
        gap++;
    row->help = app_copy(gap, (size_t)(line + n - gap));
    return true;
}

static void release_row(struct key_row *row)
{
    for (size_t i = 0; i < row->n_names; i++)
        free(row->names[i]);
    free(row->help);
}

static void add_key_name(struct guide_facts *facts, const char *name, const char *help)
{
    char *id = format_text("key/%1/is", name, "");
    size_t found = guide_fact_find(facts, id);
    struct guide_fact *fact;

    if (found < facts->n_facts) { /* a second row of the same key */
        fact = &facts->facts[found];
        fact->answer[strlen(fact->answer) - 1] = '\0';
        char *joined = format_text("%1; else %2.", fact->answer, help);
        free(fact->answer);
        fact->answer = joined;
    } else {
        char *expect = gist(help);
        fact = add(facts, "key/%1/is", "%1: %2.", "", "what the key %1 does", 3, name, help);
        free(fact->expect);
        fact->expect = expect;
        ask_key_name(fact, name);
    }
    free(id);
}

static void add_key_row(struct guide_facts *facts, const struct key_row *row)
{
    const char *words = WORDS(key_words, row->names[0]);
    struct text_buffer names = {0};
    char *help = gist(row->help);

    for (size_t i = 0; i < row->n_names; i++)
        text_printf(&names, "%s%s", i > 0 ? " or " : "", row->names[i]);
    struct guide_fact *fact = add(facts, "key/%1/do", "Press %2: ", "", "a key", 4,
                                  row->names[0], text_string(&names));
    char *answer = format_text("%1%2.", fact->answer, row->help);
    free(fact->answer);
    free(fact->expect);
    fact->answer = answer;
    fact->expect = app_copy(row->names[0], strlen(row->names[0]));
    guide_fact_ask(fact, GUIDE_ACTION | GUIDE_KEY, words != NULL ? words : help);
    for (size_t i = 0; i < row->n_names; i++)
        add_key_name(facts, row->names[i], row->help);
    free(help);
    text_release(&names);
}

static void add_keys(struct guide_facts *facts, const char *text)
{
    struct key_row row;

    while (*text != '\0') {
        size_t n = strcspn(text, "\n");
        if (read_row(text, n, &row)) {
            add_key_row(facts, &row);
            release_row(&row);
        }
        text += n + (text[n] == '\n');
    }
}

/* Subcommands ---------------------------------------------------------------------------- */

static void add_flag(struct guide_facts *facts, const char *command,
                     const struct option_flag *flag)
{
    char name[96], written[160];
    char *help = gist(flag->help);

    snprintf(name, sizeof name, "banter %s%s--%s", command, command[0] != '\0' ? " " : "",
             flag->name);
    snprintf(written, sizeof written, "%s%s%s", name, flag->argument != NULL ? " " : "",
             flag->argument != NULL ? flag->argument : "");
    struct guide_fact *fact =
        add(facts, "flag/%1/is", "%2: ", "", "the flag of %1", 2, name, written);
    char *answer = format_text("%1%2.", fact->answer, flag->help);
    free(fact->answer);
    free(fact->expect);
    fact->answer = answer;
    fact->expect = app_copy(help, strlen(help));
    ask(fact, GUIDE_NAME,
        "banter %2 --%1; the flag --%1 of banter %2; --%1 of banter %2; the option "
        "--%1 of banter %2; --%1 with banter %2",
        flag->name, command);
    if (command[0] == '\0')
        ask(fact, GUIDE_NAME,
            "--%1; the flag --%1; the option --%1; the --%1 flag; the --%1 option", flag->name,
            "");
    if (command[0] == '\0' && flag->letter != 0) {
        char letter[2] = {flag->letter, '\0'};
        ask(fact, GUIDE_NAME, "-%1; the flag -%1; the -%1 flag; banter -%1", letter, "");
    }
    free(help);
}

static void add_subcommand(struct guide_facts *facts, const struct subcommand *command)
{
    const char *words = WORDS(subcommand_words, command->name);
    char *summary = app_copy(command->summary, strlen(command->summary));
    char *help;

    if (summary[0] != '\0')
        summary[0] = (char)tolower((unsigned char)summary[0]);
    if (summary[0] != '\0' && summary[strlen(summary) - 1] == '.')
        summary[strlen(summary) - 1] = '\0';
    help = gist(summary);
    struct guide_fact *fact = add(facts, "subcommand/%1/do", "Run banter %1: %2.", "banter %1",
                                  "the subcommand %1", 3, command->name, summary);
    guide_fact_ask(fact, GUIDE_ACTION | GUIDE_SHELL, words != NULL ? words : help);
    fact = add(facts, "subcommand/%1/is", "banter %1: %2.", "", "what banter %1 does", 2,
               command->name, summary);
    free(fact->expect);
    fact->expect = app_copy(help, strlen(help));
    ask(fact, GUIDE_NAME,
        "banter %1; the subcommand %1; the %1 subcommand; the command banter %1", command->name,
        "");
    fact = add(facts, "subcommand/%1/usage", "Usage: banter %1 %2", "banter %1 %2",
               "how to write banter %1", 1, command->name, command->synopses[0]);
    ask(fact, GUIDE_USAGE,
        "banter %1; the subcommand %1; the %1 subcommand; the command banter %1", command->name,
        "");
    for (const struct option_flag *flag = command->flags; flag != NULL && flag->name != NULL;
         flag++)
        add_flag(facts, command->name, flag);
    free(summary);
    free(help);
}

void guide_tables_add(struct guide_facts *facts)
{
    size_t n_commands;
    const struct command *commands = command_table(&n_commands);

    for (size_t i = 0; i < n_commands; i++)
        add_command(facts, &commands[i]);
    add_keys(facts, command_keys());
    add_keys(facts, more_keys);
    for (const struct subcommand *command = subcommands; command->name != NULL; command++) {
        if (command->name[0] != '\0')
            add_subcommand(facts, command);
    }
    for (const struct option_flag *flag = subcommands[0].flags; flag->name != NULL; flag++)
        add_flag(facts, "", flag);
    for (const struct option_flag *flag = common_flags; flag->name != NULL; flag++)
        add_flag(facts, "", flag);
}
