/*
 * session_generate.c - the plain loop: where it stops, what it has consumed, what it allocates
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/allocation_count.h"
#include "tests/unit/model_fixture.h"

enum { MAX_IDS = 300 };

struct collector {
    int32_t ids[MAX_IDS];
    size_t n;
    size_t stop_after;        /* 0: never */
    size_t force_at, n_force; /* after that many tokens */
    const int32_t *forced;
    size_t cancel_at;
    atomic_bool cancel;
    long allocations[MAX_IDS]; /* at each token */
};

static bool collect(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct collector *collector = context;

    assert_true(collector->n < MAX_IDS);
    collector->allocations[collector->n] = allocation_count();
    collector->ids[collector->n++] = id;
    if (collector->force_at && collector->n == collector->force_at) {
        *forced = collector->forced;
        *n_forced = collector->n_force;
    }
    if (collector->cancel_at && collector->n == collector->cancel_at)
        atomic_store(&collector->cancel, true);
    return collector->n != collector->stop_after;
}

static const struct sampling WARM = {
    .temperature = 0.9f,
    .top_k = 40,
    .top_p = 0.95f,
    .presence_penalty = 0.5f,
    .repetition_penalty = 1.1f,
};
static const int32_t PROMPT[] = {5, 9, 200, 31, 77};
enum { N_PROMPT = sizeof PROMPT / sizeof *PROMPT };

static struct generation_result generate(struct session *session, struct generation generation,
                                         struct collector *collector)
{
    struct generation_result result;
    struct error error = {0};

    generation.sink = collect;
    generation.context = collector;
    generation.cancel = &collector->cancel;
    session_reset(session);
    check(session_generate(session, PROMPT, N_PROMPT, &generation, NULL, &result, &error),
          &error);
    assert_int_equal(result.n_tokens, collector->n);
    /* The boundary: the prompt and all tokens, or all but the last. */
    assert_in_range(session_position(session) + 1, N_PROMPT + collector->n,
                    N_PROMPT + collector->n + 1);
    assert_memory_equal(session_tokens(session), PROMPT, sizeof PROMPT);
    assert_memory_equal(session_tokens(session) + N_PROMPT, collector->ids,
                        (session_position(session) - N_PROMPT) * sizeof(int32_t));
    return result;
}

static struct model *model;
static struct session *session;

static int set_up(void **state)
{
    (void)state;
    model = open_model("tinyA-q8_0", kernel_level_best());
    session = open_session(model, &(struct session_options){.n_threads = 2, .n_context = 128});
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    session_free(&session);
    model_close(&model);
    return 0;
}

static void seed_and_settings_decide(void **state)
{
    struct generation generation = {
        .sampling = WARM, .noise_seed = 4, .max_tokens = 60, .ignore_stop = true};
    struct collector first = {.n = 0}, again = {.n = 0}, other = {.n = 0};

    (void)state;
    assert_int_equal(generate(session, generation, &first).reason, STOP_LENGTH);
    generate(session, generation, &again);
    assert_memory_equal(first.ids, again.ids, 60 * sizeof(int32_t));
    generation.noise_seed = 5;
    generate(session, generation, &other);
    assert_memory_not_equal(first.ids, other.ids, 60 * sizeof(int32_t));
}

static void ends_for_each_reason(void **state)
{
    struct generation generation = {.sampling = WARM, .noise_seed = 4, .ignore_stop = true};
    struct collector full = {.n = 0}, stopped = {.stop_after = 7}, cancelled = {.cancel_at = 9};
    struct generation_result result;

    (void)state;
    result = generate(session, generation, &full);
    assert_int_equal(result.reason, STOP_CONTEXT);
    assert_int_equal(session_position(session), 128);
    assert_int_equal(full.n, 128 - N_PROMPT + 1);
    assert_int_equal(generate(session, generation, &stopped).reason, STOP_SINK);
    assert_int_equal(stopped.n, 7);
    assert_memory_equal(stopped.ids, full.ids, 7 * sizeof(int32_t));
    assert_int_equal(generate(session, generation, &cancelled).reason, STOP_CANCELLED);
    assert_int_equal(cancelled.n, 9);
    assert_int_equal(result.stop_token, -1);
}

