/*
 * sampling_defaults.c - the settings that a model was released with
 */
#include "engine/sampling.h"

#include "engine/file/gguf.h"
#include "engine/model/model_internal.h"

#include <stddef.h>

/* Without a word from the file or its family: mild, safe on any model. */
static const struct sampling PLAIN = {
    .temperature = 0.8f,
    .top_k = 40,
    .top_p = 0.95f,
    .min_p = 0.05f,
    .repetition_penalty = 1,
};

/* Model cards of Qwen3.5, general text: [small][thinking].  Small: 0.8B and 2B. */
static const struct sampling QWEN35[2][2] = {
    {
        {.temperature = 0.7f,
         .top_k = 20,
         .top_p = 0.8f,
         .presence_penalty = 1.5f,
         .repetition_penalty = 1},
        {.temperature = 1,
         .top_k = 20,
         .top_p = 0.95f,
         .presence_penalty = 1.5f,
         .repetition_penalty = 1},
    },
    {
        {.temperature = 1,
         .top_k = 20,
         .top_p = 1,
         .presence_penalty = 2,
         .repetition_penalty = 1},
        {.temperature = 1,
         .top_k = 20,
         .top_p = 0.95f,
         .presence_penalty = 1.5f,
         .repetition_penalty = 1},
    },
};

static const uint64_t SMALL_PARAMETERS = 3000000000;
static const uint32_t QWEN35_VOCABULARY = 248000; /* a model of that shape with another
                                                     vocabulary was trained by others */

static struct sampling family(const struct model *model, bool thinking)
{
    const struct model_info *info = model_info(model);

    if (info->n_vocab < QWEN35_VOCABULARY)
        return PLAIN;
    return QWEN35[info->n_parameters < SMALL_PARAMETERS][thinking];
}

/* A key of any number type, if it is in range; what is not is as good as absent. */
static void file_float(const struct gguf *file, const char *name, float minimum, float maximum,
                       float *out)
{
    uint32_t whole;
    float value;

    if (gguf_get_f32(file, name, &value, NULL) != STATUS_OK) {
        if (gguf_get_u32(file, name, &whole, NULL) != STATUS_OK)
            return;
        value = (float)whole;
    }
    if (value >= minimum && value <= maximum)
        *out = value;
}

static void file_settings(const struct gguf *file, struct sampling *out)
{
    float top_k = (float)out->top_k;

    file_float(file, "general.sampling.temp", 0, 5, &out->temperature);
    file_float(file, "general.sampling.top_k", 0, 1 << 24, &top_k);
    file_float(file, "general.sampling.top_p", 1e-6f, 1, &out->top_p);
    file_float(file, "general.sampling.min_p", 0, 0.999999f, &out->min_p);
    file_float(file, "general.sampling.penalty_repeat", 1e-6f, 10, &out->repetition_penalty);
    out->top_k = (int32_t)top_k;
}

struct sampling sampling_for_model(const struct model *model, bool thinking,
                                   const struct sampling_choice *choice)
{
    struct sampling s = family(model, thinking);
    const uint32_t given = choice ? choice->given : 0;

    file_settings(model_file(model), &s);
    if (given & SAMPLING_TEMPERATURE)
        s.temperature = choice->values.temperature;
    if (given & SAMPLING_TOP_K)
        s.top_k = choice->values.top_k;
    if (given & SAMPLING_TOP_P)
        s.top_p = choice->values.top_p;
    if (given & SAMPLING_MIN_P)
        s.min_p = choice->values.min_p;
    if (given & SAMPLING_PRESENCE)
        s.presence_penalty = choice->values.presence_penalty;
    if (given & SAMPLING_FREQUENCY)
        s.frequency_penalty = choice->values.frequency_penalty;
    if (given & SAMPLING_REPETITION)
        s.repetition_penalty = choice->values.repetition_penalty;
    return s;
}
