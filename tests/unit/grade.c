/*
 * grade.c - what counts as a right answer, and how drafts are counted
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "app/grade.h"
#include "tests/unit/model_fixture.h"

#define LINE(grade)                                                                            \
    "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},"                                    \
    "{\"role\":\"assistant\",\"content\":\"a\"}],\"grade\":" grade "}"

static bool right(const char *line, const char *text, bool ended)
{
    struct grade_item item;
    struct grade_answer answer = {.ended = ended};
    struct error error = {0};
    bool verdict;

    check(grade_item_read(&item, line, strlen(line), &error), &error);
    assert_int_equal(item.chat.n_messages, 1);
    text_add(&answer.text, text);
    verdict = grade_is_right(&item, &answer);
    grade_item_release(&item);
    grade_answer_release(&answer);
    return verdict;
}

static void facts_name_what_is_expected(void **state)
{
    const char *line = LINE("{\"kind\":\"fact\",\"expect\":[\"/new\",\"--top-k\"],"
                            "\"reject\":[\"/quit\"]}");

    (void)state;
    assert_true(right(line, "Use /new, or --top-k.", true));
    assert_false(right(line, "Use /new, or --top-k.", false));
    assert_false(right(line, "Use /new.", true));
    assert_false(right(line, "Use /newer, or --top-k.", true));
    assert_false(right(line, "Use /new, or --top-key.", true));
    assert_false(right(line, "Use /new, --top-k or /quit.", true));
    assert_true(right(line, "/newer or /new; --top-k", true));
}

static void other_kinds(void **state)
{
    (void)state;
    assert_true(right(LINE("{\"kind\":\"exercise\",\"answer\":\"1 2 3\"}"), "1 2 3\n", true));
    assert_false(right(LINE("{\"kind\":\"exercise\",\"answer\":\"1 2 3\"}"), "1 2 3 4", true));
    assert_true(right(LINE("{\"kind\":\"refusal\",\"expect\":[\"I cannot\",\"built-in\"]}"),
                      "A built-in model.", true));
    assert_false(
        right(LINE("{\"kind\":\"refusal\",\"expect\":[\"I cannot\"]}"), "Lima.", true));
    assert_true(right(LINE("{\"kind\":\"chat\"}"), "anything", true));
}

static void bad_lines_are_refused(void **state)
{
    static const char *const lines[] = {
        "{",
        "[]",
        "{\"messages\":[]}",
        "{\"messages\":[{\"role\":\"user\",\"content\":\"q\"},{\"role\":\"assistant\"}]}",
        "{\"messages\":[{\"role\":\"nobody\",\"content\":\"q\"},{}],"
        "\"grade\":{\"kind\":\"chat\"}}",
        "{\"messages\":[{\"role\":\"user\",\"content\":1},{}],\"grade\":{\"kind\":\"chat\"}}",
        LINE("{\"kind\":\"guess\"}"),
        LINE("{\"kind\":\"fact\"}"),
        LINE("{\"kind\":\"fact\",\"expect\":[]}"),
        LINE("{\"kind\":\"exercise\"}"),
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct grade_item item;
        struct error error = {0};
        if (grade_item_read(&item, lines[i], strlen(lines[i]), &error) != STATUS_DAMAGED ||
            error.what[0] == '\0')
            fail_msg("taken: %s", lines[i]);
    }
}

static int32_t largest(const float *logits, uint32_t n)
{
    uint32_t best = 0;

    for (uint32_t i = 1; i < n; i++)
        best = logits[i] > logits[best] ? i : best;
    return (int32_t)best;
}

/* Along a given text the choices are those of the logits, whatever the chunk. */
static void teacher_forcing_gives_the_choices(void **state)
{
    struct model *model = open_model("tinyM-f32", KERNEL_LEVEL_REFERENCE);
    const uint32_t n_vocab = vocabulary_of(model);
    struct error error = {0};
    size_t n;
    int32_t *tokens = read_golden("tinyM-f32", ".tokens.i32", &n), next[64], mtp[64];
    float *mtp_golden = read_golden("tinyM-f32", ".mtp_logits.f32", &n);

    (void)state;
    for (uint32_t chunk = 7; chunk < 64; chunk += 23) {
        struct session *session =
            open_session(model, &(struct session_options){.n_threads = 2, .chunk = chunk});
        float *logits;
        check(session_teacher_forced(session, tokens, N_GOLDEN_TOKENS, next, mtp, &error),
              &error);
        assert_int_equal(session_position(session), 0);
        logits = all_logits(session, n_vocab, tokens, N_GOLDEN_TOKENS);
        for (size_t i = 0; i < N_GOLDEN_TOKENS; i++)
            assert_int_equal(next[i], largest(logits + i * n_vocab, n_vocab));
        for (size_t i = 0; i + 1 < N_GOLDEN_TOKENS; i++)
            assert_int_equal(mtp[i], largest(mtp_golden + i * n_vocab, n_vocab));
        free(logits);
        session_free(&session);
    }
    free(tokens), free(mtp_golden);
    model_close(&model);
}

struct answer_ids {
    int32_t ids[128];
    size_t n;
};

static bool keep_id(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct answer_ids *made = context;

    (void)forced, (void)n_forced;
    made->ids[made->n++] = id;
    return true;
}

/* A model agrees with itself; another one hardly ever does. */
static void drafts_are_counted(void **state)
{
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    struct model *other = open_model("tinyB-q8_0", kernel_level_best());
    const struct session_options options = {.n_threads = 2, .n_context = 512};
    struct session *session = open_session(model, &options);
    struct session *stranger = open_session(other, &options);
    struct acceptance own = {0}, strange = {0}, mtp = {0};
    struct grade_answer answer;
    struct error error = {0};
    struct answer_ids made = {.n = 0};
    const struct generation generation = {.sampling = {.top_p = 1, .repetition_penalty = 1},
                                          .max_tokens = 96,
                                          .ignore_stop = true,
                                          .sink = keep_id,
                                          .context = &made};
    struct generation_result result;

    (void)state;
    for (int32_t id = 5; id < 30; id++)
        made.ids[made.n++] = id;
    check(session_generate(session, made.ids, made.n, &generation, NULL, &result, &error),
          &error);
    answer = (struct grade_answer){.ids = made.ids, .n_prompt = 25, .n_ids = made.n};
    assert_int_equal(answer.n_ids, 25 + 96);
    check(acceptance_of_draft(&own, &answer, session, vocabulary_of(model), &error), &error);
    assert_int_equal(own.accepted, own.verified);
    /* One token in five is the model's own, from the pass that verified. */
    assert_in_range(own.verified, (answer.n_ids - answer.n_prompt) * 4 / 5,
                    (answer.n_ids - answer.n_prompt) * 4 / 5 + 4);
    check(acceptance_of_draft(&strange, &answer, stranger, vocabulary_of(other), &error),
          &error);
    assert_true(strange.verified > 0 && strange.accepted * 10 < strange.verified);
    assert_int_equal(acceptance_of_mtp(&mtp, &answer, session, &error), STATUS_UNSUPPORTED);
    session_free(&session), session_free(&stranger);
    model_close(&model), model_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(facts_name_what_is_expected),
        cmocka_unit_test(other_kinds),
        cmocka_unit_test(bad_lines_are_refused),
        cmocka_unit_test(teacher_forcing_gives_the_choices),
        cmocka_unit_test(drafts_are_counted),
    };
    return cmocka_run_group_tests_name("grade", tests, NULL, NULL);
}
