/*
 * guide_dataset.h - samples that the model in the box learns from, and those that grade it
 *
 * Everything is a function of the tables, the texts and the seed.
 *
 * Thread: one at a time.
 */
#ifndef APP_GUIDE_DATASET_H
#define APP_GUIDE_DATASET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "app/guide_facts.h"
#include "app/guide_random.h"
#include "app/text_buffer.h"

/* A question with its answer. */
struct guide_turn {
    struct text_buffer question, answer;
    struct text_buffer about;  /* what it is about, for a thought */
    struct text_buffer expect; /* what a right answer contains, by newlines; may be empty */
};

enum guide_sample_kind {
    GUIDE_SAMPLE_FACT,
    GUIDE_SAMPLE_REFUSAL,
    GUIDE_SAMPLE_TALK,
    GUIDE_SAMPLE_EXERCISE,
    GUIDE_SAMPLE_CHAT, /* several turns */
    GUIDE_SAMPLE_KIND_COUNT
};

enum { GUIDE_TURNS_MAX = 4 };

struct guide_sample {
    enum guide_sample_kind kind;
    const char *system; /* NULL: none */
    bool think;
    struct guide_turn turns[GUIDE_TURNS_MAX]; /* the last answer is the one to learn */
    size_t n_turns;
};

/* Empty it, keep the memory. */
void guide_sample_clear(struct guide_sample *sample);
void guide_sample_release(struct guide_sample *sample);

/*
 * One turn, of training or held out.  false: this choice has nothing of the wanted half; choose
 * again.
 */
bool guide_fact_turn(struct guide_random *random, const struct guide_fact *fact, bool held_out,
                     struct guide_turn *turn);
bool guide_refusal_turn(struct guide_random *random, bool held_out, struct guide_turn *turn);
/* What lies outside and what lies just inside, composed (guide_boundary.c); of training alone. */
bool guide_boundary_turn(struct guide_random *random, const struct guide_facts *facts,
                         struct guide_turn *turn);
bool guide_talk_turn(struct guide_random *random, struct guide_turn *turn);
/* An exercise is held out by the hash of its question. */
bool guide_exercise_turn(struct guide_random *random, bool held_out, struct guide_turn *turn);
/* Several turns, of which the last one needs those before it, or does not. */
bool guide_chat_turns(struct guide_random *random, const struct guide_facts *facts,
                      bool held_out, struct guide_sample *sample);
/* For those that write refusals. */
enum guide_refusal { GUIDE_REFUSE_WORLD, GUIDE_REFUSE_TASK, GUIDE_REFUSE_UNKNOWN };
/* A topic in a frame of training, and the refusal that answers it. */
void guide_refusal_ask(struct guide_random *random, unsigned kinds, const char *topic,
                       enum guide_refusal refusal, struct guide_turn *turn);
/* Do these words stand in a held-out topic? */
bool guide_refusal_holds_out(const char *words);
/* Is it a command, option or subcommand after all? */
bool guide_refusal_knows(const char *name);
/*
 * A name that nobody ever heard: the boundary must not hang on the words of a list.  Held out are
 * those whose hash says so.  is_proper: with a capital letter.
 */
void guide_unheard_name(struct guide_random *random, bool held_out, bool is_proper, char *name,
                        size_t room);
/* A fact by weight. */
const struct guide_fact *guide_fact_pick(struct guide_random *random,
                                         const struct guide_facts *facts);

/* What is held out, made once and asked for each sample of training. */
struct guide_dataset;
struct guide_dataset *guide_dataset_new(uint64_t seed);
void guide_dataset_free(struct guide_dataset **dataset);
const struct guide_facts *guide_dataset_facts(const struct guide_dataset *dataset);
size_t guide_dataset_held_out_count(const struct guide_dataset *dataset);
/* Borrowed until the data set is freed. */
const struct guide_sample *guide_dataset_held_out(const struct guide_dataset *dataset,
                                                  size_t i);
/* Sample number i of training; the same for the same seed and i. */
void guide_dataset_train(struct guide_dataset *dataset, uint64_t i,
                         struct guide_sample *sample);
/* Sample number i of the boundary, mostly refusals: for the end of a training. */
void guide_dataset_boundary(struct guide_dataset *dataset, uint64_t i,
                            struct guide_sample *sample);
/* Does this text hold what is held out: a question, a wording or the mark of a frame? */
bool guide_dataset_is_held_out(const struct guide_dataset *dataset, const char *text);
/* One line of JSON, with its newline; graded: with what a right answer is. */
void guide_sample_write(const struct guide_sample *sample, bool graded,
                        struct text_buffer *out);

#endif
