/*
 * bench_peer.c - banter, peer, peer, banter: the same file, the same sizes, ratios of a round
 *
 * The peer is a program with the command line and the JSON of llama-bench; what it writes beside
 * its result (progress, warnings) is passed over.  Its time is what it says of itself: it has a run
 * to warm up, as ours have.
 */
#include "app/bench_peer.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app/child_process.h"
#include "app/interrupt.h"

enum {
    ROUNDS_DEFAULT = 3,
    ROUNDS_QUICK = 1,
    PROMPT_TOKENS = 512,
    WORDS_MOST = 64,
    ARRAYS_MOST = 1000, /* brackets that may stand in front of the result */
    N_TESTS = 2
};

struct peer_test {
    const char *name;                   /* "prefill" */
    uint32_t n;                         /* tokens */
    struct samples ours, theirs, ratio; /* tokens a second; ours over theirs of a round */
};

struct peer_run {
    const char *path, *name; /* borrowed; the name is the path's end */
    char build[80];          /* what the peer says of itself; "" */
    struct peer_test tests[N_TESTS];
    char *words;                  /* owned; the arguments, cut apart */
    const char *argv[WORDS_MOST]; /* borrows from it */
    char numbers[3][20];
    double limit_seconds;
    uint64_t n_rounds;
};

/* The peer's command line -------------------------------------------------------------------- */

static enum status add_words(struct peer_run *peer, const char *text, size_t n,
                             struct error *error)
{
    char *state = NULL;

    peer->words = app_copy(text, strlen(text));
    for (char *word = strtok_r(peer->words, " \t\n", &state); word != NULL;
         word = strtok_r(NULL, " \t\n", &state)) {
        if (n + 1 >= WORDS_MOST)
            return error_set(error, STATUS_USAGE, "--peer-arguments has too many words");
        peer->argv[n++] = word;
    }
    peer->argv[n] = NULL;
    return STATUS_OK;
}

static enum status prepare(struct model_bench *bench, struct peer_run *peer,
                           struct error *error)
{
    const struct invocation *invocation = bench->invocation;
    const char *arguments = invocation->values[FLAG_PEER_ARGUMENTS];
    const char *path = invocation->values[FLAG_PEER], *slash = strrchr(path, '/');
    size_t n = 0;

    *peer = (struct peer_run){.path = path, .name = slash != NULL ? slash + 1 : path};
    peer->n_rounds = bench->fixed_rounds ? bench->n_rounds
                     : bench->quick      ? ROUNDS_QUICK
                                         : ROUNDS_DEFAULT;
    peer->limit_seconds = (double)bench->peer_seconds;
    peer->tests[0] = (struct peer_test){.name = "prefill", .n = PROMPT_TOKENS};
    if (!bench_has_room(bench, PROMPT_TOKENS))
        peer->tests[0].n = session_context(bench->session) / 2;
    peer->tests[1] = (struct peer_test){.name = "decode", .n = (uint32_t)bench->n_tokens};
    const int threads = session_thread_count(bench->session);
    const uint32_t values[] = {(uint32_t)threads, peer->tests[0].n, peer->tests[1].n};
    const char *const flags[] = {"-t", "-p", "-n"};
    peer->argv[n++] = path;
    peer->argv[n++] = "-m";
    peer->argv[n++] = bench->path;
    for (int i = 0; i < 3; i++) {
        snprintf(peer->numbers[i], sizeof peer->numbers[i], "%u", values[i]);
        peer->argv[n++] = flags[i];
        peer->argv[n++] = peer->numbers[i];
    }
    peer->argv[n++] = "-r";
    peer->argv[n++] = "1";
    peer->argv[n++] = "-o";
    peer->argv[n++] = "json";
    return add_words(peer, arguments != NULL ? arguments : "", n, error);
}

/* What it writes ----------------------------------------------------------------------------- */

/* The first text from a bracket on that is a JSON array of objects; NULL: none. */
static json_t *find_array(const struct text_buffer *text)
{
    const char *at = text_string(text), *end = at + text->n_bytes;

    for (int i = 0; i < ARRAYS_MOST && (at = strchr(at, '[')) != NULL; i++, at++) {
        json_t *array = json_loadb(at, (size_t)(end - at), JSON_DISABLE_EOF_CHECK, NULL);

        if (json_is_array(array) && json_is_object(json_array_get(array, 0)))
            return array;
        json_decref(array);
    }
    return NULL;
}

