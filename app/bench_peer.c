#include "app/bench_peer.h"
enum status bench_peer(struct model_bench *bench, struct error *error)
{
    (void)bench;
    return error_set(error, STATUS_UNSUPPORTED, "no peer yet");
}
void bench_peer_release(struct model_bench *bench)
{
    (void)bench;
}
void bench_peer_write(const struct model_bench *bench, struct output *output)
{
    (void)bench;
    (void)output;
}
json_t *bench_peer_json(const struct model_bench *bench)
{
    (void)bench;
    return json_null();
}
