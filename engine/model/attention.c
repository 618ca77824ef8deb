/*
 * attention.c - gated full attention with rotary positions
 *
 *     q_h, gate_h, k_g, v_g = W norm(hidden)      query and gate of a head stand side by side
 *     q_h = rope(rms_norm(q_h)),  k_g = rope(rms_norm(k_g))
 *     o_h = softmax(q_h . k / sqrt(head_dim)) v   of K/V head h / (n_head / n_head_kv)
 *     hidden += W_o concat(o_h * sigmoid(gate_h))
 */
#include "engine/model/forward.h"

#include "engine/kernels/math.h"
#include "engine/run/pool.h"

#include <string.h>

/* Query rows that one part handles: K and V are read once for all of them. */
enum { ROW_TILE = 16 };

struct attention {
    const struct attention_weights *weights;
    uint32_t n_head, n_head_kv, head_dim;
    size_t stride;     /* of a row of scratch->attention.qkv */
    size_t key, value; /* offsets in such a row; head h of the query is at h * 2 * head_dim */
    uint32_t row_tile; /* query rows, of one sequence, that a part handles at a time */
    uint32_t n_tiles;
    uint32_t head_splits; /* parts in which the query heads of a K/V head are cut */
    bool fills;           /* keys and values are wanted alone */
};

static struct attention describe(const struct pass *pass, const struct layer_weights *weights)
{
    const struct layer_parameters *layer = &pass->parameters->layers[pass->layer];
    const uint32_t head_dim = pass->parameters->head_dim;
    struct attention a = {&weights->attention,
                          layer->n_head,
                          layer->n_head_kv,
                          head_dim,
                          0,
                          0,
                          0,
                          1,
                          1,
                          1,
                          false};

    a.key = (size_t)a.n_head * 2 * head_dim;
    a.value = a.key + (size_t)a.n_head_kv * head_dim;
    a.stride = a.value + (size_t)a.n_head_kv * head_dim;
    return a;
}

static void project_qkv(struct pass *pass, const struct attention *a, const float *norm)
{
    const uint32_t d = pass->parameters->n_embd;
    float *qkv = pass->scratch->attention.qkv;
    const struct input_rows input = {pass->scratch->hidden, d, pass->n_tokens, norm,
                                     pass->scratch->normed};
    const struct projection fused = {&a->weights->fused, qkv, a->stride};
    const struct projection apart[] = {
        {&a->weights->query, qkv, a->stride},
        {&a->weights->key, qkv + a->key, a->stride},
        {&a->weights->value, qkv + a->value, a->stride},
    };

    if (a->weights->fused.n_rows > 0)
        project(pass, PROFILE_INPUT, &input, &fused, 1, PROJECTION_STORE);
    else
        project(pass, PROFILE_INPUT, &input, apart + (a->fills ? 1 : 0), a->fills ? 2 : 3,
                PROJECTION_STORE);
}

/* A row of K or V to its place for the position. */
static void store_row(struct pass *pass, bool half, void *rows, uint32_t position,
                      const float *x)
{
    const size_t n = pass->parameters->head_dim;

    if (half)
        pass->kernels->to_half(x, n, (uint16_t *)rows + position * n);
    else
        memcpy((float *)rows + position * n, x, n * sizeof *x);
}

/* Items are heads of rows: query heads first, where they are wanted, then K/V heads. */
static void prepare_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct attention *a = context;
    const struct kernels *kernels = pass->kernels;
    const uint32_t n_pairs = pass->parameters->n_rotary / 2,
                   n_queries = a->fills ? 0 : a->n_head;
    const uint32_t n_heads = n_queries + a->n_head_kv;
    const float eps = pass->parameters->eps;

    for (uint32_t item = first; item < first + count; item++) {
        const uint32_t t = item / n_heads, head = item % n_heads;
        const bool is_query = head < n_queries;
        const uint32_t kv_head = is_query ? 0 : head - n_queries;
        const struct state *state = pass_sequence(pass, t)->state;
        const uint32_t position = pass_position(pass, t);
        float *row = pass->scratch->attention.qkv + t * a->stride;
        float *x = is_query ? row + (size_t)head * 2 * a->head_dim
                            : row + a->key + (size_t)kv_head * a->head_dim;
        kernels->rms_norm(x, is_query ? a->weights->query_norm : a->weights->key_norm,
                          a->head_dim, eps, x);
        kernels->rotate(x, pass->scratch->cosine + (size_t)t * n_pairs,
                        pass->scratch->sine + (size_t)t * n_pairs, n_pairs);
        if (is_query)
            continue;
        store_row(pass, state->half, state_key(state, pass->layer, kv_head), position, x);
        store_row(pass, state->half, state_value(state, pass->layer, kv_head), position,
                  row + a->value + (size_t)kv_head * a->head_dim);
    }
}

/* Query heads first .. first + n_heads - 1 of rows t .. t + n_rows - 1. */
static void gate_heads(struct pass *pass, const struct attention *a, uint32_t t,
                       uint32_t n_rows, uint32_t first, uint32_t n_heads)
{
    for (uint32_t row = t; row < t + n_rows; row++)
        for (uint32_t head = first; head < first + n_heads; head++) {
            float *out =
                pass->scratch->attention.out + ((size_t)row * a->n_head + head) * a->head_dim;
            const float *gate = pass->scratch->attention.qkv + row * a->stride +
                                ((size_t)head * 2 + 1) * a->head_dim;
            pass->kernels->sigmoid_multiply(out, gate, a->head_dim, out);
        }
}

