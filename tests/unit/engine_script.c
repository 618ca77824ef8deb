/*
 * engine_script.c - the scripted engine: its format, and the events that it shares with a model's
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <unistd.h>

#include "engine/run/script.h"
#include "tests/unit/engine_talk.h"

static char script_path[] = "/tmp/banter-script-XXXXXX";

static struct engine *open_script(const char *text)
{
    struct engine_options options = {.script_path = script_path};
    struct engine *engine;
    FILE *file = fopen(script_path, "w");

    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(engine_open(&engine, &options, NULL), STATUS_OK);
    return engine;
}

static struct engine *open_ready(const char *text)
{
    struct engine *engine = open_script(text);

    wait_ready(engine);
    return engine;
}

static uint64_t ask(struct engine *engine, const struct engine_request *wanted)
{
    struct chat_message message = {.role = CHAT_USER, .text = "Hello there", .n_bytes = 11};
    struct engine_request request = {0};
    uint64_t id = 0;

    if (wanted != NULL)
        request = *wanted;
    if (request.messages == NULL) {
        request.messages = &message;
        request.n_messages = 1;
    }
    assert_int_equal(engine_submit(engine, &request, &id, NULL), STATUS_OK);
    memset(&message, 0xEE, sizeof message); /* the engine has a copy */
    return id;
}

static void refused(const char *text, unsigned line, const char *what)
{
    struct script script;
    struct error error;
    char where[32];

    assert_int_equal(script_parse(&script, text, strlen(text), &error), STATUS_DAMAGED);
    snprintf(where, sizeof where, "line %u", line);
    assert_string_equal(error.where, where);
    assert_non_null(strstr(error.what, what));
}

static void wrong_lines_are_refused(void **state)
{
    struct engine_options options = {.script_path = "/nonexistent/script"};
    struct engine *engine;
    struct error error;
    FILE *file;

    (void)state;
    refused("", 0, "no answer");
    refused("\n# only this\n", 2, "no answer");
    refused("text hello\n", 1, "after an answer");
    refused("answer\nname x\n", 2, "before the first answer");
    refused("answer\ntext a\nshout b\n", 3, "unknown directive");
    refused("answer\ntext a\\q\n", 2, "unknown escape");
    refused("answer\ntext a\\x4\n", 2, "unknown escape");
    refused("answer\ntext a\\xg0\n", 2, "unknown escape");
    refused("answer\ntext a\\\n", 2, "unknown escape");
    refused("answer now\n", 1, "too much");
    refused("answer\ndelay\n", 2, "expected a number");
    refused("answer\ndelay 5 5\n", 2, "too much");
    refused("answer\ndelay -5\n", 2, "expected a number");
    refused("answer\ndelay 99999999999999999999\n", 2, "expected a number");
    refused("answer\nprefill 5\n", 2, "expected a number");
    refused("answer\nrepeat 0\ntext a\n", 2, "expected a number");
    refused("answer\nrepeat 3\n\n\n", 2, "repeat needs");
    refused("answer\nrepeat 3\ndelay 1\n", 3, "repeat needs");
    refused("answer\nstop now\n", 2, "stop needs");
    refused("context 0\nanswer\n", 1, "expected a number");
    refused("answer\nsource oracle\n", 2, "source needs");
    refused("answer\nsource ngram 101\n", 2, "expected a number");
    refused("answer\nstate happy yes\n", 2, "state needs");
    refused("answer\nlane 32\n", 2, "expected a number");
    refused("answer\ncheck a: b\n", 2, "before the first answer");

    assert_int_equal(engine_open(&engine, &options, &error), STATUS_NOT_FOUND);
    assert_null(engine);
    options.script_path = script_path;
    file = fopen(script_path, "w");
    fputs("answer\nbad\n", file);
    fclose(file);
    assert_int_equal(engine_open(&engine, &options, &error), STATUS_DAMAGED);
    char line[600];
    assert_non_null(strstr(error_text(&error, line, sizeof line), "line 2: unknown directive"));
    assert_non_null(strstr(line, script_path));
}

