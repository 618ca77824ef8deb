/*
 * guide_data.c - what the built-in model learns: nothing of the tables is missing, every answer
 * holds what it is graded by, and nothing that is held out is trained on
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/commands.h"
#include "app/guide_dataset.h"
#include "app/guide_phrases.h"
#include "app/options.h"
#include "config/config.h"

enum { SAMPLES = 20000 };

static struct guide_dataset *dataset;

static int make(void **state)
{
    (void)state;
    dataset = guide_dataset_new(1);
    return dataset == NULL;
}

static int drop(void **state)
{
    (void)state;
    guide_dataset_free(&dataset);
    return 0;
}

static const struct guide_fact *fact_of(const char *format, const char *name)
{
    const struct guide_facts *facts = guide_dataset_facts(dataset);
    char id[160];

    snprintf(id, sizeof id, "%.*s%s%s", (int)strcspn(format, "%"), format, name,
             strchr(format, '%') + 1);
    size_t i = guide_fact_find(facts, id);
    if (i == facts->n_facts)
        fail_msg("no fact %s", id);
    return &facts->facts[i];
}

static void the_tables_have_their_facts(void **state)
{
    size_t n_commands, n_options;
    const struct command *commands = command_table(&n_commands);
    const struct config_option *options = config_options(&n_options);

    (void)state;
    for (size_t i = 0; i < n_commands; i++) {
        assert_non_null(
            strstr(fact_of("command/%/do", commands[i].name)->answer, commands[i].help));
        fact_of("command/%/is", commands[i].name);
        /* Wordings of its own, and not its help alone. */
        assert_true(fact_of("command/%/do", commands[i].name)->n_wordings > 3);
    }
    for (size_t i = 0; i < n_options; i++) {
        assert_non_null(
            strstr(fact_of("option/%/is", options[i].key)->answer, options[i].help));
        assert_non_null(
            strstr(fact_of("option/%/flag", options[i].key)->answer, options[i].flag));
        assert_string_equal(fact_of("option/%/environment", options[i].key)->expect,
                            options[i].environment);
        assert_true(fact_of("option/%/set", options[i].key)->n_wordings > 7);
    }
    for (const struct subcommand *command = subcommands; command->name != NULL; command++) {
        if (command->name[0] != '\0')
            fact_of("subcommand/%/do", command->name);
    }
}

/* Each name in the first column of /help keys. */
static void every_key_has_a_fact(void **state)
{
    char name[64];
    size_t n_keys = 0;

    (void)state;
    for (const char *line = command_keys(); *line != '\0';) {
        size_t n = strcspn(line, "\n");
        const char *gap = memmem(line, n, "  ", 2);
        for (const char *at = line; gap != NULL && at < gap; n_keys++) {
            size_t length = strcspn(at, ",\n");
            if (at + length > gap)
                length = (size_t)(gap - at);
            snprintf(name, sizeof name, "%.*s", (int)length, at);
            fact_of("key/%/is", name);
            at += length + 2;
        }
        line += n + (line[n] == '\n');
    }
    assert_true(n_keys > 15);
}

static void answers_hold_what_is_expected(void **state)
{
    const struct guide_facts *facts = guide_dataset_facts(dataset);

    (void)state;
    assert_true(facts->n_facts > 300);
    for (size_t i = 0; i < facts->n_facts; i++) {
        const struct guide_fact *fact = &facts->facts[i];
        size_t n_trained = 0;

        assert_true(fact->expect[0] != '\0');
        for (const char *at = fact->expect; *at != '\0';) {
            size_t n = strcspn(at, "\n");
            if (memmem(fact->answer, strlen(fact->answer), at, n) == NULL)
                fail_msg("%s: \"%s\" lacks \"%s\"", fact->id, fact->answer, at);
            at += n + (at[n] == '\n');
        }
        for (size_t j = 0; j < fact->n_wordings; j++)
            n_trained += !fact->wordings[j].held_out;
        if (n_trained == 0)
            fail_msg("%s: all wordings are held out", fact->id);
        for (size_t j = 0; j < i; j++) {
            if (strcmp(facts->facts[j].id, fact->id) == 0)
                fail_msg("%s is there twice", fact->id);
        }
    }
}

