/*
 * status.c - numbers in, status lines out (status.h)
 */
#include "ui/status.h"
#include "ui/status_line.h"

#include <stdio.h>
#include <string.h>

#define NUMBER        64
#define STATUS_NARROW 60 /* columns */
#define SPARK_COLUMNS 70 /* of the smallest screen with a sparkline */

/* 1234567 -> "1,234,567" */
static const char *grouped(uint64_t value, char out[32])
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    int at = 0;
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0)
            out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

/* Tenths without the locale's decimal point; from 100 on whole numbers. */
static const char *decimal(double value, char out[32])
{
    if (!(value >= 0 && value < 1e9))
        value = 0;
    uint64_t tenths = (uint64_t)(value * 10 + 0.5);
    if (tenths >= 1000)
        return grouped((tenths + 5) / 10, out);
    snprintf(out, 32, "%u.%u", (unsigned)(tenths / 10), (unsigned)(tenths % 10));
    return out;
}

static const char *hundredths(double value, char out[32])
{
    if (!(value >= 0 && value < 1e6))
        value = 0;
    unsigned whole = (unsigned)(value * 100 + 0.5);
    snprintf(out, 32, "%u.%02u", whole / 100, whole % 100);
    return out;
}

static const char *clock_time(double seconds, char out[32])
{
    if (!(seconds >= 0 && seconds < 360000))
        seconds = 359999;
    unsigned whole = (unsigned)(seconds + 0.5);
    if (whole >= 3600)
        snprintf(out, 32, "%u:%02u:%02u", whole / 3600, whole / 60 % 60, whole % 60);
    else
        snprintf(out, 32, "%u:%02u", whole / 60, whole % 60);
    return out;
}

static const char *short_count(uint64_t value, char out[32])
{
    char number[32];
    if (value < 1000)
        return grouped(value, out);
    if (value % 1024 == 0 && value < 1024000) /* a context of 32768 is called 32k */
        snprintf(out, 32,
                 "%llu"
                 "k",
                 (unsigned long long)value / 1024);
    else if (value < 1000000)
        snprintf(out, 32, "%sk", decimal((double)value / 1000, number));
    else
        snprintf(out, 32, "%sM", decimal((double)value / 1000000, number));
    return out;
}

static unsigned percent(double fraction)
{
    if (!(fraction > 0))
        return 0;
    return fraction >= 1 ? 100 : (unsigned)(fraction * 100);
}

static bool has_policy(const struct ui_status *status)
{
    return status->policy[0] != '\0';
}

static void add_context(struct line *line, const struct ui_status *status)
{
    char used[32], room[32], brief[NUMBER], text[NUMBER];
    if (status->n_context == 0)
        return;
    snprintf(brief, sizeof brief, has_policy(status) ? "ctx%u%%" : "ctx %u%%",
             percent((double)status->position / (double)status->n_context));
    snprintf(text, sizeof text, "ctx %s/%s", short_count(status->position, used),
             short_count(status->n_context, room));
    line_add_right(line, RANK_CONTEXT, text, brief);
}

static void add_cache(struct line *line, const struct ui_status *status)
{
    char cached[32], prompt[32], text[NUMBER];
    if (status->n_cached == 0)
        return;
    snprintf(text, sizeof text, "cache %s/%s", grouped(status->n_cached, cached),
             grouped(status->n_prompt, prompt));
    line_add(line, RANK_CACHE, text);
}

static void add_counts(struct line *line, const struct ui_status *status)
{
    char number[32], text[NUMBER];
    if (status->n_tokens > 0) {
        snprintf(text, sizeof text, "%s tok", grouped(status->n_tokens, number));
        line_add(line, RANK_TOKENS, text)->moves = true;
    }
    if (status->first_token >= 0 && status->n_tokens > 0) {
        snprintf(text, sizeof text, "ttft %s s", decimal(status->first_token, number));
        line_add(line, RANK_FIRST_TOKEN, text)->moves = true;
    }
}

static bool is_running(const struct ui_status *status)
{
    return status->phase == UI_PHASE_GENERATING;
}

static void add_rate(struct line *line, const struct ui_status *status)
{
    char number[32], text[NUMBER];
    double rate =
        is_running(status) && status->rate_now > 0 ? status->rate_now : status->rate_average;
    if (!(rate > 0))
        return;
    snprintf(text, sizeof text, "%s t/s", decimal(rate, number));
    struct field *field = line_add(line, RANK_RATE, text);
    snprintf(field->brief, sizeof field->brief, has_policy(status) ? "%st/s" : "%s t/s",
             number);
}