/*
 * Items: K/V heads, then tiles of rows, then splits of query heads.  So the heads of a long
 * sequence beside short ones fall to different parts.
 */
static void attend_part(struct pass *pass, const void *context, uint32_t first, uint32_t count)
{
    const struct attention *a = context;
    const uint32_t per_kv = a->n_head / a->n_head_kv;

    for (uint32_t item = first; item < first + count; item++) {
        const uint32_t split = item % a->head_splits;
        const uint32_t t = item / a->head_splits % a->n_tiles * a->row_tile;
        const uint32_t kv_head = item / a->head_splits / a->n_tiles, left = pass->n_tokens - t;
        const uint32_t n_rows = left < a->row_tile ? left : a->row_tile;
        const struct state *state = pass_sequence(pass, t)->state;
        uint32_t begin, n_heads, head;
        float *qkv = pass->scratch->attention.qkv + t * a->stride;
        const size_t out_stride = (size_t)a->n_head * a->head_dim;
        float *out = pass->scratch->attention.out + t * out_stride;

        pool_range(per_kv, split, a->head_splits, &begin, &n_heads);
        head = kv_head * per_kv + begin;
        pass->kernels->attention(&(struct attention_job){
            .key = state_key(state, pass->layer, kv_head),
            .value = state_value(state, pass->layer, kv_head),
            .half = state->half,
            .n_key = a->head_dim,
            .n_value = a->head_dim,
            .n_heads = n_heads,
            .n_rows = n_rows,
            .first_position = pass_position(pass, t),
            .scale = 1 / math_sqrt((float)a->head_dim),
            .query = qkv + (size_t)head * 2 * a->head_dim,
            .out = out + (size_t)head * a->head_dim,
            .query_row_stride = a->stride,
            .query_head_stride = 2 * (size_t)a->head_dim,
            .out_row_stride = out_stride,
            .out_head_stride = a->head_dim,
        });
        if (!pass->trace)
            gate_heads(pass, a, t, n_rows, head, n_heads);
    }
}

/* Enough items for all threads; query heads of one K/V head part only where they must. */
static uint32_t attention_items(const struct pass *pass, struct attention *a)
{
    const uint32_t n_threads = (uint32_t)pool_thread_count(pass->pool);
    const uint32_t per_kv = a->n_head / a->n_head_kv;
    uint32_t n_items;

    a->row_tile = pass->n_sequences == 1 ? ROW_TILE : 1;
    a->n_tiles = (pass->n_tokens + a->row_tile - 1) / a->row_tile;
    n_items = a->n_tiles * a->n_head_kv;
    a->head_splits = (n_threads + n_items - 1) / n_items;
    if (a->head_splits > per_kv)
        a->head_splits = per_kv;
    return n_items * a->head_splits;
}

void attention_layer(struct pass *pass, const struct layer_weights *weights)
{
    const uint32_t d = pass->parameters->n_embd, n_tokens = pass->n_tokens;
    struct scratch *scratch = pass->scratch;
    struct attention a = describe(pass, weights);
    const uint32_t n_items = attention_items(pass, &a), width = a.n_head * a.head_dim;
    const struct projection output = {&weights->attention.output, scratch->normed, d};

    const struct input_rows heads = {scratch->attention.out, width, n_tokens, NULL, NULL};

    project_qkv(pass, &a, weights->mixer_norm);
    pass_trace(pass, "mixer_norm", scratch->normed, d, n_tokens, d);
    pass_trace(pass, "attention_qkv", scratch->attention.qkv, a.stride, n_tokens,
               (uint32_t)a.stride);
    pass_run(pass, PROFILE_ROTARY, n_tokens * (a.n_head + a.n_head_kv), prepare_part, &a);
    pass_trace(pass, "attention_rope", scratch->attention.qkv, a.stride, n_tokens,
               (uint32_t)a.stride);
    pass_run(pass, PROFILE_ATTENTION, n_items, attend_part, &a);
    if (pass->trace) { /* it sees the heads before their gate */
        pass_trace(pass, "attention_heads", scratch->attention.out, width, n_tokens, width);
        if (!pass->stopped)
            gate_heads(pass, &a, 0, n_tokens, 0, a.n_head);
    }
    pass_trace(pass, "attention_gated", scratch->attention.out, width, n_tokens, width);
    project(pass, PROFILE_OUTPUT, &heads, &output, 1, PROJECTION_ADD_HIDDEN);
    pass_trace(pass, "mixer_out", scratch->normed, d, n_tokens, d);
    pass_trace(pass, "mixer_residual", scratch->hidden, d, n_tokens, d);
}

void attention_fill(struct pass *pass, const struct layer_weights *weights)
{
    struct attention a = describe(pass, weights);

    a.fills = true;
    project_qkv(pass, &a, weights->mixer_norm);
    pass_run(pass, PROFILE_ROTARY, pass->n_tokens * a.n_head_kv, prepare_part, &a);
}
