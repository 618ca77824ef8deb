/*
 * guide_manual.c - facts that no table holds: exit codes, files, flags by purpose, special uses
 */
#include <stdio.h>
#include <string.h>

#include "app/guide_facts.h"
#include "engine/error.h"

#define DO_TYPE  (GUIDE_ACTION | GUIDE_COMMAND)
#define DO_START (GUIDE_ACTION | GUIDE_SETTING | GUIDE_SHELL)
#define DO_RUN   (GUIDE_ACTION | GUIDE_SHELL)

/* clang-format off */
static const struct guide_row rows[] = {
    /* Special uses of commands. */
    {"use/think-on", DO_TYPE, 3, "Type /think on: the model thinks before it answers.",
     "/think on", "thinking on",
     "(turn|switch) (on thinking|thinking on|the thinking on); (enable|activate) thinking; "
     "(make|let|have) the model think (first|before it answers|before answering)"},
    {"use/think-off", DO_TYPE, 3, "Type /think off: the model answers at once.", "/think off",
     "thinking off",
     "(turn|switch) (off thinking|thinking off|the thinking off); (disable|deactivate) "
     "thinking; (stop|keep) the model from thinking; get answers without thinking; skip "
     "(thinking|the thinking)"},
    {"use/think-auto", DO_TYPE, 1, "Type /think auto: the model decides.", "/think auto",
     "thinking by itself",
     "(let|make) the model decide (about thinking|whether it thinks|whether to think); "
     "(use|set) (automatic|auto) thinking"},
    {"use/think-number", DO_TYPE, 2, "Type /think N: it thinks at most N tokens.", "/think N",
     "a limit for thinking",
     "(allow|permit) (only|at most|just) (500|so many|a few|1000) tokens of thinking; "
     "(allow|permit) (a little|short) thinking only; stop thinking after (500|so many|1000) "
     "tokens"},
    {"use/system-text", DO_TYPE, 2, "Type /system TEXT, for example /system Answer briefly.",
     "/system TEXT", "a system prompt in the chat",
     "(set|give|write) (a|the) system prompt (in the chat|while chatting|now); tell the model "
     "to (be brief|answer in rhymes|act as a teacher)"},
    {"use/system-off", DO_TYPE, 2, "Type /system off: there is no system prompt then.",
     "/system off", "no system prompt",
     "(remove|delete|drop|clear|switch off|turn off) (the|my) system (prompt|message); go on "
     "without a system (prompt|message)"},
    {"use/help-keys", DO_TYPE, 2, "Type /help keys: what the keys do.", "/help keys",
     "all keys",
     "(see|list|show|learn|get) (the|all|all the) (keys|key bindings|keyboard shortcuts); "
     "(find out|know|learn) what the keys do; get help (on|about) (the|) keys"},
    {"use/help-settings", DO_TYPE, 2, "Type /help settings: every setting with its meaning.",
     "/help settings", "all settings explained",
     "(learn|read|find out) what the settings mean; (list|get) (the|all|all the) "
     "(settings|options) with (their|) (meaning|explanations); get help (on|about) (the|) "
     "settings"},
    {"use/get-seed", DO_TYPE, 2, "Type /get seed: the seed of this conversation.", "/get seed",
     "the seed in use",
     "(see|show|know|get|find out) (the|which) seed (is used|in use|of this conversation|of "
     "this chat)"},
    {"use/regen-colder", DO_TYPE, 2, "Type /regen temperature=0.2: settings for one answer.",
     "/regen temperature=0.2", "settings for one answer",
     "answer again (with another temperature|with other settings|colder|less randomly); "
     "(change|give) (a setting|settings) for (one|a single|this) answer (only|alone)"},
    {"use/slash-message", GUIDE_ACTION, 2,
     "Begin it with two slashes: //text is the message /text.", "two slashes",
     "a message with a slash",
     "(send|write|type|begin) a message (that begins|beginning|that starts|starting) with a "
     "slash; send a (slash|path) as a message"},
    {"use/short-command", GUIDE_WHOLE, 1, "A unique beginning of a command's name is enough.",
     "unique beginning", "short commands",
     "can I (abbreviate|shorten) (commands|a command); must I type (the whole|all of a) "
     "command; is there a short form of (commands|a command)"},
    {"use/paste", GUIDE_ACTION, 1, "Just paste: it is inserted as it is and sends nothing.",
     "inserted as it is", "pasting",
     "paste (text|code|several lines|something); (insert|put in) (text|something) from the "
     "clipboard"},
    {"use/undo-settings", GUIDE_ACTION, 2,
     "Type /set KEY default: the built-in value comes back.", "/set KEY default",
     "back to the default",
     "(reset|restore) a setting (to its default|); (go|get|take a setting) back to the "
     "default (value|); undo a /set"},
    {"use/policy-greedy", DO_TYPE, 2, "Type /policy greedy: one token after the other.",
     "/policy greedy", "no speculation",
     "(turn|switch) off (speculation|drafting|speculative decoding); (stop|avoid|disable) "
     "(speculation|drafting); decode (plainly|without speculation)"},
    {"use/policy-auto", DO_TYPE, 2, "Type /policy auto: it takes what pays.", "/policy auto",
     "the policy that pays",
     "(turn|switch) on (speculation|drafting|speculative decoding); let banter choose the "
     "policy; "
     "(use|take) the (best|fastest) policy"},
    {"use/stats-session", DO_TYPE, 1, "Type /stats session: sums since the start.",
     "/stats session", "statistics of the session",
     "(see|show|get) the (figures|statistics|stats) of (the whole|this) (session|chat)"},
    {"use/stats-json", DO_TYPE, 1, "Type /stats json.", "/stats json", "statistics as JSON",
     "(see|get|print|show) the (statistics|stats) as JSON (in the chat|)"},

    /* Flags by what they are for. */
    {"run/prompt", DO_RUN, 3, "Run banter -p 'TEXT': it answers once and leaves.", "banter -p",
     "one answer in the shell",
     "ask (one|a single|just one) question (and leave|and exit|from the shell|without a "
     "chat); get (one|a single) answer (in|for|from) (a|the) (script|shell); use banter "
     "(in|from) a (script|pipe); answer without the screen"},
    {"run/file", DO_RUN, 2, "Run banter -p 'TEXT' < FILE: the file is added to the prompt.",
     "< FILE", "a question about a file",
     "ask (about|something about) (a file|the contents of a file); (give|pipe|feed|send) (a "
     "file|text) to (banter|the model); summarise a file with banter"},
    {"run/json", DO_RUN, 2, "Run banter -p 'TEXT' --output json.", "--output json",
     "an answer as JSON",
     "(get|print|have) (the|an) answer (as|in) JSON; get JSON (output|); (get|print) the "
     "statistics of one answer; get (machine readable|structured) output"},
    {"run/plain", DO_RUN, 2, "Run banter --plain: a chat line by line.", "--plain",
     "a chat without a screen",
     "(chat|talk|work) (without|with no) (a|the|full) screen; (use|start) plain mode; chat "
     "line by line; use a screen reader; use banter in a dumb terminal"},
    {"run/clear-weights", DO_RUN, 2, "Run banter weights --clear: the packed weights are removed.",
     "--clear", "removing the cache of weights",
     "(remove|delete|clear) (the|) (packed weights|cached weights|cache of weights|weights "
     "cache); (free|get back) the disk space of the (weights cache|cache of weights)"},
    {"run/raw", DO_RUN, 1, "Add --raw: the bytes are printed unfiltered.", "--raw",
     "unfiltered output",
     "(get|print) (raw|unfiltered) (output|bytes|text); (switch|turn) off the (output|) "
     "filter"},
    {"run/config", DO_RUN, 2, "Run banter --config FILE: only that file is read.",
     "--config FILE", "another configuration file",
     "(use|read|take|load) (another|a different|my own|an other) (configuration|config) file"},
    {"run/no-config", DO_RUN, 2, "Run banter --no-config: no configuration file is read.",
     "--no-config", "no configuration file",
     "(ignore|skip|avoid) (the|my|all|every) (configuration|config) (file|files); start "
     "(without (a|any) config file|with the built-in values)"},
    {"run/help", DO_RUN, 2, "Run banter --help; banter COMMAND --help tells a command's flags.",
     "banter --help", "help in the shell",
     "(see|list|show|get) (all|the|all the) (command line|) flags; (get|see) help (in|from) "
     "the shell; (list|see) the subcommands"},
    {"run/version", DO_RUN, 2, "Run banter --version: version, kernel level and licence.",
     "banter --version", "the version",
     "(see|show|know|find out|print|get) (the|which) version (of banter|I have|it is|); "
     "(check|see) which kernel level (this|my) processor gets"},
    {"run/origin", DO_RUN, 2, "Run banter config show --origin.", "--origin",
     "where values come from",
     "(see|show|know) where (each|every|a) (value|setting) comes from in the shell; (see|find "
     "out) which file sets (a|this) (value|key)"},
    {"run/check", DO_RUN, 2, "Run banter config check FILE.", "config check",
     "checking a file of settings",
     "(find|see) (errors|mistakes|problems) in (my|the|a) (config.yaml|config "
     "file|configuration); (know|see) whether (my|the) (config.yaml|config file) is right"},
    {"run/schema", DO_RUN, 1, "Run banter config schema: the settings as JSON.",
     "config schema", "the table of settings",
     "(get|print) (the|) (table|list) of settings as JSON; get a schema of the settings"},
    {"run/tensors", DO_RUN, 1, "Run banter info --tensors FILE.", "--tensors",
     "tensors of a file",
     "(list|see|show|print) (the|all|all the) tensors (of|in) a (model|file)"},
    {"run/metadata", DO_RUN, 1, "Run banter info --keys FILE.", "--keys", "metadata of a file",
     "(list|see|show|print) (the|all|all the) metadata (of|in) a (model|file|GGUF file)"},
    {"run/open", DO_START, 4, "Run banter --model FILE, with a GGUF file.", "--model FILE",
     "opening a real model",
     "(load|open|use|get|start|run) (a real|a larger|a better|a proper|a big|the real) "
     "(model|one|language model); (get|have) better answers; (replace|leave) guide; talk to "
     "(a bigger|a smarter|another) model; use something smarter"},
    {"run/make-chat", DO_RUN, 2, "Run make chat: it installs, builds and starts the chat.",
     "make chat", "building banter",
     "(build|compile|install) banter (from source|from the source|); start banter from the "
     "source; build and start the chat"},
    {"run/make-check", DO_RUN, 1, "Run make check.", "make check", "the tests",
     "(run|start) (the|all|all the) tests (of banter|); (test|check) (banter itself|my build)"},
    {"run/make-install", DO_RUN, 1, "Run make install; PREFIX says where to.", "make install",
     "installing",
     "(install|put) banter (on this machine|for all users|into my system|in /usr/local)"},
    {"run/make-guide", DO_RUN, 2, "Run make guide: it trains guide again from nothing.",
     "make guide", "building guide",
     "(rebuild|retrain|remake|train) (guide|you|the built-in model) (again|from "
     "scratch|myself|)"},
    {"run/bench-machine", DO_RUN, 2, "Run banter bench machine: what this machine allows.",
     "bench machine", "the limits of this machine",
     "(measure|see|find out) (the memory bandwidth|how fast (the|this) memory is|the limits of "
     "this machine|what this machine allows)"},
    {"run/bench-peer", DO_RUN, 2,
     "Run banter bench --peer PATH: a llama-bench runs in turn with banter.", "--peer PATH",
     "banter beside another engine",
     "compare (banter|you) with (another engine|llama.cpp|llama-bench); (measure|test) "
     "(another engine|llama.cpp) (beside|next to) banter"},
    {"run/bench-profile", DO_RUN, 2, "Run banter bench --profile: the time of every stage.",
     "--profile", "where the time goes",
     "(see|find out|know) where the time (goes|of a token goes); profile (a model|the engine|"
     "a pass)"},
    {"run/bench-quiet", DO_RUN, 1,
     "Add --wait-quiet 3000 to banter bench: it waits until nothing else runs.", "--wait-quiet",
     "a bench on a quiet machine",
     "(measure|bench|run a benchmark) (only|) when nothing else runs; wait for a quiet machine"},
    {"run/man", DO_RUN, 2, "Run man banter, or man banter-config for the settings.",
     "man banter", "the manual",
     "(read|open|see|find|look at) (the|a|banter's) (manual|manual page|man "
     "page|documentation); read (more|everything) about banter"},

    /* Files. */
    {"file/config", GUIDE_PLACE, 3, "It is ~/.config/banter/config.yaml.",
     "~/.config/banter/config.yaml", "the configuration file",
     "(the|my) (config|configuration|settings) file; config.yaml; the YAML file; my "
     "(configuration|config); the file (of|with|for) (the|my) settings"},
    {"file/system-config", GUIDE_PLACE, 1, "It is /etc/xdg/banter/config.yaml.",
     "/etc/xdg/banter/config.yaml", "settings of all users",
     "the (settings|configuration|config file) (of|for) all users; the (system-wide|global) "
     "(config file|settings|configuration)"},
    {"file/history", GUIDE_PLACE, 3, "It is ~/.local/state/banter/history.",
     "~/.local/state/banter/history", "the input history",
     "(the|my) (input|line|) history; the history (file|of my input|of the input line); the "
     "file with my (earlier|typed) lines"},
    {"file/models", GUIDE_PLACE, 3, "It is ~/.local/share/banter/models.",
     "~/.local/share/banter/models", "the folder of models",
     "the (folder|directory) (of|for|with) (models|the models|my models); (my|the) (model "
     "folder|models folder|model directory|models)"},
    {"file/policies", GUIDE_PLACE, 2, "It is ~/.config/banter/policies.",
     "~/.config/banter/policies", "the folder of policies",
     "the (folder|directory) (of|for|with) (policies|my policies); my (policies|policy "
     "files|own "
     "policies); the policy folder"},
    {"file/own-policy", GUIDE_ACTION, 2,
     "Write NAME.yaml in ~/.config/banter/policies, then /policy NAME.",
     "~/.config/banter/policies", "a policy of your own",
     "(write|make|add|define|create) (a policy|a new policy|my own policy|a policy file); "
     "(have|"
     "use) (a policy|policies) of my own"},
    {"file/example", GUIDE_PLACE, 2, "It is config/config.yaml.example in the source.",
     "config.yaml.example", "the example of settings",
     "(an|the) example (config|configuration|settings) (file|); a (sample|template) of "
     "(config.yaml|the config file); (an|the) example of config.yaml"},
    {"file/inputrc", GUIDE_PLACE, 1, "It is ~/.inputrc; $if banter begins its part for banter.",
     "~/.inputrc", "keys of your own",
     "(the|my) (inputrc|key bindings|readline file|file for keys); the file (of|with|for) "
     "(my|my own) (keys|key bindings)"},
    {"file/guide", GUIDE_PLACE, 2, "It is in config/models of the source.", "config/models",
     "the file of guide",
     "the (file|model file) of (guide|the built-in model); (guide|guide's file|the built-in "
     "model); the (small|shipped) model (file|)"},
    {"file/own-keys", GUIDE_ACTION, 2, "Bind them in ~/.inputrc, after $if banter.",
     "~/.inputrc", "keys of your own",
     "(change|rebind|bind|define|customise) (a key|keys|the keys|my own keys|key bindings); "
     "put a function on another key"},
    {"file/write-config", GUIDE_ACTION, 3,
     "Write it in ~/.config/banter/config.yaml; banter config show prints one.",
     "~/.config/banter/config.yaml", "lasting settings",
     "(keep|save|store) (a setting|settings|my settings) (for good|for "
     "ever|permanently|between runs); (change|set) (a setting|settings) (for good|for "
     "ever|permanently); make a setting (stay|permanent|last)"},
    {"file/priority", GUIDE_WHOLE, 2,
     "/set counts most, then flags, the environment, config.yaml, built-in values.",
     "/set counts most", "the order of settings",
     "which (setting|value) (wins|counts most|has priority); what is the "
     "(order|precedence|priority) of (settings|the settings); what counts more, a flag or "
     "(config.yaml|the environment)"},
    {"file/units", GUIDE_WHOLE, 1, "16k is 16384 tokens; M is 1024 k.", "16384",
     "units of tokens",
     "can I write (16k|32k|8k) (for tokens|as a number of tokens|for the context); what does "
     "k mean (behind|after) a number; how many tokens (are|is) (16k|a k)"},
};

