/*
 * status.c - numbers in, status lines out (status.h)
 */
#include "ui/status.h"
#include "ui/text.h"

#include <stdio.h>
#include <string.h>

#define FIELD         64
#define N_FIELDS_MAX  12
#define BAR_MIN       8
#define BAR_MAX       40
#define STATUS_NARROW 60 /* columns */

/* Fields with a lower rank give way first. */
enum rank {
    RANK_KEYS,
    RANK_CACHE,
    RANK_FIRST_TOKEN,
    RANK_TOKENS,
    RANK_AMOUNT,
    RANK_AVERAGE,
    RANK_SPEED,
    RANK_CONTEXT,
    RANK_STOP,
    RANK_REMAINING,
    RANK_PHASE,
    RANK_RATE
};

struct field {
    enum rank rank;
    bool right;
    bool bar; /* takes the columns that are left */
    char text[FIELD];
    char brief[FIELD]; /* "": none; used before the field is dropped */
};

struct line {
    struct field fields[N_FIELDS_MAX];
    int n_fields;
};

static struct field *add(struct line *line, enum rank rank)
{
    struct field *field = &line->fields[line->n_fields++];
    *field = (struct field){.rank = rank};
    return field;
}

static void add_text(struct line *line, enum rank rank, const char *text)
{
    snprintf(add(line, rank)->text, FIELD, "%s", text);
}

static void add_right(struct line *line, enum rank rank, const char *text, const char *brief)
{
    struct field *field = add(line, rank);
    field->right = true;
    snprintf(field->text, FIELD, "%s", text);
    snprintf(field->brief, FIELD, "%s", brief);
}

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

static void add_context(struct line *line, const struct ui_status *status)
{
    char used[32], room[32], brief[FIELD], text[FIELD];
    if (status->n_context == 0)
        return;
    snprintf(brief, sizeof brief, "ctx %u%%",
             percent((double)status->position / (double)status->n_context));
    snprintf(text, sizeof text, "ctx %s/%s", short_count(status->position, used),
             short_count(status->n_context, room));
    add_right(line, RANK_CONTEXT, text, brief);
}

static void add_cache(struct line *line, const struct ui_status *status)
{
    char cached[32], prompt[32], text[FIELD];
    if (status->n_cached == 0)
        return;
    snprintf(text, sizeof text, "cache %s/%s", grouped(status->n_cached, cached),
             grouped(status->n_prompt, prompt));
    add_text(line, RANK_CACHE, text);
}

static void add_answer(struct line *line, const struct ui_status *status)
{
    char number[32], text[FIELD];
    bool running = status->phase == UI_PHASE_GENERATING;
    double rate = running && status->rate_now > 0 ? status->rate_now : status->rate_average;
    if (rate > 0) {
        snprintf(text, sizeof text, "%s t/s", decimal(rate, number));
        add_text(line, RANK_RATE, text);
    }
    if (running && status->rate_now > 0 && status->rate_average > 0) {
        snprintf(text, sizeof text, "avg %s", decimal(status->rate_average, number));
        add_text(line, RANK_AVERAGE, text);
    }
    if (status->n_tokens > 0) {
        snprintf(text, sizeof text, "%s tok", grouped(status->n_tokens, number));
        add_text(line, RANK_TOKENS, text);
    }
    if (status->first_token >= 0 && status->n_tokens > 0) {
        snprintf(text, sizeof text, "ttft %s s", decimal(status->first_token, number));
        add_text(line, RANK_FIRST_TOKEN, text);
    }
}

static void add_amount(struct line *line, const struct ui_status *status)
{
    char done[32], total[32], text[FIELD];
    if (status->total == 0)
        return;
    if (status->phase == UI_PHASE_LOADING && status->total < 1000000)
        return; /* no bytes, or too few to count */
    if (status->phase == UI_PHASE_PREFILL)
        snprintf(text, sizeof text, "%s/%s tok", grouped(status->done, done),
                 grouped(status->total, total));
    else if (status->total >= 1000000000)
        snprintf(text, sizeof text, "%s/%s GB", decimal((double)status->done / 1e9, done),
                 decimal((double)status->total / 1e9, total));
    else
        snprintf(text, sizeof text, "%s/%s MB", decimal((double)status->done / 1e6, done),
                 decimal((double)status->total / 1e6, total));
    add_text(line, RANK_AMOUNT, text);
}

static double fraction_of(const struct ui_status *status)
{
    if (status->fraction > 0 || status->total == 0)
        return status->fraction;
    return (double)status->done / (double)status->total;
}

static void add_progress(struct line *line, const struct ui_status *status)
{
    char number[32], text[FIELD];
    add(line, RANK_RATE)->bar = true;
    snprintf(text, sizeof text, "%u%%", percent(fraction_of(status)));
    add_text(line, RANK_RATE, text);
    add_amount(line, status);
    if (status->rate > 0 && status->phase == UI_PHASE_PREFILL) {
        snprintf(text, sizeof text, "%s t/s", decimal(status->rate, number));
        add_text(line, RANK_SPEED, text);
    }
    if (status->remaining >= 0) {
        snprintf(text, sizeof text, "eta %s", clock_time(status->remaining, number));
        add_text(line, RANK_REMAINING, text);
    }
}

static void fill_first(struct line *line, const struct ui_status *status)
{
    switch (status->phase) {
    case UI_PHASE_LOADING:
        add_text(line, RANK_PHASE, "loading");
        add_progress(line, status);
        break;
    case UI_PHASE_PREFILL:
        add_text(line, RANK_PHASE, "reading");
        add_progress(line, status);
        break;
    case UI_PHASE_GENERATING:
        add_text(line, RANK_PHASE, status->thinking ? "thinking" : "answering");
        add_answer(line, status);
        add_context(line, status);
        break;
    case UI_PHASE_IDLE:
        add_text(line, RANK_PHASE, "ready");
        add_answer(line, status);
        add_context(line, status);
        break;
    case UI_PHASE_NO_MODEL: add_text(line, RANK_PHASE, "no model"); break;
    }
}

