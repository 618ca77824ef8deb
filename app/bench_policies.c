/*
 * bench_policies.c - `banter bench policies`: the rate of each policy over plain decoding
 *
 * The draft is scripted: the answer is generated plainly once, and then proposed with a chance
 * that each token is right.  So speculation is measured at every acceptance on any model, also
 * on one whose weights are random.  What its tokens are said to cost is added to the time.
 *
 * Plain, policy, policy, plain answer in turn, and the last is the next policy's first; the
 * ratio of a round is the plain time over the policy's.  Every answer has a policy of its own,
 * that has learnt nothing yet.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/bench.h"
#include "app/interrupt.h"
#include "app/report.h"
#include "app/text_buffer.h"
#include "app/timed_answer.h"

enum {
    ROUNDS_DEFAULT = 3,
    TOKENS_DEFAULT = 128,
    TOKENS_MAX = 1 << 20,
    CASES_MAX = 24,
    DRAFT_COST_MAX = 10000 /* milliseconds */
};

/* auto may lose so much. */
static const double auto_least = 0.97;
static const double acceptances[] = {0, 0.3, 0.6, 0.9, 1};

struct policy_case {
    enum policy_kind kind;
    bool scripted;
    double acceptance; /* of the script */
    struct samples ratio, rate, plain_rate;
    struct policy_statistics statistics;
};

struct policies_bench {
    struct bench_model bench;
    struct model *draft_model; /* owned; NULL: none */
    struct session *draft;     /* owned */
    struct answer_start start; /* the snapshot is the bench's */
    struct timed_answer plain; /* the text */
    double draft_cost;         /* seconds for each scripted token */
    struct policy_case cases[CASES_MAX];
    size_t n_cases;
    bool cancelled;
};

/* What is measured ------------------------------------------------------------------------- */

static void add_case(struct policies_bench *work, enum policy_kind kind, bool scripted,
                     double acceptance)
{
    work->cases[work->n_cases++] =
        (struct policy_case){.kind = kind, .scripted = scripted, .acceptance = acceptance};
}

static void choose_cases(struct policies_bench *work)
{
    add_case(work, POLICY_NGRAM, false, 0);
    if (model_info(work->bench.model)->n_mtp_layers > 0)
        add_case(work, POLICY_MTP, false, 0);
    if (work->draft != NULL)
        add_case(work, POLICY_SPECULATIVE, false, 0);
    add_case(work, POLICY_AUTO, false, 0);
    for (size_t i = 0; i < sizeof acceptances / sizeof *acceptances; i++)
        add_case(work, POLICY_SPECULATIVE, true, acceptances[i]);
    for (size_t i = 0; i < sizeof acceptances / sizeof *acceptances; i++)
        add_case(work, POLICY_AUTO, true, acceptances[i]);
}

/* A scripted case has no other source, or they would hide what its acceptance does. */
static struct policy_settings settings_of(const struct policy_case *one)
{
    struct policy_settings settings = policy_defaults(one->kind);

    if (one->scripted) {
        settings.sources[0] = POLICY_SOURCE_DRAFT;
        settings.n_sources = 1;
    }
    return settings;
}

static struct generation generation_of(const struct policies_bench *work)
{
    return (struct generation){
        .sampling = {.top_p = 1, .repetition_penalty = 1},
        .max_tokens = (size_t)work->bench.n_tokens,
        .ignore_stop = true,
        .cancel = interrupt_wanted(),
    };
}

static enum status answer_plainly(struct policies_bench *work, struct timed_answer *answer,
                                  struct error *error)
{
    const struct generation generation = generation_of(work);

    return timed_answer_run(answer, &work->start, NULL, &generation, error);
}

static enum status answer_by(struct policies_bench *work, const struct policy_case *one,
                             struct timed_answer *answer, struct error *error)
{
    const struct generation generation = generation_of(work);
    const struct policy_script script = {
        .tokens = work->plain.ids,
        .n_tokens = (uint32_t)work->plain.n_ids,
        .first_position = (uint32_t)work->bench.n_prompt,
        .acceptance = one->acceptance,
        .seconds_per_token = work->draft_cost,
        .seed = 1,
    };
    const struct policy_parts parts = {
        .session = work->bench.session,
        .draft = one->scripted ? NULL : work->draft,
        .script = one->scripted ? &script : NULL,
    };
    const struct policy_settings settings = settings_of(one);
    struct policy *policy;
    enum status status = policy_new(&policy, &settings, &parts, error);

    if (status == STATUS_OK)
        status = timed_answer_run(answer, &work->start, policy, &generation, error);
    policy_free(&policy);
    if (one->scripted)
        answer->seconds += work->draft_cost *
                           (double)answer->statistics.by_source[POLICY_SOURCE_DRAFT].proposed;
    return status;
}

