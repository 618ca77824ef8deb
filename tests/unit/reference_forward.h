/*
 * reference_forward.h - the model once more, in double precision, one token at a time
 *
 * Written from the sheet of the model's mathematics alone, with nothing of engine/model: loops
 * over indices, libm, no layout.  Weights are read through the file reader and the tensor
 * decoder.  Include after cmocka.h.
 */
#ifndef TESTS_UNIT_REFERENCE_FORWARD_H
#define TESTS_UNIT_REFERENCE_FORWARD_H

#include "tests/unit/model_writer.h"

enum { MAX_POSITIONS = 64 };

struct reference {
    const struct shape *shape;
    struct gguf *file;
    uint32_t n_positions;
    uint32_t first_angle;                              /* the rotary position of position 0 */
    double *keys[SHAPE_LAYERS], *values[SHAPE_LAYERS]; /* [position][head][head_dim] */
    double *states[SHAPE_LAYERS];                      /* [head][key][value] */
    double *inputs[SHAPE_LAYERS];                      /* [position][channel], raw */
    /* For numerical gradients: one value of one tensor differs from the file. */
    const char *changed_tensor; /* NULL: none */
    size_t changed_index;
    double change;
};

/* A tensor's values, [ne1][ne0]; free() them. */
static inline double *tensor_values(const struct reference *reference, int layer,
                                    const char *suffix)
{
    char name[80];
    const struct gguf_tensor *tensor;
    double *values;
    float *row;

    if (layer >= 0)
        snprintf(name, sizeof name, "blk.%d.%s", layer, suffix);
    else
        snprintf(name, sizeof name, "%s", suffix);
    tensor = gguf_find_tensor(reference->file, name);
    if (!tensor)
        return NULL;
    values = malloc(tensor->ne[0] * tensor->ne[1] * sizeof *values);
    row = malloc(tensor->ne[0] * sizeof *row);
    for (uint64_t i = 0; i < tensor->ne[1]; i++) {
        tensor_row_decode(tensor->type, tensor->data + i * (tensor->n_bytes / tensor->ne[1]),
                          row, tensor->ne[0]);
        for (uint64_t j = 0; j < tensor->ne[0]; j++)
            values[i * tensor->ne[0] + j] = (double)row[j];
    }
    free(row);
    if (reference->changed_tensor && strcmp(name, reference->changed_tensor) == 0)
        values[reference->changed_index] += reference->change;
    return values;
}

/* out = W x, rows first_row .. first_row + n_rows - 1 of the tensor */
static inline void multiply(const struct reference *reference, int layer, const char *suffix,
                            uint32_t first_row, uint32_t n_rows, const double *x,
                            uint32_t n_columns, double *out)
{
    double *weights = tensor_values(reference, layer, suffix);

    assert_non_null(weights);
    for (uint32_t i = 0; i < n_rows; i++) {
        out[i] = 0;
        for (uint32_t j = 0; j < n_columns; j++)
            out[i] += weights[(size_t)(first_row + i) * n_columns + j] * x[j];
    }
    free(weights);
}

static inline void norm_with(const double *x, const double *weights, uint32_t n, double *out)
{
    double sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    for (uint32_t i = 0; i < n; i++)
        out[i] = x[i] / sqrt(sum / n + 1e-6) * (weights ? weights[i] : 1);
}

static inline void norm_named(const struct reference *reference, int layer, const char *suffix,
                              const double *x, uint32_t n, double *out)
{
    double *weights = tensor_values(reference, layer, suffix);

    norm_with(x, weights, n, out);
    free(weights);
}

static inline double logistic(double x)
{
    return 1 / (1 + exp(-x));
}

/* Pairs (i, i + n_rotary / 2) of the leading dimensions. */
static inline void turn(const struct shape *s, double *x, uint32_t position)
{
    const uint32_t half = s->n_rotary / 2;

    for (uint32_t i = 0; i < half; i++) {
        const double angle =
            position * pow((double)(float)s->rope_base, -2.0 * i / s->n_rotary);
        const double a = x[i], b = x[i + half];
        x[i] = a * cos(angle) - b * sin(angle);
        x[i + half] = a * sin(angle) + b * cos(angle);
    }
}

