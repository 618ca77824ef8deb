/*
 * event_ring.c - order, the descriptor, joining, and no text lost behind a slow reader
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <sched.h>

#include "engine/run/event_ring.h"
#include "engine/run/meter.h"
#include "engine/run/run_clock.h"

static bool readable(const struct event_ring *ring)
{
    struct pollfd poller = {.fd = event_ring_fd(ring), .events = POLLIN};

    return poll(&poller, 1, 0) == 1;
}

static struct event_ring *new_ring(void)
{
    struct event_ring *ring;

    assert_int_equal(event_ring_new(&ring, NULL), STATUS_OK);
    return ring;
}

static struct engine_event text_event(uint64_t request, const char *bytes, size_t n_bytes)
{
    struct engine_event event = {.type = ENGINE_TEXT, .request = request};

    memcpy(event.text.bytes, bytes, n_bytes);
    event.text.n_bytes = (uint32_t)n_bytes;
    return event;
}

static void descriptor_is_readable_while_events_wait(void **state)
{
    struct event_ring *ring = new_ring();
    struct engine_event event = text_event(1, "a", 1);

    (void)state;
    assert_false(readable(ring));
    assert_false(event_ring_pop(ring, &event));
    for (int round = 0; round < 3; round++) {
        event_ring_push(ring, &event);
        event_ring_push(ring, &event);
        assert_true(readable(ring));
        assert_true(event_ring_pop(ring, &event));
        assert_true(readable(ring));
        assert_true(event_ring_pop(ring, &event));
        assert_false(readable(ring));
    }
    event_ring_free(&ring);
    event_ring_free(&ring);
}

/* A reader that never came: everything is there, in order, in few events. */
static void full_ring_joins_and_grows(void **state)
{
    enum { TOKENS = 40000 };
    struct event_ring *ring = new_ring();
    struct engine_event event;
    size_t n_bytes = 0;
    uint32_t n_ids = 0;
    char expected[16];

    (void)state;
    for (int i = 0; i < TOKENS; i++) {
        snprintf(expected, sizeof expected, "%06d ", i);
        event = text_event(7, expected, 7);
        event.text.ids[0] = i;
        event.text.n_ids = 1;
        event.text.n_tokens = (uint32_t)i + 1;
        assert_true(event_ring_push(ring, &event));
    }
    assert_true(event_ring_count(ring) < EVENT_RING_EVENTS + TOKENS / 32 + 2);
    char *all = calloc(1, (size_t)TOKENS * 7 + 1);
    while (event_ring_pop(ring, &event)) {
        memcpy(all + n_bytes, event.text.bytes, event.text.n_bytes);
        n_bytes += event.text.n_bytes;
        for (uint32_t i = 0; i < event.text.n_ids; i++)
            assert_int_equal(event.text.ids[i], n_ids++);
        assert_int_equal(event.text.n_tokens, n_ids);
    }
    assert_int_equal(n_bytes, TOKENS * 7);
    for (int i = 0; i < TOKENS; i++) {
        snprintf(expected, sizeof expected, "%06d ", i);
        assert_memory_equal(all + i * 7, expected, 7);
    }
    free(all);
    assert_false(readable(ring));
    event_ring_free(&ring);
}

static void only_like_events_join(void **state)
{
    struct event_ring *ring = new_ring();
    struct engine_event event = {.type = ENGINE_DONE, .request = 1};

    (void)state;
    for (int i = 0; i < EVENT_RING_EVENTS; i++)
        event_ring_push(ring, &event);
    size_t before = event_ring_count(ring);
    event = text_event(1, "think", 5);
    event.text.part = CHAT_PART_THINKING;
    event_ring_push(ring, &event);
    event.text.part = CHAT_PART_ANSWER; /* another part */
    event_ring_push(ring, &event);
    event_ring_push(ring, &event); /* joins */
    event.request = 2;             /* another request */
    event_ring_push(ring, &event);
    event = (struct engine_event){.type = ENGINE_PREFILL, .request = 3};
    event_ring_push(ring, &event);
    event.prefill.done = 9;
    event_ring_push(ring, &event); /* replaces */
    event = (struct engine_event){.type = ENGINE_DONE, .request = 3};
    event_ring_push(ring, &event);
    event_ring_push(ring, &event); /* ends stay apart */
    assert_int_equal(event_ring_count(ring), before + 6);
    for (size_t i = 0; i < before; i++)
        event_ring_pop(ring, &event);
    event_ring_pop(ring, &event);
    assert_int_equal(event.text.n_bytes, 5);
    event_ring_pop(ring, &event);
    assert_memory_equal(event.text.bytes, "thinkthink", 10);
    event_ring_pop(ring, &event);
    assert_int_equal(event.request, 2);
    event_ring_pop(ring, &event);
    assert_int_equal(event.prefill.done, 9);
    event_ring_free(&ring);
}

