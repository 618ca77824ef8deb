/*
 * engine_reuse.c - the model-driven engine over a model that is not one
 *
 * The model, the session and the chat functions are stood in for by small ones: a token is a byte,
 * the next one is a hash of all before it, and evaluation takes the time that the test says.  So it
 * can be counted what is evaluated, and failures come when they are wanted.  What the engine does
 * with real models is in engine.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine/lanes.h"
#include "engine/selfcheck.h"
#include "engine/state/verify.h"
#include "tests/unit/engine_talk.h"

enum {
    TOKEN_ROLE = 256, /* + enum chat_role */
    TOKEN_END = 300,
    TOKEN_THINK,
    TOKEN_END_THINK,
    TOKEN_STOP,
    CHUNK = 8
};

/* How the stand-in behaves; set while no engine is open. */
static struct {
    long token_microseconds;
    uint32_t n_context;
    uint32_t fail_at; /* position whose evaluation fails; 0: none */
    uint64_t snapshot_bytes;
    atomic_bool no_snapshots;
    bool fail_load;
} stand_in;

static atomic_int n_snapshots, most_snapshots;
static atomic_uint n_evaluated;

struct model {
    struct model_info info;
};

struct session {
    int32_t *tokens;
    uint32_t position, n_context;
};

struct snapshot {
    int32_t *tokens;
    uint32_t position;
};

enum status model_open(struct model **out, const char *path,
                       const struct model_options *options, struct error *error)
{
    *out = NULL;
    for (uint64_t done = 0; done < 4; done++) {
        if (atomic_load(options->cancel))
            return error_set(error, STATUS_CANCELLED, "stopped");
        options->progress(options->progress_context, MODEL_LOAD_WEIGHTS, done, 4);
    }
    if (stand_in.fail_load)
        return error_set(error, STATUS_NOT_FOUND, "no model in %s", path);
    *out = calloc(1, sizeof **out);
    return STATUS_OK;
}

void model_close(struct model **model)
{
    free(*model);
    *model = NULL;
}

const struct model_info *model_info(const struct model *model)
{
    return &model->info;
}

const char *model_token_text(const struct model *model, int32_t id, size_t *n_bytes)
{
    (void)model;
    *n_bytes = 8;
    return id == TOKEN_END_THINK ? "</think>" : "unknown.";
}

struct sampling sampling_for_model(const struct model *model, bool thinking,
                                   const struct sampling_choice *choice)
{
    (void)model;
    (void)thinking;
    return choice->values;
}

uint64_t sampling_noise_seed(uint64_t conversation_seed, uint32_t message, uint32_t variant)
{
    return conversation_seed * 31 + message * 7 + variant;
}

/* Chat -------------------------------------------------------------------------------------- */

enum status chat_render(const struct model *model, const struct chat_message *messages,
                        size_t n_messages, enum thinking_mode thinking, bool generation_prompt,
                        struct chat_prompt *out, struct error *error)
{
    size_t n = 4;

    (void)model;
    memset(out, 0, sizeof *out);
    if (n_messages == 0)
        return error_set(error, STATUS_USAGE, "no message");
    for (size_t i = 0; i < n_messages; i++)
        n += messages[i].n_bytes + 2;
    out->ids = malloc(n * sizeof *out->ids);
    for (size_t i = 0; i < n_messages; i++) {
        out->ids[out->n_ids++] = TOKEN_ROLE + (int32_t)messages[i].role;
        for (size_t k = 0; k < messages[i].n_bytes; k++)
            out->ids[out->n_ids++] = (unsigned char)messages[i].text[k];
        out->ids[out->n_ids++] = TOKEN_END;
    }
    out->n_stable = out->n_ids;
    if (!generation_prompt)
        return STATUS_OK;
    out->ids[out->n_ids++] = TOKEN_ROLE + CHAT_ASSISTANT;
    out->n_stable = out->n_ids;
    out->thinking = thinking != THINKING_OFF;
    out->ids[out->n_ids++] = TOKEN_THINK;
    if (!out->thinking)
        out->ids[out->n_ids++] = TOKEN_END_THINK;
    return STATUS_OK;
}

void chat_prompt_release(struct chat_prompt *prompt)
{
    free(prompt->ids);
    memset(prompt, 0, sizeof *prompt);
}

struct chat_splitter {
    bool thinking;
    char byte;
};

