#include "app/bench_curves.h"
void bench_curves_write(const struct model_bench *bench, struct output *output)
{
    (void)bench;
    (void)output;
}
