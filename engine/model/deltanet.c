/*
 * deltanet.c - gated DeltaNet, token by token (Yang et al., Gated Delta Networks)
 *
 *     u, z, b, a = W norm(hidden)
 *     q, k, v = silu(convolution of the last n_taps rows of u);  q, k to length 1 per head
 *     beta = sigmoid(b),  decay = exp(rate * softplus(a + step))
 *     S = decay S;  S += k (beta (v - S^T k))^T;  o = S^T q / sqrt(state_dim)
 *     hidden += W_o concat(rms_norm(o_h) * silu(z_h))
 *
 * Value head h reads key head h % n_key_heads: the file has its value heads in tiled order.
 */
#include "engine/model/forward.h"

#include "engine/kernels/math.h"

#include <string.h>

/* Floats of the window of a sequence. */
static size_t window_floats(const struct pass *pass)
{
    return (size_t)(pass->parameters->n_taps - 1 + pass_rows_each(pass)) *
           pass->parameters->conv_width;
}

/* From one row of u in its window to the next one. */
static size_t raw_stride(const struct pass *pass)
{
    return pass->n_sequences == 1 ? pass->parameters->conv_width : window_floats(pass);
}

/* u of row t of the pass; it stands behind the rows that its state remembers. */
static float *raw_row(const struct pass *pass, uint32_t t)
{
    return pass->scratch->delta.window +
           (size_t)(pass->parameters->n_taps - 1) * pass->parameters->conv_width +
           t * raw_stride(pass);
}

static void project_inputs(struct pass *pass, const struct delta_weights *weights)
{
    const struct hyperparameters *p = pass->parameters;
    struct scratch *scratch = pass->scratch;
    const struct projection inputs[] = {
        {&weights->qkv, raw_row(pass, 0), raw_stride(pass)},
        {&weights->gate, scratch->delta.gate, p->value_width},
        {&weights->alpha, scratch->delta.alpha, p->n_value_heads},
        {&weights->beta, scratch->delta.beta, p->n_value_heads},
    };

    project(pass, scratch->normed, p->n_embd, pass->n_tokens, inputs, 4, PROJECTION_STORE);
}

/* The buffer in which rows that waited are applied. */
static int settled_buffer(const struct sequence *sequence)
{
    return sequence->recurrence.to_spare ? !sequence->state->live : sequence->state->live;
}

/* The buffer that holds the state behind the rows of this pass; not for RUN_ASIDE. */
static int written_buffer(const struct sequence *sequence)
{
    return sequence->recurrence.run == RUN_IN_SPARE ? !sequence->state->live
                                                    : settled_buffer(sequence);
}

static float *remembered(const struct pass *pass, const struct state *state, int buffer)
{
    return state->convolution[buffer] + state->layers[pass->layer].convolution;
}

static float *matrices(const struct pass *pass, const struct state *state, int buffer)
{
    return state->recurrent[buffer] + state->layers[pass->layer].recurrent;
}

/* Heads first .. first + count - 1 of u of a sequence. */
static void convolve_heads(struct pass *pass, const struct delta_weights *weights,
                           uint32_t sequence, uint32_t first, uint32_t count)
{
    const struct hyperparameters *p = pass->parameters;
    const uint32_t n_rows = pass_rows_each(pass);
    const float to_query = 1 / math_sqrt((float)p->state_dim);
    float *convolved =
        pass->scratch->delta.convolved + (size_t)sequence * n_rows * p->conv_width;

    pass->kernels->convolve(pass->scratch->delta.window + sequence * window_floats(pass),
                            weights->taps, p->n_taps, p->conv_width, first * p->state_dim,
                            count * p->state_dim, n_rows, convolved);
    for (uint32_t t = 0; t < n_rows; t++) {
        float *row = convolved + (size_t)t * p->conv_width;
        for (uint32_t head = first; head < first + count && head < 2 * p->n_key_heads; head++)
            pass->kernels->l2_norm(row + head * p->state_dim, p->state_dim, p->eps,
                                   head < p->n_key_heads ? to_query : 1,
                                   row + head * p->state_dim);
    }
}

/* Items are sequences, and of each the heads of u: query heads, key heads, value heads. */
static void convolve_part(struct pass *pass, const void *context, uint32_t first,
                          uint32_t count)
{
    const struct hyperparameters *p = pass->parameters;
    const uint32_t n_heads = 2 * p->n_key_heads + p->n_value_heads, end = first + count;

    for (uint32_t item = first, n; item < end; item += n) {
        n = n_heads - item % n_heads;
        n = n < end - item ? n : end - item;
        convolve_heads(pass, context, item / n_heads, item % n_heads, n);
    }
}

/* The log's row for row t of the pass. */
static struct logged_row logged_row(const struct pass *pass, uint32_t t)
{
    const struct sequence *sequence = pass_sequence(pass, t);

    return state_logged_row(sequence->state, sequence->recurrence.log, pass->layer,
                            sequence->recurrence.first_row + t % pass_rows_each(pass));
}