/* The text is the law's: a bench that measured another one would say nothing. */
static enum status check_text(const struct policies_bench *work,
                              const struct timed_answer *answer, enum policy_kind kind,
                              struct error *error)
{
    if (answer->n_ids == work->plain.n_ids &&
        memcmp(answer->ids, work->plain.ids, answer->n_ids * sizeof *answer->ids) == 0)
        return STATUS_OK;
    return error_set(error, STATUS_FAILED,
                     "%s gave another text than plain decoding, which is a fault of banter",
                     policy_kind_name(kind));
}

static enum status time_plainly(struct policies_bench *work, double *seconds,
                                struct error *error)
{
    struct timed_answer answer = {0};
    enum status status = answer_plainly(work, &answer, error);

    if (status == STATUS_OK)
        status = check_text(work, &answer, POLICY_GREEDY, error);
    *seconds = answer.seconds;
    timed_answer_release(&answer);
    return status;
}

/* *plain: seconds of the plain answer just before; then of the one just behind. */
static enum status measure_case(struct policies_bench *work, struct policy_case *one,
                                double *plain, struct error *error)
{
    const double before = *plain, n = 2 * (double)(work->plain.n_tokens - 1);
    double seconds = 0;
    enum status status = STATUS_OK;

    for (int i = 0; i < 2 && status == STATUS_OK; i++) {
        struct timed_answer answer = {0};

        status = answer_by(work, one, &answer, error);
        if (status == STATUS_OK)
            status = check_text(work, &answer, one->kind, error);
        policy_statistics_add(&one->statistics, &answer.statistics);
        seconds += answer.seconds;
        timed_answer_release(&answer);
    }
    if (status == STATUS_OK)
        status = time_plainly(work, plain, error);
    if (status != STATUS_OK)
        return status;
    samples_add(&one->ratio, (before + *plain) / seconds);
    samples_add(&one->rate, n / seconds);
    samples_add(&one->plain_rate, n / (before + *plain));
    return STATUS_OK;
}

static void write_name(const struct policy_case *one, char *out, size_t room)
{
    if (one->scripted)
        snprintf(out, room, "%s, %.0f %%", policy_kind_name(one->kind), 100 * one->acceptance);
    else
        snprintf(out, room, "%s", policy_kind_name(one->kind));
}

static enum status measure(struct policies_bench *work, struct error *error)
{
    double plain = 0;
    enum status status;
    char name[60];

    bench_progress("generating plainly");
    status = answer_plainly(work, &work->plain, error);
    for (uint64_t round = 0; round < work->bench.n_rounds; round++) {
        if (status == STATUS_OK)
            status = time_plainly(work, &plain, error);
        for (size_t i = 0; i < work->n_cases && status == STATUS_OK; i++) {
            write_name(&work->cases[i], name, sizeof name);
            bench_progress("round %llu/%llu, %s", (unsigned long long)round + 1,
                           (unsigned long long)work->bench.n_rounds, name);
            status = measure_case(work, &work->cases[i], &plain, error);
        }
    }
    return status;
}

/* Results ---------------------------------------------------------------------------------- */

static void write_case(const struct policy_case *one, struct output *output)
{
    const struct paired_statistics ratio = samples_statistics(&one->ratio);
    char name[60], acceptance[20] = "-", length[20] = "-";

    write_name(one, name, sizeof name);
    if (one->statistics.verified > 0) {
        snprintf(acceptance, sizeof acceptance, "%.1f %%",
                 100 * policy_acceptance(&one->statistics));
        snprintf(length, sizeof length, "%.2f", policy_mean_length(&one->statistics));
    }
    output_printf(output, "%-20s %9.1f %9.1f %8.3f %8.3f %7.3f %9s %7s%s\n", name,
                  samples_median(&one->plain_rate), samples_median(&one->rate),
                  ratio.median.value, ratio.median.low, ratio.median.high, acceptance, length,
                  one->kind != POLICY_AUTO          ? ""
                  : ratio.median.value < auto_least ? "  BELOW 0.97"
                                                    : "");
}

static bool auto_holds(const struct policies_bench *work)
{
    for (size_t i = 0; i < work->n_cases; i++) {
        if (work->cases[i].kind == POLICY_AUTO && work->cases[i].ratio.n > 0 &&
            samples_median(&work->cases[i].ratio) < auto_least)
            return false;
    }
    return true;
}