/* One query head over all positions so far; its K/V head is `kv`. */
static inline void attend(const struct reference *r, int layer, uint32_t kv,
                          const double *query, double *out)
{
    const uint32_t dim = r->shape->head_dim, n_kv = r->shape->n_head_kv[layer];
    const uint32_t n = r->n_positions + 1;
    double scores[MAX_POSITIONS], total = 0, most = -HUGE_VAL;

    for (uint32_t p = 0; p < n; p++) {
        scores[p] = 0;
        for (uint32_t i = 0; i < dim; i++)
            scores[p] += query[i] * r->keys[layer][((size_t)p * n_kv + kv) * dim + i];
        scores[p] /= sqrt(dim);
        most = scores[p] > most ? scores[p] : most;
    }
    for (uint32_t p = 0; p < n; p++)
        total += scores[p] = exp(scores[p] - most);
    for (uint32_t i = 0; i < dim; i++) {
        out[i] = 0;
        for (uint32_t p = 0; p < n; p++)
            out[i] += scores[p] / total * r->values[layer][((size_t)p * n_kv + kv) * dim + i];
    }
}

static inline void attention_reference(struct reference *r, int layer, const double *a,
                                       double *out)
{
    const struct shape *s = r->shape;
    const uint32_t dim = s->head_dim, n_head = s->n_head[layer], n_kv = s->n_head_kv[layer];
    const uint32_t d = s->n_embd, query_rows = n_head * 2 * dim, p = r->n_positions;
    double *query = malloc(query_rows * sizeof *query);
    double *heads = malloc(n_head * dim * sizeof *heads);
    double *key = r->keys[layer] + (size_t)p * n_kv * dim;
    double *value = r->values[layer] + (size_t)p * n_kv * dim;
    const char *fused = s->fused ? "attn_qkv.weight" : NULL;

    multiply(r, layer, fused ? fused : "attn_q.weight", 0, query_rows, a, d, query);
    multiply(r, layer, fused ? fused : "attn_k.weight", fused ? query_rows : 0, n_kv * dim, a,
             d, key);
    multiply(r, layer, fused ? fused : "attn_v.weight", fused ? query_rows + n_kv * dim : 0,
             n_kv * dim, a, d, value);
    for (uint32_t h = 0; h < n_kv; h++) {
        norm_named(r, layer, "attn_k_norm.weight", key + h * dim, dim, key + h * dim);
        turn(s, key + h * dim, r->first_angle + p);
    }
    for (uint32_t h = 0; h < n_head; h++) {
        double *q = query + (size_t)h * 2 * dim;
        norm_named(r, layer, "attn_q_norm.weight", q, dim, q);
        turn(s, q, r->first_angle + p);
        attend(r, layer, h / (n_head / n_kv), q, heads + h * dim);
        for (uint32_t i = 0; i < dim; i++)
            heads[h * dim + i] *= logistic(q[dim + i]);
    }
    multiply(r, layer, "attn_output.weight", 0, d, heads, n_head * dim, out);
    free(query), free(heads);
}

/* One value head: the recurrence, word for word. */
static inline void delta_step(double *state, uint32_t n, const double *q, const double *k,
                              const double *v, double decay, double beta, double *out)
{
    for (uint32_t j = 0; j < n; j++) {
        double read = 0, delta;
        for (uint32_t i = 0; i < n; i++) {
            state[i * n + j] *= decay;
            read += state[i * n + j] * k[i];
        }
        delta = beta * (v[j] - read);
        out[j] = 0;
        for (uint32_t i = 0; i < n; i++) {
            state[i * n + j] += k[i] * delta;
            out[j] += state[i * n + j] * q[i];
        }
    }
}