/* A row's share of the log; delta is written by the recurrence. */
static void log_row(struct pass *pass, uint32_t t)
{
    const struct hyperparameters *p = pass->parameters;
    const struct scratch *scratch = pass->scratch;
    const struct logged_row row = logged_row(pass, t);

    memcpy(row.raw, raw_row(pass, t), p->conv_width * sizeof *row.raw);
    memcpy(row.key, scratch->delta.convolved + (size_t)t * p->conv_width + p->key_width,
           p->key_width * sizeof *row.key);
    memcpy(row.decay, scratch->delta.alpha + (size_t)t * p->n_value_heads,
           p->n_value_heads * sizeof *row.decay);
}

/* Items are rows: alpha becomes the decay, beta what it is named. */
static void gates_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct delta_weights *weights = context;
    const uint32_t n_heads = pass->parameters->n_value_heads;

    for (uint32_t t = first; t < first + count; t++) {
        float *alpha = pass->scratch->delta.alpha + (size_t)t * n_heads;
        float *beta = pass->scratch->delta.beta + (size_t)t * n_heads;
        for (uint32_t head = 0; head < n_heads; head++) {
            alpha[head] = math_exp(weights->rate[head] *
                                   math_softplus(alpha[head] + weights->step[head]));
            beta[head] = math_sigmoid(beta[head]);
        }
        if (pass_sequence(pass, t)->recurrence.log >= 0)
            log_row(pass, t);
    }
}

/*
 * Slices first .. first + n_slices - 1, of one head, with all rows that waited, where this pass
 * runs on them: `aside` is for RUN_ASIDE.
 */
static float *load_slices(struct pass *pass, const struct sequence *sequence, uint32_t first,
                          uint32_t n_slices, float *aside)
{
    struct state *state = sequence->state;
    const size_t slice_floats = (size_t)pass->parameters->state_dim * DELTA_SLICE;
    const size_t n = n_slices * slice_floats;
    const bool to_spare = sequence->recurrence.to_spare;
    float *live = matrices(pass, state, state->live) + first * slice_floats;
    float *settled = matrices(pass, state, settled_buffer(sequence)) + first * slice_floats;
    float *out = settled;

    if (to_spare)
        memcpy(settled, live, n * sizeof *live);
    for (uint32_t i = 0; i < n_slices; i++) {
        if (!state_slice_waits(state, pass->layer, first + i))
            continue;
        state_apply_waiting(state, pass->layer, first + i, 1, settled + i * slice_floats);
        if (!to_spare)
            state_slice_done(state, pass->layer, first + i);
    }
    if (sequence->recurrence.run == RUN_ASIDE)
        out = aside;
    else if (sequence->recurrence.run == RUN_IN_SPARE)
        out = matrices(pass, state, !state->live) + first * slice_floats;
    if (out != settled)
        memcpy(out, settled, n * sizeof *out);
    return out;
}

/* The rows of a sequence, t on, on slices of one head. */
static void run_slices(struct pass *pass, uint32_t t, uint32_t first, uint32_t n_slices,
                       float *slices)
{
    const struct hyperparameters *p = pass->parameters;
    const struct scratch *scratch = pass->scratch;
    const struct sequence *sequence = pass_sequence(pass, t);
    const float *convolved = scratch->delta.convolved + (size_t)t * p->conv_width;
    const uint32_t head = first / (p->state_dim / DELTA_SLICE);
    const size_t key_head = (size_t)(head % p->n_key_heads) * p->state_dim;
    const size_t column = (size_t)first * DELTA_SLICE;
    float *delta = NULL;

    if (sequence->recurrence.log >= 0)
        delta = logged_row(pass, t).delta + column;
    pass->kernels->delta_rule(&(struct delta_rule_job){
        .state = slices,
        .n_key = p->state_dim,
        .n_slices = n_slices,
        .n_tokens = pass_rows_each(pass),
        .query = convolved + key_head,
        .key = convolved + p->key_width + key_head,
        .value = convolved + 2 * (size_t)p->key_width + column,
        .decay = scratch->delta.alpha + (size_t)t * p->n_value_heads + head,
        .beta = scratch->delta.beta + (size_t)t * p->n_value_heads + head,
        .out = scratch->delta.out + (size_t)t * p->value_width + column,
        .delta = delta,
        .query_stride = p->conv_width,
        .key_stride = p->conv_width,
        .value_stride = p->conv_width,
        .gate_stride = p->n_value_heads,
        .out_stride = p->value_width,
        .delta_stride = sequence->state->row_floats,
    });
}

/*
 * Items are sequences, and of each the slices of value heads, taken two by two: so many run side
 * by side in the kernel and stay in the first-level cache from being loaded to the last row.
 */
