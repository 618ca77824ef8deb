/*
 * stats_text.c - the statistics of an answer and of the session, in lines of words
 */
#include "app/stats_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "app/model_text.h"

enum { MOST_POSITIONS = 8, FEW_POSITIONS = 4, BAR = 20, SHORT_BAR = 12 };
/* Columns for two fields in a line, and for a whole field. */
enum { TWO_FIELDS = 74, ONE_FIELD = 58 };

static double share(double part, double whole)
{
    return whole > 0 ? part / whole : 0;
}

static double speculation_seconds(const struct policy_statistics *s)
{
    return s->draft_seconds + s->verify_seconds + s->rollback_seconds;
}

void session_totals_add(struct session_totals *totals, const struct engine_statistics *turn)
{
    const struct policy_statistics *s = &turn->speculation;
    double speedup = policy_speedup(s);

    totals->n_answers++;
    totals->n_generated += turn->n_generated;
    totals->n_prefilled += turn->n_prefilled;
    totals->n_cached += turn->n_cached;
    totals->prefill_seconds += turn->prefill;
    totals->decode_seconds += turn->decode;
    if (speedup > 0)
        totals->saved_seconds += (speedup - 1) * speculation_seconds(s);
    totals->proposed += s->proposed;
    totals->verified += s->verified;
    totals->accepted += s->accepted;
    totals->rejected += s->rejected;
    totals->ignored += s->ignored;
    totals->fallbacks += s->fallbacks;
}

void stats_acceptance(const struct policy_statistics *statistics, char *text, size_t n_bytes)
{
    if (statistics->verified == 0)
        snprintf(text, n_bytes, "-");
    else
        snprintf(text, n_bytes, "%.0f%%", 100 * policy_acceptance(statistics));
}

/* A line begins with its name, in a column of its own. */
static void row(struct text_buffer *text, const char *name)
{
    text_printf(text, "%s%-11s ", text->n_bytes > 0 ? "\n" : "", name);
}

/* A field goes on in the same line where there is room. */
static void field(const struct stats_view *view, struct text_buffer *text)
{
    if (view->columns >= TWO_FIELDS)
        text_add(text, "   ");
    else
        row(text, "");
}

/* The same where a blank is enough. */
static void row_or_space(const struct stats_view *view, struct text_buffer *text)
{
    if (view->columns >= ONE_FIELD)
        text_add(text, " ");
    else
        row(text, "");
}

/* Policy and rates --------------------------------------------------------------------------- */

static void add_policy(const struct stats_view *view, struct text_buffer *text)
{
    const struct policy_statistics *s = &view->turn->speculation;

    row(text, "policy");
    text_add(text, view->policy);
    if (view->source != POLICY_SOURCE_NONE)
        text_printf(text, " > %s", policy_source_name(view->source));
    row(text, "state");
    text_add(text, policy_state_name(s->state));
    if (s->state == POLICY_COOLDOWN && s->cooldown > 0)
        text_printf(text, " %" PRIu32, s->cooldown);
    if (s->reason[0] != '\0') {
        row_or_space(view, text);
        text_printf(text, "(%s)", s->reason);
    }
}

static void add_decode(const struct stats_view *view, struct text_buffer *text)
{
    const struct engine_statistics *turn = view->turn;
    const struct policy_statistics *s = &turn->speculation;
    double speedup = policy_speedup(s);

    row(text, "decode");
    if (turn->rate > 0)
        text_printf(text, "%.1f t/s", turn->rate);
    else
        text_add(text, "-");
    if (view->live && view->rate_now > 0)
        text_printf(text, ", now %.1f", view->rate_now);
    text_add(text, ",");
    row_or_space(view, text);
    text_printf(text, "%" PRIu32 " tokens", turn->n_generated);
    if (turn->decode > 0)
        text_printf(text, " in %.1f s", turn->decode);
    if (s->plain_step > 0) {
        row(text, "plain");
        text_printf(text, "%.1f t/s est.,", 1 / s->plain_step);
        row_or_space(view, text);
        text_printf(text, "measured %" PRIu64 " tokens ago", s->plain_age);
    }
    if (speedup > 0) {
        row(text, "speed-up");
        text_printf(text, "x%.2f est.", speedup);
    }
}

