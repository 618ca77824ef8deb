/*
 * chat_internal.h - the running chat, shared by the files that make it up
 *
 *   chat.c      life cycle; sending, stopping, queueing, asking again
 *   loop.c      the one poll(): keys, engine events, signals
 *   bridge.c    engine events become blocks and status
 *   commands.c  the table of commands, completion; command_*.c hold the handlers
 *   welcome.c   the first words on the screen
 *   plain.c     the loop without a screen
 *   editor.c    the external editor
 *
 * At most one request runs in the engine; what is typed meanwhile waits in the queue.
 * Thread: the main thread, for everything here.
 */
#ifndef APP_CHAT_INTERNAL_H
#define APP_CHAT_INTERNAL_H

#include "app/chat.h"
#include "app/conversation.h"
#include "app/display.h"
#include "config/config.h"
#include "engine/engine.h"

enum chat_state {
    CHAT_NO_MODEL, /* started without one */
    CHAT_LOADING,
    CHAT_READY,
    CHAT_LOAD_FAILED
};

struct chat {
    struct config_store *store;     /* borrowed */
    const struct chat_start *start; /* borrowed */
    int signal_fd;
    struct display display;
    struct engine *engine; /* owned; NULL without a model */
    enum chat_state state;
    struct conversation conversation;
    struct message_queue queue;

    uint64_t request; /* that runs; 0: none */
    bool stopping;    /* it was asked to stop */
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
/* Drop the messages that wait. */
void chat_forget_waiting(struct chat *chat);
/* The model is open, or never will be. */
void chat_loaded(struct chat *chat);
/* The process stood still for so long. */
void chat_stood_still(struct chat *chat, double seconds);
void chat_error(struct chat *chat, const struct error *error);

/* bridge.c */
void bridge_drain(struct chat *chat);

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
