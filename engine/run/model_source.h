/*
 * model_source.h - the inside of the source that answers from a model
 *
 * Thread: the engine thread, after loading; the screen's reads model.
 */
#ifndef ENGINE_RUN_MODEL_SOURCE_H
#define ENGINE_RUN_MODEL_SOURCE_H

#include "engine/run/byte_buffer.h"
#include "engine/run/draft_model.h"
#include "engine/run/kept_states.h"
#include "engine/run/source.h"

struct model_source {
    struct engine_source base;
    char *path, *template_name; /* owned; template_name may be NULL */
    char *weights_cache_folder; /* owned; may be NULL */
    struct engine_options options;
    struct model *model;      /* owned */
    struct session *session;  /* owned; borrows model */
    struct draft_model draft; /* what was wanted last */
    struct policy *policy;    /* owned; of session; keeps what it measures */
    bool drafts;              /* the policy has draft.session */
    struct kept_states kept;
    struct byte_buffer answer, answer_ids; /* of the last request */
    size_t n_stable;                       /* ids of its prompt that history keeps */
    bool answered;                         /* it got as far as a token */
};

/* One request while it is answered. */
struct answering {
    struct model_source *source;
    const struct run_link *link;
    const struct run_request *request;
    struct engine_statistics *statistics;
    struct chat_prompt prompt;
    int64_t prefill_begin;
    uint32_t prefill_base; /* new tokens that earlier evaluations have consumed */
    uint32_t prefill_total;
    bool prefilled;
    int64_t draft_begin; /* of what a draft reads now; 0: nothing */
};

/* One answer on its way from tokens to events: the request's, or a lane's. */
struct speaker {
    struct answering *answering;
    uint32_t lane, round;
    struct policy *policy; /* NULL: its figures are not told */
    struct chat_splitter *splitter;
    struct meter meter;
    struct byte_buffer tokens; /* int32_t; all of the answer, if keeps_tokens */
    bool keeps_tokens;
    int64_t policy_told;  /* when its figures were pushed last */
    int32_t end_thinking; /* the token that ends a thinking block, or -1 */
    bool thinking;        /* the next token belongs to the thinking block */
    bool ended_by_budget;
    bool no_memory;
};

double answering_since(const struct answering *answering, int64_t begin);
/* The prompt is read, and the choice behind it known. */
void answering_prefilled(struct answering *answering, int64_t now);
/* Cancel and progress of what the model reads. */
struct session_hooks answering_hooks(struct answering *answering);

/* model_answer.c: engine_source_functions.answer. */
enum status model_answer(struct engine_source *base, const struct run_link *link,
                         const struct run_request *request, struct run_outcome *outcome,
                         struct error *error);
/*
 * All of the prompt that is not known goes into the session, up to the tags that open the answer;
 * at least one token is left for generation, which wants its logits.
 */
enum status answering_prefill(struct answering *answering, struct error *error);

/* speaker.c: submitted: what its first token is timed from. */
enum status speaker_init(struct speaker *speaker, struct answering *answering,
                         int64_t submitted, struct error *error);
void speaker_release(struct speaker *speaker);
/* A sink of struct generation; context: the speaker. */
bool speaker_take(void *context, int32_t id, const int32_t **forced, size_t *n_forced);
/* The last bytes.  Errors: NO_MEMORY: a part of the text is missing. */
enum status speaker_finish(struct speaker *speaker, struct error *error);

/*
 * model_policy.c: the policy's settings, and the draft model if they want one; it is opened here
 * (ENGINE_LOADING).  On failure the policy is what it was.
 */
enum status model_policy_set(const struct answering *answering,
                             const struct policy_settings *settings, const char *draft_path,
                             struct error *error);
/* A policy that was left for the running answer, between two of its tokens. */
void model_policy_follow_switch(struct speaker *speaker);
/* A new answer: figures from nought, who hears of passes and of a draft's reading. */
void model_policy_begin(struct answering *answering);
void model_policy_end(struct model_source *source);
/* The draft's session to the longest state it knows of the prompt. */
void model_policy_resume_draft(struct model_source *source, const struct chat_prompt *prompt);
/* Ahead of the answer: all of the prompt but its last token (ENGINE_PREFILL). */
enum status model_policy_read_draft(struct answering *answering, struct error *error);
/* Idle work: the draft reads what history keeps of the prompt, and the answer in it. */
void model_policy_settle_draft(struct model_source *source, const struct chat_prompt *history,
                               const atomic_bool *interrupt);

/*
 * model_lanes.c: all lanes of a request, after its prompt is in the session all but for the last
 * token.
 */
enum status model_lanes_answer(struct answering *answering, struct run_outcome *outcome,
                               struct error *error);

#endif
