/*
 * guide_facts.c - the list of facts (guide_facts.h), and which wordings are held out
 *
 * The rule: of a fact with four wordings or more one in seven is held out, at least one; those
 * whose text has the smallest hash, as far as they do not stand inside another wording that is
 * trained on.  A text that is held out for one fact is held out for all.
 */
#include "app/guide_facts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/guide_phrases.h"
#include "app/guide_random.h"
#include "app/text_buffer.h"

enum { FEWEST_TO_SPLIT = 4, ONE_IN = 7, EXPANSION_LENGTH = 200 };

static char *copy(const char *text)
{
    return app_copy(text, strlen(text));
}

struct guide_fact *guide_fact_add(struct guide_facts *facts, const char *id, const char *answer,
                                  const char *expect, const char *about, unsigned weight)
{
    if (facts->n_facts == facts->room) {
        facts->room = facts->room * 2 + 64;
        facts->facts = app_resize(facts->facts, facts->room, sizeof *facts->facts);
    }
    struct guide_fact *fact = &facts->facts[facts->n_facts++];
    *fact = (struct guide_fact){.id = copy(id),
                                .answer = copy(answer),
                                .expect = copy(expect),
                                .about = copy(about),
                                .weight = weight};
    return fact;
}

struct asking {
    struct guide_fact *fact;
    unsigned kinds;
};

static void take_wording(void *taker, const char *text)
{
    struct asking *asking = taker;
    struct guide_fact *fact = asking->fact;
    bool is_whole = text[0] == '?';

    text += is_whole;
    for (size_t i = 0; i < fact->n_wordings; i++) {
        if (strcmp(fact->wordings[i].text, text) == 0)
            return;
    }
    fact->wordings = app_resize(fact->wordings, fact->n_wordings + 1, sizeof *fact->wordings);
    fact->wordings[fact->n_wordings++] = (struct guide_wording){
        .text = copy(text), .kinds = is_whole ? GUIDE_WHOLE : asking->kinds};
}

void guide_fact_ask(struct guide_fact *fact, unsigned kinds, const char *patterns)
{
    struct asking asking = {fact, kinds};

    guide_expand(patterns, take_wording, &asking);
}

/* What of a pattern is left to expand, behind what is expanded already. */
static void expand_rest(char *text, size_t used, const char *rest, const char *end,
                        void (*take)(void *taker, const char *text), void *taker)
{
    while (rest < end && *rest != '(' && used + 1 < EXPANSION_LENGTH)
        text[used++] = *rest++;
    if (rest >= end || *rest != '(') {
        while (used > 0 && text[used - 1] == ' ')
            used--;
        text[used] = '\0';
        take(taker, text);
        return;
    }
    const char *close = memchr(rest, ')', (size_t)(end - rest));
    const char *part = rest + 1;
    for (;;) {
        size_t n = strcspn(part, "|)");
        size_t now = used;
        if (now + n + 1 < EXPANSION_LENGTH) {
            memcpy(text + now, part, n);
            now += n;
        }
        /* An empty part leaves one blank and not two. */
        const char *next = close + 1;
        if (n == 0 && (now == 0 || text[now - 1] == ' ' || text[now - 1] == '?') &&
            next < end && *next == ' ')
            next++;
        expand_rest(text, now, next, end, take, taker);
        if (part[n] == ')')
            return;
        part += n + 1;
    }
}

void guide_expand(const char *patterns, void (*take)(void *taker, const char *text),
                  void *taker)
{
    char text[EXPANSION_LENGTH + 1];

    while (*patterns != '\0') {
        size_t n = strcspn(patterns, ";");
        if (n > 0)
            expand_rest(text, 0, patterns, patterns + n, take, taker);
        patterns += n;
        patterns += strspn(patterns, "; ");
    }
}

void guide_rows_add(struct guide_facts *facts, const struct guide_row *rows, size_t n_rows)
{
    for (size_t i = 0; i < n_rows; i++) {
        struct guide_fact *fact =
            guide_fact_add(facts, rows[i].id, rows[i].answer, rows[i].expect, rows[i].about,
                           rows[i].weight + 1);
        guide_fact_ask(fact, rows[i].kinds, rows[i].patterns);
    }
}