/* The same question must not have two answers. */
static void wordings_mean_one_thing(void **state)
{
    const struct guide_facts *facts = guide_dataset_facts(dataset);
    size_t n_twice = 0;

    (void)state;
    for (size_t i = 0; i < facts->n_facts; i++) {
        for (size_t k = 0; k < facts->facts[i].n_wordings; k++) {
            const struct guide_wording *one = &facts->facts[i].wordings[k];
            for (size_t j = 0; j < i; j++) {
                for (size_t l = 0; l < facts->facts[j].n_wordings; l++) {
                    const struct guide_wording *other = &facts->facts[j].wordings[l];
                    if ((one->kinds & other->kinds) == 0 || strcmp(one->text, other->text) != 0)
                        continue;
                    print_error("\"%s\": %s and %s\n", one->text, facts->facts[i].id,
                                facts->facts[j].id);
                    n_twice++;
                }
            }
        }
    }
    assert_int_equal(n_twice, 0);
}

/* Every kind keeps frames to train on and, where it has some, one that is held out. */
static void frames_are_split(void **state)
{
    struct guide_random random = guide_stream(1, 1);

    (void)state;
    for (unsigned kind = 0; kind < GUIDE_KIND_COUNT; kind++) {
        assert_true(guide_frame_pick(&random, 1u << kind, false) < guide_frame_count());
        if (guide_frame_pick(&random, 1u << kind, true) == guide_frame_count())
            fail_msg("kind %u has no held-out frame", kind);
    }
}

static bool has_control_token(const char *text)
{
    return strstr(text, "<|") != NULL || strstr(text, "|>") != NULL ||
           strstr(text, "<think") != NULL || strstr(text, "</think") != NULL;
}

/* By the plain rule, without the tables of hashes that the generator uses. */
static void assert_not_held_out(const char *words)
{
    const struct guide_facts *facts = guide_dataset_facts(dataset);
    const char *mark;

    for (size_t i = 0; (mark = guide_frame_mark(i)) != NULL; i++) {
        if (guide_words_contain(words, mark))
            fail_msg("\"%s\" holds the mark \"%s\"", words, mark);
    }
    for (size_t i = 0; i < facts->n_facts; i++) {
        for (size_t j = 0; j < facts->facts[i].n_wordings; j++) {
            const struct guide_wording *wording = &facts->facts[i].wordings[j];
            if (!wording->held_out)
                continue;
            char *held_out = guide_words(wording->text);
            if (guide_words_contain(words, held_out))
                fail_msg("\"%s\" holds \"%s\"", words, held_out);
            free(held_out);
        }
    }
}

/* The boundary is mostly refusals, all different from what grades them. */
static void boundary_is_outside(void **state)
{
    struct guide_sample sample = {0};
    size_t n_inside = 0;

    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        guide_dataset_boundary(dataset, i, &sample);
        const char *question = text_string(&sample.turns[0].question);
        const char *answer = text_string(&sample.turns[0].answer);
        assert_int_equal(sample.n_turns, 1);
        assert_false(guide_dataset_is_held_out(dataset, question));
        n_inside += !strstr(answer, "small built-in model") && !strstr(answer, "no such thing");
        if (strstr(answer, "no such thing") &&
            (strstr(question, "/film ") || strstr(question, "/quit ")))
            fail_msg("\"%s\" is held out, or there", question);
    }
    guide_sample_release(&sample);
    assert_in_range(n_inside, SAMPLES / 10, SAMPLES / 5);
    assert_true(guide_refusal_holds_out("PowerPoint") && guide_refusal_holds_out("film"));
    assert_false(guide_refusal_holds_out("kayak"));
    assert_true(guide_refusal_knows("/quit") && guide_refusal_knows("--threads") &&
                guide_refusal_knows("banter info"));
    assert_false(guide_refusal_knows("/kayak") || guide_refusal_knows("banter kayak"));
}

