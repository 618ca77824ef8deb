/*
 * engine_policy.c - policies behind the engine thread: the text stays, whatever proposes, whenever
 * it changes, and wherever it is stopped
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "tests/unit/engine_talk.h"

#define MODEL   "config/models/guide.gguf"
#define DRAFT   "config/models/guide-draft.gguf"
#define FOREIGN "tests/golden/data/tinyA-q8_0.gguf" /* another vocabulary */

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { SWITCHES = 3, STOPS = 3, LENGTH = 20, ROUNDS = 2 };
#else
enum { SWITCHES = 24, STOPS = 12, LENGTH = 64, ROUNDS = 10 };
#endif

/* What a request gave besides its text. */
struct heard {
    struct collected got;
    uint32_t n_loading, n_draft_prefill, n_policy, n_refused, n_from[POLICY_SOURCE_COUNT];
    char refused[160];
};

static struct engine *open_engine(void)
{
    const struct engine_options options = {
        .model_path = MODEL, .level = kernel_level_best(), .n_threads = 2, .n_context = 1024};
    struct engine *engine;

    assert_int_equal(engine_open(&engine, &options, NULL), STATUS_OK);
    wait_ready(engine);
    return engine;
}

static void take(struct heard *heard, const struct engine_event *event)
{
    switch (event->type) {
    case ENGINE_LOADING:
        assert_true(event->load.draft);
        heard->n_loading++;
        break;
    case ENGINE_PREFILL: heard->n_draft_prefill += event->prefill.draft; break;
    case ENGINE_POLICY:
        heard->n_policy++;
        if (event->policy.refused[0] != '\0') {
            heard->n_refused++;
            memcpy(heard->refused, event->policy.refused, sizeof heard->refused);
        }
        break;
    case ENGINE_TEXT:
        take_text(&heard->got, event);
        heard->n_from[event->text.source]++;
        break;
    default: break;
    }
}

/* All of a request; while it is told, `during` may meddle, at every event. */
static void hear(struct engine *engine, uint64_t id, struct heard *heard,
                 void (*during)(struct engine *engine, const struct heard *heard,
                                void *context),
                 void *context)
{
    struct engine_event event;

    memset(heard, 0, sizeof *heard);
    do {
        event = wait_event(engine);
        assert_int_equal(event.request, id);
        take(heard, &event);
        if (during != NULL)
            during(engine, heard, context);
    } while (event.type != ENGINE_DONE && event.type != ENGINE_FAILED);
    heard->got.last = event;
    if (event.type == ENGINE_DONE)
        assert_int_equal(wait_event(engine).type, ENGINE_SETTLED);
}

static struct engine_request wanted(float temperature, size_t max_tokens)
{
    struct engine_request request = {
        .thinking = THINKING_OFF, .conversation_seed = 5, .max_tokens = max_tokens};

    request.sampling.values = (struct sampling){.temperature = temperature,
                                                .top_k = 40,
                                                .top_p = 0.95F,
                                                .presence_penalty = temperature > 0 ? 0.7F : 0,
                                                .frequency_penalty = temperature > 0 ? 0.2F : 0,
                                                .repetition_penalty = 1.1F};
    request.sampling.given = SAMPLING_TEMPERATURE | SAMPLING_TOP_K | SAMPLING_TOP_P |
                             SAMPLING_PRESENCE | SAMPLING_FREQUENCY | SAMPLING_REPETITION;
    return request;
}

static void ask(struct conversation *talk, float temperature, size_t max_tokens)
{
    static const char text[] = "What can you do? Name the keys and the commands of banter.";

    *talk = (struct conversation){.request = wanted(temperature, max_tokens)};
    say(talk, CHAT_USER, text, strlen(text), NULL, 0);
}

static void plain(struct engine *engine, struct conversation *talk, struct heard *heard)
{
    talk->request.policy = NULL;
    hear(engine, submit(engine, talk), heard, NULL, NULL);
    assert_int_equal(heard->got.last.type, ENGINE_DONE);
}

