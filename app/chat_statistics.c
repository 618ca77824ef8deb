/*
 * chat_statistics.c - what the engine says of an answer, for the status line, /stats and F2
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app/chat_internal.h"

#define PANEL_SECONDS 0.1 /* nobody reads numbers faster */

void chat_statistics_begin(struct chat *chat, const char *policy)
{
    struct chat_statistics *statistics = &chat->statistics;

    statistics->turn = (struct engine_statistics){0};
    statistics->live = statistics->any = true;
    statistics->source = POLICY_SOURCE_NONE;
    statistics->rate_now = 0;
    statistics->n_history = 0;
    statistics->next_sample = 0;
    snprintf(statistics->policy, sizeof statistics->policy, "%s", policy);
    chat_status_policy(chat);
}

void chat_statistics_prefill(struct chat *chat, const struct engine_event *event)
{
    struct engine_statistics *turn = &chat->statistics.turn;

    if (event->prefill.draft)
        return;
    turn->n_cached = event->prefill.cached;
    turn->n_prompt = event->prefill.cached + event->prefill.total;
    turn->n_prefilled = event->prefill.done;
    if (event->prefill.rate > 0)
        turn->prefill = event->prefill.done / event->prefill.rate;
}

/* One sample a second; the oldest goes. */
static void sample(struct chat_statistics *statistics, double now)
{
    if (now < statistics->next_sample || statistics->rate_now <= 0)
        return;
    statistics->next_sample = now + 1;
    if (statistics->n_history == STATS_HISTORY)
        memmove(statistics->history, statistics->history + 1,
                --statistics->n_history * sizeof statistics->history[0]);
    statistics->history[statistics->n_history++] = statistics->rate_now;
}

void chat_statistics_text(struct chat *chat, const struct engine_event *event)
{
    struct chat_statistics *statistics = &chat->statistics;
    struct engine_statistics *turn = &statistics->turn;

    if (turn->n_generated == 0)
        turn->first_token = chat_clock(chat) - chat->submitted;
    turn->n_generated = event->text.n_tokens;
    turn->rate = event->text.rate_average;
    if (turn->rate > 0 && turn->n_generated > 0)
        turn->decode = (turn->n_generated - 1) / turn->rate;
    statistics->rate_now = event->text.rate_now;
    if (event->text.source != POLICY_SOURCE_NONE)
        statistics->source = event->text.source;
    sample(statistics, chat_clock(chat));
}

void chat_statistics_policy(struct chat *chat, const struct policy_statistics *statistics)
{
    chat->statistics.turn.speculation = *statistics;
    chat_status_policy(chat);
}

void chat_statistics_done(struct chat *chat, const struct engine_statistics *statistics)
{
    chat->statistics.turn = *statistics;
    chat->statistics.live = false;
    session_totals_add(&chat->statistics.session, statistics);
    chat_status_policy(chat);
}

/* Of a policy that has several sources, the one that works now. */
static enum policy_source source_at_work(const struct chat *chat)
{
    const struct chat_statistics *statistics = &chat->statistics;
    const struct policy_settings *settings = &chat->policy.settings;
    bool several = settings->kind == POLICY_AUTO || settings->n_sources > 1;

    return several && statistics->any ? statistics->source : POLICY_SOURCE_NONE;
}

void chat_status_show_policy(struct chat *chat, const char *name, enum policy_source source,
                             const struct policy_statistics *s)
{
    struct ui_status *status = &chat->status;

    chat->status_changed = true;
    snprintf(status->policy, sizeof status->policy, "%.30s%s%s", name,
             source != POLICY_SOURCE_NONE ? ">" : "",
             source != POLICY_SOURCE_NONE ? policy_source_name(source) : "");
    status->policy_state[0] = status->policy_reason[0] = '\0';
    status->acceptance = -1;
    status->mean_length = status->speedup = 0;
    status->speedup_age = 0;
    if (s == NULL)
        return;
    snprintf(status->policy_state, sizeof status->policy_state, "%s",
             policy_state_name(s->state));
    snprintf(status->policy_reason, sizeof status->policy_reason, "%s", s->reason);
    if (s->verified > 0)
        status->acceptance = policy_acceptance(s);
    status->mean_length = policy_mean_length(s);
    status->speedup = policy_speedup(s);
    status->speedup_age = s->plain_age < UINT32_MAX ? (uint32_t)s->plain_age : UINT32_MAX;
}

