/*
 * lanes_generate.c - several answers at once are the answers that each gets alone
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/lanes.h"
#include "engine/state/session_internal.h"
#include "tests/unit/model_fixture.h"

enum { MAX_IDS = 100, N_LANES = 24, N_PROMPT = 9 };

static const int32_t FORCED[] = {7, 5, 300, 7};

/* One answer as it is asked for, and what came. */
struct answer {
    int32_t prompt[N_PROMPT + 1];
    uint32_t n_prompt, n_context;
    struct generation generation;
    size_t stop_after, force_at, n_force; /* tokens; 0: never */
    bool force_again;                     /* forced tokens are followed by other forced ones */
    size_t cancel_at;
    atomic_bool *cancel;
    int32_t ids[MAX_IDS];
    size_t n;
    struct generation_result result;
    struct snapshot *end; /* owns */
};

static bool collect(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct answer *answer = context;

    assert_true(answer->n < MAX_IDS);
    answer->ids[answer->n++] = id;
    if (answer->force_at > 0 && (answer->n % answer->force_at == 0 ||
                                 (answer->force_again && answer->n % answer->force_at == 2))) {
        *forced = FORCED;
        *n_forced = answer->n_force;
    }
    if (answer->n == answer->cancel_at)
        atomic_store(answer->cancel, true);
    return answer->n != answer->stop_after;
}

static const struct sampling SAMPLINGS[] = {
    {.temperature = 0, .top_p = 1, .repetition_penalty = 1},
    {.temperature = 1.3f, .top_p = 1, .repetition_penalty = 1},
    {.temperature = 0.7f, .top_p = 0.9f, .top_k = 20, .repetition_penalty = 1},
    {.temperature = 0.7f,
     .top_p = 1,
     .min_p = 0.02f,
     .presence_penalty = 0.5f,
     .frequency_penalty = 0.1f,
     .repetition_penalty = 1.1f},
    {.temperature = 5, .top_p = 1, .repetition_penalty = 1},
};

static struct answer ask(uint32_t i, uint64_t random)
{
    struct answer answer = {.n_prompt = 1 + (i * 4 + 3) % N_PROMPT, .n_context = 128};

    random += i * 77;
    answer.generation = (struct generation){.sampling = SAMPLINGS[i % 5],
                                            .noise_seed = random * 31,
                                            .max_tokens = 1 + (i * 29 + 11) % 80,
                                            .ignore_stop = i % 7 == 6};
    for (uint32_t t = 0; t < answer.n_prompt; t++)
        answer.prompt[t] = (int32_t)(next_random(&random) % 500);
    if (i % 6 == 2) {
        answer.force_at = 3 + i % 5;
        answer.n_force = i % 4 + 1;
        answer.force_again = i % 12 == 2;
    }
    if (i % 6 == 3)
        answer.stop_after = 1 + i;
    if (i % 6 == 4) {
        answer.n_context = answer.n_prompt + i - 4; /* also with no room behind the prompt */
        answer.generation.max_tokens = 0;
    }
    return answer;
}

static struct session *open_answer(const struct model *model, const struct answer *answer,
                                   int n_threads)
{
    return open_session(model, &(struct session_options){.n_threads = n_threads,
                                                         .n_context = answer->n_context});
}

static struct snapshot *save(const struct session *session)
{
    struct snapshot *snapshot = NULL;
    struct error error = {0};

    check(session_snapshot(session, &snapshot, &error), &error);
    return snapshot;
}

static void generate_alone(const struct model *model, struct answer *answer)
{
    struct session *session = open_answer(model, answer, 1);
    struct generation generation = answer->generation;
    struct error error = {0};

    generation.sink = collect;
    generation.context = answer;
    check(session_generate(session, answer->prompt, answer->n_prompt, &generation, NULL,
                           &answer->result, &error),
          &error);
    answer->end = save(session);
    session_free(&session);
}

/* A group of answers at once. */
struct group {
    uint32_t n;
    struct answer answers[LANES_MAX];
    struct session *sessions[LANES_MAX];
    int32_t last[LANES_MAX];
    struct lane_generation lanes[LANES_MAX];
    atomic_bool cancel;
};

static void open_group(const struct model *model, struct group *group, uint32_t n,
                       uint64_t random, int n_threads)
{
    struct error error = {0};

    *group = (struct group){.n = n};
    for (uint32_t i = 0; i < n; i++) {
        struct answer *answer = &group->answers[i];
        *answer = ask(i, random);
        group->sessions[i] = open_answer(model, answer, n_threads);
        if (answer->n_prompt > 1)
            check(session_eval(group->sessions[i], answer->prompt, answer->n_prompt - 1, 0,
                               NULL, NULL, &error),
                  &error);
        group->last[i] = answer->prompt[answer->n_prompt - 1];
        group->lanes[i].generation = answer->generation;
        group->lanes[i].generation.sink = collect;
        group->lanes[i].generation.context = answer;
    }
    group->lanes[0].generation.cancel = &group->cancel;
}

static void close_group(struct group *group)
{
    for (uint32_t i = 0; i < group->n; i++)
        session_free(&group->sessions[i]);
}