enum status chat_splitter_new(struct chat_splitter **out, const struct model *model,
                              bool starts_thinking, struct error *error)
{
    (void)model;
    (void)error;
    *out = calloc(1, sizeof **out);
    (*out)->thinking = starts_thinking;
    return STATUS_OK;
}

void chat_splitter_free(struct chat_splitter **splitter)
{
    free(*splitter);
    *splitter = NULL;
}

void chat_splitter_token(struct chat_splitter *splitter, int32_t id, enum chat_part *part,
                         const char **bytes, size_t *n_bytes, bool *counts)
{
    *part = splitter->thinking ? CHAT_PART_THINKING : CHAT_PART_ANSWER;
    splitter->byte = (char)id;
    *bytes = &splitter->byte;
    *n_bytes = id < 256 ? 1 : 0;
    *counts = !splitter->thinking && id < 256;
    if (id == TOKEN_END_THINK)
        splitter->thinking = false;
}

void chat_splitter_finish(struct chat_splitter *splitter, enum chat_part *part,
                          const char **bytes, size_t *n_bytes)
{
    *part = splitter->thinking ? CHAT_PART_THINKING : CHAT_PART_ANSWER;
    *bytes = NULL;
    *n_bytes = 0;
}

const int32_t *chat_end_thinking_ids(const struct model *model, size_t *n_ids)
{
    static const int32_t ids[] = {TOKEN_END_THINK, 'B'};

    (void)model;
    *n_ids = 2;
    return ids;
}

/* Session ----------------------------------------------------------------------------------- */

enum status session_new(struct session **out, const struct model *model,
                        const struct session_options *options, struct error *error)
{
    (void)model;
    (void)options;
    (void)error;
    *out = calloc(1, sizeof **out);
    (*out)->n_context = stand_in.n_context;
    (*out)->tokens = calloc(stand_in.n_context, sizeof(int32_t));
    return STATUS_OK;
}

void session_free(struct session **session)
{
    if (*session != NULL)
        free((*session)->tokens);
    free(*session);
    *session = NULL;
}

uint32_t session_context(const struct session *session)
{
    return session->n_context;
}

uint32_t session_position(const struct session *session)
{
    return session->position;
}

const int32_t *session_tokens(const struct session *session)
{
    return session->position == 0 ? NULL : session->tokens;
}

int session_thread_count(const struct session *session)
{
    (void)session;
    return 1;
}

void session_reset(struct session *session)
{
    session->position = 0;
}

enum status session_eval(struct session *session, const int32_t *tokens, size_t n_tokens,
                         size_t n_logits, float *logits, const struct session_hooks *hooks,
                         struct error *error)
{
    (void)n_logits;
    (void)logits;
    if (n_tokens > session->n_context - session->position)
        return error_set(error, STATUS_CONTEXT_FULL, "full");
    for (size_t done = 0; done < n_tokens;) {
        size_t chunk = n_tokens - done < CHUNK ? n_tokens - done : CHUNK;
        for (size_t i = 0; i < chunk; i++) {
            if (stand_in.token_microseconds > 0)
                nanosleep(&(struct timespec){0, stand_in.token_microseconds * 1000}, NULL);
            if (hooks->cancel != NULL && atomic_load(hooks->cancel))
                return error_set(error, STATUS_CANCELLED, "stopped");
            if (stand_in.fail_at > 0 && session->position + i == stand_in.fail_at)
                return error_set(error, STATUS_FAILED, "not a number");
        }
        memcpy(session->tokens + session->position, tokens + done, chunk * sizeof *tokens);
        session->position += (uint32_t)chunk;
        atomic_fetch_add(&n_evaluated, (unsigned)chunk);
        done += chunk;
        if (hooks->progress != NULL)
            hooks->progress(hooks->context, done, n_tokens);
    }
    return STATUS_OK;
}

enum status session_snapshot(const struct session *session, struct snapshot **out,
                             struct error *error)
{
    if (atomic_load(&stand_in.no_snapshots))
        return error_set(error, STATUS_NO_MEMORY, "no memory");
    *out = calloc(1, sizeof **out);
    (*out)->position = session->position;
    (*out)->tokens = malloc((session->position + 1) * sizeof(int32_t));
    memcpy((*out)->tokens, session->tokens, session->position * sizeof(int32_t));
    int n = atomic_fetch_add(&n_snapshots, 1) + 1;
    if (n > atomic_load(&most_snapshots))
        atomic_store(&most_snapshots, n);
    return STATUS_OK;
}