void chat_status_policy(struct chat *chat)
{
    const struct chat_statistics *statistics = &chat->statistics;
    /* Figures of an answer by another policy would say nothing of the one that comes next. */
    bool its_own = statistics->any &&
                   (statistics->live || strcmp(statistics->policy, chat->policy.name) == 0);

    chat_status_show_policy(chat, chat->policy.name,
                            its_own ? source_at_work(chat) : POLICY_SOURCE_NONE,
                            its_own ? &statistics->turn.speculation : NULL);
}

/* The source of the last answer, where its policy chooses among several. */
static enum policy_source source_of_turn(const struct chat *chat)
{
    const struct chat_statistics *statistics = &chat->statistics;

    if (statistics->live)
        return source_at_work(chat);
    return statistics->turn.policy == POLICY_AUTO ? statistics->source : POLICY_SOURCE_NONE;
}

/* Memory of this process that is resident; 0: not known. */
static uint64_t resident_bytes(void)
{
    unsigned long long size, resident;
    FILE *file = fopen("/proc/self/statm", "re");

    if (file == NULL)
        return 0;
    int n_read = fscanf(file, "%llu %llu", &size, &resident);
    fclose(file);
    return n_read == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

struct stats_view chat_stats_view(const struct chat *chat)
{
    const struct chat_statistics *statistics = &chat->statistics;

    return (struct stats_view){
        .policy = statistics->any ? statistics->policy : chat->policy.name,
        .source = source_of_turn(chat),
        .live = statistics->live,
        .turn = &statistics->turn,
        .rate_now = statistics->rate_now,
        .history = statistics->history,
        .n_history = statistics->n_history,
        .session = &statistics->session,
        .info = chat->state == CHAT_READY ? engine_info(chat->engine) : NULL,
        .resident_bytes = resident_bytes(),
        .position = chat->status.position,
        .n_context = chat->status.n_context,
        .columns = display_columns(&chat->display) - 4,
    };
}

/* The panel ---------------------------------------------------------------------------------- */

static void show_panel(struct chat *chat)
{
    struct stats_view view = chat_stats_view(chat);
    bool session = chat->statistics.panel_of_session;
    struct text_buffer text = {0};

    view.columns = ui_panel_columns(chat->display.ui);
    if (session)
        stats_session_text(&view, &text);
    else if (!chat->statistics.any)
        text_add(&text, "There is no answer yet.");
    else
        stats_turn_text(&view, &text);
    ui_panel_show(chat->display.ui, session ? "statistics: session" : "statistics: last answer",
                  text_string(&text),
                  session ? "s last answer  q close" : "s session  q close");
    text_release(&text);
}

void chat_panel_toggle(struct chat *chat)
{
    if (chat->display.ui == NULL)
        return;
    if (ui_panel_open(chat->display.ui))
        ui_panel_close(chat->display.ui);
    else
        show_panel(chat);
}

void chat_panel_update(struct chat *chat)
{
    double now = chat_clock(chat);

    if (chat->display.ui == NULL || !ui_panel_open(chat->display.ui) ||
        (chat->statistics.live && now < chat->statistics.next_panel))
        return;
    chat->statistics.next_panel = now + PANEL_SECONDS;
    show_panel(chat);
}

void chat_panel_key(struct chat *chat, int key)
{
    if (key == 's' || key == 'S')
        chat->statistics.panel_of_session = !chat->statistics.panel_of_session;
    if (key == 'q')
        ui_panel_close(chat->display.ui);
    else
        show_panel(chat);
}
