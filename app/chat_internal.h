/*
 * chat_internal.h - the running chat, shared by the files that make it up
 *
 *   chat.c             life cycle; lines that were typed, and the queue of those that wait
 *   chat_request.c     asking, stopping, asking again
 *   chat_policy.c      the chosen decode policy
 *   chat_statistics.c  what /stats and the panel show
 *   chat_variants.c    /best, /keep
 *   compare*.c         two ways side by side: /ab, /abx
 *   loop.c             the one poll(): keys, engine events, signals
 *   bridge.c           engine events become blocks and status
 *   commands.c         the table of commands, completion; command_*.c hold the handlers
 *   welcome.c          the first words on the screen
 *   plain.c            the loop without a screen
 *   editor.c           the external editor
 *
 * At most one request runs in the engine; what is typed meanwhile waits in the queue.
 * Thread: the main thread, for everything here.
 */
#ifndef APP_CHAT_INTERNAL_H
#define APP_CHAT_INTERNAL_H

#include "app/chat.h"
#include "app/conversation.h"
#include "app/display.h"
#include "app/stats_text.h"
#include "config/config.h"
#include "engine/engine.h"

enum chat_state {
    CHAT_NO_MODEL, /* started without one */
    CHAT_LOADING,
    CHAT_READY,
    CHAT_LOAD_FAILED
};

/* What the running request is for; its events go to those who asked. */
enum chat_task { TASK_ANSWER, TASK_COMPARE, TASK_VARIANTS, TASK_CHECK };

/* What the engine said of the running or last answer, and of all of them. */
struct chat_statistics {
    struct engine_statistics turn;
    bool live, any;
    char policy[64];           /* name, of the answer */
    enum policy_source source; /* the last that had a token accepted */
    double rate_now;
    double history[STATS_HISTORY]; /* the oldest first */
    size_t n_history;
    double next_sample; /* chat_clock() */
    struct session_totals session;
    bool panel_of_session;
    double next_panel; /* chat_clock(); while it runs the panel is not made anew before */
};

/* Answers of /best, in the last exchange. */
struct chat_variants {
    size_t exchange, first, n; /* n 0: none */
    uint32_t blocks[ENGINE_MAX_LANES];
};

struct comparison;
struct blind_tally;
struct trace;

struct chat {
    struct config_store *store;     /* borrowed */
    const struct chat_start *start; /* borrowed */
    int signal_fd;
    struct display display;
    struct engine *engine; /* owned; NULL without a model */
    enum chat_state state;
    struct conversation conversation;
    struct message_queue queue;

    struct named_policy policy;        /* the chosen one */
    struct named_policy policy_before; /* of the running answer, before it was switched */
    struct trace *trace;               /* owned; NULL: none */
    char **menu_names;                 /* owned; of the menu of policies */
    size_t n_menu_names;

    uint64_t request; /* that runs; 0: none */
    enum chat_task task;
    bool stopping;    /* it was asked to stop */
    bool draft_works; /* its draft model is being opened, or reads */
    /* chat_clock() when the request, or the loading of weights, began; and its thinking. */
    double submitted, thinking_started;
    double stopped_time;   /* seconds that the process stood still, all together */
    uint32_t n_thinking;   /* tokens of its thinking so far */
    uint32_t answer_first; /* first block of the last answer, 0: none */
    uint32_t thinking_block, answer_block; /* that stream now; 0: none */

    struct ui_status status;
    bool status_changed;
    bool told_prefill; /* plain lines: reading the prompt was announced */
    double last_turn;  /* when the loop last ran, monotonic seconds */

    struct chat_statistics statistics;
    struct chat_variants variants;
    struct comparison *comparison;   /* owned; NULL: none, or its choice was made */
    struct blind_tally *blind_tally; /* owned; choices of /abx so far; NULL: none */
    uint32_t n_blind;                /* blind comparisons so far */
    uint32_t check_block;            /* of /selfcheck; 0: none */

    bool leaving, keys_ended;
    enum status load_failure;
};

/* chat.c */
double chat_seconds(void); /* monotonic */
/* The same without the time that the process stood still. */
double chat_clock(const struct chat *chat);
/* A line was accepted: a command, or a message that is sent or waits. */
void chat_line(struct chat *chat, const char *line, size_t n_bytes);
bool chat_busy(const struct chat *chat);
/* Stop the running answer; what it said stays. */
void chat_stop(struct chat *chat);
/* Forget the conversation and begin another one. */
void chat_new(struct chat *chat);
/*
 * Answer the last question again with another variant; the sampling values, seed (negative: the
 * conversation's) and thinking mode count for this answer only.
 */
