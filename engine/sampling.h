/*
 * sampling.h - how the next token is chosen from the logits
 *
 * Order: penalties on the generated tokens, temperature, top-k, top-p, min-p (the order that the
 * Qwen model cards assume), then Gumbel-max among the survivors with noise that is a hash of (noise
 * seed, position, token id).  The choice is a function of logits, settings, generated tokens, seed
 * and position: no stream of random numbers, so no policy can shift it.  Ties: the lowest id.
 */
#ifndef ENGINE_SAMPLING_H
#define ENGINE_SAMPLING_H

#include <stdbool.h>
#include <stdint.h>

struct sampling {
    float temperature;        /* 0: the token of the largest logit; range [0, 5] */
    int32_t top_k;            /* 0: off */
    float top_p;              /* 1: off; range (0, 1] */
    float min_p;              /* 0: off; range [0, 1) */
    float presence_penalty;   /* range [-2, 2]; once for each token that was generated */
    float frequency_penalty;  /* range [-2, 2]; for each time it was generated */
    float repetition_penalty; /* 1: off; range (0, 10] */
};

enum sampling_field {
    SAMPLING_TEMPERATURE = 1u << 0,
    SAMPLING_TOP_K = 1u << 1,
    SAMPLING_TOP_P = 1u << 2,
    SAMPLING_MIN_P = 1u << 3,
    SAMPLING_PRESENCE = 1u << 4,
    SAMPLING_FREQUENCY = 1u << 5,
    SAMPLING_REPETITION = 1u << 6
};

/* What a person chose; the rest comes from the model. */
struct sampling_choice {
    uint32_t given; /* enum sampling_field bits */
    struct sampling values;
};

struct model;

/*
 * The model's own settings: general.sampling.* of the file, then the family table by size and
 * thinking mode (model cards), then plain ones; `choice` (may be NULL) on top.
 */
struct sampling sampling_for_model(const struct model *model, bool thinking,
                                   const struct sampling_choice *choice);

/* The noise seed of one answer: a hash of the conversation's seed, the message and the variant. */
uint64_t sampling_noise_seed(uint64_t conversation_seed, uint32_t message, uint32_t variant);

#endif
