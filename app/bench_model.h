/*
 * bench_model.h - `banter bench model`: what its parts share
 *
 * Each part adds its figures; bench_model.c takes them in turns, round by round.
 *
 * Thread: the main thread.
 */
#ifndef APP_BENCH_MODEL_H
#define APP_BENCH_MODEL_H

#include "app/bench_figures.h"
#include "app/bench_limits.h"
#include "app/load_watch.h"
#include "engine/lanes.h"
#include "engine/profile.h"

enum bench_part {
    PART_LOAD,
    PART_FIRST_TOKEN,
    PART_PREFILL,
    PART_DECODE,
    PART_VERIFY,
    PART_LANES,
    PART_STATE,
    PART_HEAD,
    PART_MODES,
    PART_PROFILE,
    PART_PEER,
    PART_COUNT
};

/* Bytes of this process in memory. */
struct resident {
    uint64_t before, open,
        most;       /* before the model; with a session that worked; while opening */
    uint64_t state; /* what that session says of its own */
};

struct model_bench {
    const struct invocation *invocation;
    const char *path; /* of the model file */
    bool parts[PART_COUNT];
    bool quick, require_quiet, fixed_rounds;
    uint64_t n_rounds, n_tokens; /* n_tokens 0: chosen */
    uint64_t peer_seconds;       /* that a run of the peer may take */

    struct limits limits;
    struct machine *machine; /* owned; freed before what it would stand in the way of */
    struct machine_moment moment;
    double moment_at;
    struct load_watch watch;

    struct figures opening, figures; /* taken before the model is open for good, and then */
    struct resident resident;
    bool dropped;       /* the file left the system's cache when it was asked to */
    double cached_most; /* else: the share that stayed */

    struct model *model;              /* owned */
    struct session *session;          /* owned */
    struct snapshot *start;           /* owned; some tokens deep */
    struct session *lanes[LANES_MAX]; /* the first is the session, the others are owned */
    struct snapshot *system, *prompt; /* owned; behind the parts of a prompt */
    float *logits;                    /* owned; [LANES_MAX][n_vocab] */
    int32_t *tokens;                  /* owned; [n_made] */
    uint32_t n_made;
    double step_seconds;   /* of a plain step, about */
    double lane_seconds;   /* of a step of one sequence, in this round */
    double decode_seconds; /* of decoding at depth 0, in this round */
    double fresh_seconds;  /* of a prompt that is read as a whole, in this round */
    uint64_t kv_bytes;     /* of a position */

    struct profile *profiles; /* owned by bench_profile.c */
    struct peer_run *peer;    /* owned by bench_peer.c */
    bool cancelled;
};

double bench_seconds_now(void);
/* The model's file opened as the settings say. */
enum status bench_open_file(const struct model_bench *bench, struct model **model,
                            struct error *error);
/* Does a position fit the session? */
bool bench_has_room(const struct model_bench *bench, uint32_t n_positions);

/* Seconds of reading a prompt of n tokens, and of n steps behind `depth` tokens. */
enum status bench_time_prefill(struct model_bench *bench, uint32_t n, uint32_t depth,
                               double *seconds, struct error *error);
enum status bench_time_decode(struct model_bench *bench, uint32_t n, uint32_t depth,
                              double *seconds, struct error *error);

/* The figures of each part. */
void bench_add_opening(struct model_bench *bench);
void bench_add_passes(struct model_bench *bench);
void bench_add_states(struct model_bench *bench);

/* All that was measured; context: struct model_bench. */
void bench_model_write(const void *context, struct output *output);
json_t *bench_model_json(const void *context);

/* Of this process, from /proc/self/status; 0: the system does not say. */
uint64_t bench_resident_bytes(bool most);
/* From now on count the most anew. */
void bench_resident_reset(void);

#endif