static void add_average(struct line *line, const struct ui_status *status)
{
    char number[32], text[NUMBER];
    if (!is_running(status) || !(status->rate_now > 0) || !(status->rate_average > 0))
        return;
    snprintf(text, sizeof text, has_policy(status) ? "(avg %s)" : "avg %s",
             decimal(status->rate_average, number));
    struct field *field = line_add(line, RANK_AVERAGE, text);
    field->close = has_policy(status);
    field->moves = true;
}

/* Foreign text through the filter. */
static struct field *add_filtered(struct line *line, enum rank rank, const char *text,
                                  size_t room)
{
    struct field *field = line_add(line, rank, "");
    ui_filter_line(text, strnlen(text, room), field->text, FIELD_BYTES);
    return field;
}

/* "auto>ngram": what runs is behind the sign. */
static void add_policy(struct line *line, const struct ui_status *status)
{
    struct field *field =
        add_filtered(line, RANK_POLICY, status->policy, sizeof status->policy);
    const char *runs = strrchr(field->text, '>');
    if (runs != NULL && runs[1] != '\0')
        snprintf(field->brief, sizeof field->brief, "%s", runs + 1);
    if (status->policy_state[0] != '\0')
        add_filtered(line, RANK_STATE, status->policy_state, sizeof status->policy_state)
            ->close = true;
}

static void add_speculation(struct line *line, const struct ui_status *status)
{
    char number[32], text[NUMBER];
    if (status->acceptance >= 0) {
        snprintf(text, sizeof text, "acc %u%%", percent(status->acceptance));
        struct field *field = line_add(line, RANK_ACCEPTANCE, text);
        snprintf(field->brief, sizeof field->brief, "%u%%", percent(status->acceptance));
    }
    if (status->mean_length > 0) {
        snprintf(text, sizeof text, "len %s", decimal(status->mean_length, number));
        line_add(line, RANK_LENGTH, text)->close = true;
    }
    if (status->speedup > 0) {
        snprintf(text, sizeof text, "x%s est.", hundredths(status->speedup, number));
        struct field *field = line_add(line, RANK_SPEEDUP, text);
        snprintf(field->brief, sizeof field->brief, "x%s", number);
        field->close = true;
    }
}

/* With a decode policy: what it does, and what it gains. */
static void fill_policy(struct line *line, const struct ui_status *status,
                        const struct spark *spark, int columns)
{
    add_policy(line, status);
    add_rate(line, status);
    add_average(line, status);
    if (spark != NULL && spark->n_samples > 1 && columns >= SPARK_COLUMNS) {
        struct field *field = line_add(line, RANK_SPARK, "");
        field->kind = FIELD_SPARK;
        field->close = true;
        line->spark = spark;
    }
    add_speculation(line, status);
    add_context(line, status);
}

static void fill_answer(struct line *line, const struct ui_status *status)
{
    add_rate(line, status);
    add_average(line, status);
    add_counts(line, status);
    add_context(line, status);
}

static void add_amount(struct line *line, const struct ui_status *status)
{
    char done[32], total[32], text[NUMBER];
    if (status->total == 0)
        return;
    if (status->phase == UI_PHASE_LOADING && status->total < 1000000)
        return; /* no bytes, or too few to count */
    if (status->phase == UI_PHASE_CHECKING)
        snprintf(text, sizeof text, "%s/%s", grouped(status->done, done),
                 grouped(status->total, total));
    else if (status->phase == UI_PHASE_PREFILL)
        snprintf(text, sizeof text, "%s/%s tok", grouped(status->done, done),
                 grouped(status->total, total));
    else if (status->total >= 1000000000)
        snprintf(text, sizeof text, "%s/%s GB", decimal((double)status->done / 1e9, done),
                 decimal((double)status->total / 1e9, total));
    else
        snprintf(text, sizeof text, "%s/%s MB", decimal((double)status->done / 1e6, done),
                 decimal((double)status->total / 1e6, total));
    line_add(line, RANK_AMOUNT, text);
}

static double fraction_of(const struct ui_status *status)
{
    if (status->fraction > 0 || status->total == 0)
        return status->fraction;
    return (double)status->done / (double)status->total;
}

static void add_progress(struct line *line, const struct ui_status *status)
{
    char number[32], text[NUMBER];
    line_add(line, RANK_RATE, "")->kind = FIELD_BAR;
    line->fraction = fraction_of(status);
    snprintf(text, sizeof text, "%u%%", percent(fraction_of(status)));
    line_add(line, RANK_RATE, text);
    add_amount(line, status);
    if (status->rate > 0 && status->phase == UI_PHASE_PREFILL) {
        snprintf(text, sizeof text, "%s t/s", decimal(status->rate, number));
        line_add(line, RANK_SPEED, text);
    }
    if (status->remaining >= 0) {
        snprintf(text, sizeof text, "eta %s", clock_time(status->remaining, number));
        line_add(line, RANK_REMAINING, text);
    }
}