static void compare(const struct group *group, uint32_t i, struct answer *alone)
{
    const struct answer *answer = &group->answers[i];
    const struct generation_result *result = &group->lanes[i].result;
    struct snapshot *end = save(group->sessions[i]);

    assert_int_equal(answer->n, alone->n);
    assert_memory_equal(answer->ids, alone->ids, alone->n * sizeof *alone->ids);
    assert_int_equal(result->reason, alone->result.reason);
    assert_int_equal(result->n_tokens, alone->n);
    assert_int_equal(result->stop_token, alone->result.stop_token);
    if (!snapshot_equal(end, alone->end))
        fail_msg("lane %u of %u: another state", i, group->n);
    snapshot_free(&end);
}

static void answers_are_those_of_each_alone(void **state)
{
    static const uint32_t counts[] = {1, 3, N_LANES};
    struct model *model = open_model("tinyA-q4_k_m", kernel_level_best());
    static struct group group;
    struct error error = {0};
    uint32_t reasons = 0;

    (void)state;
    for (uint64_t random = 1; random <= (IS_SANITIZED ? 2 : 4); random++)
        for (int c = 0; c < 3; c++) {
            open_group(model, &group, counts[c], random, (int)random % 2 + 1);
            check(lanes_generate(group.sessions, group.n, group.last, group.lanes, &error),
                  &error);
            for (uint32_t i = 0; i < group.n; i++) {
                struct answer alone = ask(i, random);
                generate_alone(model, &alone);
                compare(&group, i, &alone);
                reasons |= 1u << alone.result.reason;
                snapshot_free(&alone.end);
            }
            close_group(&group);
        }
    assert_int_equal(reasons, 1u << STOP_TOKEN | 1u << STOP_LENGTH | 1u << STOP_CONTEXT |
                                  1u << STOP_SINK);
    model_close(&model);
}

/* Each text is the beginning of what it would have been; all but its last token is consumed. */
static void expect_beginnings(const struct model *model, struct group *group, uint64_t random)
{
    for (uint32_t i = 0; i < group->n; i++) {
        const struct answer *answer = &group->answers[i];
        const uint32_t position = session_position(group->sessions[i]);
        struct answer alone = ask(i, random);
        generate_alone(model, &alone);
        assert_true(answer->n <= alone.n);
        assert_memory_equal(answer->ids, alone.ids, answer->n * sizeof *answer->ids);
        assert_in_range(position, answer->n_prompt + answer->n - 1,
                        answer->n_prompt + answer->n);
        assert_memory_equal(session_tokens(group->sessions[i]) + answer->n_prompt, answer->ids,
                            (position - answer->n_prompt) * sizeof *answer->ids);
        snapshot_free(&alone.end);
    }
}

static void cancel_ends_all(void **state)
{
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    static struct group group;
    struct error error = {0};
    uint32_t n_cancelled = 0;

    (void)state;
    for (size_t at = 1; at < 20; at += 6) {
        open_group(model, &group, 12, at, 2);
        group.answers[6].cancel_at = at;
        group.answers[6].cancel = &group.cancel;
        check(lanes_generate(group.sessions, group.n, group.last, group.lanes, &error), &error);
        for (uint32_t i = 0; i < group.n; i++)
            n_cancelled += group.lanes[i].result.reason == STOP_CANCELLED;
        expect_beginnings(model, &group, at);
        close_group(&group);
    }
    assert_true(n_cancelled > 10);

    open_group(model, &group, 3, 1, 1);
    atomic_store(&group.cancel, true);
    assert_int_equal(lanes_generate(group.sessions, group.n, group.last, group.lanes, &error),
                     STATUS_CANCELLED);
    for (uint32_t i = 0; i < group.n; i++)
        assert_int_equal(session_position(group.sessions[i]), group.answers[i].n_prompt - 1);
    assert_int_equal(lanes_generate(group.sessions, 0, group.last, group.lanes, &error),
                     STATUS_USAGE);
    close_group(&group);
    model_close(&model);
}

struct fault {
    float *row;
    int stages_left;
};

static void spoil(void *context, const char *stage, uint32_t layer, const float *rows,
                  size_t stride, uint32_t n_rows, uint32_t n_columns)
{
    struct fault *fault = context;

    (void)stage, (void)layer, (void)rows, (void)stride, (void)n_rows, (void)n_columns;
    if (fault->stages_left-- == 0)
        *fault->row = INFINITY;
}

static void a_failure_leaves_whole_texts(void **state)
{
    struct model *model = open_model("tinyA-q8_0", kernel_level_best());
    static struct group group;
    struct fault fault = {.stages_left = 300};
    const struct trace trace = {spoil, &fault};
    struct error error = {0};

    (void)state;
    open_group(model, &group, 4, 3, 2);
    for (uint32_t i = 0; i < group.n; i++)
        group.lanes[i].generation.ignore_stop = true;
    fault.row = group.sessions[0]->scratch.hidden + 5;
    group.sessions[0]->trace = &trace;
    assert_int_equal(lanes_generate(group.sessions, group.n, group.last, group.lanes, &error),
                     STATUS_FAILED);
    assert_true(group.answers[0].n > 1);
    expect_beginnings(model, &group, 3);
    close_group(&group);
    model_close(&model);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_those_of_each_alone),
        cmocka_unit_test(cancel_ends_all),
        cmocka_unit_test(a_failure_leaves_whole_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