void chat_regenerate(struct chat *chat, const struct answer_settings *settings);
/* Ask for one more answer to the last question. */
void chat_ask(struct chat *chat, const struct answer_settings *settings);
/* Show an answer that is over, as the last one. */
void chat_show_answer(struct chat *chat, const struct answer *answer);
/* A request is queued (its id is chat->request): the screen is busy with it from now on. */
void chat_request_began(struct chat *chat, enum chat_task task);
/* The running request is over, whatever it was for. */
void chat_request_over(struct chat *chat);
/* May something be asked now?  Otherwise an error was shown. */
bool chat_may_ask(struct chat *chat);
/* The same for what asks the last question again. */
bool chat_may_ask_again(struct chat *chat);
/* What the next answer would be asked with; system is borrowed from the settings. */
struct answer_settings chat_answer_settings(const struct chat *chat);
/* The request for an answer; the messages are the caller's to free. */
struct engine_request chat_request(const struct chat *chat, size_t exchange,
                                   const struct answer_settings *settings,
                                   struct chat_message **messages);
/* The running request is over: keep its answer, or drop it when it came to nothing. */
void chat_answer_over(struct chat *chat, enum answer_end end);
/* No more text comes for the blocks of the answer. */
void chat_finish_blocks(struct chat *chat);
/* Send the first waiting message if the model is free. */
void chat_send_waiting(struct chat *chat);
/* The end of the header: what waits or works, else what the model is. */
void chat_note(struct chat *chat);
/* The draft model is opened or reads, or that is over. */
void chat_draft_works(struct chat *chat, bool works);
/* Drop the messages that wait. */
void chat_forget_waiting(struct chat *chat);
/* The model is open, or never will be. */
void chat_loaded(struct chat *chat);
/* The process stood still for so long. */
void chat_stood_still(struct chat *chat, double seconds);
void chat_error(struct chat *chat, const struct error *error);

/* bridge.c */
void bridge_drain(struct chat *chat);
enum ui_mark mark_of(enum policy_source source);

/* chat_policy.c */
/* The policy that the program was started with. */
void chat_begin_policy(struct chat *chat);
/* A policy by name; false: an error was shown. */
bool chat_find_policy(struct chat *chat, const char *name, struct named_policy *policy);
/* Choose it, also for the running answer; false: an error was shown and the chosen one stays. */
bool chat_choose_policy(struct chat *chat, const char *name);
/* The running answer could not be switched to it after all: the one before is chosen again. */
void chat_policy_refused(struct chat *chat, const char *why);
/* Follow the setting `trace` while nothing runs; false: an error was shown. */
bool chat_open_trace(struct chat *chat);
/* The trace could not be written any more: say so, once. */
void chat_tell_trace(struct chat *chat);
/* Policy, draft and trace of a request. */
void chat_request_policy(const struct chat *chat, const struct named_policy *policy,
                         struct engine_request *request);
void chat_policy_menu(struct chat *chat);
void chat_policy_menu_chosen(struct chat *chat, int row);
void chat_policy_release(struct chat *chat);

/* chat_statistics.c */
void chat_statistics_begin(struct chat *chat, const char *policy);
void chat_statistics_prefill(struct chat *chat, const struct engine_event *event);
void chat_statistics_text(struct chat *chat, const struct engine_event *event);
void chat_statistics_policy(struct chat *chat, const struct policy_statistics *statistics);
void chat_statistics_done(struct chat *chat, const struct engine_statistics *statistics);
/* The policy's fields of the status line: of the chosen one and the last answer. */
void chat_status_policy(struct chat *chat);
/* Of another one; statistics NULL: none yet. */
void chat_status_show_policy(struct chat *chat, const char *name, enum policy_source source,
                             const struct policy_statistics *statistics);
struct stats_view chat_stats_view(const struct chat *chat);
/* Open the panel, or close it when it is open. */
void chat_panel_toggle(struct chat *chat);
/* Its text again, when it is open. */
void chat_panel_update(struct chat *chat);
void chat_panel_key(struct chat *chat, int key);

/* chat_variants.c */
void variants_ask(struct chat *chat, uint32_t n);
void variants_event(struct chat *chat, const struct engine_event *event);
void variants_keep(struct chat *chat, const char *which);

/* compare.c, compare_choice.c */
void compare_event(struct chat *chat, const struct engine_event *event);
/* A key of the split view. */
void compare_key(struct chat *chat, int key);
/* Keep one of the two ("A", "b", "1"); false: there is no comparison to choose in. */
bool compare_keep(struct chat *chat, const char *which);
/* Nothing is kept; the conversation is as it was. */
void compare_leave(struct chat *chat);

/* command_selfcheck.c */
void selfcheck_event(struct chat *chat, const struct engine_event *event);

/* loop.c */
void loop_run(struct chat *chat);
/* Turn after turn until no answer runs or loads (plain mode). */
void loop_until_idle(struct chat *chat);

/* welcome.c */
void welcome_show(struct chat *chat);

/* plain.c */
void plain_run(struct chat *chat);

/* editor.c: edit text in $VISUAL or $EDITOR; the screen is given away and taken back. */
void editor_run(struct chat *chat, const char *text, size_t n_bytes);

#endif
