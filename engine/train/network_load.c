/*
 * network_load.c - parameters from a model file
 */
#include "engine/train/network_parts.h"

#include "engine/file/gguf.h"
#include "engine/kernels/math.h"

#include <stdio.h>
#include <string.h>

static enum status refuse(struct error *error, enum status status, const char *name,
                          const char *what)
{
    error_set(error, status, "%s", what);
    error_where(error, "%s", name);
    return status;
}

/* A tensor with another name, or a part of one. */
struct source {
    const struct gguf_tensor *tensor; /* NULL: missing */
    char name[sizeof((struct parameter *)0)->name];
    uint64_t first_row, n_rows; /* rows of the tensor that are read, and all it must have */
};

static uint32_t block_of(const struct parameter *parameter, const char **suffix)
{
    uint32_t block = 0;
    int length = 0;

    if (sscanf(parameter->name, "blk.%u.%n", &block, &length) != 1)
        length = 0;
    *suffix = parameter->name + length;
    return block;
}

/* Query, key and value as rows of one tensor, in this order. */
static bool find_fused(const struct network *network, const struct gguf *file, uint32_t block,
                       const char *suffix, struct source *source)
{
    const struct layer_parameters *layer = &network->hyperparameters.layers[block];
    const uint64_t head = network->hyperparameters.head_dim;
    const uint64_t query = 2 * layer->n_head * head, key = layer->n_head_kv * head;

    if (strcmp(suffix, "attn_q.weight") == 0)
        source->first_row = 0;
    else if (strcmp(suffix, "attn_k.weight") == 0)
        source->first_row = query;
    else if (strcmp(suffix, "attn_v.weight") == 0)
        source->first_row = query + key;
    else
        return false;
    snprintf(source->name, sizeof source->name, "blk.%u.attn_qkv.weight", block);
    source->tensor = gguf_find_tensor(file, source->name);
    source->n_rows = query + 2 * key;
    return source->tensor != NULL;
}

/* Names that some converters use, and what an MTP block shares with the trunk. */
static struct source find(const struct network *network, const struct gguf *file,
                          const struct parameter *parameter)
{
    const struct tensor *tensor = parameter->tensor;
    struct source source = {gguf_find_tensor(file, parameter->name), "", 0,
                            tensor->n_dimensions == 2 ? tensor->shape[0] : 1};
    const char *suffix;
    const uint32_t block = block_of(parameter, &suffix);

    snprintf(source.name, sizeof source.name, "%s", parameter->name);
    if (source.tensor)
        return source;
    if (strcmp(suffix, "ssm_dt.bias") == 0)
        snprintf(source.name, sizeof source.name, "blk.%u.ssm_dt", block);
    else if (strcmp(suffix, "nextn.shared_head_norm.weight") == 0)
        snprintf(source.name, sizeof source.name, "output_norm.weight");
    else if (suffix != parameter->name && find_fused(network, file, block, suffix, &source))
        return source;
    source.tensor = gguf_find_tensor(file, source.name);
    return source;
}

static enum status check_source(const struct source *source, const struct parameter *parameter,
                                struct error *error)
{
    const struct tensor *tensor = parameter->tensor;
    const uint64_t n_columns = tensor->shape[tensor->n_dimensions - 1];
    const struct gguf_tensor *found = source->tensor;
    char what[160];

    if (!found)
        return refuse(error, STATUS_DAMAGED, parameter->name, "the tensor is missing");
    if (found->ne[0] != n_columns || found->ne[1] != source->n_rows || found->ne[2] != 1 ||
        found->ne[3] != 1) {
        snprintf(what, sizeof what, "expected [%llu, %llu], got [%llu, %llu]",
                 (unsigned long long)n_columns, (unsigned long long)source->n_rows,
                 (unsigned long long)found->ne[0], (unsigned long long)found->ne[1]);
        return refuse(error, STATUS_DAMAGED, source->name, what);
    }
    if (!tensor_type_info(found->type)->computable) {
        snprintf(what, sizeof what, "tensors of type %s are not supported",
                 tensor_type_info(found->type)->name ? tensor_type_info(found->type)->name
                                                     : "unknown");
        return refuse(error, STATUS_UNSUPPORTED, source->name, what);
    }
    return STATUS_OK;
}

static bool is_finite(float x)
{
    return (math_bits_of(x) & 0x7f800000u) != 0x7f800000u;
}

static enum status load(const struct source *source, const struct parameter *parameter,
                        struct error *error)
{
    const struct tensor *tensor = parameter->tensor;
    const size_t n_columns = tensor->shape[tensor->n_dimensions - 1];
    const size_t n = tensor_elements(tensor);
    const size_t row_bytes = (size_t)(source->tensor->n_bytes / source->n_rows);
    const uint8_t *rows = source->tensor->data + (size_t)source->first_row * row_bytes;

    for (size_t done = 0; done < n; done += n_columns)
        tensor_row_decode(source->tensor->type, rows + done / n_columns * row_bytes,
                          tensor->data + done, n_columns);
    for (size_t i = 0; i < n; i++) {
        float *value = &tensor->data[i];
        if (parameter->log_rate && *value >= 0)
            return refuse(error, STATUS_DAMAGED, source->name, "a rate is not negative");
        if (parameter->log_rate)
            *value = math_log(-*value);
        if (!is_finite(*value))
            return refuse(error, STATUS_DAMAGED, source->name, "a value is not a number");
    }
    return STATUS_OK;
}

/* Tensors that would be lost: the block reads the trunk's table and head here. */
static enum status check_mtp(const struct network *network, const struct gguf *file,
                             struct error *error)
{
    static const char *const unknown[] = {"embed_tokens", "shared_head_head"};
    char name[80];

    for (size_t i = 0; i < 2; i++) {
        snprintf(name, sizeof name, "blk.%u.nextn.%s.weight", network->hyperparameters.n_layers,
                 unknown[i]);
        if (gguf_find_tensor(file, name))
            return refuse(error, STATUS_UNSUPPORTED, name,
                          "the trainer knows no table of a multi-token-prediction block");
    }
    return STATUS_OK;
}

static enum status load_all(struct network *network, const struct gguf *file,
                            struct error *error)
{
    enum status status = check_mtp(network, file, error);

    for (size_t i = 0; status == STATUS_OK && i < network->n_parameters; i++) {
        const struct parameter *parameter = &network->parameters[i];
        const struct source source = find(network, file, parameter);
        status = check_source(&source, parameter, error);
        if (status == STATUS_OK)
            status = load(&source, parameter, error);
    }
    return status;
}

enum status network_load(struct network **out, const struct gguf *file, struct error *error)
{
    struct hyperparameters hyperparameters;
    enum status status = hyperparameters_read(&hyperparameters, file, error);

    *out = NULL;
    if (status != STATUS_OK)
        return status;
    status =
        network_build(out, &hyperparameters, !gguf_find_tensor(file, "output.weight"), error);
    if (status == STATUS_OK)
        status = load_all(*out, file, error);
    if (status != STATUS_OK)
        network_free(out);
    return status;
}