size_t guide_fact_find(const struct guide_facts *facts, const char *id)
{
    size_t i = 0;

    while (i < facts->n_facts && strcmp(facts->facts[i].id, id) != 0)
        i++;
    return i;
}

/* Holding out ---------------------------------------------------------------------------- */

/* All wordings of all facts as plain words. */
struct wording_view {
    struct guide_wording *wording;
    char *words; /* owned */
    uint64_t hash;
};

static bool may_hold_out(const struct wording_view *views, size_t n_views, size_t candidate)
{
    const char *words = views[candidate].words;

    /* Among the few words of a name none can be spared. */
    if (strchr(words, ' ') == NULL)
        return false;
    for (size_t i = 0; i < n_views; i++) {
        if (i != candidate && !views[i].wording->held_out &&
            strcmp(views[i].words, words) != 0 && guide_words_contain(views[i].words, words))
            return false;
    }
    return !guide_frames_contain(words);
}

static void hold_text_out(struct wording_view *views, size_t n_views, const char *words)
{
    for (size_t i = 0; i < n_views; i++) {
        if (strcmp(views[i].words, words) == 0)
            views[i].wording->held_out = true;
    }
}

/* The wordings views[first ..] of one fact. */
static void split_fact(struct wording_view *views, size_t n_views, size_t first, size_t n)
{
    size_t wanted = n < FEWEST_TO_SPLIT ? 0 : n / ONE_IN > 0 ? n / ONE_IN : 1;
    size_t n_held = 0;
    uint64_t above = 0;

    for (size_t i = first; i < first + n; i++)
        n_held += views[i].wording->held_out;
    while (n_held < wanted) {
        size_t best = n_views;
        for (size_t i = first; i < first + n; i++) {
            if (views[i].hash > above && !views[i].wording->held_out &&
                (best == n_views || views[i].hash < views[best].hash))
                best = i;
        }
        if (best == n_views)
            return;
        above = views[best].hash;
        if (may_hold_out(views, n_views, best)) {
            hold_text_out(views, n_views, views[best].words);
            n_held++;
        }
    }
}

static void split(struct guide_facts *facts)
{
    struct wording_view *views = NULL;
    size_t n_views = 0, at = 0;

    for (size_t i = 0; i < facts->n_facts; i++)
        n_views += facts->facts[i].n_wordings;
    views = app_resize(NULL, n_views + 1, sizeof *views);
    for (size_t i = 0; i < facts->n_facts; i++) {
        for (size_t j = 0; j < facts->facts[i].n_wordings; j++, at++) {
            struct guide_wording *wording = &facts->facts[i].wordings[j];
            views[at] = (struct wording_view){wording, guide_words(wording->text), 0};
            views[at].hash = guide_hash(views[at].words);
        }
    }
    at = 0;
    for (size_t i = 0; i < facts->n_facts; i++) {
        split_fact(views, n_views, at, facts->facts[i].n_wordings);
        at += facts->facts[i].n_wordings;
    }
    for (size_t i = 0; i < n_views; i++)
        free(views[i].words);
    free(views);
}

void guide_facts_make(struct guide_facts *facts)
{
    *facts = (struct guide_facts){0};
    guide_tables_add(facts);
    guide_settings_add(facts);
    guide_manual_add(facts);
    guide_concepts_add(facts);
    split(facts);
}

void guide_facts_release(struct guide_facts *facts)
{
    for (size_t i = 0; i < facts->n_facts; i++) {
        struct guide_fact *fact = &facts->facts[i];
        for (size_t j = 0; j < fact->n_wordings; j++)
            free(fact->wordings[j].text);
        free(fact->wordings);
        free(fact->id);
        free(fact->answer);
        free(fact->expect);
        free(fact->about);
    }
    free(facts->facts);
    *facts = (struct guide_facts){0};
}
