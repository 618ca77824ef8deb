/*
 * generic.c - every kernel in plain C: the definition that the other levels repeat
 *
 * Written to be read next to ARCHITECTURE.md, "The order of additions".  Weights are read from the
 * native rows of the file, so that this file says nothing about packing and a test of a packed
 * kernel against it tests the packing too.
 */
#include <math.h>

#include "engine/kernels/layout.h"

/* Matrix times activations ----------------------------------------------- */

/*
 * Each column range of a row of weights is decoded once for all tokens; out itself holds the
 * running sums, which is the order of the definition: ascending ranges, one step each.
 */
static void matmul_32(const struct weight *weight, const uint8_t *row,
                      const struct activation_32 *activation, uint32_t n_tokens, float *out,
                      size_t out_stride)
{
    uint32_t block_bytes = tensor_type_info(weight->type)->block_bytes;
    bool has_minimum = weight->type == TENSOR_Q4_1 || weight->type == TENSOR_Q5_1;
    struct block_32 block;

    for (uint32_t t = 0; t < n_tokens; t++)
        out[t * out_stride] = 0;
    for (uint32_t b = 0; b < weight->n_columns / 32; b++) {
        block_32_read(weight->type, row + (size_t)b * block_bytes, &block);
        for (uint32_t t = 0; t < n_tokens; t++) {
            const struct activation_32 *x = &activation[(size_t)b * n_tokens + t];
            float *sum = &out[t * out_stride];
            int32_t dot = 0;
            for (int i = 0; i < 32; i++)
                dot += block.q[i] * x->q[i];
            *sum = math_fma((float)dot, block.scale * x->scale, *sum);
            if (has_minimum)
                *sum = math_fma((float)(x->offset / -128), block.minimum * x->scale, *sum);
        }
    }
}

/* The integer part is exact over the whole block, then one short step in floats. */
static void matmul_256(const struct weight *weight, const uint8_t *row,
                       const struct activation_256 *activation, uint32_t n_tokens, float *out,
                       size_t out_stride)
{
    uint32_t block_bytes = tensor_type_info(weight->type)->block_bytes;
    bool has_minimum = weight->type == TENSOR_Q4_K || weight->type == TENSOR_Q5_K;
    int per_scale = weight->type == TENSOR_Q6_K ? 16 : 32;
    struct block_256 block;

    for (uint32_t t = 0; t < n_tokens; t++)
        out[t * out_stride] = 0;
    for (uint32_t b = 0; b < weight->n_columns / 256; b++) {
        block_256_read(weight->type, row + (size_t)b * block_bytes, &block);
        for (uint32_t t = 0; t < n_tokens; t++) {
            const struct activation_256 *x = &activation[(size_t)b * n_tokens + t];
            float *sum = &out[t * out_stride];
            int32_t scaled = 0, minima = 0;
            for (int g = 0; g < 256 / per_scale; g++) {
                int32_t dot = 0;
                for (int i = 0; i < per_scale; i++)
                    dot += block.q[g * per_scale + i] * x->q[g * per_scale + i];
                scaled += block.scale[g] * dot;
            }
            float value = (float)scaled * block.d;
            if (has_minimum) {
                for (int g = 0; g < 8; g++)
                    minima += block.minimum[g] * x->sum32[g];
                value = math_fma(-(float)minima, block.d_minimum, value);
            }
            *sum = math_fma(value, x->scale, *sum);
        }
    }
}

static float value_read(enum tensor_type type, const uint8_t *row, size_t column)
{
    float value;

    if (type == TENSOR_F32) {
        memcpy(&value, row + 4 * column, sizeof value);
        return value;
    }
    uint16_t bits = layout_u16(row + 2 * column);
    return type == TENSOR_F16 ? layout_half(bits) : math_float_of((uint32_t)bits << 16);
}

/* Four chains over the columns modulo 4. */
static void matmul_float(const struct weight *weight, const uint8_t *row,
                         const float *activation, uint32_t n_tokens, float *out,
                         size_t out_stride)
{
    size_t stride = activation_f32_stride(weight->n_columns);

    for (uint32_t t = 0; t < n_tokens; t++) {
        const float *x = activation + t * stride;
        float sum[4] = {0};
        for (uint32_t c = 0; c < weight->n_columns; c++)
            sum[c % 4] = math_fma(value_read(weight->type, row, c), x[c], sum[c % 4]);
        out[t * out_stride] = (sum[0] + sum[1]) + (sum[2] + sum[3]);
    }
}

static size_t row_bytes(const struct weight *weight)
{
    const struct tensor_type_info *info = tensor_type_info(weight->type);

    return (size_t)(weight->n_columns / info->block_elements) * info->block_bytes;
}

