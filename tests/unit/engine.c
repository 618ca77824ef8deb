/*
 * engine.c - the engine thread over a small model: reuse of state changes no text, and anything may
 * be stopped at any time
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "tests/unit/engine_talk.h"

/* Sanitizers make a pass some fifty times slower; they need less to see what they look for. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { STOPPED_REQUESTS = 4, CONVERSATIONS = 2, STRESS_ROUNDS = 10 };
#else
enum { STOPPED_REQUESTS = 16, CONVERSATIONS = 8, STRESS_ROUNDS = 40 };
#endif

static struct engine_options options;

static struct engine *open_engine(void)
{
    struct engine *engine;

    assert_int_equal(engine_open(&engine, &options, NULL), STATUS_OK);
    wait_ready(engine);
    return engine;
}

static int with_small_model(void **state)
{
    (void)state;
    options = (struct engine_options){.model_path = "tests/golden/data/tinyA-q8_0.gguf",
                                      .template_name = "qwen3.5",
                                      .level = kernel_level_best(),
                                      .n_threads = 2,
                                      .n_context = 1024,
                                      .chunk = 16};
    return 0;
}

static struct engine_request wanted(float temperature, enum thinking_mode thinking,
                                    size_t max_tokens)
{
    struct engine_request request = {
        .thinking = thinking, .conversation_seed = 7, .max_tokens = max_tokens};

    request.sampling.values =
        (struct sampling){.temperature = temperature, .top_p = 1, .repetition_penalty = 1};
    request.sampling.given = SAMPLING_TEMPERATURE | SAMPLING_TOP_K | SAMPLING_TOP_P;
    return request;
}

static void same_request_gives_same_text(void **state)
{
    struct conversation talk = {.request = wanted(1, THINKING_OFF, 40)};
    struct engine *engine = open_engine();
    struct collected first;
    struct collected second;

    (void)state;
    say(&talk, CHAT_SYSTEM, "Answer in few words.", 20, NULL, 0);
    say(&talk, CHAT_USER, "Who are you?", 12, NULL, 0);
    collect(engine, submit(engine, &talk), &first);
    collect(engine, submit(engine, &talk), &second);
    assert_same(&first, &second);
    assert_true(first.n_text > 0);
    assert_int_equal(second.last.done.statistics.n_cached, count_stable(engine, &talk));
    assert_true(second.last.done.statistics.warm);
    talk.request.variant = 1;
    collect(engine, submit(engine, &talk), &second);
    assert_true(strcmp(first.text, second.text) != 0);
    engine_close(&engine);
    forget(&talk);
}

static void reuse_changes_no_text(void **state)
{
    static const char *const templates[] = {"qwen3.5", "chatml"};

    (void)state;
    for (uint64_t seed = 1; seed <= CONVERSATIONS; seed++) {
        struct engine_request request =
            wanted(seed % 3 == 0 ? 0 : 0.8F, seed % 4 < 2 ? THINKING_ON : THINKING_OFF, 24);
        options.template_name = templates[seed % 2];
        request.conversation_seed = seed;
        request.thinking_budget = seed % 4 == 1 ? 7 : 0;
        check_conversation(open_engine, request, seed);
    }
}

static void threads_and_chunks_change_no_text(void **state)
{
    struct conversation talk = {.request = wanted(0.8F, THINKING_OFF, 40)};
    struct collected first;
    struct collected other;
    uint64_t seed = 9;

    (void)state;
    user_says(&talk, &seed, 300);
    ask_fresh(open_engine, &talk, &first);
    for (int n_threads = 1; n_threads <= 3; n_threads++) {
        options.n_threads = n_threads;
        options.chunk = (uint32_t)(n_threads == 1 ? 1 : n_threads == 2 ? 7 : 0);
        ask_fresh(open_engine, &talk, &other);
        assert_same(&first, &other);
    }
    forget(&talk);
}

static void prompt_is_what_was_sent(void **state)
{
    struct conversation talk = {.request = wanted(0, THINKING_ON, 3)};
    struct engine *engine = open_engine();
    struct engine_request request;
    struct chat_prompt prompt;
    struct collected got;

    (void)state;
    say(&talk, CHAT_USER, "Hi", 2, NULL, 0);
    request = request_of(&talk);
    assert_int_equal(engine_render(engine, &request, &prompt, NULL), STATUS_OK);
    assert_string_equal(prompt.text,
                        "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n<think>\n");
    collect(engine, submit(engine, &talk), &got);
    assert_int_equal(got.last.done.statistics.n_prompt, prompt.n_ids);
    assert_int_equal(got.last.done.statistics.position, prompt.n_ids + 2);
    assert_int_equal(got.last.done.statistics.n_context, 1024);
    assert_int_equal(got.last.done.reason, STOP_LENGTH);
    assert_true(got.last.done.statistics.load > 0);
    assert_true(got.last.done.statistics.first_token > got.last.done.statistics.prefill);
    chat_prompt_release(&prompt);
    engine_close(&engine);
    forget(&talk);
}

static void budget_ends_thinking(void **state)
{
    struct conversation talk = {.request = wanted(1, THINKING_ON, 60)};
    struct engine *engine = open_engine();
    struct collected got;
    struct collected unbound;

    (void)state;
    say(&talk, CHAT_USER, "Think about it.", 15, NULL, 0);
    collect(engine, submit(engine, &talk), &unbound);
    talk.request.thinking_budget = 10;
    collect(engine, submit(engine, &talk), &got);
    assert_true(unbound.n_thinking > got.n_thinking);
    assert_memory_equal(unbound.thinking, got.thinking, got.n_thinking - 1); /* and "\n" */
    assert_true(got.n_text > 0);
    assert_true(got.last.done.statistics.n_thinking >= 10 &&
                got.last.done.statistics.n_thinking <= 12);
    engine_close(&engine);
    forget(&talk);
}

