/*
 * kept_states.c - a few snapshots of earlier states, newest first
 */
#include "engine/run/kept_states.h"

#include <stdbool.h>
#include <string.h>
#include <unistd.h>

enum { SHARE_OF_MEMORY = 8 }; /* one part in so many */
static const uint64_t FALLBACK_BYTES = (uint64_t)1 << 30;

void kept_states_init(struct kept_states *kept)
{
    long pages = sysconf(_SC_PHYS_PAGES);
    long page_bytes = sysconf(_SC_PAGESIZE);

    memset(kept, 0, sizeof *kept);
    kept->most_bytes = pages > 0 && page_bytes > 0
                           ? (uint64_t)pages * (uint64_t)page_bytes / SHARE_OF_MEMORY
                           : FALLBACK_BYTES;
}

static void drop_oldest(struct kept_states *kept)
{
    snapshot_free(&kept->states[--kept->n_states]);
}

void kept_states_release(struct kept_states *kept)
{
    while (kept->n_states > 0)
        drop_oldest(kept);
}

static bool same_tokens(const struct snapshot *state, const struct session *session)
{
    uint32_t n = session_position(session);

    return snapshot_position(state) == n &&
           (n == 0 ||
            memcmp(snapshot_tokens(state), session_tokens(session), n * sizeof(int32_t)) == 0);
}

/* Move a kept state to the front. */
static void renew(struct kept_states *kept, size_t at)
{
    struct snapshot *state = kept->states[at];

    memmove(&kept->states[1], &kept->states[0], at * sizeof kept->states[0]);
    kept->states[0] = state;
}

static void drop_what_is_too_much(struct kept_states *kept)
{
    uint64_t bytes = 0;
    size_t fit = 0;

    while (fit < kept->n_states) {
        bytes += snapshot_bytes(kept->states[fit]);
        if (fit > 0 && bytes > kept->most_bytes)
            break;
        fit++;
    }
    while (kept->n_states > fit)
        drop_oldest(kept);
}

void kept_states_add(struct kept_states *kept, const struct session *session)
{
    struct snapshot *state = NULL;

    for (size_t i = 0; i < kept->n_states; i++)
        if (same_tokens(kept->states[i], session)) {
            renew(kept, i);
            return;
        }
    if (kept->n_states == KEPT_STATES)
        drop_oldest(kept);
    while (session_snapshot(session, &state, NULL) != STATUS_OK) {
        if (kept->n_states == 0)
            return;
        drop_oldest(kept);
    }
    memmove(&kept->states[1], &kept->states[0], kept->n_states * sizeof kept->states[0]);
    kept->states[0] = state;
    kept->n_states++;
    drop_what_is_too_much(kept);
}

static bool is_prefix(const int32_t *tokens, uint32_t n_tokens, const int32_t *ids, size_t most)
{
    return n_tokens <= most &&
           (n_tokens == 0 || memcmp(tokens, ids, n_tokens * sizeof *ids) == 0);
}

uint32_t kept_states_resume(struct kept_states *kept, struct session *session,
                            const int32_t *ids, size_t most)
{
    uint32_t own = session_position(session);
    bool own_fits = is_prefix(session_tokens(session), own, ids, most);
    uint32_t longest = own_fits ? own : 0;
    size_t best = kept->n_states;

    for (size_t i = 0; i < kept->n_states; i++) {
        uint32_t position = snapshot_position(kept->states[i]);
        if (position > longest &&
            is_prefix(snapshot_tokens(kept->states[i]), position, ids, most)) {
            longest = position;
            best = i;
        }
    }
    if (best < kept->n_states) {
        renew(kept, best);
        if (session_restore(session, kept->states[0], NULL) == STATUS_OK)
            return longest;
        own_fits = false; /* a failed restore says nothing of what is in the session */
    }
    if (!own_fits)
        session_reset(session);
    return session_position(session);
}