/* Rows of the groups, clipped to the matrix. */
static void row_range(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                      uint32_t *first, uint32_t *end)
{
    uint64_t last = ((uint64_t)first_group + n_groups) * GROUP_ROWS;

    *first = first_group * GROUP_ROWS;
    *end = last < weight->n_rows ? (uint32_t)last : weight->n_rows;
}

void generic_matmul(const struct weight *weight, uint32_t first_group, uint32_t n_groups,
                    const void *activation, uint32_t n_tokens, float *out, size_t out_stride)
{
    enum activation_form form = kernels_activation_form(KERNEL_LEVEL_GENERIC, weight->type);
    uint32_t first, end;

    row_range(weight, first_group, n_groups, &first, &end);
    for (uint32_t r = first; r < end; r++) {
        const uint8_t *row = (const uint8_t *)weight->native + r * row_bytes(weight);
        switch (form) {
        case ACTIVATION_Q8_32:
            matmul_32(weight, row, activation, n_tokens, out + r, out_stride);
            break;
        case ACTIVATION_Q8_256:
            matmul_256(weight, row, activation, n_tokens, out + r, out_stride);
            break;
        default: matmul_float(weight, row, activation, n_tokens, out + r, out_stride); break;
        }
    }
}

/* The exact answer: weights as the format defines them, products and sums in double. */
static void reference_matmul(const struct weight *weight, uint32_t first_group,
                             uint32_t n_groups, const void *activation, uint32_t n_tokens,
                             float *out, size_t out_stride)
{
    enum { TOKENS = 16, COLUMNS = 256 };
    const struct tensor_type_info *info = tensor_type_info(weight->type);
    size_t stride = activation_f32_stride(weight->n_columns);
    uint32_t first, end;
    float values[COLUMNS];

    row_range(weight, first_group, n_groups, &first, &end);
    for (uint32_t r = first; r < end; r++) {
        const uint8_t *row = (const uint8_t *)weight->native + r * row_bytes(weight);
        for (uint32_t t = 0; t < n_tokens; t += TOKENS) {
            uint32_t n_now = n_tokens - t < TOKENS ? n_tokens - t : TOKENS;
            double sum[TOKENS] = {0};
            for (uint32_t c = 0; c < weight->n_columns; c += COLUMNS) {
                uint32_t n = weight->n_columns - c < COLUMNS ? weight->n_columns - c : COLUMNS;
                tensor_row_decode(weight->type,
                                  row + (size_t)(c / info->block_elements) * info->block_bytes,
                                  values, n);
                for (uint32_t k = 0; k < n_now; k++) {
                    const float *x = (const float *)activation + (t + k) * stride + c;
                    double part[4] = {0};
                    for (uint32_t i = 0; i < n; i++)
                        part[i % 4] += (double)values[i] * (double)x[i];
                    sum[k] += (part[0] + part[1]) + (part[2] + part[3]);
                }
            }
            for (uint32_t k = 0; k < n_now; k++)
                out[(t + k) * out_stride + r] = (float)sum[k];
        }
    }
}

/* Activations ------------------------------------------------------------ */

/* q = round(x / scale), scale = largest / 127; zeros where the scale would be too small. */
static float quantize_block(const float *x, int n, int8_t *q)
{
    float largest = 0;

    for (int i = 0; i < n; i++) {
        float magnitude = x[i] < 0 ? -x[i] : x[i];
        largest = magnitude > largest ? magnitude : largest;
    }
    float scale = largest / 127.0f;
    if (scale < SMALLEST_SCALE) {
        memset(q, 0, (size_t)n);
        return 0;
    }
    float inverse = 1.0f / scale;
    /* The low byte of x + 1.5 * 2^23 is the rounded integer; defined for infinities too. */
    for (int i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)math_bits_of(x[i] * inverse + 0x1.8p23f);
        q[i] = (int8_t)(byte < 128 ? byte : byte - 256);
    }
    return scale;
}

static int32_t sum_of(const int8_t *q, int n)
{
    int32_t sum = 0;

    for (int i = 0; i < n; i++)
        sum += q[i];
    return sum;
}

static void quantize_256(const float *x, struct activation_256 *out)
{
    memset(out, 0, sizeof *out);
    out->scale = quantize_block(x, 256, out->q);
    for (int g = 0; g < 16; g++)
        out->offset16[g] = -32 * sum_of(out->q + 16 * g, 16);
    for (int g = 0; g < 8; g++) {
        int32_t sum = sum_of(out->q + 32 * g, 32);
        out->sum32[g] = (int16_t)sum;
        out->offset32[g] = -128 * sum;
    }
}

