/*
 * engine_lanes.c - several answers from one prompt are what each would be alone, and the self-check
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <unistd.h>

#include "tests/unit/engine_talk.h"

#define MODEL "config/models/guide.gguf"
#define DRAFT "config/models/guide-draft.gguf"

#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
enum { STOPS = 4, LENGTH = 10 };
#else
enum { STOPS = 24, LENGTH = 48 };
#endif

enum { MOST_LANES = 6, MOST_ROUNDS = 3, MOST_ENDS = MOST_LANES * MOST_ROUNDS };

struct heard {
    struct collected lanes[MOST_LANES][MOST_ROUNDS];
    struct engine_event ends[MOST_ENDS]; /* LANE_DONE, as they came */
    uint32_t n_ends, n_draft_prefill, n_checks, n_failed_checks;
    struct engine_event last;
};

static struct engine *open_model(const char *path)
{
    const struct engine_options options = {
        .model_path = path, .level = kernel_level_best(), .n_threads = 2, .n_context = 1024};
    struct engine *engine;

    assert_int_equal(engine_open(&engine, &options, NULL), STATUS_OK);
    wait_ready(engine);
    return engine;
}

static void take(struct heard *heard, const struct engine_event *event)
{
    switch (event->type) {
    case ENGINE_TEXT:
        assert_true(event->text.lane < MOST_LANES && event->text.round < MOST_ROUNDS);
        take_text(&heard->lanes[event->text.lane][event->text.round], event);
        break;
    case ENGINE_LANE_DONE:
        assert_true(heard->n_ends < MOST_ENDS);
        heard->ends[heard->n_ends++] = *event;
        break;
    case ENGINE_PREFILL: heard->n_draft_prefill += event->prefill.draft; break;
    case ENGINE_CHECK:
        heard->n_checks++;
        heard->n_failed_checks += !event->check.passed;
        assert_true(event->check.what[0] != '\0' && event->check.found[0] != '\0');
        assert_true(event->check.done <= event->check.total);
        break;
    default: break;
    }
}

static void hear(struct engine *engine, uint64_t id, struct heard *heard)
{
    memset(heard, 0, sizeof *heard);
    do {
        heard->last = wait_event(engine);
        assert_int_equal(heard->last.request, id);
        take(heard, &heard->last);
    } while (heard->last.type != ENGINE_DONE && heard->last.type != ENGINE_FAILED);
    if (heard->last.type == ENGINE_DONE)
        assert_int_equal(wait_event(engine).type, ENGINE_SETTLED);
}

static struct engine_lane lane_of(enum policy_kind kind, float temperature, uint32_t variant)
{
    struct engine_lane lane = {.policy = policy_defaults(kind), .variant = variant};

    lane.sampling.values =
        (struct sampling){.temperature = temperature, .top_p = 1, .repetition_penalty = 1.1F};
    lane.sampling.given =
        SAMPLING_TEMPERATURE | SAMPLING_TOP_K | SAMPLING_TOP_P | SAMPLING_REPETITION;
    return lane;
}

static void ask(struct conversation *talk)
{
    static const char text[] = "What can you do? Name the keys and the commands of banter.";

    *talk = (struct conversation){.request = {.thinking = THINKING_OFF,
                                              .conversation_seed = 11,
                                              .max_tokens = LENGTH,
                                              .draft_path = DRAFT}};
    say(talk, CHAT_USER, text, strlen(text), NULL, 0);
}

/* What a lane would be as a request of its own, to an engine that has seen nothing. */
static void alone(struct conversation talk, const struct engine_lane *lane,
                  struct collected *into)
{
    struct engine *engine = open_model(MODEL);

    talk.request.sampling = lane->sampling;
    talk.request.variant = lane->variant;
    talk.request.lanes = NULL;
    talk.request.n_lanes = 0;
    collect_answer(engine, submit(engine, &talk), into);
    assert_int_equal(into->last.type, ENGINE_DONE);
    engine_close(&engine);
}

static void assert_same_text(const struct collected *a, const struct collected *b)
{
    assert_string_equal(a->text, b->text);
    assert_int_equal(a->n_ids, b->n_ids);
    assert_memory_equal(a->ids, b->ids, a->n_ids * sizeof a->ids[0]);
}