enum status session_restore(struct session *session, const struct snapshot *snapshot,
                            struct error *error)
{
    (void)error;
    session->position = snapshot->position;
    memcpy(session->tokens, snapshot->tokens, snapshot->position * sizeof(int32_t));
    return STATUS_OK;
}

uint32_t snapshot_position(const struct snapshot *snapshot)
{
    return snapshot->position;
}

const int32_t *snapshot_tokens(const struct snapshot *snapshot)
{
    return snapshot->tokens;
}

uint64_t snapshot_bytes(const struct snapshot *snapshot)
{
    (void)snapshot;
    return stand_in.snapshot_bytes;
}

void snapshot_free(struct snapshot **snapshot)
{
    if (*snapshot != NULL) {
        free((*snapshot)->tokens);
        atomic_fetch_sub(&n_snapshots, 1);
    }
    free(*snapshot);
    *snapshot = NULL;
}

/* A function of all tokens before it and the noise. */
static int32_t choose(const struct session *session, const struct generation *generation)
{
    uint64_t hash = generation->sampling.temperature > 0 ? generation->noise_seed : 0;

    for (uint32_t i = 0; i < session->position; i++)
        hash = (hash ^ (uint64_t)session->tokens[i]) * 0x100000001B3u;
    hash = next_number(&hash);
    if (hash % 23 == 0)
        return TOKEN_STOP;
    if (hash % 9 == 1)
        return TOKEN_END_THINK;
    return 'a' + (int32_t)(hash / 23 % 26);
}

enum status session_generate(struct session *session, const int32_t *prompt, size_t n_prompt,
                             const struct generation *generation,
                             const struct session_hooks *hooks,
                             struct generation_result *result, struct error *error)
{
    struct session_hooks quiet = {.cancel = generation->cancel};
    const int32_t *forced = NULL;
    size_t n_forced = 0;
    enum status status = session_eval(session, prompt, n_prompt, 1, NULL, hooks, error);

    *result = (struct generation_result){.stop_token = -1};
    while (status == STATUS_OK) {
        int32_t id = n_forced > 0 ? *forced : choose(session, generation);
        if (n_forced == 0 && id == TOKEN_STOP) {
            result->reason = STOP_TOKEN;
            result->stop_token = id;
            return STATUS_OK;
        }
        forced += n_forced > 0;
        n_forced -= n_forced > 0;
        result->n_tokens++;
        if (!generation->sink(generation->context, id,
                              n_forced > 0 ? &(const int32_t *){NULL} : &forced,
                              n_forced > 0 ? &(size_t){0} : &n_forced)) {
            result->reason = STOP_SINK;
            return STATUS_OK;
        }
        if (generation->max_tokens > 0 && result->n_tokens == generation->max_tokens) {
            result->reason = STOP_LENGTH;
            return STATUS_OK;
        }
        if (session->position == session->n_context) {
            result->reason = STOP_CONTEXT;
            return STATUS_OK;
        }
        status = session_eval(session, &id, 1, 1, NULL, &quiet, error);
    }
    if (status != STATUS_CANCELLED)
        return status;
    result->reason = STOP_CANCELLED;
    return STATUS_OK;
}

/* Policies: plain, whatever they are set to --------------------------------------------------- */

struct policy {
    struct policy_statistics statistics;
};

enum status policy_new(struct policy **out, const struct policy_settings *settings,
                       const struct policy_parts *parts, struct error *error)
{
    (void)settings;
    (void)parts;
    (void)error;
    *out = calloc(1, sizeof **out);
    return STATUS_OK;
}

void policy_free(struct policy **policy)
{
    free(*policy);
    *policy = NULL;
}

enum status policy_set(struct policy *policy, const struct policy_settings *settings,
                       struct error *error)
{
    (void)policy;
    (void)settings;
    (void)error;
    return STATUS_OK;
}

enum status policy_set_draft(struct policy *policy, struct session *draft, struct error *error)
{
    (void)policy;
    (void)draft;
    (void)error;
    return STATUS_OK;
}

void policy_set_progress(struct policy *policy,
                         void (*progress)(void *context, size_t done, size_t total),
                         void *context)
{
    (void)policy;
    (void)progress;
    (void)context;
}

enum policy_source policy_token_source(const struct policy *policy)
{
    (void)policy;
    return POLICY_SOURCE_NONE;
}

const struct policy_statistics *policy_statistics(const struct policy *policy)
{
    return &policy->statistics;
}

