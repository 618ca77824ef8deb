/*
 * bench_lanes.c - `banter bench lanes`: several sequences at once, tokens a second of all
 *
 * Every sequence goes on from one prompt with a seed of its own, so that they differ.  The
 * counts are measured in turns, round by round, each beside one sequence of the same round.
 */
#include <time.h>
#include <unistd.h>

#include "app/bench.h"
#include "app/engine_settings.h"
#include "app/interrupt.h"
#include "app/report.h"
#include "app/text_buffer.h"
#include "engine/lanes.h"

enum { ROUNDS_DEFAULT = 3, TOKENS_DEFAULT = 32, TOKENS_MAX = 1 << 20 };

static const uint32_t lane_counts[] = {1, 2, 4, 8, 16, 32};
enum { N_COUNTS = sizeof lane_counts / sizeof *lane_counts };

struct lanes_bench {
    struct bench_model bench;
    struct session *sessions[LANES_MAX]; /* the first is the bench's, the others owned */
    struct samples rate[N_COUNTS], ratio[N_COUNTS];
};

static double seconds_now(void)
{
    struct timespec now;

    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

/* One thread each: the first one's threads compute for all. */
static enum status open_sessions(struct lanes_bench *work, struct error *error)
{
    struct engine_options settings;
    enum status status = engine_settings(work->bench.invocation->store, &settings, error);

    work->sessions[0] = work->bench.session;
    for (int i = 1; i < LANES_MAX && status == STATUS_OK; i++) {
        const struct session_options options = {.n_threads = 1,
                                                .n_context =
                                                    session_context(work->bench.session),
                                                .kv = settings.kv};

        status = session_new(&work->sessions[i], work->bench.model, &options, error);
    }
    return status;
}

static bool take(void *context, int32_t id, const int32_t **forced, size_t *n_forced)
{
    uint64_t *n_tokens = context;

    (void)id;
    (void)forced;
    (void)n_forced;
    ++*n_tokens;
    return true;
}

/* Tokens a second of n_lanes sequences. */
static enum status measure_lanes(struct lanes_bench *work, uint32_t n_lanes, double *rate,
                                 struct error *error)
{
    struct lane_generation lanes[LANES_MAX] = {0};
    int32_t last[LANES_MAX];
    uint64_t n_tokens = 0;
    enum status status = STATUS_OK;

    for (uint32_t i = 0; i < n_lanes && status == STATUS_OK; i++) {
        status = session_restore(work->sessions[i], work->bench.start, error);
        last[i] = work->bench.prompt[work->bench.n_prompt - 1];
        lanes[i].generation = (struct generation){
            .sampling = {.temperature = 1, .top_p = 1, .repetition_penalty = 1},
            .noise_seed = i + 1,
            .max_tokens = (size_t)work->bench.n_tokens,
            .ignore_stop = true,
            .cancel = interrupt_wanted(),
            .sink = take,
            .context = &n_tokens,
        };
    }
    if (status != STATUS_OK)
        return status;
    const double start = seconds_now();
    status = lanes_generate(work->sessions, n_lanes, last, lanes, error);
    const double seconds = seconds_now() - start;
    if (status == STATUS_OK && *interrupt_wanted())
        return STATUS_CANCELLED;
    *rate = (double)n_tokens / seconds;
    return status;
}

static enum status measure(struct lanes_bench *work, struct error *error)
{
    double one = 0, rate;
    enum status status = measure_lanes(work, 1, &one, error); /* warms, and does not count */

    for (uint64_t round = 0; round < work->bench.n_rounds; round++) {
        for (size_t i = 0; i < N_COUNTS && status == STATUS_OK; i++) {
            bench_progress("round %llu/%llu, %u sequences", (unsigned long long)round + 1,
                           (unsigned long long)work->bench.n_rounds, lane_counts[i]);
            status = measure_lanes(work, lane_counts[i], &rate, error);
            if (status != STATUS_OK)
                break;
            one = i == 0 ? rate : one;
            samples_add(&work->rate[i], rate);
            samples_add(&work->ratio[i], rate / one);
        }
    }
    return status;
}

static void write_table(const void *context, struct output *output)
{
    const struct lanes_bench *work = context;
    bench_write_title(&work->bench, output);
    output_printf(output, ", %llu tokens each, behind %zu, rounds: %llu\n\n",
                  (unsigned long long)work->bench.n_tokens, work->bench.n_prompt,
                  (unsigned long long)work->bench.n_rounds);
    output_printf(output, "%-10s %11s %11s %8s %17s\n", "sequences", "tok/s", "each", "of one",
                  "95 %");
    for (size_t i = 0; i < N_COUNTS; i++) {
        const struct paired_statistics ratio = samples_statistics(&work->ratio[i]);
        const double rate = samples_median(&work->rate[i]);

        output_printf(output, "%-10u %11.1f %11.1f %8.2f %8.2f %8.2f\n", lane_counts[i], rate,
                      rate / lane_counts[i], ratio.median.value, ratio.median.low,
                      ratio.median.high);
    }
}

static json_t *as_json(const void *context)
{
    const struct lanes_bench *work = context;
    json_t *object = bench_json(&work->bench), *rows = json_array();

    json_put(object, "tokens", json_integer((json_int_t)work->bench.n_tokens));
    for (size_t i = 0; i < N_COUNTS; i++) {
        const struct paired_statistics ratio = samples_statistics(&work->ratio[i]);
        const double rate = samples_median(&work->rate[i]);
        json_t *row = json_object();

        json_put(row, "sequences", json_integer(lane_counts[i]));
        json_put(row, "tokens_per_second", json_real(rate));
        json_put(row, "tokens_per_second_each", json_real(rate / lane_counts[i]));
        json_put(row, "ratio", json_paired(&ratio));
        json_add(rows, row);
    }
    json_put(object, "lanes", rows);
    return object;
}

static void release(struct lanes_bench *work)
{
    for (int i = 1; i < LANES_MAX; i++)
        session_free(&work->sessions[i]);
    for (size_t i = 0; i < N_COUNTS; i++) {
        samples_release(&work->rate[i]);
        samples_release(&work->ratio[i]);
    }
    bench_release(&work->bench);
}

int bench_lanes(const struct invocation *invocation)
{
    struct lanes_bench work = {
        .bench = {.n_rounds = ROUNDS_DEFAULT, .n_tokens = TOKENS_DEFAULT}};
    struct error error = {0};
    int code = bench_read_flags(&work.bench, invocation, 1, TOKENS_MAX);

    if (code == 0)
        code = bench_open(&work.bench, 0, (size_t)work.bench.n_tokens + 1);
    if (code == 0) {
        enum status status = open_sessions(&work, &error);

        if (status == STATUS_OK)
            status = measure(&work, &error);
        bench_progress(NULL);
        if (status == STATUS_CANCELLED)
            interrupt_raise();
        code = status == STATUS_OK ? 0 : report_error(&error);
    }
    if (code == 0)
        code = bench_print(invocation, &work, as_json, write_table);
    release(&work);
    return code;
}
