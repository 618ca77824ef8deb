/*
 * operations_attention.c - causal softmax attention along sequences
 *
 * A unit is one K/V head of one sequence with its query heads in ascending order, so that the
 * gradients of a key have one order of additions.
 */
#include "engine/train/operations_internal.h"
#include "engine/train/sequence_work.h"

struct attention_step {
    const struct train_kernels *kernels;
    struct tensor *query, *key, *value, *out;
    struct sequences sequences;
    float scale;
    float *log_totals; /* [n_head][n] */
};

static struct attention_scan attention_scan_of(const struct attention_step *step,
                                               const struct sequence_unit *unit, size_t head,
                                               float *scratch)
{
    const struct tensor *query = step->query, *key = step->key, *value = step->value;
    const size_t first = unit->first, kv = unit->head;

    return (struct attention_scan){
        .n_dim = (uint32_t)query->shape[2],
        .n_tokens = unit->n_tokens,
        .query = sequence_place(query, query->data, first, head),
        .key = sequence_place(key, key->data, first, kv),
        .value = sequence_place(value, value->data, first, kv),
        .query_stride = query->stride[0],
        .key_stride = key->stride[0],
        .value_stride = value->stride[0],
        .out_stride = step->out->stride[0],
        .scale = step->scale,
        .out = sequence_place(step->out, step->out->data, first, head),
        .log_totals = step->log_totals + head * query->shape[0] + first,
        .scratch = scratch,
    };
}

static void attend(const void *context, const struct sequence_unit *unit, float *scratch)
{
    const struct attention_step *step = context;
    const size_t group = step->query->shape[1] / step->key->shape[1];

    for (size_t head = unit->head * group; head < (unit->head + 1) * group; head++) {
        struct attention_scan scan = attention_scan_of(step, unit, head, scratch);
        step->kernels->scan->attention_forward(&scan);
    }
}

static void attend_back(const void *context, const struct sequence_unit *unit, float *scratch)
{
    const struct attention_step *step = context;
    const struct tensor *query = step->query, *key = step->key, *value = step->value;
    const size_t group = query->shape[1] / key->shape[1];
    const size_t first = unit->first, kv = unit->head;

    for (size_t head = kv * group; head < (kv + 1) * group; head++) {
        struct attention_scan scan = attention_scan_of(step, unit, head, scratch);
        scan.d_out = sequence_place(step->out, step->out->gradient, first, head);
        scan.d_query = sequence_place(query, query->gradient, first, head);
        scan.d_key = sequence_place(key, key->gradient, first, kv);
        scan.d_value = sequence_place(value, value->gradient, first, kv);
        step->kernels->scan->attention_backward(&scan);
    }
}

static void attention_run(struct tape *tape, const struct attention_step *step,
                          sequence_job job)
{
    size_t n_scratch = attention_scan_scratch((uint32_t)step->query->shape[2],
                                              sequences_longest(&step->sequences));

    sequences_run(tape, &step->sequences, (uint32_t)step->key->shape[1], n_scratch, job, step);
}

static void attention_back(struct tape *tape, void *context)
{
    attention_run(tape, context, attend_back);
}

static bool attention_fits(struct tape *tape, const struct tensor *query,
                           const struct tensor *key, const struct tensor *value,
                           const struct sequences *sequences)
{
    bool fits = query->n_dimensions == 3 && key->n_dimensions == 3 &&
                tensor_same_shape(key, value) && query->shape[0] == key->shape[0] &&
                query->shape[2] == key->shape[2] && query->shape[1] > 0 &&
                query->shape[2] > 0 && query->shape[2] <= UINT16_MAX && key->shape[1] > 0 &&
                query->shape[1] <= UINT16_MAX && query->shape[1] % key->shape[1] == 0;

    if (!fits)
        tape_fail(tape, STATUS_USAGE,
                  "attention: queries [n][heads][dim] need keys and values [n][kv heads][dim]");
    return fits && sequences_fit(tape, "attention", sequences, query->shape[0]);
}

struct tensor *op_attention(struct tape *tape, struct tensor *query, struct tensor *key,
                            struct tensor *value, const struct sequences *sequences,
                            float scale)
{
    struct tensor *inputs[] = {query, key, value};
    struct attention_step step = {.kernels = tape_kernels(tape), .scale = scale};

    if (!operation_ready(tape, inputs, 3) ||
        !attention_fits(tape, query, key, value, sequences))
        return NULL;
    step.sequences = *sequences;
    step.query = rows_dense(tape, query);
    step.key = rows_dense(tape, key);
    step.value = rows_dense(tape, value);
    step.out = tape_tensor(tape, 3, query->shape, tape_wants_gradient(tape, inputs, 3));
    step.log_totals =
        tape_allocate(tape, query->shape[0] * query->shape[1] * sizeof *step.log_totals);
    if (tape_status(tape, NULL) != STATUS_OK)
        return NULL;
    attention_run(tape, &step, attend);
    operation_record(tape, step.out, attention_back, &step, sizeof step);
    return tape_status(tape, NULL) == STATUS_OK ? step.out : NULL;
}
