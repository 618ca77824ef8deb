/*
 * command_compare.c - /ab, /abx, /best, /keep
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/chat_internal.h"
#include "app/commands.h"
#include "app/compare_text.h"
#include "app/compare.h"
#include "app/engine_settings.h"

enum { DEFAULT_VARIANTS = 4 };

/* A number of digits alone in [least, most]. */
static bool parse_number(const char *text, uint32_t least, uint32_t most, uint32_t *number)
{
    char *end;
    unsigned long value = strtoul(text, &end, 10);

    if (text[0] < '0' || text[0] > '9' || *end != '\0' || value < least || value > most)
        return false;
    *number = (uint32_t)value;
    return true;
}

/* Up to `most` words; their number, more than `most` where there are more. */
static size_t split_words(const char *text, char (*words)[COMPARE_WORD_ROOM], size_t most)
{
    size_t n_words = 0;

    for (text += strspn(text, " \t\n"); *text != '\0'; text += strspn(text, " \t\n")) {
        size_t length = strcspn(text, " \t\n");
        if (n_words < most)
            snprintf(words[n_words], COMPARE_WORD_ROOM, "%.*s",
                     length < COMPARE_WORD_ROOM ? (int)length : COMPARE_WORD_ROOM - 1, text);
        n_words++;
        text += length;
    }
    return n_words;
}

/* /ab ---------------------------------------------------------------------------------------- */

bool ab_parse(const char *arguments, struct ab_arguments *ab, char *problem, size_t n_bytes)
{
    char words[4][COMPARE_WORD_ROOM];
    size_t n_words = split_words(arguments, words, 4);

    *ab = (struct ab_arguments){.rounds = 1};
    if (n_words == 0)
        return true;
    if (n_words != 2 && n_words != 3) {
        snprintf(problem, n_bytes, "/ab takes two policies, and how often: /ab greedy auto 3");
        return false;
    }
    snprintf(ab->names[0], sizeof ab->names[0], "%s", words[0]);
    snprintf(ab->names[1], sizeof ab->names[1], "%s", words[1]);
    ab->together = n_words == 3 && strcmp(words[2], "together") == 0;
    if (n_words == 2 || ab->together ||
        parse_number(words[2], 1, COMPARE_MAX_ROUNDS, &ab->rounds))
        return true;
    snprintf(problem, n_bytes,
             "the third argument of /ab is a number from 1 to %d, or together",
             COMPARE_MAX_ROUNDS);
    return false;
}

void command_ab(struct chat *chat, const char *arguments)
{
    struct ab_arguments ab;
    struct compare_plan plan = {0};
    struct sampling_choice sampling = sampling_settings(chat->store);
    char problem[160];

    if (!ab_parse(arguments, &ab, problem, sizeof problem)) {
        display_say(&chat->display, UI_BLOCK_ERROR, "%s", problem);
        return;
    }
    if (!chat_may_ask_again(chat))
        return;
    /* The present policy against plain decoding; that against what may be faster. */
    if (ab.names[0][0] == '\0') {
        bool plain = strcmp(chat->policy.name, "greedy") == 0;
        snprintf(ab.names[0], sizeof ab.names[0], "greedy");
        snprintf(ab.names[1], sizeof ab.names[1], "%s", plain ? "auto" : chat->policy.name);
    }
    plan.rounds = ab.rounds;
    plan.together = ab.together;
    for (size_t i = 0; i < 2; i++) {
        struct compare_way *way = &plan.ways[i];
        if (!chat_find_policy(chat, ab.names[i], &way->policy))
            return;
        snprintf(way->name, sizeof way->name, "%s", way->policy.name);
        way->sampling = sampling;
    }
    compare_start(chat, &plan);
}

void complete_ab(struct chat *chat, size_t n, const char *before,
                 const struct completer *completer)
{
    (void)chat;
    (void)before;
    if (n < 2)
        complete_policy_names(completer);
    else if (n == 2)
        offer(completer, "together", "in one pass for both, without their policies");
}

/* /abx --------------------------------------------------------------------------------------- */

/* What a list may name: how tokens are chosen, and nothing else. */
static const char *const sampling_keys[] = {
    "temperature",       "top_k", "top_p", "min_p", "presence_penalty", "frequency_penalty",
    "repetition_penalty"};

static bool sampling_key(const char *key)
{
    for (size_t i = 0; i < sizeof sampling_keys / sizeof sampling_keys[0]; i++) {
        const struct config_option *option = config_find(key);
        if (option != NULL && strcmp(option->key, sampling_keys[i]) == 0)
            return true;
    }
    return false;
}

static bool take_pair(struct config_store *store, char *pair, char *problem, size_t n_bytes)
{
    struct config_error error;
    char *value = strchr(pair, '=');

    if (value == NULL) {
        snprintf(problem, n_bytes, "/abx takes lists like temperature=0.3,top_k=20, not \"%s\"",
                 pair);
        return false;
    }
    *value++ = '\0';
    if (!sampling_key(pair)) {
        snprintf(problem, n_bytes, "%s is no sampling setting; /abx compares those", pair);
        return false;
    }
    if (config_set(store, pair, value, CONFIG_SET, &error))
        return true;
    snprintf(problem, n_bytes, "%s", error.what);
    return false;
}

