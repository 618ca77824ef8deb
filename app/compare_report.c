/*
 * compare_report.c - what a comparison found
 */
#include "app/compare_report.h"

#include <string.h>

#include "app/text_buffer.h"
#include "ui/ui.h"

static const char *const side_names[SIDE_COUNT] = {"a", "b"};

/* The table -------------------------------------------------------------------------------- */

/* The text of a token, or where the answer ends, without what a terminal would act on. */
static void describe_token(const struct model *model, int32_t id, char *out, size_t room)
{
    size_t n_bytes = 0;
    const char *bytes = id >= 0 ? model_token_text(model, id, &n_bytes) : NULL;
    char text[80];

    ui_filter_line(bytes != NULL ? bytes : "", n_bytes, text, sizeof text);
    if (id < 0)
        snprintf(out, room, "its end");
    else
        snprintf(out, room, "%d \"%s\"", (int)id, text);
}

static void write_difference(const struct first_difference *difference,
                             const struct model *model, struct output *output)
{
    char a[120], b[120];

    describe_token(model, difference->ids[SIDE_A], a, sizeof a);
    describe_token(model, difference->ids[SIDE_B], b, sizeof b);
    output_printf(output, "       DIFFERENT behind %zu equal tokens: A %s, B %s",
                  difference->at, a, b);
    if (difference->has_margin)
        output_printf(output, ", margin %.6g", difference->margin);
    output_printf(output, "\n");
}

/* The part of a filtered line that fits a column. */
static void write_label(const char *label, struct output *output)
{
    char text[200];
    size_t n;

    ui_filter_line(label, strlen(label), text, sizeof text);
    n = strlen(text);
    if (n > 32) {
        for (n = 29; n > 0 && ((unsigned char)text[n] & 0xc0) == 0x80; n--)
            ;
        snprintf(text + n, sizeof text - n, "...");
    }
    output_printf(output, "  %s\n", text);
}

static void write_prompts(const struct comparison *comparison,
                          const struct comparison_subject *subject, struct output *output)
{
    output_printf(output, "%4s %7s %9s %9s %7s  %s\n", "", "tokens", "A tok/s", "B tok/s",
                  "B over A", "prompt");
    for (size_t i = 0; i < comparison->n_prompts; i++) {
        const struct compared_prompt *prompt = &comparison->prompts[i];

        if (prompt->n_rounds == 0)
            continue;
        output_printf(output, "%4zu %7zu", i + 1, prompt->n_tokens);
        if (prompt->ratio > 0)
            output_printf(output, " %9.1f %9.1f %8.3f", prompt->rate[SIDE_A],
                          prompt->rate[SIDE_B], prompt->ratio);
        else
            output_printf(output, " %9s %9s %8s", "-", "-", "-");
        write_label(prompt->prompt->label, output);
        if (!prompt->difference.identical)
            write_difference(&prompt->difference, subject->model, output);
    }
}

static double side_rate(const struct compared_side *side)
{
    return side->seconds > 0 ? (double)side->n_timed / side->seconds : 0;
}

static void write_count(struct output *output, const char *name, uint64_t a, uint64_t b)
{
    output_printf(output, "%-18s %14llu %14llu\n", name, (unsigned long long)a,
                  (unsigned long long)b);
}

/* Values that are not known (0) are left out. */
static void write_value(struct output *output, const char *name, double a, double b, int digits,
                        const char *unit)
{
    const double values[SIDE_COUNT] = {a, b};
    const int n_unit = (int)strlen(unit);

    output_printf(output, "%-18s", name);
    for (int i = 0; i < SIDE_COUNT; i++) {
        if (values[i] > 0)
            output_printf(output, " %*.*f%s", 14 - n_unit, digits, values[i], unit);
        else
            output_printf(output, " %14s", "-");
    }
    output_printf(output, "\n");
}