static void assert_consistent(const struct engine_statistics *statistics)
{
    const struct policy_statistics *s = &statistics->speculation;

    assert_int_equal(s->emitted, statistics->n_generated);
    assert_int_equal(s->emitted,
                     s->accepted + s->corrections + s->bonus + s->plain + s->forced);
    assert_int_equal(s->proposed, s->verified + s->ignored);
    assert_int_equal(s->verified, s->accepted + s->rejected);
}

static void every_policy_gives_the_plain_text(void **state)
{
    static const float temperatures[] = {0, 0.8F, 1.3F};
    struct heard *expected = malloc(sizeof *expected);
    struct heard *heard = malloc(sizeof *heard);
    struct engine *engine = open_engine();
    uint64_t accepted[POLICY_KIND_COUNT] = {0};

    (void)state;
    for (size_t t = 0; t < sizeof temperatures / sizeof temperatures[0]; t++) {
        struct conversation talk;
        ask(&talk, temperatures[t], LENGTH);
        plain(engine, &talk, expected);
        assert_true(expected->got.n_ids > 8);
        assert_int_equal(expected->n_loading, 0);
        for (int kind = 0; kind < POLICY_KIND_COUNT; kind++) {
            const struct policy_settings settings = policy_defaults((enum policy_kind)kind);
            talk.request.policy = &settings;
            talk.request.draft_path = DRAFT;
            hear(engine, submit(engine, &talk), heard, NULL, NULL);
            assert_same(&expected->got, &heard->got);
            assert_int_equal(heard->got.last.done.statistics.policy, kind);
            assert_consistent(&heard->got.last.done.statistics);
            assert_true(heard->n_policy > 0);
            /* Opened when it was first wanted, and kept. */
            assert_int_equal(heard->n_loading > 0, t == 0 && kind == POLICY_SPECULATIVE);
            accepted[kind] += heard->got.last.done.statistics.speculation.accepted;
            /* Costs that were measured before this answer are known in it. */
            assert_true(heard->got.last.done.statistics.speculation.plain_step > 0);
            if (kind == POLICY_SPECULATIVE && t == 0)
                assert_true(heard->n_from[POLICY_SOURCE_DRAFT] > 0);
        }
        forget(&talk);
    }
    assert_int_equal(accepted[POLICY_GREEDY], 0);
    assert_true(accepted[POLICY_SPECULATIVE] > 0);
    assert_true(accepted[POLICY_MTP] > 0);
    engine_close(&engine);
    free(heard);
    free(expected);
}

/* Switching --------------------------------------------------------------------------------- */

struct switching {
    uint64_t numbers;
    uint32_t n_switched;
};

static void switch_often(struct engine *engine, const struct heard *heard, void *context)
{
    struct switching *switching = context;
    struct policy_settings settings;

    (void)heard;
    if (next_number(&switching->numbers) % 3 > 0)
        return;
    settings = policy_defaults(
        (enum policy_kind)(next_number(&switching->numbers) % POLICY_KIND_COUNT));
    assert_int_equal(engine_switch_policy(engine, &settings, DRAFT, NULL), STATUS_OK);
    switching->n_switched++;
}

static void switching_changes_no_text(void **state)
{
    struct heard *expected = malloc(sizeof *expected);
    struct heard *heard = malloc(sizeof *heard);
    struct engine *engine = open_engine();
    struct switching switching = {.numbers = 77};
    uint32_t n_changed = 0;

    (void)state;
    for (int i = 0; i < 2; i++) {
        struct conversation talk;
        ask(&talk, (float)i, LENGTH);
        plain(engine, &talk, expected);
        for (int round = 0; round < SWITCHES; round++) {
            const struct policy_settings first =
                policy_defaults((enum policy_kind)(round % POLICY_KIND_COUNT));
            talk.request.policy = &first;
            talk.request.draft_path = DRAFT;
            hear(engine, submit(engine, &talk), heard, switch_often, &switching);
            assert_same(&expected->got, &heard->got);
            assert_consistent(&heard->got.last.done.statistics);
            assert_int_equal(heard->n_refused, 0);
            n_changed += heard->got.last.done.statistics.policy != first.kind;
        }
        forget(&talk);
    }
    assert_true(n_changed > 0);
    print_message("%u switches, %u answers ended under another policy\n", switching.n_switched,
                  n_changed);
    engine_close(&engine);
    free(heard);
    free(expected);
}

