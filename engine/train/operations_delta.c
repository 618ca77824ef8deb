/*
 * operations_delta.c - the gated delta rule along sequences
 *
 * A unit is one key head of one sequence with its value heads in ascending order, so that the
 * gradients of a key have one order of additions.
 */
#include "engine/train/operations_internal.h"
#include "engine/train/sequence_work.h"

enum { DELTA_CHUNK = 32 }; /* tokens between two kept states */

struct delta_step {
    const struct train_kernels *kernels;
    struct tensor *query, *key, *value, *decay, *beta, *out;
    struct sequences sequences;
    size_t n_state, n_chunks;
    size_t *first_chunk; /* [n_sequences] */
    float *checkpoints;  /* [n_value_heads][n_chunks][n_state]; NULL: no way back */
};

static struct delta_scan delta_scan_of(const struct delta_step *step,
                                       const struct sequence_unit *unit, size_t head,
                                       float *scratch)
{
    const struct tensor *query = step->query, *key = step->key, *value = step->value;
    const struct tensor *decay = step->decay, *beta = step->beta;
    const size_t first = unit->first;
    float *checkpoints = step->checkpoints;

    if (checkpoints)
        checkpoints +=
            (head * step->n_chunks + step->first_chunk[unit->sequence]) * step->n_state;
    return (struct delta_scan){
        .n_key = (uint32_t)key->shape[2],
        .n_value = (uint32_t)value->shape[2],
        .n_tokens = unit->n_tokens,
        .query = sequence_place(query, query->data, first, unit->head),
        .key = sequence_place(key, key->data, first, unit->head),
        .value = sequence_place(value, value->data, first, head),
        .decay = sequence_place(decay, decay->data, first, head),
        .beta = sequence_place(beta, beta->data, first, head),
        .query_stride = query->stride[0],
        .key_stride = key->stride[0],
        .value_stride = value->stride[0],
        .decay_stride = decay->stride[0],
        .beta_stride = beta->stride[0],
        .chunk = DELTA_CHUNK,
        .checkpoints = checkpoints,
        .out = sequence_place(step->out, step->out->data, first, head),
        .out_stride = step->out->stride[0],
        .scratch = scratch,
    };
}

static void delta_unit(const void *context, const struct sequence_unit *unit, float *scratch)
{
    const struct delta_step *step = context;
    const size_t n_key_heads = step->key->shape[1], n_value_heads = step->value->shape[1];

    for (size_t head = unit->head; head < n_value_heads; head += n_key_heads) {
        struct delta_scan scan = delta_scan_of(step, unit, head, scratch);
        step->kernels->scan->delta_forward(&scan);
    }
}

static void delta_unit_back(const void *context, const struct sequence_unit *unit,
                            float *scratch)
{
    const struct delta_step *step = context;
    const struct tensor *query = step->query, *key = step->key, *value = step->value;
    const size_t n_key_heads = key->shape[1], n_value_heads = value->shape[1];
    const size_t first = unit->first;

    for (size_t head = unit->head; head < n_value_heads; head += n_key_heads) {
        struct delta_scan scan = delta_scan_of(step, unit, head, scratch);
        scan.d_out = sequence_place(step->out, step->out->gradient, first, head);
        scan.d_query = sequence_place(query, query->gradient, first, unit->head);
        scan.d_key = sequence_place(key, key->gradient, first, unit->head);
        scan.d_value = sequence_place(value, value->gradient, first, head);
        scan.d_decay = sequence_place(step->decay, step->decay->gradient, first, head);
        scan.d_beta = sequence_place(step->beta, step->beta->gradient, first, head);
        step->kernels->scan->delta_backward(&scan);
    }
}

static void delta_run(struct tape *tape, const struct delta_step *step, sequence_job job)
{
    size_t n_scratch = delta_scan_scratch((uint32_t)step->key->shape[2],
                                          (uint32_t)step->value->shape[2], DELTA_CHUNK);

    sequences_run(tape, &step->sequences, (uint32_t)step->key->shape[1], n_scratch, job, step);
}

