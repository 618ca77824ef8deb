/*
 * model_writer.h - small qwen35 models with random weights, of any shape, and with faults on
 * demand
 *
 * The vocabulary is tinyA's, 512 tokens.  Include after cmocka.h.
 */
#ifndef TESTS_UNIT_MODEL_WRITER_H
#define TESTS_UNIT_MODEL_WRITER_H

#include "engine/file/gguf.h"
#include "engine/file/gguf_writer.h"
#include "tests/unit/model_fixture.h"

enum { SHAPE_LAYERS = 8, SHAPE_VOCABULARY = 512, MAX_TENSORS = 200 };

struct shape {
    uint32_t n_layers; /* of the trunk */
    uint32_t n_mtp;    /* 0 or 1: a block behind the trunk, n_layers of the arrays below */
    bool recurrent[SHAPE_LAYERS];
    uint32_t n_ff[SHAPE_LAYERS], n_head[SHAPE_LAYERS], n_head_kv[SHAPE_LAYERS];
    bool per_layer; /* arrays in the file, not single numbers */
    uint32_t n_embd, head_dim, n_rotary, n_taps, state_dim, n_key_heads, n_value_heads;
    uint32_t interval; /* of full attention; 0: an array says which layers are recurrent */
    bool tied, fused;
    double rope_base;
    uint64_t seed;
    const enum tensor_type *types; /* of matrices: one at random that fits the columns */
    uint32_t n_types;

    /* Faults: a key or a tensor by its name; NULL: none. */
    const char *omit_key, *change_key;
    uint32_t changed_number;
    const char *omit_tensor, *change_tensor, *rename_tensor, *new_name;
    uint32_t changed_rows, changed_columns;        /* 0: as they were */
    int changed_type;                              /* -1: as it was */
    void (*more_keys)(struct gguf_writer *writer); /* NULL: none */
};

/* The smallest shape that has everything. */
static inline struct shape plain_shape(void)
{
    static const enum tensor_type types[] = {TENSOR_F32};
    struct shape shape = {
        .n_layers = 4,
        .n_embd = 64,
        .head_dim = 32,
        .n_rotary = 16,
        .n_taps = 4,
        .state_dim = 32,
        .n_key_heads = 2,
        .n_value_heads = 4,
        .interval = 4,
        .tied = true,
        .rope_base = 1e7,
        .seed = 1,
        .types = types,
        .n_types = 1,
        .changed_type = -1,
    };
    for (uint32_t i = 0; i < SHAPE_LAYERS; i++) {
        shape.recurrent[i] = (i + 1) % 4 != 0;
        shape.n_ff[i] = 96;
        shape.n_head[i] = 4;
        shape.n_head_kv[i] = 2;
    }
    return shape;
}

/* Three slices a head, more value heads than key heads, a convolution of two and of six taps. */
static inline struct shape uneven_shape(uint32_t n_taps)
{
    static const enum tensor_type types[] = {TENSOR_Q8_0, TENSOR_F16};
    struct shape shape = plain_shape();

    shape.n_layers = 3;
    shape.n_mtp = 1;
    shape.interval = 2;
    shape.n_taps = n_taps;
    shape.state_dim = 48;
    shape.n_key_heads = 2;
    shape.n_value_heads = 6;
    shape.types = types;
    shape.n_types = 2;
    for (uint32_t i = 0; i < SHAPE_LAYERS; i++)
        shape.recurrent[i] = (i + 1) % 2 != 0;
    shape.recurrent[shape.n_layers] = false;
    return shape;
}

struct planned_tensor {
    char name[64];
    enum tensor_type type;
    uint32_t n_rows, n_columns;
    double spread, centre;
};

struct plan {
    const struct shape *shape;
    struct planned_tensor tensors[MAX_TENSORS];
    size_t n;
    uint64_t random;
};

