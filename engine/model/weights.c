/*
 * weights.c - names and shapes of tensors, as the model card lists them
 *
 * Shapes in messages are in the file's order, [inputs, outputs].
 */
#include "engine/model/weights.h"

#include "engine/file/checked.h"
#include "engine/file/gguf.h"
#include "engine/model/hyperparameters.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum { NAME_BYTES = 96 };

/* The first failure stays: later steps do nothing, so that lists of tensors read as lists. */
struct binder {
    struct weights *weights;
    const struct gguf *file;
    const struct hyperparameters *parameters;
    enum kernel_level level;
    uint32_t layer; /* names begin with "blk.<layer>." */
    enum status status;
    struct error *error;
};

static const char *block_name(const struct binder *binder, const char *suffix,
                              char name[NAME_BYTES])
{
    snprintf(name, NAME_BYTES, "blk.%u.%s", binder->layer, suffix);
    return name;
}

static void fail(struct binder *binder, const char *name, enum status status,
                 const char *format, ...) __attribute__((format(printf, 4, 5)));

static void fail(struct binder *binder, const char *name, enum status status,
                 const char *format, ...)
{
    char what[256];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(what, sizeof what, format, arguments);
    va_end(arguments);
    error_set(binder->error, status, "%s", what);
    error_where(binder->error, "%s", name);
    binder->status = status;
}

/* Is the tensor [ne0, ne1]?  A vector has ne1 = 1. */
static bool check_shape(struct binder *binder, const char *name,
                        const struct gguf_tensor *tensor, uint64_t ne0, uint64_t ne1)
{
    const uint64_t *ne = tensor->ne;
    char expected[64], got[128];
    int n = 0;

    if (ne[0] == ne0 && ne[1] == ne1 && ne[2] == 1 && ne[3] == 1)
        return true;
    snprintf(expected, sizeof expected, ne1 == 1 ? "[%llu]" : "[%llu, %llu]",
             (unsigned long long)ne0, (unsigned long long)ne1);
    for (uint32_t i = 0; i < tensor->n_dimensions && i < 4; i++)
        n += snprintf(got + n, sizeof got - (size_t)n, "%s%llu", i ? ", " : "",
                      (unsigned long long)ne[i]);
    fail(binder, name, STATUS_DAMAGED, "expected %s, got [%s]", expected, got);
    return false;
}

static const struct gguf_tensor *find(struct binder *binder, const char *name, bool required)
{
    const struct gguf_tensor *tensor;

    if (binder->status != STATUS_OK)
        return NULL;
    tensor = gguf_find_tensor(binder->file, name);
    if (!tensor && required)
        fail(binder, name, STATUS_DAMAGED, "the tensor is missing");
    return tensor;
}

/* Room for one element more in an array of binder->weights; false: no memory. */
static bool grow(struct binder *binder, void **array, size_t n, size_t *capacity, size_t size)
{
    size_t wanted = *capacity ? 2 * *capacity : 64;
    void *larger;

    if (n < *capacity)
        return true;
    larger = realloc(*array, wanted * size);
    if (!larger) {
        binder->status = error_set(binder->error, STATUS_NO_MEMORY, "no memory for weights");
        return false;
    }
    *array = larger;
    *capacity = wanted;
    return true;
}

/* n floats, KERNEL_ALIGNMENT aligned, owned by the weights; NULL: no memory. */
static float *new_vector(struct binder *binder, size_t n)
{
    struct weights *weights = binder->weights;
    void *array = weights->vectors, *vector = NULL;
    size_t n_bytes = (n * sizeof(float) + KERNEL_ALIGNMENT - 1) / KERNEL_ALIGNMENT;

    if (!grow(binder, &array, weights->n_vectors, &weights->vector_capacity, sizeof(float *)))
        return NULL;
    weights->vectors = array;
    vector = aligned_alloc(KERNEL_ALIGNMENT, n_bytes * KERNEL_ALIGNMENT);
    if (!vector) {
        binder->status = error_set(binder->error, STATUS_NO_MEMORY, "no memory for weights");
        return NULL;
    }
    weights->vectors[weights->n_vectors++] = vector;
    return vector;
}