static const char *phase_word(const struct ui_status *status)
{
    switch (status->phase) {
    case UI_PHASE_LOADING: return "loading";
    case UI_PHASE_PREFILL: return "reading";
    case UI_PHASE_CHECKING: return "checking";
    case UI_PHASE_GENERATING: return status->thinking ? "thinking" : "answering";
    case UI_PHASE_IDLE: return "ready";
    case UI_PHASE_NO_MODEL: break;
    }
    return "no model";
}

static void fill_first(struct line *line, const struct ui_status *status,
                       const struct spark *spark, int columns)
{
    bool answers = is_running(status) || status->phase == UI_PHASE_IDLE;
    /* While an answer runs with a policy the word is on the second line. */
    if (!is_running(status) || !has_policy(status))
        line_add(line, RANK_PHASE, phase_word(status));
    if (answers && has_policy(status))
        fill_policy(line, status, spark, columns);
    else if (answers)
        fill_answer(line, status);
    else if (status->phase != UI_PHASE_NO_MODEL)
        add_progress(line, status);
}

/* The speed-up compares with a plain step that was measured so long ago. */
static void add_age(struct line *line, const struct ui_status *status)
{
    char number[32], text[NUMBER];
    if (!(status->speedup > 0) || status->speedup_age == 0)
        return;
    snprintf(text, sizeof text, "plain %s tok ago", grouped(status->speedup_age, number));
    line_add(line, RANK_AGE, text);
}

static void add_reason(struct line *line, const struct ui_status *status, enum rank rank)
{
    if (status->policy_reason[0] != '\0')
        add_filtered(line, rank, status->policy_reason, sizeof status->policy_reason)->cuts =
            true;
}

/* The second line, or what of it goes to the end of the only one. */
static void fill_second(struct line *line, const struct ui_status *status, bool alone)
{
    bool cancels = status->phase == UI_PHASE_PREFILL || status->phase == UI_PHASE_CHECKING;
    bool reading = cancels || status->phase == UI_PHASE_LOADING;
    bool stops = is_running(status) || cancels;
    bool speculates = has_policy(status) && !reading && status->phase != UI_PHASE_NO_MODEL;
    if (speculates) {
        if (is_running(status))
            line_add(line, alone ? RANK_CACHE : RANK_PHASE, phase_word(status));
        add_reason(line, status, alone ? RANK_KEYS : RANK_REASON);
        add_counts(line, status);
    }
    if (stops || status->phase == UI_PHASE_IDLE)
        add_cache(line, status);
    if (speculates)
        add_age(line, status);
    /* What is read or loaded; the header, which says it too, may be covered. */
    if (reading && alone && status->note[0] != '\0')
        add_filtered(line, RANK_REASON, status->note, sizeof status->note)->cuts = true;
    if (stops)
        line_add_right(line, RANK_STOP, reading ? "Esc cancels" : "Esc stops", "Esc");
    else if (!alone)
        line_add_right(line, RANK_KEYS, "Ctrl-J new line  /help  Ctrl-D leaves", "/help")
            ->brief_rank = RANK_REASON;
}

void status_lines(const struct ui_status *status, const struct spark *spark, int columns,
                  int n_lines, bool ascii, char out[2][STATUS_LINE])
{
    struct line first = {.n_fields = 0}, second = {.n_fields = 0};
    bool alone = n_lines < 2;
    if (columns > STATUS_COLUMNS)
        columns = STATUS_COLUMNS;
    fill_first(&first, status, spark, columns);
    fill_second(alone ? &first : &second, status, alone);
    first.tightens = alone && has_policy(status);
    out[1][0] = '\0';
    line_fit(&first, columns, alone ? NULL : &second);
    line_render(&first, columns, ascii, out[0]);
    if (alone)
        return;
    line_fit(&second, columns, NULL);
    line_render(&second, columns, ascii, out[1]);
}

void status_header(const struct ui_status *status, int columns, char out[STATUS_LINE])
{
    char model[512], note[512];
    size_t at = 0;
    ui_filter_line(status->model, strnlen(status->model, sizeof status->model), model,
                   sizeof model);
    ui_filter_line(status->note, strnlen(status->note, sizeof status->note), note, sizeof note);
    if (columns > STATUS_COLUMNS)
        columns = STATUS_COLUMNS;
    out[0] = '\0';
    if (columns >= STATUS_NARROW || model[0] == '\0')
        at = line_put(out, at, " banter ");
    at = line_put(out, at, " ");
    at = line_put(out, at, model);
    int used = ui_text_columns(out, at), wanted = ui_text_columns(note, strlen(note));
    if (wanted > 0 && used + 2 + wanted + 1 <= columns) {
        at = line_put_blanks(out, at, columns - 1 - wanted - used);
        line_put(out, at, note);
    }
    out[line_fitting(out, columns)] = '\0';
}
