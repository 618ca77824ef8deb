/*
 * selfcheck.c - which comparisons are made, on what text, and how long they may take
 */
#include "engine/selfcheck.h"

#include "engine/file/checked.h"
#include "engine/policy.h"
#include "engine/run/run_clock.h"
#include "engine/run/selfcheck_internal.h"
#include "engine/state/verify.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_TOKENS = 256,
    LEAST_TOKENS = 72, /* chunks of 64 and a second block of attention */
    ANSWER_SHARE = 4,  /* an answer is a quarter of the text */
    LEAST_ANSWER = 16,
    MOST_BYTES = 128 << 20, /* of the logits that are kept */
    STEPS_PER_TOKEN = 8, /* all comparisons cost about so many steps for a token of the text */
    SECONDS = 60,        /* that all of them may take */
    MOST_COMPARISONS = 20,
    LARGEST_CONTEXT = 1024
};

/* Half of it is repeated, so that there is something to look up. */
static const char TEXT[] =
    "The harbour woke before the sun. Two old men carried nets to the boats, a girl counted "
    "the "
    "gulls on the wall, and the baker left his door open so that the whole street smelled of "
    "bread. \"Rain by noon,\" said the first of them. \"By 11:45,\" said the other, who was "
    "always "
    "exact, and he was right: at a quarter to twelve the first drops fell on the quay. ";

void found_difference(struct finding *finding, const char *format, ...)
{
    va_list arguments;

    if (finding->differs)
        return;
    finding->differs = true;
    va_start(arguments, format);
    vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
}

void found_equal(struct finding *finding, const char *format, ...)
{
    va_list arguments;

    if (finding->differs)
        return;
    va_start(arguments, format);
    vsnprintf(finding->text, sizeof finding->text, format, arguments);
    va_end(arguments);
}

void compare_rows(const struct selfcheck *check, struct finding *finding, const float *rows,
                  uint32_t first, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        const float *wanted = check->logits + (size_t)(first + i) * check->n_vocab;
        const float *row = rows + (size_t)i * check->n_vocab;
        uint32_t id = 0;
        if (memcmp(row, wanted, check->n_vocab * sizeof *row) == 0)
            continue;
        while (memcmp(&row[id], &wanted[id], sizeof *row) == 0)
            id++;
        found_difference(finding, "other logits at position %u, token %u: %a, wanted %a",
                         first + i, id, (double)row[id], (double)wanted[id]);
        return;
    }
}

enum status compare_state(const struct session *session, const struct snapshot *wanted,
                          struct finding *finding, struct error *error)
{
    struct snapshot *now = NULL;
    enum status status = session_snapshot(session, &now, error);

    if (status == STATUS_OK && !snapshot_equal(now, wanted))
        found_difference(finding, "another state at position %u", snapshot_position(now));
    snapshot_free(&now);
    return status;
}

enum status selfcheck_session(const struct selfcheck *check, int n_threads, uint32_t chunk,
                              struct session **out, struct error *error)
{
    const struct session_options options = {.n_threads =
                                                n_threads ? n_threads : check->n_threads,
                                            .n_context = check->n_context,
                                            .kv = check->options->kv,
                                            .chunk = chunk ? chunk : SELFCHECK_ROWS};
    enum status status = session_new(out, check->model, &options, error);

    /* Where the model has a block of its own that drafts, its K and V are compared too. */
    if (status == STATUS_OK && model_info(check->model)->n_mtp_layers > 0)
        status = session_keep_hidden(*out, true, error);
    return status;
}

/* The text ------------------------------------------------------------------------------ */

static enum status make_text(struct selfcheck *check, struct error *error)
{
    int32_t *ids = NULL;
    size_t n_ids = 0, n_round;
    enum status status =
        model_tokenize(check->model, TEXT, sizeof TEXT - 1, false, &ids, &n_ids, error);

    if (status != STATUS_OK)
        return status;
    n_round = n_ids < check->n_tokens * 2 / 3 ? n_ids : check->n_tokens * 2 / 3;
    for (uint32_t i = 0; i < check->n_tokens; i++)
        check->tokens[i] =
            n_round > 0 ? ids[i % n_round] : (int32_t)(i * 7 % 31 % check->n_vocab);
    free(ids);
    return STATUS_OK;
}

