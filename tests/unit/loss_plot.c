/*
 * loss_plot.c - a curve of any length fits a terminal of any size
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <math.h>

#include "app/loss_plot.h"

/* Columns of a line; every character here is one column wide. */
static size_t columns_of(const char *line, size_t n_bytes)
{
    size_t n = 0;

    for (size_t i = 0; i < n_bytes; i++)
        n += ((unsigned char)line[i] & 0xc0) != 0x80;
    return n;
}

static struct train_point *falling(size_t n)
{
    struct train_point *points = calloc(n + 1, sizeof *points);

    for (size_t i = 0; i < n; i++)
        points[i] =
            (struct train_point){i + 1, 8 / (1 + 0.1f * (float)i), -1, i % 10 == 9 ? 4 : -1};
    return points;
}

static void every_line_fits(void **state)
{
    static const size_t lengths[] = {1, 2, 3, 50, 7000};

    (void)state;
    for (size_t l = 0; l < 5; l++) {
        struct train_point *points = falling(lengths[l]);

        for (unsigned width = 0; width < 200; width += width < 30 ? 1 : 23) {
            for (int ascii = 0; ascii < 2; ascii++) {
                struct loss_plot plot = {points, lengths[l], width, width % 20, ascii};
                struct text_buffer text = {0};
                size_t limit = width < 4 ? 4 : width, n_lines = 0;

                loss_plot_draw(&plot, &text);
                for (const char *line = text_string(&text); *line != '\0'; n_lines++) {
                    size_t n = strcspn(line, "\n");
                    assert_true(columns_of(line, n) <= limit);
                    line += n + 1;
                }
                assert_true(n_lines >= 2 && n_lines <= (width % 20 < 4 ? 4 : width % 20));
                for (size_t i = 0; i < text.n_bytes && ascii; i++)
                    assert_true((unsigned char)text.bytes[i] < 0x80);
                text_release(&text);
            }
        }
        free(points);
    }
}

/* The line falls from the first column of the highest line to the last of the lowest. */
static void it_shows_the_curve(void **state)
{
    struct train_point points[] = {
        {1, 4, -1, -1}, {2, 3, -1, -1}, {3, 2, -1, -1}, {4, 1, -1, 1}};
    const struct loss_plot plot = {points, 4, 21, 6, true};
    struct text_buffer text = {0};

    (void)state;
    loss_plot_draw(&plot, &text);
    assert_string_equal(text_string(&text), "|***                 \n"
                                            "|   *******          \n"
                                            "|          ******    \n"
                                            "|                ***o\n"
                                            "step 1              4\n");
    text_release(&text);
}

static void nothing_and_nonsense(void **state)
{
    struct train_point points[] = {{1, NAN, -1, -1}, {2, INFINITY, -1, -1}, {3, 2, -1, -1}};
    struct loss_plot plot = {points, 0, 40, 10, false};
    struct text_buffer text = {0};

    (void)state;
    loss_plot_draw(&plot, &text);
    assert_int_equal(text.n_bytes, 0);
    plot.n_points = 2;
    loss_plot_draw(&plot, &text);
    assert_int_equal(text.n_bytes, 0);
    plot.n_points = 3;
    loss_plot_draw(&plot, &text);
    assert_true(text.n_bytes > 0);
    text_release(&text);
}

/* A training that diverges: numbers of any size, in lines that fit. */
static void losses_beyond_measure(void **state)
{
    static const float losses[][2] = {{3e38f, 3e38f}, {0, 3.4e38f}, {123456, 123456}, {0, 0}};

    (void)state;
    for (size_t i = 0; i < sizeof losses / sizeof losses[0]; i++) {
        const struct train_point points[] = {{1, losses[i][0], -1, losses[i][1]},
                                             {2, losses[i][1], -1, -1}};
        const struct loss_plot plot = {points, 2, 30, 9, true};
        struct text_buffer text = {0};
        size_t n_stars = 0;

        loss_plot_draw(&plot, &text);
        for (const char *line = text_string(&text); *line != '\0';) {
            size_t n = strcspn(line, "\n");
            assert_true(n <= 30);
            line += n + 1;
        }
        for (const char *at = text_string(&text); *at != '\0'; at++)
            n_stars += *at == '*';
        assert_true(n_stars >= 20);
        text_release(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_line_fits),
        cmocka_unit_test(it_shows_the_curve),
        cmocka_unit_test(nothing_and_nonsense),
        cmocka_unit_test(losses_beyond_measure),
    };
    return cmocka_run_group_tests_name("loss_plot", tests, NULL, NULL);
}
