/*
 * network_parts.h - inside a network (private to engine/train/network*.c)
 */
#ifndef ENGINE_TRAIN_NETWORK_PARTS_H
#define ENGINE_TRAIN_NETWORK_PARTS_H

#include "engine/train/layers.h"
#include "engine/train/network.h"

/* How a parameter begins. */
enum initial_values {
    INITIAL_NORMAL,   /* normal */
    INITIAL_RESIDUAL, /* normal, smaller: adds to the residual stream */
    INITIAL_ONE,
    INITIAL_TAPS, /* uniform, as large as the sum over the taps allows */
    INITIAL_STEP, /* softplus of it lies in 0.001 .. 0.1 */
    INITIAL_RATE  /* log of 1 .. 16 */
};

struct network {
    struct hyperparameters hyperparameters; /* owns its layers */
    bool tied;
    struct parameter *parameters;   /* owns, and their tensors; in the order of a file */
    enum initial_values *initially; /* owns; [n_parameters] */
    size_t n_parameters, capacity;

    /* Borrowed from the parameters. */
    struct tensor *table; /* token_embd [n_vocab][d] */
    struct linear_layer head;
    struct norm_layer output_norm;
    struct block_layer *blocks; /* owns; [n_layers] */
    struct mtp_layer mtp;       /* of n_mtp 1 */
};

/*
 * A network with all parameters, zeroed, and layers that read them.  Takes the hyperparameters
 * over, on failure too.  Errors: NO_MEMORY (also: training them takes more than the machine has),
 * UNSUPPORTED (more than one MTP block, scaled positions).
 */
enum status network_build(struct network **out, struct hyperparameters *hyperparameters,
                          bool tied, struct error *error);

#endif
