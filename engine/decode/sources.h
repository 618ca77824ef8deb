/*
 * sources.h - asking one source for candidates
 */
#ifndef ENGINE_DECODE_SOURCES_H
#define ENGINE_DECODE_SOURCES_H

#include "engine/decode/cycle.h"

struct asking {
    struct decode *decode;
    const struct generation *generation;
    struct decode_cycle *cycle;
    uint32_t limit;
};

enum { NEARLY_THERE = 2 }; /* tokens for a draft to read that count as part of a proposal */

/* Candidates that the block may draft now; 0: it may not. */
uint32_t sources_mtp_wanted(const struct asking *asking);
/* Tokens that the draft has to read first. */
uint32_t sources_missing(struct decode *decode);
/*
 * Fill decode->proposal with at most `wanted` candidates, and tell auto what they cost.  Errors:
 * those of a draft model.
 */
enum status sources_ask(const struct asking *asking, enum policy_source source, uint32_t wanted,
                        struct error *error);

#endif