static double rate_of(const json_t *array, uint32_t n_prompt, uint32_t n_generated)
{
    const json_t *row;
    size_t i;

    json_array_foreach(array, i, row)
    {
        const json_t *rate = json_object_get(row, "avg_ts");

        if (json_integer_value(json_object_get(row, "n_prompt")) == n_prompt &&
            json_integer_value(json_object_get(row, "n_gen")) == n_generated &&
            json_is_number(rate) && isfinite(json_number_value(rate)) &&
            json_number_value(rate) > 0)
            return json_number_value(rate);
    }
    return 0;
}

static enum status read_rates(struct peer_run *peer, const struct text_buffer *text,
                              double rates[N_TESTS], struct error *error)
{
    json_t *array = find_array(text);
    const char *build;

    if (array == NULL)
        return error_set(error, STATUS_FAILED,
                         "%s wrote no result in JSON: it is no llama-bench", peer->path);
    rates[0] = rate_of(array, peer->tests[0].n, 0);
    rates[1] = rate_of(array, 0, peer->tests[1].n);
    build = json_string_value(json_object_get(json_array_get(array, 0), "build_commit"));
    if (build != NULL)
        ui_filter_line(build, strlen(build), peer->build, sizeof peer->build);
    json_decref(array);
    for (int i = 0; i < N_TESTS; i++) {
        if (rates[i] <= 0)
            return error_set(error, STATUS_FAILED,
                             "%s gave no rate (avg_ts) for %s of %u tokens", peer->path,
                             peer->tests[i].name, peer->tests[i].n);
    }
    return STATUS_OK;
}

static enum status explain(const struct peer_run *peer, const struct child_result *result,
                           struct error *error)
{
    const char *last = text_string(&result->err);

    switch (result->end) {
    case CHILD_STOPPED: return error_set(error, STATUS_CANCELLED, "stopped");
    case CHILD_NOT_STARTED:
        return error_set(error, STATUS_NOT_FOUND, "%s cannot be run: %s", peer->path,
                         strerror(result->code));
    case CHILD_TIMED_OUT:
        return error_set(error, STATUS_FAILED,
                         "%s did not end within %.0f seconds (--peer-seconds)", peer->path,
                         peer->limit_seconds);
    case CHILD_SIGNALLED:
        return error_set(error, STATUS_FAILED, "%s was ended by signal %d", peer->path,
                         result->code);
    case CHILD_EXITED: break;
    }
    if (result->code == 0)
        return STATUS_OK;
    return error_set(error, STATUS_FAILED, "%s ended with exit code %d%s%.160s", peer->path,
                     result->code, *last != '\0' ? ": " : "", last);
}

static enum status run_theirs(struct peer_run *peer, double rates[N_TESTS], struct error *error)
{
    struct child_result result;
    enum status status;

    child_run(&result, peer->argv, peer->limit_seconds, interrupt_wanted());
    status = explain(peer, &result, error);
    if (status == STATUS_OK)
        status = read_rates(peer, &result.out, rates, error);
    child_result_release(&result);
    return status;
}

/* Ours ------------------------------------------------------------------------------------- */

static enum status run_ours(struct model_bench *bench, const struct peer_run *peer,
                            double rates[N_TESTS], struct error *error)
{
    enum status status = STATUS_OK;

    for (int i = 0; i < N_TESTS && status == STATUS_OK; i++) {
        double seconds = 0;

        status = (i == 0 ? bench_time_prefill : bench_time_decode)(bench, peer->tests[i].n, 0,
                                                                   &seconds, error);
        rates[i] = peer->tests[i].n / (seconds > 1e-9 ? seconds : 1e-9);
    }
    return status;
}

/* Rates of two runs together: the tokens of both over the time of both. */
static double together(double a, double b)
{
    return 2 / (1 / a + 1 / b);
}

static enum status run_round(struct model_bench *bench, struct peer_run *peer,
                             struct error *error)
{
    double rates[4][N_TESTS];
    enum status status = run_ours(bench, peer, rates[0], error);