static inline void plan_tensor(struct plan *plan, int layer, const char *suffix,
                               uint32_t n_rows, uint32_t n_columns, double spread,
                               double centre)
{
    const struct shape *shape = plan->shape;
    struct planned_tensor *tensor = &plan->tensors[plan->n];
    const bool is_matrix = centre == 0 && n_rows > 1 && n_columns > 8;

    assert_true(plan->n < MAX_TENSORS);
    if (layer >= 0)
        snprintf(tensor->name, sizeof tensor->name, "blk.%d.%s", layer, suffix);
    else
        snprintf(tensor->name, sizeof tensor->name, "%s", suffix);
    tensor->type = TENSOR_F32;
    tensor->n_rows = n_rows;
    tensor->n_columns = n_columns;
    tensor->spread = spread;
    tensor->centre = centre;
    for (int attempt = 0; is_matrix && attempt < 50; attempt++) {
        const enum tensor_type type = shape->types[next_random(&plan->random) % shape->n_types];
        if (n_columns % tensor_type_info(type)->block_elements == 0) {
            tensor->type = type;
            break;
        }
    }
    if (shape->omit_tensor && strcmp(tensor->name, shape->omit_tensor) == 0)
        return;
    if (shape->rename_tensor && strcmp(tensor->name, shape->rename_tensor) == 0)
        snprintf(tensor->name, sizeof tensor->name, "%s", shape->new_name);
    if (shape->change_tensor && strcmp(tensor->name, shape->change_tensor) == 0) {
        tensor->n_rows = shape->changed_rows ? shape->changed_rows : n_rows;
        tensor->n_columns = shape->changed_columns ? shape->changed_columns : n_columns;
        tensor->type =
            shape->changed_type >= 0 ? (enum tensor_type)shape->changed_type : tensor->type;
    }
    plan->n++;
}

/* A matrix whose products are about as large as its inputs. */
static inline void plan_matrix(struct plan *plan, int layer, const char *suffix,
                               uint32_t n_rows, uint32_t n_columns)
{
    plan_tensor(plan, layer, suffix, n_rows, n_columns, 1 / sqrt(n_columns), 0);
}

static inline void plan_attention(struct plan *plan, int layer)
{
    const struct shape *s = plan->shape;
    const uint32_t query_rows = s->n_head[layer] * 2 * s->head_dim;
    const uint32_t n_head_kv = s->n_head_kv[layer] ? s->n_head_kv[layer] : 1; /* 0 is a fault */
    const uint32_t key_rows = n_head_kv * s->head_dim;

    if (s->fused) {
        plan_matrix(plan, layer, "attn_qkv.weight", query_rows + 2 * key_rows, s->n_embd);
    } else {
        plan_matrix(plan, layer, "attn_q.weight", query_rows, s->n_embd);
        plan_matrix(plan, layer, "attn_k.weight", key_rows, s->n_embd);
        plan_matrix(plan, layer, "attn_v.weight", key_rows, s->n_embd);
    }
    plan_matrix(plan, layer, "attn_output.weight", s->n_embd, s->n_head[layer] * s->head_dim);
    plan_tensor(plan, layer, "attn_q_norm.weight", 1, s->head_dim, 0.3, 1.4);
    plan_tensor(plan, layer, "attn_k_norm.weight", 1, s->head_dim, 0.3, 1.4);
}

static inline void plan_recurrent(struct plan *plan, int layer)
{
    const struct shape *s = plan->shape;
    const uint32_t value_width = s->n_value_heads * s->state_dim;
    const uint32_t conv_width = 2 * s->n_key_heads * s->state_dim + value_width;

    plan_matrix(plan, layer, "attn_qkv.weight", conv_width, s->n_embd);
    plan_matrix(plan, layer, "attn_gate.weight", value_width, s->n_embd);
    plan_matrix(plan, layer, "ssm_alpha.weight", s->n_value_heads, s->n_embd);
    plan_matrix(plan, layer, "ssm_beta.weight", s->n_value_heads, s->n_embd);
    plan_matrix(plan, layer, "ssm_out.weight", s->n_embd, value_width);
    plan_tensor(plan, layer, "ssm_conv1d.weight", conv_width, s->n_taps, 0.6, 1e-9);
    plan_tensor(plan, layer, "ssm_dt.bias", 1, s->n_value_heads, 1.5, -1);
    plan_tensor(plan, layer, "ssm_a", 1, s->n_value_heads, 0.3, -1);
    plan_tensor(plan, layer, "ssm_norm.weight", 1, s->state_dim, 0.2, 1);
}