void generic_quantize(enum activation_form form, const float *x, size_t x_stride,
                      uint32_t n_columns, uint32_t first_row, uint32_t n_rows, uint32_t n_total,
                      void *activation)
{
    for (uint32_t r = 0; r < n_rows; r++, x += x_stride) {
        size_t row = (size_t)first_row + r;
        if (form == ACTIVATION_Q8_32) {
            for (uint32_t b = 0; b < n_columns / 32; b++) {
                struct activation_32 *block = activation;
                block += (size_t)b * n_total + row;
                block->scale = quantize_block(x + 32 * (size_t)b, 32, block->q);
                block->offset = -128 * sum_of(block->q, 32);
            }
        } else if (form == ACTIVATION_Q8_256) {
            for (uint32_t b = 0; b < n_columns / 256; b++) {
                struct activation_256 *block = activation;
                quantize_256(x + 256 * (size_t)b, block + (size_t)b * n_total + row);
            }
        } else {
            size_t stride = activation_f32_stride(n_columns);
            float *out = (float *)activation + row * stride;
            memcpy(out, x, n_columns * sizeof *x);
            memset(out + n_columns, 0, (stride - n_columns) * sizeof *x);
        }
    }
}

/* Norms ------------------------------------------------------------------ */

/* 16 lanes to one: halves are added, 8, 4, 2, 1. */
static float sum_lanes(const float *lane)
{
    float sum[8];

    for (int i = 0; i < 8; i++)
        sum[i] = lane[i] + lane[i + 8];
    for (int i = 0; i < 4; i++)
        sum[i] += sum[i + 4];
    return (sum[0] + sum[2]) + (sum[1] + sum[3]);
}

static float sum_of_squares(const float *x, uint32_t n)
{
    float lane[16] = {0};

    for (uint32_t i = 0; i < n; i += 16)
        for (int l = 0; l < 16; l++)
            lane[l] += x[i + l] * x[i + l];
    return sum_lanes(lane);
}

static void rms_norm(const float *x, const float *weight, uint32_t n, float eps, float *out)
{
    float inverse = 1.0f / math_sqrt(sum_of_squares(x, n) / (float)n + eps);

    for (uint32_t i = 0; i < n; i++)
        out[i] = (x[i] * inverse) * weight[i];
}

static void l2_norm(const float *x, uint32_t n, float eps, float scale, float *out)
{
    float inverse = scale / math_sqrt(sum_of_squares(x, n) + eps);

    for (uint32_t i = 0; i < n; i++)
        out[i] = x[i] * inverse;
}

/* Element by element ----------------------------------------------------- */

static void add(float *x, const float *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] += y[i];
}

static void silu_multiply(const float *gate, const float *up, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = math_silu(gate[i]) * up[i];
}

static void sigmoid_multiply(const float *x, const float *gate, size_t n, float *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[i] / (1.0f + math_exp(-gate[i]));
}

static void convolve(const float *window, size_t window_stride, const float *taps,
                     size_t taps_stride, uint32_t n_taps, uint32_t n, uint32_t n_tokens,
                     float *out, size_t out_stride)
{
    for (uint32_t t = 0; t < n_tokens; t++, window += window_stride, out += out_stride)
        for (uint32_t c = 0; c < n; c++) {
            float sum = taps[c] * window[c];
            for (size_t j = 1; j < n_taps; j++)
                sum += taps[j * taps_stride + c] * window[j * window_stride + c];
            out[c] = math_silu(sum);
        }
}

static void rotate(float *x, const float *cosine, const float *sine, uint32_t n_pairs)
{
    for (uint32_t i = 0; i < n_pairs; i++) {
        float a = x[i], b = x[i + n_pairs];
        x[i] = a * cosine[i] - b * sine[i];
        x[i + n_pairs] = a * sine[i] + b * cosine[i];
    }
}

/* Gated delta rule ------------------------------------------------------- */

/* sum over keys of vector[i] * state[i][column], four chains over the keys modulo 4 */
static float state_dot(const float *state, const float *vector, uint32_t n_key)
{
    float sum[4] = {0};

    for (uint32_t i = 0; i < n_key; i += 4)
        for (int c = 0; c < 4; c++)
            sum[c] = math_fma(vector[i + c], state[(size_t)(i + c) * DELTA_SLICE], sum[c]);
    return (sum[0] + sum[1]) + (sum[2] + sum[3]);
}

static void state_update(float *state, const float *key, uint32_t n_key, float decay,
                         float delta)
{
    for (uint32_t i = 0; i < n_key; i++, state += DELTA_SLICE)
        *state = math_fma(key[i], delta, *state * decay);
}