static void answers_come_in_order_and_the_last_repeats(void **state)
{
    struct engine *engine = open_ready("name Little script\ncontext 999\n"
                                       "answer\ntext one\r\ntext , two\\n\n"
                                       "answer\nrepeat 3\ntext \\xe4\\xb8\\xad\\s\\\\\\e[1m\n");
    struct collected got;

    (void)state;
    assert_null(engine_model(engine));
    assert_string_equal(engine_info(engine)->name, "Little script");
    assert_int_equal(engine_info(engine)->n_context, 999);
    collect(engine, ask(engine, NULL), &got);
    assert_string_equal(got.text, "one, two\n");
    assert_int_equal(got.last.done.reason, STOP_TOKEN);
    for (int round = 0; round < 2; round++) {
        collect(engine, ask(engine, NULL), &got);
        assert_string_equal(got.text, "\xe4\xb8\xad \\\x1b[1m\xe4\xb8\xad \\\x1b[1m"
                                      "\xe4\xb8\xad \\\x1b[1m");
    }
    engine_close(&engine);
    assert_null(engine);
    engine_close(&engine);
}

static void tokens_are_cut_as_told(void **state)
{
    struct engine *engine = open_ready("answer\ntext \xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\n"
                                       "split 1\ntext \xe4\xb8\xad\nsplit 0\ntext abcdefgh\n");
    struct collected got;

    (void)state;
    collect(engine, ask(engine, NULL), &got);
    assert_int_equal(got.n_events, 2 + 3 + 2); /* 6 + 3 bytes, three bytes, 4 + 4 bytes */
    assert_int_equal(got.longest, 6);
    assert_int_equal(got.n_ids, 7);
    assert_int_equal(got.last.done.statistics.n_generated, 7);
    engine_close(&engine);
}

static void long_token_is_cut_at_characters(void **state)
{
    struct engine *engine = open_ready("split 3000\nanswer\nrepeat 1\ntext "
                                       "0123456789" /* 10 + 3 k: a cut at 256 would tear */
#define TEN                                                                                    \
    "\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad"                             \
    "\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad\xe4\xb8\xad"
                                       TEN TEN TEN TEN TEN TEN TEN TEN TEN TEN "\n");
    struct collected got;

    (void)state;
    collect(engine, ask(engine, NULL), &got);
    assert_int_equal(got.n_text, 310);
    assert_int_equal(got.n_events, 2);
    assert_int_equal(got.longest, 256);
    engine_close(&engine);
}

static void thinking_follows_the_request(void **state)
{
    static const char script[] = "answer\nthink aaaabbbbccccdddd\ntext done\n";
    struct engine *engine = open_ready(script);
    struct engine_request off = {.thinking = THINKING_OFF};
    struct engine_request budget = {.thinking = THINKING_ON, .thinking_budget = 2};
    struct engine_request length = {.max_tokens = 3};
    struct collected got;

    (void)state;
    collect(engine, ask(engine, NULL), &got);
    assert_string_equal(got.thinking, "aaaabbbbccccdddd");
    assert_string_equal(got.text, "done");
    assert_int_equal(got.last.done.statistics.n_thinking, 4);
    assert_int_equal(got.n_ids, 1);
    collect(engine, ask(engine, &off), &got);
    assert_int_equal(got.n_thinking, 0);
    assert_string_equal(got.text, "done");
    collect(engine, ask(engine, &budget), &got);
    assert_string_equal(got.thinking, "aaaabbbb");
    assert_string_equal(got.text, "done");
    collect(engine, ask(engine, &length), &got);
    assert_string_equal(got.thinking, "aaaabbbbcccc");
    assert_int_equal(got.last.done.reason, STOP_LENGTH);
    engine_close(&engine);
}

static void prefill_and_context_are_counted(void **state)
{
    struct engine *engine = open_ready("context 40\nanswer\nprefill 20 120\nrepeat 100\n"
                                       "text abcd\nanswer\ntext x\nanswer\nprefill 50 0\n");
    struct chat_message messages[3] = {{CHAT_USER, "abcdabcd", 8, NULL, 0, NULL, 0},
                                       {CHAT_ASSISTANT, "abcd", 4, NULL, 0, NULL, 0},
                                       {CHAT_USER, "abcd", 4, NULL, 0, NULL, 0}};
    struct engine_request turn = {.messages = messages, .n_messages = 3};
    struct collected got;

    (void)state;
    collect(engine, ask(engine, NULL), &got);
    assert_int_equal(got.prefill_done, 20);
    assert_int_equal(got.prefill_total, 20);
    assert_int_equal(got.last.done.reason, STOP_CONTEXT);
    assert_int_equal(got.last.done.statistics.n_generated, 20);
    assert_int_equal(got.last.done.statistics.position, 40);
    assert_true(got.last.done.statistics.prefill >= 0.12);
    assert_true(got.last.done.statistics.first_token >= 0.12);
    assert_false(got.last.done.statistics.warm);
    collect(engine, ask(engine, &turn), &got);
    assert_true(got.last.done.statistics.warm);
    assert_int_equal(got.last.done.statistics.n_prompt, 16);
    assert_int_equal(got.last.done.statistics.n_cached, 15);
    collect(engine, ask(engine, NULL), &got);
    assert_int_equal(got.last.type, ENGINE_FAILED);
    assert_int_equal(got.last.failure.status, STATUS_CONTEXT_FULL);
    engine_close(&engine);
}