void policy_reset_statistics(struct policy *policy)
{
    memset(&policy->statistics, 0, sizeof policy->statistics);
}

void policy_set_trace(struct policy *policy, policy_trace trace, void *context)
{
    (void)policy;
    (void)trace;
    (void)context;
}

enum status session_keep_hidden(struct session *session, bool keep, struct error *error)
{
    (void)session;
    (void)keep;
    return error_set(error, STATUS_UNSUPPORTED, "no such block");
}

enum status lanes_generate(struct session *const *sessions, uint32_t n_lanes,
                           const int32_t *last, struct lane_generation *lanes,
                           struct error *error)
{
    (void)sessions;
    (void)n_lanes;
    (void)last;
    (void)lanes;
    return error_set(error, STATUS_FAILED, "not here");
}

enum status selfcheck_run(const struct model *model, const struct selfcheck_options *options,
                          struct error *error)
{
    (void)model;
    (void)options;
    return error_set(error, STATUS_FAILED, "not here");
}

/* Tests ------------------------------------------------------------------------------------- */

static struct engine *open_engine(void)
{
    struct engine_options options = {.model_path = "stand-in"};
    struct engine *engine;

    assert_int_equal(engine_open(&engine, &options, NULL), STATUS_OK);
    wait_ready(engine);
    return engine;
}

static int as_usual(void **state)
{
    (void)state;
    memset(&stand_in, 0, sizeof stand_in);
    stand_in.n_context = 4000;
    atomic_store(&n_evaluated, 0);
    atomic_store(&most_snapshots, 0);
    return 0;
}

static int nothing_left(void **state)
{
    (void)state;
    return atomic_load(&n_snapshots);
}

static struct engine_request wanted(float temperature, enum thinking_mode thinking)
{
    struct engine_request request = {.thinking = thinking, .conversation_seed = 42};

    request.sampling.values.temperature = temperature;
    request.sampling.given = SAMPLING_TEMPERATURE;
    return request;
}

static void reuse_changes_no_text(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++)
        for (int thinking = THINKING_DEFAULT; thinking <= THINKING_ON; thinking++) {
            struct engine_request request =
                wanted(seed % 2 ? 1.0F : 0.0F, (enum thinking_mode)thinking);
            request.conversation_seed = seed;
            check_conversation(open_engine, request, seed);
        }
    assert_true(atomic_load(&most_snapshots) <= 5); /* of two engines; four and one at most */
}

static void other_variants_give_other_answers(void **state)
{
    struct conversation talk = {.request = wanted(1, THINKING_ON)};
    struct engine *engine = open_engine();
    struct collected first;
    struct collected second;

    (void)state;
    say(&talk, CHAT_USER, "Hello", 5, NULL, 0);
    collect(engine, submit(engine, &talk), &first);
    talk.request.variant = 1;
    collect(engine, submit(engine, &talk), &second);
    assert_true(strcmp(first.text, second.text) != 0);
    assert_true(first.last.done.statistics.noise_seed !=
                second.last.done.statistics.noise_seed);
    engine_close(&engine);
    forget(&talk);
}

/* The work after an answer is the answer, and the next prefill is the message. */
static void only_what_is_new_is_evaluated(void **state)
{
    struct conversation talk = {.request = wanted(0, THINKING_OFF)};
    struct engine *engine = open_engine();
    struct collected got;

    (void)state;
    say(&talk, CHAT_USER, "A message of some length to begin with.", 39, NULL, 0);
    collect(engine, submit(engine, &talk), &got);
    for (int turn = 0; turn < 8; turn++) {
        say(&talk, CHAT_ASSISTANT, got.text, got.n_text, got.ids, got.n_ids);
        say(&talk, CHAT_USER, "And?", 4, NULL, 0);
        unsigned before = atomic_load(&n_evaluated);
        collect(engine, submit(engine, &talk), &got);
        /* message, opening, tags; answer; answer and its end as history */
        unsigned n = got.last.done.statistics.n_generated;
        assert_int_equal(got.last.done.statistics.n_prefilled, 6 + 1 + 2);
        assert_true(atomic_load(&n_evaluated) - before <= 9 + n + n + 1);
    }
    assert_int_equal(atomic_load(&most_snapshots), 4);
    engine_close(&engine);
    forget(&talk);
}

