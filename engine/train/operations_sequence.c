/*
 * operations_sequence.c - rotary embedding, and the causal depthwise convolution
 */
#include <string.h>

#include "engine/model/rope.h"
#include "engine/train/operations_internal.h"
#include "engine/train/sequence_work.h"

/* Rotary embedding ----------------------------------------------------------------------------- */

#define MOST_POSITION 1600000 /* math_sin64() is exact so far */

struct rope_step {
    struct tensor *x, *out;
    const int32_t *positions;
    size_t n_pairs;
    const float *cosine, *sine; /* [position][n_pairs] */
};

/* Rows of heads: from pairs (i, i + n_pairs) turned by +angle, or by -angle and added. */
static void rope_turn(const float *restrict from, float *restrict to, size_t n_pairs,
                      const float *restrict cosine, const float *restrict sine)
{
    for (size_t i = 0; i < n_pairs; i++) {
        to[i] = from[i] * cosine[i] - from[i + n_pairs] * sine[i];
        to[i + n_pairs] = from[i] * sine[i] + from[i + n_pairs] * cosine[i];
    }
}

static void rope_turn_back(const float *restrict from, float *restrict to, size_t n_pairs,
                           const float *restrict cosine, const float *restrict sine)
{
    for (size_t i = 0; i < n_pairs; i++) {
        to[i] += from[i] * cosine[i] + from[i + n_pairs] * sine[i];
        to[i + n_pairs] += from[i + n_pairs] * cosine[i] - from[i] * sine[i];
    }
}

static void rope_rows(void *context, size_t first, size_t count)
{
    const struct rope_step *step = context;
    const struct tensor *x = step->x, *out = step->out;
    const size_t n_rotary = 2 * step->n_pairs, dim = x->shape[2];

    for (size_t t = first; t < first + count; t++) {
        const size_t angle = (size_t)step->positions[t] * step->n_pairs;
        for (size_t head = 0; head < x->shape[1]; head++) {
            const float *from = sequence_place(x, x->data, t, head);
            float *to = sequence_place(out, out->data, t, head);
            rope_turn(from, to, step->n_pairs, step->cosine + angle, step->sine + angle);
            memcpy(to + n_rotary, from + n_rotary, (dim - n_rotary) * sizeof *to);
        }
    }
}

static void rope_rows_back(void *context, size_t first, size_t count)
{
    const struct rope_step *step = context;
    const struct tensor *x = step->x, *out = step->out;
    const size_t n_rotary = 2 * step->n_pairs, dim = x->shape[2];

    for (size_t t = first; t < first + count; t++) {
        const size_t angle = (size_t)step->positions[t] * step->n_pairs;
        for (size_t head = 0; head < x->shape[1]; head++) {
            const float *from = sequence_place(out, out->gradient, t, head);
            float *to = sequence_place(x, x->gradient, t, head);
            rope_turn_back(from, to, step->n_pairs, step->cosine + angle, step->sine + angle);
            for (size_t i = n_rotary; i < dim; i++)
                to[i] += from[i];
        }
    }
}

static void rope_back(struct tape *tape, void *context)
{
    struct rope_step *step = context;

    parallel_ranges(tape, step->x->shape[0], 1, tensor_elements(step->x), rope_rows_back, step);
}

static bool rope_fits(struct tape *tape, const struct tensor *x,
                      const struct sequences *sequences, uint32_t n_rotary)
{
    if (x->n_dimensions != 3 || n_rotary % 2 != 0 || n_rotary > x->shape[2]) {
        tape_fail(tape, STATUS_USAGE, "rotary embedding: %u values do not fit [n][heads][dim]",
                  n_rotary);
        return false;
    }
    if (!sequences_fit(tape, "rotary embedding", sequences, x->shape[0]))
        return false;
    for (size_t t = 0; t < x->shape[0]; t++)
        if (sequences->positions[t] < 0 || sequences->positions[t] > MOST_POSITION) {
            tape_fail(tape, STATUS_USAGE, "rotary embedding: position %d of token %zu",
                      sequences->positions[t], t);
            return false;
        }
    return true;
}

/* Angles of positions 0 .. the largest: those of the engine. */
static void rope_angles(struct tape *tape, struct rope_step *step, float base)
{
    const uint32_t n_pairs = (uint32_t)step->n_pairs;
    double *frequencies = tape_allocate(tape, n_pairs * sizeof *frequencies);
    uint32_t n_positions = 0;

    for (size_t t = 0; t < step->x->shape[0]; t++)
        if ((uint32_t)step->positions[t] >= n_positions)
            n_positions = (uint32_t)step->positions[t] + 1;
    float *cosine = tape_allocate(tape, (size_t)n_positions * n_pairs * sizeof *cosine);
    float *sine = tape_allocate(tape, (size_t)n_positions * n_pairs * sizeof *sine);
    if (!frequencies || !cosine || !sine)
        return;
    rope_frequencies(2 * n_pairs, (double)base, 1, frequencies);
    rope_table(frequencies, n_pairs, 0, n_positions, cosine, sine);
    step->cosine = cosine;
    step->sine = sine;
}

struct tensor *op_rope(struct tape *tape, struct tensor *x, const struct sequences *sequences,
                       uint32_t n_rotary, float base)
{
    struct rope_step step = {.n_pairs = n_rotary / 2};

    if (!operation_ready(tape, &x, 1) || !rope_fits(tape, x, sequences, n_rotary))
        return NULL;
    step.x = rows_dense(tape, x);
    step.positions = sequences->positions;
    step.out = tape_tensor(tape, 3, x->shape, tape_wants_gradient(tape, &x, 1));
    if (!step.x || !step.out)
        return NULL;
    rope_angles(tape, &step, base);
    if (tape_status(tape, NULL) != STATUS_OK)
        return NULL;
    parallel_ranges(tape, x->shape[0], 1, tensor_elements(x), rope_rows, &step);
    operation_record(tape, step.out, rope_back, &step, sizeof step);
    return step.out;
}