static void failures_are_told(void **state)
{
    struct engine *engine = open_script("load 30\nfail The disk\\e[31m is gone.\n");
    struct engine_event event;
    struct error error;
    struct engine_request request = {0};
    struct collected got;
    uint64_t id;

    (void)state;
    assert_int_equal(engine_submit(engine, &request, &id, &error), STATUS_FAILED);
    do
        event = wait_event(engine);
    while (event.type == ENGINE_LOADING);
    assert_int_equal(event.type, ENGINE_LOAD_FAILED);
    assert_string_equal(event.failure.what, "The disk\x1b[31m is gone.");
    assert_null(engine_info(engine));
    engine_close(&engine);

    engine = open_ready("answer\ntext half\nfail Out of ideas\nanswer\ntext well\n");
    collect(engine, ask(engine, NULL), &got);
    assert_string_equal(got.text, "half");
    assert_string_equal(got.last.failure.what, "Out of ideas");
    collect(engine, ask(engine, NULL), &got);
    assert_string_equal(got.text, "well");
    engine_close(&engine);
}

static void cancel_is_prompt_in_every_phase(void **state)
{
    struct engine *engine =
        open_ready("answer\nprefill 1000 60000\ntext never\n"
                   "answer\nrate 5\nrepeat 1000\ntext abcd\nanswer\ndelay 60000\n");
    struct collected got;

    (void)state;
    for (int round = 0; round < 3; round++) {
        uint64_t id = ask(engine, NULL);
        pause_for(30);
        int64_t asked = run_clock_now();
        engine_cancel(engine);
        collect(engine, id, &got);
        assert_true(run_clock_now() - asked < MOST_NANOSECONDS);
        assert_int_equal(got.last.done.reason, STOP_CANCELLED);
        assert_string_equal(got.text, round == 1 ? "abcd" : "");
    }
    uint64_t queued = ask(engine, NULL); /* cancelled before it is taken, or just after */
    engine_cancel(engine);
    collect(engine, queued, &got);
    assert_int_equal(got.last.done.reason, STOP_CANCELLED);
    engine_close(&engine);
}

static void close_is_prompt_in_every_phase(void **state)
{
    static const char *const scripts[] = {
        "load 60000\nanswer\n", "answer\nprefill 9 60000\n", "answer\ndelay 60000\n",
        "rate 2\nanswer\nrepeat 99\ntext abcd\n", "answer\ntext x\n"};

    (void)state;
    for (int i = 0; i < 5; i++) {
        struct engine *engine = i == 0 ? open_script(scripts[i]) : open_ready(scripts[i]);
        if (i > 0) {
            ask(engine, NULL);
            ask(engine, NULL);
        }
        pause_for(20);
        int64_t asked = run_clock_now();
        engine_close(&engine);
        assert_true(run_clock_now() - asked < MOST_NANOSECONDS);
    }
}

static void queue_is_bounded_and_ordered(void **state)
{
    struct engine *engine = open_ready("answer\ndelay 100\ntext 1\nanswer\ntext 2\n");
    struct chat_message message = {.role = CHAT_USER, .text = "a", .n_bytes = 1};
    struct engine_request request = {.messages = &message, .n_messages = 1};
    struct collected got;
    struct error error;
    uint64_t first = ask(engine, NULL);
    uint64_t id = first;
    int n = 0;

    (void)state;
    while (engine_submit(engine, &request, &id, &error) == STATUS_OK)
        n++;
    assert_int_equal(error.status, STATUS_FAILED);
    assert_true(n >= 63 && n <= 65);
    for (uint64_t i = first; i <= id; i++) {
        collect(engine, i, &got);
        assert_string_equal(got.text, i == first ? "1" : "2");
    }
    engine_close(&engine);
}

