/*
 * subcommands.c - the table of subcommands, each with its own flags
 */
#include "app/subcommands.h"

#include "engine/quantize.h"

static const char *const answer_outputs[] = {"text", "json", NULL};
static const char *const train_optimizers[] = {"adamw", "adam", "sgd", NULL};
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
static const struct option_flag weights_flags[] = {
    {FLAG_CLEAR, "clear", 0, NULL, NULL, "remove them all"},
    {0},
};
static const struct option_flag grade_flags[] = {
    {FLAG_DRAFT, "draft", 0, "FILE", NULL, "a draft model: its acceptance is measured"},
    {FLAG_OUTPUT, "output", 'o', "FORMAT", answer_outputs, "a table as text, or json"},
    {FLAG_SHOW, "show", 0, NULL, NULL, "show the answers that were wrong"},
    {0},
};
static const struct option_flag ab_flags[] = {
    {FLAG_A, "a", 0, "POLICY", NULL, "the one policy: a name, or a file [greedy]"},
    {FLAG_B, "b", 0, "POLICY", NULL, "the other [the policy of the settings]"},
    {FLAG_ROUNDS, "rounds", 0, "N", NULL, "answers to each prompt by each of them [2]"},
    {FLAG_IGNORE_EOS, "ignore-eos", 0, NULL, NULL, "go on after a token that ends an answer"},
    {FLAG_OUTPUT, "output", 'o', "FORMAT", answer_outputs, "a table as text, or json"},
    {FLAG_JSON, "json", 0, NULL, NULL, "as --output=json"},
    {0},
};
static const struct option_flag selfcheck_flags[] = {
    {FLAG_TOKENS, "tokens", 0, "N", NULL, "of the text that is compared [by the model's size]"},
    {FLAG_OUTPUT, "output", 'o', "FORMAT", answer_outputs, "lines of text, or json"},
    {FLAG_JSON, "json", 0, NULL, NULL, "as --output=json"},
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
    {FLAG_SIZE, "size", 0, "N", NULL, "how many samples to train on [250000]"},
    {FLAG_SEED, "seed", 0, "N", NULL, "another seed gives other samples [1]"},
    {0},
};
static const struct option_flag bench_flags[] = {
    {FLAG_ROUNDS, "rounds", 0, "N", NULL, "how often all is measured, in turns"},
    {FLAG_TOKENS, "tokens", 0, "N", NULL,
     "that are decoded [128]; of a sequence [32]; in front of what verify measures [256]"},
    {FLAG_ONLY, "only", 0, "LIST", NULL,
     "load, first-token, prefill, decode, verify, lanes, state, head, modes, profile or "
     "peer, separated by commas"},
    {FLAG_QUICK, "quick", 0, NULL, NULL, "fewer sizes, fewer rounds"},
    {FLAG_PROFILE, "profile", 0, NULL, NULL, "where the time of a pass goes, too"},
    {FLAG_PLOT, "plot", 0, NULL, NULL, "draw the curves"},
    {FLAG_PEER, "peer", 0, "PATH", NULL, "a llama-bench to run in turn with banter"},
    {FLAG_PEER_ARGUMENTS, "peer-arguments", 0, "TEXT", NULL, "more words for it"},
    {FLAG_PEER_SECONDS, "peer-seconds", 0, "N", NULL, "how long a run of it may take [900]"},
    {FLAG_WAIT_QUIET, "wait-quiet", 0, "MS", NULL,
     "wait until nothing else has run for so many milliseconds"},
    {FLAG_REQUIRE_QUIET, "require-quiet", 0, NULL, NULL,
     "refuse to measure while something else runs"},
    {FLAG_DRAFT_COST, "draft-cost", 0, "MS", NULL,
     "what a token of the scripted draft costs, milliseconds [0]"},
    {FLAG_OUTPUT, "output", 'o', "FORMAT", answer_outputs, "a table as text, or json"},
    {FLAG_JSON, "json", 0, NULL, NULL, "as --output=json"},
    {0},
};
static const struct option_flag policy_flags[] = {
    {FLAG_OUTPUT, "output", 'o', "FORMAT", answer_outputs, "of list and show: text, or json"},
    {0},
};
static const struct option_flag train_flags[] = {
    {FLAG_OUT, "out", 'o', "FILE", NULL, "where the finished model goes"},
    {FLAG_DATA, "data", 0, "FILE", NULL,
     "what to learn, as further files may be named: .jsonl of chats, or plain text"},
    {FLAG_HELD_OUT, "held-out", 0, "FILE", NULL, "never learnt; the loss is measured on it"},
    {FLAG_VOCABULARY, "vocabulary", 0, "FILE", NULL, "vocabulary of a new model (GGUF)"},
    {FLAG_FROM, "from", 0, "FILE", NULL, "train this model further (F32, F16 or BF16 GGUF)"},
    {FLAG_TYPE, "type", 0, "MIX", quantize_mix_names,
     "the types of the finished model's tensors [Q8_0]"},
    {FLAG_NAME, "name", 0, "TEXT", NULL, "name of the model, general.name"},
    {FLAG_DESCRIPTION, "description", 0, "TEXT", NULL, "what it is, general.description"},
    {FLAG_SAMPLING, "sampling", 0, "LIST", NULL,
     "the model's own settings: temperature=0.7,top_k=20 ..."},
    {FLAG_STEPS, "steps", 0, "N", NULL, "steps of the optimiser [1000]"},
    {FLAG_BATCH, "batch", 0, "TOKENS", NULL, "tokens of a step, about [8192]"},
    {FLAG_MICRO, "micro", 0, "TOKENS", NULL, "tokens of one pass, at most [2048]"},
    {FLAG_OPTIMIZER, "optimizer", 0, "NAME", train_optimizers, "adamw, adam or sgd [adamw]"},
    {FLAG_LEARNING_RATE, "learning-rate", 0, "X", NULL, "at its highest [0.001]"},
    {FLAG_RATE_FLOOR, "rate-floor", 0, "SHARE", NULL, "what is left of it at the end [0.1]"},
    {FLAG_WARMUP, "warmup", 0, "STEPS", NULL, "steps in which it rises [a twentieth]"},
    {FLAG_WEIGHT_DECAY, "weight-decay", 0, "X", NULL, "of matrices [0.1]"},
    {FLAG_CLIP, "clip", 0, "NORM", NULL, "longest gradient; 0: any [1]"},
    {FLAG_DROPOUT, "dropout", 0, "SHARE", NULL, "of each layer's result [0]"},
    {FLAG_MTP_FACTOR, "mtp-factor", 0, "X", NULL, "weight of the multi-token loss [0.3]"},
    {FLAG_SEED, "seed", 0, "N", NULL, "of first weights, order and dropout [1]"},
    {FLAG_CHECKPOINT, "checkpoint", 0, "FILE", NULL,
     "state to go on from [beside the model, removed at the end]"},
    {FLAG_CHECKPOINT_INTERVAL, "checkpoint-interval", 0, "STEPS", NULL,
     "steps between two; 0: only when it stops [100]"},
    {FLAG_RESUME, "resume", 0, NULL, NULL, "go on from the checkpoint, if there is one"},
    {FLAG_HELD_OUT_INTERVAL, "held-out-interval", 0, "STEPS", NULL,
     "steps between two measurements; 0: at the end alone [100]"},
    {FLAG_PLOT, "plot", 0, NULL, NULL, "draw the loss at the end"},
    {FLAG_JSON, "json", 0, NULL, NULL, "print each step as a line of JSON"},
    {FLAG_LAYERS, "layers", 0, "N", NULL, "layers, every fourth full attention [8]"},
    {FLAG_MTP, "mtp", 0, "N", NULL, "multi-token blocks, 0 or 1 [1]"},
    {FLAG_EMBEDDING, "embedding", 0, "N", NULL, "width of the model [256]"},
    {FLAG_FFN, "ffn", 0, "N", NULL, "width of the feed-forward layers [640]"},
    {FLAG_HEADS, "heads", 0, "N", NULL, "query heads of full attention [4]"},
    {FLAG_KV_HEADS, "kv-heads", 0, "N", NULL, "heads of keys and values [2]"},
    {FLAG_HEAD_DIM, "head-dim", 0, "N", NULL, "length of such a head [64]"},
    {FLAG_ROTARY, "rotary", 0, "N", NULL, "rotated part of a head [a half]"},
    {FLAG_ROPE_BASE, "rope-base", 0, "X", NULL, "base of the rotation [10000]"},
    {FLAG_KEY_HEADS, "key-heads", 0, "N", NULL, "DeltaNet heads of keys [4]"},
    {FLAG_VALUE_HEADS, "value-heads", 0, "N", NULL, "DeltaNet heads of values [8]"},
    {FLAG_STATE_DIM, "state-dim", 0, "N", NULL, "length of a DeltaNet head [32]"},
    {FLAG_CONTEXT, "context", 0, "TOKENS", NULL, "positions the model is made for [2048]"},
    {FLAG_UNTIED, "untied", 0, NULL, NULL, "an output matrix of its own"},
    {0},
};
static const struct option_flag config_flags[] = {
    {FLAG_ORIGIN, "origin", 0, NULL, NULL, "with show: where each value comes from"},
    {0},
};

