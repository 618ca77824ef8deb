/*
 * network_fixture.h - networks from files, batches of random tokens, tapes
 *
 * Every helper fails the test where it fails.  Include after cmocka.h.
 */
#ifndef TESTS_UNIT_NETWORK_FIXTURE_H
#define TESTS_UNIT_NETWORK_FIXTURE_H

#include "engine/file/gguf.h"
#include "engine/run/pool.h"
#include "engine/train/kernels.h"
#include "engine/train/network.h"
#include "tests/unit/model_fixture.h"

enum { BATCH_TOKENS = 96, BATCH_SEQUENCES = 8 };

struct test_batch {
    struct batch batch; /* points to the arrays below */
    int32_t tokens[BATCH_TOKENS], targets[BATCH_TOKENS], positions[BATCH_TOKENS];
    float weights[BATCH_TOKENS];
    uint32_t first[BATCH_SEQUENCES + 1];
};

/* Sequences of these lengths; each but the last token of one predicts the token behind it. */
static inline void fill_batch(struct test_batch *out, const uint32_t *lengths,
                              uint32_t n_sequences, uint32_t n_vocab, uint64_t seed)
{
    uint32_t n = 0;

    memset(out, 0, sizeof *out);
    for (uint32_t s = 0; s < n_sequences; s++) {
        out->first[s] = n;
        for (uint32_t t = 0; t < lengths[s]; t++, n++) {
            assert_true(n < BATCH_TOKENS);
            out->tokens[n] = (int32_t)(next_random(&seed) % n_vocab);
            out->positions[n] = (int32_t)t;
            out->targets[n] = -1;
            out->weights[n] = 0.5f + (float)(next_random(&seed) % 4) / 4;
            if (t > 0)
                out->targets[n - 1] = out->tokens[n];
        }
    }
    out->first[n_sequences] = n;
    out->batch = (struct batch){{n, n_sequences, out->first, out->positions},
                                out->tokens,
                                out->targets,
                                out->weights,
                                (double)n};
}

/* Who computes. */
struct machine {
    struct pool *pool;
    struct tape *tape;
};

static inline struct machine open_machine(int n_threads, enum kernel_level level)
{
    struct machine machine = {NULL, NULL};
    struct error error = {0};

    check(pool_new(&machine.pool, n_threads, &error), &error);
    check(tape_new(&machine.tape, machine.pool, train_kernels_for(level), &error), &error);
    return machine;
}

static inline void close_machine(struct machine *machine)
{
    tape_free(&machine->tape);
    pool_free(&machine->pool);
}

static inline struct network *load_network(const char *path)
{
    struct network *network = NULL;
    struct gguf *file = NULL;
    struct error error = {0};

    check(gguf_open(&file, path, &error), &error);
    check(network_load(&network, file, &error), &error);
    gguf_close(&file);
    return network;
}

static inline const struct parameter *find_parameter(struct network *network, const char *name)
{
    size_t n;
    const struct parameter *parameters = network_parameters(network, &n);

    for (size_t i = 0; i < n; i++)
        if (strcmp(parameters[i].name, name) == 0)
            return &parameters[i];
    fail_msg("no parameter %s", name);
    return NULL;
}

static inline void zero_gradients(struct network *network)
{
    size_t n;
    struct parameter *parameters = network_parameters(network, &n);

    for (size_t i = 0; i < n; i++)
        memset(parameters[i].tensor->gradient, 0,
               tensor_elements(parameters[i].tensor) * sizeof(float));
}

/* Forward and backward; gradients are added to.  Returns the total loss. */
static inline double learn(struct network *network, struct machine *machine,
                           const struct batch *batch, float mtp_factor, float dropout)
{
    struct losses losses;
    struct error error = {0};
    double loss;

    tape_reset(machine->tape);
    check(
        network_losses(network, machine->tape, batch, mtp_factor, dropout, 77, &losses, &error),
        &error);
    loss = (double)losses.total->data[0];
    check(tape_backward(machine->tape, losses.total, &error), &error);
    return loss;
}

#endif