static void suspended_time_is_left_out(void **state)
{
    struct engine *engine = open_ready("answer\ntext aaaa\ndelay 400\ntext bbbb\n");
    struct collected got;
    uint64_t id = ask(engine, NULL);

    (void)state;
    pause_for(320);
    engine_add_suspended(engine, 0.3);
    collect(engine, id, &got);
    assert_true(got.last.done.statistics.decode < 0.35);
    assert_true(got.last.done.statistics.decode > 0.05);
    engine_close(&engine);
}

static void rate_paces_the_answer(void **state)
{
    struct engine *engine = open_ready("rate 100\nanswer\nrepeat 21\ntext abcd\n");
    struct collected got;

    (void)state;
    collect(engine, ask(engine, NULL), &got);
    assert_int_equal(got.last.done.statistics.n_generated, 21);
    assert_true(got.last.done.statistics.decode >= 0.199);
    assert_true(got.last.done.statistics.rate <= 100.5);
    assert_true(got.last.done.statistics.between_p50 >= 0.0099);
    engine_close(&engine);
}

static void prompt_can_be_seen(void **state)
{
    struct engine *engine = open_ready("answer\n");
    struct chat_message messages[2] = {{CHAT_SYSTEM, "Be kind.", 8, NULL, 0, NULL, 0},
                                       {CHAT_USER, "Hi", 2, NULL, 0, NULL, 0}};
    struct engine_request request = {.messages = messages, .n_messages = 2};
    struct chat_prompt prompt;

    (void)state;
    assert_int_equal(engine_render(engine, &request, &prompt, NULL), STATUS_OK);
    assert_string_equal(prompt.text, "system: Be kind.\nuser: Hi\n");
    assert_int_equal(prompt.n_bytes, strlen(prompt.text));
    free(prompt.text);
    free(prompt.ids);
    engine_close(&engine);
}

/* Nobody reads while a long answer is told: nothing is lost, and the engine does not wait. */
static void unread_answer_is_kept(void **state)
{
    struct engine *engine = open_ready("answer\nrepeat 4000\ntext abcd\n");
    struct collected got;
    uint64_t id = ask(engine, NULL);

    (void)state;
    pause_for(300);
    collect(engine, id, &got);
    assert_int_equal(got.n_text, 16000);
    for (size_t i = 0; i < got.n_text; i++)
        assert_int_equal(got.text[i], "abcd"[i % 4]);
    assert_int_equal(got.n_ids, 4000);
    engine_close(&engine);
}

/* All events of a request, in order; returns how many, the end among them. */
static size_t all_events(struct engine *engine, uint64_t id, struct engine_event *events,
                         size_t most)
{
    size_t n = 0;

    for (;;) {
        assert_true(n < most);
        events[n] = wait_event(engine);
        assert_int_equal(events[n].request, id);
        const enum engine_event_type type = events[n++].type;
        if (type == ENGINE_DONE || type == ENGINE_FAILED)
            return n;
    }
}

enum { MOST_EVENTS = 400 };