const struct subcommand subcommands[] = {
    {"", SYNOPSES("[OPTION]...", "-p TEXT [OPTION]...", "COMMAND [OPTION]... [ARGUMENT]..."),
     "Talk to a language model that runs on this machine's processor.",
     SETTINGS("engine", "chat", "sampling", "decode", "screen"), chat_flags, 0, subcommand_chat},
    {"logits", SYNOPSES("--model FILE --tokens LIST --out FILE [OPTION]..."),
     "Write the logits after each of the given tokens, as raw 32-bit floats.",
     SETTINGS("engine"), logits_flags, 0, subcommand_logits},
    {"generate", SYNOPSES("--model FILE --tokens LIST [OPTION]..."),
     "Continue a list of tokens, without a chat template.",
     SETTINGS("engine", "sampling", "decode", "max_tokens", "think"), generate_flags, 0,
     subcommand_generate},
    {"tokenize", SYNOPSES("--model FILE [OPTION]... [TEXT | -]"),
     "Print the token ids of a text.", SETTINGS("model"), tokenize_flags, 1,
     subcommand_tokenize},
    {"detokenize", SYNOPSES("--model FILE [OPTION]... IDS... | -"),
     "Print the text of token ids.", SETTINGS("model"), detokenize_flags, 1 << 20,
     subcommand_detokenize},
    {"info", SYNOPSES("[OPTION]... [FILE]"), "Describe a model file.",
     SETTINGS("model", "template", "cpu", "weights_cache"), info_flags, 1, subcommand_info},
    {"models", SYNOPSES("[OPTION]..."), "List the model files on this machine.", NULL, NULL, 0,
     subcommand_models},
    {"weights", SYNOPSES("[--clear]"), "List the packed weights that are kept on disk.", NULL,
     weights_flags, 0, subcommand_weights},
    {"grade", SYNOPSES("--model FILE [--draft FILE] [OPTION]... QUESTIONS.jsonl"),
     "Grade a model's answers to held-out questions, and its drafts.", SETTINGS("engine"),
     grade_flags, 1, subcommand_grade},
    {"ab", SYNOPSES("--a POLICY --b POLICY [OPTION]... PROMPTS.jsonl | TEXT..."),
     "Compare two decode policies over many prompts.",
     SETTINGS("engine", "sampling", "system", "think", "max_tokens", "draft_model"), ab_flags,
     1 << 20, subcommand_ab},
    {"selfcheck", SYNOPSES("[--model FILE] [--draft-model FILE] [OPTION]..."),
     "Prove that every way of computing gives the same.", SETTINGS("engine", "draft_model"),
     selfcheck_flags, 0, subcommand_selfcheck},
    {"tokenizer", SYNOPSES("--data FILE... --size N --out FILE [OPTION]..."),
     "Train a vocabulary on texts.", NULL, tokenizer_flags, 1 << 20, subcommand_tokenizer},
    {"quantize", SYNOPSES("IN OUT --type MIX [OPTION]..."),
     "Write a model file in other tensor types.", SETTINGS("threads"), quantize_flags, 2,
     subcommand_quantize},
    {"dataset", SYNOPSES("--out FOLDER [--size N] [--seed N]"),
     "Write the questions and answers that the built-in model is trained on.", NULL,
     dataset_flags, 0, subcommand_dataset},
    {"bench", SYNOPSES("[model] [OPTION]...", "machine [OPTION]...", "policies [OPTION]...",
                       "lanes [OPTION]...", "verify [OPTION]...", "train [OPTION]..."),
     "Measure this machine, and how much of it is reached.",
     SETTINGS("engine", "draft_model", "ascii"), bench_flags, 1, subcommand_bench},
    {"train", SYNOPSES("--vocabulary FILE --out FILE [OPTION]... DATA...",
                       "--from MODEL --out FILE [OPTION]... DATA..."),
     "Train a small model, or train one further.",
     SETTINGS("threads", "cpu", "template", "ascii"), train_flags, 1 << 16, subcommand_train},
    {"policy", SYNOPSES("list [OPTION]...", "show NAME [OPTION]...", "check [FILE | NAME]",
                        "schema"),
     "List, show and check decode policies, or print the table of their keys as JSON.",
     NULL, policy_flags, 2, subcommand_policy},
    {"config", SYNOPSES("show [--origin] [OPTION]...", "check [FILE]", "schema"),
     "Show the settings, check configuration files, or print the table of settings as JSON.",
     SETTINGS("engine", "chat", "sampling", "decode", "screen"), config_flags, 2, subcommand_config},
    {0},
};
/* clang-format on */
