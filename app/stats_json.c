/*
 * stats_json.c - the statistics of an answer and of the session as JSON
 */
#include <string.h>

#include "app/json.h"
#include "app/stats_text.h"

static json_t *session_json(const struct session_totals *session)
{
    json_t *object = json_object();

    json_put(object, "answers", json_integer((json_int_t)session->n_answers));
    json_put(object, "generated_tokens", json_integer((json_int_t)session->n_generated));
    json_put(object, "prefilled_tokens", json_integer((json_int_t)session->n_prefilled));
    json_put(object, "cached_tokens", json_integer((json_int_t)session->n_cached));
    json_put(object, "prefill_seconds", json_real(session->prefill_seconds));
    json_put(object, "decode_seconds", json_real(session->decode_seconds));
    json_put(object, "saved_seconds_estimate", json_real(session->saved_seconds));
    json_put(object, "proposed", json_integer((json_int_t)session->proposed));
    json_put(object, "verified", json_integer((json_int_t)session->verified));
    json_put(object, "accepted", json_integer((json_int_t)session->accepted));
    json_put(object, "rejected", json_integer((json_int_t)session->rejected));
    json_put(object, "ignored", json_integer((json_int_t)session->ignored));
    json_put(object, "fallbacks", json_integer((json_int_t)session->fallbacks));
    return object;
}

json_t *stats_json(const struct stats_view *view)
{
    json_t *object = json_object();
    json_t *statistics = json_statistics(view->turn);

    if (view->info != NULL)
        json_put(object, "model", json_model(view->info));
    json_put(object, "policy", json_text(view->policy, strlen(view->policy)));
    json_put(object, "running", json_boolean(view->live));
    json_put(statistics, "speculation", json_policy_statistics(&view->turn->speculation));
    json_put(object, "statistics", statistics);
    json_put(object, "session", session_json(view->session));
    if (view->resident_bytes > 0)
        json_put(object, "resident_bytes", json_integer((json_int_t)view->resident_bytes));
    return object;
}
