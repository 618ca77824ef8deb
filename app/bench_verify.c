/*
 * bench_verify.c - `banter bench verify`: what trying rows costs, and what a rejection
 *
 * Everything is measured in turns, round by round, and beside a plain step of the same moment;
 * each figure is the median of the rounds.
 */
#include <unistd.h>

#include "app/bench.h"
#include "app/interrupt.h"
#include "app/model_text.h"
#include "app/report.h"
#include "engine/measure.h"

enum { ROUNDS_DEFAULT = 9, POSITION_DEFAULT = 256, POSITION_MAX = 1 << 20, ENDS = 3 };

static const uint32_t row_counts[] = {1, 2, 3, 4, 6, 8, 12, 16, 24, 32};
enum { N_COUNTS = sizeof row_counts / sizeof *row_counts };

/* How much of a pass is kept: the pending token alone, half of the rows, all of them. */
static uint32_t accepted_of(uint32_t n_rows, int end)
{
    return end == 0 ? 1 : end == 1 ? (n_rows + 1) / 2 : n_rows;
}

struct rows {
    struct samples verify, ratio;            /* of a pass; over a step of the same moment */
    struct samples accept[ENDS], next[ENDS]; /* what follows */
    struct samples extra[ENDS];              /* accept and next less a step */
};

struct verify_bench {
    struct bench_model bench;
    struct samples step;
    struct rows rows[N_COUNTS];
    struct samples mark, behind, rewind,
        next; /* behind: the step that keeps the marked state */
    struct samples snapshot, restore;
    uint64_t copy_bytes;
};

static enum status measure_rows(struct verify_bench *work, size_t index, struct error *error)
{
    struct rows *rows = &work->rows[index];
    enum status status = STATUS_OK;

    for (int end = 0; end < ENDS && status == STATUS_OK; end++) {
        const uint32_t n_rows = row_counts[index];
        struct measured_verify measured;

        status = measure_verify(work->bench.session, work->bench.start, n_rows,
                                accepted_of(n_rows, end), &measured, error);
        if (status != STATUS_OK)
            break;
        samples_add(&work->step, measured.step);
        samples_add(&rows->verify, measured.verify);
        samples_add(&rows->ratio, measured.verify / measured.step);
        samples_add(&rows->accept[end], measured.accept);
        samples_add(&rows->next[end], measured.next);
        samples_add(&rows->extra[end], measured.accept + measured.next - measured.step);
    }
    return status;
}

static enum status measure_others(struct verify_bench *work, struct error *error)
{
    struct measured_rewind rewind;
    struct measured_copy copy;
    enum status status = measure_rewind(work->bench.session, work->bench.start, &rewind, error);

    if (status == STATUS_OK)
        status = measure_copy(work->bench.session, work->bench.start, &copy, error);
    if (status != STATUS_OK)
        return status;
    samples_add(&work->mark, rewind.mark);
    samples_add(&work->behind, rewind.first);
    samples_add(&work->rewind, rewind.rewind);
    samples_add(&work->next, rewind.next);
    samples_add(&work->snapshot, copy.snapshot);
    samples_add(&work->restore, copy.restore);
    work->copy_bytes = copy.bytes;
    return STATUS_OK;
}

static enum status measure(struct verify_bench *work, struct error *error)
{
    enum status status = STATUS_OK;

    for (uint64_t round = 0; round < work->bench.n_rounds; round++) {
        for (size_t i = 0; i < N_COUNTS && status == STATUS_OK; i++) {
            bench_progress("round %llu/%llu, %u rows", (unsigned long long)round + 1,
                           (unsigned long long)work->bench.n_rounds, row_counts[i]);
            status = *interrupt_wanted() ? STATUS_CANCELLED : measure_rows(work, i, error);
        }
        if (status == STATUS_OK)
            status = measure_others(work, error);
        if (status != STATUS_OK)
            return status;
    }
    return status;
}

static double ms(const struct samples *samples)
{
    return 1e3 * samples_median(samples);
}

