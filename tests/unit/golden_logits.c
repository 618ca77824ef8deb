/*
 * golden_logits.c - logits and greedy text of llama.cpp on the same files
 *
 * "-exact": the file's weights as F32, F32 activations.  "-int8": llama.cpp's own quantised
 * activations, the yardstick of how far rounding may lead.  See tests/golden/data/README.md.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/model_fixture.h"

static const double REFERENCE_LIMIT = 1e-3;
static const double INT8_LIMIT = 1.15; /* of llama.cpp's own distance */
static const double NEAR_TIE = 0.01;   /* logits; a greedy choice below it may differ */

static double distance_to(const float *logits, const char *name, const char *kind)
{
    char golden[100];
    size_t n;
    float *wanted;
    double distance;

    snprintf(golden, sizeof golden, "%s%s", name, kind);
    wanted = read_golden(golden, ".logits.f32", &n);
    distance = relative_rms(logits, wanted, n);
    free(wanted);
    return distance;
}

/* The golden tokens of a model at a level, F32 K and V. */
static float *logits_of(const char *name, const char *kind, enum kernel_level level)
{
    struct model *model = open_model(name, level);
    struct session *session =
        open_session(model, &(struct session_options){.n_threads = 2, .kv = KV_F32});
    char golden[100];
    int32_t *tokens;
    float *logits;
    size_t n;

    snprintf(golden, sizeof golden, "%s%s", name, kind);
    tokens = read_golden(golden, ".tokens.i32", &n);
    assert_int_equal(n, N_GOLDEN_TOKENS);
    logits = all_logits(session, vocabulary_of(model), tokens, n);
    free(tokens);
    session_free(&session);
    model_close(&model);
    return logits;
}

static void check_reference(const char *name, const char *kind)
{
    float *logits = logits_of(name, kind, KERNEL_LEVEL_REFERENCE);
    const double distance = distance_to(logits, name, kind);

    print_message("%s%s: relative rms %.3g\n", name, kind, distance);
    assert_true(distance < REFERENCE_LIMIT);
    free(logits);
}

static void reference_logits_agree(void **state)
{
    (void)state;
    check_reference("tinyA-f32", "");
    check_reference("tinyB-f32", "");
    check_reference("tinyA-q8_0", "-exact");
    check_reference("tinyA-q4_k_m", "-exact");
    check_reference("tinyB-q8_0", "-exact");
    check_reference("tinyB-q4_k_m", "-exact");
}

struct greedy_text {
    int32_t ids[N_GREEDY];
    size_t n;
};

static bool collect(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct greedy_text *text = context;

    (void)forced, (void)n_forced;
    text->ids[text->n++] = id;
    return true;
}

static void check_greedy(const char *name, const char *kind)
{
    struct model *model = open_model(name, KERNEL_LEVEL_REFERENCE);
    struct session *session =
        open_session(model, &(struct session_options){.n_threads = 2, .kv = KV_F32});
    struct greedy_text text = {.n = 0};
    const struct generation generation = {.sampling = {.repetition_penalty = 1},
                                          .max_tokens = N_GREEDY,
                                          .ignore_stop = true,
                                          .sink = collect,
                                          .context = &text};
    struct generation_result result;
    struct error error = {0};
    char golden[100];
    int32_t *tokens, *greedy;
    float *margins;
    size_t n, step = 0;

    snprintf(golden, sizeof golden, "%s%s", name, kind);
    tokens = read_golden(golden, ".tokens.i32", &n);
    greedy = read_golden(golden, ".greedy.i32", &n);
    margins = read_golden(golden, ".greedy_margin.f32", &n);
    assert_int_equal(n, N_GREEDY);
    check(
        session_generate(session, tokens, N_GOLDEN_TOKENS, &generation, NULL, &result, &error),
        &error);
    assert_int_equal(result.n_tokens, N_GREEDY);
    assert_int_equal(result.reason, STOP_LENGTH);
    assert_int_equal(session_position(session), N_GOLDEN_TOKENS + N_GREEDY - 1);
    while (step < N_GREEDY && text.ids[step] == greedy[step])
        step++;
    if (step < N_GREEDY) {
        print_message("%s%s: step %zu is %d, golden %d, margin %g\n", name, kind, step,
                      text.ids[step], greedy[step], (double)margins[step]);
        assert_true((double)margins[step] < NEAR_TIE);
    }
    free(tokens), free(greedy), free(margins);
    session_free(&session);
    model_close(&model);
}

static void reference_greedy_text_agrees(void **state)
{
    (void)state;
    check_greedy("tinyA-f32", "");
    check_greedy("tinyB-f32", "");
    check_greedy("tinyA-q8_0", "-exact");
    check_greedy("tinyA-q4_k_m", "-exact");
    check_greedy("tinyB-q8_0", "-exact");
    check_greedy("tinyB-q4_k_m", "-exact");
}

static void check_int8(const char *name, enum kernel_level level)
{
    char theirs_name[100];
    size_t n;
    float *theirs, *logits = logits_of(name, "-exact", level);
    double distance, yardstick;

    snprintf(theirs_name, sizeof theirs_name, "%s-int8", name);
    theirs = read_golden(theirs_name, ".logits.f32", &n);
    distance = distance_to(logits, name, "-exact");
    yardstick = distance_to(theirs, name, "-exact");
    print_message("%s %s: relative rms %.4f, %.3f of llama.cpp's\n", name,
                  kernel_level_name(level), distance, distance / yardstick);
    assert_true(distance < INT8_LIMIT * yardstick);
    free(theirs), free(logits);
}

static void int8_levels_are_as_near_as_llama_cpp(void **state)
{
    enum kernel_level levels[KERNEL_LEVEL_COUNT];
    const size_t n_levels = int8_levels(levels);

    (void)state;
    for (size_t i = 0; i < n_levels; i++) {
        check_int8("tinyA-q8_0", levels[i]);
        check_int8("tinyA-q4_k_m", levels[i]);
        check_int8("tinyB-q8_0", levels[i]);
        check_int8("tinyB-q4_k_m", levels[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_logits_agree),
        cmocka_unit_test(reference_greedy_text_agrees),
        cmocka_unit_test(int8_levels_are_as_near_as_llama_cpp),
    };
    return cmocka_run_group_tests_name("golden_logits", tests, NULL, NULL);
}
