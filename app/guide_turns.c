/*
 * guide_turns.c - one question about a fact, and conversations of several turns
 */
#include "app/guide_dataset.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/guide_phrases.h"

/* Pairs of facts that are each other's opposite. */
static const char *const opposites[][2] = {
    {"use/think-on", "use/think-off"},
    {"use/system-text", "use/system-off"},
    {"key/Alt-</do", "key/Alt->/do"},
    {"key/Ctrl-A/do", "key/Ctrl-E/do"},
    {"key/Ctrl-K/do", "key/Ctrl-U/do"},
    {"key/Ctrl-R/do", "key/Ctrl-S/do"},
    {"command/set/do", "command/get/do"},
    {"subcommand/tokenize/do", "subcommand/detokenize/do"},
    {"run/config", "run/no-config"},
    {"key/Ctrl-W/do", "key/Ctrl-Y/do"},
};

/* The side of a fact that a follow-up asks for. */
static const char *const sides[GUIDE_FOLLOW_COUNT] = {
    [GUIDE_FOLLOW_DEFAULT] = "default",
    [GUIDE_FOLLOW_FLAG] = "flag",
    [GUIDE_FOLLOW_ENVIRONMENT] = "environment",
    [GUIDE_FOLLOW_RANGE] = "range",
    [GUIDE_FOLLOW_SECTION] = "section",
    [GUIDE_FOLLOW_CHANGE] = "change",
    [GUIDE_FOLLOW_SET] = "set",
    [GUIDE_FOLLOW_IS] = "is",
    [GUIDE_FOLLOW_USAGE] = "usage",
};

const struct guide_fact *guide_fact_pick(struct guide_random *random,
                                         const struct guide_facts *facts)
{
    size_t total = 0, at;

    for (size_t i = 0; i < facts->n_facts; i++)
        total += facts->facts[i].weight;
    at = guide_below(random, total > 0 ? total : 1);
    for (size_t i = 0; i < facts->n_facts; i++) {
        if (at < facts->facts[i].weight)
            return &facts->facts[i];
        at -= facts->facts[i].weight;
    }
    return &facts->facts[0];
}

static const struct guide_wording *pick_wording(struct guide_random *random,
                                                const struct guide_fact *fact, bool held_out)
{
    size_t n = 0;

    for (size_t i = 0; i < fact->n_wordings; i++)
        n += fact->wordings[i].held_out == held_out;
    if (n == 0)
        return NULL;
    n = guide_below(random, n);
    for (size_t i = 0; i < fact->n_wordings; i++) {
        if (fact->wordings[i].held_out == held_out && n-- == 0)
            return &fact->wordings[i];
    }
    return NULL;
}

bool guide_fact_turn(struct guide_random *random, const struct guide_fact *fact, bool held_out,
                     struct guide_turn *turn)
{
    bool other_frame = held_out && guide_chance(random, 60);
    const struct guide_wording *wording =
        pick_wording(random, fact, held_out && (!other_frame || guide_chance(random, 30)));
    struct text_buffer question = {0};
    size_t frame;

    if (held_out && wording == NULL) {
        wording = pick_wording(random, fact, false);
        other_frame = true;
    }
    if (wording == NULL)
        return false;
    frame = guide_frame_pick(random, wording->kinds, other_frame);
    if (frame == guide_frame_count())
        return false;
    guide_frame_fill(&question, frame, wording->text);
    guide_decorate(random, text_string(&question), true, !held_out, &turn->question);
    text_add(&turn->answer, fact->answer);
    text_printf(&turn->about, "They ask about %s.", fact->about);
    text_add(&turn->expect, fact->expect);
    text_release(&question);
    return true;
}