static void set_lanes(struct conversation *talk, const struct engine_lane *lanes, uint32_t n,
                      uint32_t rounds, bool together)
{
    talk->request.lanes = lanes;
    talk->request.n_lanes = n;
    talk->request.rounds = rounds;
    talk->request.together = together;
}

static void policies_side_by_side_are_identical(void **state)
{
    static const uint32_t order[] = {0, 1, 2, 3, 3, 2, 1, 0, 0, 1, 2, 3};
    const struct engine_lane lanes[] = {
        lane_of(POLICY_GREEDY, 0.9F, 0), lane_of(POLICY_SPECULATIVE, 0.9F, 0),
        lane_of(POLICY_AUTO, 0.9F, 0), lane_of(POLICY_MTP, 0.9F, 0)};
    struct heard *heard = malloc(sizeof *heard);
    struct collected *expected = malloc(sizeof *expected);
    struct engine *engine = open_model(MODEL);
    struct conversation talk;

    (void)state;
    ask(&talk);
    alone(talk, &lanes[0], expected);
    set_lanes(&talk, lanes, 4, 3, false);
    hear(engine, submit(engine, &talk), heard);
    assert_int_equal(heard->last.type, ENGINE_DONE);
    assert_int_equal(heard->n_ends, 12);
    assert_true(heard->n_draft_prefill > 0);
    uint32_t n_generated = 0;
    for (uint32_t i = 0; i < heard->n_ends; i++) {
        const struct engine_event *end = &heard->ends[i];
        const struct engine_statistics *statistics = &end->lane.statistics;
        assert_int_equal(end->lane.lane, order[i]);
        assert_int_equal(end->lane.round, i / 4);
        assert_true(end->lane.identical);
        assert_int_equal(end->lane.n_compared, statistics->n_generated);
        assert_int_equal(end->lane.reason, expected->last.done.reason);
        assert_int_equal(statistics->policy, lanes[end->lane.lane].policy.kind);
        assert_int_equal(statistics->speculation.emitted, statistics->n_generated);
        assert_int_equal(statistics->n_prompt, expected->last.done.statistics.n_prompt);
        /* The draft's reading is told of those that it is for. */
        assert_int_equal(statistics->draft_prefill > 0,
                         end->lane.lane == 1 || end->lane.lane == 2);
        if (end->lane.lane == 1)
            assert_true(statistics->speculation.accepted > 0);
        n_generated += statistics->n_generated;
        assert_same_text(expected, &heard->lanes[end->lane.lane][end->lane.round]);
    }
    assert_int_equal(heard->last.done.statistics.n_generated, n_generated);
    assert_true(heard->last.done.statistics.rate > 0);
    assert_true(heard->last.done.statistics.first_token > heard->last.done.statistics.prefill);
    engine_close(&engine);
    forget(&talk);
    free(expected);
    free(heard);
}

/* Two ways to choose, and where they part. */
static void first_difference_is_where_texts_part(void **state)
{
    const struct engine_lane lanes[] = {lane_of(POLICY_GREEDY, 0, 0),
                                        lane_of(POLICY_NGRAM, 2, 1),
                                        lane_of(POLICY_GREEDY, 1.6F, 2)};
    struct heard *heard = malloc(sizeof *heard);
    struct collected *expected = malloc(3 * sizeof *expected);
    struct engine *engine = open_model(MODEL);
    struct conversation talk;
    int n_known = 0;

    (void)state;
    ask(&talk);
    for (int i = 0; i < 3; i++)
        alone(talk, &lanes[i], &expected[i]);
    for (int together = 0; together < 2; together++) {
        set_lanes(&talk, lanes, 3, 1, together != 0);
        hear(engine, submit(engine, &talk), heard);
        assert_int_equal(heard->n_ends, 3);
        for (uint32_t i = 0; i < 3; i++) {
            const struct engine_event *end = &heard->ends[i];
            const struct collected *own = &expected[end->lane.lane];
            uint32_t at = 0;
            assert_same_text(own, &heard->lanes[end->lane.lane][0]);
            while (at < own->n_ids && at < expected[0].n_ids &&
                   own->ids[at] == expected[0].ids[at])
                at++;
            assert_int_equal(end->lane.identical, at == own->n_ids && at == expected[0].n_ids);
            if (end->lane.identical)
                continue;
            assert_int_equal(end->lane.first_difference, at);
            assert_false(end->lane.margin != end->lane.margin);
            n_known++;
        }
    }
    assert_true(n_known > 0);
    engine_close(&engine);
    forget(&talk);
    free(expected);
    free(heard);
}

