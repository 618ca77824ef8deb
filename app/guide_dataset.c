/*
 * guide_dataset.c - the mix of samples, and the guard that keeps training clean
 *
 * What is held out is made first.  A sample of training that holds a held-out question, wording
 * or mark of a frame anywhere, also by chance, is dropped and drawn again.
 */
#include "app/guide_dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/guide_phrases.h"

enum {
    FACT_ROUNDS = 2, /* held-out questions for each fact */
    N_REFUSALS = 260,
    N_EXERCISES = 120,
    N_CHATS = 160,
    N_TALKS = 30,
    TRIES = 200,
    WORDS_MAX = 64, /* of a question that are looked at */
    PHRASE_MAX = 16 /* words of the longest text that is held out */
};

/* Open addressing over hashes of plain words; 0 is free. */
struct hash_set {
    uint64_t *slots;
    size_t room, n;
};

struct guide_dataset {
    uint64_t seed;
    struct guide_facts facts;
    struct hash_set phrases;   /* wordings and marks: anywhere in a text */
    struct hash_set questions; /* whole questions */
    struct guide_sample *held_out;
    size_t n_held_out, held_out_room;
};

static bool set_has(const struct hash_set *set, uint64_t hash)
{
    if (set->room == 0)
        return false;
    for (size_t i = hash % set->room; set->slots[i] != 0; i = (i + 1) % set->room) {
        if (set->slots[i] == hash)
            return true;
    }
    return false;
}

static void set_add(struct hash_set *set, uint64_t hash)
{
    if (2 * (set->n + 1) > set->room) {
        struct hash_set larger = {.room = 2 * set->room + 1024};
        larger.slots = app_resize(NULL, larger.room, sizeof *larger.slots);
        memset(larger.slots, 0, larger.room * sizeof *larger.slots);
        for (size_t i = 0; i < set->room; i++) {
            if (set->slots[i] != 0)
                set_add(&larger, set->slots[i]);
        }
        free(set->slots);
        *set = larger;
    }
    size_t i = hash % set->room;
    while (set->slots[i] != 0 && set->slots[i] != hash)
        i = (i + 1) % set->room;
    set->n += set->slots[i] == 0;
    set->slots[i] = hash;
}

/* The hash of some words in a row: of each alone, and then joined. */
static uint64_t join(uint64_t phrase, uint64_t word)
{
    return guide_mix(phrase * 0x100000001b3u + word) | 1;
}

static size_t hash_words(const char *text, uint64_t *hashes)
{
    char *words = guide_words(text);
    size_t n = 0;

    for (char *at = words; *at != '\0' && n < WORDS_MAX; n++) {
        size_t length = strcspn(at, " ");
        bool is_last = at[length] == '\0';
        at[length] = '\0';
        hashes[n] = guide_hash(at);
        at += length + !is_last;
    }
    free(words);
    return n;
}

static uint64_t hash_phrase(const uint64_t *hashes, size_t n)
{
    uint64_t phrase = 1;

    for (size_t i = 0; i < n; i++)
        phrase = join(phrase, hashes[i]);
    return phrase;
}

static uint64_t hash_text(const char *text)
{
    uint64_t hashes[WORDS_MAX];

    return hash_phrase(hashes, hash_words(text, hashes));
}

bool guide_dataset_is_held_out(const struct guide_dataset *dataset, const char *text)
{
    uint64_t hashes[WORDS_MAX];
    size_t n = hash_words(text, hashes);

    for (size_t i = 0; i < n; i++) {
        uint64_t phrase = 1;
        for (size_t j = i; j < n && j < i + PHRASE_MAX; j++) {
            phrase = join(phrase, hashes[j]);
            if (set_has(&dataset->phrases, phrase))
                return true;
        }
    }
    return set_has(&dataset->questions, hash_phrase(hashes, n));
}

/* Samples -------------------------------------------------------------------------------- */

void guide_sample_clear(struct guide_sample *sample)
{
    for (size_t i = 0; i < GUIDE_TURNS_MAX; i++) {
        text_clear(&sample->turns[i].question);
        text_clear(&sample->turns[i].answer);
        text_clear(&sample->turns[i].about);
        text_clear(&sample->turns[i].expect);
    }
    sample->n_turns = 0;
    sample->system = NULL;
    sample->think = false;
}

void guide_sample_release(struct guide_sample *sample)
{
    for (size_t i = 0; i < GUIDE_TURNS_MAX; i++) {
        text_release(&sample->turns[i].question);
        text_release(&sample->turns[i].answer);
        text_release(&sample->turns[i].about);
        text_release(&sample->turns[i].expect);
    }
}