struct one_switch {
    struct policy_settings settings;
    const char *draft_path;
    bool done;
};

/* After the first token. */
static void switch_once(struct engine *engine, const struct heard *heard, void *context)
{
    struct one_switch *change = context;

    if (change->done || heard->got.n_events == 0)
        return;
    change->done = true;
    assert_int_equal(engine_switch_policy(engine, &change->settings, change->draft_path, NULL),
                     STATUS_OK);
}

/* Some six hundred tokens to catch up with. */
static void long_question(struct conversation *talk)
{
    char text[1200];

    *talk = (struct conversation){.request = wanted(0, 200)};
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)(i % 7 == 6 ? ' ' : 'a' + (i * 7 + i / 9) % 26);
    say(talk, CHAT_USER, text, sizeof text, NULL, 0);
}

static void draft_joins_late(void **state)
{
    struct one_switch change = {.settings = policy_defaults(POLICY_SPECULATIVE),
                                .draft_path = DRAFT};
    struct heard *expected = malloc(sizeof *expected);
    struct heard *heard = malloc(sizeof *heard);
    struct engine *engine = open_engine();
    struct conversation talk;

    (void)state;
    long_question(&talk);
    plain(engine, &talk, expected);
    hear(engine, submit(engine, &talk), heard, switch_once, &change);
    assert_same(&expected->got, &heard->got);
    assert_int_equal(heard->n_refused, 0);
    if (heard->got.last.done.statistics.policy == POLICY_SPECULATIVE) {
        assert_true(heard->n_loading > 0);
        assert_true(heard->n_draft_prefill > 0);
        assert_true(heard->got.last.done.statistics.speculation.proposed > 0);
    } else {
        print_message("the answer was over before the switch\n");
    }
    engine_close(&engine);
    forget(&talk);
    free(heard);
    free(expected);
}

static void wrong_drafts_are_refused(void **state)
{
    static const char *const paths[] = {"/nonexistent/draft.gguf", FOREIGN, NULL};
    static const enum status reasons[] = {STATUS_NOT_FOUND, STATUS_USAGE, STATUS_USAGE};
    const struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);
    struct policy_settings broken = settings;
    struct heard *expected = malloc(sizeof *expected);
    struct heard *heard = malloc(sizeof *heard);
    struct engine *engine = open_engine();
    struct engine_request request;
    struct conversation talk;
    uint64_t id;

    (void)state;
    ask(&talk, 0, LENGTH);
    plain(engine, &talk, expected);
    uint32_t n_refused = 0;
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        struct one_switch change = {.settings = settings, .draft_path = paths[i]};
        talk.request.policy = &settings;
        talk.request.draft_path = paths[i];
        hear(engine, submit(engine, &talk), heard, NULL, NULL);
        assert_int_equal(heard->got.last.type, ENGINE_FAILED);
        assert_int_equal(heard->got.last.failure.status, reasons[i]);
        assert_int_equal(heard->got.n_text, 0);
        talk.request.policy = NULL;
        hear(engine, submit(engine, &talk), heard, switch_once, &change);
        assert_same(&expected->got, &heard->got);
        assert_int_equal(heard->got.last.done.statistics.policy, POLICY_GREEDY);
        n_refused += heard->n_refused; /* none where the answer was over before */
        if (heard->n_refused > 0 && i == 1)
            assert_non_null(strstr(heard->refused, "it needs the same"));
    }
    assert_true(n_refused > 0);
    talk.request.policy = &settings; /* and a good one is still good */
    talk.request.draft_path = DRAFT;
    hear(engine, submit(engine, &talk), heard, NULL, NULL);
    assert_same(&expected->got, &heard->got);
    broken.speculative.gamma = 1000;
    talk.request.policy = &broken;
    request = request_of(&talk);
    assert_int_equal(engine_submit(engine, &request, &id, NULL), STATUS_USAGE);
    assert_int_equal(engine_switch_policy(engine, &broken, NULL, NULL), STATUS_USAGE);
    assert_int_equal(engine_switch_policy(engine, &settings, DRAFT, NULL), STATUS_OK);
    engine_close(&engine);
    forget(&talk);
    free(heard);
    free(expected);
}