/* Without penalties the first choice of temperature 0 is the largest logit. */
static void margin_is_the_difference_of_logits(void **state)
{
    struct engine_lane lanes[] = {lane_of(POLICY_GREEDY, 0, 0), lane_of(POLICY_GREEDY, 2, 1)};
    struct heard *heard = malloc(sizeof *heard);
    struct engine *engine = open_model(MODEL);
    struct conversation talk;
    int n_different = 0;

    (void)state;
    ask(&talk);
    lanes[0].sampling.values.repetition_penalty = 1;
    lanes[1].sampling.values.repetition_penalty = 1;
    for (uint32_t variant = 1; variant < 6; variant++) {
        float margins[2];
        lanes[1].variant = variant;
        set_lanes(&talk, lanes, 2, 2, false);
        hear(engine, submit(engine, &talk), heard);
        assert_int_equal(heard->n_ends, 4);
        if (heard->ends[1].lane.identical)
            continue;
        margins[0] = heard->ends[1].lane.margin;
        margins[1] = heard->ends[2].lane.margin; /* the turned round: before its lane 0 */
        assert_true(margins[0] >= 0 && margins[0] == margins[1]);
        assert_int_equal(heard->ends[2].lane.lane, 1);
        assert_true(heard->ends[3].lane.identical);
        n_different++;
    }
    assert_true(n_different > 0);
    engine_close(&engine);
    forget(&talk);
    free(heard);
}

static void together_is_one_by_one(void **state)
{
    struct engine_lane lanes[MOST_LANES];
    struct heard *turns = malloc(sizeof *turns);
    struct heard *heard = malloc(sizeof *heard);
    struct engine *engine = open_model(MODEL);
    struct conversation talk;

    (void)state;
    ask(&talk);
    for (uint32_t i = 0; i < MOST_LANES; i++)
        lanes[i] = lane_of(POLICY_GREEDY, i % 2 == 0 ? 0.9F : 1.2F, i);
    set_lanes(&talk, lanes, MOST_LANES, 1, false);
    hear(engine, submit(engine, &talk), turns);
    set_lanes(&talk, lanes, MOST_LANES, 1, true);
    hear(engine, submit(engine, &talk), heard);
    assert_int_equal(heard->n_ends, MOST_LANES);
    for (uint32_t i = 0; i < MOST_LANES; i++) {
        assert_same_text(&turns->lanes[i][0], &heard->lanes[i][0]);
        assert_int_equal(turns->ends[i].lane.reason, heard->ends[i].lane.reason);
        assert_int_equal(turns->ends[i].lane.first_difference,
                         heard->ends[i].lane.first_difference);
    }
    assert_int_equal(heard->last.done.statistics.n_generated,
                     turns->last.done.statistics.n_generated);
    /* And a plain request goes on from the prompt. */
    struct collected *single = malloc(sizeof *single);
    set_lanes(&talk, NULL, 0, 0, false);
    talk.request.sampling = lanes[1].sampling;
    talk.request.variant = 1;
    collect(engine, submit(engine, &talk), single);
    assert_same_text(single, &heard->lanes[1][0]);
    assert_int_equal(single->last.done.statistics.n_cached, count_stable(engine, &talk));
    free(single);
    engine_close(&engine);
    forget(&talk);
    free(heard);
    free(turns);
}

