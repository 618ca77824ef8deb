/*
 * decode_draft.c - a draft that joins late, falls behind, is stopped, or has other tokens
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/unit/decode_fixture.h"
#include "tests/unit/model_fixture.h"

enum { MAX_IDS = 400, LONG_PROMPT = 900 };

struct stage {
    struct fake target, draft;
    struct decode decode;
    struct sampler sampler;
    struct fake_row row;
    struct fake_clock clock;
    atomic_bool cancel;
    int32_t ids[MAX_IDS];
    size_t n, n_reports, last_done, last_total;
    size_t cancel_at_report; /* 0: never */
};

static bool collect(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct stage *stage = context;

    (void)forced, (void)n_forced;
    assert_true(stage->n < MAX_IDS);
    stage->ids[stage->n++] = id;
    return true;
}

static void note_progress(void *context, size_t done, size_t total)
{
    struct stage *stage = context;

    assert_true(done <= total && (stage->n_reports == 0 || done > stage->last_done));
    assert_true(stage->n_reports == 0 || total == stage->last_total);
    stage->last_done = done;
    stage->last_total = total;
    if (++stage->n_reports == stage->cancel_at_report)
        atomic_store(&stage->cancel, true);
}

static void open_stage(struct stage *stage, const struct policy_settings *settings,
                       const struct policy_script *script, uint32_t misses)
{
    struct decode_target trunk, small;
    struct error error = {0};

    memset(stage, 0, sizeof *stage);
    stage->target =
        (struct fake){.clock = &stage->clock, .step_seconds = 1, .row_seconds = 0.1};
    stage->draft = (struct fake){
        .clock = &stage->clock, .miss_every = misses, .step_seconds = 0.1, .row_seconds = 0.02};
    trunk = fake_target(&stage->target);
    small = fake_target(&stage->draft);
    check(sampler_init(&stage->sampler, N_FAKE_VOCAB, &error), &error);
    check(decode_init(&stage->decode, settings,
                      &(struct decode_parts){.target = &trunk,
                                             .sampler = &stage->sampler,
                                             .row = fake_row(&stage->row),
                                             .draft = &small,
                                             .script = script,
                                             .clock = fake_time,
                                             .clock_context = &stage->clock},
                      FAKE_CONTEXT, &error),
          &error);
    stage->decode.draft.progress = note_progress;
    stage->decode.draft.progress_context = stage;
}

static void close_stage(struct stage *stage)
{
    decode_release(&stage->decode);
    sampler_release(&stage->sampler);
}

/* A prompt whose first n_shared tokens are always the same, then an answer. */
static struct generation_result answer(struct stage *stage, uint32_t n_shared,
                                       uint32_t n_prompt, int32_t other, size_t n_tokens)
{
    const struct generation generation = {
        .sampling = {.temperature = 0.7f, .top_p = 1, .repetition_penalty = 1},
        .noise_seed = 5,
        .max_tokens = n_tokens,
        .ignore_stop = true,
        .cancel = &stage->cancel,
        .sink = collect,
        .context = stage};
    struct generation_result result;
    struct error error = {0};
    int32_t prompt[FAKE_CONTEXT];

    for (uint32_t i = 0; i < n_prompt; i++)
        prompt[i] = i < n_shared ? (int32_t)(1 + i % 5) : other;
    fake_reset(&stage->target);
    stage->n = stage->n_reports = 0;
    atomic_store(&stage->cancel, false);
    check(fake_consume(&stage->target, prompt, n_prompt, &stage->row.row, NULL, &error),
          &error);
    check(decode_run(&stage->decode, &generation, &result, &error), &error);
    assert_true(stage->target.hash == hash_of(stage->target.tokens, stage->target.n));
    return result;
}

static void plain_answer(uint32_t n_shared, uint32_t n_prompt, int32_t other, size_t n_tokens,
                         int32_t *ids)
{
    static struct stage stage;
    const struct policy_settings settings = policy_defaults(POLICY_GREEDY);

    open_stage(&stage, &settings, NULL, 0);
    answer(&stage, n_shared, n_prompt, other, n_tokens);
    memcpy(ids, stage.ids, n_tokens * sizeof *ids);
    close_stage(&stage);
}