/* The same thing, another side of it: "option/top_k/set" and "default". */
static const struct guide_fact *other_side(const struct guide_facts *facts,
                                           const struct guide_fact *fact, const char *side)
{
    const char *slash = strrchr(fact->id, '/');
    char id[160];

    snprintf(id, sizeof id, "%.*s/%s", (int)(slash - fact->id), fact->id, side);
    size_t i = guide_fact_find(facts, id);
    return i < facts->n_facts ? &facts->facts[i] : NULL;
}

static const struct guide_fact *opposite_of(const struct guide_facts *facts,
                                            const struct guide_fact *fact)
{
    for (size_t i = 0; i < sizeof opposites / sizeof *opposites; i++) {
        for (size_t j = 0; j < 2; j++) {
            size_t other = guide_fact_find(facts, opposites[i][1 - j]);
            if (strcmp(fact->id, opposites[i][j]) == 0 && other < facts->n_facts)
                return &facts->facts[other];
        }
    }
    return NULL;
}

/* Any fact that has such a follow-up. */
static const struct guide_fact *start_of(struct guide_random *random,
                                         const struct guide_facts *facts,
                                         enum guide_follow follow)
{
    if (follow == GUIDE_FOLLOW_OPPOSITE) {
        const char *id = opposites[guide_below(random, sizeof opposites / sizeof *opposites)]
                                  [guide_below(random, 2)];
        size_t i = guide_fact_find(facts, id);
        return i < facts->n_facts ? &facts->facts[i] : NULL;
    }
    return guide_fact_pick(random, facts);
}

static bool follow_turn(struct guide_random *random, const struct guide_facts *facts,
                        bool held_out, struct guide_sample *sample)
{
    enum guide_follow follow = (enum guide_follow)guide_below(random, GUIDE_FOLLOW_COUNT);
    const struct guide_fact *fact = start_of(random, facts, follow), *next;
    bool other_follow = held_out && guide_chance(random, 50);

    if (fact == NULL)
        return false;
    next = follow == GUIDE_FOLLOW_AGAIN      ? fact
           : follow == GUIDE_FOLLOW_OPPOSITE ? opposite_of(facts, fact)
                                             : other_side(facts, fact, sides[follow]);
    if (next == NULL || (next == fact && follow != GUIDE_FOLLOW_AGAIN))
        return false;
    const char *text = guide_follow_pick(random, follow, other_follow);
    if (text == NULL)
        return false;
    struct guide_turn *first = &sample->turns[sample->n_turns];
    struct guide_turn *second = first + 1;
    if (!guide_fact_turn(random, fact, held_out && !other_follow, first))
        return false;
    guide_decorate(random, text, false, !held_out, &second->question);
    text_add(&second->answer, next->answer);
    text_printf(&second->about, "They go on about %s.", next->about);
    text_add(&second->expect, next->expect);
    sample->n_turns += 2;
    return true;
}

/* A turn of any sort, without a link to those before it. */
static bool free_turn(struct guide_random *random, const struct guide_facts *facts,
                      bool held_out, struct guide_sample *sample)
{
    struct guide_turn *turn = &sample->turns[sample->n_turns];
    size_t choice = guide_below(random, 100);
    bool made = choice < 55
                    ? guide_fact_turn(random, guide_fact_pick(random, facts), held_out, turn)
                : choice < 75 ? guide_talk_turn(random, turn)
                : choice < 90 ? guide_refusal_turn(random, held_out, turn)
                              : guide_exercise_turn(random, held_out, turn);

    sample->n_turns++;
    return made;
}

bool guide_chat_turns(struct guide_random *random, const struct guide_facts *facts,
                      bool held_out, struct guide_sample *sample)
{
    bool ends_with_follow = guide_chance(random, 60);

    if (guide_chance(random, ends_with_follow ? 30 : 40) &&
        !free_turn(random, facts, held_out, sample))
        return false;
    if (ends_with_follow)
        return follow_turn(random, facts, held_out, sample);
    return free_turn(random, facts, held_out, sample) &&
           free_turn(random, facts, held_out, sample);
}
