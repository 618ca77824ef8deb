/*
 * proposals.h - what is proposed next, and what a source learns from the outcome
 */
#ifndef ENGINE_DECODE_PROPOSALS_H
#define ENGINE_DECODE_PROPOSALS_H

#include "engine/decode/cycle.h"

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
/* Off for `decay` plain tokens, or for good. */
void proposals_switch_off(struct decode *decode, enum policy_source source);
/* The source that was asked failed: off for this generation, and the error is said. */
void proposals_fail(struct decode *decode, struct decode_cycle *cycle, struct error *error);
/* No source any more in this generation. */
void proposals_disable(struct decode *decode);

#endif