static void training_holds_nothing_held_out(void **state)
{
    struct guide_sample sample = {0};
    size_t n_held_out = guide_dataset_held_out_count(dataset);
    size_t n_of_kind[GUIDE_SAMPLE_KIND_COUNT] = {0};

    (void)state;
    assert_true(n_held_out > 1000);
    for (size_t i = 0; i < SAMPLES; i++) {
        guide_dataset_train(dataset, i, &sample);
        n_of_kind[sample.kind]++;
        for (size_t j = 0; j < sample.n_turns; j++) {
            const char *question = text_string(&sample.turns[j].question);
            assert_true(question[0] != '\0' && sample.turns[j].answer.n_bytes > 0);
            assert_false(guide_dataset_is_held_out(dataset, question));
            assert_false(has_control_token(question));
            assert_false(has_control_token(text_string(&sample.turns[j].answer)));
            if (i % 40 == 0) {
                char *words = guide_words(question);
                assert_not_held_out(words);
                free(words);
            }
        }
    }
    for (size_t i = 0; i < GUIDE_SAMPLE_KIND_COUNT; i++)
        assert_true(n_of_kind[i] > SAMPLES / 50);
    assert_true(n_of_kind[GUIDE_SAMPLE_FACT] > SAMPLES / 2);
    /* The guard sees what it has to see. */
    for (size_t i = 0; i < n_held_out; i++) {
        const struct guide_sample *held_out = guide_dataset_held_out(dataset, i);
        if (held_out->n_turns == 1)
            assert_true(
                guide_dataset_is_held_out(dataset, text_string(&held_out->turns[0].question)));
    }
    guide_sample_release(&sample);
}

static void the_same_seed_gives_the_same_samples(void **state)
{
    struct guide_dataset *again = guide_dataset_new(1), *other = guide_dataset_new(2);
    struct guide_sample samples[3] = {0};
    struct text_buffer texts[3] = {0};

    (void)state;
    /* In another order: a sample depends on its number alone. */
    for (size_t i = 0; i < 300; i++) {
        guide_dataset_train(dataset, i, &samples[0]);
        guide_dataset_train(other, i, &samples[2]);
        guide_sample_write(&samples[0], false, &texts[0]);
        guide_sample_write(&samples[2], false, &texts[2]);
    }
    for (size_t i = 300; i-- > 0;) {
        struct text_buffer one = {0};
        guide_dataset_train(again, i, &samples[1]);
        guide_sample_write(&samples[1], false, &one);
        text_append(&one, text_string(&texts[1]), texts[1].n_bytes);
        text_release(&texts[1]);
        texts[1] = one;
    }
    assert_string_equal(text_string(&texts[0]), text_string(&texts[1]));
    assert_string_not_equal(text_string(&texts[0]), text_string(&texts[2]));
    for (size_t i = 0; i < 3; i++) {
        guide_sample_release(&samples[i]);
        text_release(&texts[i]);
    }
    guide_dataset_free(&again);
    guide_dataset_free(&other);
}

static void take(void *taker, const char *text)
{
    text_printf(taker, "[%s]", text);
}

static void patterns_expand(void **state)
{
    struct text_buffer out = {0};

    (void)state;
    guide_expand("go (up|down); stop (the|) answer; (a|b)(c|d); plain", take, &out);
    assert_string_equal(
        text_string(&out),
        "[go up][go down][stop the answer][stop answer][ac][ad][bc][bd][plain]");
    text_release(&out);
    char *words = guide_words("How do I, in `banter`, set --top-k (of top_k)?  Don't...");
    assert_string_equal(words, "how do i in banter set --top-k of top_k dont");
    assert_true(guide_words_contain(words, "set --top-k"));
    assert_false(guide_words_contain(words, "set --top"));
    free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_expand),
        cmocka_unit_test(the_tables_have_their_facts),
        cmocka_unit_test(every_key_has_a_fact),
        cmocka_unit_test(answers_hold_what_is_expected),
        cmocka_unit_test(wordings_mean_one_thing),
        cmocka_unit_test(frames_are_split),
        cmocka_unit_test(boundary_is_outside),
        cmocka_unit_test(training_holds_nothing_held_out),
        cmocka_unit_test(the_same_seed_gives_the_same_samples),
    };

    return cmocka_run_group_tests(tests, make, drop);
}
