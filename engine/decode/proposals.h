/*
 * proposals.h - what is proposed next, and what a source learns from the outcome
 */
#ifndef ENGINE_DECODE_PROPOSALS_H
#define ENGINE_DECODE_PROPOSALS_H

#include "engine/decode/decode.h"

/* One pass, as it is being made. */
struct decode_cycle {
    struct policy_cycle told;
    char reason[96];
};

/* A generation begins: the text is in the index, sources are on. */
void proposals_begin(struct decode *decode);
/*
 * Fill decode->proposal, unless it has candidates left: at most `limit`.  Sets state and reason of
 * the cycle.  Errors: those of a draft model.
 */
enum status proposals_next(struct decode *decode, const struct generation *generation,
                           uint32_t limit, struct decode_cycle *cycle, struct error *error);
/* The proposal ended: n_accepted candidates; rejected: the next one was not right. */
void proposals_settle(struct decode *decode, uint32_t n_accepted, bool rejected);
/* A plain step showed a token. */
void proposals_cool(struct decode *decode);
/* The settings that were asked for take effect, if there are any. */
void proposals_switch(struct decode *decode);
/* No source any more in this generation. */
void proposals_disable(struct decode *decode);
double decode_now(const struct decode *decode);

#endif