static const struct {
    enum status status;
    const char *answer, *expect, *wordings;
} codes[] = {
    {STATUS_OK, "done", "done", "success; all went well; (a good|a normal) end"},
    {STATUS_FAILED, "a failure at run time", "run time",
     "a (run-time|runtime|general) (failure|error); a failure at run time; a failure without "
     "its own "
     "code"},
    {STATUS_USAGE, "wrong usage", "usage",
     "(wrong|bad) usage; (a wrong|an unknown|a bad) (flag|option); a usage (error|mistake)"},
    {STATUS_NOT_FOUND, "the model was not found, or none was given", "not found",
     "a (missing|lost) model; a model that (is|was) not found; no model (file|at all)"},
    {STATUS_NO_MEMORY, "out of memory", "memory",
     "(out of|no|not enough|too little) memory; memory that runs out"},
    {STATUS_CONTEXT_FULL, "the context is full", "context",
     "a full context; a context that is full; (no|too little) room in the context"},
    {STATUS_SERVER, "the server was not reached or refused", "server",
     "a server (that refused|that is not reached|problem); an unreachable server"},
    {STATUS_DAMAGED, "a file is damaged", "damaged",
     "a (damaged|broken|corrupt) (file|model file|model); a file that is not what it claims"},
    {STATUS_UNSUPPORTED, "the model is sound, but banter cannot run it", "cannot run it",
     "(an unsupported|a foreign) (model|architecture); a model that banter cannot run"},
    {STATUS_IO, "an input or output error, such as a full disk", "full disk",
     "(a full disk|a disk that is full); an (I/O|input or output|read or write) error"},
    {STATUS_CONFIG, "the configuration is wrong", "configuration",
     "(a wrong|a bad|a broken) (configuration|config file|config.yaml); a configuration (error|"
     "mistake)"},
};
/* clang-format on */

static void add_code(struct guide_facts *facts, size_t i)
{
    char id[32], answer[128], number[16], about[48];

    snprintf(number, sizeof number, "%d", (int)codes[i].status);
    snprintf(id, sizeof id, "code/%s/is", number);
    snprintf(about, sizeof about, "exit code %s", number);
    snprintf(answer, sizeof answer, "Exit code %s: %s.", number, codes[i].answer);
    struct guide_fact *fact = guide_fact_add(facts, id, answer, codes[i].expect, about, 2);
    guide_fact_ask(fact, GUIDE_CODE, number);
    snprintf(id, sizeof id, "code/%s/means", number);
    snprintf(number, sizeof number, "code %d", (int)codes[i].status);
    fact = guide_fact_add(facts, id, answer, number, "an exit code", 3);
    guide_fact_ask(fact, GUIDE_MEANS, codes[i].wordings);
}

void guide_manual_add(struct guide_facts *facts)
{
    guide_rows_add(facts, rows, sizeof rows / sizeof *rows);
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        add_code(facts, i);
}
