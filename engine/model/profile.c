/*
 * profile.c - names of what a profile holds
 */
#include "engine/profile.h"

const char *profile_stage_name(enum profile_stage stage)
{
    static const char *const names[] = {
        [PROFILE_EMBEDDING] = "embedding",
        [PROFILE_NORM] = "norm",
        [PROFILE_INPUT] = "input",
        [PROFILE_CONVOLUTION] = "convolution",
        [PROFILE_DELTA] = "delta rule",
        [PROFILE_ROTARY] = "rotary",
        [PROFILE_ATTENTION] = "attention",
        [PROFILE_OUTPUT] = "output",
        [PROFILE_FFN_UP] = "feed-forward up",
        [PROFILE_FFN_DOWN] = "feed-forward down",
        [PROFILE_HEAD] = "head",
        [PROFILE_SAMPLER] = "sampler",
    };

    return stage < PROFILE_STAGE_COUNT ? names[stage] : "";
}

const char *profile_layer_name(enum profile_layer layer)
{
    static const char *const names[] = {"model", "recurrent", "attention"};

    return layer < PROFILE_LAYER_COUNT ? names[layer] : "";
}
