/*
 * decode_policies.c - on a scripted target, every policy says what plain decoding says
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/decode_fixture.h"
#include "tests/unit/model_fixture.h"

enum { N_PROMPT = 20, MAX_IDS = 700 };

/* What happens while an answer is generated. */
struct scene {
    size_t max_tokens;
    uint32_t stop_at, n_context;
    bool ignore_stop;
    size_t end_after, cancel_at, force_at, n_force; /* tokens; 0: never */
    size_t switch_at; /* every so many tokens another policy, from inside the sink; 0: never */
    uint64_t noise_seed;
};

struct answer {
    int32_t ids[MAX_IDS];
    size_t n;
    struct generation_result result;
    uint32_t position;
    struct policy_statistics statistics;
    double seconds;
    uint32_t n_steps, n_verifies;
};

struct collector {
    struct answer *answer;
    const struct scene *scene;
    struct decode *decode;
    atomic_bool cancel;
    uint64_t by_source[POLICY_SOURCE_COUNT];
};

/* All kinds in turn, and two with another index of the text. */
static struct policy_settings turn(size_t n)
{
    struct policy_settings settings =
        policy_defaults((enum policy_kind)(n % POLICY_KIND_COUNT));

    if (n % 3 == 1)
        settings.ngram.min = 2;
    if (n % 4 == 1)
        settings.ngram.disable_after_reject = false;
    return settings;
}

static const int32_t FORCED[] = {9, 11, 9, 12};

static bool collect(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    struct collector *collector = context;
    struct answer *answer = collector->answer;
    const struct scene *scene = collector->scene;

    assert_true(answer->n < MAX_IDS);
    answer->ids[answer->n++] = id;
    if (scene->force_at > 0 && answer->n % scene->force_at == 0) {
        *forced = FORCED;
        *n_forced = scene->n_force;
    }
    if (scene->switch_at > 0 && answer->n % scene->switch_at == 0) {
        const struct policy_settings settings = turn(answer->n / scene->switch_at);
        decode_set(collector->decode, &settings);
    }
    collector->by_source[collector->decode->token_source]++;
    if (answer->n == scene->cancel_at)
        atomic_store(&collector->cancel, true);
    return answer->n != scene->end_after;
}

static void count_cycle(void *context, const struct policy_cycle *cycle)
{
    uint64_t *n_cycles = context;

    ++*n_cycles;
    assert_true(cycle->accepted <= cycle->verified);
    assert_true(cycle->emitted >= cycle->accepted);
    assert_non_null(cycle->decision);
    assert_non_null(cycle->reason);
}

struct setting {
    struct policy_settings policy;
    uint32_t draft_misses; /* of 100 */
    uint32_t cancel_in, fail_in, draft_fail_in;
};

/* The whole state is that of the tokens consumed, and these are prompt and answer. */
static void check_boundary(const struct fake *fake, const struct answer *answer)
{
    const uint32_t text = N_PROMPT + (uint32_t)answer->n;

    assert_true(fake->hash == hash_of(fake->tokens, fake->n));
    assert_int_equal(fake->n, answer->result.reason == STOP_TOKEN ? text : text - 1);
    assert_memory_equal(fake->tokens + N_PROMPT, answer->ids,
                        (fake->n - N_PROMPT) * sizeof(int32_t));
}

static void check_counters(const struct policy_statistics *s, const struct answer *answer,
                           uint64_t n_cycles)
{
    uint64_t lengths = 0, compared = 0, accepted = 0;

    assert_int_equal(s->emitted, answer->n);
    assert_int_equal(s->emitted,
                     s->accepted + s->corrections + s->bonus + s->plain + s->forced);
    assert_true(s->accepted <= s->verified && s->verified <= s->proposed);
    assert_int_equal(s->verified, s->accepted + s->rejected);
    assert_int_equal(s->proposed, s->verified + s->ignored);
    for (int i = 0; i < POLICY_MAX_CANDIDATES; i++) {
        compared += s->position_verified[i];
        accepted += s->position_accepted[i];
        assert_true(s->position_accepted[i] <= s->position_verified[i]);
    }
    for (int i = 0; i <= POLICY_MAX_CANDIDATES; i++)
        lengths += s->lengths[i] * (uint64_t)i;
    assert_int_equal(accepted, s->accepted);
    assert_int_equal(lengths, s->accepted);
    assert_true(compared <= s->verified);
    assert_int_equal(s->cycles, n_cycles);
}