static inline void plan_block(struct plan *plan, int layer, bool recurrent)
{
    const struct shape *s = plan->shape;

    plan_tensor(plan, layer, "attn_norm.weight", 1, s->n_embd, 0.2, 1);
    if (recurrent)
        plan_recurrent(plan, layer);
    else
        plan_attention(plan, layer);
    plan_tensor(plan, layer, "post_attention_norm.weight", 1, s->n_embd, 0.2, 1);
    plan_matrix(plan, layer, "ffn_gate.weight", s->n_ff[layer], s->n_embd);
    plan_matrix(plan, layer, "ffn_up.weight", s->n_ff[layer], s->n_embd);
    plan_matrix(plan, layer, "ffn_down.weight", s->n_embd, s->n_ff[layer]);
}

static inline void plan_mtp(struct plan *plan, int layer)
{
    const uint32_t d = plan->shape->n_embd;

    plan_block(plan, layer, false);
    plan_matrix(plan, layer, "nextn.eh_proj.weight", d, 2 * d);
    plan_tensor(plan, layer, "nextn.enorm.weight", 1, d, 0.2, 1);
    plan_tensor(plan, layer, "nextn.hnorm.weight", 1, d, 0.2, 1);
    plan_tensor(plan, layer, "nextn.shared_head_norm.weight", 1, d, 0.2, 1);
}

static inline void plan_model(struct plan *plan)
{
    const struct shape *s = plan->shape;

    plan_tensor(plan, -1, "token_embd.weight", SHAPE_VOCABULARY, s->n_embd, 0.3, 0);
    for (int layer = 0; layer < (int)s->n_layers; layer++)
        plan_block(plan, layer, s->recurrent[layer]);
    if (s->n_mtp > 0)
        plan_mtp(plan, (int)s->n_layers);
    plan_tensor(plan, -1, "output_norm.weight", 1, s->n_embd, 0.2, 1);
    if (!s->tied)
        plan_tensor(plan, -1, "output.weight", SHAPE_VOCABULARY, s->n_embd, 0.3, 0);
}

/* Uniform, with the spread as its standard deviation. */
static inline double random_value(struct plan *plan, const struct planned_tensor *tensor)
{
    const double u = (double)next_random(&plan->random) / 0x1p31 - 0.5;

    return tensor->centre + u * 3.4641 * tensor->spread;
}

/* Blocks of types without an encoder: a small scale, everything else at random. */
static inline void random_blocks(struct plan *plan, const struct planned_tensor *tensor,
                                 uint8_t *row, size_t n_bytes)
{
    const uint32_t block_bytes = tensor_type_info(tensor->type)->block_bytes;
    const double largest = tensor->type == TENSOR_IQ4_XS ? 18.5 * 70 : 70;
    const uint16_t scale = float_to_half((float)(tensor->spread / largest));

    for (size_t i = 0; i < n_bytes; i++)
        row[i] = (uint8_t)(next_random(&plan->random) >> 7);
    for (size_t i = 0; i < n_bytes; i += block_bytes)
        memcpy(row + i, &scale, sizeof scale);
}

static inline void write_tensor(struct plan *plan, const struct planned_tensor *tensor,
                                struct gguf_writer *writer)
{
    const struct tensor_type_info *info = tensor_type_info(tensor->type);
    const size_t n_bytes = tensor->n_columns / info->block_elements * info->block_bytes;
    uint8_t *row = calloc(1, n_bytes + 1);
    float *values = malloc(tensor->n_columns * sizeof *values);
    struct error error = {0};

    for (uint32_t i = 0; i < tensor->n_rows; i++) {
        for (uint32_t column = 0; column < tensor->n_columns; column++)
            values[column] = (float)random_value(plan, tensor);
        if (!tensor_row_encode(tensor->type, values, row, tensor->n_columns) &&
            info->computable)
            random_blocks(plan, tensor, row, n_bytes);
        check(gguf_writer_data(writer, row, n_bytes, &error), &error);
    }
    free(row), free(values);
}

struct key_writer {
    const struct shape *shape;
    struct gguf_writer *writer;
};

static inline void write_number(struct key_writer *keys, const char *name, uint32_t value)
{
    const struct shape *shape = keys->shape;
    struct error error = {0};

    if (shape->omit_key && strcmp(name, shape->omit_key) == 0)
        return;
    if (shape->change_key && strcmp(name, shape->change_key) == 0)
        value = shape->changed_number;
    check(gguf_writer_u32(keys->writer, name, value, &error), &error);
}

