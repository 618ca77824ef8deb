/*
 * bench_peer.h - `banter bench --peer`: another engine on the same file, in turn with ours
 *
 * Thread: the main thread.
 */
#ifndef APP_BENCH_PEER_H
#define APP_BENCH_PEER_H

#include "app/bench_model.h"

/* Errors: FAILED (the peer is missing, fails, hangs or writes what is no result: told), CANCELLED. */
enum status bench_peer(struct model_bench *bench, struct error *error);
void bench_peer_release(struct model_bench *bench);
/* Nothing, or null, where it was not measured. */
void bench_peer_write(const struct model_bench *bench, struct output *output);
json_t *bench_peer_json(const struct model_bench *bench);

#endif