static void generate(const struct setting *setting, const struct sampling *sampling,
                     const struct scene *scene, struct answer *answer)
{
    static struct fake target, draft;
    static struct fake_block block;
    struct fake_clock clock = {0};
    struct decode decode;
    struct collector collector = {.answer = answer, .scene = scene, .decode = &decode};
    const struct generation generation = {.sampling = *sampling,
                                          .noise_seed = 99 + scene->noise_seed,
                                          .max_tokens = scene->max_tokens,
                                          .ignore_stop = scene->ignore_stop,
                                          .cancel = &collector.cancel,
                                          .sink = collect,
                                          .context = &collector};
    const struct mtp_proposer mtp = {&block, block_first, block_next};
    struct decode_target trunk, small;
    struct sampler sampler;
    struct error error = {0};
    struct fake_row row;
    int32_t prompt[N_PROMPT];
    uint64_t n_cycles = 0;

    *answer = (struct answer){.n = 0};
    target = (struct fake){.n_context = scene->n_context,
                           .stop_at = scene->stop_at,
                           .cancel_in = setting->cancel_in,
                           .fail_in = setting->fail_in,
                           .clock = &clock,
                           .step_seconds = 1,
                           .row_seconds = 0.1};
    draft = (struct fake){.stop_at = scene->stop_at,
                          .miss_every = setting->draft_misses,
                          .fail_step_in = setting->draft_fail_in,
                          .clock = &clock,
                          .step_seconds = 0.1,
                          .row_seconds = 0.02};
    block = (struct fake_block){.target = &target, .ahead = draft};
    trunk = fake_target(&target);
    small = fake_target(&draft);
    for (int i = 0; i < N_PROMPT; i++)
        prompt[i] = 1 + i % 5;
    check(sampler_init(&sampler, N_FAKE_VOCAB, &error), &error);
    check(policy_check(&setting->policy, &error), &error);
    check(decode_init(&decode, &setting->policy,
                      &(struct decode_parts){&trunk, &sampler, fake_row(&row), &small, NULL,
                                             &mtp, fake_time, &clock},
                      target.n_context, &error),
          &error);
    decode.trace = count_cycle;
    decode.trace_context = &n_cycles;
    check(trunk.consume(&target, prompt, N_PROMPT, &row.row, NULL, &error), &error);
    clock.seconds = 0;
    check(decode_run(&decode, &generation, &answer->result, &error), &error);
    assert_int_equal(answer->result.n_tokens, answer->n);
    answer->position = target.n;
    answer->statistics = decode.statistics;
    answer->seconds = clock.seconds;
    answer->n_steps = target.n_steps;
    answer->n_verifies = target.n_verifies;
    check_boundary(&target, answer);
    check_counters(&decode.statistics, answer, n_cycles);
    for (int source = POLICY_SOURCE_NGRAM; source < POLICY_SOURCE_COUNT; source++)
        assert_int_equal(collector.by_source[source],
                         decode.statistics.by_source[source].accepted);
    decode_release(&decode);
    sampler_release(&sampler);
}

static const struct sampling SAMPLINGS[] = {
    {.temperature = 0, .top_p = 1, .repetition_penalty = 1},
    {.temperature = 0.7f, .top_p = 0.9f, .top_k = 20, .repetition_penalty = 1},
    {.temperature = 1.3f, .top_p = 1, .repetition_penalty = 1},
    {.temperature = 0, .top_p = 1, .repetition_penalty = 1.2f, .frequency_penalty = 0.1f},
    {.temperature = 0.7f,
     .top_p = 1,
     .min_p = 0.05f,
     .presence_penalty = 0.5f,
     .repetition_penalty = 1.1f},
};
enum { N_SAMPLINGS = sizeof SAMPLINGS / sizeof *SAMPLINGS };

static const struct scene SCENES[] = {
    {.max_tokens = 1},
    {.max_tokens = 2},
    {.max_tokens = 5},
    {.max_tokens = 33},
    {.max_tokens = 250},
    {.max_tokens = 250, .stop_at = 21},
    {.max_tokens = 250, .stop_at = 57},
    {.max_tokens = 90, .stop_at = 60, .ignore_stop = true},
    {.n_context = 100},
    {.n_context = N_PROMPT + 1},
    {.max_tokens = 200, .end_after = 37},
    {.max_tokens = 200, .end_after = 1},
    {.max_tokens = 200, .cancel_at = 43},
    {.max_tokens = 120, .force_at = 30, .n_force = 4},
    {.max_tokens = 120, .force_at = 11, .n_force = 1},
    {.max_tokens = 300, .switch_at = 17},
    {.max_tokens = 300, .switch_at = 1, .force_at = 41, .n_force = 2},
};
enum { N_SCENES = sizeof SCENES / sizeof *SCENES, MAX_SETTINGS = 64 };