static void a_late_draft_tells_how_far_it_is(void **state)
{
    static struct stage stage;
    const struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);
    int32_t plain[40];

    (void)state;
    plain_answer(LONG_PROMPT, LONG_PROMPT, 0, 40, plain);
    open_stage(&stage, &settings, NULL, 0);
    answer(&stage, LONG_PROMPT, LONG_PROMPT, 0, 40);
    assert_memory_equal(plain, stage.ids, sizeof plain);
    assert_true(stage.n_reports >= 4);
    assert_int_equal(stage.last_done, stage.last_total);
    assert_int_equal(stage.last_total, LONG_PROMPT);
    answer(&stage, LONG_PROMPT, LONG_PROMPT + 20, 3, 40); /* hardly behind: nothing to tell */
    close_stage(&stage);
}

/* Cancel ends the answer between two slices; what was read is not read again. */
static void catching_up_is_stopped_and_goes_on(void **state)
{
    static struct stage stage;
    const struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);
    uint32_t position;
    int32_t plain[40];

    (void)state;
    open_stage(&stage, &settings, NULL, 0);
    stage.cancel_at_report = 2;
    assert_int_equal(answer(&stage, LONG_PROMPT, LONG_PROMPT, 0, 40).reason, STOP_CANCELLED);
    position = stage.draft.n;
    assert_true(position > 100 && position < 600);
    stage.cancel_at_report = 0;
    assert_int_equal(answer(&stage, LONG_PROMPT, LONG_PROMPT, 0, 40).reason, STOP_LENGTH);
    assert_int_equal(stage.last_total, LONG_PROMPT - position);
    plain_answer(LONG_PROMPT, LONG_PROMPT, 0, 40, plain);
    assert_memory_equal(plain, stage.ids, sizeof plain);
    close_stage(&stage);
}

/* Every token of the text is read once; candidates that were wrong come on top, no more. */
static void a_rejection_costs_no_reading(void **state)
{
    static const uint32_t misses[] = {0, 20, 60};
    struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);

    (void)state;
    settings.speculative.fallback = false;
    for (size_t i = 0; i < sizeof misses / sizeof *misses; i++) {
        static struct stage stage;
        const struct policy_statistics *s = &stage.decode.statistics;
        open_stage(&stage, &settings, NULL, misses[i]);
        answer(&stage, 50, 50, 0, 300);
        assert_true(s->proposed > 100);
        assert_true(stage.draft.n_read <= stage.target.n + (s->proposed - s->accepted));
        close_stage(&stage);
    }
}

/* The text changes far behind the mark: the draft begins anew, and says so to nobody's harm. */
static void another_text_is_read_anew(void **state)
{
    static struct stage stage;
    const struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);
    int32_t plain[60];

    (void)state;
    open_stage(&stage, &settings, NULL, 10);
    answer(&stage, 500, 600, 9, 60);
    answer(&stage, 500, 650, 11, 60);
    assert_int_equal(stage.last_total, 650);
    plain_answer(500, 650, 11, 60, plain);
    assert_memory_equal(plain, stage.ids, sizeof plain);
    assert_true(stage.decode.statistics.accepted > 20);
    answer(&stage, 500, 20, 11, 60); /* and where it had read much more */
    plain_answer(500, 20, 11, 60, plain);
    assert_memory_equal(plain, stage.ids, sizeof plain);
    close_stage(&stage);
}

/* A text longer than the draft's context: plain steps, and no reading for nothing. */
static void a_text_too_long_for_the_draft(void **state)
{
    static const enum policy_kind kinds[] = {POLICY_SPECULATIVE, POLICY_AUTO};

    (void)state;
    for (size_t i = 0; i < 2; i++) {
        static struct stage stage;
        const struct policy_settings settings = policy_defaults(kinds[i]);
        int32_t plain[60];
        open_stage(&stage, &settings, NULL, 0);
        stage.draft.n_context = 300;
        answer(&stage, 500, 500, 0, 60);
        plain_answer(500, 500, 0, 60, plain);
        assert_memory_equal(plain, stage.ids, sizeof plain);
        assert_int_equal(stage.draft.n_read, 0);
        close_stage(&stage);
    }
}