static void policy_has_the_figures_of_the_script(void **state)
{
    struct engine *engine = open_ready("answer\ntext abcd\nsource ngram 50\nrepeat 30\n"
                                       "text abcd\nsource none\n"
                                       "state gated the proposal looks risky\ntext abcdabcd\n");
    struct engine_event *events = malloc(MOST_EVENTS * sizeof *events);
    const struct policy_settings ngram = policy_defaults(POLICY_NGRAM);
    struct engine_request request = {.policy = &ngram};
    uint32_t n_from[POLICY_SOURCE_COUNT] = {0};
    uint32_t n_policy = 0;

    (void)state;
    size_t n = all_events(engine, ask(engine, &request), events, MOST_EVENTS);
    for (size_t i = 0; i < n; i++) {
        if (events[i].type == ENGINE_TEXT)
            n_from[events[i].text.source]++;
        n_policy += events[i].type == ENGINE_POLICY;
    }
    assert_true(n_policy > 0);
    assert_int_equal(n_from[POLICY_SOURCE_NGRAM], 20); /* two of three */
    assert_int_equal(n_from[POLICY_SOURCE_NONE], 13);
    const struct policy_statistics *s = &events[n - 1].done.statistics.speculation;
    assert_int_equal(events[n - 1].done.statistics.policy, POLICY_NGRAM);
    assert_int_equal(s->emitted, 33);
    assert_int_equal(s->emitted, s->accepted + s->corrections + s->bonus + s->plain);
    assert_int_equal(s->verified, 40);
    assert_int_equal(s->accepted, 20);
    assert_int_equal(s->verified, s->accepted + s->rejected);
    assert_int_equal(s->lengths[2], 10);
    assert_int_equal(s->state, POLICY_GATED);
    assert_string_equal(s->reason, "the proposal looks risky");
    assert_true(policy_acceptance(s) > 0.49 && policy_acceptance(s) < 0.51);
    wait_event(engine);
    request.policy = NULL; /* greedy: nobody proposes */
    n = all_events(engine, ask(engine, &request), events, MOST_EVENTS);
    assert_int_equal(events[n - 1].done.statistics.speculation.verified, 0);
    assert_int_equal(events[n - 1].done.statistics.speculation.plain, 33);
    engine_close(&engine);
    free(events);
}

static void lanes_are_told_and_compared(void **state)
{
    struct engine *engine = open_ready("margin 250\nanswer\ntext abcdabcd\nlane 1\ntext efgh\n"
                                       "lane all\ntext ijkl\n");
    struct engine_event *events = malloc(MOST_EVENTS * sizeof *events);
    const struct engine_lane lanes[2] = {{.policy = policy_defaults(POLICY_GREEDY)},
                                         {.policy = policy_defaults(POLICY_NGRAM)}};
    struct engine_request request = {.lanes = lanes, .n_lanes = 2, .rounds = 2};
    static const uint32_t orders[2][4] = {{0, 1, 1, 0}, {0, 1}};

    (void)state;
    for (int together = 0; together < 2; together++) {
        char text[2][2][40] = {{""}};
        uint32_t n_ends = 0;
        uint32_t n_changes = 0;
        uint32_t last = 0;
        request.together = together != 0;
        const size_t n = all_events(engine, ask(engine, &request), events, MOST_EVENTS);
        for (size_t i = 0; i < n; i++) {
            const struct engine_event *event = &events[i];
            if (event->type == ENGINE_TEXT) {
                strncat(text[event->text.lane][event->text.round], event->text.bytes,
                        event->text.n_bytes);
                n_changes += event->text.lane != last;
                last = event->text.lane;
            }
            if (event->type != ENGINE_LANE_DONE)
                continue;
            assert_int_equal(event->lane.lane, orders[together][n_ends++]);
            assert_int_equal(event->lane.identical, event->lane.lane == 0);
            assert_int_equal(event->lane.n_compared, 3);
            if (event->lane.lane == 0)
                continue;
            assert_int_equal(event->lane.first_difference, 2);
            assert_true(event->lane.margin > 0.249F && event->lane.margin < 0.251F);
            assert_int_equal(event->lane.statistics.n_generated, 4);
        }
        assert_int_equal(n_ends, together ? 2 : 4);
        assert_string_equal(text[0][0], "abcdabcdijkl");
        assert_string_equal(text[1][0], "abcdabcdefghijkl");
        assert_string_equal(text[1][1], together ? "" : "abcdabcdefghijkl");
        assert_int_equal(events[n - 1].type, ENGINE_DONE);
        assert_true(together ? n_changes >= 5 : n_changes == 2);
        wait_event(engine);
    }
    engine_close(&engine);
    free(events);
}

static void self_check_says_what_the_script_says(void **state)
{
    struct engine *engine = open_ready("check steps: 9 equal\ndiffer threads: position 7\n"
                                       "check forks: 3 equal\nanswer\n");
    struct engine_event *events = malloc(MOST_EVENTS * sizeof *events);
    uint64_t id;

    (void)state;
    assert_int_equal(engine_submit_selfcheck(engine, &id, NULL), STATUS_OK);
    assert_int_equal(all_events(engine, id, events, MOST_EVENTS), 4);
    assert_string_equal(events[0].check.what, "steps");
    assert_string_equal(events[0].check.found, "9 equal");
    assert_true(events[0].check.passed && !events[1].check.passed && events[2].check.passed);
    assert_int_equal(events[2].check.done, 3);
    assert_int_equal(events[3].type, ENGINE_FAILED);
    assert_int_equal(engine_submit_selfcheck(engine, &id, NULL), STATUS_OK);
    pause_for(10);
    engine_cancel(engine);
    size_t n = all_events(engine, id, events, MOST_EVENTS);
    assert_int_equal(events[n - 1].done.reason, STOP_CANCELLED);
    engine_close(&engine);
    free(events);
}