static bool make_sample(struct guide_random *random, const struct guide_facts *facts,
                        const struct guide_fact *fact, bool held_out,
                        struct guide_sample *sample)
{
    sample->n_turns = sample->kind == GUIDE_SAMPLE_CHAT ? 0 : 1;
    switch (sample->kind) {
    case GUIDE_SAMPLE_FACT: return guide_fact_turn(random, fact, held_out, &sample->turns[0]);
    case GUIDE_SAMPLE_REFUSAL: return guide_refusal_turn(random, held_out, &sample->turns[0]);
    case GUIDE_SAMPLE_TALK: return guide_talk_turn(random, &sample->turns[0]);
    case GUIDE_SAMPLE_EXERCISE: return guide_exercise_turn(random, held_out, &sample->turns[0]);
    default: return guide_chat_turns(random, facts, held_out, sample);
    }
}

static void hash_conversation(const struct guide_sample *sample, struct text_buffer *text)
{
    for (size_t i = 0; i < sample->n_turns; i++)
        text_printf(text, "%s ", text_string(&sample->turns[i].question));
}

/* Keep it unless the same question is there. */
static bool keep(struct guide_dataset *dataset, struct guide_sample *sample)
{
    struct text_buffer text = {0};

    hash_conversation(sample, &text);
    uint64_t hash = hash_text(text_string(&text));
    text_release(&text);
    if (set_has(&dataset->questions, hash))
        return false;
    set_add(&dataset->questions, hash);
    if (dataset->n_held_out == dataset->held_out_room) {
        dataset->held_out_room = dataset->held_out_room * 2 + 256;
        dataset->held_out =
            app_resize(dataset->held_out, dataset->held_out_room, sizeof *dataset->held_out);
    }
    dataset->held_out[dataset->n_held_out++] = *sample;
    *sample = (struct guide_sample){0};
    return true;
}

static void hold_out(struct guide_dataset *dataset, enum guide_sample_kind kind,
                     const struct guide_fact *fact, size_t n, uint64_t stream)
{
    struct guide_random random = guide_stream(dataset->seed ^ 0x68656c64, stream);
    struct guide_sample sample = {0};

    for (size_t tries = 0; n > 0 && tries < n * TRIES; tries++) {
        guide_sample_clear(&sample);
        sample.kind = kind;
        if (make_sample(&random, &dataset->facts, fact, true, &sample) &&
            keep(dataset, &sample))
            n--;
    }
    guide_sample_release(&sample);
}

struct guide_dataset *guide_dataset_new(uint64_t seed)
{
    struct guide_dataset *dataset = app_resize(NULL, 1, sizeof *dataset);
    const char *mark;

    *dataset = (struct guide_dataset){.seed = seed};
    guide_facts_make(&dataset->facts);
    for (size_t i = 0; i < dataset->facts.n_facts; i++) {
        const struct guide_fact *fact = &dataset->facts.facts[i];
        for (size_t j = 0; j < fact->n_wordings; j++) {
            if (fact->wordings[j].held_out)
                set_add(&dataset->phrases, hash_text(fact->wordings[j].text));
        }
        hold_out(dataset, GUIDE_SAMPLE_FACT, fact, FACT_ROUNDS, i);
    }
    for (size_t i = 0; (mark = guide_frame_mark(i)) != NULL; i++)
        set_add(&dataset->phrases, hash_text(mark));
    hold_out(dataset, GUIDE_SAMPLE_REFUSAL, NULL, N_REFUSALS, UINT64_MAX);
    hold_out(dataset, GUIDE_SAMPLE_EXERCISE, NULL, N_EXERCISES, UINT64_MAX - 1);
    hold_out(dataset, GUIDE_SAMPLE_CHAT, NULL, N_CHATS, UINT64_MAX - 2);
    return dataset;
}

void guide_dataset_free(struct guide_dataset **dataset)
{
    if (*dataset == NULL)
        return;
    for (size_t i = 0; i < (*dataset)->n_held_out; i++)
        guide_sample_release(&(*dataset)->held_out[i]);
    free((*dataset)->held_out);
    free((*dataset)->phrases.slots);
    free((*dataset)->questions.slots);
    guide_facts_release(&(*dataset)->facts);
    free(*dataset);
    *dataset = NULL;
}

const struct guide_facts *guide_dataset_facts(const struct guide_dataset *dataset)
{
    return &dataset->facts;
}

size_t guide_dataset_held_out_count(const struct guide_dataset *dataset)
{
    return dataset->n_held_out;
}

const struct guide_sample *guide_dataset_held_out(const struct guide_dataset *dataset, size_t i)
{
    return &dataset->held_out[i];
}

/* Training ------------------------------------------------------------------------------- */

static const char *const systems[] = {
    "You are a helpful assistant.",
    "You are guide.",
    "Answer briefly.",
    "Be polite.",
    "You help with banter.",
    "Answer in one sentence.",
    "You are a friendly chat model.",
    "Be short and clear.",
    "You are the built-in model of banter.",
    "Help the user.",
};

/* Shares in percent; what is left are facts. */
static enum guide_sample_kind pick_kind(struct guide_random *random)
{
    size_t share = guide_below(random, 100);

    return share < 16   ? GUIDE_SAMPLE_REFUSAL
           : share < 20 ? GUIDE_SAMPLE_TALK
           : share < 29 ? GUIDE_SAMPLE_EXERCISE
           : share < 38 ? GUIDE_SAMPLE_CHAT
                        : GUIDE_SAMPLE_FACT;
}