static void lanes_are_stopped_anywhere(void **state)
{
    const struct engine_lane lanes[] = {lane_of(POLICY_GREEDY, 0.9F, 0),
                                        lane_of(POLICY_SPECULATIVE, 0.9F, 0)};
    struct heard *heard = malloc(sizeof *heard);
    struct collected *expected = malloc(sizeof *expected);
    struct collected *got = malloc(sizeof *got);
    struct engine *engine = open_model(MODEL);
    struct conversation talk;
    uint64_t numbers = 9;
    int n_stopped = 0;

    (void)state;
    ask(&talk);
    alone(talk, &lanes[0], expected);
    talk.request.sampling = lanes[0].sampling;
    for (int round = 0; round < STOPS; round++) {
        if (round % 8 == 0) { /* the draft has to be opened anew */
            engine_close(&engine);
            engine = open_model(MODEL);
        }
        set_lanes(&talk, lanes, 2, 2, round % 3 == 2);
        uint64_t id = submit(engine, &talk);
        pause_shortly(&numbers, 40000);
        engine_cancel(engine);
        hear(engine, id, heard);
        assert_int_equal(heard->last.type, ENGINE_DONE);
        n_stopped += heard->last.done.reason == STOP_CANCELLED;
        for (uint32_t i = 0; i < heard->n_ends; i++)
            assert_true(heard->ends[i].lane.identical);
        if (round % 4 > 0)
            continue;
        set_lanes(&talk, NULL, 0, 0, false);
        collect(engine, submit(engine, &talk), got);
        assert_same_text(expected, got);
    }
    print_message("%d of %d requests were stopped before their end\n", n_stopped, STOPS);
    engine_close(&engine);
    forget(&talk);
    free(got);
    free(expected);
    free(heard);
}

static void wrong_lanes_are_refused(void **state)
{
    struct engine_lane lanes[ENGINE_MAX_LANES + 1];
    struct heard *heard = malloc(sizeof *heard);
    struct engine *engine = open_model(MODEL);
    struct conversation talk;
    struct engine_request request;
    uint64_t id;

    (void)state;
    ask(&talk);
    for (uint32_t i = 0; i <= ENGINE_MAX_LANES; i++)
        lanes[i] = lane_of(POLICY_GREEDY, 0, 0);
    set_lanes(&talk, lanes, ENGINE_MAX_LANES + 1, 1, false);
    request = request_of(&talk);
    assert_int_equal(engine_submit(engine, &request, &id, NULL), STATUS_USAGE);
    lanes[1] = lane_of(POLICY_SPECULATIVE, 0, 0);
    set_lanes(&talk, lanes, 2, 1, false);
    talk.request.draft_path = "/nonexistent/draft.gguf";
    hear(engine, submit(engine, &talk), heard);
    assert_int_equal(heard->last.type, ENGINE_FAILED);
    assert_int_equal(heard->last.failure.status, STATUS_NOT_FOUND);
    assert_int_equal(heard->n_ends, 0);
    engine_close(&engine);
    forget(&talk);
    free(heard);
}

static void selfcheck_is_told_and_stopped(void **state)
{
    struct engine *engine = open_model("tests/golden/data/tinyA-q8_0.gguf");
    struct heard *heard = malloc(sizeof *heard);
    uint64_t id;

    (void)state;
    assert_int_equal(engine_submit_selfcheck(engine, &id, NULL), STATUS_OK);
    hear(engine, id, heard);
    assert_int_equal(heard->last.type, ENGINE_DONE);
    assert_true(heard->n_checks > 2);
    assert_int_equal(heard->n_failed_checks, 0);
    const uint32_t n_checks = heard->n_checks;
    assert_int_equal(engine_submit_selfcheck(engine, &id, NULL), STATUS_OK);
    pause_for(5);
    engine_cancel(engine);
    hear(engine, id, heard);
    assert_int_equal(heard->last.done.reason, STOP_CANCELLED);
    assert_true(heard->n_checks < n_checks);
    engine_close(&engine);
    free(heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_side_by_side_are_identical),
        cmocka_unit_test(first_difference_is_where_texts_part),
        cmocka_unit_test(margin_is_the_difference_of_logits),
        cmocka_unit_test(together_is_one_by_one),
        cmocka_unit_test(lanes_are_stopped_anywhere),
        cmocka_unit_test(wrong_lanes_are_refused),
        cmocka_unit_test(selfcheck_is_told_and_stopped),
    };
    return cmocka_run_group_tests_name("engine_lanes", tests, NULL, NULL);
}
