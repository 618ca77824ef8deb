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
#include "engine/run/run_clock.h"

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
    const struct input_rows normed = {scratch->hidden,     p->n_embd,       pass->n_tokens,
                                      weights->mixer_norm, scratch->normed, false};
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

/* Rows of u of one head, from the oldest one that the convolution looks back at. */
struct head_window {
    float *rows; /* [n_taps - 1 + row], state_dim channels each */
    size_t stride;
};

static struct head_window head_window(const struct pass *pass, uint32_t sequence,
                                      uint32_t channel, bool by_head)
{
    const struct hyperparameters *p = pass->parameters;
    float *window = pass->scratch->delta.window;

    if (by_head)
        return (struct head_window){
            window + (size_t)channel * (p->n_taps - 1 + pass_rows_each(pass)), p->state_dim};
    return (struct head_window){window + sequence * window_floats(pass) + channel,
                                p->conv_width};
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
            memcpy(logged_row(pass, t).decay, alpha, n_heads * sizeof *alpha);
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

/* What the convolution of a head of u looks back at, to its window. */
static void load_window(struct pass *pass, const struct sequence *sequence, bool waits,
                        uint32_t channel, const struct head_window *window)
{
    const struct hyperparameters *p = pass->parameters;
    struct state *state = sequence->state;
    const float *from = remembered(pass, state, state->live);
    float *to = remembered(pass, state, settled_buffer(sequence));
    const bool settles = (waits || sequence->recurrence.to_spare) &&
                         !recurrence_in_place(&sequence->recurrence); /* else store_window() */

    if (waits)
        state_look_back(state, pass->layer, channel, p->state_dim, window->rows,
                        window->stride);
    for (uint32_t i = 0; i < p->n_taps - 1; i++) {
        const size_t at = (size_t)i * p->conv_width + channel;
        float *row = window->rows + i * window->stride;
        if (!waits)
            memcpy(row, from + at, p->state_dim * sizeof *row);
        if (settles)
            memcpy(to + at, row, p->state_dim * sizeof *row);
    }
}

static void store_window(struct pass *pass, const struct sequence *sequence, uint32_t channel,
                         const struct head_window *window)
{
    const struct hyperparameters *p = pass->parameters;
    const float *end = window->rows + pass_rows_each(pass) * window->stride;
    float *to = remembered(pass, sequence->state, written_buffer(sequence)) + channel;

    for (uint32_t i = 0; i < p->n_taps - 1; i++, end += window->stride, to += p->conv_width)
        memcpy(to, end, p->state_dim * sizeof *to);
}

/* Query (0), key (1) or values of a key head, through the convolution; logs what is to be. */
static void convolve_range(struct pass *pass, const struct delta_weights *weights,
                           uint32_t index, uint32_t key_head, uint32_t range, bool waits,
                           const struct head_window *window)
{
    const struct hyperparameters *p = pass->parameters;
    const struct sequence *sequence = &pass->sequences[index];
    const uint32_t n_rows = pass_rows_each(pass);
    const uint32_t channel = key_head_channel(p, key_head, range);
    const size_t n_bytes = p->state_dim * sizeof(float);
    const float *raw = window->rows + (p->n_taps - 1) * window->stride;
    float *rows = convolved_rows(pass, index, channel);

    load_window(pass, sequence, waits, channel, window);
    pass->kernels->convolve(window->rows, window->stride, weights->taps + channel,
                            p->conv_width, p->n_taps, p->state_dim, n_rows, rows, p->state_dim);
    if (sequence->recurrence.run != RUN_ASIDE)
        store_window(pass, sequence, channel, window);
    for (uint32_t t = 0; t < n_rows; t++, rows += p->state_dim, raw += window->stride) {
        const bool logs = sequence->recurrence.log >= 0;
        if (range < 2)
            pass->kernels->l2_norm(rows, p->state_dim, p->eps,
                                   range == 0 ? 1 / math_sqrt((float)p->state_dim) : 1, rows);
        if (logs)
            memcpy(logged_row(pass, index * n_rows + t).raw + channel, raw, n_bytes);
        if (logs && range == 1)
            memcpy(logged_row(pass, index * n_rows + t).key + key_head * p->state_dim, rows,
                   n_bytes);
    }
}

static void convolve_head(struct pass *pass, const struct delta_weights *weights,
                          uint32_t index, uint32_t key_head, bool by_head)
{
    const struct hyperparameters *p = pass->parameters;
    const struct sequence *sequence = &pass->sequences[index];
    const bool waits = state_convolution_waits(sequence->state, pass->layer, key_head);

    for (uint32_t i = 0; i < key_head_ranges(p); i++) {
        const struct head_window window =
            head_window(pass, index, key_head_channel(p, key_head, i), by_head);
        convolve_range(pass, weights, index, key_head, i, waits, &window);
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

/* Output of a value head: normed, times silu(z); z: rows z_stride apart. */
static void gate_head(struct pass *pass, const struct delta_weights *weights, uint32_t index,
                      uint32_t head, const float *z, size_t z_stride)
{
    const struct hyperparameters *p = pass->parameters;
    const uint32_t n_rows = pass_rows_each(pass);
    float *out = pass->scratch->delta.out + (size_t)index * n_rows * p->value_width +
                 (size_t)head * p->state_dim;

    for (uint32_t t = 0; t < n_rows; t++, out += p->value_width, z += z_stride) {
        pass->kernels->rms_norm(out, weights->norm, p->state_dim, p->eps, out);
        pass->kernels->silu_multiply(z, out, p->state_dim, out);
    }
}

/* The same with z as the projections left it, [t][value_width]. */
static void gate_row_major(struct pass *pass, const struct delta_weights *weights,
                           uint32_t index, uint32_t head)
{
    const struct hyperparameters *p = pass->parameters;

    gate_head(pass, weights, index, head,
              pass->scratch->delta.gate +
                  (size_t)index * pass_rows_each(pass) * p->value_width +
                  (size_t)head * p->state_dim,
              p->value_width);
}

/* Where an item may run its slices aside; items are sequences, and of each its key heads. */
static float *item_aside(const struct pass *pass, uint32_t item)
{
    return pass->scratch->delta.aside +
           (size_t)item * 2 * pass->parameters->state_dim * DELTA_SLICE;
}

static void convolve_part(struct pass *pass, const void *context, uint32_t first,
                          uint32_t count)
{
    const uint32_t n_heads = pass->parameters->n_key_heads;

    for (uint32_t item = first; item < first + count; item++)
        convolve_head(pass, context, item / n_heads, item % n_heads, false);
}

static void recur_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct hyperparameters *p = pass->parameters;

    for (uint32_t item = first; item < first + count; item++) {
        const uint32_t index = item / p->n_key_heads;
        for (uint32_t head = item % p->n_key_heads; head < p->n_value_heads;
             head += p->n_key_heads) {
            recur_head(pass, index, head, item_aside(pass, item));
            if (!pass->trace)
                gate_row_major(pass, context, index, head);
        }
    }
}

static void mix_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    int64_t time = pass->profile ? run_clock_now() : 0;

    for (uint32_t item = first; item < first + count; item++) {
        convolve_part(pass, context, item, 1);
        pass_spend(pass, PROFILE_CONVOLUTION, &time);
        recur_part(pass, context, item, 1);
        pass_spend(pass, PROFILE_DELTA, &time);
    }
}

/*
 * Many rows of one sequence: key heads from the input rows to the gated output.  What is between
 * is as large as a cache of the second level, and would be read from memory if all heads were
 * taken through it stage by stage.
 */
static void heads_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct hyperparameters *p = pass->parameters;
    const struct delta_weights *weights = context;
    const uint32_t groups = p->state_dim / GROUP_ROWS;
    int64_t time = pass->profile ? run_clock_now() : 0;

    for (uint32_t key_head = first; key_head < first + count; key_head++) {
        for (uint32_t i = 0; i < key_head_ranges(p); i++) {
            const uint32_t channel = key_head_channel(p, key_head, i);
            const struct head_window window = head_window(pass, 0, channel, true);
            multiply_groups(pass, &weights->qkv, channel / GROUP_ROWS, groups,
                            window.rows + (p->n_taps - 1) * window.stride, window.stride);
        }
        pass_spend(pass, PROFILE_INPUT, &time);
        convolve_head(pass, weights, 0, key_head, true);
        pass_spend(pass, PROFILE_CONVOLUTION, &time);
        for (uint32_t head = key_head; head < p->n_value_heads; head += p->n_key_heads) {
            float *z = pass->scratch->delta.gate + (size_t)head * p->state_dim * pass->n_tokens;
            multiply_groups(pass, &weights->gate, head * groups, groups, z, p->state_dim);
            pass_spend(pass, PROFILE_INPUT, &time);
            recur_head(pass, 0, head, item_aside(pass, key_head));
            gate_head(pass, weights, 0, head, z, p->state_dim);
            pass_spend(pass, PROFILE_DELTA, &time);
        }
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

/* Stage by stage: a trace sees each of them. */
static void layer_by_stage(struct pass *pass, const struct layer_weights *weights)
{
    const struct hyperparameters *p = pass->parameters;
    const struct delta_weights *delta = &weights->delta;
    const uint32_t n_heads = p->n_value_heads, n_tokens = pass->n_tokens;
    const uint32_t n_items = pass->n_sequences * p->n_key_heads, d = p->n_embd;
    struct scratch *scratch = pass->scratch;

    project_inputs(pass, weights);
    pass_trace(pass, "mixer_norm", scratch->normed, d, n_tokens, d);
    pass_trace(pass, "delta_raw", raw_row(pass, 0), raw_stride(pass), n_tokens, p->conv_width);
    pass_trace(pass, "delta_z", scratch->delta.gate, p->value_width, n_tokens, p->value_width);
    pass_run(pass, PROFILE_CONVOLUTION, n_tokens, gates_part, delta);
    if (!pass->trace) {
        pass_run(pass, PROFILE_DELTA, n_items, mix_part, delta);
        return;
    }
    pass_run(pass, PROFILE_CONVOLUTION, n_items, convolve_part, delta);
    trace_convolved(pass);
    pass_trace(pass, "delta_decay", scratch->delta.alpha, n_heads, n_tokens, n_heads);
    pass_trace(pass, "delta_beta", scratch->delta.beta, n_heads, n_tokens, n_heads);
    pass_run(pass, PROFILE_DELTA, n_items, recur_part, delta);
    pass_trace(pass, "delta_heads", scratch->delta.out, p->value_width, n_tokens,
               p->value_width);
    for (uint32_t i = 0; i < pass->n_sequences && !pass->stopped; i++)
        for (uint32_t head = 0; head < n_heads; head++)
            gate_row_major(pass, delta, i, head);
}

static void layer_by_head(struct pass *pass, const struct layer_weights *weights)
{
    const struct hyperparameters *p = pass->parameters;
    const struct delta_weights *delta = &weights->delta;
    struct scratch *scratch = pass->scratch;
    const struct weight *const all[] = {&delta->qkv, &delta->gate, &delta->alpha, &delta->beta};
    const struct projection gates[] = {
        {&delta->alpha, scratch->delta.alpha, p->n_value_heads},
        {&delta->beta, scratch->delta.beta, p->n_value_heads},
    };
    const struct input_rows input = {scratch->hidden,     p->n_embd,       pass->n_tokens,
                                     weights->mixer_norm, scratch->normed, false};

    prepare_rows(pass, &input, all, 4);
    multiply_rows(pass, PROFILE_INPUT, pass->n_tokens, gates, 2);
    pass_run(pass, PROFILE_CONVOLUTION, pass->n_tokens, gates_part, delta);
    pass_run(pass, PROFILE_DELTA, p->n_key_heads, heads_part, delta);
}

void deltanet_layer(struct pass *pass, const struct layer_weights *weights)
{
    const struct hyperparameters *p = pass->parameters;
    const uint32_t d = p->n_embd, n_tokens = pass->n_tokens, value_width = p->value_width;
    struct scratch *scratch = pass->scratch;
    const struct projection output = {&weights->delta.output, scratch->normed, d};
    const struct input_rows heads = {
        scratch->delta.out, value_width, n_tokens, NULL, NULL, false};

    if (pass_fuses(pass, p->n_key_heads) && p->state_dim % GROUP_ROWS == 0)
        layer_by_head(pass, weights);
    else
        layer_by_stage(pass, weights);
    pass_trace(pass, "delta_gated", scratch->delta.out, value_width, n_tokens, value_width);
    project(pass, PROFILE_OUTPUT, &heads, &output, 1, PROJECTION_ADD_HIDDEN);
    pass_trace(pass, "mixer_out", scratch->normed, d, n_tokens, d);
    pass_trace(pass, "mixer_residual", scratch->hidden, d, n_tokens, d);
}
