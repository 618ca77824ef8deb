/*
 * selfcheck.c - the self-check passes on good models, and finds a weight that changes under it
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/model/model_internal.h"
#include "engine/model/weights.h"
#include "engine/selfcheck.h"
#include "tests/unit/model_fixture.h"

enum { MOST_STEPS = 20 };

struct log {
    struct selfcheck_step steps[MOST_STEPS];
    uint32_t n, n_failed;
    /* What happens after a step: a float of the model is turned over; a flag is set. */
    float *weight;
    uint32_t change_after, change_back_after, cancel_after;
    atomic_bool cancel;
};

static void note(void *context, const struct selfcheck_step *step)
{
    struct log *log = context;

    assert_true(log->n < MOST_STEPS);
    log->steps[log->n++] = *step;
    log->n_failed += !step->passed;
    assert_int_equal(step->done, log->n);
    assert_true(step->done <= step->total);
    assert_true(step->what[0] && step->found[0]);
    if (log->n == log->change_after || log->n == log->change_back_after)
        *log->weight = -*log->weight;
    if (log->n == log->cancel_after)
        atomic_store(&log->cancel, true);
}

static enum status run(const struct model *model, const struct model *draft, uint32_t n_tokens,
                       int n_threads, struct log *log, struct error *error)
{
    const struct selfcheck_options options = {.draft = draft,
                                              .n_tokens = n_tokens,
                                              .n_threads = n_threads,
                                              .cancel = &log->cancel,
                                              .report = note,
                                              .context = log};

    return selfcheck_run(model, &options, error);
}

static void expect_pass(const struct model *model, const struct model *draft, uint32_t n_tokens,
                        int n_threads)
{
    struct log log = {.n = 0};
    struct error error = {0};
    enum status status = run(model, draft, n_tokens, n_threads, &log, &error);

    for (uint32_t i = 0; i < log.n; i++)
        print_message("%u/%u %s: %s\n", log.steps[i].done, log.steps[i].total,
                      log.steps[i].what, log.steps[i].found);
    check(status, &error);
    for (uint32_t i = 0; i < log.n; i++)
        if (strstr(log.steps[i].what, "often right")) /* there was something to compare */
            assert_null(strstr(log.steps[i].found, " 0 of "));
    assert_true(log.n > 0 && log.steps[log.n - 1].done == log.steps[0].total);
    assert_int_equal(log.n_failed, 0);
}

static void good_models_pass(void **state)
{
    struct model *model = open_path("config/models/guide.gguf", kernel_level_best());
    struct model *draft = open_path("config/models/guide-draft.gguf", kernel_level_best());

    (void)state;
    expect_pass(model, draft, IS_SANITIZED ? 40 : 0, 0);
    expect_pass(model, NULL, 32, 1);
    model_close(&draft);
    model_close(&model);
    model = open_model("tinyA-q4_k_m", KERNEL_LEVEL_GENERIC);
    expect_pass(model, NULL, 32, 2);
    model_close(&model);
}

/* A weight of the model that its sessions read; the file's pages stay what they are. */
static float *output_norm(const struct model *model)
{
    return (float *)model_weights(model)->output_norm;
}

/* Every step that compares with something made before the change fails. */
static void a_changed_weight_is_found(void **state)
{
    struct model *model = open_path("config/models/guide.gguf", kernel_level_best());
    struct log good = {.n = 0};
    struct error error = {0};
    uint32_t answers = 0;

    (void)state;
    check(run(model, NULL, 32, 2, &good, &error), &error);
    while (!strstr(good.steps[answers].what, "answers at once"))
        answers++;
    for (uint32_t after = 1; after <= good.n; after += after < answers ? answers - 1 : 1) {
        struct log log = {.weight = output_norm(model), .change_after = after};
        /* Answers are made and compared in one step: they agree on another model. */
        const uint32_t first = after <= answers ? answers : good.n;
        enum status status = run(model, NULL, 32, 2, &log, &error);
        assert_int_equal(log.n, good.n);
        for (uint32_t i = 0; i < log.n; i++) {
            const bool wanted = i < after || (after <= answers && i >= first);
            if (log.steps[i].passed != wanted)
                fail_msg("changed after %u, step %u, %s: %s", after, i + 1, log.steps[i].what,
                         log.steps[i].found);
        }
        assert_int_equal(status,
                         after == answers || after == good.n ? STATUS_OK : STATUS_FAILED);
        if (status == STATUS_FAILED)
            assert_non_null(strstr(error.what, log.steps[after].what));
        *log.weight = -*log.weight;
    }
    model_close(&model);
}

static void the_rest_is_still_compared(void **state)
{
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    struct log log = {.weight = output_norm(model), .change_after = 2, .change_back_after = 3};
    struct error error = {0};

    (void)state;
    assert_int_equal(run(model, NULL, 32, 1, &log, &error), STATUS_FAILED);
    assert_int_equal(log.n, log.steps[0].total);
    assert_int_equal(log.n_failed, 1);
    assert_false(log.steps[2].passed);
    model_close(&model);
}

static void it_can_be_stopped(void **state)
{
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    struct error error = {0};

    (void)state;
    for (uint32_t after = 1; after < 13; after += 3) {
        struct log log = {.cancel_after = after};
        assert_int_equal(run(model, NULL, 32, 2, &log, &error), STATUS_CANCELLED);
        assert_int_equal(log.n, after);
    }
    model_close(&model);
}

static void what_does_not_fit_is_refused(void **state)
{
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    struct model *other = open_path("config/models/guide-draft.gguf", kernel_level_best());
    struct log log = {.n = 0};
    struct error error = {0};

    (void)state;
    assert_int_equal(run(model, NULL, 5, 1, &log, &error), STATUS_USAGE);
    assert_int_equal(log.n, 0);
    assert_int_equal(run(model, other, 40, 1, &log, &error), STATUS_USAGE);
    model_close(&other);
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_models_pass),
        cmocka_unit_test(a_changed_weight_is_found),
        cmocka_unit_test(the_rest_is_still_compared),
        cmocka_unit_test(it_can_be_stopped),
        cmocka_unit_test(what_does_not_fit_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