bool sampling_list_parse(const char *list, struct sampling_choice *choice, char *problem,
                         size_t n_bytes)
{
    struct config_store *store = config_new();
    char *pairs = app_copy(list, strlen(list)), *pair, *rest;
    bool good = true;

    if (store == NULL)
        app_out_of_memory();
    for (pair = strtok_r(pairs, ",", &rest); good && pair != NULL;
         pair = strtok_r(NULL, ",", &rest))
        good = take_pair(store, pair, problem, n_bytes);
    if (good)
        *choice = sampling_settings(store);
    if (good && choice->given == 0) {
        snprintf(problem, n_bytes, "an empty list of sampling settings");
        good = false;
    }
    free(pairs);
    config_free(&store);
    return good;
}

/* Is the likeliest token taken always, as things are now? */
static bool samples_nothing(const struct chat *chat, const struct sampling_choice *sampling)
{
    const struct model *model = engine_model(chat->engine);

    if (sampling->given & SAMPLING_TEMPERATURE)
        return !(sampling->values.temperature > 0);
    return model != NULL && !(sampling_for_model(model, false, sampling).temperature > 0);
}

/* The two ways as they were named; false: an error was shown. */
static bool blind_ways(struct chat *chat, const char *arguments, struct compare_way ways[2])
{
    struct sampling_choice present = sampling_settings(chat->store);
    char words[2][COMPARE_WORD_ROOM], problem[320];
    size_t n_words = split_words(arguments, words, 2);

    if (n_words == 0) {
        snprintf(words[0], sizeof words[0], "the present settings");
        snprintf(words[1], sizeof words[1], "temperature=%s",
                 samples_nothing(chat, &present) ? "1" : "0");
    } else if (n_words != 2) {
        display_say(&chat->display, UI_BLOCK_ERROR,
                    "/abx takes two lists: /abx temperature=0.3 temperature=1.2,top_k=20");
        return false;
    }
    for (size_t i = 0; i < 2; i++) {
        struct sampling_choice more = {0};
        ways[i].policy = chat->policy;
        ways[i].sampling = present;
        snprintf(ways[i].name, sizeof ways[i].name, "%.*s", COMPARE_WORD_ROOM - 1, words[i]);
        if (n_words == 0 && i == 0)
            continue;
        if (!sampling_list_parse(words[i], &more, problem, sizeof problem)) {
            display_say(&chat->display, UI_BLOCK_ERROR, "%s", problem);
            return false;
        }
        sampling_overlay(&ways[i].sampling, &more);
    }
    return true;
}

void command_abx(struct chat *chat, const char *arguments)
{
    struct compare_plan plan = {.rounds = 1, .blind = true};
    struct compare_way ways[2];

    if (!chat_may_ask_again(chat) || !blind_ways(chat, arguments, ways))
        return;
    /* Who is 1 is drawn, by the seed, so that a session can be had again. */
    uint64_t drawn = sampling_noise_seed(chat->conversation.seed, UINT32_MAX, chat->n_blind++);
    plan.ways[0] = ways[drawn & 1];
    plan.ways[1] = ways[(drawn & 1) ^ 1];
    compare_start(chat, &plan);
}

void complete_abx(struct chat *chat, size_t n, const char *before,
                  const struct completer *completer)
{
    char text[64];

    (void)chat;
    (void)before;
    for (size_t i = 0; n < 2 && i < sizeof sampling_keys / sizeof sampling_keys[0]; i++) {
        const struct config_option *option = config_find(sampling_keys[i]);
        snprintf(text, sizeof text, "%s=", sampling_keys[i]);
        offer(completer, text, option != NULL ? option->help : NULL);
    }
}

/* /best and /keep ---------------------------------------------------------------------------- */

void command_best(struct chat *chat, const char *arguments)
{
    uint32_t n = DEFAULT_VARIANTS;

    if (arguments[0] != '\0' && !parse_number(arguments, 2, ENGINE_MAX_LANES, &n))
        display_say(&chat->display, UI_BLOCK_ERROR, "/best takes a number from 2 to %d",
                    ENGINE_MAX_LANES);
    else if (chat_may_ask_again(chat))
        variants_ask(chat, n);
}

void command_keep(struct chat *chat, const char *arguments)
{
    if (arguments[0] == '\0') {
        display_say(&chat->display, UI_BLOCK_ERROR,
                    "/keep takes A or B after /ab, 1 or 2 after /abx, a number after /best");
        return;
    }
    if (compare_keep(chat, arguments))
        return;
    if (chat_busy(chat))
        display_say(&chat->display, UI_BLOCK_ERROR, "an answer is running; Esc stops it");
    else
        variants_keep(chat, arguments);
}