static void budget_ends_thinking(void **state)
{
    struct conversation talk = {.request = wanted(1, THINKING_ON)};
    struct engine *engine = open_engine();
    struct collected got;
    int n_forced = 0;

    (void)state;
    talk.request.thinking_budget = 3;
    for (uint64_t seed = 0; seed < 40; seed++) {
        talk.request.conversation_seed = seed;
        say(&talk, CHAT_USER, "Think", 5, NULL, 0);
        collect(engine, submit(engine, &talk), &got);
        assert_true(got.n_thinking <= 3);
        if (got.n_thinking == 3 && got.text[0] == 'B')
            n_forced++;
        assert_true(got.last.done.statistics.n_thinking <= 4); /* with </think> */
        take_back(&talk);
    }
    assert_true(n_forced > 15);
    engine_close(&engine);
}

static void full_context_is_told(void **state)
{
    struct conversation talk = {.request = wanted(1, THINKING_OFF)};
    struct collected got;
    int n_full = 0;

    (void)state;
    stand_in.n_context = 40;
    struct engine *engine = open_engine();
    say(&talk, CHAT_USER, "0123456789012345678901234567890123456789", 40, NULL, 0);
    collect(engine, submit(engine, &talk), &got);
    assert_int_equal(got.last.type, ENGINE_FAILED);
    assert_int_equal(got.last.failure.status, STATUS_CONTEXT_FULL);
    assert_non_null(strstr(got.last.failure.what, "45 tokens"));
    take_back(&talk);
    say(&talk, CHAT_USER, "0123456789012345678901234567", 28, NULL, 0);
    for (uint32_t variant = 0; variant < 20; variant++) {
        talk.request.variant = variant;
        collect(engine, submit(engine, &talk), &got);
        assert_int_equal(got.last.type, ENGINE_DONE);
        n_full += got.last.done.reason == STOP_CONTEXT;
        assert_true(got.last.done.statistics.position <= 40);
    }
    assert_true(n_full > 0);
    engine_close(&engine);
    forget(&talk);
}

static void failure_ends_the_request_alone(void **state)
{
    struct conversation talk = {.request = wanted(1, THINKING_OFF)};
    struct collected got;

    (void)state;
    stand_in.fail_at = 30;
    struct engine *engine = open_engine();
    say(&talk, CHAT_USER, "012345678901234567890123456789", 30, NULL, 0);
    collect(engine, submit(engine, &talk), &got);
    assert_int_equal(got.last.failure.status, STATUS_FAILED);
    talk.n_messages--;
    collect(engine, submit(engine, &talk), &got); /* no message at all */
    assert_int_equal(got.last.failure.status, STATUS_USAGE);
    talk.n_messages++;
    take_back(&talk);
    say(&talk, CHAT_USER, "01", 2, NULL, 0);
    talk.request.max_tokens = 5;
    collect(engine, submit(engine, &talk), &got);
    assert_int_equal(got.last.type, ENGINE_DONE);
    engine_close(&engine);
    forget(&talk);
}

static void no_memory_for_copies_is_no_failure(void **state)
{
    (void)state;
    atomic_store(&stand_in.no_snapshots, true);
    struct conversation talk = {.request = wanted(1, THINKING_OFF)};
    struct engine *engine = open_engine();
    struct collected got;
    struct collected again;

    say(&talk, CHAT_USER, "Hello", 5, NULL, 0);
    collect(engine, submit(engine, &talk), &got);
    collect(engine, submit(engine, &talk), &again);
    assert_same(&got, &again);
    engine_close(&engine);
    forget(&talk);
}

static void copies_keep_to_their_memory(void **state)
{
    (void)state;
    stand_in.snapshot_bytes = UINT64_MAX / 16;
    check_conversation(open_engine, wanted(1, THINKING_ON), 5);
    assert_true(atomic_load(&most_snapshots) <= 3);
}

static void stopped_requests_leave_no_trace(void **state)
{
    (void)state;
    stand_in.token_microseconds = 20;
    check_cancel(open_engine, wanted(1, THINKING_ON), 40, 11);
}

