/*
 * schedule.c - the learning rate of each step
 */
#include "engine/kernels/math.h"
#include "engine/train/optimizer.h"

double schedule_rate(const struct schedule *schedule, uint64_t step)
{
    const double pi = 0x1.921fb54442d18p+1;
    double share;

    if (step < schedule->warmup)
        return schedule->peak * (double)(step + 1) / (double)schedule->warmup;
    if (schedule->total <= schedule->warmup)
        return schedule->peak;
    share = (double)(step - schedule->warmup) / (double)(schedule->total - schedule->warmup);
    if (share > 1)
        share = 1;
    /* Loshchilov and Hutter, SGDR: half a cosine. */
    double height = 0.5 * (1 + math_cos64(pi * share));
    return schedule->peak * (schedule->floor_share + (1 - schedule->floor_share) * height);
}