/* Seconds of a step: the second best of a few, the first of which fetch the weights. */
static enum status measure_step(const struct selfcheck *check, double *seconds,
                                struct error *error)
{
    struct session *session = NULL;
    double best = 1e9, second = 1e9;
    enum status status = selfcheck_session(check, 0, 0, &session, error);

    for (int i = 0; i < 5 && status == STATUS_OK; i++) {
        const int64_t begin = run_clock_now();
        const int32_t token = i % (int32_t)check->n_vocab;
        const struct session_hooks hooks = {.cancel = check->options->cancel};
        double taken;
        status = session_eval(session, &token, 1, 1, check->rows, &hooks, error);
        taken = (double)(run_clock_now() - begin) * 1e-9;
        second = taken < best ? best : taken < second ? taken : second;
        best = taken < best ? taken : best;
    }
    *seconds = second;
    session_free(&session);
    return status;
}

static uint32_t within(double value, uint32_t least, uint32_t most)
{
    if (value < least)
        return least;
    return value > most ? most : (uint32_t)value;
}

/* How much text: as asked for, or as much as the time allows; never more than the context. */
static enum status choose_size(struct selfcheck *check, struct error *error)
{
    const uint32_t n_context = check->n_context;
    const size_t row_bytes = check->n_vocab * sizeof(float);
    uint32_t most = within((double)(MOST_BYTES / row_bytes), LEAST_TOKENS, MOST_TOKENS);
    double seconds;
    enum status status = STATUS_OK;

    if (check->options->n_tokens > 0) {
        check->n_tokens = check->options->n_tokens;
    } else {
        status = measure_step(check, &seconds, error);
        check->n_tokens = within(SECONDS / (STEPS_PER_TOKEN * seconds), LEAST_TOKENS, most);
    }
    if (check->n_tokens > n_context / 2)
        check->n_tokens = n_context / 2;
    if (status == STATUS_OK && check->n_tokens < 2 * LEAST_ANSWER)
        return error_set(error, STATUS_USAGE, "a self-check needs %d tokens: there are %u",
                         2 * LEAST_ANSWER, check->n_tokens);
    check->n_answer =
        within(check->n_tokens / ANSWER_SHARE, LEAST_ANSWER, MOST_TOKENS / ANSWER_SHARE);
    return status;
}

static enum status no_memory(struct error *error)
{
    return error_set(error, STATUS_NO_MEMORY, "no memory for a self-check");
}

static enum status prepare(struct selfcheck *check, struct error *error)
{
    struct session *session = NULL;
    const uint32_t trained = model_info(check->model)->n_context;
    enum status status;

    check->n_vocab = model_info(check->model)->n_vocab;
    check->n_context = trained < LARGEST_CONTEXT ? trained : LARGEST_CONTEXT;
    check->n_threads = check->options->n_threads;
    check->rows = checked_allocate((size_t)SELFCHECK_ROWS * check->n_vocab, sizeof(float));
    if (!check->rows)
        return no_memory(error);
    status = selfcheck_session(check, 0, 0, &session, error);
    if (status == STATUS_OK)
        check->n_threads = session_thread_count(session);
    session_free(&session);
    if (status == STATUS_OK)
        status = choose_size(check, error);
    if (status != STATUS_OK)
        return status;
    check->tokens = checked_allocate(check->n_tokens, sizeof *check->tokens);
    check->logits =
        checked_allocate((size_t)check->n_tokens * check->n_vocab, sizeof *check->logits);
    for (int i = 0; i < SELFCHECK_ANSWERS; i++) {
        check->answers[i].ids =
            checked_allocate(check->n_answer, sizeof *check->answers[i].ids);
        if (!check->answers[i].ids)
            return no_memory(error);
    }
    if (!check->tokens || !check->logits)
        return no_memory(error);
    return make_text(check, error);
}