static bool is_clean(const struct guide_dataset *dataset, const struct guide_sample *sample)
{
    struct text_buffer text = {0};
    bool clean = true;

    for (size_t i = 0; i < sample->n_turns && clean; i++)
        clean = !guide_dataset_is_held_out(dataset, text_string(&sample->turns[i].question));
    hash_conversation(sample, &text);
    clean = clean && !set_has(&dataset->questions, hash_text(text_string(&text)));
    text_release(&text);
    return clean;
}

void guide_dataset_train(struct guide_dataset *dataset, uint64_t i, struct guide_sample *sample)
{
    struct guide_random random = guide_stream(dataset->seed, i);
    enum guide_sample_kind kind = pick_kind(&random);
    const struct guide_fact *fact = guide_fact_pick(&random, &dataset->facts);
    bool think = guide_chance(&random, 8), has_system = guide_chance(&random, 3);
    size_t system = guide_below(&random, sizeof systems / sizeof *systems);

    size_t tries = 0;
    do {
        guide_sample_clear(sample);
        sample->kind = kind;
        if (++tries % TRIES == 0)
            fact = guide_fact_pick(&random, &dataset->facts);
    } while (!make_sample(&random, &dataset->facts, fact, false, sample) ||
             !is_clean(dataset, sample));
    sample->think = think;
    sample->system = has_system ? systems[system] : NULL;
}

void guide_dataset_boundary(struct guide_dataset *dataset, uint64_t i,
                            struct guide_sample *sample)
{
    struct guide_random random = guide_stream(dataset->seed ^ 0x626f7264, i);

    do {
        guide_sample_clear(sample);
        sample->kind = GUIDE_SAMPLE_REFUSAL;
        sample->n_turns = 1;
    } while (!guide_boundary_turn(&random, &dataset->facts, &sample->turns[0]) ||
             !is_clean(dataset, sample));
}

/* Writing -------------------------------------------------------------------------------- */

static void add_string(struct text_buffer *out, const char *text)
{
    text_add(out, "\"");
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\')
            text_printf(out, "\\%c", *text);
        else if (*text == '\n')
            text_add(out, "\\n");
        else if ((unsigned char)*text < ' ')
            text_printf(out, "\\u%04x", (unsigned)(unsigned char)*text);
        else
            text_append(out, text, 1);
    }
    text_add(out, "\"");
}

static void add_message(struct text_buffer *out, const char *role, const char *content,
                        const char *thinking)
{
    text_printf(out, "{\"role\":\"%s\",\"content\":", role);
    add_string(out, content);
    if (thinking != NULL) {
        text_add(out, ",\"thinking\":");
        add_string(out, thinking);
    }
    text_add(out, "}");
}

static void add_expect(struct text_buffer *out, const char *expect)
{
    text_add(out, ",\"expect\":[");
    while (*expect != '\0') {
        size_t n = strcspn(expect, "\n");
        char *one = app_copy(expect, n);
        add_string(out, one);
        free(one);
        expect += n;
        if (*expect == '\n' && *++expect != '\0')
            text_add(out, ",");
    }
    text_add(out, "]");
}

static void add_grade(struct text_buffer *out, const struct guide_sample *sample)
{
    const struct guide_turn *last = &sample->turns[sample->n_turns - 1];

    text_add(out, ",\"grade\":{\"kind\":");
    if (sample->kind == GUIDE_SAMPLE_EXERCISE) {
        text_add(out, "\"exercise\",\"answer\":");
        add_string(out, text_string(&last->answer));
    } else if (sample->kind == GUIDE_SAMPLE_CHAT || sample->kind == GUIDE_SAMPLE_TALK) {
        text_add(out, "\"chat\"");
    } else {
        text_add(out, sample->kind == GUIDE_SAMPLE_REFUSAL ? "\"refusal\"" : "\"fact\"");
        add_expect(out, text_string(&last->expect));
    }
    text_add(out, "}");
}

void guide_sample_write(const struct guide_sample *sample, bool graded, struct text_buffer *out)
{
    text_add(out, "{\"messages\":[");
    if (sample->system != NULL) {
        add_message(out, "system", sample->system, NULL);
        text_add(out, ",");
    }
    for (size_t i = 0; i < sample->n_turns; i++) {
        const struct guide_turn *turn = &sample->turns[i];
        bool thinks = sample->think && i + 1 == sample->n_turns;
        add_message(out, "user", text_string(&turn->question), NULL);
        text_add(out, ",");
        add_message(out, "assistant", text_string(&turn->answer),
                    thinks ? text_string(&turn->about) : NULL);
        text_add(out, i + 1 < sample->n_turns ? "," : "]");
    }
    text_printf(out, ",\"think\":%s", sample->think ? "true" : "false");
    if (graded)
        add_grade(out, sample);
    text_add(out, "}\n");
}
