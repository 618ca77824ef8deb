/*
 * ui_status.c - the status of decode policies: which fields are seen at which width
 */
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <cmocka.h>

#include "ui/spark.h"
#include "ui/status.h"

static char lines[2][STATUS_LINE];

static struct ui_status example(enum ui_phase phase)
{
    struct ui_status status = {.phase = phase,
                               .rate_now = 14.2,
                               .rate_average = 12.9,
                               .first_token = 1.9,
                               .remaining = -1,
                               .n_tokens = 312,
                               .position = 3140,
                               .n_context = 32768,
                               .n_cached = 1812,
                               .n_prompt = 1840,
                               .acceptance = 0.714,
                               .mean_length = 3.18,
                               .speedup = 1.29,
                               .speedup_age = 24};
    strcpy(status.policy, "auto>ngram");
    strcpy(status.policy_state, "GATED");
    strcpy(status.policy_reason, "acceptance 0.12 does not pay");
    return status;
}

static struct spark steady(void)
{
    struct spark spark = {.n_samples = 0};
    for (int i = 0; i < 7; i++)
        spark_note(&spark, i + 1, i * SPARK_MS);
    return spark;
}

/* "-": one line only. */
static void check(const struct ui_status *status, int columns, const char *first,
                  const char *second)
{
    struct spark spark = steady();
    int n_lines = strcmp(second, "-") == 0 ? 1 : 2;
    status_lines(status, &spark, columns, n_lines, true, lines);
    assert_string_equal(lines[0], first);
    if (n_lines > 1)
        assert_string_equal(lines[1], second);
}

static void two_lines_while_it_answers(void **state)
{
    (void)state;
    struct ui_status status = example(UI_PHASE_GENERATING);
    check(&status, 120,
          " auto>ngram GATED  14.2 t/s (avg 12.9) .:-=+*#  acc 71% len 3.2 x1.29 est."
          "                                 ctx 3.1k/32k",
          " answering  acceptance 0.12 does not pay  312 tok  ttft 1.9 s  cache 1,812/1,840"
          "  plain 24 tok ago            Esc stops");
    check(&status, 80,
          " auto>ngram GATED  14.2 t/s .:-=+*#  acc 71% len 3.2 x1.29 est."
          "    ctx 3.1k/32k",
          " answering  acceptance 0.12 does not pay  312 tok  (avg 12.9)         Esc stops");
    check(&status, 70, " auto>ngram GATED  14.2 t/s .:-=+*#  acc 71% x1.29 est.  ctx 3.1k/32k",
          " answering  acceptance 0.12 does not pay  (avg 12.9)        Esc stops");
    check(&status, 60, " auto>ngram  14.2 t/s  acc 71% x1.29 est.      ctx 3.1k/32k",
          " answering  acceptance 0.12 does n..  (avg 12.9)  Esc stops");
}

static void one_line_while_it_answers(void **state)
{
    (void)state;
    struct ui_status status = example(UI_PHASE_GENERATING);
    strcpy(status.policy, "ngram");
    check(&status, 40, " ngram 14.2t/s 71% x1.29      ctx9% Esc", "-");
    check(&status, 20, " ngram 14.2t/s  Esc", "-");
    check(&status, 10, " 14.2t/s", "-");
    check(&status, 60, " ngram GATED 14.2t/s 71% x1.29                    ctx9% Esc", "-");
}

static void at_rest(void **state)
{
    (void)state;
    struct ui_status status = example(UI_PHASE_IDLE);
    strcpy(status.policy_reason, "");
    check(&status, 80,
          " ready  auto>ngram GATED  12.9 t/s .:-=+*#  acc 71% x1.29 est."
          "     ctx 3.1k/32k",
          " 312 tok  ttft 1.9 s  cache 1,812/1,840  plain 24 tok ago                 /help");
    check(&status, 40, " ready ngram 12.9t/s 71% x1.29    ctx9%", "-");
    status.policy[0] = '\0';
    check(&status, 80,
          " ready  12.9 t/s  312 tok  ttft 1.9 s"
          "                              ctx 3.1k/32k",
          " cache 1,812/1,840                        Ctrl-J new line  /help  Ctrl-D leaves");
}

/* What is there at a width is there at every greater one. */
static void fields_go_in_one_order(void **state)
{
    (void)state;
    static const char *const order[] = {"14.2", "ngram", "Esc", "ctx", "71%", "x1.29", "GATED"};
    struct ui_status status = example(UI_PHASE_GENERATING);
    struct spark spark = steady();
    size_t seen = 0;
    for (int columns = 0; columns <= 120; columns++) {
        status_lines(&status, &spark, columns, 1, false, lines);
        size_t n = 0;
        while (n < sizeof order / sizeof order[0] && strstr(lines[0], order[n]) != NULL)
            n++;
        for (size_t i = n; i < sizeof order / sizeof order[0]; i++)
            assert_null(strstr(lines[0], order[i]));
        assert_true(n >= seen);
        seen = n;
        assert_true(ui_text_columns(lines[0], strlen(lines[0])) <= columns);
    }
    assert_int_equal(seen, sizeof order / sizeof order[0]);
}

