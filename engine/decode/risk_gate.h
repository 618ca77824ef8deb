/*
 * risk_gate.h - does a proposal look like one that runs past the end of a repetition?
 *
 * Structured text (tables, addresses, YAML) repeats its beginning and then differs; the shape of
 * the candidates tells.  A gate changes the speed alone.  The rules and their numbers are those
 * of cogni-ml's n-gram policy, measured there on a 27B model.
 */
#ifndef ENGINE_DECODE_RISK_GATE_H
#define ENGINE_DECODE_RISK_GATE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Why a proposal is risky; NULL: it is not.  n at most POLICY_MAX_CANDIDATES; match_length: tokens
 * that were found again; min_size: what counts as a long proposal; tightened: the later rules too.
 */
const char *risk_of(const int32_t *candidates, uint32_t n, uint32_t match_length,
                    uint32_t min_size, bool tightened);

struct corridor {
    uint32_t min_size, match_length;
    double lag4, lag8, entropy;
};

/* Is the proposal long enough, and does its match, its repetition or its monotony speak for it? */
bool corridor_holds(const int32_t *candidates, uint32_t n, uint32_t match_length,
                    const struct corridor *corridor);

#endif