/* Statistics replace each other and give way; what ends a request does not. */
static void statistics_do_not_pile_up(void **state)
{
    struct event_ring *ring = new_ring();
    struct engine_event event = {.type = ENGINE_POLICY, .request = 1};

    (void)state;
    for (uint64_t i = 1; i <= 1000; i++) {
        event.policy.statistics.emitted = i;
        assert_true(event_ring_push(ring, &event));
    }
    assert_int_equal(event_ring_count(ring), 1); /* the newest of one lane */
    event.policy.lane = 1;
    event_ring_push(ring, &event);
    snprintf(event.policy.refused, sizeof event.policy.refused, "no");
    event_ring_push(ring, &event);
    event.policy.refused[0] = '\0';
    event_ring_push(ring, &event);
    assert_int_equal(event_ring_count(ring), 4);
    event = (struct engine_event){.type = ENGINE_TEXT, .request = 1};
    for (int i = 0; i < EVENT_RING_EVENTS; i++) {
        event.text.lane = (uint32_t)i % 2;
        event_ring_push(ring, &event);
    }
    const size_t before = event_ring_count(ring);
    event = (struct engine_event){.type = ENGINE_POLICY, .request = 1};
    event_ring_push(ring, &event);
    assert_int_equal(event_ring_count(ring), before);
    snprintf(event.policy.refused, sizeof event.policy.refused, "never left out");
    event_ring_push(ring, &event);
    for (uint32_t i = 0; i < 100; i++) {
        event = (struct engine_event){.type = ENGINE_LANE_DONE, .request = 1};
        event.lane.lane = i;
        event.lane.statistics.speculation.emitted = i;
        assert_true(event_ring_push(ring, &event));
    }
    for (size_t i = 0; i < before; i++) {
        assert_true(event_ring_pop(ring, &event));
        if (i == 0)
            assert_int_equal(event.policy.statistics.emitted, 1000);
        assert_int_equal(event.type, i < 4 ? ENGINE_POLICY : ENGINE_TEXT);
    }
    assert_true(event_ring_pop(ring, &event));
    assert_string_equal(event.policy.refused, "never left out");
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(event_ring_pop(ring, &event));
        assert_int_equal(event.lane.lane, i);
        assert_int_equal(event.lane.statistics.speculation.emitted, i);
    }
    assert_false(event_ring_pop(ring, &event));
    event_ring_free(&ring);
}

static void text_of_another_kind_stays_apart(void **state)
{
    struct event_ring *ring = new_ring();
    struct engine_event event = {.type = ENGINE_DONE, .request = 1};

    (void)state;
    for (int i = 0; i < EVENT_RING_EVENTS; i++)
        event_ring_push(ring, &event);
    const size_t before = event_ring_count(ring);
    event = text_event(1, "a", 1);
    for (int i = 0; i < 8; i++) {
        event.text.source = (i & 1) != 0 ? POLICY_SOURCE_DRAFT : POLICY_SOURCE_NONE;
        event.text.lane = (i & 2) != 0;
        event.text.round = (i & 4) != 0;
        event_ring_push(ring, &event);
        event_ring_push(ring, &event); /* joins */
    }
    assert_int_equal(event_ring_count(ring), before + 8);
    for (size_t i = 0; i < before; i++)
        event_ring_pop(ring, &event);
    for (int i = 0; i < 8; i++) {
        event_ring_pop(ring, &event);
        assert_int_equal(event.text.n_bytes, 2);
        assert_int_equal(event.text.lane, (i & 2) != 0);
        assert_int_equal(event.text.round, (i & 4) != 0);
        assert_int_equal(event.text.source,
                         (i & 1) != 0 ? POLICY_SOURCE_DRAFT : POLICY_SOURCE_NONE);
    }
    event_ring_free(&ring);
}

enum { WRITTEN = 60000 };

static void *write_letters(void *argument)
{
    struct event_ring *ring = argument;

    for (int i = 0; i < WRITTEN; i++) {
        char letter = (char)('a' + i % 26);
        struct engine_event event = text_event(1, &letter, 1);
        event_ring_push(ring, &event);
    }
    return NULL;
}

