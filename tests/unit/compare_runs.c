/*
 * compare_runs.c - what two answers are said to be, also when they are not what they must be
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/compare_report.h"
#include "tests/unit/model_fixture.h"

static void the_first_difference(void **state)
{
    const int32_t a[] = {5, 6, 7}, b[] = {5, 9, 7};
    struct first_difference difference = difference_of(a, 3, a, 3);

    (void)state;
    assert_true(difference.identical);
    assert_int_equal(difference.at, 3);
    difference = difference_of(a, 3, b, 3);
    assert_false(difference.identical);
    assert_int_equal(difference.at, 1);
    assert_int_equal(difference.ids[SIDE_A], 6);
    assert_int_equal(difference.ids[SIDE_B], 9);
    difference = difference_of(a, 2, a, 3);
    assert_false(difference.identical);
    assert_int_equal(difference.at, 2);
    assert_int_equal(difference.ids[SIDE_A], -1);
    assert_int_equal(difference.ids[SIDE_B], 7);
    assert_true(difference_of(a, 0, b, 0).identical);
}

/* The margin is that of the logits behind the equal tokens. */
static void margin_of_a_difference(void **state)
{
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    struct session *session = open_session(model, &(struct session_options){.n_context = 64});
    const uint32_t n_vocab = vocabulary_of(model);
    const int32_t tokens[] = {3, 1, 4, 1, 5, 9};
    float *logits = all_logits(session, n_vocab, tokens, 6);
    const float *row = logits + (size_t)5 * n_vocab; /* behind all six */
    struct first_difference difference = {.at = 2, .ids = {11, 7}};
    struct answer_start start;
    struct error error = {0};

    (void)state;
    /* The prompt is the first four, the answers agree in the next two. */
    check(answer_start_read(&start, session, NULL, tokens, 4, NULL, &error), &error);
    check(difference_weigh(&difference, &start, model, tokens + 4, &error), &error);
    assert_true(difference.has_margin);
    assert_true(difference.margin >= (double)row[11] - (double)row[7] &&
                difference.margin <= (double)row[11] - (double)row[7]);
    difference = (struct first_difference){.at = 2, .ids = {11, -1}};
    check(difference_weigh(&difference, &start, model, tokens + 4, &error), &error);
    assert_false(difference.has_margin);
    answer_start_release(&start);
    free(logits);
    session_free(&session);
    model_close(&model);
}

static void statistics_add_up(void **state)
{
    struct policy_statistics before = {.emitted = 10, .verified = 4, .draft_seconds = 1};
    struct policy_statistics after = {.emitted = 25, .verified = 9, .draft_seconds = 3};
    struct policy_statistics sum = {.emitted = 100};
    struct policy_statistics since;

    (void)state;
    before.lengths[3] = 1;
    before.by_source[POLICY_SOURCE_NGRAM].accepted = 2;
    before.position_accepted[0] = 1;
    after.lengths[3] = 4;
    after.by_source[POLICY_SOURCE_NGRAM].accepted = 7;
    after.position_accepted[0] = 2;
    after.plain_step = 0.5;
    since = policy_statistics_since(&after, &before);
    assert_int_equal(since.emitted, 15);
    assert_int_equal(since.verified, 5);
    assert_int_equal(since.lengths[3], 3);
    assert_int_equal(since.by_source[POLICY_SOURCE_NGRAM].accepted, 5);
    assert_int_equal(since.position_accepted[0], 1);
    assert_true(since.draft_seconds >= 2 && since.draft_seconds <= 2);
    policy_statistics_add(&sum, &since);
    policy_statistics_add(&sum, &since);
    assert_int_equal(sum.emitted, 130);
    assert_int_equal(sum.lengths[3], 6);
    assert_true(sum.plain_step >= 0.5 && sum.plain_step <= 0.5);
}

/* What nothing real shows: answers that differ. */
static void a_difference_is_reported(void **state)
{
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    const struct sampling_choice sampling = {0};
    struct prompt asked = {.label = (char[]){"hi\x1b[31m"}, .n_ids = 3};
    struct compared_prompt prompt = {
        .prompt = &asked,
        .n_tokens = 9,
        .n_rounds = 2,
        .rate = {10, 15},
        .ratio = 1.5,
        .difference = {.at = 4, .ids = {40, -1}, .has_margin = true, .margin = 0.25},
    };
    const struct comparison comparison = {.prompts = &prompt,
                                          .n_prompts = 1,
                                          .n_rounds = 2,
                                          .n_compared = 1,
                                          .n_identical = 1,
                                          .n_answers = 2};
    const struct comparison_subject subject = {.model = model,
                                               .names = {"greedy", "ngram"},
                                               .kinds = {POLICY_GREEDY, POLICY_NGRAM},
                                               .sampling = &sampling,
                                               .n_threads = 1};
    json_t *object = comparison_json(&comparison, &subject);
    const json_t *row = json_array_get(json_object_get(object, "prompts"), 0);
    const json_t *difference = json_object_get(row, "difference");
    char text[4096] = "";
    FILE *file = tmpfile();
    struct output output;

    (void)state;
    assert_true(json_is_false(json_object_get(object, "identical")));
    assert_int_equal(json_integer_value(json_object_get(object, "identical_answers")), 1);
    assert_true(json_is_false(json_object_get(row, "identical")));
    assert_int_equal(json_integer_value(json_object_get(difference, "position")), 4);
    assert_int_equal(json_integer_value(json_object_get(difference, "a")), 40);
    assert_true(json_is_null(json_object_get(difference, "b")));
    assert_true(json_is_null(json_object_get(object, "ratio")));
    json_decref(object);
    assert_non_null(file);
    output_init(&output, fileno(file), "a file", false);
    comparison_write_table(&comparison, &subject, &output);
    rewind(file);
    assert_true(fread(text, 1, sizeof text - 1, file) > 100);
    fclose(file);
    assert_non_null(strstr(text, "DIFFERENT behind 4 equal tokens: A 40 \""));
    assert_non_null(strstr(text, "B its end, margin 0.25\n"));
    assert_non_null(strstr(text, "identical: 1 of 2 pairs of answers\n"));
    assert_null(strchr(text, 0x1b));
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_difference),
        cmocka_unit_test(margin_of_a_difference),
        cmocka_unit_test(statistics_add_up),
        cmocka_unit_test(a_difference_is_reported),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