static void write_sides(const struct comparison *comparison,
                        const struct comparison_subject *subject, struct output *output)
{
    const struct compared_side *a = &comparison->sides[SIDE_A], *b = &comparison->sides[SIDE_B];
    const struct policy_statistics *s = &a->statistics, *t = &b->statistics;

    output_printf(output, "\n%-18s %2s%12.12s %2s%12.12s\n", "", "A", subject->names[SIDE_A],
                  "B", subject->names[SIDE_B]);
    write_count(output, "tokens", a->n_tokens, b->n_tokens);
    write_value(output, "seconds", a->seconds, b->seconds, 2, "");
    write_value(output, "tok/s", side_rate(a), side_rate(b), 1, "");
    write_count(output, "passes", s->cycles, t->cycles);
    write_count(output, "drafted", s->proposed, t->proposed);
    write_count(output, "verified", s->verified, t->verified);
    write_count(output, "accepted", s->accepted, t->accepted);
    write_value(output, "acceptance", 100 * policy_acceptance(s), 100 * policy_acceptance(t), 1,
                " %");
    write_value(output, "mean length", policy_mean_length(s), policy_mean_length(t), 2, "");
    write_value(output, "speed-up (est.)", policy_speedup(s), policy_speedup(t), 2, "");
}

static void write_estimate(struct output *output, const char *name,
                           const struct estimate *estimate)
{
    output_printf(output, "%s %.3f (95 %%: %.3f to %.3f)", name, estimate->value, estimate->low,
                  estimate->high);
}

static void write_verdict(const struct comparison *comparison, struct output *output)
{
    if (comparison->ratio.n > 0) {
        output_printf(output, "\nB over A: ");
        write_estimate(output, "median", &comparison->ratio.median);
        write_estimate(output, ", mean", &comparison->ratio.mean);
        output_printf(output, ", %zu %s%s\n", comparison->ratio.n,
                      comparison->over_rounds ? "round" : "prompt",
                      comparison->ratio.n == 1 ? "" : "s");
    } else {
        output_printf(output, "\nB over A: not known, no answer has two tokens\n");
    }
    output_printf(output, "identical: %zu of %zu pairs of answers%s\n", comparison->n_identical,
                  comparison->n_answers,
                  comparison->cancelled ? "; stopped before the end" : "");
}

void comparison_write_table(const struct comparison *comparison,
                            const struct comparison_subject *subject, struct output *output)
{
    char name[160];

    ui_filter_line(model_info(subject->model)->name, strlen(model_info(subject->model)->name),
                   name, sizeof name);
    output_printf(output, "%s (A) and %s (B) on %s, %d thread%s, kernels %s\n",
                  subject->names[SIDE_A], subject->names[SIDE_B], name, subject->n_threads,
                  subject->n_threads == 1 ? "" : "s",
                  kernel_level_name(model_info(subject->model)->level));
    output_printf(output, "%zu of %zu prompts, rounds of each: %zu, seed %llu\n\n",
                  comparison->n_compared, comparison->n_prompts, comparison->n_rounds,
                  (unsigned long long)subject->seed);
    write_prompts(comparison, subject, output);
    write_sides(comparison, subject, output);
    write_verdict(comparison, output);
}

/* JSON ------------------------------------------------------------------------------------- */

static json_t *json_count(uint64_t count)
{
    return json_integer((json_int_t)count);
}

static json_t *json_measured(double value)
{
    return value > 0 ? json_real(value) : json_null();
}

static void append(json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0)
        app_out_of_memory();
}

static json_t *json_difference(const struct first_difference *difference)
{
    json_t *object = json_object();

    json_put(object, "position", json_count(difference->at));
    for (int side = 0; side < SIDE_COUNT; side++)
        json_put(object, side_names[side],
                 difference->ids[side] >= 0 ? json_integer(difference->ids[side])
                                            : json_null());
    json_put(object, "margin",
             difference->has_margin ? json_real(difference->margin) : json_null());
    return object;
}