/* One character a second, from blank to full. */
static void add_history(const struct stats_view *view, struct text_buffer *text)
{
    static const char steps[] = ".:-=+*#%@";
    double least = 0, most = 0;

    if (view->n_history == 0)
        return;
    for (size_t i = 0; i < view->n_history; i++) {
        if (i == 0 || view->history[i] < least)
            least = view->history[i];
        if (view->history[i] > most)
            most = view->history[i];
    }
    row(text, "history");
    for (size_t i = 0; i < view->n_history; i++) {
        size_t step = (size_t)(share(view->history[i], most) * (sizeof steps - 2) + 0.5);
        text_append(text, &steps[step < sizeof steps - 1 ? step : sizeof steps - 2], 1);
    }
    field(view, text);
    text_printf(text, "min %.1f  max %.1f", least, most);
}

static void add_prefill(const struct stats_view *view, struct text_buffer *text)
{
    const struct engine_statistics *turn = view->turn;

    row(text, "prefill");
    text_printf(text, "%" PRIu32 " tokens", turn->n_prefilled);
    if (turn->prefill > 0) {
        row_or_space(view, text);
        text_printf(text, "in %.2f s, %.0f t/s", turn->prefill,
                    turn->n_prefilled / turn->prefill);
    }
    field(view, text);
    text_printf(text, "reused %" PRIu32 " of %" PRIu32, turn->n_cached, turn->n_prompt);
    row(text, "latency");
    text_printf(text, "first token %.2f s", turn->first_token > 0 ? turn->first_token : 0.0);
    if (turn->between_p50 > 0) {
        field(view, text);
        text_printf(text, "between p50 %.0f ms,", 1000 * turn->between_p50);
        row_or_space(view, text);
        text_printf(text, "p95 %.0f ms", 1000 * turn->between_p95);
    }
}

/* Speculation -------------------------------------------------------------------------------- */

static void add_counts(const struct stats_view *view, struct text_buffer *text)
{
    const struct policy_statistics *s = &view->turn->speculation;
    char acceptance[16];

    stats_acceptance(s, acceptance, sizeof acceptance);
    row(text, "drafted");
    text_printf(text, "%" PRIu64 ":", s->proposed);
    row_or_space(view, text);
    text_printf(text, "verified %" PRIu64 ", ignored %" PRIu64, s->verified, s->ignored);
    row(text, "accepted");
    text_printf(text, "%" PRIu64 " (%s of verified)", s->accepted, acceptance);
    field(view, text);
    text_printf(text, "rejected %" PRIu64 ", early %" PRIu64, s->rejected, s->early_rejected);
    for (int i = POLICY_SOURCE_NONE + 1; i < POLICY_SOURCE_COUNT; i++) {
        const struct policy_count *count = &s->by_source[i];
        if (count->proposed == 0)
            continue;
        row(text, "");
        text_printf(text, "%s: drafted %" PRIu64 ",", policy_source_name((enum policy_source)i),
                    count->proposed);
        row_or_space(view, text);
        text_printf(text, "verified %" PRIu64 ", accepted %" PRIu64, count->verified,
                    count->accepted);
    }
    row(text, "passes");
    text_printf(text, "%" PRIu64 " of %" PRIu64 " verified", s->passes, s->cycles);
    if (s->passes > 0) {
        field(view, text);
        text_printf(text, "mean length %.2f,", policy_mean_length(s));
        row_or_space(view, text);
        text_printf(text, "break-even %.2f", policy_break_even(s));
    }
}

static void add_positions(const struct stats_view *view, struct text_buffer *text)
{
    const struct policy_statistics *s = &view->turn->speculation;
    size_t n = 0, in_row = view->columns >= ONE_FIELD ? MOST_POSITIONS : FEW_POSITIONS;

    for (size_t i = 0; i < POLICY_MAX_CANDIDATES; i++)
        n = s->position_verified[i] > 0 ? i + 1 : n;
    if (n == 0)
        return;
    row(text, "by position");
    for (size_t i = 0; i < n; i++) {
        if (s->position_verified[i] == 0)
            continue;
        if (i > 0 && i % in_row == 0)
            row(text, "");
        text_printf(
            text, "%s%zu:%.0f%%", i % in_row > 0 ? " " : "", i + 1,
            100 * share((double)s->position_accepted[i], (double)s->position_verified[i]));
    }
}

