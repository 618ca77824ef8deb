/*
 * bench_parts.c - what `banter bench` stands on: limits, other programs, the load of others, shares
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "app/bench_figures.h"
#include "app/child_process.h"
#include "app/load_watch.h"
#include "engine/machine.h"
#include "engine/measure.h"
#include "tests/unit/model_fixture.h"

static void every_level_has_limits(void **state)
{
    (void)state;
    for (int level = 0; level < KERNEL_LEVEL_COUNT; level++) {
        const struct machine_options options = {.level = (enum kernel_level)level,
                                                .n_threads = 2,
                                                .small_pages = level % 2 == 1,
                                                .buffer_bytes = (uint64_t)20 << 20};
        struct machine *machine = NULL;
        struct error error = {0};

        if (!kernel_level_supported((enum kernel_level)level))
            continue;
        check(machine_new(&machine, &options, &error), &error);
        assert_int_equal(machine_thread_count(machine), 2);
        assert_int_equal(machine_buffer_bytes(machine), 20 << 20);
        assert_true(machine_huge_bytes(machine) <= machine_buffer_bytes(machine));
        if (options.small_pages)
            assert_int_equal(machine_huge_bytes(machine), 0);
        for (int n = 0; n <= 3; n++) { /* what is out of range is brought into it */
            assert_true(machine_read(machine, n) > 1e7);
            assert_true(machine_int8(machine, n) > 1e7);
            assert_true(machine_f32(machine, n) > 1e5);
        }
        const struct machine_moment moment = machine_moment(machine);
        assert_true(moment.read > 1e7 && moment.int8 > 1e7);
        machine_free(&machine);
        assert_null(machine);
    }
}

static void the_cost_of_a_pass_is_that_of_its_matrices(void **state)
{
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    const struct model_info *info = model_info(model);

    (void)state;
    assert_int_equal(info->head_operations, 2 * (uint64_t)info->n_vocab * info->n_embd);
    assert_true(info->trunk_operations > 0 && info->trunk_operations < 2 * info->n_parameters);
    /* A byte and a sixteenth for a weight, however it is packed; all of it lies there. */
    const uint64_t weights = (info->trunk_operations + info->head_operations) / 2;
    assert_true(info->trunk_bytes + info->head_bytes >= weights + weights / 16);
    assert_true(info->trunk_bytes + info->head_bytes <= info->packed_bytes);
    model_close(&model);
}

static void a_depth_is_there_without_being_read(void **state)
{
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    const struct session_options options = {.n_threads = 1, .n_context = 300};
    const struct sampling greedy = {.top_p = 1, .repetition_penalty = 1};
    const int32_t token = 5;
    const size_t n_vocab = model_info(model)->n_vocab;
    float *logits = malloc(n_vocab * sizeof *logits);
    struct session *session = NULL;
    struct error error = {0};

    (void)state;
    check(session_new(&session, model, &options, &error), &error);
    check(measure_depth(session, 299, &error), &error);
    assert_int_equal(session_position(session), 299);
    check(session_eval(session, &token, 1, 1, logits, NULL, &error), &error);
    for (size_t i = 0; i < n_vocab; i++)
        assert_true(isfinite(logits[i]));
    assert_int_equal(measure_depth(session, 301, &error), STATUS_CONTEXT_FULL);
    assert_true(measure_sampler(session, &greedy, logits, 3) > 0);
    free(logits);
    session_free(&session);
    model_close(&model);
}