/* With any seed, until one comes upon a stop token. */
static void ends_at_a_stop_token(void **state)
{
    struct generation generation = {
        .sampling = {.temperature = 5, .top_p = 1, .repetition_penalty = 1}};
    bool found = false;

    (void)state;
    for (uint64_t seed = 0; seed < 50 && !found; seed++) {
        struct collector collector = {.n = 0};
        struct generation_result result;
        generation.noise_seed = seed;
        result = generate(session, generation, &collector);
        for (size_t i = 0; i < collector.n; i++)
            assert_false(model_is_stop_token(model, collector.ids[i]));
        if (result.reason != STOP_TOKEN)
            continue;
        found = true;
        assert_true(model_is_stop_token(model, result.stop_token));
        assert_int_equal(session_position(session), N_PROMPT + collector.n);
    }
    assert_true(found);
}

/* Forced tokens stand in the text as if they had been chosen. */
static void forced_tokens_follow(void **state)
{
    const int32_t forced[] = {11, 12, 13};
    struct generation generation = {
        .sampling = WARM, .noise_seed = 4, .max_tokens = 30, .ignore_stop = true};
    struct collector plain = {.n = 0};
    struct collector with = {.force_at = 10, .forced = forced, .n_force = 3};
    struct collector cut = {.force_at = 28, .forced = forced, .n_force = 3};
    float *logits = malloc(40 * 512 * sizeof *logits), *last;
    struct error error = {0};
    int32_t text[40];
    uint32_t n;

    (void)state;
    generate(session, generation, &plain);
    assert_int_equal(generate(session, generation, &with).reason, STOP_LENGTH);
    assert_memory_equal(with.ids, plain.ids, 10 * sizeof(int32_t));
    assert_memory_equal(with.ids + 10, forced, sizeof forced);
    /* The state is that of the text, however it came about. */
    n = session_position(session);
    memcpy(text, session_tokens(session), n * sizeof *text);
    last = logits + 20 * 512;
    check(session_eval(session, text, 1, 1, logits, NULL, &error), &error);
    session_reset(session);
    check(session_eval(session, text, n, 0, NULL, NULL, &error), &error);
    check(session_eval(session, text, 1, 1, last, NULL, &error), &error);
    assert_memory_equal(logits, last, 512 * sizeof *logits);
    assert_int_equal(generate(session, generation, &cut).reason, STOP_LENGTH);
    assert_int_equal(cut.n, 30);
    assert_memory_equal(cut.ids + 28, forced, 2 * sizeof(int32_t));
    free(logits);
}

static void refusals(void **state)
{
    const struct generation generation = {.sampling = WARM};
    const atomic_bool cancel = true;
    const struct session_hooks hooks = {.cancel = &cancel};
    struct generation_result result;
    struct error error = {0};

    (void)state;
    session_reset(session);
    assert_int_equal(session_generate(session, PROMPT, 0, &generation, NULL, &result, &error),
                     STATUS_USAGE);
    assert_int_equal(
        session_generate(session, PROMPT, N_PROMPT, &generation, &hooks, &result, &error),
        STATUS_CANCELLED);
    assert_int_equal(session_position(session), 0);
}

static void tokens_cost_no_allocation(void **state)
{
    (void)state;
    skip_uncounted();
    struct generation generation = {
        .sampling = WARM, .noise_seed = 4, .max_tokens = 100, .ignore_stop = true};
    struct collector collector = {.n = 0};
    long before;
    int32_t tokens[100];
    struct error error = {0};

    generate(session, generation, &collector);
    assert_true(collector.allocations[0] > 0);
    assert_int_equal(collector.allocations[0], collector.allocations[99]);
    session_reset(session);
    memcpy(tokens, collector.ids, sizeof tokens);
    before = allocation_count();
    check(session_eval(session, tokens, 100, 0, NULL, NULL, &error), &error);
    assert_int_equal(allocation_count(), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_and_settings_decide),
        cmocka_unit_test(ends_for_each_reason),
        cmocka_unit_test(ends_at_a_stop_token),
        cmocka_unit_test(forced_tokens_follow),
        cmocka_unit_test(refusals),
        cmocka_unit_test(tokens_cost_no_allocation),
    };
    return cmocka_run_group_tests_name("session_generate", tests, set_up, tear_down);
}