static struct setting from(enum policy_kind kind, uint32_t draft_misses)
{
    return (struct setting){.policy = policy_defaults(kind), .draft_misses = draft_misses};
}

/* Every policy, then every knob that changes the course of a pass. */
static size_t make_settings(struct setting settings[MAX_SETTINGS])
{
    static const uint32_t misses[] = {0, 10, 50, 100};
    size_t n = 0;

    for (size_t i = 0; i < sizeof misses / sizeof *misses; i++)
        for (enum policy_kind kind = POLICY_NGRAM; kind < POLICY_KIND_COUNT; kind++)
            if (kind != POLICY_NGRAM || i == 0)
                settings[n++] = from(kind, misses[i]);
    for (int verify = POLICY_VERIFY_SERIAL; verify < POLICY_VERIFY_COUNT; verify++)
        for (enum policy_kind kind = POLICY_NGRAM; kind < POLICY_AUTO; kind++) {
            settings[n] = from(kind, 20);
            settings[n++].policy.verify = (enum policy_verify)verify;
        }
    settings[n] = from(POLICY_NGRAM, 0);
    settings[n].policy.ngram.min = 2;
    settings[n].policy.ngram.max = 4;
    settings[n].policy.ngram.stage_min = 5;
    settings[n++].policy.ngram.disable_after_reject = false;
    settings[n] = from(POLICY_NGRAM, 0);
    settings[n].policy.ngram.min = 3;
    settings[n].policy.ngram.recursive = false;
    settings[n].policy.ngram.risk_gate = true;
    settings[n].policy.ngram.gamma = 7;
    settings[n++].policy.decay = 5;
    settings[n] = from(POLICY_SPECULATIVE, 15);
    settings[n].policy.sources[0] = POLICY_SOURCE_NGRAM;
    settings[n].policy.sources[1] = POLICY_SOURCE_DRAFT;
    settings[n].policy.sources[2] = POLICY_SOURCE_MTP;
    settings[n].policy.n_sources = 3;
    settings[n].policy.ngram.min = 2;
    settings[n].policy.ngram.disable_after_reject = false;
    settings[n].policy.mtp.min_remaining = 0;
    settings[n++].policy.speculative.fallback = false;
    settings[n] = from(POLICY_SPECULATIVE, 5);
    settings[n].policy.speculative.gamma = 1;
    settings[n].policy.speculative.early_reject = false;
    settings[n++].policy.decay = 0;
    settings[n] = from(POLICY_SPECULATIVE, 2);
    settings[n].policy.speculative.bootstrap_gamma = 16;
    settings[n++].policy.decay = 3;
    settings[n] = from(POLICY_MTP, 25);
    settings[n].policy.mtp.min_margin = 0;
    settings[n++].policy.mtp.disable_after_reject = false;
    return n;
}

static void same_answer(const struct answer *a, const struct answer *b, size_t setting,
                        size_t scene, size_t sampling)
{
    if (a->n != b->n || memcmp(a->ids, b->ids, a->n * sizeof *a->ids) != 0 ||
        a->result.reason != b->result.reason || a->position != b->position ||
        a->result.stop_token != b->result.stop_token)
        fail_msg("setting %zu, scene %zu, sampling %zu: another answer than plain", setting,
                 scene, sampling);
}

static void policies_say_what_plain_says(void **state)
{
    static struct answer plain, other;
    struct setting settings[MAX_SETTINGS];
    const struct setting greedy = from(POLICY_GREEDY, 0);
    const size_t n = make_settings(settings);
    uint64_t accepted[MAX_SETTINGS] = {0};

    (void)state;
    for (size_t sampling = 0; sampling < N_SAMPLINGS; sampling++)
        for (size_t scene = 0; scene < N_SCENES; scene++) {
            generate(&greedy, &SAMPLINGS[sampling], &SCENES[scene], &plain);
            for (size_t i = 0; i < n; i++) {
                generate(&settings[i], &SAMPLINGS[sampling], &SCENES[scene], &other);
                same_answer(&plain, &other, i, scene, sampling);
                accepted[i] += other.statistics.accepted;
            }
        }
    for (size_t i = 0; i < n; i++) /* it is no proof where nothing was proposed */
        if (accepted[i] == 0 && settings[i].draft_misses < 100)
            fail_msg("setting %zu: nothing was ever accepted", i);
}