/* Convolution ---------------------------------------------------------------------------------- */

struct convolution_step {
    const struct row_kernels *row;
    struct tensor *x, *taps, *out;
    struct sequences sequences;
    float *by_tap;   /* [n_taps][channels] */
    float *d_by_tap; /* the same, while going back; NULL: not wanted */
};

/* A range of channels of token t, n_seen tokens after the start of its sequence. */
typedef void (*convolve_token)(const struct convolution_step *step, size_t channel,
                               size_t count, size_t t, size_t n_seen);

static void convolve_each(const struct convolution_step *step, size_t channel, size_t count,
                          convolve_token job)
{
    const struct sequences *sequences = &step->sequences;

    for (uint32_t s = 0; s < sequences->n_sequences; s++)
        for (size_t t = sequences->first[s]; t < sequences->first[s + 1]; t++)
            job(step, channel, count, t, t - sequences->first[s]);
}

/* The first tap that does not look in front of the sequence. */
static size_t first_tap(size_t n_taps, size_t n_seen)
{
    return n_taps > n_seen + 1 ? n_taps - n_seen - 1 : 0;
}

static void convolve(const struct convolution_step *step, size_t channel, size_t count,
                     size_t t, size_t n_seen)
{
    const struct tensor *x = step->x;
    const size_t channels = x->shape[1], n_taps = step->taps->shape[1];
    float *out = step->out->data + t * channels + channel;

    memset(out, 0, count * sizeof *out);
    for (size_t j = first_tap(n_taps, n_seen); j < n_taps; j++)
        step->row->multiply_add(x->data + (t + j + 1 - n_taps) * x->stride[0] + channel,
                                step->by_tap + j * channels + channel, out, count);
}

static void convolve_back(const struct convolution_step *step, size_t channel, size_t count,
                          size_t t, size_t n_seen)
{
    const struct tensor *x = step->x;
    const size_t channels = x->shape[1], n_taps = step->taps->shape[1];
    const float *d_out = step->out->gradient + t * channels + channel;

    for (size_t j = first_tap(n_taps, n_seen); j < n_taps; j++) {
        const size_t input = (t + j + 1 - n_taps) * x->stride[0] + channel;
        const size_t tap = j * channels + channel;
        if (x->gradient)
            step->row->multiply_add(d_out, step->by_tap + tap, x->gradient + input, count);
        if (step->d_by_tap)
            step->row->multiply_add(d_out, x->data + input, step->d_by_tap + tap, count);
    }
}

static void convolve_channels(void *context, size_t first, size_t count)
{
    convolve_each(context, first, count, convolve);
}

static void convolve_channels_back(void *context, size_t first, size_t count)
{
    convolve_each(context, first, count, convolve_back);
}

static void convolution_back(struct tape *tape, void *context)
{
    struct convolution_step *step = context;
    const struct tensor *taps = step->taps;
    const size_t channels = taps->shape[0], n_taps = taps->shape[1];
    const size_t n_bytes = channels * n_taps * sizeof(float);

    if (taps->gradient) {
        step->d_by_tap = tape_allocate(tape, n_bytes);
        if (!step->d_by_tap)
            return;
        memset(step->d_by_tap, 0, n_bytes);
    }
    parallel_ranges(tape, channels, column_grain(channels), tensor_elements(step->x),
                    convolve_channels_back, step);
    for (size_t c = 0; taps->gradient && c < channels; c++)
        for (size_t j = 0; j < n_taps; j++)
            taps->gradient[c * taps->stride[0] + j * taps->stride[1]] +=
                step->d_by_tap[j * channels + c];
}

static void convolution_by_tap(const struct tensor *taps, float *by_tap)
{
    const size_t channels = taps->shape[0];

    for (size_t c = 0; c < channels; c++)
        for (size_t j = 0; j < taps->shape[1]; j++)
            by_tap[j * channels + c] = taps->data[c * taps->stride[0] + j * taps->stride[1]];
}

struct tensor *op_convolution(struct tape *tape, struct tensor *x, struct tensor *taps,
                              const struct sequences *sequences)
{
    struct tensor *inputs[] = {x, taps};
    struct convolution_step step = {.row = tape_kernels(tape)->row, .taps = taps};

    if (!operation_ready(tape, inputs, 2))
        return NULL;
    if (x->n_dimensions != 2 || taps->n_dimensions != 2 || taps->shape[0] != x->shape[1])
        return tape_fail(tape, STATUS_USAGE,
                         "convolution: [n][channels] needs taps [channels][n_taps]");
    if (!sequences_fit(tape, "convolution", sequences, x->shape[0]))
        return NULL;
    step.sequences = *sequences;
    step.x = rows_dense(tape, x);
    step.by_tap = tape_allocate(tape, tensor_elements(taps) * sizeof *step.by_tap);
    step.out = tape_tensor(tape, 2, x->shape, tape_wants_gradient(tape, inputs, 2));
    if (tape_status(tape, NULL) != STATUS_OK)
        return NULL;
    convolution_by_tap(taps, step.by_tap);
    parallel_ranges(tape, x->shape[1], column_grain(x->shape[1]), tensor_elements(x),
                    convolve_channels, &step);
    operation_record(tape, step.out, convolution_back, &step, sizeof step);
    return step.out;
}