static bool is_plain_float(enum tensor_type type)
{
    return type == TENSOR_F32 || type == TENSOR_F16 || type == TENSOR_BF16;
}

/* A small tensor [ne0, ne1], decoded to f32. */
static float *bind_floats(struct binder *binder, const char *name, uint32_t ne0, uint32_t ne1)
{
    const struct gguf_tensor *tensor = find(binder, name, true);
    size_t n = (size_t)ne0 * ne1;
    float *vector;

    if (!tensor || !check_shape(binder, name, tensor, ne0, ne1))
        return NULL;
    if (!is_plain_float(tensor->type)) {
        fail(binder, name, STATUS_UNSUPPORTED, "type %s, expected F32, F16 or BF16",
             tensor_type_info(tensor->type)->name);
        return NULL;
    }
    vector = new_vector(binder, n);
    if (vector)
        tensor_row_decode(tensor->type, tensor->data, vector, n);
    return vector;
}

static void bind_vector(struct binder *binder, const char *suffix, uint32_t n,
                        const float **out)
{
    char name[NAME_BYTES];

    *out = bind_floats(binder, block_name(binder, suffix, name), n, 1);
}

/* The file has the taps of a channel side by side; the kernel wants channels side by side. */
static void bind_taps(struct binder *binder, const float **out)
{
    const struct hyperparameters *p = binder->parameters;
    char name[NAME_BYTES];
    float *channels, *taps;

    channels = bind_floats(binder, block_name(binder, "ssm_conv1d.weight", name), p->n_taps,
                           p->conv_width);
    if (!channels)
        return;
    taps = new_vector(binder, (size_t)p->n_taps * p->conv_width);
    if (!taps)
        return;
    for (uint32_t tap = 0; tap < p->n_taps; tap++)
        for (uint32_t channel = 0; channel < p->conv_width; channel++)
            taps[(size_t)tap * p->conv_width + channel] =
                channels[(size_t)channel * p->n_taps + tap];
    *out = taps;
}

static void bind_native(struct binder *binder, const char *name,
                        const struct gguf_tensor *tensor, uint32_t n_rows, uint32_t n_columns,
                        struct weight *out)
{
    const struct tensor_type_info *info = tensor_type_info(tensor->type);

    if (!check_shape(binder, name, tensor, n_columns, n_rows))
        return;
    if (!info->computable) {
        fail(binder, name, STATUS_UNSUPPORTED, "tensors of type %s are not supported",
             info->name ? info->name : "unknown");
        return;
    }
    *out = (struct weight){
        .type = tensor->type, .n_rows = n_rows, .n_columns = n_columns, .native = tensor->data};
}

/* A matrix that matmul reads: it is remembered for packing. */
static void bind_named(struct binder *binder, const char *name, uint32_t n_rows,
                       uint32_t n_columns, bool required, struct weight *out)
{
    const struct gguf_tensor *tensor = find(binder, name, required);
    struct weights *weights = binder->weights;
    void *array = weights->matrices;

    if (!tensor)
        return;
    bind_native(binder, name, tensor, n_rows, n_columns, out);
    if (binder->status != STATUS_OK ||
        !grow(binder, &array, weights->n_matrices, &weights->matrix_capacity,
              sizeof *weights->matrices))
        return;
    weights->matrices = array;
    weights->matrices[weights->n_matrices++] = (struct bound_matrix){out, tensor, 0, 0};
}

static void bind_matrix(struct binder *binder, const char *suffix, uint32_t n_rows,
                        uint32_t n_columns, struct weight *out)
{
    char name[NAME_BYTES];

    bind_named(binder, block_name(binder, suffix, name), n_rows, n_columns, true, out);
}

static void bind_attention(struct binder *binder, const struct layer_parameters *layer,
                           struct attention_weights *out)
{
    const struct hyperparameters *p = binder->parameters;
    const uint32_t d = p->n_embd;
    const uint32_t query_rows = layer->n_head * 2 * p->head_dim;
    const uint32_t key_rows = layer->n_head_kv * p->head_dim;
    char name[NAME_BYTES];

