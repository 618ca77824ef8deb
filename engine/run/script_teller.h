/*
 * script_teller.h - one answer of the scripted engine, told step by step
 *
 * Thread: the engine thread.
 */
#ifndef ENGINE_RUN_SCRIPT_TELLER_H
#define ENGINE_RUN_SCRIPT_TELLER_H

#include "engine/run/byte_buffer.h"
#include "engine/run/script.h"
#include "engine/run/source.h"

/* What all answers to a request share; borrows all of it. */
struct script_scene {
    const struct run_link *link;
    const struct run_request *request;
    const struct script_step *steps; /* [n_steps], of the answer */
    size_t n_steps;
    const struct script *script;
    uint32_t position; /* behind the prompt */
    /* Opens a draft model that settings want.  Errors: it cannot be had. */
    enum status (*have_draft)(void *context, const struct script_scene *scene,
                              const struct policy_settings *settings, const char *path,
                              struct error *error);
    void *context;
};

/* Passes of a policy that proposes. */
struct script_passes {
    enum policy_source source;
    uint32_t percent, credit; /* candidates accepted of a hundred; what is owed to that */
    uint32_t left;            /* accepted tokens of this pass that are still to come */
    bool is_open;             /* and behind them the choice of the model */
    bool is_bonus;
};

struct script_teller {
    const struct script_scene *scene;
    uint32_t lane, round;
    bool has_policy; /* its figures are told */
    struct meter meter;
    struct policy_settings settings;
    struct policy_statistics speculation;
    struct script_passes passes;
    const struct script_step *state; /* what the policy says of itself; NULL: as it is */
    int64_t policy_told;
    struct byte_buffer tokens; /* int32_t; a hash of each */
    uint32_t position;
    uint32_t rate, split;
    int64_t due;     /* when the next token may come */
    size_t step, at; /* the next step, bytes of it that are told, */
    uint32_t times;  /* and how often it is told already */
    enum stop_reason reason;
    bool ended; /* reason is set */
    bool no_memory;
};

bool script_stopped(const struct script_scene *scene);
/* At most some milliseconds. */
void script_sleep(int64_t due);
/* false: cancelled. */
bool script_wait(const struct script_scene *scene, int64_t due);
/* Does a step only say how others are told? */
bool script_is_setting(enum script_step_kind kind);

void script_teller_init(struct script_teller *teller, const struct script_scene *scene,
                        const struct engine_lane *lane, int64_t submitted);
void script_teller_release(struct script_teller *teller); /* of all zero, too */
/* One more token, or the end. */
enum status script_teller_go_on(struct script_teller *teller, struct error *error);
void script_teller_statistics(struct script_teller *teller,
                              struct engine_statistics *statistics);
/* script_lanes.c: all lanes of the request, the prompt having been told.  CANCELLED: stopped. */
enum status script_lanes_answer(const struct script_scene *scene, struct run_outcome *outcome,
                                struct error *error);

#endif
