/*
 * engine_settings.c - the settings of a person as the engine takes them
 */
#include "app/engine_settings.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "app/builtin_model.h"

const char *weights_cache_folder(void)
{
    static char folder[4096];
    size_t n;

    if (!config_folder_cache(folder, sizeof folder))
        return NULL;
    n = strlen(folder);
    return snprintf(folder + n, sizeof folder - n, "/weights") < (int)(sizeof folder - n)
               ? folder
               : NULL;
}

static enum weights_cache_mode weights_cache_setting(const struct config *config)
{
    if (config->weights_cache != NULL && strcmp(config->weights_cache, "on") == 0)
        return WEIGHTS_CACHE_ON;
    if (config->weights_cache != NULL && strcmp(config->weights_cache, "off") == 0)
        return WEIGHTS_CACHE_OFF;
    return WEIGHTS_CACHE_AUTO;
}

enum status engine_settings(const struct config_store *store, struct engine_options *options,
                            struct error *error)
{
    const struct config *config = config_values(store);

    *options = (struct engine_options){
        .model_path = model_choice(store).path,
        .template_name = config->template_name,
        .n_threads = (int)config->threads,
        .n_context = (uint32_t)config->context,
        .kv = config->kv != NULL && strcmp(config->kv, "f32") == 0 ? KV_F32 : KV_F16,
        .chunk = (uint32_t)config->chunk,
        .weights_cache = weights_cache_setting(config),
        .weights_cache_folder = weights_cache_folder(),
    };
    if (!kernel_level_choose(config->cpu, &options->level))
        return error_set(error, STATUS_USAGE, "no kernel level is called \"%s\"", config->cpu);
    return STATUS_OK;
}

struct sampling_choice sampling_settings(const struct config_store *store)
{
    static const struct {
        const char *key;
        enum sampling_field field;
    } fields[] = {
        {"temperature", SAMPLING_TEMPERATURE},
        {"top_k", SAMPLING_TOP_K},
        {"top_p", SAMPLING_TOP_P},
        {"min_p", SAMPLING_MIN_P},
        {"presence_penalty", SAMPLING_PRESENCE},
        {"frequency_penalty", SAMPLING_FREQUENCY},
        {"repetition_penalty", SAMPLING_REPETITION},
    };
    const struct config *config = config_values(store);
    struct sampling_choice choice = {
        .values =
            {
                .temperature = (float)config->temperature,
                .top_k = (int32_t)config->top_k,
                .top_p = (float)config->top_p,
                .min_p = (float)config->min_p,
                .presence_penalty = (float)config->presence_penalty,
                .frequency_penalty = (float)config->frequency_penalty,
                .repetition_penalty = (float)config->repetition_penalty,
            },
    };

    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        if (config_given(store, fields[i].key))
            choice.given |= (uint32_t)fields[i].field;
    }
    return choice;
}

void sampling_overlay(struct sampling_choice *choice, const struct sampling_choice *more)
{
    const struct sampling *from = &more->values;
    struct sampling *to = &choice->values;

    if (more->given & SAMPLING_TEMPERATURE)
        to->temperature = from->temperature;
    if (more->given & SAMPLING_TOP_K)
        to->top_k = from->top_k;
    if (more->given & SAMPLING_TOP_P)
        to->top_p = from->top_p;
    if (more->given & SAMPLING_MIN_P)
        to->min_p = from->min_p;
    if (more->given & SAMPLING_PRESENCE)
        to->presence_penalty = from->presence_penalty;
    if (more->given & SAMPLING_FREQUENCY)
        to->frequency_penalty = from->frequency_penalty;
    if (more->given & SAMPLING_REPETITION)
        to->repetition_penalty = from->repetition_penalty;
    choice->given |= more->given;
}

enum thinking_mode thinking_setting(const struct config *config)
{
    if (config->think != NULL && strcmp(config->think, "on") == 0)
        return THINKING_ON;
    if (config->think != NULL && strcmp(config->think, "off") == 0)
        return THINKING_OFF;
    return THINKING_DEFAULT;
}

uint64_t seed_setting(const struct config *config)
{
    uint32_t seed;
    struct timespec now;

    if (config->seed >= 0)
        return (uint64_t)config->seed;
    if (getrandom(&seed, sizeof seed, 0) == (ssize_t)sizeof seed)
        return seed;
    /* A kernel without getrandom(): another seed each time is all that is needed. */
    clock_gettime(CLOCK_REALTIME, &now);
    return (uint32_t)now.tv_nsec * 2654435761u ^ (uint32_t)now.tv_sec;
}