static void delta_back(struct tape *tape, void *context)
{
    delta_run(tape, context, delta_unit_back);
}

/* inputs: query, key, value, decay, beta */
static bool delta_fits(struct tape *tape, struct tensor *const *inputs,
                       const struct sequences *sequences)
{
    const struct tensor *key = inputs[1], *value = inputs[2], *decay = inputs[3];
    bool fits = key->n_dimensions == 3 && tensor_same_shape(inputs[0], key) &&
                value->n_dimensions == 3 && value->shape[0] == key->shape[0] &&
                decay->n_dimensions == 2 && tensor_same_shape(decay, inputs[4]) &&
                decay->shape[0] == value->shape[0] && decay->shape[1] == value->shape[1];

    for (int d = 1; fits && d < 3; d++)
        fits = key->shape[d] > 0 && key->shape[d] <= UINT16_MAX && value->shape[d] > 0 &&
               value->shape[d] <= UINT16_MAX;
    if (!fits || value->shape[1] % key->shape[1] != 0) {
        tape_fail(tape, STATUS_USAGE,
                  "delta rule: queries and keys [n][key heads][n_key] need values "
                  "[n][value heads][n_value], decay and beta [n][value heads]");
        return false;
    }
    return sequences_fit(tape, "delta rule", sequences, key->shape[0]);
}

/* Room for the states that the way back starts from. */
static void delta_keep_states(struct tape *tape, struct delta_step *step)
{
    const struct sequences *sequences = &step->sequences;

    step->n_state =
        delta_scan_state((uint32_t)step->key->shape[2], (uint32_t)step->value->shape[2]);
    step->first_chunk =
        tape_allocate(tape, ((size_t)sequences->n_sequences + 1) * sizeof *step->first_chunk);
    if (!step->first_chunk)
        return;
    for (uint32_t i = 0; i < sequences->n_sequences; i++) {
        uint32_t n_tokens = sequences->first[i + 1] - sequences->first[i];
        step->first_chunk[i] = step->n_chunks;
        step->n_chunks += (n_tokens + DELTA_CHUNK - 1) / DELTA_CHUNK;
    }
    /* heads < 2^16, chunks < 2^32, state <= 2^32 floats: only the last step could wrap */
    size_t n_all = step->value->shape[1] * step->n_chunks;
    if (n_all > SIZE_MAX / sizeof(float) / step->n_state)
        tape_fail(tape, STATUS_NO_MEMORY, "no memory for the states of the delta rule");
    step->checkpoints = tape_allocate(tape, n_all * step->n_state * sizeof(float));
}

struct tensor *op_delta_rule(struct tape *tape, struct tensor *query, struct tensor *key,
                             struct tensor *value, struct tensor *decay, struct tensor *beta,
                             const struct sequences *sequences)
{
    struct tensor *inputs[] = {query, key, value, decay, beta};
    struct delta_step step = {.kernels = tape_kernels(tape)};

    if (!operation_ready(tape, inputs, 5) || !delta_fits(tape, inputs, sequences))
        return NULL;
    step.sequences = *sequences;
    step.query = rows_dense(tape, query);
    step.key = rows_dense(tape, key);
    step.value = rows_dense(tape, value);
    step.decay = rows_dense(tape, decay);
    step.beta = rows_dense(tape, beta);
    step.out = tape_tensor(tape, 3, value->shape, tape_wants_gradient(tape, inputs, 5));
    if (tape_status(tape, NULL) != STATUS_OK)
        return NULL;
    if (step.out->gradient)
        delta_keep_states(tape, &step);
    if (tape_status(tape, NULL) != STATUS_OK)
        return NULL;
    delta_run(tape, &step, delta_unit);
    operation_record(tape, step.out, delta_back, &step, sizeof step);
    return tape_status(tape, NULL) == STATUS_OK ? step.out : NULL;
}
