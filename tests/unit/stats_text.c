/*
 * stats_text.c - test: the statistics of an answer in words and as JSON
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "app/json.h"
#include "app/stats_text.h"

/* 98 passes that verified, and as many plain steps, with figures that fit together. */
static struct engine_statistics example(void)
{
    struct engine_statistics turn = {
        .prefill = 2,
        .first_token = 2.5,
        .n_prompt = 300,
        .n_cached = 100,
        .n_prefilled = 200,
        .n_generated = 311,
        .decode = 31,
        .rate = 10,
        .between_p50 = 0.098,
        .between_p95 = 0.131,
    };
    struct policy_statistics *s = &turn.speculation;

    s->state = POLICY_COOLDOWN;
    s->cooldown = 12;
    snprintf(s->reason, sizeof s->reason, "a draft was rejected");
    s->emitted = 312;
    s->accepted = 150;
    s->cycles = 162;
    s->passes = 50;
    s->pass_tokens = 200;
    s->proposed = 301;
    s->verified = 200;
    s->rejected = 50;
    s->ignored = 101;
    s->early_rejected = 3;
    s->fallbacks = 2;
    s->by_source[POLICY_SOURCE_NGRAM] = (struct policy_count){301, 200, 150};
    s->position_verified[0] = 50;
    s->position_accepted[0] = 40;
    s->position_verified[1] = 40;
    s->position_accepted[1] = 10;
    s->lengths[0] = 10;
    s->lengths[3] = 40;
    s->draft_seconds = 0.5;
    s->verify_seconds = 9;
    s->rollback_seconds = 0.5;
    s->wasted_verify = 1.5;
    s->plain_step = 0.1;
    s->plain_age = 7;
    return turn;
}

static void assert_line(const char *text, const char *name, const char *words)
{
    char line[160];

    snprintf(line, sizeof line, "%-11s %s", name, words);
    if (strstr(text, line) == NULL)
        fail_msg("no line \"%s\" in\n%s", line, text);
}

static struct stats_view view_of(const struct engine_statistics *turn,
                                 const struct session_totals *session)
{
    return (struct stats_view){.policy = "auto",
                               .source = POLICY_SOURCE_NGRAM,
                               .turn = turn,
                               .session = session,
                               .position = 512,
                               .n_context = 4096,
                               .columns = 76};
}

static void an_answer_in_words(void **state)
{
    (void)state;
    struct engine_statistics turn = example();
    struct session_totals session = {0};
    struct stats_view view = view_of(&turn, &session);
    struct text_buffer text = {0};

    stats_turn_text(&view, &text);
    const char *shown = text_string(&text);
    assert_line(shown, "policy", "auto > ngram\n");
    assert_line(shown, "state", "COOLDOWN 12 (a draft was rejected)\n");
    assert_line(shown, "decode", "10.0 t/s, 311 tokens in 31.0 s\n");
    assert_line(shown, "plain", "10.0 t/s est., measured 7 tokens ago\n");
    /* 200 tokens of 0.1 s each against 10 s. */
    assert_line(shown, "speed-up", "x2.00 est.\n");
    assert_line(shown, "prefill", "200 tokens in 2.00 s, 100 t/s   reused 100 of 300\n");
    assert_line(shown, "latency", "first token 2.50 s   between p50 98 ms, p95 131 ms\n");
    assert_line(shown, "drafted", "301: verified 200, ignored 101\n");
    /* Accepted over verified, not over drafted. */
    assert_line(shown, "accepted", "150 (75% of verified)   rejected 50, early 3\n");
    assert_line(shown, "", "ngram: drafted 301, verified 200, accepted 150\n");
    /* 50 passes of 10 s: 0.2 s each, two plain steps. */
    assert_line(shown, "passes", "50 of 162 verified   mean length 4.00, break-even 2.00\n");
    assert_line(shown, "by position", "1:80% 2:25%\n");
    assert_line(shown, "lengths", " 0 #####                10\n");
    assert_line(shown, "", " 3 #################### 40\n");
    assert_line(shown, "cost a pass", "draft 10.0 ms, verify 180.0, rollback 10.0\n");
    assert_line(shown, "wasted", "2.00 s of rejected rows, rollback\n");
    assert_line(shown, "fall-backs", "2\n");
    assert_line(shown, "context", "512 of 4096 tokens (12%)");
    text_release(&text);
}