static void full_context_is_told(void **state)
{
    struct conversation talk = {.request = wanted(1, THINKING_OFF, 0)};
    struct collected got;
    uint64_t seed = 4;

    (void)state;
    options.n_context = 64;
    struct engine *engine = open_engine();
    say(&talk, CHAT_USER, "Hi", 2, NULL, 0);
    collect(engine, submit(engine, &talk), &got);
    assert_int_equal(got.last.type, ENGINE_DONE);
    assert_true(got.last.done.reason == STOP_CONTEXT || got.last.done.reason == STOP_TOKEN);
    take_back(&talk);
    user_says(&talk, &seed, 500);
    while (talk.messages[0].n_bytes < 300) {
        take_back(&talk);
        user_says(&talk, &seed, 500);
    }
    collect(engine, submit(engine, &talk), &got);
    assert_int_equal(got.last.failure.status, STATUS_CONTEXT_FULL);
    take_back(&talk);
    say(&talk, CHAT_USER, "Hi", 2, NULL, 0);
    collect(engine, submit(engine, &talk), &got);
    assert_int_equal(got.last.type, ENGINE_DONE);
    engine_close(&engine);
    forget(&talk);
}

static void stopped_requests_leave_no_trace(void **state)
{
    (void)state;
    check_cancel(open_engine, wanted(0.8F, THINKING_ON, 20), STOPPED_REQUESTS, 21);
    options.template_name = "chatml";
    options.n_threads = 1;
    check_cancel(open_engine, wanted(0.8F, THINKING_OFF, 20), STOPPED_REQUESTS, 22);
}

static void anything_at_any_time(void **state)
{
    (void)state;
    check_stress(open_engine, wanted(1, THINKING_ON, 30), STRESS_ROUNDS, 20000, 31);
}

static void close_while_loading(void **state)
{
    uint64_t seed = 8;

    (void)state;
    for (int round = 0; round < 20; round++) {
        struct engine *engine;
        assert_int_equal(engine_open(&engine, &options, NULL), STATUS_OK);
        pause_shortly(&seed, 10000);
        int64_t asked = run_clock_now();
        engine_close(&engine);
        assert_true(run_clock_now() - asked < 4 * MOST_NANOSECONDS);
    }
}

static void failed_load_is_told(void **state)
{
    struct engine_event event;
    struct engine *engine;

    (void)state;
    options.model_path = "/nonexistent/model.gguf";
    assert_int_equal(engine_open(&engine, &options, NULL), STATUS_OK);
    do
        event = wait_event(engine);
    while (event.type == ENGINE_LOADING);
    assert_int_equal(event.type, ENGINE_LOAD_FAILED);
    assert_int_equal(event.failure.status, STATUS_NOT_FOUND);
    engine_close(&engine);
}

#define WITH_SMALL_MODEL(test) cmocka_unit_test_setup(test, with_small_model)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_SMALL_MODEL(same_request_gives_same_text),
        WITH_SMALL_MODEL(reuse_changes_no_text),
        WITH_SMALL_MODEL(threads_and_chunks_change_no_text),
        WITH_SMALL_MODEL(prompt_is_what_was_sent),
        WITH_SMALL_MODEL(budget_ends_thinking),
        WITH_SMALL_MODEL(full_context_is_told),
        WITH_SMALL_MODEL(stopped_requests_leave_no_trace),
        WITH_SMALL_MODEL(anything_at_any_time),
        WITH_SMALL_MODEL(close_while_loading),
        WITH_SMALL_MODEL(failed_load_is_told),
    };
    return cmocka_run_group_tests_name("engine", tests, NULL, NULL);
}
