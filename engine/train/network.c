/*
 * network.c - tokens through the layers, and how far off the predictions are
 */
#include "engine/train/network_parts.h"

/* Rows of a matrix with what they should predict; arrays of the tape. */
struct selection {
    int32_t *rows, *targets;
    float *weights; /* NULL: all 1 */
    size_t n;
};

static bool allocate_selection(struct tape *tape, const struct batch *batch,
                               struct selection *out)
{
    const size_t n = batch->sequences.n_tokens;

    *out = (struct selection){.rows = tape_allocate(tape, n * sizeof *out->rows),
                              .targets = tape_allocate(tape, n * sizeof *out->targets)};
    if (batch->weights)
        out->weights = tape_allocate(tape, n * sizeof *out->weights);
    return out->rows && out->targets && (out->weights || !batch->weights);
}

static void select_row(struct selection *selection, const struct batch *batch, int32_t row,
                       uint32_t token)
{
    if (batch->targets[token] < 0)
        return;
    selection->rows[selection->n] = row;
    selection->targets[selection->n] = batch->targets[token];
    if (batch->weights)
        selection->weights[selection->n] = batch->weights[token];
    selection->n++;
}

/* Cross-entropy of the selected rows of x, normed and [n][d]. */
static struct tensor *loss_of(const struct network *network, struct tape *tape,
                              struct tensor *x, const struct selection *selection,
                              double total_weight)
{
    if (!x)
        return NULL;
    if (selection->n == 0)
        return op_scale(tape, op_sum(tape, x), 0);
    if (selection->n < x->shape[0])
        x = op_gather_rows(tape, x, selection->rows, selection->n);
    return op_cross_entropy(tape, linear_forward(tape, &network->head, x), selection->targets,
                            selection->weights, total_weight);
}

struct run {
    struct network *network;
    struct tape *tape;
    const struct batch *batch;
    float dropout;
    uint64_t seed;
    struct tensor *embedding, *hidden; /* [n][d]; hidden behind output_norm */
};

/* Seeds of blocks and of steps that follow each other do not meet. */
static uint64_t block_seed(const struct run *run, uint32_t block)
{
    return run->seed * MAX_LAYERS + block;
}

static void run_trunk(struct run *run)
{
    const struct network *network = run->network;
    const struct sequences *sequences = &run->batch->sequences;
    struct tensor *x = embedding_forward(run->tape, &(struct embedding_layer){network->table},
                                         run->batch->tokens, sequences->n_tokens);

    run->embedding = x;
    for (uint32_t i = 0; i < network->hyperparameters.n_layers; i++)
        x = block_forward(run->tape, &network->blocks[i], x, sequences, run->dropout,
                          block_seed(run, i));
    run->hidden = rms_norm_forward(run->tape, &network->output_norm, x);
}

/* What the MTP block works on: all tokens but the first of each sequence. */
struct pairs {
    struct sequences sequences;
    int32_t *tokens;  /* rows of the batch: of the token, */
    int32_t *hiddens; /* and of the one before it */
    struct selection selection;
};

static bool make_pairs(struct tape *tape, const struct batch *batch, struct pairs *out)
{
    const struct sequences *all = &batch->sequences;
    const size_t n = all->n_tokens;
    uint32_t *first = tape_allocate(tape, (all->n_sequences + (size_t)1) * sizeof *first);
    int32_t *positions = tape_allocate(tape, n * sizeof *positions);
    uint32_t n_pairs = 0, n_sequences = 0;

    out->tokens = tape_allocate(tape, n * sizeof *out->tokens);
    out->hiddens = tape_allocate(tape, n * sizeof *out->hiddens);
    if (!first || !positions || !out->tokens || !out->hiddens ||
        !allocate_selection(tape, batch, &out->selection))
        return false;
    for (uint32_t s = 0; s < all->n_sequences; s++) {
        if (all->first[s + 1] - all->first[s] < 2)
            continue;
        first[n_sequences++] = n_pairs;
        for (uint32_t t = all->first[s] + 1; t < all->first[s + 1]; t++) {
            out->tokens[n_pairs] = (int32_t)t;
            out->hiddens[n_pairs] = (int32_t)t - 1;
            positions[n_pairs] = all->positions[t];
            select_row(&out->selection, batch, (int32_t)n_pairs, t);
            n_pairs++;
        }
    }
    first[n_sequences] = n_pairs;
    out->sequences = (struct sequences){n_pairs, n_sequences, first, positions};
    return true;
}

/* Normed rows of the block, [n_pairs][d]. */
static struct tensor *run_mtp(struct run *run, const struct pairs *pairs)
{
    const struct network *network = run->network;
    const size_t n = pairs->sequences.n_tokens;
    struct tensor *embedding = op_gather_rows(run->tape, run->embedding, pairs->tokens, n);
    struct tensor *hidden = op_gather_rows(run->tape, run->hidden, pairs->hiddens, n);

    return mtp_layer_forward(run->tape, &network->mtp, embedding, hidden, &pairs->sequences,
                             run->dropout, block_seed(run, network->hyperparameters.n_layers));
}

static struct tensor *mtp_loss(struct run *run)
{
    const double total_weight = run->batch->total_weight;
    struct pairs pairs;

    if (!make_pairs(run->tape, run->batch, &pairs))
        return NULL;
    if (pairs.sequences.n_tokens == 0)
        return op_scale(run->tape, op_sum(run->tape, run->hidden), 0);
    return loss_of(run->network, run->tape, run_mtp(run, &pairs), &pairs.selection,
                   total_weight);
}

static struct tensor *main_loss(struct run *run)
{
    struct selection selection;

    if (!allocate_selection(run->tape, run->batch, &selection))
        return NULL;
    for (uint32_t t = 0; t < run->batch->sequences.n_tokens; t++)
        select_row(&selection, run->batch, (int32_t)t, t);
    return loss_of(run->network, run->tape, run->hidden, &selection, run->batch->total_weight);
}

enum status network_losses(struct network *network, struct tape *tape,
                           const struct batch *batch, float mtp_factor, float dropout,
                           uint64_t dropout_seed, struct losses *out, struct error *error)
{
    struct run run = {network, tape, batch, dropout, dropout_seed, NULL, NULL};

    *out = (struct losses){0};
    run_trunk(&run);
    out->main = out->total = main_loss(&run);
    if (network->hyperparameters.n_mtp > 0 && mtp_factor > 0) {
        out->mtp = mtp_loss(&run);
        out->total = op_add(tape, out->main, op_scale(tape, out->mtp, mtp_factor));
    }
    return tape_status(tape, error);
}

enum status network_logits(struct network *network, struct tape *tape,
                           const struct batch *batch, struct tensor **logits,
                           struct tensor **mtp_logits, struct error *error)
{
    struct run run = {network, tape, batch, 0, 0, NULL, NULL};
    struct pairs pairs;

    run_trunk(&run);
    *logits = linear_forward(tape, &network->head, run.hidden);
    if (mtp_logits) {
        *mtp_logits = NULL;
        if (network->hyperparameters.n_mtp > 0 && make_pairs(tape, batch, &pairs) &&
            pairs.sequences.n_tokens > 0)
            *mtp_logits = linear_forward(tape, &network->head, run_mtp(&run, &pairs));
    }
    return tape_status(tape, error);
}