/* Trace ------------------------------------------------------------------------------------- */

struct traced {
    uint64_t n_cycles, n_emitted, n_accepted;
};

static void count_cycle(void *context, const struct policy_cycle *cycle)
{
    struct traced *traced = context;

    traced->n_cycles++;
    traced->n_emitted += cycle->emitted;
    traced->n_accepted += cycle->accepted;
}

static void every_pass_is_traced(void **state)
{
    const struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);
    struct heard *heard = malloc(sizeof *heard);
    struct engine *engine = open_engine();
    struct traced traced = {0};
    struct conversation talk;

    (void)state;
    ask(&talk, 0, LENGTH);
    talk.request.policy = &settings;
    talk.request.draft_path = DRAFT;
    talk.request.trace = count_cycle;
    talk.request.trace_context = &traced;
    hear(engine, submit(engine, &talk), heard, NULL, NULL);
    const struct policy_statistics *s = &heard->got.last.done.statistics.speculation;
    assert_int_equal(traced.n_cycles, s->cycles);
    assert_int_equal(traced.n_accepted, s->accepted);
    assert_int_equal(traced.n_emitted + 1, s->emitted); /* the first comes with the prompt */
    talk.request.trace = NULL;
    const uint64_t n_before = traced.n_cycles;
    hear(engine, submit(engine, &talk), heard, NULL, NULL);
    assert_int_equal(traced.n_cycles, n_before);
    engine_close(&engine);
    forget(&talk);
    free(heard);
}

/* Stopping ---------------------------------------------------------------------------------- */

static void stopped_anywhere_leaves_no_trace(void **state)
{
    struct heard *expected = malloc(sizeof *expected);
    struct heard *heard = malloc(sizeof *heard);
    uint64_t numbers = 3;
    int n_stopped = 0;

    (void)state;
    for (int round = 0; round < STOPS; round++) {
        static const enum policy_kind kinds[] = {POLICY_SPECULATIVE, POLICY_AUTO, POLICY_MTP};
        const struct policy_settings settings = policy_defaults(kinds[round % 3]);
        struct engine *engine = open_engine(); /* the draft is not open yet */
        struct conversation talk;
        ask(&talk, 0.8F, LENGTH);
        talk.request.policy = &settings;
        talk.request.draft_path = DRAFT;
        uint64_t id = submit(engine, &talk);
        pause_shortly(&numbers, 60000);
        engine_cancel(engine);
        hear(engine, id, heard, NULL, NULL);
        assert_int_equal(heard->got.last.type, ENGINE_DONE);
        n_stopped += heard->got.last.done.reason == STOP_CANCELLED;
        hear(engine, submit(engine, &talk), heard, NULL, NULL);
        plain(engine, &talk, expected);
        assert_same(&expected->got, &heard->got);
        forget(&talk);
        engine_close(&engine);
    }
    print_message("%d of %d requests were stopped before their end\n", n_stopped, STOPS);
    free(heard);
    free(expected);
}