static void write_table(const void *context, struct output *output)
{
    const struct verify_bench *work = context;
    struct text_buffer bytes = {0};

    bench_write_title(&work->bench, output);
    output_printf(output, ", behind %zu tokens, rounds: %llu\na plain step takes %.3f ms\n\n",
                  work->bench.n_prompt, (unsigned long long)work->bench.n_rounds,
                  ms(&work->step));
    output_printf(output, "%-5s %9s %7s %17s   %s\n", "", "a pass", "over", "",
                  "accepting and a step, less a step, ms");
    output_printf(output, "%-5s %9s %7s %17s %11s %8s %8s\n", "rows", "ms", "a step", "95 %",
                  "one row", "half", "all");
    for (size_t i = 0; i < N_COUNTS; i++) {
        const struct rows *rows = &work->rows[i];
        const struct paired_statistics ratio = samples_statistics(&rows->ratio);

        output_printf(output, "%-5u %9.3f %7.2f %8.2f %8.2f %11.3f %8.3f %8.3f\n",
                      row_counts[i], ms(&rows->verify), ratio.median.value, ratio.median.low,
                      ratio.median.high, ms(&rows->extra[0]), ms(&rows->extra[1]),
                      ms(&rows->extra[2]));
    }
    text_add_bytes(&bytes, work->copy_bytes);
    output_printf(output,
                  "\nmark %.3f ms, the step behind it %.3f ms, rewind %.3f ms, a step then "
                  "%.3f ms\na copy of the state, %s: %.3f ms, and back %.3f ms\n",
                  ms(&work->mark), ms(&work->behind), ms(&work->rewind), ms(&work->next),
                  text_string(&bytes), ms(&work->snapshot), ms(&work->restore));
    text_release(&bytes);
}

static json_t *json_median(const struct samples *samples)
{
    return json_real(samples_median(samples));
}

static json_t *json_rows(const struct rows *rows, uint32_t n_rows)
{
    const struct paired_statistics ratio = samples_statistics(&rows->ratio);
    json_t *object = json_object(), *ends = json_array();

    json_put(object, "rows", json_integer(n_rows));
    json_put(object, "verify_seconds", json_median(&rows->verify));
    json_put(object, "ratio", json_paired(&ratio));
    for (int end = 0; end < ENDS; end++) {
        json_t *one = json_object();

        json_put(one, "accepted", json_integer(accepted_of(n_rows, end)));
        json_put(one, "accept_seconds", json_median(&rows->accept[end]));
        json_put(one, "next_step_seconds", json_median(&rows->next[end]));
        json_put(one, "extra_seconds", json_median(&rows->extra[end]));
        json_add(ends, one);
    }
    json_put(object, "ends", ends);
    return object;
}

static json_t *as_json(const void *context)
{
    const struct verify_bench *work = context;
    json_t *object = bench_json(&work->bench), *rows = json_array();
    json_t *mark = json_object(), *copy = json_object();

    json_put(object, "step_seconds", json_median(&work->step));
    for (size_t i = 0; i < N_COUNTS; i++)
        json_add(rows, json_rows(&work->rows[i], row_counts[i]));
    json_put(object, "passes", rows);
    json_put(mark, "mark_seconds", json_median(&work->mark));
    json_put(mark, "step_behind_seconds", json_median(&work->behind));
    json_put(mark, "rewind_seconds", json_median(&work->rewind));
    json_put(mark, "next_step_seconds", json_median(&work->next));
    json_put(object, "mark", mark);
    json_put(copy, "bytes", json_integer((json_int_t)work->copy_bytes));
    json_put(copy, "snapshot_seconds", json_median(&work->snapshot));
    json_put(copy, "restore_seconds", json_median(&work->restore));
    json_put(object, "copy", copy);
    return object;
}

static void release(struct verify_bench *work)
{
    struct samples *all[] = {&work->step, &work->mark,     &work->behind, &work->rewind,
                             &work->next, &work->snapshot, &work->restore};

    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        samples_release(all[i]);
    for (size_t i = 0; i < N_COUNTS; i++) {
        samples_release(&work->rows[i].verify);
        samples_release(&work->rows[i].ratio);
        for (int end = 0; end < ENDS; end++) {
            samples_release(&work->rows[i].accept[end]);
            samples_release(&work->rows[i].next[end]);
            samples_release(&work->rows[i].extra[end]);
        }
    }
    bench_release(&work->bench);
}

int bench_verify(const struct invocation *invocation)
{
    struct verify_bench work = {
        .bench = {.n_rounds = ROUNDS_DEFAULT, .n_tokens = POSITION_DEFAULT}};
    struct error error = {0};
    int code = bench_read_flags(&work.bench, invocation, 1, POSITION_MAX);

    if (code == 0)
        code = bench_open(&work.bench, (size_t)work.bench.n_tokens + 1, MEASURE_ROWS_MAX + 8);
    if (code == 0) {
        const enum status status = measure(&work, &error);

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