static void slow_reader_loses_nothing(void **state)
{
    struct event_ring *ring = new_ring();
    struct engine_event event;
    pthread_t writer;
    int n = 0;

    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, write_letters, ring), 0);
    while (n < WRITTEN) {
        if (!event_ring_pop(ring, &event)) {
            sched_yield();
            continue;
        }
        for (uint32_t i = 0; i < event.text.n_bytes; i++)
            assert_int_equal(event.text.bytes[i], 'a' + n++ % 26);
        if (n % 64 == 0)
            sched_yield();
    }
    pthread_join(writer, NULL);
    assert_false(event_ring_pop(ring, &event));
    event_ring_free(&ring);
}

static const int64_t SECOND = 1000000000;

static bool near(double value, double wanted)
{
    return value > wanted - 1e-9 && value < wanted + 1e-9;
}

static void stops_are_left_out_of_times(void **state)
{
    struct run_clock clock;

    (void)state;
    run_clock_init(&clock);
    assert_true(near(run_clock_between(&clock, 0, 10 * SECOND), 10));
    assert_true(near(run_clock_between(&clock, 10 * SECOND, 0), 0));
    run_clock_add_stop(&clock, 5 * SECOND, 2); /* 3 .. 5 */
    run_clock_add_stop(&clock, 9 * SECOND, 1); /* 8 .. 9 */
    assert_true(near(run_clock_between(&clock, 0, 10 * SECOND), 7));
    assert_true(near(run_clock_between(&clock, 4 * SECOND, 10 * SECOND), 4));
    assert_true(near(run_clock_between(&clock, 3 * SECOND, 5 * SECOND), 0));
    assert_true(near(run_clock_between(&clock, 6 * SECOND, 7 * SECOND), 1));
    run_clock_add_stop(&clock, 10 * SECOND, 100); /* what is known already counts once */
    assert_true(near(run_clock_between(&clock, 0, 10 * SECOND), 6));
    run_clock_add_stop(&clock, 10 * SECOND, -1);
    for (int i = 0; i < 200; i++)
        run_clock_add_stop(&clock, (20 + i) * SECOND, 0.5);
    assert_true(near(run_clock_between(&clock, 210 * SECOND, 212 * SECOND), 1));
    run_clock_destroy(&clock);
}

static void rates_and_percentiles_are_as_defined(void **state)
{
    struct engine_statistics statistics = {0};
    struct run_clock clock;
    struct meter meter;

    (void)state;
    run_clock_init(&clock);
    meter_init(&meter, &clock, 0);
    meter_statistics(&meter, &statistics);
    assert_true(near(statistics.rate, 0) && near(meter_rate_now(&meter), 0));
    int64_t now = 2 * SECOND;
    meter_token(&meter, now, true);
    assert_true(near(meter_rate_average(&meter), 0));
    for (int i = 1; i <= 100; i++) { /* ninety gaps of 0.1 s, then ten of 1 s */
        now += i <= 90 ? SECOND / 10 : SECOND;
        meter_token(&meter, now, i <= 9);
        if (i == 90)
            assert_true(meter_rate_now(&meter) > 9.999 && meter_rate_now(&meter) < 10.001);
    }
    assert_true(meter_rate_now(&meter) < 1.5 && meter_rate_now(&meter) > 1);
    meter_statistics(&meter, &statistics);
    assert_int_equal(statistics.n_generated, 101);
    assert_int_equal(statistics.n_thinking, 10);
    assert_true(near(statistics.first_token, 2));
    assert_true(near(statistics.decode, 19));
    assert_true(near(statistics.rate, 100.0 / 19));
    assert_true(near(statistics.between_p50, 0.1));
    assert_true(near(statistics.between_p95, 1));
    assert_true(near(statistics.thinking_seconds, 0.9));
    run_clock_add_stop(&clock, now, 0.5); /* a late notice corrects what was timed */
    meter_statistics(&meter, &statistics);
    assert_true(near(statistics.decode, 18.5));
    meter_release(&meter);
    run_clock_destroy(&clock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptor_is_readable_while_events_wait),
        cmocka_unit_test(full_ring_joins_and_grows),
        cmocka_unit_test(only_like_events_join),
        cmocka_unit_test(statistics_do_not_pile_up),
        cmocka_unit_test(text_of_another_kind_stays_apart),
        cmocka_unit_test(slow_reader_loses_nothing),
        cmocka_unit_test(stops_are_left_out_of_times),
        cmocka_unit_test(rates_and_percentiles_are_as_defined),
    };
    return cmocka_run_group_tests_name("event_ring", tests, NULL, NULL);
}