static void drafts_can_fail(void **state)
{
    struct engine *engine = open_ready("nodraft cannot open the draft\n"
                                       "answer\nrate 50\nrepeat 6\ntext abcd\n");
    struct engine_event *events = malloc(MOST_EVENTS * sizeof *events);
    const struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);
    struct engine_request request = {.policy = &settings, .draft_path = "a.gguf"};
    uint32_t n_refused = 0;

    (void)state;
    size_t n = all_events(engine, ask(engine, &request), events, MOST_EVENTS);
    assert_true(events[0].type == ENGINE_LOADING && events[0].load.draft);
    assert_int_equal(events[n - 1].type, ENGINE_FAILED);
    assert_string_equal(events[n - 1].failure.what, "cannot open the draft");
    request.draft_path = NULL;
    n = all_events(engine, ask(engine, &request), events, MOST_EVENTS);
    assert_int_equal(events[n - 1].failure.status, STATUS_USAGE);
    request.policy = NULL;
    uint64_t id = ask(engine, &request);
    assert_int_equal(engine_switch_policy(engine, &settings, "a.gguf", NULL), STATUS_OK);
    n = all_events(engine, id, events, MOST_EVENTS);
    for (size_t i = 0; i < n; i++)
        n_refused += events[i].type == ENGINE_POLICY &&
                     strcmp(events[i].policy.refused, "cannot open the draft") == 0;
    assert_int_equal(n_refused, 1);
    assert_int_equal(events[n - 1].done.statistics.policy, POLICY_GREEDY);
    assert_int_equal(events[n - 1].done.statistics.n_generated, 6);
    engine_close(&engine);
    free(events);
}

/* Whoever has seen the end of one request means the next one. */
static void cancel_after_an_end_is_for_the_next(void **state)
{
    struct engine *engine = open_ready("answer\ndelay 60000\n");
    const struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);
    const struct engine_request failing = {.policy = &settings}; /* without a draft model */
    struct collected got;

    (void)state;
    for (int round = 0; round < 50; round++) {
        collect(engine, ask(engine, &failing), &got);
        assert_int_equal(got.last.type, ENGINE_FAILED);
        uint64_t id = ask(engine, NULL);
        int64_t asked = run_clock_now();
        engine_cancel(engine);
        collect(engine, id, &got);
        assert_int_equal(got.last.done.reason, STOP_CANCELLED);
        assert_true(run_clock_now() - asked < 20 * (int64_t)MOST_NANOSECONDS);
    }
    engine_close(&engine);
}

static int make_file(void **state)
{
    int fd = mkstemp(script_path);

    (void)state;
    return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
    (void)state;
    return unlink(script_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wrong_lines_are_refused),
        cmocka_unit_test(answers_come_in_order_and_the_last_repeats),
        cmocka_unit_test(tokens_are_cut_as_told),
        cmocka_unit_test(long_token_is_cut_at_characters),
        cmocka_unit_test(thinking_follows_the_request),
        cmocka_unit_test(prefill_and_context_are_counted),
        cmocka_unit_test(failures_are_told),
        cmocka_unit_test(cancel_is_prompt_in_every_phase),
        cmocka_unit_test(close_is_prompt_in_every_phase),
        cmocka_unit_test(queue_is_bounded_and_ordered),
        cmocka_unit_test(suspended_time_is_left_out),
        cmocka_unit_test(rate_paces_the_answer),
        cmocka_unit_test(prompt_can_be_seen),
        cmocka_unit_test(unread_answer_is_kept),
        cmocka_unit_test(policy_has_the_figures_of_the_script),
        cmocka_unit_test(lanes_are_told_and_compared),
        cmocka_unit_test(self_check_says_what_the_script_says),
        cmocka_unit_test(drafts_can_fail),
        cmocka_unit_test(cancel_after_an_end_is_for_the_next),
    };
    return cmocka_run_group_tests_name("engine_script", tests, make_file, remove_file);
}
