/*
 * cycle.h - one pass of the target, as it is made and as it is told
 */
#ifndef ENGINE_DECODE_CYCLE_H
#define ENGINE_DECODE_CYCLE_H

#include "engine/decode/decode.h"

struct decode_cycle {
    struct policy_cycle told;
    char reason[96];
};

struct decode_rows {
    struct head_row *rows;
    uint32_t n;          /* the pending token and candidates */
    uint32_t n_consumed; /* rows that lead to the last token given */
    uint32_t n_accepted, n_emitted;
    bool rejected;
    bool dropped; /* the proposal ends here, whatever is left of it */
};

/* State and reason of the cycle. */
void cycle_say(struct decode_cycle *cycle, enum policy_state state, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The candidate at hand was compared with a choice. */
void cycle_count(struct decode *decode, bool accepted);
/* auto's account, also for a later switch to it; what the draft cost is in it already. */
void cycle_book(struct decode *decode, const struct decode_cycle *cycle,
                const struct decode_rows *rows, uint32_t n_rows, double seconds);
/*
 * The statistics, then the trace.  n_verified: candidates that were computed or compared; seconds
 * of the pass; rollback: of keeping the rows that count.
 */
void cycle_tell(struct decode *decode, struct decode_cycle *cycle,
                const struct decode_rows *rows, uint32_t n_verified, double seconds,
                double rollback);

#endif
