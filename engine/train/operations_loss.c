/*
 * operations_loss.c - cross-entropy of the next token
 *
 * The probabilities are kept: the gradient is (p - one at the target) times the row's weight.
 */
#include "engine/train/operations_internal.h"

struct cross_entropy_step {
    struct tensor *logits, *out;
    const int32_t *targets;
    const float *weights; /* NULL: all 1 */
    double total_weight;
    float *probabilities; /* [n][n_vocab] */
    double *losses;       /* [n] */
    const struct row_kernels *row;
};

static double row_weight(const struct cross_entropy_step *step, size_t r)
{
    return step->targets[r] < 0 ? 0.0 : step->weights ? (double)step->weights[r] : 1.0;
}

static void forward_rows(void *context, size_t first, size_t count)
{
    const struct cross_entropy_step *step = context;
    size_t n = step->logits->shape[1];

    for (size_t r = first; r < first + count; r++) {
        const float *logits = step->logits->data + r * n;
        step->losses[r] = 0;
        if (step->targets[r] < 0)
            continue;
        float log_total = step->row->softmax(logits, step->probabilities + r * n, n);
        step->losses[r] =
            row_weight(step, r) * ((double)log_total - (double)logits[step->targets[r]]);
    }
}

static void back_rows(void *context, size_t first, size_t count)
{
    const struct cross_entropy_step *step = context;
    size_t n = step->logits->shape[1];

    for (size_t r = first; r < first + count; r++) {
        float *d_logits = step->logits->gradient + r * n;
        float factor =
            (float)(row_weight(step, r) / step->total_weight * (double)step->out->gradient[0]);
        if (step->targets[r] < 0)
            continue;
        step->probabilities[r * n + (size_t)step->targets[r]] -= 1.0f;
        step->row->scale_add(step->probabilities + r * n, factor, d_logits, n);
    }
}

static void cross_entropy_back(struct tape *tape, void *context)
{
    const struct cross_entropy_step *step = context;

    parallel_ranges(tape, step->logits->shape[0], 1, tensor_elements(step->logits), back_rows,
                    context);
}

static bool arguments_fit(struct tape *tape, const struct tensor *logits,
                          const int32_t *targets, double total_weight)
{
    if (logits->n_dimensions != 2 || !tensor_is_contiguous(logits) || !(total_weight > 0)) {
        tape_fail(tape, STATUS_USAGE,
                  "cross-entropy of logits that are no dense matrix, or of "
                  "no weight");
        return false;
    }
    for (size_t r = 0; r < logits->shape[0]; r++)
        if (targets[r] >= 0 && (size_t)targets[r] >= logits->shape[1]) {
            tape_fail(tape, STATUS_USAGE, "target %d, where the vocabulary has %zu", targets[r],
                      logits->shape[1]);
            return false;
        }
    return true;
}

struct tensor *op_cross_entropy(struct tape *tape, struct tensor *logits,
                                const int32_t *targets, const float *weights,
                                double total_weight)
{
    struct cross_entropy_step step;
    size_t n_rows, n;
    double loss = 0;

    if (!operation_ready(tape, &logits, 1) ||
        !arguments_fit(tape, logits, targets, total_weight))
        return NULL;
    n_rows = logits->shape[0];
    n = logits->shape[1];
    step = (struct cross_entropy_step){.logits = logits,
                                       .targets = targets,
                                       .weights = weights,
                                       .total_weight = total_weight,
                                       .row = tape_kernels(tape)->row};
    step.out = tape_tensor(tape, 1, (size_t[]){1}, tape_wants_gradient(tape, &logits, 1));
    step.probabilities = tape_allocate(tape, n_rows * n * sizeof(float));
    step.losses = tape_allocate(tape, n_rows * sizeof *step.losses);
    if (!step.out || !step.probabilities || !step.losses)
        return NULL;
    parallel_ranges(tape, n_rows, 1, n_rows * n, forward_rows, &step);
    for (size_t r = 0; r < n_rows; r++)
        loss += step.losses[r];
    step.out->data[0] = (float)(loss / total_weight);
    operation_record(tape, step.out, cross_entropy_back, &step, sizeof step);
    return step.out;
}