    bind_named(binder, block_name(binder, "attn_qkv.weight", name), query_rows + 2 * key_rows,
               d, false, &out->fused);
    if (out->fused.n_rows == 0) {
        bind_matrix(binder, "attn_q.weight", query_rows, d, &out->query);
        bind_matrix(binder, "attn_k.weight", key_rows, d, &out->key);
        bind_matrix(binder, "attn_v.weight", key_rows, d, &out->value);
    }
    bind_matrix(binder, "attn_output.weight", d, layer->n_head * p->head_dim, &out->output);
    bind_vector(binder, "attn_q_norm.weight", p->head_dim, &out->query_norm);
    bind_vector(binder, "attn_k_norm.weight", p->head_dim, &out->key_norm);
}

static void bind_delta(struct binder *binder, struct delta_weights *out)
{
    const struct hyperparameters *p = binder->parameters;
    const uint32_t d = p->n_embd;
    char name[NAME_BYTES];
    bool bias;

    bind_matrix(binder, "attn_qkv.weight", p->conv_width, d, &out->qkv);
    bind_matrix(binder, "attn_gate.weight", p->value_width, d, &out->gate);
    bind_matrix(binder, "ssm_alpha.weight", p->n_value_heads, d, &out->alpha);
    bind_matrix(binder, "ssm_beta.weight", p->n_value_heads, d, &out->beta);
    bind_matrix(binder, "ssm_out.weight", d, p->value_width, &out->output);
    bind_taps(binder, &out->taps);
    /* Some converters leave out ".bias". */
    bias = gguf_find_tensor(binder->file, block_name(binder, "ssm_dt.bias", name)) ||
           !gguf_find_tensor(binder->file, block_name(binder, "ssm_dt", name));
    bind_vector(binder, bias ? "ssm_dt.bias" : "ssm_dt", p->n_value_heads, &out->step);
    bind_vector(binder, "ssm_a", p->n_value_heads, &out->rate);
    bind_vector(binder, "ssm_norm.weight", p->state_dim, &out->norm);
}

static void bind_layer(struct binder *binder, uint32_t index, struct layer_weights *out)
{
    const struct layer_parameters *layer = &binder->parameters->layers[index];
    const uint32_t d = binder->parameters->n_embd;

    binder->layer = index;
    bind_vector(binder, "attn_norm.weight", d, &out->mixer_norm);
    if (layer->recurrent)
        bind_delta(binder, &out->delta);
    else
        bind_attention(binder, layer, &out->attention);
    bind_vector(binder, "post_attention_norm.weight", d, &out->ffn_norm);
    bind_matrix(binder, "ffn_gate.weight", layer->n_ff, d, &out->ffn_gate);
    bind_matrix(binder, "ffn_up.weight", layer->n_ff, d, &out->ffn_up);
    bind_matrix(binder, "ffn_down.weight", d, layer->n_ff, &out->ffn_down);
}

/* What is absent in an MTP block is shared with the trunk. */
static void bind_mtp(struct binder *binder, uint32_t index, struct mtp_weights *out)
{
    struct weights *weights = binder->weights;
    const uint32_t d = binder->parameters->n_embd, n_vocab = binder->parameters->n_vocab;
    const struct gguf_tensor *embedding;
    char name[NAME_BYTES];

    bind_layer(binder, index, &out->layer);
    bind_matrix(binder, "nextn.eh_proj.weight", d, 2 * d, &out->join);
    bind_vector(binder, "nextn.enorm.weight", d, &out->embedding_norm);
    bind_vector(binder, "nextn.hnorm.weight", d, &out->hidden_norm);
    block_name(binder, "nextn.shared_head_norm.weight", name);
    if (gguf_find_tensor(binder->file, name))
        bind_vector(binder, "nextn.shared_head_norm.weight", d, &out->output_norm);
    else
        out->output_norm = weights->output_norm;
    embedding = find(binder, block_name(binder, "nextn.embed_tokens.weight", name), false);
    if (embedding)
        bind_native(binder, name, embedding, n_vocab, d, &out->embedding);
    else
        out->embedding = weights->embedding;
    bind_named(binder, block_name(binder, "nextn.shared_head_head.weight", name), n_vocab, d,
               false, &out->own_output);
    out->output = out->own_output.n_rows > 0 ? &out->own_output : &weights->output;
}