/* Scripted: as often right as it was told to be, and as dear. */
static void a_scripted_draft_does_what_it_is_told(void **state)
{
    static const double chances[] = {0, 0.3, 0.9, 1};
    struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);
    int32_t text[300];

    (void)state;
    settings.speculative.fallback = false;
    plain_answer(50, 50, 0, 300, text);
    for (size_t i = 0; i < sizeof chances / sizeof *chances; i++) {
        static struct stage stage;
        const struct policy_script script = {.tokens = text,
                                             .n_tokens = 300,
                                             .first_position = 50,
                                             .acceptance = chances[i],
                                             .seconds_per_token = 0.25,
                                             .seed = 4};
        const struct policy_statistics *s = &stage.decode.statistics;
        uint64_t tried = 0, right = 0;
        open_stage(&stage, &settings, &script, 0);
        answer(&stage, 50, 50, 0, 300);
        assert_memory_equal(text, stage.ids, sizeof text);
        assert_int_equal(stage.draft.n_read, 0);
        assert_true(fabs(s->draft_seconds - 0.25 * (double)s->proposed) < 1e-6);
        for (int at = 0; at < POLICY_MAX_CANDIDATES; at++) {
            tried += s->position_verified[at];
            right += s->position_accepted[at];
        }
        assert_true(tried > 40);
        assert_true(fabs((double)right / (double)tried - chances[i]) < 0.08);
        close_stage(&stage);
    }
}

/* Vocabularies ---------------------------------------------------------------------------- */

struct bytes {
    unsigned char *bytes;
    size_t n;
};

/* Where `what` stands for the first time. */
static unsigned char *find(struct bytes file, const char *what, size_t n)
{
    for (size_t i = 0; i + n <= file.n; i++)
        if (memcmp(file.bytes + i, what, n) == 0)
            return file.bytes + i;
    fail_msg("%s is not in the file", what);
    return NULL;
}

static struct model *open_changed(struct bytes file)
{
    char path[] = "/tmp/banter-draft-XXXXXX";
    const int fd = mkstemp(path);
    struct model *model;

    assert_true(fd >= 0);
    assert_int_equal(write(fd, file.bytes, file.n), file.n);
    close(fd);
    model = open_path(path, kernel_level_best());
    unlink(path);
    return model;
}

static void expect_refused(struct session *session, struct bytes file, const char *said)
{
    const struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);
    struct model *model = open_changed(file);
    struct session *draft =
        open_session(model, &(struct session_options){.n_threads = 1, .n_context = 64});
    struct policy *policy = NULL;
    struct error error = {0};

    assert_int_equal(policy_new(&policy, &settings,
                                &(struct policy_parts){.session = session, .draft = draft},
                                &error),
                     STATUS_USAGE);
    assert_null(policy);
    if (!strstr(error.what, said))
        fail_msg("\"%s\" does not say \"%s\"", error.what, said);
    session_free(&draft);
    model_close(&model);
}

static void other_tokens_are_found(void **state)
{
    static const char types[] = "tokenizer.ggml.token_type";
    struct model *model = open_path("config/models/guide.gguf", kernel_level_best());
    struct session *session =
        open_session(model, &(struct session_options){.n_threads = 1, .n_context = 64});
    struct bytes file;
    unsigned char *at;
    size_t id = 0;

    (void)state;
    file.bytes = read_whole("config/models/guide-draft.gguf", &file.n);
    at = find(file, "<|endoftext|>", 13);
    at[9] = 'u';
    expect_refused(session, file, "endofteut");
    at[9] = 'x';
    /* name, u32 array, u32 of int32, u64 count, kinds */
    at = find(file, types, sizeof types - 1) + sizeof types - 1 + 16;
    while (at[4 * id] != 3) /* a control token becomes one that people may write */
        id++;
    at[4 * id] = 4;
    expect_refused(session, file, "another kind");
    free(file.bytes);
    session_free(&session);
    model_close(&model);
    model = open_model("tinyA-q8_0", kernel_level_best());
    session = open_session(model, &(struct session_options){.n_threads = 1, .n_context = 64});
    file.bytes = read_whole("config/models/guide-draft.gguf", &file.n);
    expect_refused(session, file, "2048 tokens");
    free(file.bytes);
    session_free(&session);
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_late_draft_tells_how_far_it_is),
        cmocka_unit_test(catching_up_is_stopped_and_goes_on),
        cmocka_unit_test(a_rejection_costs_no_reading),
        cmocka_unit_test(another_text_is_read_anew),
        cmocka_unit_test(a_text_too_long_for_the_draft),
        cmocka_unit_test(a_scripted_draft_does_what_it_is_told),
        cmocka_unit_test(other_tokens_are_found),
    };
    return cmocka_run_group_tests_name("decode_draft", tests, NULL, NULL);
}
