/*
 * compare_text.c - test: verdict and table of two answers
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "app/compare_text.h"

static void assert_verdict(const struct compare_verdict *verdict, const char *words)
{
    struct text_buffer text = {0};

    compare_verdict_text(verdict, &text);
    assert_string_equal(text_string(&text), words);
    text_release(&text);
}

static void verdicts(void **state)
{
    (void)state;
    struct compare_verdict verdict = {.margin = NAN};

    assert_verdict(&verdict, "");
    verdict.known = verdict.identical = true;
    verdict.n_compared = verdict.n_tokens[0] = verdict.n_tokens[1] = 312;
    assert_verdict(&verdict, "identical: 312/312 tokens");
    /* One was stopped earlier: what could be compared is said. */
    verdict.n_compared = verdict.n_tokens[1] = 100;
    assert_verdict(&verdict, "identical: 100/312 tokens");
    verdict.identical = false;
    verdict.first_difference = 56;
    assert_verdict(&verdict, "first difference at token 57");
    verdict.margin = 0.031f;
    assert_verdict(&verdict, "first difference at token 57 (margin 0.031)");
    verdict.tokens[0] = " the";
    verdict.tokens[1] = " a";
    assert_verdict(&verdict,
                   "first difference at token 57 (A \" the\", B \" a\", margin 0.031)");
    verdict.margin = NAN;
    assert_verdict(&verdict, "first difference at token 57 (A \" the\", B \" a\")");
}

static void assert_row(const char *text, const char *row)
{
    const char *found = strstr(text, row);

    if (found == NULL || (found != text && found[-1] != '\n'))
        fail_msg("no line \"%s\" in\n%s", row, text);
}

static struct policy_statistics drafted(void)
{
    return (struct policy_statistics){
        .proposed = 301, .verified = 300, .accepted = 213, .passes = 100, .pass_tokens = 320};
}

static void one_round(void **state)
{
    (void)state;
    struct policy_statistics none = {0}, some = drafted();
    const struct compare_figures figures[2] = {
        {.name = "greedy",
         .n_rounds = 1,
         .rates = {10},
         .seconds = {33.2},
         .speculation = &none},
        {.name = "ngram",
         .n_rounds = 1,
         .rates = {14.2},
         .seconds = {23.9},
         .speculation = &some},
    };
    struct text_buffer text = {0};

    compare_table_text(figures, true, 80, &text);
    assert_row(text_string(&text), "              A greedy         B ngram          B/A");
    assert_row(text_string(&text), "decode t/s    10.00            14.20            x1.42");
    assert_row(text_string(&text), "wall s        33.20            23.90            x0.72");
    assert_row(text_string(&text), "drafted/acc   -                301/213 (71%)");
    assert_row(text_string(&text), "mean length   -                3.20");
    text_clear(&text);
    /* Without policies nothing is said of drafts; and a small screen is not overrun. */
    compare_table_text(figures, false, 40, &text);
    assert_null(strstr(text_string(&text), "drafted"));
    for (const char *at = text_string(&text); *at != '\0';) {
        size_t length = strcspn(at, "\n");
        assert_true(length <= 40);
        at += length + (at[length] == '\n');
    }
    text_release(&text);
}

static void spread_over_rounds(void **state)
{
    (void)state;
    struct policy_statistics none = {0};
    /* The second side lacks its last round; a rate of 0 is none. */
    const struct compare_figures figures[2] = {
        {.name = "a", .n_rounds = 3, .rates = {10, 11, 12}, .speculation = &none},
        {.name = "b", .n_rounds = 2, .rates = {20, 11}, .speculation = &none},
    };
    const struct compare_figures fast[2] = {
        {.name = "a",
         .n_rounds = 1,
         .rates = {2770.63},
         .seconds = {0.00361},
         .speculation = &none},
        {.name = "b",
         .n_rounds = 1,
         .rates = {3042.41},
         .seconds = {0.00329},
         .speculation = &none},
    };
    struct text_buffer text = {0};

    compare_table_text(figures, true, 80, &text);
    assert_row(text_string(&text),
               "decode t/s    11.00 +-1.00     15.50 +-4.50     x1.50 +-0.50");
    assert_row(text_string(&text), "wall s        -                -                -");
    text_clear(&text);
    compare_table_text(fast, true, 80, &text);
    assert_row(text_string(&text), "decode t/s    2770.6           3042.4           x1.10");
    assert_row(text_string(&text), "wall s        0.0036           0.0033           x0.91");
    text_release(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(one_round),
        cmocka_unit_test(spread_over_rounds),
    };

    return cmocka_run_group_tests_name("compare_text", tests, NULL, NULL);
}