static void write_table(const void *context, struct output *output)
{
    const struct policies_bench *work = context;
    bench_write_title(&work->bench, output);
    output_printf(output, ", %zu tokens each, rounds: %llu", work->plain.n_tokens,
                  (unsigned long long)work->bench.n_rounds);
    output_printf(output,
                  "\na scripted draft is right with the chance given, and costs %.3g ms "
                  "a token\n\n",
                  1e3 * work->draft_cost);
    output_printf(output, "%-20s %9s %9s %8s %16s %9s %7s\n", "", "plain", "policy", "over", "",
                  "of the", "mean");
    output_printf(output, "%-20s %9s %9s %8s %16s %9s %7s\n", "policy", "tok/s", "tok/s",
                  "plain", "95 %", "verified", "length");
    for (size_t i = 0; i < work->n_cases; i++) {
        if (work->cases[i].ratio.n > 0)
            write_case(&work->cases[i], output);
    }
    if (work->cancelled)
        output_printf(output, "stopped: not everything was measured\n");
    output_printf(output, "\nauto is %s 0.97 of plain in the median\n",
                  auto_holds(work) ? "never below" : "BELOW");
    if (work->plain.n_tokens < TOKENS_DEFAULT)
        output_printf(output, "answers of fewer than %d tokens say little about auto\n",
                      TOKENS_DEFAULT);
}

static json_t *json_case(const struct policy_case *one)
{
    const struct paired_statistics ratio = samples_statistics(&one->ratio);
    json_t *object = json_object();

    json_put(object, "policy", json_string(policy_kind_name(one->kind)));
    json_put(object, "scripted_acceptance",
             one->scripted ? json_real(one->acceptance) : json_null());
    json_put(object, "plain_tokens_per_second", json_real(samples_median(&one->plain_rate)));
    json_put(object, "tokens_per_second", json_real(samples_median(&one->rate)));
    json_put(object, "ratio", json_paired(&ratio));
    json_put(object, "speculation", json_policy_statistics(&one->statistics));
    return object;
}

static json_t *as_json(const void *context)
{
    const struct policies_bench *work = context;
    json_t *object = bench_json(&work->bench), *cases = json_array();

    json_put(object, "draft_model",
             work->draft_model != NULL ? json_model(model_info(work->draft_model))
                                       : json_null());
    json_put(object, "tokens", json_integer((json_int_t)work->plain.n_tokens));
    json_put(object, "draft_cost_seconds", json_real(work->draft_cost));
    for (size_t i = 0; i < work->n_cases; i++) {
        if (work->cases[i].ratio.n > 0)
            json_add(cases, json_case(&work->cases[i]));
    }
    json_put(object, "policies", cases);
    json_put(object, "auto_least", json_real(auto_least));
    json_put(object, "auto_holds", json_boolean(auto_holds(work)));
    json_put(object, "cancelled", json_boolean(work->cancelled));
    return object;
}

/* Opening ---------------------------------------------------------------------------------- */

static int read_draft_cost(struct policies_bench *work, const struct invocation *invocation)
{
    const char *text = invocation->values[FLAG_DRAFT_COST];
    char *end;

    if (text == NULL)
        return 0;
    const double ms = strtod(text, &end);
    if (end == text || *end != '\0' || !(ms >= 0 && ms <= DRAFT_COST_MAX))
        return usage_error(invocation,
                           "--draft-cost must be milliseconds from 0 to %d, got \"%s\"",
                           DRAFT_COST_MAX, text);
    work->draft_cost = ms / 1e3;
    return 0;
}

static int open_all(struct policies_bench *work)
{
    struct bench_model *bench = &work->bench;
    int code = bench_open(bench, 0, (size_t)bench->n_tokens + POLICY_MAX_CANDIDATES + 1);

    if (code == 0)
        code = invocation_open_draft(bench->invocation, &work->draft_model);
    if (code == 0 && work->draft_model != NULL)
        code = invocation_new_session(bench->invocation, work->draft_model,
                                      session_context(bench->session), &work->draft);
    if (code != 0)
        return code;
    work->start = (struct answer_start){.session = bench->session,
                                        .draft = work->draft,
                                        .snapshot = bench->start,
                                        .last = bench->prompt[bench->n_prompt - 1]};
    choose_cases(work);
    return 0;
}

static void release(struct policies_bench *work)
{
    for (size_t i = 0; i < work->n_cases; i++) {
        samples_release(&work->cases[i].ratio);
        samples_release(&work->cases[i].rate);
        samples_release(&work->cases[i].plain_rate);
    }
    timed_answer_release(&work->plain);
    session_free(&work->draft);
    bench_release(&work->bench);
    model_close(&work->draft_model);
}

int bench_policies(const struct invocation *invocation)
{
    struct policies_bench work = {
        .bench = {.n_rounds = ROUNDS_DEFAULT, .n_tokens = TOKENS_DEFAULT}};
    struct error error = {0};
    int code = bench_read_flags(&work.bench, invocation, 2, TOKENS_MAX);

    if (code == 0)
        code = read_draft_cost(&work, invocation);
    if (code == 0)
        code = open_all(&work);
    if (code == 0) {
        const enum status status = measure(&work, &error);

        bench_progress(NULL);
        work.cancelled = status == STATUS_CANCELLED;
        code = status == STATUS_OK || work.cancelled ? 0 : report_error(&error);
    }
    if (code == 0)
        code = bench_print(invocation, &work, as_json, write_table);
    release(&work);
    interrupt_raise();
    return code;
}
