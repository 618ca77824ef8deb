#include "app/bench_profile.h"
enum status bench_profile(struct model_bench *bench, struct error *error)
{
    (void)bench;
    return error_set(error, STATUS_UNSUPPORTED, "no profile yet");
}
void bench_profile_release(struct model_bench *bench)
{
    (void)bench;
}
void bench_profile_write(const struct model_bench *bench, struct output *output)
{
    (void)bench;
    (void)output;
}
json_t *bench_profile_json(const struct model_bench *bench)
{
    (void)bench;
    return json_null();
}