static struct policy_settings random_settings(uint64_t *random)
{
    size_t n_keys;
    const struct policy_key *keys = policy_keys(&n_keys);
    static const char *const sources[] = {"none",      "ngram",     "draft",          "mtp",
                                          "draft,mtp", "mtp,ngram", "ngram,draft,mtp"};
    struct policy_settings settings;
    struct error error = {0};

    do {
        settings = policy_defaults((enum policy_kind)(next_random(random) % POLICY_KIND_COUNT));
        settings.verify = (enum policy_verify)(next_random(random) % POLICY_VERIFY_COUNT);
        for (size_t i = 0; i < n_keys; i++) {
            char *field = (char *)&settings + keys[i].offset;
            const uint32_t range = (uint32_t)(keys[i].maximum - keys[i].minimum);
            if (next_random(random) % 2 || keys[i].type == POLICY_VALUE_NAME)
                continue;
            if (keys[i].type == POLICY_VALUE_FLAG)
                *(bool *)field = next_random(random) % 2;
            else if (keys[i].type == POLICY_VALUE_REAL)
                *(double *)field = next_random(random) % 5 * keys[i].maximum / 20;
            else
                *(uint32_t *)field = (uint32_t)keys[i].minimum +
                                     next_random(random) % (range < 32 ? range + 1 : 33);
        }
        if (next_random(random) % 2)
            check(policy_set_key(
                      &settings, "sources",
                      sources[next_random(random) % (sizeof sources / sizeof *sources)],
                      &error),
                  &error);
    } while (policy_check(&settings, &error) != STATUS_OK);
    return settings;
}

static struct scene random_scene(uint64_t *random)
{
    struct scene scene = {.max_tokens = 1 + next_random(random) % 300,
                          .noise_seed = next_random(random)};

    switch (next_random(random) % 7) {
    case 0: scene.stop_at = N_PROMPT + next_random(random) % 200; break;
    case 1: scene.n_context = N_PROMPT + 1 + next_random(random) % 120; break;
    case 2: scene.end_after = 1 + next_random(random) % 150; break;
    case 3: scene.cancel_at = 1 + next_random(random) % 150; break;
    case 4:
        scene.force_at = 2 + next_random(random) % 60;
        scene.n_force = 1 + next_random(random) % 4;
        break;
    case 5: scene.switch_at = 1 + next_random(random) % 40; break;
    default: scene.ignore_stop = true; break;
    }
    return scene;
}

static void any_settings_say_what_plain_says(void **state)
{
    static struct answer plain, other;
    const struct setting greedy = from(POLICY_GREEDY, 0);
    const size_t n_rounds = IS_SANITIZED ? 100 : 600;
    uint64_t random = 17, accepted = 0, rejected = 0;

    (void)state;
    for (size_t round = 0; round < n_rounds; round++) {
        const struct scene scene = random_scene(&random);
        const struct sampling *sampling = &SAMPLINGS[next_random(&random) % N_SAMPLINGS];
        generate(&greedy, sampling, &scene, &plain);
        for (int i = 0; i < 3; i++) {
            struct setting setting = {.policy = random_settings(&random),
                                      .draft_misses = next_random(&random) % 101};
            if (next_random(&random) % 4 == 0)
                setting.fail_in = 1 + next_random(&random) % 9;
            if (next_random(&random) % 4 == 0)
                setting.draft_fail_in = 1 + next_random(&random) % 40;
            generate(&setting, sampling, &scene, &other);
            same_answer(&plain, &other, round, (size_t)i, 0);
            accepted += other.statistics.accepted;
            rejected += other.statistics.rejected;
        }
    }
    assert_true(accepted > 10 * n_rounds && rejected > 4 * n_rounds);
}

/* Serial never runs a row that may be thrown away; hybrid only behind the first proposal. */
static void strategies_compute_differently(void **state)
{
    static struct answer answer;
    const struct scene scene = {.max_tokens = 200};
    uint64_t passes[POLICY_VERIFY_COUNT];

    (void)state;
    for (enum policy_verify verify = 0; verify < POLICY_VERIFY_COUNT; verify++) {
        struct setting setting = from(POLICY_SPECULATIVE, 0);
        setting.policy.verify = verify;
        generate(&setting, &SAMPLINGS[0], &scene, &answer);
        passes[verify] = answer.n_verifies;
        assert_true(answer.statistics.accepted > 100);
        if (verify == POLICY_VERIFY_SERIAL)
            assert_int_equal(answer.n_steps, answer.n); /* the prompt, then one row a token */
    }
    assert_int_equal(passes[POLICY_VERIFY_SERIAL], 0);
    assert_true(passes[POLICY_VERIFY_HYBRID] > 0);
    assert_int_equal(passes[POLICY_VERIFY_HYBRID] + 1, passes[POLICY_VERIFY_CHUNK_INPLACE]);
}