static void stopped_prefill_keeps_what_was_computed(void **state)
{
    struct conversation talk = {.request = wanted(1, THINKING_ON)};
    struct collected got;
    char text[1000];

    (void)state;
    memset(text, 'x', sizeof text);
    stand_in.token_microseconds = 1000;
    struct engine *engine = open_engine();
    say(&talk, CHAT_USER, text, sizeof text, NULL, 0);
    uint64_t id = submit(engine, &talk);
    pause_for(100);
    engine_cancel(engine);
    collect(engine, id, &got);
    assert_int_equal(got.last.done.reason, STOP_CANCELLED);
    assert_int_equal(got.last.done.statistics.n_generated, 0);
    uint32_t position = got.last.done.statistics.position;
    assert_true(position > 0 && position < 1000);
    assert_int_equal(got.last.done.statistics.n_prefilled, position);
    assert_int_equal(atomic_load(&n_evaluated), position); /* not taken up again when idle */
    id = submit(engine, &talk);
    pause_for(30);
    engine_cancel(engine);
    collect(engine, id, &got);
    assert_int_equal(got.last.done.statistics.n_cached, position);
    engine_close(&engine);
    forget(&talk);
}

/* The next request stops the idle work; what that had evaluated by then is not lost. */
static void idle_work_gives_way(void **state)
{
    struct conversation talk = {.request = wanted(1, THINKING_OFF)};
    struct collected got;
    struct engine_event event;
    uint64_t seed = 1;

    (void)state;
    stand_in.token_microseconds = 500;
    struct engine *engine = open_engine();
    talk.request.max_tokens = 1;
    for (int round = 0; round < 30; round++) {
        user_says(&talk, &seed, 20);
        uint64_t id = submit(engine, &talk);
        do
            event = wait_event(engine);
        while (event.type != ENGINE_DONE);
        pause_shortly(&seed, 1500);
        uint64_t next = submit(engine, &talk);
        event = wait_event(engine);
        assert_int_equal(event.type, ENGINE_SETTLED);
        assert_int_equal(event.request, id);
        collect(engine, next, &got);
        assert_int_equal(got.last.type, ENGINE_DONE);
        take_back(&talk);
    }
    engine_close(&engine);
}

static void close_is_prompt_in_every_phase(void **state)
{
    uint64_t seed = 3;

    (void)state;
    stand_in.token_microseconds = 300;
    for (int round = 0; round < 30; round++) {
        struct conversation talk = {.request = wanted(1, THINKING_OFF)};
        struct engine_options options = {.model_path = "stand-in"};
        struct engine *engine;
        assert_int_equal(engine_open(&engine, &options, NULL), STATUS_OK);
        if (round % 4 > 0) {
            wait_ready(engine);
            user_says(&talk, &seed, 200);
            submit(engine, &talk);
        }
        pause_shortly(&seed, round % 2 ? 100000 : 10000);
        int64_t asked = run_clock_now();
        engine_close(&engine);
        assert_true(run_clock_now() - asked < MOST_NANOSECONDS);
        forget(&talk);
    }
}

static void anything_at_any_time(void **state)
{
    (void)state;
    stand_in.token_microseconds = 20;
    check_stress(open_engine, wanted(1, THINKING_ON), 60, 4000, 77);
}

static void failed_load_is_told(void **state)
{
    struct engine_options options = {.model_path = "nowhere"};
    struct engine *engine;
    struct engine_event event;

    (void)state;
    stand_in.fail_load = true;
    assert_int_equal(engine_open(&engine, &options, NULL), STATUS_OK);
    do
        event = wait_event(engine);
    while (event.type == ENGINE_LOADING);
    assert_int_equal(event.type, ENGINE_LOAD_FAILED);
    assert_int_equal(event.failure.status, STATUS_NOT_FOUND);
    assert_null(engine_model(engine));
    engine_close(&engine);
}

#define WITH_STAND_IN(test) cmocka_unit_test_setup_teardown(test, as_usual, nothing_left)

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_STAND_IN(reuse_changes_no_text),
        WITH_STAND_IN(other_variants_give_other_answers),
        WITH_STAND_IN(only_what_is_new_is_evaluated),
        WITH_STAND_IN(budget_ends_thinking),
        WITH_STAND_IN(full_context_is_told),
        WITH_STAND_IN(failure_ends_the_request_alone),
        WITH_STAND_IN(no_memory_for_copies_is_no_failure),
        WITH_STAND_IN(copies_keep_to_their_memory),
        WITH_STAND_IN(stopped_requests_leave_no_trace),
        WITH_STAND_IN(stopped_prefill_keeps_what_was_computed),
        WITH_STAND_IN(idle_work_gives_way),
        WITH_STAND_IN(close_is_prompt_in_every_phase),
        WITH_STAND_IN(anything_at_any_time),
        WITH_STAND_IN(failed_load_is_told),
    };
    return cmocka_run_group_tests_name("engine_reuse", tests, NULL, NULL);
}