static void bind_ends(struct binder *binder)
{
    struct weights *weights = binder->weights;
    const uint32_t d = binder->parameters->n_embd, n_vocab = binder->parameters->n_vocab;
    const struct gguf_tensor *embedding = find(binder, "token_embd.weight", true);

    if (!embedding)
        return;
    if (!gguf_find_tensor(binder->file, "blk.0.attn_norm.weight") &&
        binder->parameters->n_mtp) {
        fail(binder, "blk.0.attn_norm.weight", STATUS_UNSUPPORTED,
             "the tensor is missing: the file holds a multi-token-prediction block alone");
        return;
    }
    bind_native(binder, "token_embd.weight", embedding, n_vocab, d, &weights->embedding);
    weights->output_norm = bind_floats(binder, "output_norm.weight", d, 1);
    weights->tied = !gguf_find_tensor(binder->file, "output.weight");
    bind_named(binder, weights->tied ? "token_embd.weight" : "output.weight", n_vocab, d, true,
               &weights->output);
}

enum status weights_bind(struct weights *out, const struct gguf *file,
                         const struct hyperparameters *parameters, enum kernel_level level,
                         struct error *error)
{
    const struct hyperparameters *p = parameters;
    struct binder binder = {out, file, parameters, level, 0, STATUS_OK, error};

    memset(out, 0, sizeof *out);
    out->layers = checked_allocate_zeroed(p->n_layers, sizeof *out->layers);
    out->mtp = checked_allocate_zeroed(p->n_mtp, sizeof *out->mtp);
    if (!out->layers || (p->n_mtp && !out->mtp))
        binder.status = error_set(error, STATUS_NO_MEMORY, "no memory for weights");
    bind_ends(&binder);
    for (uint32_t i = 0; i < p->n_layers; i++)
        bind_layer(&binder, i, &out->layers[i]);
    for (uint32_t i = 0; i < p->n_mtp; i++)
        bind_mtp(&binder, p->n_layers + i, &out->mtp[i]);
    if (binder.status != STATUS_OK)
        weights_release(out);
    return binder.status;
}

uint64_t weight_bytes(const struct weight *weight)
{
    const struct tensor_type_info *info = tensor_type_info(weight->type);
    const uint64_t n_groups = (weight->n_rows + GROUP_ROWS - 1) / GROUP_ROWS;

    if (weight->packed)
        return n_groups * kernels_group_bytes(weight->type, weight->n_columns);
    return (uint64_t)weight->n_rows * (weight->n_columns / info->block_elements) *
           info->block_bytes;
}

static bool is_mtp(const struct weights *weights, uint32_t n_mtp, const struct weight *weight)
{
    return n_mtp > 0 && (uintptr_t)weight >= (uintptr_t)weights->mtp &&
           (uintptr_t)weight < (uintptr_t)(weights->mtp + n_mtp);
}

struct weights_cost weights_cost(const struct weights *weights, uint32_t n_mtp)
{
    struct weights_cost cost = {0};

    for (size_t i = 0; i < weights->n_matrices; i++) {
        const struct weight *weight = weights->matrices[i].weight;
        const uint64_t operations = 2 * (uint64_t)weight->n_rows * weight->n_columns;

        if (weight == &weights->output) {
            cost.head_bytes = weight_bytes(weight);
            cost.head_operations = operations;
        } else if (!is_mtp(weights, n_mtp, weight) && weight->n_rows > 0) {
            cost.trunk_bytes += weight_bytes(weight);
            cost.trunk_operations += operations;
        }
    }
    return cost;
}

void weights_release(struct weights *weights)
{
    for (size_t i = 0; i < weights->n_vectors; i++)
        free(weights->vectors[i]);
    free(weights->vectors);
    free(weights->matrices);
    free(weights->layers);
    free(weights->mtp);
    if (weights->mapping)
        munmap(weights->mapping, weights->mapping_bytes);
    memset(weights, 0, sizeof *weights);
}