static void what_is_unknown_is_left_out(void **state)
{
    (void)state;
    struct ui_status status = example(UI_PHASE_GENERATING);
    status.acceptance = -1;
    status.speedup = status.mean_length = 0;
    status.rate_now = status.rate_average = 0;
    strcpy(status.policy, "greedy");
    strcpy(status.policy_state, "PLAIN");
    strcpy(status.policy_reason, "");
    check(&status, 60, " greedy PLAIN                                  ctx 3.1k/32k",
          " answering  312 tok  ttft 1.9 s                   Esc stops");
    status.acceptance = 0;
    status_lines(&status, NULL, 80, 2, true, lines);
    assert_non_null(strstr(lines[0], "acc 0%"));
}

static void hostile_names_are_shown(void **state)
{
    (void)state;
    struct ui_status status = example(UI_PHASE_GENERATING);
    memset(status.policy, '\033', sizeof status.policy);
    memset(status.policy_state, 0xE2, sizeof status.policy_state);
    strcpy(status.policy_reason, "\x9b"
                                 "31m\xE2\x80\xAE x\n\ty");
    status.acceptance = 0.0 / 0.0;
    status.mean_length = status.speedup = 1e300;
    status.speedup_age = UINT32_MAX;
    for (int columns = 0; columns <= 600; columns += 7) {
        for (int n_lines = 1; n_lines <= 2; n_lines++) {
            status_lines(&status, NULL, columns, n_lines, false, lines);
            for (int i = 0; i < n_lines; i++) {
                assert_true(ui_text_columns(lines[i], strlen(lines[i])) <= columns);
                for (const char *c = lines[i]; *c != '\0'; c++)
                    assert_true((unsigned char)*c >= 0x20);
                assert_null(strstr(lines[i], "\xE2\x80\xAE"));
            }
        }
    }
}

static void sparks(void **state)
{
    (void)state;
    struct spark spark = {.n_samples = 0};
    char text[SPARK_BYTES];
    spark_draw(&spark, 5, true, text);
    assert_string_equal(text, "     ");
    assert_true(spark_note(&spark, 8, 5000));
    assert_false(spark_note(&spark, 100, 5999)); /* one a second */
    assert_false(spark_note(&spark, 0, 6000));   /* unknown */
    assert_true(spark_note(&spark, 4, 6100));
    assert_true(spark_note(&spark, 0.01, 7000)); /* the beat is kept */
    spark_draw(&spark, 5, false, text);
    assert_string_equal(text, "  \u2588\u2585\u2581");
    spark_draw(&spark, 2, true, text);
    assert_string_equal(text, "#_");
    assert_true(spark_note(&spark, 1, 60000)); /* after a pause there is one sample, */
    assert_false(spark_note(&spark, 1, 60900));
    assert_int_equal(spark.n_samples, 4);
    for (int i = 0; i < 100; i++) /* and the last half minute is kept */
        spark_note(&spark, i % 2 == 0 ? 1e9 : 1 + i, 61000 + i * 1000);
    assert_int_equal(spark.n_samples, SPARK_SAMPLES);
    for (int columns = -1; columns < 100; columns++)
        spark_draw(&spark, columns, false, text);
    assert_int_equal(strlen(text), SPARK_BYTES - 1);
    assert_string_equal(text + SPARK_BYTES - 4, "\u2588");
    spark_clear(&spark);
    assert_int_equal(spark.n_samples, 0);
}

static void what_is_loaded_is_named_where_no_header_is(void **state)
{
    (void)state;
    struct ui_status status = {.phase = UI_PHASE_LOADING, .fraction = 0.5, .remaining = -1};
    strcpy(status.note, "the draft model");
    status_lines(&status, NULL, 60, 2, true, lines);
    assert_null(strstr(lines[1], "the draft model"));
    status_lines(&status, NULL, 60, 1, true, lines);
    assert_non_null(strstr(lines[0], "the draft model"));
}

static int set_up(void **state)
{
    (void)state;
    return setlocale(LC_ALL, "C.UTF-8") == NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_lines_while_it_answers),
        cmocka_unit_test(one_line_while_it_answers),
        cmocka_unit_test(at_rest),
        cmocka_unit_test(fields_go_in_one_order),
        cmocka_unit_test(what_is_unknown_is_left_out),
        cmocka_unit_test(hostile_names_are_shown),
        cmocka_unit_test(sparks),
        cmocka_unit_test(what_is_loaded_is_named_where_no_header_is),
    };
    return cmocka_run_group_tests_name("ui_status", tests, set_up, NULL);
}