static void recur_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct hyperparameters *p = pass->parameters;
    const uint32_t per_head = p->state_dim / DELTA_SLICE, end = first + count;
    const uint32_t n_slices = p->n_value_heads * per_head;
    float *aside = pass->scratch->delta.aside + (size_t)first * p->state_dim * DELTA_SLICE;

    (void)context;
    for (uint32_t item = first, n; item < end; item += n) {
        n = item % per_head + 1 < per_head && item + 1 < end ? 2 : 1;
        run_slices(
            pass, item / n_slices * pass_rows_each(pass), item % n_slices, n,
            load_slices(pass, &pass->sequences[item / n_slices], item % n_slices, n, aside));
    }
}

/* Items are heads of rows. */
static void gate_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct delta_weights *weights = context;
    const struct hyperparameters *p = pass->parameters;

    for (uint32_t item = first; item < first + count; item++) {
        float *out = pass->scratch->delta.out + (size_t)item * p->state_dim;
        pass->kernels->rms_norm(out, weights->norm, p->state_dim, p->eps, out);
        pass->kernels->silu_multiply(pass->scratch->delta.gate + (size_t)item * p->state_dim,
                                     out, p->state_dim, out);
    }
}

/* Items are sequences: the rows that the convolution of the next token looks back at. */
static void load_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct hyperparameters *p = pass->parameters;
    const size_t n_bytes = (size_t)(p->n_taps - 1) * p->conv_width * sizeof(float);

    (void)context;
    for (uint32_t i = first; i < first + count; i++) {
        const struct sequence *sequence = &pass->sequences[i];
        struct state *state = sequence->state;
        const bool waits = state_convolution_waits(state, pass->layer);
        const bool to_spare = sequence->recurrence.to_spare;
        float *window = pass->scratch->delta.window + i * window_floats(pass);
        if (waits)
            state_look_back(state, pass->layer, window);
        else
            memcpy(window, remembered(pass, state, state->live), n_bytes);
        if (recurrence_in_place(&sequence->recurrence))
            continue; /* store_windows() comes */
        if (waits || to_spare)
            memcpy(remembered(pass, state, settled_buffer(sequence)), window, n_bytes);
        if (waits && !to_spare)
            state_convolution_done(state, pass->layer);
    }
}

static void store_windows(struct pass *pass)
{
    const struct hyperparameters *p = pass->parameters;

    for (uint32_t i = 0; i < pass->n_sequences && !pass->stopped; i++) {
        const struct sequence *sequence = &pass->sequences[i];
        const float *end = pass->scratch->delta.window + i * window_floats(pass) +
                           (size_t)pass_rows_each(pass) * p->conv_width;
        if (sequence->recurrence.run != RUN_ASIDE)
            memcpy(remembered(pass, sequence->state, written_buffer(sequence)), end,
                   (size_t)(p->n_taps - 1) * p->conv_width * sizeof *end);
    }
}

void deltanet_layer(struct pass *pass, const struct layer_weights *weights)
{
    const struct hyperparameters *p = pass->parameters;
    const uint32_t d = p->n_embd, n_tokens = pass->n_tokens;
    const uint32_t n_heads = p->n_value_heads, value_width = p->value_width;
    struct scratch *scratch = pass->scratch;
    const struct delta_weights *delta = &weights->delta;
    const struct projection output = {&delta->output, scratch->normed, d};

    norm_rows(pass, scratch->hidden, d, weights->mixer_norm, 0, n_tokens, scratch->normed, d);
    pass_trace(pass, "mixer_norm", scratch->normed, d, n_tokens, d);
    pass_run(pass, pass->n_sequences, load_part, NULL);
    project_inputs(pass, delta);
    store_windows(pass);
    pass_trace(pass, "delta_raw", raw_row(pass, 0), raw_stride(pass), n_tokens, p->conv_width);
    pass_trace(pass, "delta_z", scratch->delta.gate, value_width, n_tokens, value_width);
    pass_run(pass, pass->n_sequences * (2 * p->n_key_heads + n_heads), convolve_part, delta);
    pass_run(pass, n_tokens, gates_part, delta);
    pass_trace(pass, "delta_qkv", scratch->delta.convolved, p->conv_width, n_tokens,
               p->conv_width);
    pass_trace(pass, "delta_decay", scratch->delta.alpha, n_heads, n_tokens, n_heads);
    pass_trace(pass, "delta_beta", scratch->delta.beta, n_heads, n_tokens, n_heads);
    pass_run(pass, pass->n_sequences * n_heads * (p->state_dim / DELTA_SLICE), recur_part,
             delta);
    pass_trace(pass, "delta_heads", scratch->delta.out, value_width, n_tokens, value_width);
    pass_run(pass, n_tokens * n_heads, gate_part, delta);
    pass_trace(pass, "delta_gated", scratch->delta.out, value_width, n_tokens, value_width);
    project(pass, scratch->delta.out, value_width, n_tokens, &output, 1, PROJECTION_ADD_HIDDEN);
    pass_trace(pass, "mixer_out", scratch->normed, d, n_tokens, d);
    pass_trace(pass, "mixer_residual", scratch->hidden, d, n_tokens, d);
}
