/*
 * subcommands.c - the table of subcommands, each with its own flags
 */
#include "app/subcommands.h"

#include "engine/quantize.h"

static const char *const answer_outputs[] = {"text", "json", NULL};
static const char *const generate_outputs[] = {"ids", "text", "json", NULL};

#define SYNOPSES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define SETTINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* clang-format off */
static const struct option_flag chat_flags[] = {
    {FLAG_PROMPT, "prompt", 'p', "TEXT", NULL,
     "answer TEXT and leave; standard input that is not a terminal is added"},
    {FLAG_OUTPUT, "output", 'o', "FORMAT", answer_outputs,
     "of one answer: text, or json with its statistics"},
    {FLAG_RAW, "raw", 0, NULL, NULL, "print the model's bytes as they are, unfiltered"},
    {FLAG_PLAIN, "plain", 0, NULL, NULL, "chat line by line, without a screen"},
    {FLAG_KEYS_FILE, "keys", 0, "FILE", NULL, "type the bytes of FILE (for tests)"},
    {FLAG_ENGINE, "engine", 0, "script:FILE", NULL,
     "answers come from a script instead of a model (for tests)"},
    {0},
};
static const struct option_flag logits_flags[] = {
    {FLAG_TOKENS, "tokens", 0, "LIST", NULL, "token ids: 1,2,3 or @FILE"},
    {FLAG_OUT, "out", 'o', "FILE", NULL, "where the logits go; -: standard output"},
    {0},
};
static const struct option_flag generate_flags[] = {
    {FLAG_TOKENS, "tokens", 0, "LIST", NULL, "token ids of the prompt: 1,2,3 or @FILE"},
    {FLAG_OUTPUT, "output", 'o', "FORMAT", generate_outputs,
     "ids (separated by commas), text, or json with both and the figures [ids]"},
    {FLAG_IGNORE_EOS, "ignore-eos", 0, NULL, NULL, "go on after a token that ends an answer"},
    {FLAG_SPECIAL, "special", 0, NULL, NULL, "spell out control tokens in the text"},
    {FLAG_RAW, "raw", 0, NULL, NULL, "print the model's bytes as they are, unfiltered"},
    {0},
};
static const struct option_flag tokenize_flags[] = {
    {FLAG_SPECIAL, "special", 0, NULL, NULL,
     "text that spells a control token becomes that token"},
    {0},
};
static const struct option_flag detokenize_flags[] = {
    {FLAG_SPECIAL, "special", 0, NULL, NULL, "spell out control tokens"},
    {FLAG_RAW, "raw", 0, NULL, NULL, "print the bytes as they are, unfiltered"},
    {0},
};
static const struct option_flag info_flags[] = {
    {FLAG_ALL_KEYS, "keys", 0, NULL, NULL, "every metadata key of the file"},
    {FLAG_TENSORS, "tensors", 0, NULL, NULL, "every tensor of the file"},
    {0},
};
static const struct option_flag grade_flags[] = {
    {FLAG_DRAFT, "draft", 0, "FILE", NULL, "a draft model: its acceptance is measured"},
    {FLAG_OUTPUT, "output", 'o', "FORMAT", answer_outputs, "a table as text, or json"},
    {FLAG_SHOW, "show", 0, NULL, NULL, "show the answers that were wrong"},
    {0},
};
static const struct option_flag tokenizer_flags[] = {
    {FLAG_DATA, "data", 0, "FILE", NULL,
     "a text, or in .jsonl texts, to learn from; more files may follow"},
    {FLAG_SIZE, "size", 0, "N", NULL, "how many tokens, special ones included"},
    {FLAG_OUT, "out", 'o', "FILE", NULL, "where the vocabulary goes (GGUF)"},
    {0},
};
static const struct option_flag quantize_flags[] = {
    {FLAG_TYPE, "type", 0, "MIX", quantize_mix_names, "the types of the new file"},
    {0},
};
static const struct option_flag dataset_flags[] = {
    {FLAG_OUT, "out", 'o', "FOLDER", NULL, "where train.jsonl and held-out.jsonl go"},
    {FLAG_SIZE, "size", 0, "N", NULL, "how many samples to train on [150000]"},
    {FLAG_SEED, "seed", 0, "N", NULL, "another seed gives other samples [1]"},
    {0},
};
static const struct option_flag bench_flags[] = {
    {FLAG_OUTPUT, "output", 'o', "FORMAT", answer_outputs, "a table as text, or json"},
    {0},
};
static const struct option_flag config_flags[] = {
    {FLAG_ORIGIN, "origin", 0, NULL, NULL, "with show: where each value comes from"},
    {0},
};

const struct subcommand subcommands[] = {
    {"", SYNOPSES("[OPTION]...", "-p TEXT [OPTION]...", "COMMAND [OPTION]... [ARGUMENT]..."),
     "Talk to a language model that runs on this machine's processor.",
     SETTINGS("engine", "chat", "sampling", "screen"), chat_flags, 0, subcommand_chat},
    {"logits", SYNOPSES("--model FILE --tokens LIST --out FILE [OPTION]..."),
     "Write the logits after each of the given tokens, as raw 32-bit floats.",
     SETTINGS("engine"), logits_flags, 0, subcommand_logits},
    {"generate", SYNOPSES("--model FILE --tokens LIST [OPTION]..."),
     "Continue a list of tokens, without a chat template.",
     SETTINGS("engine", "sampling", "max_tokens", "think"), generate_flags, 0,
     subcommand_generate},
    {"tokenize", SYNOPSES("--model FILE [OPTION]... [TEXT | -]"),
     "Print the token ids of a text.", SETTINGS("model"), tokenize_flags, 1,
     subcommand_tokenize},
    {"detokenize", SYNOPSES("--model FILE [OPTION]... IDS... | -"),
     "Print the text of token ids.", SETTINGS("model"), detokenize_flags, 1 << 20,
     subcommand_detokenize},
    {"info", SYNOPSES("[OPTION]... [FILE]"), "Describe a model file.",
     SETTINGS("model", "template", "cpu"), info_flags, 1, subcommand_info},
    {"models", SYNOPSES("[OPTION]..."), "List the model files on this machine.", NULL, NULL, 0,
     subcommand_models},
    {"grade", SYNOPSES("--model FILE [--draft FILE] [OPTION]... QUESTIONS.jsonl"),
     "Grade a model's answers to held-out questions, and its drafts.", SETTINGS("engine"),
     grade_flags, 1, subcommand_grade},
    {"tokenizer", SYNOPSES("--data FILE... --size N --out FILE [OPTION]..."),
     "Train a vocabulary on texts.", NULL, tokenizer_flags, 1 << 20, subcommand_tokenizer},
    {"quantize", SYNOPSES("IN OUT --type MIX [OPTION]..."),
     "Write a model file in other tensor types.", SETTINGS("threads"), quantize_flags, 2,
     subcommand_quantize},
    {"dataset", SYNOPSES("--out FOLDER [--size N] [--seed N]"),
     "Write the questions and answers that the built-in model is trained on.", NULL,
     dataset_flags, 0, subcommand_dataset},
    {"bench", SYNOPSES("train [OPTION]..."),
     "Measure this machine, and how much of it is reached.", SETTINGS("threads", "cpu"),
     bench_flags, 1, subcommand_bench},
    {"config", SYNOPSES("show [--origin] [OPTION]...", "check [FILE]", "schema"),
     "Show the settings, check configuration files, or print the table of settings as JSON.",
     SETTINGS("engine", "chat", "sampling", "screen"), config_flags, 2, subcommand_config},
    {0},
};
/* clang-format on */