static void next_turn_finds_the_draft_ready(void **state)
{
    const struct policy_settings settings = policy_defaults(POLICY_SPECULATIVE);
    struct heard *heard = malloc(sizeof *heard);
    struct heard *fresh = malloc(sizeof *fresh);
    struct engine *engine = open_engine();
    struct conversation talk;

    (void)state;
    long_question(&talk);
    talk.request.policy = &settings;
    talk.request.draft_path = DRAFT;
    hear(engine, submit(engine, &talk), heard, NULL, NULL);
    assert_true(heard->n_draft_prefill > 0);
    say(&talk, CHAT_ASSISTANT, heard->got.text, heard->got.n_text, heard->got.ids,
        heard->got.n_ids);
    say(&talk, CHAT_USER, "And the keys?", 13, NULL, 0);
    hear(engine, submit(engine, &talk), heard, NULL, NULL);
    assert_int_equal(heard->n_draft_prefill, 0);
    struct engine *other = open_engine();
    talk.request.policy = NULL;
    hear(other, submit(other, &talk), fresh, NULL, NULL);
    assert_same(&fresh->got, &heard->got);
    engine_close(&other);
    engine_close(&engine);
    forget(&talk);
    free(heard);
    free(fresh);
}

/* Requests of every sort, switches and cancels in any order; ends come in order, closing is prompt. */
static void anything_at_any_time(void **state)
{
    struct engine_lane lanes[3] = {{.policy = policy_defaults(POLICY_GREEDY)},
                                   {.policy = policy_defaults(POLICY_SPECULATIVE)},
                                   {.policy = policy_defaults(POLICY_MTP), .variant = 1}};
    uint64_t numbers = 41;

    (void)state;
    for (int round = 0; round < ROUNDS; round++) {
        struct engine *engine = open_engine();
        struct conversation talk;
        uint64_t submitted = 0;
        uint64_t ended = 0;
        struct engine_event event;

        ask(&talk, 1, 20);
        for (int step = 0; step < 24; step++) {
            const uint64_t choice = next_number(&numbers) % 10;
            const struct policy_settings settings =
                policy_defaults((enum policy_kind)(next_number(&numbers) % POLICY_KIND_COUNT));
            talk.request.policy = &settings;
            talk.request.draft_path = DRAFT;
            talk.request.lanes = lanes;
            talk.request.n_lanes = choice == 1 ? 3 : 0;
            talk.request.together = next_number(&numbers) % 2 == 0;
            if (choice < 3)
                submitted = submit(engine, &talk);
            else if (choice == 3)
                assert_int_equal(engine_submit_selfcheck(engine, &submitted, NULL), STATUS_OK);
            else if (choice < 6)
                engine_cancel(engine);
            else if (choice < 8)
                engine_switch_policy(engine, &settings, DRAFT, NULL);
            else
                pause_shortly(&numbers, 30000);
            while (next_number(&numbers) % 4 > 0 && engine_next_event(engine, &event)) {
                if (event.type == ENGINE_DONE || event.type == ENGINE_FAILED)
                    assert_int_equal(event.request, ++ended);
                assert_true(event.type != ENGINE_FAILED && ended <= submitted);
            }
        }
        int64_t asked = run_clock_now();
        engine_close(&engine);
        assert_true(run_clock_now() - asked < 8 * (int64_t)MOST_NANOSECONDS);
        forget(&talk);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_policy_gives_the_plain_text),
        cmocka_unit_test(switching_changes_no_text),
        cmocka_unit_test(draft_joins_late),
        cmocka_unit_test(wrong_drafts_are_refused),
        cmocka_unit_test(every_pass_is_traced),
        cmocka_unit_test(stopped_anywhere_leaves_no_trace),
        cmocka_unit_test(next_turn_finds_the_draft_ready),
        cmocka_unit_test(anything_at_any_time),
    };
    return cmocka_run_group_tests_name("engine_policy", tests, NULL, NULL);
}