    if (status == STATUS_OK)
        status = run_theirs(peer, rates[1], error);
    if (status == STATUS_OK)
        status = run_theirs(peer, rates[2], error);
    if (status == STATUS_OK)
        status = run_ours(bench, peer, rates[3], error);
    for (int i = 0; i < N_TESTS && status == STATUS_OK; i++) {
        const double ours = together(rates[0][i], rates[3][i]);
        const double theirs = together(rates[1][i], rates[2][i]);

        samples_add(&peer->tests[i].ours, ours);
        samples_add(&peer->tests[i].theirs, theirs);
        samples_add(&peer->tests[i].ratio, ours / theirs);
    }
    return status;
}

enum status bench_peer(struct model_bench *bench, struct error *error)
{
    enum status status;

    bench->peer = app_resize(NULL, 1, sizeof *bench->peer);
    status = prepare(bench, bench->peer, error);
    for (uint64_t round = 0; round < bench->peer->n_rounds && status == STATUS_OK; round++) {
        bench_progress("round %llu/%llu, beside %s", (unsigned long long)round + 1,
                       (unsigned long long)bench->peer->n_rounds, bench->peer->name);
        status = run_round(bench, bench->peer, error);
    }
    return status;
}

void bench_peer_release(struct model_bench *bench)
{
    if (bench->peer == NULL)
        return;
    for (int i = 0; i < N_TESTS; i++) {
        samples_release(&bench->peer->tests[i].ours);
        samples_release(&bench->peer->tests[i].theirs);
        samples_release(&bench->peer->tests[i].ratio);
    }
    free(bench->peer->words);
    free(bench->peer);
    bench->peer = NULL;
}

/* Results ---------------------------------------------------------------------------------- */

void bench_peer_write(const struct model_bench *bench, struct output *output)
{
    const struct peer_run *peer = bench->peer;
    char name[200];

    if (peer == NULL || peer->tests[0].ratio.n == 0)
        return;
    ui_filter_line(peer->name, strlen(peer->name), name, sizeof name);
    output_printf(
        output, "\nbeside %s%s%s, in the order banter, peer, peer, banter, rounds: %zu\n", name,
        peer->build[0] != '\0' ? ", build " : "", peer->build, peer->tests[0].ratio.n);
    output_printf(output, "%-16s %10s %10s %8s %17s\n", "", "banter", "peer", "over", "");
    output_printf(output, "%-16s %10s %10s %8s %17s\n", "", "tok/s", "tok/s", "peer", "95 %");
    for (int i = 0; i < N_TESTS; i++) {
        const struct peer_test *test = &peer->tests[i];
        const struct paired_statistics ratio = samples_statistics(&test->ratio);
        char title[40];

        snprintf(title, sizeof title, "%s %u", test->name, test->n);
        output_printf(output, "%-16s %10.2f %10.2f %8.3f %8.3f %8.3f\n", title,
                      samples_median(&test->ours), samples_median(&test->theirs),
                      ratio.median.value, ratio.median.low, ratio.median.high);
    }
}

json_t *bench_peer_json(const struct model_bench *bench)
{
    const struct peer_run *peer = bench->peer;
    json_t *object, *tests;

    if (peer == NULL)
        return json_null();
    object = json_object();
    tests = json_array();
    json_put(object, "path", json_text(peer->path, strlen(peer->path)));
    json_put(object, "build", json_text(peer->build, strlen(peer->build)));
    for (int i = 0; i < N_TESTS; i++) {
        const struct peer_test *test = &peer->tests[i];
        const struct paired_statistics ratio = samples_statistics(&test->ratio);
        json_t *row;

        if (test->ratio.n == 0)
            continue;
        row = json_object();
        json_put(row, "name", json_string(test->name));
        json_put(row, "tokens", json_integer(test->n));
        json_put(row, "tokens_per_second", json_real(samples_median(&test->ours)));
        json_put(row, "peer_tokens_per_second", json_real(samples_median(&test->theirs)));
        json_put(row, "ratio", json_paired(&ratio));
        json_add(tests, row);
    }
    json_put(object, "tests", tests);
    return object;
}