static inline void unit_length(const double *x, uint32_t n, double scale, double *out)
{
    double sum = 0;

    for (uint32_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    for (uint32_t i = 0; i < n; i++)
        out[i] = x[i] / sqrt(sum + 1e-6) * scale;
}

static inline double *convolve_reference(struct reference *r, int layer, uint32_t width)
{
    const uint32_t n_taps = r->shape->n_taps, p = r->n_positions;
    double *taps = tensor_values(r, layer, "ssm_conv1d.weight");
    double *out = calloc(width, sizeof *out);

    for (uint32_t channel = 0; channel < width; channel++) {
        for (uint32_t tap = 0; tap < n_taps; tap++)
            if (p + tap + 1 >= n_taps)
                out[channel] +=
                    taps[channel * n_taps + tap] *
                    r->inputs[layer][(size_t)(p + tap + 1 - n_taps) * width + channel];
        out[channel] *= logistic(out[channel]);
    }
    free(taps);
    return out;
}

static inline void recurrent_reference(struct reference *r, int layer, const double *a,
                                       double *out)
{
    const struct shape *s = r->shape;
    const uint32_t n = s->state_dim, nk = s->n_key_heads, nv = s->n_value_heads, d = s->n_embd;
    const uint32_t width = (2 * nk + nv) * n;
    double *z = malloc(nv * n * sizeof *z), *heads = malloc(nv * n * sizeof *heads);
    double *alpha = malloc(nv * sizeof *alpha), *beta = malloc(nv * sizeof *beta);
    double *rate = tensor_values(r, layer, "ssm_a");
    double *step = tensor_values(r, layer, "ssm_dt.bias");
    double *u = r->inputs[layer] + (size_t)r->n_positions * width, *c;
    double q[256], k[256], y[256];

    multiply(r, layer, "attn_qkv.weight", 0, width, a, d, u);
    multiply(r, layer, "attn_gate.weight", 0, nv * n, a, d, z);
    multiply(r, layer, "ssm_alpha.weight", 0, nv, a, d, alpha);
    multiply(r, layer, "ssm_beta.weight", 0, nv, a, d, beta);
    c = convolve_reference(r, layer, width);
    for (uint32_t h = 0; h < nv; h++) {
        const uint32_t kh = h % nk;
        unit_length(c + kh * n, n, 1 / sqrt(n), q);
        unit_length(c + (nk + kh) * n, n, 1, k);
        delta_step(r->states[layer] + (size_t)h * n * n, n, q, k, c + (2 * nk + h) * n,
                   exp(rate[h] * log1p(exp(alpha[h] + step[h]))), logistic(beta[h]), y);
        norm_named(r, layer, "ssm_norm.weight", y, n, y);
        for (uint32_t i = 0; i < n; i++)
            heads[h * n + i] = y[i] * z[h * n + i] * logistic(z[h * n + i]);
    }
    multiply(r, layer, "ssm_out.weight", 0, d, heads, nv * n, out);
    free(z), free(heads), free(alpha), free(beta), free(rate), free(step), free(c);
}

static inline void ffn_reference(const struct reference *r, int layer, const double *f,
                                 double *out)
{
    const uint32_t d = r->shape->n_embd, n_ff = r->shape->n_ff[layer];
    double *gate = malloc(n_ff * sizeof *gate), *up = malloc(n_ff * sizeof *up);

    multiply(r, layer, "ffn_gate.weight", 0, n_ff, f, d, gate);
    multiply(r, layer, "ffn_up.weight", 0, n_ff, f, d, up);
    for (uint32_t i = 0; i < n_ff; i++)
        gate[i] *= logistic(gate[i]) * up[i];
    multiply(r, layer, "ffn_down.weight", 0, d, gate, n_ff, out);
    free(gate), free(up);
}

/* h += mixer(norm(h)); h += ffn(norm(h)) */
static inline void block_reference(struct reference *r, int layer, bool recurrent, double *h)
{
    const uint32_t d = r->shape->n_embd;
    double *a = malloc(d * sizeof *a), *y = malloc(d * sizeof *y);

    norm_named(r, layer, "attn_norm.weight", h, d, a);
    if (recurrent)
        recurrent_reference(r, layer, a, y);
    else
        attention_reference(r, layer, a, y);
    for (uint32_t i = 0; i < d; i++)
        h[i] += y[i];
    norm_named(r, layer, "post_attention_norm.weight", h, d, a);
    ffn_reference(r, layer, a, y);
    for (uint32_t i = 0; i < d; i++)
        h[i] += y[i];
    free(a), free(y);
}

static inline void embedding_reference(const struct reference *r, int32_t token, double *out)
{
    const uint32_t d = r->shape->n_embd;
    double *table = tensor_values(r, -1, "token_embd.weight");

    memcpy(out, table + (size_t)token * d, d * sizeof *out);
    free(table);
}

static inline void head_reference(const struct reference *r, const double *hidden,
                                  double *logits)
{
    multiply(r, -1, r->shape->tied ? "token_embd.weight" : "output.weight", 0, SHAPE_VOCABULARY,
             hidden, r->shape->n_embd, logits);
}

/* hidden: [n_embd], behind the output norm; the next token's logits are head_reference() of it. */
static inline void reference_hidden(struct reference *r, int32_t token, double *hidden)
{
    const uint32_t d = r->shape->n_embd;
    double *h = malloc(d * sizeof *h);

    embedding_reference(r, token, h);
    for (int layer = 0; layer < (int)r->shape->n_layers; layer++)
        block_reference(r, layer, r->shape->recurrent[layer], h);
    norm_named(r, -1, "output_norm.weight", h, d, hidden);
    r->n_positions++;
    free(h);
}

/* The logits of the next token, [SHAPE_VOCABULARY]. */
static inline void reference_step(struct reference *r, int32_t token, double *logits)
{
    double *hidden = malloc(r->shape->n_embd * sizeof *hidden);

    reference_hidden(r, token, hidden);
    head_reference(r, hidden, logits);
    free(hidden);
}

/*
 * The MTP block on a token and the trunk's hidden row of the token before it; its own hidden row.
 * r: opened for the block alone; its first pair stands at position 1.
 */
static inline void reference_mtp(struct reference *r, int32_t token, const double *hidden,
                                 double *out)
{
    const uint32_t d = r->shape->n_embd;
    const int layer = (int)r->shape->n_layers;
    double *joined = malloc(2 * d * sizeof *joined), *c = malloc(d * sizeof *c);

    r->first_angle = 1;
    embedding_reference(r, token, joined);
    norm_named(r, layer, "nextn.enorm.weight", joined, d, joined);
    norm_named(r, layer, "nextn.hnorm.weight", hidden, d, joined + d);
    multiply(r, layer, "nextn.eh_proj.weight", 0, d, joined, 2 * d, c);
    block_reference(r, layer, false, c);
    norm_named(r, layer, "nextn.shared_head_norm.weight", c, d, out);
    r->n_positions++;
    free(joined), free(c);
}

static inline struct reference reference_open(const char *path, const struct shape *shape)
{
    struct reference r = {.shape = shape};
    struct error error = {0};
    const size_t n = shape->state_dim;

    check(gguf_open(&r.file, path, &error), &error);
    for (uint32_t i = 0; i < shape->n_layers + shape->n_mtp; i++) {
        const size_t kv = (size_t)shape->n_head_kv[i] * shape->head_dim * MAX_POSITIONS;
        r.keys[i] = calloc(kv + 1, sizeof(double));
        r.values[i] = calloc(kv + 1, sizeof(double));
        r.states[i] = calloc(shape->n_value_heads * n * n, sizeof(double));
        r.inputs[i] =
            calloc((2 * shape->n_key_heads + shape->n_value_heads) * n * MAX_POSITIONS,
                   sizeof(double));
    }
    return r;
}

static inline void reference_close(struct reference *r)
{
    for (uint32_t i = 0; i < r->shape->n_layers + r->shape->n_mtp; i++) {
        free(r->keys[i]), free(r->values[i]);
        free(r->states[i]), free(r->inputs[i]);
    }
    gguf_close(&r->file);
}

#endif