/* A bar for each length that occurred: so many proposals had so many candidates accepted. */
static void add_lengths(const struct stats_view *view, struct text_buffer *text)
{
    const struct policy_statistics *s = &view->turn->speculation;
    const char *name = "lengths";
    uint64_t most = 0, bar = view->columns >= ONE_FIELD ? BAR : SHORT_BAR;

    for (size_t i = 0; i <= POLICY_MAX_CANDIDATES; i++)
        most = s->lengths[i] > most ? s->lengths[i] : most;
    for (size_t i = 0; most > 0 && i <= POLICY_MAX_CANDIDATES; i++) {
        if (s->lengths[i] == 0)
            continue;
        row(text, name);
        name = "";
        text_printf(text, "%2zu %-*.*s %" PRIu64, i, (int)bar,
                    (int)((s->lengths[i] * bar + most - 1) / most), "####################",
                    s->lengths[i]);
    }
}

static void add_costs(const struct stats_view *view, struct text_buffer *text)
{
    const struct policy_statistics *s = &view->turn->speculation;
    double passes = s->passes > 0 ? (double)s->passes : 1;

    if (s->passes == 0 && s->draft_seconds <= 0)
        return;
    row(text, "cost a pass");
    text_printf(text, "draft %.1f ms,", 1000 * s->draft_seconds / passes);
    row_or_space(view, text);
    text_printf(text, "verify %.1f, rollback %.1f", 1000 * s->verify_seconds / passes,
                1000 * s->rollback_seconds / passes);
    row(text, "wasted");
    text_printf(text, "%.2f s", s->wasted_verify + s->rollback_seconds);
    row_or_space(view, text);
    text_add(text, "of rejected rows, rollback");
    row(text, "fall-backs");
    text_printf(text, "%" PRIu64, s->fallbacks);
}

/* The machine -------------------------------------------------------------------------------- */

static void add_memory(const struct stats_view *view, struct text_buffer *text)
{
    const struct model_info *info = view->info;

    row(text, "context");
    text_printf(text, "%" PRIu32 " of %" PRIu32 " tokens", view->position, view->n_context);
    if (view->n_context > 0)
        text_printf(text, " (%.0f%%)", 100.0 * view->position / view->n_context);
    if (info == NULL || info->file_bytes == 0)
        return;
    row(text, "memory");
    text_add(text, "weights ");
    text_add_bytes(text, info->packed_bytes > 0 ? info->packed_bytes : info->file_bytes);
    text_add(text, ",");
    row_or_space(view, text);
    text_add(text, "kv ");
    text_add_bytes(text, info->kv_bytes_per_token * view->position);
    text_add(text, ", state ");
    text_add_bytes(text, info->state_bytes);
    if (view->resident_bytes > 0) {
        field(view, text);
        text_add(text, "resident ");
        text_add_bytes(text, view->resident_bytes);
    }
}

void stats_turn_text(const struct stats_view *view, struct text_buffer *text)
{
    add_policy(view, text);
    add_decode(view, text);
    add_history(view, text);
    add_prefill(view, text);
    add_counts(view, text);
    add_positions(view, text);
    add_lengths(view, text);
    add_costs(view, text);
    add_memory(view, text);
}

void stats_session_text(const struct stats_view *view, struct text_buffer *text)
{
    const struct session_totals *session = view->session;

    row(text, "answers");
    text_printf(text, "%" PRIu64, session->n_answers);
    row(text, "read");
    text_printf(text, "%" PRIu64 " tokens in %.1f s", session->n_prefilled,
                session->prefill_seconds);
    field(view, text);
    text_printf(text, "reused %" PRIu64, session->n_cached);
    row(text, "written");
    text_printf(text, "%" PRIu64 " tokens in %.1f s", session->n_generated,
                session->decode_seconds);
    row(text, "drafted");
    text_printf(text, "%" PRIu64 ": verified %" PRIu64 ", ignored %" PRIu64, session->proposed,
                session->verified, session->ignored);
    row(text, "accepted");
    text_printf(text, "%" PRIu64, session->accepted);
    if (session->verified > 0)
        text_printf(text, " (%.0f%% of verified)",
                    100 * share((double)session->accepted, (double)session->verified));
    field(view, text);
    text_printf(text, "rejected %" PRIu64, session->rejected);
    row(text, "fall-backs");
    text_printf(text, "%" PRIu64, session->fallbacks);
    row(text, "saved");
    text_printf(text, "%.1f s est.", session->saved_seconds);
    add_memory(view, text);
}
