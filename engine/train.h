/*
 * train.h - training a model of the qwen35 family, from nothing or from a file
 *
 * The result depends on the settings, the data and the seed; not on threads, processor or
 * kills.
 *
 * Thread: the calling thread runs the training with a pool of its own; cancel may be set from
 * another thread or a signal handler.
 */
#ifndef ENGINE_TRAIN_H
#define ENGINE_TRAIN_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "engine/error.h"
#include "engine/kernel_level.h"
#include "engine/sampling.h"

/* One text to learn: tokens from n_prompt on are predicted; what is before is only read. */
struct train_sequence {
    int32_t *ids;
    uint32_t n_ids, n_prompt; /* n_prompt 0: all but the first token are predicted */
};

/* The shape of a new model; see engine/model/hyperparameters.h for the widths. */
struct train_shape {
    uint32_t n_layers; /* every fourth is full attention */
    uint32_t n_mtp;    /* 0 or 1 */
    uint32_t n_embd, n_ff;
    uint32_t n_head, n_head_kv, head_dim, n_rotary;
    uint32_t n_key_heads, n_value_heads, state_dim, n_taps;
    uint32_t n_context;
    float rope_base;
    bool tied;
};

struct train_progress;

struct train_settings {
    /* Where the model comes from: base_path (fine-tuning), or vocabulary_path and shape. */
    const char *base_path;
    const char *vocabulary_path;
    struct train_shape shape;

    const struct train_sequence *sequences; /* borrowed */
    size_t n_sequences;
    const struct train_sequence *held_out; /* loss is measured on them; may be empty */
    size_t n_held_out;

    uint64_t seed;
    uint64_t n_steps;
    uint32_t batch_tokens; /* of an optimiser step, about: it takes whole passes */
    uint32_t micro_tokens; /* of one pass; gradients add up over passes */
    const char *optimizer; /* "adamw", "adam", "sgd" */
    double learning_rate, floor_share, weight_decay, beta1, beta2, clip_norm;
    uint64_t warmup_steps;
    double dropout;
    double mtp_factor;

    const char *checkpoint_path;  /* NULL: none */
    uint64_t checkpoint_interval; /* steps; 0: only when it stops */
    bool resume;                  /* go on from checkpoint_path if it is there */
    uint64_t held_out_interval;   /* steps; 0: at the end alone */

    const char *out_path; /* the finished model, GGUF */
    const char *out_type; /* "F32", "F16", "BF16", "Q8_0", "Q4_K_M", "Q5_K_M", "Q6_K" */
    const char *name;     /* general.name */
    const char *description;
    const struct sampling_choice *sampling; /* general.sampling.*; NULL: none */

    int n_threads;           /* 0: chosen */
    enum kernel_level level; /* same bytes at every level */
    const atomic_bool *cancel;
    /* Called on the calling thread after each step. */
    void (*progress)(void *context, const struct train_progress *progress);
    void *context;
};

struct train_progress {
    uint64_t step, n_steps; /* step counts from 1 */
    double loss, mtp_loss;  /* of this step's batch; mtp_loss negative: there is none */
    double held_out_loss;   /* negative: not measured at this step */
    double rate, gradient_norm;
    double tokens_per_second; /* over the last steps */
    double seconds_left;
    uint64_t n_tokens; /* seen so far, all steps */
    bool saved;        /* a checkpoint was written after this step */
};

/* One point of the loss curve. */
struct train_point {
    uint64_t step;
    float loss, mtp_loss, held_out_loss; /* negative: none */
};

struct train_result {
    uint64_t n_steps, n_tokens, n_parameters;
    double held_out_loss;      /* the last one measured; negative: none */
    struct train_point *curve; /* owned: train_result_release(); one for each step */
    size_t n_points;
};

/*
 * Train and write out_path (temporary file, sync, rename: an older file stays whole when the
 * disk is full).  Cancelled: the checkpoint is written and CANCELLED returned.  *result is to
 * be released in every case; on failure it holds what was done until then.  Errors: DAMAGED (a
 * checkpoint, by name and offset; the base model or vocabulary), UNSUPPORTED (a base model of
 * another architecture), NOT_FOUND (of these files), USAGE (settings that contradict each other,
 * a checkpoint of other settings: named), IO, NO_MEMORY (also: more parameters than the machine
 * has memory for), FAILED (loss not finite: step named; another training uses the checkpoint).
 */
enum status train_run(const struct train_settings *settings, struct train_result *result,
                      struct error *error);
void train_result_release(struct train_result *result);

/* Speed of the trainer's matrix products, for `banter bench train`. */
enum train_product {
    TRAIN_FORWARD,        /* [n_tokens][n_in] times the weights: [n_tokens][n_out] */
    TRAIN_INPUT_GRADIENT, /* [n_tokens][n_out] times the weights: [n_tokens][n_in] */
    TRAIN_WEIGHT_GRADIENT /* summed over tokens: [n_out][n_in] */
};

struct train_speed {
    double peak;     /* f32 Gop/s (a multiply-add is two) of all threads, registers only */
    double achieved; /* of the product, median of several */
    int n_threads;
};

/*
 * Measures the peak and one product; takes about 50 ms at the sizes of a small model.
 * n_threads 0: chosen.  Errors: NO_MEMORY, USAGE (a size of 0), FAILED (threads).
 */
enum status train_measure(enum train_product product, size_t n_tokens, size_t n_in,
                          size_t n_out, int n_threads, enum kernel_level level,
                          struct train_speed *speed, struct error *error);

#endif