static void the_share_is_of_the_limit_that_holds(void **state)
{
    const struct machine_moment slow = {.read = 1e9, .int8 = 1e12};
    const struct machine_moment fast = {.read = 3e9, .int8 = 1e12};
    struct figures figures = {0};
    struct figure *bytes = figures_add(&figures, "part", NULL, "%d bytes", 3);

    (void)state;
    bytes->bytes = 3e6; /* 2 ms at 1.5e9, which is what both moments have together */
    bytes->operations = 1e9;
    figure_take(bytes, 4e-3, &slow, &fast);
    assert_string_equal(figure_limit_name(bytes), "read");
    assert_true(fabs(bytes->share.values[0] - 0.5) < 1e-9);
    assert_true(fabs(figure_value(bytes) - 4e-3) < 1e-12);
    bytes->operations = 3e9;
    assert_string_equal(figure_limit_name(bytes), "int8");
    bytes->tokens = 2;
    assert_true(fabs(figure_value(bytes) - 500) < 1e-9);
    struct figure *free_of_limits = figures_add(&figures, "part", NULL, "nothing");
    figure_take(free_of_limits, 1, &slow, &slow);
    assert_int_equal(free_of_limits->share.n, 0);
    assert_string_equal(figure_limit_name(free_of_limits), "");
    figures_release(&figures);
}

static void the_load_of_others_is_read(void **state)
{
    double total, busy;
    struct load_watch watch;

    (void)state;
    assert_true(load_watch_parse("cpu  100 20 30 1000 50 1 2 47 0 0\n", 100, &total, &busy));
    assert_true(fabs(busy - 2) < 1e-9 && fabs(total - 12.5) < 1e-9);
    assert_false(load_watch_parse("cpu0 1 2 3\n", 100, &total, &busy));
    assert_false(load_watch_parse("intr 1 2 3 4 5 6 7 8\n", 100, &total, &busy));
    assert_false(load_watch_parse("cpu 0 0 0 0 0 0 0 0\n", 100, &total, &busy));
    load_watch_begin(&watch);
    assert_true(load_watch_age(&watch) >= 0);
    assert_true(load_watch_share(&watch) <= 1);
}

static void run_shell(struct child_result *result, const char *script, double limit,
                      const atomic_bool *cancel)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};

    child_run(result, argv, limit, cancel);
}

static void programs_end_in_every_way(void **state)
{
    const atomic_bool yes = true;
    struct child_result result;

    (void)state;
    run_shell(&result, "echo out; echo first >&2; echo 'last line' >&2; exit 3", 10, NULL);
    assert_int_equal(result.end, CHILD_EXITED);
    assert_int_equal(result.code, 3);
    assert_string_equal(text_string(&result.out), "out\n");
    assert_string_equal(text_string(&result.err), "last line");
    assert_true(result.first_byte > 0 && result.first_byte <= result.seconds);
    child_result_release(&result);
    run_shell(&result, "kill -9 $$", 10, NULL);
    assert_int_equal(result.end, CHILD_SIGNALLED);
    assert_int_equal(result.code, 9);
    child_result_release(&result);
    /* Its own child holds the pipes, or nobody does: both are ended. */
    run_shell(&result, "sleep 60 & wait", 0.2, NULL);
    assert_int_equal(result.end, CHILD_TIMED_OUT);
    assert_true(result.seconds < 10);
    child_result_release(&result);
    run_shell(&result, "exec >&- 2>&-; sleep 60", 0.2, NULL);
    assert_int_equal(result.end, CHILD_TIMED_OUT);
    child_result_release(&result);
    run_shell(&result, "sleep 60", 60, &yes);
    assert_int_equal(result.end, CHILD_STOPPED);
    child_result_release(&result);
    child_run(&result, (const char *const[]){"/nonexistent/program", NULL}, 1, NULL);
    assert_int_equal(result.end, CHILD_NOT_STARTED);
    child_result_release(&result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_level_has_limits),
        cmocka_unit_test(the_cost_of_a_pass_is_that_of_its_matrices),
        cmocka_unit_test(a_depth_is_there_without_being_read),
        cmocka_unit_test(the_share_is_of_the_limit_that_holds),
        cmocka_unit_test(the_load_of_others_is_read),
        cmocka_unit_test(programs_end_in_every_way),
    };

    return cmocka_run_group_tests_name("bench_parts", tests, NULL, NULL);
}