static void release(struct selfcheck *check)
{
    free(check->tokens);
    free(check->logits);
    free(check->rows);
    snapshot_free(&check->middle);
    snapshot_free(&check->before_last);
    snapshot_free(&check->end);
    for (int i = 0; i < SELFCHECK_ANSWERS; i++) {
        free(check->answers[i].ids);
        snapshot_free(&check->answers[i].end);
    }
}

/* The list ------------------------------------------------------------------------------ */

struct list {
    struct comparison comparisons[MOST_COMPARISONS];
    uint32_t n;
};

static void __attribute__((format(printf, 4, 5)))
add(struct list *list, compare_function compare, uint32_t argument, const char *format, ...)
{
    struct comparison *comparison = &list->comparisons[list->n++];
    va_list arguments;

    comparison->compare = compare;
    comparison->argument = argument;
    va_start(arguments, format);
    vsnprintf(comparison->what, sizeof comparison->what, format, arguments);
    va_end(arguments);
}

static const char *plural(uint32_t n)
{
    return n == 1 ? "" : "s";
}

static void list_states(const struct selfcheck *check, struct list *list)
{
    static const uint32_t chunks[] = {3, 7, 64};
    const uint32_t n = (uint32_t)check->n_threads;
    const uint32_t others[] = {1, n > 2 ? n - 1 : n + 1};

    add(list, selfcheck_steps, 0, "token by token on %u thread%s", n, plural(n));
    for (int i = 0; i < 3; i++)
        add(list, selfcheck_chunks, chunks[i], "chunks of %u tokens against steps", chunks[i]);
    for (int i = 0; i < 2; i++)
        if (others[i] != n)
            add(list, selfcheck_threads, others[i], "%u thread%s against %u", others[i],
                plural(others[i]), n);
    add(list, selfcheck_verify, 0, "verified, accepted and rejected rows against steps");
    add(list, selfcheck_restore, 0, "restored, forked and rewound states against fresh ones");
    add(list, selfcheck_lanes, 0, "sequences side by side against each alone");
}

static void list_texts(const struct selfcheck *check, struct list *list)
{
    add(list, selfcheck_answers, 0, "%d answers at once against each alone", SELFCHECK_ANSWERS);
    add(list, selfcheck_script, 0, "a draft that is often right against plain");
    for (uint32_t kind = POLICY_NGRAM; kind < POLICY_KIND_COUNT; kind++) {
        const bool drafts_itself = kind == POLICY_SPECULATIVE && !check->options->draft;
        if (kind == POLICY_MTP && model_info(check->model)->n_mtp_layers == 0)
            continue;
        add(list, selfcheck_policy, kind, "%s%s against plain, temperatures 0, 0.7 and 1.3",
            policy_kind_name(kind), drafts_itself ? " (the model for itself)" : "");
    }
}

enum status selfcheck_run(const struct model *model, const struct selfcheck_options *options,
                          struct error *error)
{
    struct selfcheck check = {.model = model, .options = options};
    struct list list = {.n = 0};
    struct selfcheck_step first_failed = {.passed = true};
    enum status status = prepare(&check, error);

    if (status == STATUS_OK) {
        list_states(&check, &list);
        list_texts(&check, &list);
    }
    for (uint32_t i = 0; i < list.n && status == STATUS_OK; i++) {
        const struct comparison *comparison = &list.comparisons[i];
        struct selfcheck_step step = {.done = i + 1, .total = list.n};
        struct finding finding = {.differs = false};
        status = comparison->compare(&check, comparison->argument, &finding, error);
        if (status == STATUS_FAILED) { /* steps do not: this is a difference too */
            found_difference(&finding, "%s", error->what);
            status = i == 0 ? status : STATUS_OK;
        }
        if (status != STATUS_OK)
            break;
        memcpy(step.what, comparison->what, sizeof step.what);
        memcpy(step.found, finding.text, sizeof step.found);
        step.passed = !finding.differs;
        if (finding.differs && first_failed.passed)
            first_failed = step;
        if (options->report)
            options->report(options->context, &step);
    }
    release(&check);
    if (status == STATUS_OK && !first_failed.passed)
        return error_set(error, STATUS_FAILED, "%s: %s", first_failed.what, first_failed.found);
    if (status == STATUS_OK)
        error_clear(error);
    return status;
}