/* A pass that is abandoned or fails leaves what plain decoding would have left. */
static void failing_passes_change_nothing(void **state)
{
    static struct answer plain, other;
    const struct scene scene = {.max_tokens = 100};
    struct setting setting = from(POLICY_SPECULATIVE, 0);

    (void)state;
    for (size_t sampling = 0; sampling < N_SAMPLINGS; sampling++) {
        const struct setting greedy = from(POLICY_GREEDY, 0);
        generate(&greedy, &SAMPLINGS[sampling], &scene, &plain);
        for (uint32_t at = 1; at < 5; at++) {
            setting.cancel_in = at;
            setting.fail_in = 0;
            generate(&setting, &SAMPLINGS[sampling], &scene, &other);
            assert_int_equal(other.result.reason, STOP_CANCELLED);
            assert_true(other.n > 0 && other.n < plain.n);
            assert_memory_equal(plain.ids, other.ids, other.n * sizeof(int32_t));
            setting.cancel_in = 0;
            setting.fail_in = at;
            generate(&setting, &SAMPLINGS[sampling], &scene, &other);
            same_answer(&plain, &other, at, 0, sampling);
            setting.fail_in = 0;
            setting.draft_fail_in = 3 * at; /* only the draft is lost */
            generate(&setting, &SAMPLINGS[sampling], &scene, &other);
            same_answer(&plain, &other, at, 1, sampling);
            assert_int_equal(other.statistics.fallbacks, 1);
            setting.draft_fail_in = 0;
        }
    }
}

/* With the target's noise and penalties it is always right, whatever the temperature. */
static void a_model_is_its_own_best_draft(void **state)
{
    static struct answer answer;
    const struct scene scene = {.max_tokens = 300};
    const struct setting setting = from(POLICY_SPECULATIVE, 0);

    (void)state;
    for (size_t sampling = 0; sampling < N_SAMPLINGS; sampling++) {
        generate(&setting, &SAMPLINGS[sampling], &scene, &answer);
        assert_int_equal(answer.statistics.rejected, 0);
        assert_true(answer.statistics.accepted > 200);
        assert_true(policy_acceptance(&answer.statistics) > 0.9999);
        assert_true(policy_mean_length(&answer.statistics) > 10);
        /* 4, 4, 8, 16, 32: five passes for 64 candidates */
        assert_true(answer.statistics.passes < 15);
    }
}

/* Settings ------------------------------------------------------------------------------ */

static void wrong_settings_are_named(void **state)
{
    struct policy_settings s;
    struct error error = {0};

    (void)state;
    for (enum policy_kind kind = POLICY_GREEDY; kind < POLICY_KIND_COUNT; kind++) {
        s = policy_defaults(kind);
        check(policy_check(&s, &error), &error);
    }
    s = policy_defaults(POLICY_NGRAM);
    s.ngram.gamma = 33;
    assert_int_equal(policy_check(&s, &error), STATUS_USAGE);
    assert_non_null(strstr(error.what, "ngram.gamma"));
    s = policy_defaults(POLICY_NGRAM);
    s.ngram.max = 5;
    assert_int_equal(policy_check(&s, &error), STATUS_USAGE);
    assert_non_null(strstr(error.what, "ngram.max"));
    s = policy_defaults(POLICY_AUTO);
    s.sources[1] = POLICY_SOURCE_NGRAM;
    assert_int_equal(policy_check(&s, &error), STATUS_USAGE);
    s = policy_defaults(POLICY_AUTO);
    s.automatic.budget = -0.1;
    assert_int_equal(policy_check(&s, &error), STATUS_USAGE);
    assert_non_null(strstr(error.what, "auto.budget"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(policies_say_what_plain_says),
        cmocka_unit_test(any_settings_say_what_plain_says),
        cmocka_unit_test(strategies_compute_differently),
        cmocka_unit_test(failing_passes_change_nothing),
        cmocka_unit_test(a_model_is_its_own_best_draft),
        cmocka_unit_test(wrong_settings_are_named),
    };
    return cmocka_run_group_tests_name("decode_policies", tests, NULL, NULL);
}