static inline void write_layers(struct key_writer *keys, const char *name,
                                const uint32_t *values)
{
    struct error error = {0};

    if (keys->shape->per_layer)
        check(gguf_writer_array(keys->writer, name, GGUF_U32, values,
                                keys->shape->n_layers + keys->shape->n_mtp, &error),
              &error);
    else
        write_number(keys, name, values[0]);
}

static inline void write_keys(struct key_writer *keys)
{
    const struct shape *s = keys->shape;
    struct error error = {0};

    check(gguf_writer_string(keys->writer, "general.architecture", "qwen35", 6, &error),
          &error);
    write_number(keys, "qwen35.block_count", s->n_layers + s->n_mtp);
    if (s->n_mtp > 0)
        write_number(keys, "qwen35.nextn_predict_layers", s->n_mtp);
    write_number(keys, "qwen35.context_length", 4096);
    write_number(keys, "qwen35.embedding_length", s->n_embd);
    write_layers(keys, "qwen35.feed_forward_length", s->n_ff);
    write_layers(keys, "qwen35.attention.head_count", s->n_head);
    write_layers(keys, "qwen35.attention.head_count_kv", s->n_head_kv);
    write_number(keys, "qwen35.attention.key_length", s->head_dim);
    write_number(keys, "qwen35.attention.value_length", s->head_dim);
    check(
        gguf_writer_f32(keys->writer, "qwen35.attention.layer_norm_rms_epsilon", 1e-6f, &error),
        &error);
    write_number(keys, "qwen35.rope.dimension_count", s->n_rotary);
    check(gguf_writer_f32(keys->writer, "qwen35.rope.freq_base", (float)s->rope_base, &error),
          &error);
    write_number(keys, "qwen35.ssm.conv_kernel", s->n_taps);
    write_number(keys, "qwen35.ssm.state_size", s->state_dim);
    write_number(keys, "qwen35.ssm.group_count", s->n_key_heads);
    write_number(keys, "qwen35.ssm.time_step_rank", s->n_value_heads);
    write_number(keys, "qwen35.ssm.inner_size", s->n_value_heads * s->state_dim);
    if (s->interval > 0)
        write_number(keys, "qwen35.full_attention_interval", s->interval);
    else
        check(gguf_writer_array(keys->writer, "qwen35.attention.recurrent_layers", GGUF_BOOL,
                                s->recurrent, s->n_layers, &error),
              &error);
    /* A key that the list above does not have is added. */
    if (s->change_key &&
        (strstr(s->change_key, "nextn") || strstr(s->change_key, "expert_count")))
        check(gguf_writer_u32(keys->writer, s->change_key, s->changed_number, &error), &error);
}

static inline void write_model(const char *path, const struct shape *shape)
{
    struct plan plan = {.shape = shape, .random = shape->seed};
    struct gguf_writer *writer = NULL;
    struct gguf *source = NULL;
    struct error error = {0};

    check(gguf_open(&source, GOLDEN_DATA "tinyA-q8_0.gguf", &error), &error);
    check(gguf_writer_open(&writer, path, &error), &error);
    write_keys(&(struct key_writer){shape, writer});
    if (shape->more_keys)
        shape->more_keys(writer);
    for (size_t i = 0; i < gguf_key_count(source); i++) {
        const struct gguf_key *key = gguf_key_at(source, i);
        if (key->name.n_bytes > 10 && memcmp(key->name.bytes, "tokenizer.", 10) == 0)
            check(gguf_writer_copy_key(writer, source, key, &error), &error);
    }
    plan_model(&plan);
    for (size_t i = 0; i < plan.n; i++) {
        const struct planned_tensor *tensor = &plan.tensors[i];
        const uint64_t ne[] = {tensor->n_columns, tensor->n_rows};
        check(gguf_writer_tensor(writer, tensor->name, tensor->type, tensor->n_rows > 1 ? 2 : 1,
                                 ne, &error),
              &error);
    }
    for (size_t i = 0; i < plan.n; i++)
        write_tensor(&plan, &plan.tensors[i], writer);
    check(gguf_writer_finish(&writer, &error), &error);
    gguf_close(&source);
}

#endif
