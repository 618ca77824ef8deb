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

static void project_inputs(struct pass *pass, const struct layer_weights *weights)
{
    const struct hyperparameters *p = pass->parameters;
    const struct delta_weights *delta = &weights->delta;
    struct scratch *scratch = pass->scratch;
    const struct input_rows normed = {scratch->hidden, p->n_embd, pass->n_tokens,
                                      weights->mixer_norm, scratch->normed};
    const struct projection inputs[] = {
        {&delta->qkv, raw_row(pass, 0), raw_stride(pass)},
        {&delta->gate, scratch->delta.gate, p->value_width},
        {&delta->alpha, scratch->delta.alpha, p->n_value_heads},
        {&delta->beta, scratch->delta.beta, p->n_value_heads},
    };

    project(pass, PROFILE_INPUT, &normed, inputs, 4, PROJECTION_STORE);
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

/* Convolved rows of the head of u whose first channel is given: [row][state_dim]. */
static float *convolved_rows(const struct pass *pass, uint32_t sequence, uint32_t channel)
{
    const size_t n_rows = pass_rows_each(pass);

    return pass->scratch->delta.convolved + sequence * n_rows * pass->parameters->conv_width +
           channel * n_rows;
}

/* The log's row for row t of the pass. */
static struct logged_row logged_row(const struct pass *pass, uint32_t t)
{
    const struct sequence *sequence = pass_sequence(pass, t);

    return state_logged_row(sequence->state, sequence->recurrence.log, pass->layer,
                            sequence->recurrence.first_row + t % pass_rows_each(pass));
}

/* A row's share of the log; keys and deltas follow where they are computed. */
static void log_row(struct pass *pass, uint32_t t)
{
    const struct hyperparameters *p = pass->parameters;
    const struct logged_row row = logged_row(pass, t);

    memcpy(row.raw, raw_row(pass, t), p->conv_width * sizeof *row.raw);
    memcpy(row.decay, pass->scratch->delta.alpha + (size_t)t * p->n_value_heads,
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

/* The rows of a sequence on slices of one value head. */
static void run_slices(struct pass *pass, uint32_t sequence, uint32_t first, uint32_t n_slices,
                       float *slices)
{
    const struct hyperparameters *p = pass->parameters;
    const struct scratch *scratch = pass->scratch;
    const struct sequence *of = &pass->sequences[sequence];
    const uint32_t t = sequence * pass_rows_each(pass);
    const uint32_t head = first / (p->state_dim / DELTA_SLICE);
    const uint32_t key_head = head % p->n_key_heads;
    const size_t column = (size_t)first * DELTA_SLICE;
    float *delta = of->recurrence.log >= 0 ? logged_row(pass, t).delta + column : NULL;

    pass->kernels->delta_rule(&(struct delta_rule_job){
        .state = slices,
        .n_key = p->state_dim,
        .n_slices = n_slices,
        .n_tokens = pass_rows_each(pass),
        .query = convolved_rows(pass, sequence, key_head_channel(p, key_head, 0)),
        .key = convolved_rows(pass, sequence, key_head_channel(p, key_head, 1)),
        .value = convolved_rows(pass, sequence, 2 * p->key_width + head * p->state_dim) +
                 column % p->state_dim,
        .decay = scratch->delta.alpha + (size_t)t * p->n_value_heads + head,
        .beta = scratch->delta.beta + (size_t)t * p->n_value_heads + head,
        .out = scratch->delta.out + (size_t)t * p->value_width + column,
        .delta = delta,
        .query_stride = p->state_dim,
        .key_stride = p->state_dim,
        .value_stride = p->state_dim,
        .gate_stride = p->n_value_heads,
        .out_stride = p->value_width,
        .delta_stride = of->state->row_floats,
    });
}

/* What the convolution of a range of channels looks back at, to the window. */
static void load_window(struct pass *pass, const struct sequence *sequence, bool waits,
                        uint32_t channel, float *window)
{
    const struct hyperparameters *p = pass->parameters;
    struct state *state = sequence->state;
    const float *from = remembered(pass, state, state->live);
    float *to = remembered(pass, state, settled_buffer(sequence));

    if (waits)
        state_look_back(state, pass->layer, channel, p->state_dim, window);
    for (uint32_t i = 0; i < p->n_taps - 1; i++) {
        const size_t at = (size_t)i * p->conv_width + channel;
        if (!waits)
            memcpy(window + at, from + at, p->state_dim * sizeof *window);
        if ((waits || sequence->recurrence.to_spare) &&
            !recurrence_in_place(&sequence->recurrence)) /* else store_window() comes */
            memcpy(to + at, window + at, p->state_dim * sizeof *window);
    }
}

static void store_window(struct pass *pass, const struct sequence *sequence, uint32_t channel,
                         const float *window)
{
    const struct hyperparameters *p = pass->parameters;
    const float *end = window + (size_t)pass_rows_each(pass) * p->conv_width;
    float *to = remembered(pass, sequence->state, written_buffer(sequence));

    for (uint32_t i = 0; i < p->n_taps - 1; i++) {
        const size_t at = (size_t)i * p->conv_width + channel;
        memcpy(to + at, end + at, p->state_dim * sizeof *to);
    }
}

/* Query, key and values of a key head, through the convolution. */
static void convolve_head(struct pass *pass, const struct delta_weights *weights,
                          uint32_t index, uint32_t key_head)
{
    const struct hyperparameters *p = pass->parameters;
    const struct sequence *sequence = &pass->sequences[index];
    const uint32_t n_rows = pass_rows_each(pass);
    const bool waits = state_convolution_waits(sequence->state, pass->layer, key_head);
    const float to_query = 1 / math_sqrt((float)p->state_dim);
    float *window = pass->scratch->delta.window + index * window_floats(pass);

    for (uint32_t i = 0; i < key_head_ranges(p); i++) {
        const uint32_t channel = key_head_channel(p, key_head, i);
        float *rows = convolved_rows(pass, index, channel);
        load_window(pass, sequence, waits, channel, window);
        pass->kernels->convolve(window, weights->taps, p->n_taps, p->conv_width, channel,
                                p->state_dim, n_rows, rows, p->state_dim);
        if (sequence->recurrence.run != RUN_ASIDE)
            store_window(pass, sequence, channel, window);
        for (uint32_t t = 0; t < n_rows && i < 2; t++, rows += p->state_dim) {
            pass->kernels->l2_norm(rows, p->state_dim, p->eps, i == 0 ? to_query : 1, rows);
            if (i == 1 && sequence->recurrence.log >= 0)
                memcpy(logged_row(pass, index * n_rows + t).key + key_head * p->state_dim, rows,
                       p->state_dim * sizeof *rows);
        }
    }
    if (waits && !recurrence_in_place(&sequence->recurrence) && !sequence->recurrence.to_spare)
        state_convolution_done(sequence->state, pass->layer, key_head);
}

/* Slices are taken two by two: so many run side by side in the kernel and stay in the first-level
 * cache from being loaded to the last row. */
static void recur_head(struct pass *pass, uint32_t index, uint32_t head, float *aside)
{
    const uint32_t per_head = pass->parameters->state_dim / DELTA_SLICE;
    const uint32_t end = (head + 1) * per_head;

    for (uint32_t slice = head * per_head, n; slice < end; slice += n) {
        n = slice + 1 < end ? 2 : 1;
        run_slices(pass, index, slice, n,
                   load_slices(pass, &pass->sequences[index], slice, n, aside));
    }
}

/* Output of a value head: normed, times silu(z). */
static void gate_head(struct pass *pass, const struct delta_weights *weights, uint32_t index,
                      uint32_t head)
{
    const struct hyperparameters *p = pass->parameters;
    const uint32_t n_rows = pass_rows_each(pass);

    for (uint32_t t = index * n_rows; t < (index + 1) * n_rows; t++) {
        const size_t at = (size_t)t * p->value_width + (size_t)head * p->state_dim;
        float *out = pass->scratch->delta.out + at;
        pass->kernels->rms_norm(out, weights->norm, p->state_dim, p->eps, out);
        pass->kernels->silu_multiply(pass->scratch->delta.gate + at, out, p->state_dim, out);
    }
}

/* Items are sequences, and of each its key heads with all value heads that read them. */
static void convolve_part(struct pass *pass, const void *context, uint32_t first,
                          uint32_t count)
{
    const uint32_t n_heads = pass->parameters->n_key_heads;

    for (uint32_t item = first; item < first + count; item++)
        convolve_head(pass, context, item / n_heads, item % n_heads);
}

static void recur_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct hyperparameters *p = pass->parameters;
    float *aside = pass->scratch->delta.aside + (size_t)first * 2 * p->state_dim * DELTA_SLICE;

    for (uint32_t item = first; item < first + count; item++) {
        const uint32_t index = item / p->n_key_heads;
        for (uint32_t head = item % p->n_key_heads; head < p->n_value_heads;
             head += p->n_key_heads) {
            recur_head(pass, index, head, aside);
            if (!pass->trace)
                gate_head(pass, context, index, head);
        }
    }
}

static void mix_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    for (uint32_t item = first; item < first + count; item++) {
        convolve_part(pass, context, item, 1);
        recur_part(pass, context, item, 1);
    }
}

/* For a trace: rows [conv_width] in the order of u, in the window, which nobody needs any more. */
static void trace_convolved(struct pass *pass)
{
    const struct hyperparameters *p = pass->parameters;
    float *rows = pass->scratch->delta.window;

    if (!pass->trace || pass->stopped || pass->n_sequences > 1)
        return;
    for (uint32_t channel = 0; channel < p->conv_width; channel += p->state_dim)
        for (uint32_t t = 0; t < pass->n_tokens; t++)
            memcpy(rows + (size_t)t * p->conv_width + channel,
                   convolved_rows(pass, 0, channel) + (size_t)t * p->state_dim,
                   p->state_dim * sizeof *rows);
    pass_trace(pass, "delta_qkv", rows, p->conv_width, pass->n_tokens, p->conv_width);
}

/* A profile or a trace sees convolution and recurrence apart; the bytes are the same. */
static void mix(struct pass *pass, const struct delta_weights *weights)
{
    const uint32_t n_heads = pass->parameters->n_value_heads;
    const uint32_t n_items = pass->n_sequences * pass->parameters->n_key_heads;
    struct scratch *scratch = pass->scratch;

    if (!pass->trace && !pass->profile) {
        pass_run(pass, PROFILE_DELTA, n_items, mix_part, weights);
        return;
    }
    pass_run(pass, PROFILE_CONVOLUTION, n_items, convolve_part, weights);
    trace_convolved(pass);
    pass_trace(pass, "delta_decay", scratch->delta.alpha, n_heads, pass->n_tokens, n_heads);
    pass_trace(pass, "delta_beta", scratch->delta.beta, n_heads, pass->n_tokens, n_heads);
    pass_run(pass, PROFILE_DELTA, n_items, recur_part, weights);
}

void deltanet_layer(struct pass *pass, const struct layer_weights *weights)
{
    const struct hyperparameters *p = pass->parameters;
    const uint32_t d = p->n_embd, n_tokens = pass->n_tokens, value_width = p->value_width;
    struct scratch *scratch = pass->scratch;
    const struct projection output = {&weights->delta.output, scratch->normed, d};
    const struct input_rows heads = {scratch->delta.out, value_width, n_tokens, NULL, NULL};

    project_inputs(pass, weights);
    pass_trace(pass, "mixer_norm", scratch->normed, d, n_tokens, d);
    pass_trace(pass, "delta_raw", raw_row(pass, 0), raw_stride(pass), n_tokens, p->conv_width);
    pass_trace(pass, "delta_z", scratch->delta.gate, value_width, n_tokens, value_width);
    pass_run(pass, PROFILE_CONVOLUTION, n_tokens, gates_part, &weights->delta);
    mix(pass, &weights->delta);
    if (pass->trace) { /* it sees the heads before their gate */
        pass_trace(pass, "delta_heads", scratch->delta.out, value_width, n_tokens, value_width);
        for (uint32_t i = 0; i < pass->n_sequences && !pass->stopped; i++)
            for (uint32_t head = 0; head < p->n_value_heads; head++)
                gate_head(pass, &weights->delta, i, head);
    }
    pass_trace(pass, "delta_gated", scratch->delta.out, value_width, n_tokens, value_width);
    project(pass, PROFILE_OUTPUT, &heads, &output, 1, PROJECTION_ADD_HIDDEN);
    pass_trace(pass, "mixer_out", scratch->normed, d, n_tokens, d);
    pass_trace(pass, "mixer_residual", scratch->hidden, d, n_tokens, d);
}
