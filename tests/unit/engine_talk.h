/*
 * engine_talk.h - for tests of the engine thread: wait for events, hold conversations, and what
 * must be true of every engine behind engine.h that has a state
 */
#ifndef TESTS_UNIT_ENGINE_TALK_H
#define TESTS_UNIT_ENGINE_TALK_H

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "engine/engine.h"
#include "engine/run/run_clock.h"

enum {
    /* A cancel takes a few milliseconds; the rest is for a busy machine. */
    MOST_NANOSECONDS = 250 * 1000 * 1000,
    MOST_MESSAGES = 24
};

/* What a request gave. */
struct collected {
    char text[20000], thinking[20000];
    int32_t ids[6000];
    size_t n_text, n_thinking, n_events, n_ids, longest;
    struct engine_event last; /* DONE or FAILED */
    uint32_t prefill_done, prefill_total;
};

static inline struct engine_event wait_event(struct engine *engine)
{
    struct engine_event event;
    struct pollfd poller = {.fd = engine_event_fd(engine), .events = POLLIN};

    while (!engine_next_event(engine, &event))
        assert_int_equal(poll(&poller, 1, 60000), 1);
    return event;
}

static inline void wait_ready(struct engine *engine)
{
    struct engine_event event;

    do
        event = wait_event(engine);
    while (event.type == ENGINE_LOADING);
    if (event.type == ENGINE_LOAD_FAILED)
        print_message("%s\n", event.failure.what);
    assert_int_equal(event.type, ENGINE_READY);
}

static inline void take_text(struct collected *into, const struct engine_event *event)
{
    bool thinking = event->text.part == CHAT_PART_THINKING;
    char *to = thinking ? into->thinking : into->text;
    size_t *n = thinking ? &into->n_thinking : &into->n_text;

    assert_true(*n + event->text.n_bytes < sizeof into->text);
    memcpy(to + *n, event->text.bytes, event->text.n_bytes);
    *n += event->text.n_bytes;
    to[*n] = '\0';
    assert_true(into->n_ids + event->text.n_ids <= sizeof into->ids / sizeof into->ids[0]);
    memcpy(into->ids + into->n_ids, event->text.ids, event->text.n_ids * sizeof(int32_t));
    into->n_ids += event->text.n_ids;
    if (event->text.n_bytes > into->longest)
        into->longest = event->text.n_bytes;
    into->n_events++;
}

/* All events of a request, to its end. */
static inline void collect_answer(struct engine *engine, uint64_t id, struct collected *into)
{
    memset(into, 0, sizeof *into);
    do {
        into->last = wait_event(engine);
        assert_int_equal(into->last.request, id);
        if (into->last.type == ENGINE_TEXT)
            take_text(into, &into->last);
        if (into->last.type == ENGINE_PREFILL) {
            into->prefill_done = into->last.prefill.done;
            into->prefill_total = into->last.prefill.total;
            assert_true(into->prefill_done <= into->prefill_total);
        }
    } while (into->last.type != ENGINE_DONE && into->last.type != ENGINE_FAILED);
}

/* And to the end of the idle work after it. */
static inline void collect(struct engine *engine, uint64_t id, struct collected *into)
{
    collect_answer(engine, id, into);
    if (into->last.type == ENGINE_FAILED)
        return;
    struct engine_event event = wait_event(engine);
    assert_int_equal(event.type, ENGINE_SETTLED);
    assert_int_equal(event.request, id);
}

static inline void pause_for(long milliseconds)
{
    nanosleep(&(struct timespec){milliseconds / 1000, milliseconds % 1000 * 1000000}, NULL);
}

