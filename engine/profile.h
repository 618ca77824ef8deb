/*
 * profile.h - where the time of passes goes, by stage and kind of layer
 *
 * A session that has a profile adds to it what its passes take.  Every parallel section of a pass
 * belongs to one stage; its time is that of the session's thread from before the section to behind
 * its barrier, so that the stages of a pass add up to the pass.  `waiting` is the part of that time
 * in which the session's thread had nothing left to compute and waited for the others: the cost
 * of barriers and of uneven shares, counted once more beside the stages.
 *
 * Thread: the session's.
 */
#ifndef ENGINE_PROFILE_H
#define ENGINE_PROFILE_H

#include <stdint.h>

#include "engine/session.h"

enum profile_stage {
    PROFILE_EMBEDDING,   /* rows of the table, angles */
    PROFILE_NORM,        /* norms, and the quantising of rows for the products behind them */
    PROFILE_INPUT,       /* products into attention or delta rule (qkv, gate, alpha, beta) */
    PROFILE_CONVOLUTION, /* with the norms of keys and queries, decay and beta */
    PROFILE_DELTA,       /* the recurrence, with the gated norm of its heads */
    PROFILE_ROTARY,      /* norms and rotation of queries and keys, K and V stored */
    PROFILE_ATTENTION,   /* with its output gate */
    PROFILE_OUTPUT,      /* product out of attention or delta rule, added to the residual */
    PROFILE_FFN_UP,      /* gate and up with SwiGLU */
    PROFILE_FFN_DOWN,    /* down, added to the residual */
    PROFILE_HEAD,        /* logits, or what the head strategy finds in them */
    PROFILE_SAMPLER,
    PROFILE_STAGE_COUNT
};

/* Layers of a kind; what belongs to no layer (embedding, head, sampler) is PROFILE_MODEL. */
enum profile_layer { PROFILE_MODEL, PROFILE_RECURRENT, PROFILE_FULL, PROFILE_LAYER_COUNT };

struct profile {
    double seconds[PROFILE_LAYER_COUNT][PROFILE_STAGE_COUNT];
    double waiting[PROFILE_LAYER_COUNT][PROFILE_STAGE_COUNT];
    uint64_t sections[PROFILE_LAYER_COUNT][PROFILE_STAGE_COUNT]; /* parallel ones: barriers */
    uint64_t passes, rows;
    double pass_seconds; /* of whole passes; what no stage covers is between the sections */
};

/* "embedding", "norm", "input", ... */
const char *profile_stage_name(enum profile_stage stage);
/* "model", "recurrent", "attention" */
const char *profile_layer_name(enum profile_layer layer);

/*
 * From now on add to *profile (borrowed until it is replaced, or the session freed); NULL: stop.
 * Costs two readings of the clock for a section.
 */
void session_set_profile(struct session *session, struct profile *profile);

#endif