static json_t *json_prompt(const struct compared_prompt *prompt, size_t number,
                           const struct comparison_subject *subject)
{
    const struct sampling sampling =
        sampling_for_model(subject->model, prompt->prompt->thinking, subject->sampling);
    json_t *object = json_object(), *rates = json_object();

    json_put(object, "prompt", json_count(number));
    json_put(object, "label", json_text(prompt->prompt->label, strlen(prompt->prompt->label)));
    json_put(object, "thinking", json_boolean(prompt->prompt->thinking));
    json_put(object, "sampling", json_sampling(&sampling));
    json_put(object, "prompt_tokens", json_count(prompt->prompt->n_ids));
    json_put(object, "tokens", json_count(prompt->n_tokens));
    json_put(object, "stop_reason", json_string(stop_reason_name(prompt->reason)));
    json_put(object, "rounds", json_count(prompt->n_rounds));
    for (int side = 0; side < SIDE_COUNT; side++)
        json_put(rates, side_names[side], json_measured(prompt->rate[side]));
    json_put(object, "tokens_per_second", rates);
    json_put(object, "ratio", json_measured(prompt->ratio));
    json_put(object, "identical", json_boolean(prompt->difference.identical));
    json_put(object, "difference",
             prompt->difference.identical ? json_null() : json_difference(&prompt->difference));
    return object;
}

static json_t *json_side(const struct compared_side *side, const char *name,
                         enum policy_kind kind)
{
    json_t *object = json_object();

    json_put(object, "policy", json_text(name, strlen(name)));
    json_put(object, "kind", json_string(policy_kind_name(kind)));
    json_put(object, "tokens", json_count(side->n_tokens));
    json_put(object, "decode_seconds", json_real(side->seconds));
    json_put(object, "tokens_per_second", json_measured(side_rate(side)));
    json_put(object, "speculation", json_policy_statistics(&side->statistics));
    return object;
}

json_t *json_estimate(const struct estimate *estimate)
{
    json_t *object = json_object();

    json_put(object, "value", json_real(estimate->value));
    json_put(object, "low", json_real(estimate->low));
    json_put(object, "high", json_real(estimate->high));
    return object;
}

static json_t *json_ratio(const struct comparison *comparison)
{
    const struct paired_statistics *ratio = &comparison->ratio;
    json_t *object;

    if (ratio->n == 0)
        return json_null();
    object = json_object();
    json_put(object, "of", json_string(comparison->over_rounds ? "rounds" : "prompts"));
    json_put(object, "n", json_count(ratio->n));
    json_put(object, "median", json_estimate(&ratio->median));
    json_put(object, "mean", json_estimate(&ratio->mean));
    json_put(object, "least", json_real(ratio->least));
    json_put(object, "most", json_real(ratio->most));
    json_put(object, "resamples", json_integer(BOOTSTRAP_RESAMPLES));
    return object;
}

json_t *comparison_json(const struct comparison *comparison,
                        const struct comparison_subject *subject)
{
    json_t *object = json_object(), *prompts = json_array();

    json_put(object, "model", json_model(model_info(subject->model)));
    json_put(object, "draft_model",
             subject->draft != NULL ? json_model(model_info(subject->draft)) : json_null());
    json_put(object, "threads", json_integer(subject->n_threads));
    json_put(object, "seed", json_seed(subject->seed));
    for (int side = 0; side < SIDE_COUNT; side++)
        json_put(
            object, side_names[side],
            json_side(&comparison->sides[side], subject->names[side], subject->kinds[side]));
    for (size_t i = 0; i < comparison->n_prompts; i++) {
        if (comparison->prompts[i].n_rounds > 0)
            append(prompts, json_prompt(&comparison->prompts[i], i + 1, subject));
    }
    json_put(object, "prompts", prompts);
    json_put(object, "prompts_given", json_count(comparison->n_prompts));
    json_put(object, "rounds", json_count(comparison->n_rounds));
    json_put(object, "ratio", json_ratio(comparison));
    json_put(object, "answers", json_count(comparison->n_answers));
    json_put(object, "identical_answers", json_count(comparison->n_identical));
    json_put(object, "identical",
             json_boolean(comparison->n_identical == comparison->n_answers));
    json_put(object, "cancelled", json_boolean(comparison->cancelled));
    return object;
}