/* Numbers for tests that repeat: splitmix64. */
static inline uint64_t next_number(uint64_t *state)
{
    uint64_t z = (*state += 0x9E3779B97F4A7C15u);

    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

static inline void pause_shortly(uint64_t *numbers, uint64_t most_microseconds)
{
    nanosleep(
        &(struct timespec){0, (long)(next_number(numbers) % (most_microseconds + 1)) * 1000},
        NULL);
}

/* Conversations ----------------------------------------------------------------------------- */

struct conversation {
    struct chat_message messages[MOST_MESSAGES]; /* texts and ids are owned */
    size_t n_messages;
    struct engine_request request; /* what to ask with; messages are filled in */
};

static inline void say(struct conversation *talk, enum chat_role role, const char *text,
                       size_t n_bytes, const int32_t *ids, size_t n_ids)
{
    struct chat_message *message = &talk->messages[talk->n_messages++];
    char *copied = malloc(n_bytes + 1);
    int32_t *copied_ids = malloc((n_ids + 1) * sizeof *ids);

    assert_true(talk->n_messages <= MOST_MESSAGES);
    memcpy(copied, text, n_bytes);
    if (n_ids > 0)
        memcpy(copied_ids, ids, n_ids * sizeof *ids);
    *message = (struct chat_message){role, copied, n_bytes, copied_ids, n_ids, "", 0};
}

static inline void take_back(struct conversation *talk)
{
    struct chat_message *message = &talk->messages[--talk->n_messages];

    free((void *)message->text);
    free((void *)message->ids);
}

static inline void forget(struct conversation *talk)
{
    while (talk->n_messages > 0)
        take_back(talk);
}

static inline void user_says(struct conversation *talk, uint64_t *numbers, size_t most_bytes)
{
    char text[600];
    size_t n = 1 + next_number(numbers) % most_bytes;

    for (size_t i = 0; i < n; i++)
        text[i] = (char)(i % 6 == 5 ? ' ' : 'a' + next_number(numbers) % 26);
    text[0] = 'A';
    text[n - 1] = '.';
    say(talk, CHAT_USER, text, n, NULL, 0);
}

static inline struct engine_request request_of(const struct conversation *talk)
{
    struct engine_request request = talk->request;

    request.messages = talk->messages;
    request.n_messages = talk->n_messages;
    request.message = (uint32_t)talk->n_messages;
    return request;
}

static inline uint64_t submit(struct engine *engine, const struct conversation *talk)
{
    struct engine_request request = request_of(talk);
    uint64_t id = 0;

    assert_int_equal(engine_submit(engine, &request, &id, NULL), STATUS_OK);
    return id;
}

/* How the next prompt will begin: all messages but the last, as history. */
static inline size_t count_history(const struct engine *engine, const struct conversation *talk)
{
    struct chat_prompt history = {0};

    assert_int_equal(chat_render(engine_model(engine), talk->messages, talk->n_messages - 1,
                                 talk->request.thinking, false, &history, NULL),
                     STATUS_OK);
    size_t n_ids = history.n_ids;
    chat_prompt_release(&history);
    return n_ids;
}

/* What a variant finds; one token is left to evaluate. */
static inline size_t count_stable(const struct engine *engine, const struct conversation *talk)
{
    struct engine_request request = request_of(talk);
    struct chat_prompt prompt = {0};

    assert_int_equal(engine_render(engine, &request, &prompt, NULL), STATUS_OK);
    size_t n_stable = prompt.n_stable < prompt.n_ids ? prompt.n_stable : prompt.n_ids - 1;
    chat_prompt_release(&prompt);
    return n_stable;
}

/* What must be true ------------------------------------------------------------------------- */

typedef struct engine *(*opener)(void); /* an engine that is ready */

static inline void assert_same(const struct collected *a, const struct collected *b)
{
    assert_string_equal(a->text, b->text);
    assert_string_equal(a->thinking, b->thinking);
    assert_int_equal(a->n_ids, b->n_ids);
    assert_memory_equal(a->ids, b->ids, a->n_ids * sizeof a->ids[0]);
    assert_int_equal(a->last.type, b->last.type);
    if (a->last.type == ENGINE_DONE) {
        assert_int_equal(a->last.done.reason, b->last.done.reason);
        assert_int_equal(a->last.done.statistics.n_generated,
                         b->last.done.statistics.n_generated);
    }
}

/* The same request to an engine that has seen nothing. */
static inline void ask_fresh(opener open_engine, const struct conversation *talk,
                             struct collected *into)
{
    struct engine *engine = open_engine();

    collect_answer(engine, submit(engine, talk), into);
    assert_int_equal(into->last.type, ENGINE_DONE);
    assert_int_equal(into->last.done.statistics.n_cached, 0);
    assert_false(into->last.done.statistics.warm);
    engine_close(&engine);
}

/*
 * Several turns, each answered twice over (variants), and every answer is what an engine gives that
 * has seen nothing before; a next turn reads its own message alone, a variant only the tags.
 */
static inline void check_conversation(opener open_engine, struct engine_request wanted,
                                      uint64_t seed)
{
    struct conversation talk = {.request = wanted};
    struct engine *engine = open_engine();
    struct collected *got = malloc(sizeof *got);
    struct collected *fresh = malloc(sizeof *fresh);

    for (int turn = 0; turn < 3; turn++) {
        user_says(&talk, &seed, 60);
        for (uint32_t variant = 0; variant < 2; variant++) {
            talk.request.variant = variant;
            collect(engine, submit(engine, &talk), got);
            assert_int_equal(got->prefill_done, got->prefill_total);
            ask_fresh(open_engine, &talk, fresh);
            assert_same(got, fresh);
            const struct engine_statistics *statistics = &got->last.done.statistics;
            assert_int_equal(statistics->n_cached + statistics->n_prefilled,
                             statistics->n_prompt);
            if (variant > 0)
                assert_int_equal(statistics->n_cached, count_stable(engine, &talk));
            else if (turn > 0)
                assert_int_equal(statistics->n_cached, count_history(engine, &talk));
        }
        say(&talk, CHAT_ASSISTANT, got->text, got->n_text, got->ids, got->n_ids);
    }
    forget(&talk);
    free(got);
    free(fresh);
    engine_close(&engine);
}

/* A stop may cut a character in two: it ends in U+FFFD then, which is no part of the whole answer. */
static inline void assert_begins_with(const char *whole, size_t n_whole, const char *part,
                                      size_t n_part)
{
    if (n_part >= 3 && memcmp(part + n_part - 3, "\xef\xbf\xbd", 3) == 0)
        n_part -= 3;
    assert_true(n_part <= n_whole);
    assert_memory_equal(whole, part, n_part);
}

/* Stopped anywhere, then asked again: as if it had not been stopped. */
static inline void check_cancel(opener open_engine, struct engine_request wanted, int rounds,
                                uint64_t seed)
{
    struct conversation talk = {.request = wanted};
    struct engine *engine = open_engine();
    struct collected *fresh = malloc(sizeof *fresh);
    struct collected *got = malloc(sizeof *got);
    int n_cancelled = 0;
    int n_begun = 0;

    for (int round = 0; round < rounds; round++) {
        user_says(&talk, &seed, round % 4 == 0 ? 300 : 40);
        ask_fresh(open_engine, &talk, fresh);
        double seconds =
            fresh->last.done.statistics.first_token + fresh->last.done.statistics.decode;
        uint64_t id = submit(engine, &talk);
        pause_shortly(&seed, (uint64_t)(1e6 * seconds));
        int64_t asked = run_clock_now();
        engine_cancel(engine);
        collect(engine, id, got);
        assert_int_equal(got->last.type, ENGINE_DONE);
        if (got->last.done.reason == STOP_CANCELLED) {
            n_cancelled++;
            n_begun += got->last.done.statistics.n_generated > 0;
            assert_true(run_clock_now() - asked < 4 * MOST_NANOSECONDS);
        }
        assert_begins_with(fresh->thinking, fresh->n_thinking, got->thinking, got->n_thinking);
        assert_begins_with(fresh->text, fresh->n_text, got->text, got->n_text);
        collect(engine, submit(engine, &talk), got);
        assert_same(fresh, got);
        if (talk.n_messages > 4)
            forget(&talk);
        else
            say(&talk, CHAT_ASSISTANT, got->text, got->n_text, got->ids, got->n_ids);
    }
    print_message("%d of %d requests were stopped before their end, %d after a token\n",
                  n_cancelled, rounds, n_begun);
    forget(&talk);
    free(fresh);
    free(got);
    engine_close(&engine);
}

/* Anything at any time: every request ends once, in order, and closing is prompt. */
static inline void check_stress(opener open_engine, struct engine_request wanted, int rounds,
                                uint64_t most_microseconds, uint64_t seed)
{
    for (int round = 0; round < rounds; round++) {
        struct conversation talk = {.request = wanted};
        struct engine *engine = open_engine();
        uint64_t submitted = 0;
        uint64_t ended = 0;
        uint64_t settled = 0;
        struct engine_event event;

        user_says(&talk, &seed, 200);
        for (int step = 0; step < 20; step++) {
            uint64_t choice = next_number(&seed) % 8;
            talk.request.variant = (uint32_t)(next_number(&seed) % 3);
            if (choice < 3)
                submitted = submit(engine, &talk);
            else if (choice < 5)
                engine_cancel(engine);
            else if (choice == 5)
                count_stable(engine, &talk);
            else if (choice == 6)
                engine_add_suspended(engine, 0.001);
            else
                pause_shortly(&seed, most_microseconds);
            while (next_number(&seed) % 4 > 0 && engine_next_event(engine, &event)) {
                if (event.type == ENGINE_DONE || event.type == ENGINE_FAILED)
                    assert_int_equal(event.request, ++ended);
                if (event.type == ENGINE_SETTLED)
                    assert_int_equal(event.request, ++settled);
                assert_true(settled <= ended && ended <= submitted);
            }
        }
        int64_t asked = run_clock_now();
        engine_close(&engine);
        assert_true(run_clock_now() - asked < 4 * MOST_NANOSECONDS);
        forget(&talk);
    }
}

#endif