static void a_small_screen_cuts_nothing(void **state)
{
    (void)state;
    struct engine_statistics turn = example();
    struct session_totals session = {0};
    struct stats_view view = view_of(&turn, &session);
    struct model_info info = {.file_bytes = 5600000000,
                              .packed_bytes = 5123456789,
                              .state_bytes = 123456789,
                              .kv_bytes_per_token = 123456};
    struct text_buffer text = {0};

    view.info = &info;
    view.resident_bytes = 6123456789;
    for (view.columns = 39; view.columns <= 80; view.columns++) {
        text_clear(&text);
        stats_turn_text(&view, &text);
        for (const char *at = text_string(&text); *at != '\0';) {
            size_t length = strcspn(at, "\n");
            if (length > (size_t)view.columns)
                fail_msg("%d: %.*s", view.columns, (int)length, at);
            at += length + (at[length] == '\n');
        }
    }
    text_release(&text);
}

static void nothing_is_made_up(void **state)
{
    (void)state;
    struct engine_statistics turn = {.n_generated = 1};
    struct session_totals session = {0};
    struct stats_view view = view_of(&turn, &session);
    struct text_buffer text = {0};

    view.source = POLICY_SOURCE_NONE;
    stats_turn_text(&view, &text);
    assert_line(text_string(&text), "policy", "auto\n");
    assert_line(text_string(&text), "decode", "-, 1 tokens\n");
    assert_line(text_string(&text), "accepted", "0 (- of verified)");
    assert_null(strstr(text_string(&text), "speed-up"));
    assert_null(strstr(text_string(&text), "by position"));
    assert_null(strstr(text_string(&text), "nan"));
    text_release(&text);
}

static void history_is_scaled(void **state)
{
    (void)state;
    struct engine_statistics turn = example();
    struct session_totals session = {0};
    struct stats_view view = view_of(&turn, &session);
    const double rates[] = {20, 10, 0.01};
    struct text_buffer text = {0};

    view.history = rates;
    view.n_history = 3;
    view.live = true;
    view.rate_now = 20;
    stats_turn_text(&view, &text);
    assert_line(text_string(&text), "history", "@+.   min 0.0  max 20.0\n");
    assert_line(text_string(&text), "decode", "10.0 t/s, now 20.0, ");
    text_release(&text);
}

static void a_session_adds_up(void **state)
{
    (void)state;
    struct engine_statistics turn = example();
    struct session_totals session = {0};
    struct stats_view view = view_of(&turn, &session);
    struct text_buffer text = {0};

    session_totals_add(&session, &turn);
    session_totals_add(&session, &turn);
    stats_session_text(&view, &text);
    assert_line(text_string(&text), "answers", "2\n");
    assert_line(text_string(&text), "read", "400 tokens in 4.0 s   reused 200\n");
    assert_line(text_string(&text), "written", "622 tokens in 62.0 s\n");
    assert_line(text_string(&text), "accepted", "300 (75% of verified)   rejected 100\n");
    /* Twice as fast for 10 s, two times. */
    assert_line(text_string(&text), "saved", "20.0 s est.\n");
    text_release(&text);
}

static void json_has_the_same_figures(void **state)
{
    (void)state;
    struct engine_statistics turn = example();
    struct session_totals session = {0};
    struct stats_view view = view_of(&turn, &session);

    session_totals_add(&session, &turn);
    json_t *object = stats_json(&view);
    assert_string_equal(json_string_value(json_object_get(object, "policy")), "auto");
    const json_t *statistics = json_object_get(object, "statistics");
    assert_int_equal(json_integer_value(json_object_get(statistics, "generated_tokens")), 311);
    const json_t *speculation = json_object_get(statistics, "speculation");
    assert_int_equal(json_integer_value(json_object_get(speculation, "verified")), 200);
    const json_t *totals = json_object_get(object, "session");
    assert_int_equal(json_integer_value(json_object_get(totals, "accepted")), 150);
    json_decref(object);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_in_words),
        cmocka_unit_test(nothing_is_made_up),
        cmocka_unit_test(a_small_screen_cuts_nothing),
        cmocka_unit_test(history_is_scaled),
        cmocka_unit_test(a_session_adds_up),
        cmocka_unit_test(json_has_the_same_figures),
    };

    return cmocka_run_group_tests_name("stats_text", tests, NULL, NULL);
}