static void delta_rule(const struct delta_rule_job *job)
{
    uint32_t first = job->first_slice * DELTA_SLICE;
    uint32_t end = first + job->n_slices * DELTA_SLICE;

    for (uint32_t t = 0; t < job->n_tokens; t++) {
        const float *query = job->query + t * job->query_stride;
        const float *key = job->key + t * job->key_stride;
        const float *value = job->value + t * job->value_stride;
        float decay = job->decay[t * job->gate_stride];
        float beta = job->beta[t * job->gate_stride];
        for (uint32_t j = first; j < end; j++) {
            float *state = job->state + (size_t)(j / DELTA_SLICE) * job->n_key * DELTA_SLICE +
                           j % DELTA_SLICE;
            float read = state_dot(state, key, job->n_key) * decay;
            float delta = beta * (value[j] - read);
            state_update(state, key, job->n_key, decay, delta);
            job->out[t * job->out_stride + j] = state_dot(state, query, job->n_key);
            if (job->delta)
                job->delta[t * job->delta_stride + j] = delta;
        }
    }
}

static void delta_apply(const struct delta_rule_job *job)
{
    uint32_t first = job->first_slice * DELTA_SLICE;
    uint32_t end = first + job->n_slices * DELTA_SLICE;

    for (uint32_t t = 0; t < job->n_tokens; t++)
        for (uint32_t j = first; j < end; j++)
            state_update(job->state + (size_t)(j / DELTA_SLICE) * job->n_key * DELTA_SLICE +
                             j % DELTA_SLICE,
                         job->key + t * job->key_stride, job->n_key,
                         job->decay[t * job->gate_stride],
                         job->delta[t * job->delta_stride + j]);
}

/* Attention -------------------------------------------------------------- */

static float element(const struct attention_job *job, const void *rows, size_t index)
{
    return job->half ? layout_half(((const uint16_t *)rows)[index])
                     : ((const float *)rows)[index];
}

/* q.k in 16 lanes over the dimensions modulo 16 */
static float score(const struct attention_job *job, const float *query, size_t position)
{
    float lane[16] = {0};

    for (uint32_t i = 0; i < job->n_key; i += 16)
        for (int l = 0; l < 16; l++)
            lane[l] = math_fma(query[i + l],
                               element(job, job->key, position * job->n_key + i + l), lane[l]);
    return sum_lanes(lane) * job->scale;
}

/* One query over the blocks of positions 0 .. last; out holds the unnormalised sum. */
static void attend(const struct attention_job *job, const float *query, uint32_t last,
                   float *out)
{
    float largest = -INFINITY, total = 0;

    for (uint32_t i = 0; i < job->n_value; i++)
        out[i] = 0;
    for (uint32_t first = 0; first <= last; first += ATTENTION_BLOCK) {
        uint32_t n = last + 1 - first < ATTENTION_BLOCK ? last + 1 - first : ATTENTION_BLOCK;
        float weight[ATTENTION_BLOCK] = {0}, lane[16], before = largest;
        for (uint32_t j = 0; j < n; j++) {
            weight[j] = score(job, query, (size_t)first + j);
            largest = weight[j] > largest ? weight[j] : largest;
        }
        for (uint32_t j = 0; j < n; j++)
            weight[j] = math_exp(weight[j] - largest);
        for (int l = 0; l < 16; l++)
            lane[l] = ((weight[l] + weight[l + 16]) + weight[l + 32]) + weight[l + 48];
        float kept = math_exp(before - largest);
        total = total * kept + sum_lanes(lane);
        for (uint32_t i = 0; i < job->n_value; i++)
            out[i] *= kept;
        for (uint32_t j = 0; j < n; j++)
            for (uint32_t i = 0; i < job->n_value; i++)
                out[i] = math_fma(
                    weight[j], element(job, job->value, ((size_t)first + j) * job->n_value + i),
                    out[i]);
    }
    float inverse = 1.0f / total;
    for (uint32_t i = 0; i < job->n_value; i++)
        out[i] *= inverse;
}

static void attention(const struct attention_job *job)
{
    for (uint32_t r = 0; r < job->n_rows; r++)
        for (uint32_t h = 0; h < job->n_heads; h++)
            attend(job, job->query + r * job->query_row_stride + h * job->query_head_stride,
                   job->first_position + r,
                   job->out + r * job->out_row_stride + h * job->out_head_stride);
}

static void to_half(const float *x, size_t n, uint16_t *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = float_to_half(x[i]);
}

void generic_kernels(struct kernels *table)
{
    *table = (struct kernels){
        .level = KERNEL_LEVEL_GENERIC,
        .pack = generic_pack,
        .quantize = generic_quantize,
        .matmul = generic_matmul,
        .rms_norm = rms_norm,
        .l2_norm = l2_norm,
        .add = add,
        .silu_multiply = silu_multiply,
        .sigmoid_multiply = sigmoid_multiply,
        .convolve = convolve,
        .rotate = rotate,
        .delta_rule = delta_rule,
        .delta_apply = delta_apply,
        .attention = attention,
        .to_half = to_half,
    };
}

void reference_kernels(struct kernels *table)
{
    generic_kernels(table);
    table->level = KERNEL_LEVEL_REFERENCE;
    table->matmul = reference_matmul;
}
