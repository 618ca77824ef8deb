/*
 * stats_text.h - the statistics of an answer and of the session, in words and as JSON
 *
 * Definitions are those of engine/policy.h and engine/engine.h and of the manual: acceptance is
 * accepted over verified, the mean length counts all tokens of a pass that verifies, the speed-up
 * is an estimate from plain steps that were measured.
 *
 * Pure.  Thread: the main thread.
 */
#ifndef APP_STATS_TEXT_H
#define APP_STATS_TEXT_H

#include <jansson.h>

#include "app/text_buffer.h"
#include "engine/engine.h"

enum { STATS_HISTORY = 30 }; /* samples, one a second */

/* All answers since the start, of all conversations. */
struct session_totals {
    uint64_t n_answers, n_generated, n_prefilled, n_cached;
    double prefill_seconds, decode_seconds;
    double saved_seconds; /* estimated: what plain steps would have taken more */
    uint64_t proposed, verified, accepted, rejected, ignored, fallbacks;
};
/* An answer is over: add it. */
void session_totals_add(struct session_totals *totals, const struct engine_statistics *turn);

struct stats_view {
    const char *policy;        /* raw name */
    enum policy_source source; /* at work; NONE: none */
    bool live;                 /* the answer still runs */
    const struct engine_statistics *turn;
    double rate_now;       /* while it runs */
    const double *history; /* [n_history] tokens per second */
    size_t n_history;
    const struct session_totals *session;
    const struct model_info *info; /* NULL: not known */
    uint64_t resident_bytes;       /* of the process; 0: not known */
    uint32_t position, n_context;
    int columns; /* room in a line */
};

/* Lines without a newline at the end; names of policies are raw. */
void stats_turn_text(const struct stats_view *view, struct text_buffer *text);
void stats_session_text(const struct stats_view *view, struct text_buffer *text);
/* The percentage of accepted among verified tokens, "71%"; "-" where nothing was verified. */
void stats_acceptance(const struct policy_statistics *statistics, char *text, size_t n_bytes);
/* {"policy": ..., "statistics": {...}, "session": {...}}; the caller's. */
json_t *stats_json(const struct stats_view *view);

#endif