/* The second line, or what of it goes to the end of the only one. */
static void fill_second(struct line *line, const struct ui_status *status, bool alone)
{
    bool running = status->phase == UI_PHASE_GENERATING || status->phase == UI_PHASE_PREFILL;
    if (running || status->phase == UI_PHASE_IDLE)
        add_cache(line, status);
    if (running)
        add_right(line, RANK_STOP,
                  status->phase == UI_PHASE_PREFILL ? "Esc cancels" : "Esc stops", "Esc");
    else if (!alone)
        add_right(line, RANK_KEYS, "Ctrl-J new line  /help  Ctrl-D leaves", "/help");
}

static int width_of(const struct line *line)
{
    int columns = 1;
    for (int i = 0; i < line->n_fields; i++) {
        const struct field *field = &line->fields[i];
        columns +=
            2 + (field->bar ? BAR_MIN : ui_text_columns(field->text, strlen(field->text)));
    }
    return columns - (line->n_fields > 0);
}

/* The field that gives way next: shortened if it can be, else taken out. */
static void give_way(struct line *line)
{
    int weakest = 0;
    for (int i = 1; i < line->n_fields; i++) {
        const struct field *field = &line->fields[i], *other = &line->fields[weakest];
        if (field->rank < other->rank || (field->rank == other->rank && field->bar))
            weakest = i;
    }
    struct field *field = &line->fields[weakest];
    if (field->brief[0] != '\0') {
        memcpy(field->text, field->brief, FIELD);
        field->brief[0] = '\0';
        return;
    }
    line->n_fields--;
    memmove(field, field + 1, (size_t)(line->n_fields - weakest) * sizeof *field);
}

static size_t put(char *out, size_t at, const char *text)
{
    size_t n_bytes = strlen(text);
    if (n_bytes > STATUS_LINE - 1 - at)
        return at;
    memcpy(out + at, text, n_bytes + 1);
    return at + n_bytes;
}

static size_t put_spaces(char *out, size_t at, int n)
{
    for (int i = 0; i < n; i++)
        at = put(out, at, " ");
    return at;
}

static size_t put_bar(char *out, size_t at, double fraction, int columns, bool ascii)
{
    int inside = columns - 2;
    int full = (int)(percent(fraction) * (unsigned)inside / 100);
    at = put(out, at, "[");
    for (int i = 0; i < inside; i++)
        at = put(out, at, i < full ? (ascii ? "=" : "\u2588") : (ascii ? "." : "\u2591"));
    return put(out, at, "]");
}

static void render(struct line *line, double fraction, int columns, bool ascii,
                   char out[STATUS_LINE])
{
    while (line->n_fields > 0 && width_of(line) > columns)
        give_way(line);
    int spare = columns - width_of(line);
    int bar = BAR_MIN + (spare < BAR_MAX - BAR_MIN ? spare : BAR_MAX - BAR_MIN);
    size_t at = 0;
    out[0] = '\0';
    at = put(out, at, columns > 0 ? " " : "");
    for (int i = 0; i < line->n_fields; i++) {
        const struct field *field = &line->fields[i];
        if (field->right)
            continue;
        at = put_spaces(out, at, at > 1 ? 2 : 0);
        at = field->bar ? put_bar(out, at, fraction, bar, ascii) : put(out, at, field->text);
    }
    int right = 0;
    for (int i = 0; i < line->n_fields; i++)
        if (line->fields[i].right)
            right += (int)strlen(line->fields[i].text) + (right > 0 ? 2 : 0);
    if (right == 0)
        return;
    at = put_spaces(out, at, columns - 1 - right - ui_text_columns(out, at));
    bool first = true;
    for (int i = 0; i < line->n_fields; i++) {
        if (!line->fields[i].right)
            continue;
        at = put_spaces(out, at, first ? 0 : 2);
        at = put(out, at, line->fields[i].text);
        first = false;
    }
}

void status_lines(const struct ui_status *status, int columns, int n_lines, bool ascii,
                  char out[2][STATUS_LINE])
{
    struct line first = {.n_fields = 0}, second = {.n_fields = 0};
    double fraction = fraction_of(status);
    if (columns > STATUS_COLUMNS)
        columns = STATUS_COLUMNS;
    fill_first(&first, status);
    if (n_lines < 2) {
        fill_second(&first, status, true);
        out[1][0] = '\0';
    } else {
        fill_second(&second, status, false);
        render(&second, 0, columns, ascii, out[1]);
    }
    render(&first, fraction, columns, ascii, out[0]);
}

/* The longest beginning of `text` within `columns`. */
static size_t fitting(const char *text, int columns)
{
    size_t at = 0, n_bytes = strlen(text);
    int used = 0;
    while (at < n_bytes) {
        struct text_cluster cluster;
        text_cluster_at(text + at, n_bytes - at, &cluster);
        if (used + cluster.columns > columns)
            break;
        used += cluster.columns;
        at += cluster.n_bytes;
    }
    return at;
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
        at = put(out, at, " banter ");
    at = put(out, at, " ");
    at = put(out, at, model);
    int used = ui_text_columns(out, at), wanted = ui_text_columns(note, strlen(note));
    if (wanted > 0 && used + 2 + wanted + 1 <= columns) {
        at = put_spaces(out, at, columns - 1 - wanted - used);
        put(out, at, note);
    }
    out[fitting(out, columns)] = '\0';
}
